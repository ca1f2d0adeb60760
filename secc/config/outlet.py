"""The settings of one outlet."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypeVar

from frozen import dataclass
from secc.config.choices import EVSE_ID, HAL, INTERFACE, LABEL, LAST_PORT, METER, PLAIN_PORT, PROTOCOL, Modem, Tls
from secc.config.facets import Doc, Length, Named, Range
from secc.config.services import ServiceSettings
from secc.outlet.settings import Hlc
from secc.session.offer import AcLimits, DcLimits, Payment, Transfer
from secc.session.services import MOST_SERVICES, Internet

L = TypeVar("L", AcLimits, DcLimits)


@dataclass(frozen=True, slots=True)
class Ac:
    """AC limits of the outlet, within those of the hardware. A limit that is not set is the hardware's."""

    volts: Annotated[float | None, Doc("Volts, phase to neutral."), Range(100, 300)] = None
    maximum_amperes: Annotated[float | None, Doc("Highest amperes a phase."), Range(6, 80)] = None
    minimum_amperes: Annotated[float | None, Doc("Amperes a phase below which charging pauses."), Range(6, 80)] = None

    def within(self, hardware: AcLimits) -> AcLimits:
        """Returns the stricter of these limits and the hardware's; the volts are the operator's if set."""
        return _stricter(self, hardware)


@dataclass(frozen=True, slots=True)
class Dc:
    """DC limits of the outlet, within those of the hardware. A limit that is not set is the hardware's."""

    minimum_volts: Annotated[float | None, Doc("Lowest volts."), Range(0, 1500)] = None
    maximum_volts: Annotated[float | None, Doc("Highest volts."), Range(50, 1500)] = None
    minimum_amperes: Annotated[float | None, Doc("Lowest amperes."), Range(0, 1000)] = None
    maximum_amperes: Annotated[float | None, Doc("Highest amperes."), Range(1, 1000)] = None
    maximum_watts: Annotated[float | None, Doc("Highest watts."), Range(100, 1_000_000)] = None

    def within(self, hardware: DcLimits) -> DcLimits:
        """Returns the stricter of these limits and the hardware's."""
        return _stricter(self, hardware)


@dataclass(frozen=True, slots=True)
class OutletSettings:
    """One outlet: a cable, its network interface and its hardware."""

    interface: Annotated[
        str, Doc("Network interface of the power line modem; the station serves cars on no other."), INTERFACE
    ]
    name: Annotated[str, Doc("Name of the outlet in logs and commands.", "its number, from `1`"), LABEL] = "1"
    hal: Annotated[str, Doc("Driver and address of the hardware: `sim:`, `chargesom:/dev/ttyLP2`."), HAL] = "sim:"
    evse_id: Annotated[str, Doc("The EVSEID for cars (ISO 15118-2 Annex H); `ZZ00000`: none."), EVSE_ID] = "ZZ00000"
    transfers: Annotated[
        tuple[Transfer, ...],
        Doc(
            "Ways of charging, out of those that the board delivers. An outlet is AC or DC.",
            "all that the board delivers: `dc`, `ac-single-phase`, or `ac-three-phase` and `ac-single-phase`",
        ),
        Length(1),
    ] = ()
    payments: Annotated[
        tuple[Payment, ...],
        Doc(
            "Ways to identify the driver: `contract` is Plug & Charge and needs TLS; `external` is a card, an app or nothing.",
            "both if `trust.keystore` and `trust.truststore` are set, otherwise `external`",
        ),
        Length(1),
    ] = (Payment.EXTERNAL,)
    tls: Annotated[
        Tls,
        Doc(
            "`offered`: TLS for cars that ask for it, plain TCP for the others. Contract is never offered on plain TCP, "
            "and cars that can only identify externally often speak no TLS.",
            "`required` if only `contract` is offered, `offered` if there is a `trust.keystore`, otherwise `off`",
        ),
    ] = Tls.OFF
    protocols: Annotated[
        tuple[str, ...],
        Doc(
            "Protocols that the outlet speaks. `iso2` is ISO 15118-2. `din` is DIN SPEC 70121: for DC, external payment and plain TCP only, so "
            'an outlet with `tls = "required"` does not speak it. Of several the car chooses; their order in this list means nothing.',
            "all that the outlet can speak: `iso2`, and with DC `din`",
        ),
        PROTOCOL,
        Length(1),
    ] = ()
    provisioning: Annotated[
        bool,
        Doc(
            "Offer certificate installation and update with Plug & Charge, if the backend has a provisioning service. "
            "Some cars leave when they see services that they cannot use (Q-35)."
        ),
    ] = True
    internet: Annotated[
        tuple[Internet, ...],
        Doc(
            "Internet access to offer over TLS (ServiceID 3), by protocol and port. The station announces it and tells which a car has "
            "selected; the board's network set-up routes it."
        ),
    ] = ()
    services: Annotated[
        tuple[ServiceSettings, ...],
        Named("service"),
        Doc("Services of the operator's own."),
        Length(0, MOST_SERVICES),
    ] = ()
    hlc: Annotated[
        Hlc,
        Doc(
            "Whether an AC outlet talks to cars. `required`: only cars that talk charge; `preferred`: a car that cannot be matched, or whose "
            "session fails, charges by pilot and duty (basic charging); `off`: all cars do. A DC outlet always talks."
        ),
    ] = Hlc.PREFERRED
    modem: Annotated[
        Modem,
        Doc(
            "The modem that matches cars by SLAC. `board`: the hardware driver's, if it has one; `packet`: one that the station drives by raw "
            "Ethernet on `interface`; `none`: the link is up while the cable is in, and an AC outlet has nothing to fall back to."
        ),
    ] = Modem.BOARD
    pwm_delay_seconds: Annotated[
        float,
        Doc(
            "With a modem: matching listens for so long before the duty is set, because some cars ask at once (Q-01). "
            "Some cars fail after more than a second."
        ),
        Range(0, 5),
    ] = 0.5
    slac_init_seconds: Annotated[
        float,
        Doc("Time for a car to ask for matching (TT_EVSE_SLAC_init); `lab.strict` needs 20 (Q-04)."),
        Range(10, 50),
    ] = 50.0
    attenuation_offset: Annotated[
        int,
        Doc("Decibels from plug to modem, subtracted from measurements; too many steal neighbours' cars."),
        Range(0, 60),
    ] = 0
    port: Annotated[
        int,
        Doc("TCP port that SDP names: 0: a free one from 49152; 49152 to 65535; 15118 if `lab.tolerate` names Q-16."),
        Range(0, LAST_PORT),
    ] = 0
    sdp_port: Annotated[int, Doc("UDP port of SDP; cars know only 15118."), Range(1, LAST_PORT)] = PLAIN_PORT
    renegotiate_dc: Annotated[
        bool,
        Doc(
            "Ask a DC car for another schedule when the limit falls below that of its schedule. The cable is checked again then, "
            "which some cars do not expect; the limit counts at once either way."
        ),
    ] = True
    meter_id: Annotated[str, Doc("Identity of the billing meter, for cars.", "from the meter"), METER] = ""
    ac: Annotated[Ac, Doc("AC limits.")] = Ac()
    dc: Annotated[Dc, Doc("DC limits.")] = Dc()


def _stricter(limits: Ac | Dc, hardware: L) -> L:
    chosen = {}
    for name in limits.__slots__:
        if (value := getattr(limits, name)) is not None:
            pick = min if name.startswith("maximum_") else max if name.startswith("minimum_") else None
            chosen[name] = value if pick is None else pick(value, getattr(hardware, name))
    return replace(hardware, **chosen)

"""The settings of one outlet."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypeVar

from frozen import dataclass
from secc.config.choices import (
    EVSE_ID,
    HAL,
    INTERFACE,
    LABEL,
    LAST_PORT,
    METER,
    PLAIN_PORT,
    Modem,
    Tls,
)
from secc.config.facets import Doc, Length, Pattern, Range
from secc.outlet.settings import Hlc
from secc.session.offer import AcLimits, DcLimits, Payment, Transfer

L = TypeVar("L", AcLimits, DcLimits)


@dataclass(frozen=True, slots=True)
class Ac:
    """Limits of the AC side, below what the hardware says it can. What is not set is as the hardware says."""

    volts: Annotated[float | None, Doc("Volts, phase to neutral."), Range(100, 300)] = None
    maximum_amperes: Annotated[float | None, Doc("Amperes a phase, at most."), Range(6, 80)] = None
    minimum_amperes: Annotated[
        float | None, Doc("Amperes a phase, at least; below it charging pauses."), Range(6, 80)
    ] = None

    def within(self, hardware: AcLimits) -> AcLimits:
        """These limits where they are set and stricter, else the hardware's; the volts are the operator's."""
        return _stricter(self, hardware)


@dataclass(frozen=True, slots=True)
class Dc:
    """Limits of the DC side, below what the hardware says it can. What is not set is as the hardware says."""

    minimum_volts: Annotated[float | None, Doc("Volts, at least."), Range(0, 1500)] = None
    maximum_volts: Annotated[float | None, Doc("Volts, at most."), Range(50, 1500)] = None
    minimum_amperes: Annotated[float | None, Doc("Amperes, at least."), Range(0, 1000)] = None
    maximum_amperes: Annotated[float | None, Doc("Amperes, at most."), Range(1, 1000)] = None
    maximum_watts: Annotated[float | None, Doc("Watts, at most."), Range(100, 1_000_000)] = None

    def within(self, hardware: DcLimits) -> DcLimits:
        """These limits where they are set and stricter, else the hardware's."""
        return _stricter(self, hardware)


@dataclass(frozen=True, slots=True)
class OutletSettings:
    """One outlet: a cable, the interface behind it, and the hardware that moves its power."""

    interface: Annotated[
        str,
        Doc("The network interface of this outlet's power line modem; nothing is served on any other."),
        Pattern(INTERFACE, "the name of a network interface"),
    ]
    name: Annotated[
        str,
        Doc("What the outlet is called in logs and on the control socket.", "its number, from `1`"),
        Pattern(LABEL, "1 to 32 letters, digits, . _ or -"),
    ] = "1"
    hal: Annotated[
        str,
        Doc("The driver of its hardware and where that is, e.g. `sim:` or `chargesom:/dev/ttyLP2`."),
        Pattern(HAL, "a driver and its address with a colon between them, such as sim: or linux:board.toml"),
    ] = "sim:"
    evse_id: Annotated[
        str,
        Doc("The EVSEID that cars are told (ISO 15118-2 Annex H); `ZZ00000` says that there is none."),
        Pattern(EVSE_ID, "an EVSEID such as DE*PNX*E00001: country, operator, E and up to 30 letters, digits and *"),
    ] = "ZZ00000"
    transfers: Annotated[
        tuple[Transfer, ...],
        Doc(
            "How energy reaches the car: nothing but what the board can. An outlet is AC or DC.",
            "what the board can: `dc`, `ac-single-phase`, or `ac-three-phase` and `ac-single-phase`",
        ),
        Length(1),
    ] = ()
    payments: Annotated[
        tuple[Payment, ...],
        Doc(
            "How drivers can be identified: `contract` is Plug & Charge and needs TLS, `external` is a card, an app or nothing.",
            "both where `trust.keystore` and `trust.truststore` are set, else `external`",
        ),
        Length(1),
    ] = (Payment.EXTERNAL,)
    tls: Annotated[
        Tls,
        Doc(
            "`offered` serves TLS to cars that ask for it and plain TCP to the others: Contract is never offered on plain TCP, "
            "and cars that can only identify externally often speak no TLS.",
            "`required` where only `contract` is offered, `offered` where there is a `trust.keystore`, else `off`",
        ),
    ] = Tls.OFF
    hlc: Annotated[
        Hlc,
        Doc(
            "Whether an AC outlet talks to cars: `required` charges no other; `preferred` charges by pilot and duty alone (basic charging) "
            "those that cannot be matched, or whose sessions fail; `off` charges all of them so. A DC outlet always talks."
        ),
    ] = Hlc.PREFERRED
    modem: Annotated[
        Modem,
        Doc(
            "What matches cars by SLAC: the modem that the hardware's driver brings, if any (`board`), one that is driven through raw "
            "Ethernet on `interface` (`packet`), or `none`: then the link counts as there while the cable is in, and an AC outlet falls back "
            "to nothing."
        ),
    ] = Modem.BOARD
    pwm_delay_seconds: Annotated[
        float,
        Doc(
            "With a modem: how long matching listens before the pilot's duty is set, because some cars ask at once (Q-01). More than a "
            "second upsets some cars."
        ),
        Range(0, 5),
    ] = 0.5
    slac_init_seconds: Annotated[
        float,
        Doc(
            "How long a car may take to ask to be matched (TT_EVSE_SLAC_init); below 20 only without `lab.strict` (Q-04)."
        ),
        Range(10, 50),
    ] = 50.0
    attenuation_offset: Annotated[
        int,
        Doc(
            "Decibels between plug and modem, subtracted from what the modem measures: too much of it steals neighbours' cars."
        ),
        Range(0, 60),
    ] = 0
    port: Annotated[
        int,
        Doc(
            "The TCP port that SDP announces: 0 picks a free one of the dynamic range, else 49152 to 65535, "
            "or 15118 where `lab.tolerate` names Q-16."
        ),
        Range(0, LAST_PORT),
    ] = 0
    sdp_port: Annotated[
        int, Doc("The UDP port of SDP; cars know 15118 only, others are for tests."), Range(1, LAST_PORT)
    ] = PLAIN_PORT
    meter_id: Annotated[
        str,
        Doc("The billing meter's identity as cars are told.", "what the meter says"),
        Pattern(METER, "1 to 32 ASCII characters"),
    ] = ""
    ac: Annotated[Ac, Doc("Limits of the AC side.")] = Ac()
    dc: Annotated[Dc, Doc("Limits of the DC side.")] = Dc()


def _stricter(limits: Ac | Dc, hardware: L) -> L:
    chosen = {}
    for name in limits.__slots__:
        if (value := getattr(limits, name)) is not None:
            pick = min if name.startswith("maximum_") else max if name.startswith("minimum_") else None
            chosen[name] = value if pick is None else pick(value, getattr(hardware, name))
    return replace(hardware, **chosen)

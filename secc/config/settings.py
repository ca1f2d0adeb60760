"""Every setting of a station, as frozen dataclasses. ``docs/configuration.md`` is made from this file.

What weakens trust, money or power begins with ``danger_``. The exceptions are names that OCPP gave (operators look for those) and values of an
enumeration; they carry a ``Danger``, and ``Config.dangers`` lists all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from secc.config.choices import (
    EVSE_ID,
    HAL,
    INTERFACE,
    LABEL,
    LAST_PORT,
    METER,
    PLAIN_PORT,
    QUIRK,
    Clock,
    LogLevel,
    Modem,
    Tls,
    TraceMode,
    UplinkKind,
)
from secc.config.facets import Danger, Doc, Length, Named, Pattern, Range
from secc.outlet.settings import Hlc
from secc.session.offer import AcLimits, DcLimits, Payment, Transfer
from secc.uplink.policy import Policy
from secc.uplink.standalone import Eim, Rules


@dataclass(frozen=True, slots=True)
class Station:
    """The station as a whole."""

    name: Annotated[
        str, Doc("What the station is called in logs and traces."), Pattern(LABEL, "1 to 32 letters, digits, . _ or -")
    ] = "secc"
    state_directory: Annotated[
        Path,
        Doc(
            "What has to survive a power cut: the memory of failed contracts, the last session, the last time seen.",
            "`/var/lib/secc`; with flags alone `secc-state` in the working directory",
        ),
    ] = Path("/var/lib/secc")
    control_socket: Annotated[
        Path | None,
        Doc("The local socket of `secc status` and `secc control`.", "`control.sock` in the state directory"),
    ] = None


@dataclass(frozen=True, slots=True)
class Ac:
    """Limits of the AC side, below what the hardware says it can. What is not set is as the hardware says."""

    volts: Annotated[float | None, Doc("Volts, phase to neutral."), Range(100, 300)] = None
    maximum_amperes: Annotated[float | None, Doc("Amperes a phase, at most."), Range(6, 80)] = None
    minimum_amperes: Annotated[
        float | None, Doc("Amperes a phase, at least; below it charging pauses."), Range(6, 80)
    ] = None

    def within(self, hardware: AcLimits) -> AcLimits:
        """These limits where they are set and stricter, else the hardware's."""
        return AcLimits(
            volts=hardware.volts if self.volts is None else self.volts,
            maximum_amperes=_lower(self.maximum_amperes, hardware.maximum_amperes),
            minimum_amperes=_higher(self.minimum_amperes, hardware.minimum_amperes),
            phases=hardware.phases,
        )


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
        return DcLimits(
            minimum_volts=_higher(self.minimum_volts, hardware.minimum_volts),
            maximum_volts=_lower(self.maximum_volts, hardware.maximum_volts),
            minimum_amperes=_higher(self.minimum_amperes, hardware.minimum_amperes),
            maximum_amperes=_lower(self.maximum_amperes, hardware.maximum_amperes),
            maximum_watts=_lower(self.maximum_watts, hardware.maximum_watts),
            ripple_amperes=hardware.ripple_amperes,
        )


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
            "those that do not let themselves be matched, or come to nothing; `off` charges all of them so. A DC outlet always talks."
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
    ac: Annotated[Ac, Doc("Limits of the AC side.")] = field(default_factory=Ac)
    dc: Annotated[Dc, Doc("Limits of the DC side.")] = field(default_factory=Dc)


@dataclass(frozen=True, slots=True)
class Trust:
    """Certificates: whom the station trusts, and who it is."""

    truststore: Annotated[
        Path | None,
        Doc("Directory of the installed roots (V2G, MO, OEM; each edition apart).", "none: no Plug & Charge"),
    ] = None
    keystore: Annotated[
        Path | None, Doc("Directory of the station's own chains and keys, by V2G root.", "none: no TLS")
    ] = None
    ocsp_cache: Annotated[
        Path | None,
        Doc("Directory of the OCSP responses that are stapled to the TLS handshake.", "`ocsp` in the keystore"),
    ] = None
    revoked: Annotated[
        Path | None,
        Doc(
            "File of certificates that are revoked, by hash data ([trust.md](trust.md)): contracts with one of them in their chain are refused.",
            "none",
        ),
    ] = None
    clock: Annotated[
        Clock,
        Doc(
            "What makes the calendar trustworthy: `ntp`: the kernel says that it is synchronised; "
            "`rtc`: the board has a clock that runs on a battery, and what it says is taken at its word."
        ),
    ] = Clock.NTP
    danger_floor_suffices: Annotated[
        bool,
        Doc(
            "Accept certificates by the newest moment that has certainly passed (build date, last time seen) while the calendar "
            "is not confirmed. A certificate that has expired since then would be accepted."
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Uplink:
    """The backend: who decides, and by what lists."""

    kind: Annotated[UplinkKind, Doc("`standalone` decides on the station alone, without any network.")] = (
        UplinkKind.STANDALONE
    )
    eim: Annotated[
        Eim,
        Doc(
            "Whom external identification lets charge: `list`: cards on the allowlist; `any`: whoever shows a card that is not on "
            "the denylist; `free`: whoever plugs in."
        ),
        Danger((Eim.ANY, Eim.FREE), "energy is given to people whom nobody knows"),
    ] = Eim.LIST
    allowlist: Annotated[Path | None, Doc("File of contracts and cards that may charge.", "none: nobody is listed")] = (
        None
    )
    denylist: Annotated[
        Path | None, Doc("File of contracts and cards that may not, whatever else says so.", "none")
    ] = None
    sessions: Annotated[
        Path | None, Doc("File to which every charging session is appended, durably and without contract data.", "none")
    ] = None
    sessions_megabytes: Annotated[
        float, Doc("How large that file and the older one beside it may become together."), Range(0.1, 10_000)
    ] = 10.0
    danger_charge_unbooked: Annotated[
        bool,
        Doc(
            "Let cars begin to charge while that file cannot be written. What is delivered then is kept in memory, and lost with the next power cut."
        ),
    ] = False
    pnc_enabled: Annotated[bool, Named("PnCEnabled"), Doc("ISO15118Ctrlr.PnCEnabled: offer Plug & Charge at all.")] = (
        True
    )
    contract_validation_offline: Annotated[
        bool,
        Named("ContractValidationOffline"),
        Doc(
            "ISO15118Ctrlr: judge contracts on the station while no backend can be reached; `standalone` never reaches one."
        ),
    ] = True
    local_authorize_offline: Annotated[
        bool,
        Named("LocalAuthorizeOffline"),
        Doc("AuthCtrlr: let lists decide while no backend can be reached; `standalone` never reaches one."),
    ] = True
    offline_tx_for_unknown_id_enabled: Annotated[
        bool,
        Named("OfflineTxForUnknownIdEnabled"),
        Doc(
            "AuthCtrlr: while no backend can be reached, let contracts charge that are on no list, if their chain is good and "
            "they have not failed before."
        ),
        Danger((True,), "whoever has a contract under an installed root charges, billed or not"),
    ] = False

    @property
    def policy(self) -> Policy:
        """These settings as the decision table takes them; what only a backend on a network can use stays off."""
        return Policy(
            pnc_enabled=self.pnc_enabled,
            contract_validation_offline=self.contract_validation_offline,
            local_authorize_offline=self.local_authorize_offline,
            offline_tx_for_unknown_id_enabled=self.offline_tx_for_unknown_id_enabled,
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """Machine-readable traces of sessions, for support and for tests."""

    mode: Annotated[TraceMode, Doc("Which sessions leave a trace: those that ended badly, all, or none.")] = (
        TraceMode.ON_FAILURE
    )
    directory: Annotated[Path | None, Doc("Where traces are written.", "`traces` in the state directory")] = None
    ring_kilobytes: Annotated[
        int,
        Doc("Memory of one session's trace; when it is full, repetitions in loops are dropped first."),
        Range(16, 65536),
    ] = 512
    cap_megabytes: Annotated[
        float, Doc("How large all traces together may become; the oldest are removed first."), Range(0.1, 100_000)
    ] = 50.0


@dataclass(frozen=True, slots=True)
class Log:
    """The log, for people; it goes to standard error."""

    level: Annotated[LogLevel, Doc("How much is said.")] = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Timing:
    """Times that are the operator's choice. Those of the standards are not settings."""

    setup_seconds: Annotated[
        float,
        Doc("From the link to SessionSetupReq (V2G_SECC_CommunicationSetup, [V2G2-723]); cars give up after 20."),
        Range(1, 120),
    ] = 20.0
    handshake_seconds: Annotated[float, Doc("A whole TLS handshake, at most."), Range(1, 60)] = 10.0
    eim_seconds: Annotated[float, Doc("How long a driver may take to find the card, cable first."), Range(10, 3600)] = (
        300.0
    )
    token_seconds: Annotated[
        float,
        Doc("How long an accepted card waits for its cable (OCPP's TxCtrlr.EVConnectionTimeOut)."),
        Range(5, 3600),
    ] = 60.0
    decide_seconds: Annotated[
        float, Doc("How long the backend may take to decide on a contract; cars give up after 60."), Range(1, 55)
    ] = 50.0
    shutdown_seconds: Annotated[
        float, Doc("How long a charging car is given to end by itself when the station is stopped."), Range(0, 60)
    ] = 10.0


@dataclass(frozen=True, slots=True)
class Lab:
    """What a laboratory may switch on. A station in the field has none of it."""

    strict: Annotated[bool, Doc("Switch every tolerance of field quirks off, for conformance runs.")] = False
    tolerate: Annotated[
        tuple[str, ...],
        Doc("Field quirks tolerated beyond the defaults, such as `Q-16`."),
        Pattern(QUIRK, "the code of a field quirk, such as Q-16"),
        Danger((), "what a car gets wrong about power or receipts is let pass"),
    ] = ()
    danger_keylog: Annotated[
        Path | None,
        Doc("File to which TLS session keys are appended (NSS key log): whoever has it reads the sessions.", "none"),
    ] = None
    danger_follower: Annotated[
        bool,
        Doc(
            "Let simulated hardware move the pilot for a car that has none (`follower` in its address). For tests only."
        ),
    ] = False
    danger_trace_personal: Annotated[
        bool,
        Doc("Leave contract certificates, EMAIDs and EVCCIDs in traces as they are. For synthetic certificates only."),
    ] = False


@dataclass(frozen=True, slots=True)
class Config:
    """A whole station, checked."""

    outlets: Annotated[tuple[OutletSettings, ...], Named("outlet"), Doc("One table for each outlet."), Length(1)]
    station: Annotated[Station, Doc("The station as a whole.")] = field(default_factory=Station)
    trust: Annotated[Trust, Doc("Certificates.")] = field(default_factory=Trust)
    uplink: Annotated[Uplink, Doc("The backend.")] = field(default_factory=Uplink)
    trace: Annotated[Trace, Doc("Traces.")] = field(default_factory=Trace)
    log: Annotated[Log, Doc("The log.")] = field(default_factory=Log)
    timing: Annotated[Timing, Doc("Times that are the operator's choice.")] = field(default_factory=Timing)
    lab: Annotated[Lab, Doc("What a laboratory may switch on.")] = field(default_factory=Lab)
    source: Path | None = None
    """The file it came from; None where flags alone made it."""

    @property
    def control_socket(self) -> Path:
        return self.station.control_socket or self.station.state_directory / "control.sock"

    @property
    def trace_directory(self) -> Path:
        return self.trace.directory or self.station.state_directory / "traces"

    @property
    def rules(self) -> Rules:
        """What the ``standalone`` backend is told."""
        uplink = self.uplink
        return Rules(
            state_directory=self.station.state_directory,
            policy=uplink.policy,
            eim=uplink.eim,
            allowlist=uplink.allowlist,
            denylist=uplink.denylist,
            sessions=uplink.sessions,
            sessions_octets=int(uplink.sessions_megabytes * 1_000_000),
        )

    @property
    def ocsp_cache(self) -> Path | None:
        """Where staples lie; None without a keystore."""
        return self.trust.ocsp_cache or (self.trust.keystore / "ocsp" if self.trust.keystore is not None else None)


def _lower(setting: float | None, hardware: float) -> float:
    return hardware if setting is None else min(setting, hardware)


def _higher(setting: float | None, hardware: float) -> float:
    return hardware if setting is None else max(setting, hardware)

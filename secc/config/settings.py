"""Every setting of a station, as frozen dataclasses; those of an outlet are in :mod:`secc.config.outlet`.

``docs/configuration.md`` is made from both.

What weakens trust, money or power begins with ``danger_``. The exceptions are names that OCPP gave (operators look for those) and values of an
enumeration; they carry a ``Danger``, and ``Config.dangers`` lists all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from frozen import dataclass
from secc.config.choices import (
    LABEL,
    QUIRK,
    Clock,
    LogLevel,
    TraceMode,
    UplinkKind,
)
from secc.config.facets import Danger, Doc, Length, Named, Pattern, Range
from secc.config.outlet import OutletSettings
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

    @property
    def staples(self) -> Path | None:
        """Where OCSP responses lie; None without a keystore."""
        return self.ocsp_cache or (self.keystore / "ocsp" if self.keystore is not None else None)


@dataclass(frozen=True, slots=True)
class Uplink:
    """The backend: who decides, and by what lists."""

    kind: Annotated[UplinkKind, Doc("`standalone` decides on the station alone, without any network.")] = (
        UplinkKind.STANDALONE
    )
    eim: Annotated[
        Eim,
        Doc(
            "Whom external identification lets charge: `list`: cards on the allowlist; `any`: each card that is not on "
            "the denylist; `free`: every car."
        ),
        Danger((Eim.ANY, Eim.FREE), "energy is given to people without identification"),
    ] = Eim.LIST
    allowlist: Annotated[Path | None, Doc("File of contracts and cards that may charge.", "none: no entries")] = None
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
        Danger((True,), "any contract under an installed root charges, billed or not"),
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
    ] = 256
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
        Doc(
            "File to which TLS session keys are appended (NSS key log): with it the sessions can be decrypted.", "none"
        ),
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
    station: Annotated[Station, Doc("The station as a whole.")] = Station()
    trust: Annotated[Trust, Doc("Certificates.")] = Trust()
    uplink: Annotated[Uplink, Doc("The backend.")] = Uplink()
    trace: Annotated[Trace, Doc("Traces.")] = Trace()
    log: Annotated[Log, Doc("The log.")] = Log()
    timing: Annotated[Timing, Doc("Times that are the operator's choice.")] = Timing()
    lab: Annotated[Lab, Doc("What a laboratory may switch on.")] = Lab()
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

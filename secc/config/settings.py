"""Every setting of a station, as frozen dataclasses; those of an outlet are in
:mod:`secc.config.outlet`, those of a laboratory in :mod:`secc.config.lab`.

``docs/configuration.md`` is made from all of them.

A setting that weakens trust, money or power begins with ``danger_``. Exceptions are names that OCPP
gave, because operators look for those, and values of an enumeration; they carry a ``Danger``.
``secc.config.dangers`` lists all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from frozen import dataclass
from secc.config.choices import LABEL, Clock, LogLevel, TraceMode, UplinkKind
from secc.config.facets import Danger, Doc, Length, Named, Range
from secc.config.lab import Lab
from secc.config.outlet import OutletSettings
from secc.uplink.policy import Policy
from secc.uplink.standalone import Eim, Rules


@dataclass(frozen=True, slots=True)
class Station:
    """The station as a whole."""

    name: Annotated[str, Doc("Name of the station in logs and traces."), LABEL] = "secc"
    state_directory: Annotated[
        Path,
        Doc(
            "Directory of what has to survive a power cut: failed contracts, the history of sessions, the last time seen.",
            "`/var/lib/secc`; with flags alone `secc-state` in the working directory",
        ),
    ] = Path("/var/lib/secc")
    control_socket: Annotated[
        Path | None, Doc("Local socket of `secc status` and `secc control`.", "`control.sock` in the state directory")
    ] = None


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificates that the station trusts, and its own."""

    truststore: Annotated[Path | None, Doc("Directory of the trusted roots.", "none: no Plug & Charge")] = None
    keystore: Annotated[Path | None, Doc("Directory of the station's chains and keys, by root.", "none: no TLS")] = None
    ocsp_cache: Annotated[Path | None, Doc("Directory of OCSP responses to staple.", "`ocsp` in the keystore")] = None
    revoked: Annotated[
        Path | None,
        Doc("File of revoked certificates ([trust.md](trust.md)): no contract below one of them is accepted.", "none"),
    ] = None
    clock: Annotated[
        Clock,
        Doc(
            "What confirms the calendar. `ntp`: the kernel says that a source keeps it synchronised; "
            "`rtc`: the board has a clock that runs on a battery, and the station trusts it."
        ),
    ] = Clock.NTP
    announce_expiry: Annotated[
        bool,
        Doc(
            "Tell a car that its contract ends within 21 days (`OK_CertificateExpiresSoon`) although no certificate update is offered. "
            "A car that then asks for an update cannot have one here."
        ),
    ] = False
    danger_floor_suffices: Annotated[
        bool,
        Doc(
            "Judge certificates by the newest moment that has certainly passed (build date, last time seen) while nothing confirms "
            "the calendar. A certificate that has expired since then is accepted."
        ),
    ] = False
    danger_status_request_v2: Annotated[
        bool,
        Doc(
            "Send the OCSP responses of the whole chain to cars that ask by `status_request_v2`. libssl cannot do this: "
            "the station changes an octet in its buffers ([why it is off](decisions/status-request-v2.md))."
        ),
    ] = False

    @property
    def staples(self) -> Path | None:
        """Directory of the OCSP responses; None without a keystore."""
        return self.ocsp_cache or (self.keystore / "ocsp" if self.keystore is not None else None)


@dataclass(frozen=True, slots=True)
class Uplink:
    """The backend that decides, and its lists."""

    kind: Annotated[UplinkKind, Doc("`standalone`: the station decides alone.")] = UplinkKind.STANDALONE
    eim: Annotated[
        Eim,
        Doc("Cards that may charge: `list`: on the allowlist; `any`: not on the denylist; `free`: no card is needed."),
        Danger((Eim.ANY, Eim.FREE), "energy is given to people without identification"),
    ] = Eim.LIST
    allowlist: Annotated[Path | None, Doc("File of contracts and cards that may charge.", "none: no entries")] = None
    denylist: Annotated[Path | None, Doc("File of contracts and cards that may never charge.", "none")] = None
    sessions: Annotated[
        Path | None, Doc("File to which each session is appended, durably and without contract data.", "none")
    ] = None
    sessions_megabytes: Annotated[float, Doc("Size of that file and its predecessor."), Range(0.1, 10_000)] = 10.0
    receipts: Annotated[
        Path | None,
        Doc(
            "File to which each metering receipt of a car is appended, durably ([receipts.md](receipts.md)). "
            "Its signatures are made with the keys of contracts: it is personal.",
            "none: no receipts",
        ),
    ] = None
    receipts_megabytes: Annotated[float, Doc("Size of that file and its predecessor."), Range(0.1, 10_000)] = 10.0
    provisioning: Annotated[
        Path | None,
        Doc(
            "Local socket of a service that gives cars their contracts ([provisioning.md](provisioning.md)): "
            "with it the station offers certificate installation and update.",
            "none: not offered",
        ),
    ] = None
    schedules: Annotated[
        Path | None,
        Doc(
            "File of charging schedules and tariffs from which cars choose ([schedules.md](schedules.md)).",
            "none: one schedule, up to the limit of the outlet",
        ),
    ] = None
    danger_charge_unbooked: Annotated[
        bool,
        Doc(
            "Charge while `sessions` or `receipts` cannot be written. The next power cut loses the sessions since then, "
            "and no receipts are demanded."
        ),
    ] = False
    pnc_enabled: Annotated[bool, Named("PnCEnabled"), Doc("ISO15118Ctrlr: offer Plug & Charge.")] = True
    contract_validation_offline: Annotated[
        bool,
        Named("ContractValidationOffline"),
        Doc("ISO15118Ctrlr: judge contracts on the station while it has no backend; `standalone` never has one."),
    ] = True
    local_authorize_offline: Annotated[
        bool,
        Named("LocalAuthorizeOffline"),
        Doc("AuthCtrlr: let lists decide while the station has no backend; `standalone` never has one."),
    ] = True
    offline_tx_for_unknown_id_enabled: Annotated[
        bool,
        Named("OfflineTxForUnknownIdEnabled"),
        Doc(
            "AuthCtrlr: while the station has no backend, let contracts charge that are on no list, "
            "if their chain is valid and they have not failed before."
        ),
        Danger((True,), "any contract under an installed root charges, billed or not"),
    ] = False

    request_metering_receipt: Annotated[
        bool,
        Named("RequestMeteringReceipt"),
        Doc(
            "ISO15118Ctrlr: have cars with a contract sign what the meter says, every `timing.receipt_seconds`. Needs `receipts`. "
            "Many cars cannot; those charge only with a card."
        ),
    ] = False

    @property
    def policy(self) -> Policy:
        """Returns the settings that :class:`Policy` has, too; the others need a backend on a
        network and stay off.
        """
        return Policy(**{name: getattr(self, name) for name in Policy.__slots__ if hasattr(self, name)})


@dataclass(frozen=True, slots=True)
class Trace:
    """Machine-readable traces of sessions, for support and for tests."""

    mode: Annotated[TraceMode, Doc("Sessions that leave a trace: failed ones, all, none.")] = TraceMode.ON_FAILURE
    directory: Annotated[Path | None, Doc("Directory of the traces.", "`traces` in the state directory")] = None
    ring_kilobytes: Annotated[
        int, Doc("Memory of one session's trace; a full one drops repetitions in loops first."), Range(16, 65536)
    ] = 256
    cap_megabytes: Annotated[float, Doc("Size of all traces; the oldest are removed."), Range(0.1, 100_000)] = 50.0


@dataclass(frozen=True, slots=True)
class Log:
    """The log, for people; it goes to standard error."""

    level: Annotated[LogLevel, Doc("The least severe lines that are logged.")] = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Timing:
    """Times that the operator chooses. Times that a standard prescribes are not settings."""

    setup_seconds: Annotated[
        float, Doc("Time from the link to SessionSetupReq ([V2G2-723]); cars give up after 20 s."), Range(1, 120)
    ] = 20.0
    handshake_seconds: Annotated[float, Doc("Longest TLS handshake."), Range(1, 60)] = 10.0
    eim_seconds: Annotated[float, Doc("Time for a card after the cable is in."), Range(10, 3600)] = 300.0
    no_power_seconds: Annotated[
        float, Doc("Time without any power to offer until a charging car is told to stop (Q-62)."), Range(1, 3600)
    ] = 5.0
    answer_seconds: Annotated[
        float,
        Doc(
            "Least time from a request to its answer, for cars that fail with quicker ones (Q-43); at most 0.025 for CurrentDemandRes. "
            "`lab.strict` needs 0."
        ),
        Range(0, 0.5),
    ] = 0.0
    token_seconds: Annotated[
        float, Doc("Time for the cable after an accepted card (OCPP's EVConnectionTimeOut)."), Range(5, 3600)
    ] = 60.0
    receipt_seconds: Annotated[
        float, Doc("Time from one metering receipt to the next one that is demanded."), Range(5, 86_400)
    ] = 900.0
    decide_seconds: Annotated[
        float, Doc("Time for the backend to decide on a contract; cars give up after 60 s."), Range(1, 55)
    ] = 50.0
    schedule_seconds: Annotated[
        float,
        Doc(
            "Time for the backend to give charging schedules; after it a car is offered one, up to the limit of the outlet."
        ),
        Range(1, 50),
    ] = 10.0
    shutdown_seconds: Annotated[
        float, Doc("Time for a charging car to end by itself when the station stops."), Range(0, 60)
    ] = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a station, checked."""

    outlets: Annotated[tuple[OutletSettings, ...], Named("outlet"), Doc("One table for each outlet."), Length(1)]
    station: Annotated[Station, Doc("The station as a whole.")] = Station()
    trust: Annotated[Trust, Doc("Certificates.")] = Trust()
    uplink: Annotated[Uplink, Doc("The backend.")] = Uplink()
    trace: Annotated[Trace, Doc("Traces.")] = Trace()
    log: Annotated[Log, Doc("The log.")] = Log()
    timing: Annotated[Timing, Doc("Times that the operator chooses.")] = Timing()
    lab: Annotated[Lab, Doc("Settings for a laboratory.")] = Lab()
    source: Path | None = None
    """The file of this configuration; None if it is made from flags alone."""

    @property
    def control_socket(self) -> Path:
        return self.station.control_socket or self.station.state_directory / "control.sock"

    @property
    def trace_directory(self) -> Path:
        return self.trace.directory or self.station.state_directory / "traces"

    @property
    def rules(self) -> Rules:
        """The settings of the ``standalone`` backend."""
        uplink = self.uplink
        return Rules(
            state_directory=self.station.state_directory,
            policy=uplink.policy,
            eim=uplink.eim,
            allowlist=uplink.allowlist,
            denylist=uplink.denylist,
            sessions=uplink.sessions,
            sessions_octets=int(uplink.sessions_megabytes * 1_000_000),
            receipts=uplink.receipts,
            receipts_octets=int(uplink.receipts_megabytes * 1_000_000),
            provisioning=uplink.provisioning,
            schedules=uplink.schedules,
        )

"""What ``secc explain`` will want to know of the session that runs now, collected while it runs. Nothing personal gets in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from certs import Contract, Flaw
from secc.conversation import Levels, Reason, Wall
from secc.errors import FramingError
from secc.link.tls_chain import ChainChoice, Handshaken
from secc.link.tls_errors import HandshakeFailed, HelloRejected, PlainRequired, TlsError, TlsRequired
from secc.session.effects import Milestone, Verdict
from secc.session.explain import CertificateSeen, Message, SessionRecord, TlsSeen
from secc.session.recorder import Exchange
from secc.uplink.port import Identity

_FLAWS = frozenset(flaw.value for flaw in Flaw)
_TLS_FLAWS: Mapping[type[TlsError], str] = {
    HelloRejected: "hello-rejected",
    HandshakeFailed: "handshake-failed",
    TlsRequired: "required",
    PlainRequired: "plain-required",
}
_NAMED = {ChainChoice.NAMED: True, ChainChoice.NOT_NAMED: False, ChainChoice.NOT_ASKED: None}


def record_path(state_directory: Path, outlet: str) -> Path:
    """Where the record of an outlet's last session lies."""
    return state_directory / f"last-session-{outlet}.json"


class Draft:
    """One connection's. ``began`` is its first moment (monotonic seconds)."""

    def __init__(self, outlet: str, began: float, wall: Wall) -> None:
        self._outlet = outlet
        self._began = began
        self._wall = wall
        self._protocol = ""
        self._payment = ""
        self._identity = ""
        self._tls: TlsSeen | None = None
        self._certificates: dict[str, CertificateSeen] = {}
        self._quirks: dict[str, None] = {}
        self._waiting: tuple[str, ...] = ()

    def secured(self, handshaken: Handshaken) -> None:
        self._tls = TlsSeen(
            version=handshaken.version,
            suite=handshaken.suite,
            chain=handshaken.chain,
            named_by_car=_NAMED[handshaken.choice],
            stapled=handshaken.stapled,
        )

    def spoke(self, protocol: str) -> None:
        self._protocol = protocol

    def waits(self, kinds: tuple[type, ...]) -> None:
        """What the session stands still for; the last word before it ends counts."""
        if kinds:
            self._waiting = tuple(kind.__name__ for kind in kinds if kind.__name__.endswith("Req"))

    def reached(self, milestone: Milestone, facts: Mapping[str, Any]) -> None:
        if milestone is Milestone.IDENTIFICATION_CHOSEN:
            self._payment = str(facts.get("payment", ""))

    def identified(self, identity: Identity) -> None:
        self._identity = identity.masked

    def judged(self, leaf: bytes, found: Contract | Verdict) -> None:
        """A contract's chain was validated: by whose leaf (DER, of which the hash stays), and with what result."""
        flaw = ""
        if isinstance(found, Contract):
            self._identity = found.emaid.masked
        else:
            flaw = found.detail.partition(" ")[0]
        digest = f"sha256:{hashlib.sha256(leaf).hexdigest()}/{len(leaf)}"
        self._certificates["contract"] = CertificateSeen("contract", digest, flaw if flaw in _FLAWS else "")

    def tolerated(self, quirk: str) -> None:
        self._quirks[quirk] = None

    def finished(
        self,
        reason: Reason,
        now: float,
        *,
        wall: Wall,
        levels: Levels,
        exchanges: Iterable[Exchange],
        failure: FramingError | None,
        faults: tuple[str, ...],
        trace: Path | None,
        watt_hours: float | None,
    ) -> SessionRecord:
        """The record, now that it is over. ``failure``: what broke the connection, where that was it."""
        tls = self._tls
        if tls is None and (flaw := _tls_flaw(failure)):
            tls = TlsSeen(version="", flaw=flaw)
        measured = levels.measured_at > float("-inf")
        return SessionRecord(
            outlet=self._outlet,
            kind=reason.kind,
            name=reason.name,
            clause=reason.clause,
            detail=reason.detail,
            began=self._wall.time.isoformat(timespec="milliseconds"),
            ended=wall.time.isoformat(timespec="milliseconds"),
            clock_trusted=wall.trusted,
            seconds=round(now - self._began, 3),
            protocol=self._protocol,
            payment=self._payment,
            identity=self._identity,
            waiting_for=self._waiting,
            messages=tuple(Message(round(one.at, 3), one.direction, one.name, one.code) for one in exchanges),
            tls=tls,
            certificates=tuple(self._certificates.values()),
            pilot=levels.pilot,
            contactor=levels.contactor,
            volts=round(levels.volts, 1) if measured else None,
            amperes=round(levels.amperes, 1) if measured else None,
            watt_hours=watt_hours,
            quirks=tuple(self._quirks),
            faults=faults,
            trace=str(trace) if trace is not None else "",
        )


def _tls_flaw(failure: FramingError | None) -> str:
    return next((name for kind, name in _TLS_FLAWS.items() if isinstance(failure, kind)), "")

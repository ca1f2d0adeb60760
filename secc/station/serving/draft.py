"""What ``secc explain`` needs of a session, collected while it runs. It holds no personal data."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from certs.contract import Contract
from certs.errors import Flaw
from certs.parts import name_text
from secc.conversation import Levels, Reason, Wall
from secc.link.tls.chain import ChainChoice, root_named
from secc.link.tls.hello import ClientHello, IdentifierType, TrustedAuthority
from secc.link.tls.names import GROUPS, LISTED, SIGNATURE_ALGORITHMS, SUITES, VERSIONS, named
from secc.link.tls.report import Step, TlsReport
from secc.session.effects import Verdict
from secc.trace.explain import CertificateSeen, Message, Offered, SessionRecord, TlsSeen, begun
from secc.uplink.ledger import Transaction

_FLAWS = frozenset(flaw.value for flaw in Flaw)
_KINDS = {
    IdentifierType.CERT_SHA1_HASH: "cert-sha1",
    IdentifierType.KEY_SHA1_HASH: "key-sha1",
    IdentifierType.BARE_SHA1: "sha1",
}
NAME_CHARACTERS = 200
_NAMED = {ChainChoice.NAMED: True, ChainChoice.NOT_NAMED: False, ChainChoice.NOT_ASKED: None}


class Draft:
    """The draft of one connection. ``began`` is its first moment (monotonic seconds)."""

    def __init__(self, outlet: str, session: str, began: float, wall: Wall) -> None:
        self._outlet = outlet
        self._session = session
        self._began = began
        self._wall = wall
        self.protocol = ""
        self.payment = ""
        self.identity = ""
        self._certificates: dict[str, CertificateSeen] = {}
        self.quirks: dict[str, None] = {}
        self.waiting: tuple[type, ...] = ()
        """What the session waits for; the last value before the end counts."""

    def begun(self) -> SessionRecord:
        """Returns the record of a session that has not ended; it remains if the station dies."""
        wall = self._wall
        return begun(self._session, self._outlet, self.protocol, wall.time, clock_trusted=wall.trusted)

    def judged(self, leaf: bytes, found: Contract | Verdict) -> CertificateSeen:
        """Note the validation of a contract chain: the hash of its leaf (DER), and the result."""
        flaw = "" if isinstance(found, Contract) else found.detail.partition(" ")[0]
        digest = f"sha256:{hashlib.sha256(leaf).hexdigest()}/{len(leaf)}"
        seen = self._certificates["contract"] = CertificateSeen("contract", digest, flaw if flaw in _FLAWS else "")
        return seen

    def explained(self, reason: Reason) -> Reason:
        """Returns the reason with the name of the flaw that caused it, if it has one."""
        if reason.kind == "tls":
            return replace(reason, flaw=reason.code)
        bad = [f"certificate.{seen.flaw}" for seen in self._certificates.values() if seen.flaw]
        return replace(reason, flaw=bad[0]) if bad and reason.kind == "refused" and not reason.flaw else reason

    def finished(
        self,
        wall: Wall,
        faults: tuple[str, ...],
        reason: Reason,
        now: float,
        levels: Levels,
        transaction: Transaction | None,
        messages: tuple[Message, ...] = (),
        tls: TlsSeen | None = None,
        trace: Path | None = None,
    ) -> SessionRecord:
        """Returns the record of a session that has ended. Its identity is the payer's, or else that
        of the contract.
        """
        payer = transaction.payer if transaction is not None else None
        measured = levels.measured_at > float("-inf")
        return SessionRecord(
            outlet=self._outlet,
            kind=reason.kind,
            name=reason.name,
            clause=reason.clause,
            detail=reason.detail,
            flaw=reason.flaw,
            session=self._session,
            began=self._wall.time.isoformat(timespec="milliseconds"),
            ended=wall.time.isoformat(timespec="milliseconds"),
            clock_trusted=wall.trusted,
            seconds=round(now - self._began, 3),
            protocol=self.protocol,
            payment=self.payment,
            identity=payer.masked if payer is not None else self.identity,
            waiting_for=tuple(kind.__name__ for kind in self.waiting if kind.__name__.endswith("Req")),
            messages=messages,
            tls=tls,
            certificates=tuple(self._certificates.values()),
            pilot=levels.pilot,
            contactor=levels.contactor,
            volts=round(levels.volts, 1) if measured else None,
            amperes=round(levels.amperes, 1) if measured else None,
            watt_hours=transaction.delivered if transaction is not None else None,
            quirks=tuple(self.quirks),
            faults=faults,
            trace=str(trace) if trace is not None else "",
        )


def tls_seen(report: TlsReport | None, reason: Reason) -> TlsSeen | None:
    """Returns what the record keeps of TLS; None for plain TCP, or if the connection ended before
    the hello.
    """
    flaw = reason.name if reason.kind == "tls" else ""
    if report is None:
        return TlsSeen(version="", flaw=flaw) if flaw else None
    agreed, chain = report.handshaken, report.chain if report.certificate_sent else None
    return TlsSeen(
        version=agreed.version if agreed is not None else "",
        suite=agreed.suite if agreed is not None else "",
        chain=chain.name if chain is not None else "",
        root=_authority(root_named(chain.roots[0])) if chain is not None and chain.roots else "",
        named_by_car=_NAMED[report.choice],
        stapled=any(step.ours and step.name == "CertificateStatus" for step in report.steps),
        flaw=flaw,
        messages=tuple(map(_step, report.steps)),
        offered=_offered(report.hello) if report.hello is not None else None,
    )


def _step(step: Step) -> str:
    return f"{'>' if step.ours else '<'} {'alert ' if step.alert else ''}{step.name}"


def _offered(hello: ClientHello) -> Offered:
    roots = tuple(map(_authority, (hello.trusted_ca_keys or ())[:LISTED]))
    more = len(hello.trusted_ca_keys or ()) - LISTED
    return Offered(
        versions=named(VERSIONS, hello.versions),
        suites=named(SUITES, hello.suites),
        groups=named(GROUPS, hello.groups or ()),
        signature_algorithms=named(SIGNATURE_ALGORITHMS, hello.signature_algorithms or ()),
        roots=(*roots, f"{more} more") if more > 0 else roots,
        status=hello.status_asked,
    )


def _authority(authority: TrustedAuthority) -> str:
    if authority.kind is IdentifierType.X509_NAME:
        return f"name:{_name(authority.octets)}"
    if authority.kind is IdentifierType.PRE_AGREED:
        return "pre-agreed"
    return f"{_KINDS[authority.kind]}:{authority.octets.hex()}"


def _name(der: bytes) -> str:
    try:
        return name_text(der)[:NAME_CHARACTERS]
    except (ValueError, TypeError):
        return der.hex()[:NAME_CHARACTERS]

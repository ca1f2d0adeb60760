"""The trust room: the station's chains for TLS and the roots of contracts, read from the disk and
checked before use.

Methods may block (files, signatures) and run on worker threads; properties do not block.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from certs.certificates import Edition
from certs.chain import Anchors, verify_chain
from certs.contract import Contract, verify_contract_chain
from certs.errors import ChainRejected, Flaw, Outcome, StoreError
from certs.files import stamp
from certs.keystore import Keystore, SeccChain
from certs.profile import CONTRACT_2, CONTRACT_20, OEM_PROVISIONING_2
from certs.revocation import OcspStatus, StapleCache
from certs.revoked import RevokedCertificates, read_revoked
from certs.truststore import Truststore
from frozen import dataclass
from secc.config.settings import Trust
from secc.conversation import Wall
from secc.errors import ConfigError
from secc.link.tls.chain import Chain, profile_of
from secc.link.tls.context import ServerContext
from secc.link.tls.errors import ContextRejected, TlsUnavailable
from secc.link.tls.key import PemKey
from secc.link.tls.status_v2 import StatusRequestV2
from secc.session.effects import (
    Decision,
    Ground,
    OemCertificate,
    ValidateContract,
    ValidateOemCertificate,
    Verdict,
)

log = logging.getLogger(__name__)

_BY_OUTCOME = {
    Outcome.NO_ROOT: Decision.NO_TRUST_ANCHOR,
    Outcome.EXPIRED: Decision.CERTIFICATE_EXPIRED,
    Outcome.NOT_YET_VALID: Decision.CERTIFICATE_EXPIRED,
    Outcome.BAD_CHAIN: Decision.CHAIN_INVALID,
    Outcome.REVOKED: Decision.CERTIFICATE_REVOKED,
}


NO_TRUSTSTORE: Final = "no truststore is configured"

_CONTRACTS: Final = {Edition.ISO2: CONTRACT_2, Edition.ISO20: CONTRACT_20}

_BY_FLAW = {
    Flaw.EMAID_MISMATCH: Decision.EMAID_MISMATCH,
    Flaw.EMAID_MALFORMED: Decision.EMAID_MISMATCH,
    # The contract has not expired, so the car must not be told to renew it.
    Flaw.SUB_CA_EXPIRED: Decision.NO_TRUST_ANCHOR,
    Flaw.SUB_CA_NOT_YET_VALID: Decision.NO_TRUST_ANCHOR,
    Flaw.ANCHOR_EXPIRED: Decision.NO_TRUST_ANCHOR,
    Flaw.ANCHOR_NOT_YET_VALID: Decision.NO_TRUST_ANCHOR,
    Flaw.CLOCK_UNTRUSTED: Decision.NOT_ALLOWED_HERE,
    Flaw.COUNTRY: Decision.NOT_ALLOWED_HERE,
}


def decision_of(flaw: Flaw) -> Decision:
    """Returns what a flawed contract chain means for the question whether to charge."""
    return _BY_FLAW.get(flaw) or _BY_OUTCOME[flaw.outcome]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the station presents in TLS: contexts of the chains that are valid now, newest first."""

    contexts: tuple[ServerContext, ...] = ()
    problems: tuple[str, ...] = ()
    ends: datetime | None = None
    """When the last leaf expires, also of chains that cannot be used; None without chains."""


class TrustRoom:
    """Roots and chains of one station, for each of the ``editions`` of its protocols. A store that
    is not configured is None.
    """

    def __init__(
        self,
        settings: Trust,
        wall: Callable[[], Wall],
        editions: Iterable[Edition],
        keylog: Callable[[str], None] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self.editions = tuple(editions)
        self._settings = settings
        self._strict = strict
        self._wall = wall
        self._keylog = keylog
        self._truststore = Truststore(settings.truststore) if settings.truststore is not None else None
        self._keystore = Keystore(settings.keystore) if settings.keystore is not None else None
        self._staples = StapleCache(settings.staples) if settings.staples is not None else None
        self._anchors: dict[Edition, Anchors] = {}
        """By edition. Empty while the truststore has not been read, or cannot be."""
        self._revoked: RevokedCertificates | None = None
        """None without a list, and until it has been read."""
        self._status_v2: StatusRequestV2 | None = None
        """None without the setting, and until chains have been read."""
        self._stamps: dict[str, tuple[object, ...]] = {}
        self._wrong: dict[str, str] = {}
        """What could not be read when it was last read, and why."""
        self.roots_problems: tuple[str, ...] = ()
        self.revoked_problem: ConfigError | None = None
        """Why the newest list of revoked certificates is not the one in force."""
        self.shown = Identity()
        """The station's chains as last read."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Problems of roots, chains and lists as last read."""
        revoked = () if self.revoked_problem is None else (str(self.revoked_problem),)
        status = () if self._status_v2 is None else self._status_v2.problems
        return (*self.roots_problems, *revoked, *self.shown.problems, *status)

    def refresh(self, *, anew: bool = False) -> bool:
        """Read again what has changed on the disk: roots, revoked certificates, the station's
        chains with their OCSP responses. Returns whether anything was read.

        ``anew``: check the chains in any case, because certificates and responses expire by
        themselves. Raises ConfigError if there is no list of revoked certificates in force; later a
        bad list is a problem, and the last good one stays in force.
        """
        read = self._read("truststore", self._settings.truststore, self._read_roots)
        if self._settings.revoked is not None:
            read = self._read("revoked", self._settings.revoked, self._read_revoked) or read
        if self._changed("keystore", self._settings.keystore, self._settings.staples) or anew:
            self.shown, read = self.identity(), True
        if self._revoked is None and self.revoked_problem is not None:
            raise self.revoked_problem.with_traceback(None)
        return read

    def _read(self, what: str, path: Path | None, read: Callable[[], str]) -> bool:
        """Read what has changed, and what had a problem, which may be over (no descriptor, no memory).
        ``read`` returns the problem. Returns whether there is anything new.
        """
        changed, before = self._changed(what, path), self._wrong.get(what, "")
        if changed or before:
            self._wrong[what] = read()
        return changed or before != self._wrong[what]

    def _read_roots(self) -> str:
        self.roots_problems = self.load_roots()
        return ", ".join(self.roots_problems)

    def _changed(self, what: str, *paths: Path | None) -> bool:
        # Take the stamps before the files are read: a change meanwhile is read the next time.
        stamps = tuple(stamp(path) for path in paths if path is not None)
        changed = self._stamps.get(what) != stamps
        self._stamps[what] = stamps
        return changed

    def _read_revoked(self) -> str:
        path = self._settings.revoked
        assert path is not None
        try:
            self._revoked = read_revoked(path)
        except StoreError as error:
            self.revoked_problem = ConfigError("trust.revoked", error.text, path)
        else:
            self.revoked_problem = None
            log.info("%s: %d certificates are revoked", path, len(self._revoked))
        return str(self.revoked_problem or "")

    def load_roots(self) -> tuple[str, ...]:
        """Read the truststore. Returns its problems; the valid roots count from now on."""
        if self._truststore is None:
            return ()
        roots = self._truststore.read()
        self._anchors = {edition: roots.anchors(edition) for edition in self.editions}
        return tuple(str(problem) for problem in roots.problems)

    def knows_contracts(self, edition: Edition) -> bool:
        """Returns whether there is a root of this edition for contracts."""
        anchors = self._anchors.get(edition)
        return anchors is not None and bool(anchors.mo or anchors.v2g)

    def identity(self) -> Identity:
        """Read the keystore and make TLS contexts of the chains that are valid now."""
        if self._keystore is None:
            return Identity()
        if self._settings.danger_status_request_v2:
            # Only a station with this setting needs a TLS client.
            from secc.link.tls.self_test import status_request_v2

            self._status_v2 = status_request_v2()
        contents = self._keystore.read(*self.editions)
        contexts: list[ServerContext] = []
        problems = [str(problem) for problem in contents.problems]
        for chain in contents.chains:
            try:
                contexts.append(self._context(chain))
            except (ChainRejected, StoreError, ContextRejected, TlsUnavailable) as error:
                problems.append(f"{chain.path}: {error}")
        ends = max((chain.leaf.not_after for chain in contents.chains), default=None)
        return Identity(tuple(contexts), tuple(problems), ends)

    def _context(self, chain: SeccChain) -> ServerContext:
        profile, wall = profile_of(chain.edition, strict=self._strict), self._wall()
        chain.verify(wall.time, clock_trusted=wall.trusted, floor_suffices=True)
        fresh: tuple[tuple[OcspStatus, bytes] | None, ...] = (None,) * len(chain.certificates)
        if self._staples is not None:
            fresh = self._staples.fresh(chain.path_to_root, wall.time, chain.edition, clock_trusted=wall.trusted)
        if missing := chain.unanswered(fresh if self._status_v2 is not None else fresh[:1]):
            log.warning("%s: no fresh OCSP response for %s", chain.path, missing)
        presented = Chain(
            name=chain.path.name,
            certificates=[certificate.der for certificate in chain.certificates],
            roots=[chain.root.der],
            staples=[None if found is None else found[1] for found in fresh],
            staple_ends=[None if found is None else found[0].ends for found in fresh],
        )
        return ServerContext(presented, _key(chain), profile, keylog=self._keylog, status_v2=self._status_v2)

    def validate(self, question: ValidateContract) -> Contract | Verdict:
        """Returns the contract of a valid chain; otherwise the verdict on it."""
        wall, revoked = self._wall(), self._revoked
        if self._truststore is None:
            return Verdict(Decision.NO_TRUST_ANCHOR, NO_TRUSTSTORE, Ground.SETTING)
        if unread := self._unread(revoked):
            return unread
        try:
            return verify_contract_chain(
                question.chain,
                self._anchors.get(question.edition, Anchors()),
                wall.time,
                claimed=question.emaid,
                profile=_CONTRACTS[question.edition],
                is_revoked=None if revoked is None else revoked.__contains__,
                clock_trusted=wall.trusted,
                floor_suffices=self._settings.danger_floor_suffices,
            )
        except ChainRejected as error:
            return Verdict(decision_of(error.flaw), f"{error.flaw.value} ({error.subject})", Ground.CHAIN)

    def _unread(self, revoked: RevokedCertificates | None) -> Verdict | None:
        """Returns the verdict on every certificate while a configured list of revoked ones has not
        been read.
        """
        if revoked is None and self._settings.revoked is not None:
            return Verdict(Decision.NO_ANSWER, "the list of revoked certificates has not been read", Ground.SILENCE)
        return None

    def validate_oem(self, question: ValidateOemCertificate) -> OemCertificate | Verdict:
        """Returns a car's provisioning certificate that keeps to the profile; otherwise the verdict
        on it.

        The request of ISO 15118-2 has no sub-CAs, so that the root above most of them cannot be
        found: the provisioning service, which knows the car, judges who issued it.
        """
        wall, revoked = self._wall(), self._revoked
        anchors = self._anchors.get(question.edition, Anchors())
        assert question.edition is OEM_PROVISIONING_2.edition
        if unread := self._unread(revoked):
            return unread
        try:
            chain = verify_chain(
                (question.der,),
                OEM_PROVISIONING_2,
                anchors,
                wall.time,
                unanchored_allowed=True,
                clock_trusted=wall.trusted,
                floor_suffices=self._settings.danger_floor_suffices,
            )
        except ChainRejected as error:
            return Verdict(decision_of(error.flaw), f"{error.flaw.value} ({error.subject})", Ground.CHAIN)
        if revoked is not None and any(map(revoked.__contains__, chain.hash_data())):
            return Verdict(Decision.CERTIFICATE_REVOKED, "revoked (leaf)", Ground.CHAIN)
        return OemCertificate(question.der, anchored=chain.anchor is not None)


def _key(chain: SeccChain) -> PemKey:
    pem = chain.key.pkcs8_pem()
    if pem is None:
        raise ContextRejected(f"the private key {chain.key.uri} is not in a file, and TLS needs one that is")
    return PemKey(pem)

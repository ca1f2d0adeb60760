"""The contract of a car's certificate chain: who pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from certs.certificates import PublicKey
from certs.chain import Anchors, VerifiedChain, verify_chain
from certs.emaid import EMAID, EmaidMalformed
from certs.errors import ChainRejected, Flaw, Outcome
from certs.profile import CONTRACT_2, Profile
from certs.revocation import CertificateHashData

EXPIRES_SOON = timedelta(days=21)
"""A contract that ends within this time is answered OK_CertificateExpiresSoon, where that is announced.
[V2G2-690]
"""


_MADE_BY_VERIFICATION = object()


@dataclass(frozen=True, slots=True, repr=False)
class Contract:
    """A contract whose certificate chain has been verified. Authorization requires one.

    Only :func:`verify_contract_chain` makes one. It lives as long as the session. The car's chain
    stays in memory.
    """

    emaid: EMAID
    public_key: PublicKey
    """The leaf's key: verifies AuthorizationReq and MeteringReceiptReq."""
    not_after: datetime
    """End of the leaf's validity."""
    outcome: Outcome
    """VALID, or NO_ROOT if the caller allows a central validation: then only the backend may accept
    the contract.
    """
    hash_data: tuple[CertificateHashData, ...]
    """For OCSP by the backend, leaf first; OCPP cannot express entries without responder URL."""
    dates_proven: bool
    chain: VerifiedChain
    _made_by: object

    def __post_init__(self) -> None:
        if self._made_by is not _MADE_BY_VERIFICATION:
            raise TypeError("a Contract is made by verify_contract_chain only")

    @property
    def fingerprint(self) -> str:
        """The leaf for logs and traces: SHA-256 and length, ``sha256:3f…/623``."""
        return f"sha256:{self.chain.leaf.fingerprint}/{len(self.chain.leaf.der)}"

    def is_named_by(self, emaid: str) -> bool:
        """Whether this text names the contract, in any notation of its EMAID."""
        try:
            return EMAID.parse(emaid).same_contract_as(self.emaid)
        except EmaidMalformed:
            return False

    def expires_soon(self, at: datetime) -> bool:
        """Whether the contract ends within 21 days of ``at``. [V2G2-690]"""
        return self.not_after - at <= EXPIRES_SOON

    def __repr__(self) -> str:
        return f"Contract({self.emaid.masked}, {self.outcome.value}, {self.fingerprint[:23]})"


def verify_contract_chain(
    chain: Sequence[bytes],
    anchors: Anchors,
    at: datetime,
    *,
    claimed: str | None = None,
    profile: Profile = CONTRACT_2,
    central_validation: bool = False,
    is_revoked: Callable[[CertificateHashData], bool] | None = None,
    clock_trusted: bool = True,
    floor_suffices: bool = False,
) -> Contract:
    """Returns the contract of ``chain`` (DER, leaf first, sub-CAs in any order). Raises
    :class:`ChainRejected`.

    ``claimed`` is the EMAID of the message; it has to name the same contract as the leaf's
    commonName. ``central_validation``: a backend may decide about a chain whose root is not
    installed; the outcome is then ``NO_ROOT``. Every other flaw is final. ``is_revoked`` is called
    for leaf and sub-CAs. Dates: see :mod:`certs.chain`.
    """
    verified = verify_chain(
        chain,
        profile,
        anchors,
        at,
        unanchored_allowed=central_validation,
        clock_trusted=clock_trusted,
        floor_suffices=floor_suffices,
    )
    leaf = verified.leaf
    try:
        emaid = EMAID.parse(leaf.common_names[0])
        wanted = emaid if claimed is None else EMAID.parse(claimed)
    except EmaidMalformed as error:
        raise ChainRejected(Flaw.EMAID_MALFORMED, "leaf", str(error)) from None
    if not emaid.same_contract_as(wanted):
        raise ChainRejected(Flaw.EMAID_MISMATCH, "leaf")
    hash_data = verified.hash_data()
    if is_revoked is not None and any(map(is_revoked, hash_data)):
        raise ChainRejected(Flaw.REVOKED, "chain")
    if leaf.public_key is None:
        raise ChainRejected(Flaw.KEY_NOT_ALLOWED, "leaf")
    return Contract(
        emaid=emaid,
        public_key=leaf.public_key,
        not_after=leaf.not_after,
        outcome=verified.outcome,
        hash_data=hash_data,
        dates_proven=verified.dates_proven,
        chain=verified,
        _made_by=_MADE_BY_VERIFICATION,
    )

"""The decision table of OCPP 2.0.1 C07 as one pure function: may this contract, or this card,
charge here and now?

:func:`decide` returns yes, no, or the question for the backend; with the backend's reply it is
called again. ``standalone`` uses the same table, always offline. Every row has a test
(``tests/uplink/test_policy.py``), and a property test checks that no other row permits charging.

The station's own check of the chain comes first: without a backend only ``VALID`` is accepted, and
a central validation can overrule only ``NO_ROOT``. A backend that gets hashes cannot detect a bad
signature.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from certs.errors import Outcome
from frozen import dataclass
from secc.session.effects import Decision, Ground, Verdict


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the table, by the names of OCPP's device model in snake case. The defaults are
    strict.
    """

    pnc_enabled: bool = False
    """ISO15118Ctrlr.PnCEnabled."""
    central_contract_validation_allowed: bool = False
    """ISO15118Ctrlr.CentralContractValidationAllowed."""
    contract_validation_offline: bool = False
    """ISO15118Ctrlr.ContractValidationOffline."""
    local_authorize_offline: bool = False
    """AuthCtrlr.LocalAuthorizeOffline."""
    local_pre_authorize: bool = False
    """AuthCtrlr.LocalPreAuthorize. Cards only: for a contract it would skip the only check of
    revocation.
    """
    offline_tx_for_unknown_id_enabled: bool = False
    """AuthCtrlr.OfflineTxForUnknownIdEnabled."""
    disable_remote_authorization: bool = False
    """AuthCtrlr.DisableRemoteAuthorization: only lists decide, also online."""
    supports_expiry_date_time: bool = True
    """LocalAuthListCtrlr.SupportsExpiryDateTime: entries of the list may end."""
    request_metering_receipt: bool = False
    """ISO15118Ctrlr.RequestMeteringReceipt: demand receipts of cars with a contract. No decision
    depends on it.
    """
    offline_when_silent: bool = False
    """A backend that is online and does not answer in time counts as offline for this decision. Not
    a variable of OCPP.
    """


class TokenStatus(StrEnum):
    """AuthorizationStatusEnumType of OCPP 2.0.1: status of an identity by a list, a cache or the
    backend.
    """

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    CONCURRENT_TX = "ConcurrentTx"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_TYPE_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


class CertificateStatus(StrEnum):
    """AuthorizeCertificateStatusEnumType of OCPP 2.0.1: status of the contract certificate by the
    backend.
    """

    ACCEPTED = "Accepted"
    SIGNATURE_ERROR = "SignatureError"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    CERTIFICATE_REVOKED = "CertificateRevoked"
    NO_CERTIFICATE_AVAILABLE = "NoCertificateAvailable"
    CERT_CHAIN_ERROR = "CertChainError"
    CONTRACT_CANCELLED = "ContractCancelled"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list or a cache about an identity."""

    status: TokenStatus
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The backend's reply. ``certificate`` is None if it left that out, or if no certificate was
    asked about.
    """

    token: TokenStatus
    certificate: CertificateStatus | None = None


class Silence:
    """The backend was asked and did not answer in time."""


@dataclass(frozen=True, slots=True)
class Case:
    """One question with everything that its answer depends on.

    ``chain`` is the outcome of the local check of the contract's chain, None for a card.
    ``hashes``: whether there is OCSP hash data for any certificate of the chain. ``reply`` is None
    until the backend has been asked.
    """

    policy: Policy
    online: bool
    now: datetime
    chain: Outcome | None
    hashes: bool = True
    listed: Entry | None = None
    cached: Entry | None = None
    reply: Reply | Silence | None = None


@dataclass(frozen=True, slots=True)
class AskBackend:
    """Ask the backend: with the chain's hash data, with its certificates (central validation), or,
    for a card, with neither.
    """

    evidence: Literal["hashes", "certificates", "none"]


Answer: TypeAlias = Verdict | AskBackend

_LOCAL_FLAWS = {
    Outcome.EXPIRED: Verdict(Decision.CERTIFICATE_EXPIRED, "a certificate of the chain has expired", Ground.CHAIN),
    Outcome.NOT_YET_VALID: Verdict(
        Decision.CERTIFICATE_EXPIRED, "a certificate of the chain is not yet valid", Ground.CHAIN
    ),
    Outcome.BAD_CHAIN: Verdict(Decision.CHAIN_INVALID, "the chain is not valid", Ground.CHAIN),
    Outcome.REVOKED: Verdict(Decision.CERTIFICATE_REVOKED, "a certificate of the chain is revoked", Ground.CHAIN),
}
_NO_ROOT = Verdict(Decision.NO_TRUST_ANCHOR, "the root of the chain is not installed", Ground.CHAIN)

_CERTIFICATE = {
    CertificateStatus.SIGNATURE_ERROR: Decision.CHAIN_INVALID,
    CertificateStatus.CERTIFICATE_EXPIRED: Decision.CERTIFICATE_EXPIRED,
    CertificateStatus.CERTIFICATE_REVOKED: Decision.CERTIFICATE_REVOKED,
    CertificateStatus.NO_CERTIFICATE_AVAILABLE: Decision.NO_TRUST_ANCHOR,
    CertificateStatus.CERT_CHAIN_ERROR: Decision.CHAIN_INVALID,
    CertificateStatus.CONTRACT_CANCELLED: Decision.CONTRACT_CANCELLED,
}
_ABOUT_THE_CHAIN = frozenset(
    {
        CertificateStatus.SIGNATURE_ERROR,
        CertificateStatus.CERTIFICATE_EXPIRED,
        CertificateStatus.NO_CERTIFICATE_AVAILABLE,
        CertificateStatus.CERT_CHAIN_ERROR,
    }
)
"""Dates and roots are checked again each time, by the station first; a backend without a root may
get it later.
"""

_ELSEWHERE = frozenset(
    {TokenStatus.NOT_ALLOWED_TYPE_EVSE, TokenStatus.NOT_AT_THIS_LOCATION, TokenStatus.NOT_AT_THIS_TIME}
)


def decide(case: Case) -> Answer:
    """Returns whether it may charge, or what to ask the backend first. C07.FR.01 to FR.17, C10 to
    C15.
    """
    if case.chain is not None:
        if not case.policy.pnc_enabled:
            return Verdict(Decision.REJECTED, "PnCEnabled is false", Ground.SETTING)
        # The station checks first: a backend that gets hashes cannot check signatures.
        if (flaw := _LOCAL_FLAWS.get(case.chain)) is not None:
            return flaw
    if case.online and case.policy.disable_remote_authorization:
        return _NO_ROOT if case.chain is Outcome.NO_ROOT else _by_lists(case, unknown=False)
    if not case.online:
        return _offline(case)
    return _online(case)


def offers_contract(policy: Policy, *, online: bool, tls: bool, certificate_valid: bool, identified: bool) -> bool:
    """Whether the next car is offered Contract. ``certificate_valid``: of the station's chain;
    ``identified``: of the driver.

    Offline it is not offered if every contract would be refused (remark in C07): the driver then
    uses a card at once.
    """
    decidable = online or (policy.contract_validation_offline and policy.local_authorize_offline)
    return policy.pnc_enabled and tls and certificate_valid and not identified and decidable


def worth_remembering(verdict: Verdict) -> bool:
    """Whether to cache a refusal of a proved contract: only the backend's own answer is about the
    contract itself.

    Not a setting, a missing backend, a reason of this place or moment, or the cache itself, which
    would then never end. Nor the denylist: the copy would outlive an entry that the operator
    removes.
    """
    return not verdict.accepted and verdict.ground is Ground.BACKEND


def _online(case: Case) -> Answer:
    question = _question(case)
    if case.reply is None or isinstance(question, Verdict):
        listed = case.policy.local_pre_authorize and _listed(case)[0] is TokenStatus.ACCEPTED
        if case.chain is None and case.reply is None and listed:
            return Verdict(Decision.ACCEPTED, "by the local list or cache, before the backend", _listed(case)[1])
        return question
    if isinstance(case.reply, Silence):
        return (
            _offline(case)
            if case.policy.offline_when_silent
            else Verdict(Decision.NO_ANSWER, "the backend did not answer", Ground.SILENCE)
        )
    return _replied(case.reply, case.chain)


def _question(case: Case) -> Answer:
    central = case.policy.central_contract_validation_allowed
    if case.chain is None:
        return AskBackend("none")
    if case.chain is Outcome.VALID and case.hashes:
        return AskBackend("hashes")
    # Without hash data only the certificates themselves can be sent.
    if central:
        return AskBackend("certificates")
    if case.chain is Outcome.VALID:
        return Verdict(
            Decision.CHAIN_INVALID, "no certificate of the chain names an OCSP responder to ask", Ground.CHAIN
        )
    return _NO_ROOT


def _replied(reply: Reply, chain: Outcome | None) -> Verdict:
    if chain is not None and reply.certificate is None and chain is not Outcome.VALID:
        detail = "the backend said nothing about a chain without an installed root"
        return Verdict(Decision.NO_TRUST_ANCHOR, detail, Ground.CIRCUMSTANCES)
    if chain is not None and reply.certificate in _CERTIFICATE:
        ground = Ground.CIRCUMSTANCES if reply.certificate in _ABOUT_THE_CHAIN else Ground.BACKEND
        detail = f"the backend says {reply.certificate} and {reply.token}"
        return Verdict(_CERTIFICATE[reply.certificate], detail, ground)
    if reply.token is TokenStatus.ACCEPTED:
        return Verdict(Decision.ACCEPTED, "by the backend", Ground.BACKEND)
    passing = reply.token in _ELSEWHERE or reply.token is TokenStatus.CONCURRENT_TX
    return Verdict(
        Decision.NOT_ALLOWED_HERE if reply.token in _ELSEWHERE else Decision.REJECTED,
        f"the backend says {reply.token}",
        Ground.CIRCUMSTANCES if passing else Ground.BACKEND,
    )


def _offline(case: Case) -> Verdict:
    if case.chain is not None:
        if not case.policy.contract_validation_offline:
            return Verdict(Decision.REJECTED, "offline, and ContractValidationOffline is false", Ground.SETTING)
        if case.chain is not Outcome.VALID:
            return _NO_ROOT
    if not case.policy.local_authorize_offline:
        return Verdict(Decision.REJECTED, "offline, and LocalAuthorizeOffline is false", Ground.SETTING)
    return _by_lists(case, unknown=case.policy.offline_tx_for_unknown_id_enabled)


def _by_lists(case: Case, *, unknown: bool) -> Verdict:
    status, ground = _listed(case)
    if status is TokenStatus.ACCEPTED:
        return Verdict(Decision.ACCEPTED, "by the local list or cache", ground)
    if status is None and unknown:
        return Verdict(Decision.ACCEPTED, "on no list, and OfflineTxForUnknownIdEnabled is true", ground)
    if status is None:
        return Verdict(Decision.REJECTED, "on no list", ground)
    decision = Decision.NOT_ALLOWED_HERE if status in _ELSEWHERE else Decision.REJECTED
    return Verdict(decision, f"the local list or cache says {status}", ground)


def _listed(case: Case) -> tuple[TokenStatus | None, Ground]:
    """Returns the list's status, else the cache's. An accepting entry that has ended has the status
    Expired.
    """
    for entry, ground, honours_expiry in (
        (case.listed, Ground.ALLOWLIST, case.policy.supports_expiry_date_time),
        (case.cached, Ground.MEMORY, True),
    ):
        if entry is not None and entry.status is TokenStatus.ACCEPTED:
            ended = honours_expiry and entry.expires is not None and entry.expires <= case.now
            return TokenStatus.EXPIRED if ended else entry.status, ground
        if entry is not None:
            # A refusal does not end; only an acceptance does.
            return entry.status, Ground.DENYLIST if ground is Ground.ALLOWLIST else ground
    return None, Ground.UNLISTED

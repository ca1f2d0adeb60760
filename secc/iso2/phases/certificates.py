"""CertificateInstallation and CertificateUpdate: a contract for the car, from the provisioning service.

The station checks who asks, and relays: the request as it came, and the answer as it came, which
the provisioning service has signed. It keeps neither. The two requests have no Ongoing. [V2G2-551]
[V2G2-553] [V2G2-556] [V2G2-558]
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final, TypeAlias

from certs.certificates import Edition, parse_certificate
from secc.conversation import Conversation, Deadline, Party
from secc.errors import DecodeError, Refusal, SignatureRejected
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.messages import SCHEMA, ResponseCode
from secc.iso2.phases.payment_details import validated
from secc.iso2.refusals import refused
from secc.iso2.session_state import SessionState, next_request
from secc.session.dialogue import Relayed
from secc.session.effects import (
    PROVISIONED_OCTETS,
    Decision,
    Milestone,
    NoContract,
    OemCertificate,
    ProvisionContract,
    Provisioned,
    Provisioning,
    ProvisioningRefused,
    Reach,
    ValidateOemCertificate,
)
from secc.session.remarks import remark
from secc.session.signature import P256_SHA256, verify
from secc.session.waiting import answer_within

Request: TypeAlias = m.CertificateInstallationReq | m.CertificateUpdateReq

ANSWER_ITEMS: Final = 64
"""List items of an answer, over all passes: it has two chains and four references."""

RESPONSES: Final = {
    Provisioning.INSTALLATION: m.CertificateInstallationRes,
    Provisioning.UPDATE: m.CertificateUpdateRes,
}

CODES: Final = {
    NoContract.NOT_AVAILABLE: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    NoContract.CANCELLED: ResponseCode.FAILED_CONTRACT_CANCELED,
    NoContract.FAILED: ResponseCode.FAILED,
}
"""The code for a car that gets no contract."""

_TOLD: Final = {code: why for why, code in CODES.items()}

INSTALLATION: Final = {
    # The response has no code for an issuer.
    Decision.CHAIN_INVALID: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
}
UPDATE: Final = {
    # The row of a country that is not one allows FAILED and this code.
    Decision.NOT_ALLOWED_HERE: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Decision.NO_TRUST_ANCHOR: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Decision.EMAID_MISMATCH: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
}
"""Codes that differ from those of PaymentDetailsRes."""


def certificate_service(secc: Party, state: SessionState) -> Conversation[m.PaymentDetailsReq]:
    """Answer one request for a contract, from a car that has selected the service. Returns the
    PaymentDetailsReq, open.
    """
    kinds = [_REQUESTS[kind] for kind in state.selected_provisioning]
    request = yield from next_request(secc, m.PaymentDetailsReq, *kinds)
    if isinstance(request, m.PaymentDetailsReq):
        return request
    limit = secc.limit(timing.PROVISIONING)
    kind, fingerprint = yield from _checked(secc, state, request, limit)
    answer = yield from _provisioned(secc, state, kind, fingerprint, limit)
    # The octets of the service: encoded again, its digests would not hold.
    secc.reply(Relayed(answer.octets, RESPONSES[kind].__name__, ResponseCode.OK))
    secc.do(Reach(Milestone.CONTRACT_PROVISIONED, (("by", kind.value),)))
    return (yield from next_request(secc, m.PaymentDetailsReq))


_REQUESTS: Final = {
    Provisioning.INSTALLATION: m.CertificateInstallationReq,
    Provisioning.UPDATE: m.CertificateUpdateReq,
}


def _checked(
    secc: Party, state: SessionState, request: Request, limit: Deadline
) -> Conversation[tuple[Provisioning, str]]:
    """Returns what is asked for, and the hash of the key that signed the request."""
    if isinstance(request, m.CertificateUpdateReq):
        kind = Provisioning.UPDATE
        chain = request.contract_signature_cert_chain
        contract = yield from validated(secc, state, chain, request.emaid, limit, partial(_refused, UPDATE))
        leaf = contract.chain.leaf
    else:
        kind = Provisioning.INSTALLATION
        certificate = yield from _oem_certificate(secc, request.oem_provisioning_cert, limit)
        leaf = parse_certificate(certificate.der, Edition.ISO2, "leaf")
    assert secc.request is not None
    signature, octets = secc.request.header.signature, secc.request.octets
    try:
        form = verify(signature, {type(request).__name__: request.id}, octets, leaf.public_key, SCHEMA, P256_SHA256)
    except SignatureRejected as rejected:
        flaw = f"signature.{rejected.flaw}"
        raise Refusal(ResponseCode.FAILED_SIGNATURE_ERROR, "ISO 15118-2, ResponseCode", str(rejected), flaw) from None
    if form.quirk:
        remark(secc, form.quirk, f"SignedInfo in the grammar of {form.value}")
    # Not of the certificate: octets of its signature can be changed, and a root that is not here judges none.
    return kind, hashlib.sha256(leaf.key_bits).hexdigest()


def _oem_certificate(secc: Party, der: bytes, limit: Deadline) -> Conversation[OemCertificate]:
    answer = yield from answer_within(secc, ValidateOemCertificate(der, Edition.ISO2), before=limit)
    if answer is None:
        raise _refused(INSTALLATION, Decision.NO_ANSWER, "the certificate was not validated in time")
    if not isinstance(answer, OemCertificate):
        raise _refused(INSTALLATION, Decision.REJECTED if answer.accepted else answer.decision, answer.detail)
    return answer


def _refused(codes: dict[Decision, ResponseCode], decision: Decision, detail: str) -> Refusal:
    refusal = refused(decision, detail)
    code = codes.get(decision, refusal.code)
    return Refusal(code, refusal.clause, refusal.detail)


def _provisioned(
    secc: Party, state: SessionState, kind: Provisioning, fingerprint: str, limit: Deadline
) -> Conversation[Provisioned]:
    assert secc.request is not None
    accept = partial(accepted, kind, state.session_id)
    question = ProvisionContract(kind, secc.request.octets, fingerprint, limit.at - secc.now, accept)
    # A late answer is dropped: it belongs to this car, and no other may have it.
    answer = yield from answer_within(secc, question, before=limit)
    if answer is None:
        raise Refusal(ResponseCode.FAILED, "[V2G2-558]", "the provisioning service did not answer in time")
    if not isinstance(answer, Provisioned):
        raise Refusal(CODES[answer.why], "[V2G2-558]", answer.detail or answer.why.value)
    return answer


def accepted(kind: Provisioning, session_id: bytes, octets: bytes) -> Provisioned | ProvisioningRefused:
    """Check an answer of the service, which nothing has looked at so far: size, message, session,
    response code. (A-PNC-09) (A-PNC-10)
    """
    if len(octets) > PROVISIONED_OCTETS:
        return ProvisioningRefused(NoContract.FAILED, f"an answer of {len(octets)} octets")
    try:
        message = SCHEMA.decode(octets, items=ANSWER_ITEMS)
    except DecodeError as error:
        return ProvisioningRefused(NoContract.FAILED, f"an answer that cannot be decoded: {error}")
    body = message.body
    if not isinstance(body, m.CertificateInstallationRes | m.CertificateUpdateRes) or type(body) is not RESPONSES[kind]:
        return ProvisioningRefused(NoContract.FAILED, f"{type(body).__name__} for an answer")
    if message.header.session_id != session_id:
        return ProvisioningRefused(NoContract.FAILED, "an answer for another session")
    if not body.response_code.startswith("OK"):
        return ProvisioningRefused(_TOLD.get(body.response_code, NoContract.FAILED), body.response_code)
    return Provisioned(octets)

"""PaymentDetails: the car presents its contract and gets the challenge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from certs.certificates import Edition
from certs.contract import Contract
from secc.conversation import Conversation, Deadline, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.messages import CertificateChain, PaymentDetailsReq, PaymentDetailsRes, ResponseCode
from secc.iso2.phases.session_setup import now
from secc.iso2.refusals import refused
from secc.iso2.session_state import SessionState
from secc.session.effects import Decision, Milestone, Provisioning, Reach, ValidateContract
from secc.session.remarks import remark

CHALLENGE_OCTETS: Final = 16
"""[V2G2-697] [V2G2-825]"""

LONGEST_EMAID: Final = 18
"""Characters, with hyphens. (Q-78)"""


def payment_details(
    secc: Party, state: SessionState, request: PaymentDetailsReq
) -> Conversation[tuple[Contract, bytes]]:
    """Answer the open request. Returns the contract, whose chain is valid but which is not proved
    yet, and a new challenge, used once.
    """
    limit = secc.limit(timing.PAYMENT_DETAILS)
    contract = yield from validated(secc, state, request.contract_signature_cert_chain, request.emaid, limit)
    before = state.resumed.contract if state.resumed is not None else None
    if before is not None and contract.emaid.text != before.emaid:
        # The transaction that goes on is another customer's.
        raise refused(Decision.NOT_ALLOWED_HERE, "another contract than before the pause")
    if request.emaid != request.emaid.replace("-", "").upper():
        remark(secc, "Q-78", "an EMAID with hyphens or in lower case")
    challenge = secc.entropy(CHALLENGE_OCTETS)
    # The calendar is read in any case: every recorded session has this draw.
    soon = contract.expires_soon(secc.wall().time) and (
        state.offer.announce_expiry or Provisioning.UPDATE in state.provisioning
    )
    secc.reply(
        PaymentDetailsRes(
            response_code=ResponseCode.OK_CERTIFICATE_EXPIRES_SOON if soon else ResponseCode.OK,
            gen_challenge=challenge,
            evse_time_stamp=now(secc),
        )
    )
    # Only a station with danger_floor_suffices gets such a contract.
    dates = () if contract.dates_proven else (("dates", "not confirmed by a clock"),)
    secc.do(Reach(Milestone.CONTRACT_PRESENTED, (("contract", contract.emaid.masked), *dates)))
    return contract, challenge


def validated(
    secc: Party,
    state: SessionState,
    chain: CertificateChain,
    emaid: str,
    limit: Deadline,
    refuse: Callable[[Decision, str], Refusal] = refused,
) -> Conversation[Contract]:
    """Returns the contract of a chain, if it belongs to this EMAID. Raises what ``refuse`` makes of
    the decision. With ``strict`` leaf, sub-CA 2 and sub-CA 1 have to come in this order, and nothing
    else. (Q-25)
    """
    if len(emaid) > LONGEST_EMAID:
        raise refuse(Decision.EMAID_MISMATCH, "no EMAID")
    sub_certificates = chain.sub_certificates.certificate if chain.sub_certificates is not None else ()
    question = secc.ask(ValidateContract((chain.certificate, *sub_certificates), emaid, Edition.ISO2))
    if not (yield from secc.until(lambda: secc.answer(question) is not None, before=limit)):
        raise refuse(Decision.NO_ANSWER, "the chain was not validated in time")
    answer = secc.answer(question)
    assert answer is not None
    if not isinstance(answer, Contract):
        # An acceptance alone is not a contract: only a validated chain makes one.
        raise refuse(Decision.REJECTED if answer.accepted else answer.decision, answer.detail)
    if not answer.is_named_by(emaid):
        # Compare the EMAID again here: a wrong one charges another customer.
        raise refuse(Decision.EMAID_MISMATCH, "the validated contract is another one")
    if sub_certificates != tuple(ca.der for ca in answer.chain.sub_cas):
        if state.offer.strict:
            raise refuse(Decision.CHAIN_INVALID, "other certificates than the sub-CAs in their order")
        remark(secc, "Q-25", "other certificates than the sub-CAs in their order")
    return answer

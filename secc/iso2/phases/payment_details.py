"""PaymentDetails: the car presents its contract and gets the challenge."""

from __future__ import annotations

from typing import Final

from certs.certificates import Edition
from certs.contract import Contract
from secc.conversation import Conversation, Party
from secc.iso2 import timing
from secc.iso2.messages import PaymentDetailsReq, PaymentDetailsRes, ResponseCode
from secc.iso2.phases.session_setup import now
from secc.iso2.refusals import refused
from secc.iso2.session_state import SessionState, next_request
from secc.session.effects import Decision, Milestone, Reach, ValidateContract

CHALLENGE_OCTETS: Final = 16
"""[V2G2-697] [V2G2-825]"""

LONGEST_EMAID: Final = 18
"""Characters, with hyphens. (Q-78)"""


def payment_details(secc: Party, state: SessionState) -> Conversation[tuple[Contract, bytes]]:
    """Returns the contract, whose chain is valid but which is not proved yet, and a new challenge,
    used once.
    """
    request = yield from next_request(secc, PaymentDetailsReq)
    contract = yield from _validated(secc, request)
    before = state.resumed.contract if state.resumed is not None else None
    if before is not None and contract.emaid.text != before.emaid:
        # The transaction that goes on is another customer's.
        raise refused(Decision.NOT_ALLOWED_HERE, "another contract than before the pause")
    challenge = secc.entropy(CHALLENGE_OCTETS)
    # The calendar is read in any case: every recorded session has this draw.
    soon = contract.expires_soon(secc.wall().time) and state.offer.announce_expiry
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


def _validated(secc: Party, request: PaymentDetailsReq) -> Conversation[Contract]:
    if len(request.emaid) > LONGEST_EMAID:
        raise refused(Decision.EMAID_MISMATCH, "no EMAID")
    chain = request.contract_signature_cert_chain
    sub_certificates = chain.sub_certificates.certificate if chain.sub_certificates is not None else ()
    question = secc.ask(ValidateContract((chain.certificate, *sub_certificates), request.emaid, Edition.ISO2))
    if not (yield from secc.until(lambda: secc.answer(question) is not None, within=timing.PAYMENT_DETAILS)):
        raise refused(Decision.NO_ANSWER, "the chain was not validated in time")
    answer = secc.answer(question)
    assert answer is not None
    if not isinstance(answer, Contract):
        # An acceptance alone is not a contract: only a validated chain makes one.
        raise refused(Decision.REJECTED if answer.accepted else answer.decision, answer.detail)
    if not answer.is_named_by(request.emaid):
        # Compare the EMAID again here: a wrong one charges another customer.
        raise refused(Decision.EMAID_MISMATCH, "the validated contract is another one")
    return answer

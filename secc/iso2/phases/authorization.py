"""Authorization: by the contract that was presented, or from outside the car."""

from __future__ import annotations

from certs.contract import Contract
from secc.conversation import Conversation, Party
from secc.errors import ChallengeRejected, Refusal, SignatureRejected
from secc.iso2 import timing
from secc.iso2.messages import SCHEMA, AuthorizationReq, AuthorizationRes, EVSEProcessing, ResponseCode
from secc.iso2.paused import PausedContract
from secc.iso2.refusals import refused
from secc.iso2.session_state import SessionState, next_request
from secc.session.contract_verdict import ContractVerdict
from secc.session.effects import AuthorizeContract, Decision, IdentifyAgain, Milestone, Reach, Verdict
from secc.session.proof import ProvedContract, prove
from secc.session.remarks import remark
from secc.session.signature import P256_SHA256
from secc.session.waiting import limited
from secc.session.wishes import Held


def external_authorization(secc: Party, state: SessionState) -> Conversation[None]:
    """External payment: the car asks until a driver is identified. [V2G2-845] [V2G2-854] [V2G2-856]

    A refused card changes nothing; the driver may show another. A signature is ignored (Q-27).
    """
    yield from next_request(secc, AuthorizationReq)
    assert secc.request is not None
    if secc.request.header.signature is not None:
        remark(secc, "Q-27", "AuthorizationReq is signed, with external payment")
    with limited(secc, timing.eim_authorization(state.offer.eim_seconds)):
        while not state.wishes.eim_accepted or state.wishes.forces(Held.AUTHORIZATION):
            yield from state.pace.reply(secc, _ongoing(EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION))
            yield from next_request(secc, AuthorizationReq)
    secc.reply(finished())
    secc.do(Reach(Milestone.AUTHORIZED, (("by", "external identification"),)))


def contract_authorization(
    secc: Party, state: SessionState, contract: Contract, challenge: bytes
) -> Conversation[ProvedContract]:
    """Authorization with a contract. The backend may be asked before the proof; its answer counts
    only after challenge and signature were verified. A resumed session goes on under the decision
    made before the pause.
    """
    before = _decided_before(state) if state.resumed is not None else None
    early = secc.ask(AuthorizeContract(contract)) if before is None and state.offer.ask_before_proof else None
    request = yield from next_request(secc, AuthorizationReq)
    proved = _proved(secc, request, contract, challenge)
    if before is not None:
        _go_on(secc, state, proved, before)
    else:
        state.asked = verdict = ContractVerdict(secc, proved, early or secc.ask(AuthorizeContract(proved)))
        if not _decided(state, verdict):
            yield from _until_decided(secc, state, verdict)
    secc.reply(finished())
    by = "external identification" if state.wishes.eim_accepted else "contract"
    secc.do(Reach(Milestone.AUTHORIZED, (("by", by),)))
    return proved


def _until_decided(secc: Party, state: SessionState, verdict: ContractVerdict) -> Conversation[None]:
    with limited(secc, timing.ONGOING):
        while True:
            yield from state.pace.reply(secc, _ongoing(EVSEProcessing.ONGOING))
            # The EVCC signs only its first AuthorizationReq; polls are not signed, and signatures
            # of polls are ignored. [V2G2-684]
            yield from next_request(secc, AuthorizationReq)
            assert secc.request is not None
            if secc.request.header.signature is not None:
                state.remark(secc, "Q-80", "a further AuthorizationReq is signed, too")
            if _decided(state, verdict):
                return


def _decided_before(state: SessionState) -> PausedContract | None:
    """Returns the contract of the paused session, if it was accepted. A lab that holds this phase
    in Ongoing asks anew.
    """
    assert state.resumed is not None
    before = state.resumed.contract
    decided = before is not None and before.verdict is not None and not state.wishes.forces(Held.AUTHORIZATION)
    return before if decided else None


def _go_on(secc: Party, state: SessionState, proved: ProvedContract, before: PausedContract) -> None:
    """Go on under the decision made before the pause. Where it may be out of date it is asked for
    again, and the car is told to stop if the contract is refused now; silence changes nothing.
    """
    assert before.verdict is not None
    state.before = before
    secc.do(IdentifyAgain(proved, before.verdict))
    if before.holds(state.offer, secc.now):
        return

    def decided(verdict: Verdict) -> None:
        if not verdict.accepted and verdict.decision is not Decision.NO_ANSWER:
            state.wishes.end(secc)

    state.asked = ContractVerdict(secc, proved, secc.ask(AuthorizeContract(proved)), decided)


def finished() -> AuthorizationRes:
    return AuthorizationRes(response_code=ResponseCode.OK, evse_processing=EVSEProcessing.FINISHED)


def _ongoing(processing: EVSEProcessing) -> AuthorizationRes:
    return AuthorizationRes(response_code=ResponseCode.OK, evse_processing=processing)


def _proved(secc: Party, request: AuthorizationReq, contract: Contract, challenge: bytes) -> ProvedContract:
    """Returns the proof that the car holds the contract's key: its signature over the challenge.
    [V2G2-475] [V2G2-684]
    """
    assert secc.request is not None
    signature, octets = secc.request.header.signature, secc.request.octets
    element = ("AuthorizationReq", request.id)
    try:
        proved, form = prove(
            contract, challenge, request.gen_challenge, signature, element, octets, SCHEMA, P256_SHA256
        )
    except ChallengeRejected as rejected:
        raise Refusal(ResponseCode.FAILED_CHALLENGE_INVALID, "[V2G2-475]") from rejected
    except SignatureRejected as rejected:
        flaw = f"signature.{rejected.flaw}"
        raise Refusal(ResponseCode.FAILED_SIGNATURE_ERROR, "[V2G2-684]", str(rejected), flaw) from rejected
    if form.quirk:
        remark(secc, form.quirk, f"SignedInfo in the grammar of {form.value}")
    return proved


def _decided(state: SessionState, asked: ContractVerdict) -> bool:
    """Whether the car may charge now. Raises Refusal for a contract that may not."""
    if state.wishes.forces(Held.AUTHORIZATION):
        return False
    verdict = asked.now()
    if state.wishes.eim_accepted:
        # A card that is accepted while the contract is pending counts.
        return True
    if verdict is not None and not verdict.accepted:
        raise refused(verdict.decision, verdict.detail, in_authorization=True)
    return verdict is not None

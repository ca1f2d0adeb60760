"""MeteringReceipt: the car signs the reading that it was told last. [V2G2-902] [V2G2-903] [V2G2-904]

The standard leaves it to the station whether to verify; this one always does.
"""

from __future__ import annotations

import math

from frozen import dataclass
from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.measured import meter_info
from secc.iso2.messages import SCHEMA, Body, MeterInfo, MeteringReceiptReq, MeteringReceiptRes, ResponseCode
from secc.iso2.session_state import SessionState
from secc.iso2.status import present
from secc.session.proof import ProvedContract
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected, SignedReceipt, prove_receipt
from secc.session.signature import P256_SHA256
from secc.session.waiting import answer_within


@dataclass(frozen=True, slots=True)
class Told:
    """What the last answer of the charging loop has told the car; ``record`` is the meter's own."""

    info: MeterInfo
    schedule: int
    record: bytes | None


class Receipts:
    """The metering receipts of one session, paid by this contract: one every so many ``seconds``. With
    external payment no receipt is ever demanded. [V2G2-691]
    """

    def __init__(self, contract: ProvedContract, seconds: float) -> None:
        self._contract, self._seconds = contract, seconds
        self._told: Told | None = None
        self._next_at = -math.inf
        self.due = False
        """Whether the last answer of the loop demanded one."""
        self.missed = False
        """Whether the car has gone on without one. (Q-66)"""

    def tell(self, secc: Party, state: SessionState) -> tuple[MeterInfo | None, bool]:
        """Returns MeterInfo and ReceiptRequired of an answer of the loop that is sent now."""
        info = meter_info(secc, state)
        self._told = None if info is None else Told(info, state.tuple_id, secc.levels.meter_record)
        # Without MeterInfo there is nothing to sign.
        self.due = info is not None and secc.now >= self._next_at
        return info, self.due

    def before(self, state: SessionState, kinds: tuple[type[Body], ...]) -> tuple[type[Body], ...]:
        """Returns the requests that may come now, where the loop waits for ``kinds``. [V2G2-580]
        [V2G2-796]
        """
        if self.due:
            return (MeteringReceiptReq, *(kinds if state.terms.tolerates("Q-66") else ()))
        return (MeteringReceiptReq, *kinds) if self.missed else kinds

    def settle(self, secc: Party) -> None:
        """The demand is met, or passed over: the next one comes later."""
        self.due = self.missed = False
        self._next_at = secc.now + self._seconds

    def passed_over(self, secc: Party, state: SessionState) -> None:
        """Another request than a receipt has come: remark it if one was due."""
        if self.due:
            state.remark(secc, "Q-66", "the loop goes on without the receipt that was demanded")
            self.settle(secc)
            self.missed = True

    def of(self, secc: Party, state: SessionState, request: MeteringReceiptReq) -> BookReceipt:
        """Returns the question about the open request. Raises Refusal for a receipt of anything but
        what was told last. [V2G2-481]
        """
        contract, told = self._contract, self._told
        assert secc.request is not None
        if told is None:
            raise _refused("no reading was sent last")
        if request.session_id != state.session_id:
            raise _refused("the receipt is of another session")
        if request.sa_schedule_tuple_id not in (told.schedule, None):
            # It may be left out, as in the schema.
            raise _refused("the receipt is of another schedule")
        if request.meter_info != told.info:
            raise _refused("the receipt is not of the reading that was sent last")
        signature, octets = secc.request.header.signature, secc.request.octets
        element = (type(request).__name__, request.id)

        def check() -> SignedReceipt:
            return prove_receipt(contract, signature, element, octets, SCHEMA, P256_SHA256)

        return BookReceipt(told.info.meter_id, told.info.meter_reading, told.schedule, told.record, check)


def metering_receipt(
    secc: Party, state: SessionState, receipts: Receipts, request: MeteringReceiptReq
) -> Conversation[None]:
    """Answer the open request, once the receipt is verified and stored."""
    answer = yield from answer_within(secc, receipts.of(secc, state, request), timing.METERING_RECEIPT)
    if isinstance(answer, ReceiptRejected):
        raise _refused(f"{answer.flaw}: {answer.detail}" if answer.detail else answer.flaw, f"signature.{answer.flaw}")
    if not isinstance(answer, ReceiptBooked):
        why = "not in time" if answer is None else answer.detail
        raise Refusal(ResponseCode.FAILED, "[V2G2-904]", f"the metering receipt could not be stored: {why}")
    if answer.quirk:
        state.remark(secc, answer.quirk, "SignedInfo of a receipt in the grammar of the message set")
    receipts.settle(secc)
    secc.reply(MeteringReceiptRes(response_code=ResponseCode.OK, evse_status=present(secc, state)))


def _refused(detail: str, flaw: str = "") -> Refusal:
    return Refusal(ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID, "[V2G2-481]", detail, flaw)

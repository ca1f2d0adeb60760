"""The ledger of an outlet at work: the reports that reach the backend, and when the meter is read for the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim, OutletSettings
from secc.conversation import ENDLESS, Levels, Reason, Wall
from secc.errors import SignatureRejected, UplinkError
from secc.iso2.messages import SCHEMA, ChargingStatusReq, MeteringReceiptReq
from secc.outlet.effects import PauseOver
from secc.session.effects import Decision, Identify, Milestone, StartPower, Verdict
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected, ReceiptUnbooked, SignedReceipt
from secc.session.signature import P256_SHA256, Flaw, sign
from secc.station.serving.hardware import Hardware
from secc.station.serving.transactions import REST_SECONDS, Transactions
from secc.station.serving.writes import Writes
from secc.trace.reasons import MEANINGS
from secc.uplink.port import Identity, MeteringReceipt, SessionEnded, SessionStarted
from tests.iso2_car import AC_PNC, Car
from tests.lab_proof import lab_proved
from tests.lab_trust import LAB

WALL = Wall(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), trusted=True)
CARD = Identity("rfid", "04A2B3C4")
DONE = Reason("completed", "terminated")


@dataclass
class Outlet:
    """Board, backend and calendar as far as transactions need them."""

    now: Levels = field(default_factory=lambda: Levels(contactor="open", watt_hours=100.0, metered_at=1.0))
    meter: float | None = 100.0
    beside: Identity | None = None
    eim: Eim = Eim.FREE
    full: bool = False
    seconds: float = 0.0
    """How long the backend takes to store a report."""
    record: bytes | None = None
    """What the meter signs with; None: it signs nothing."""
    metering: list[str] = field(default_factory=list)
    reports: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writes = Writes("1")
        services = SimpleNamespace(
            calendar=SimpleNamespace(wall=lambda: WALL),
            config=SimpleNamespace(uplink=SimpleNamespace(eim=self.eim)),
            uplink=SimpleNamespace(
                session_started=self._report, session_ended=self._report, metering_receipt=self._report
            ),
            work=None,
        )
        outlet = SimpleNamespace(
            settings=OutletSettings(interface="lo", name="1", evse_id="DE*PNX*E1"),
            services=services,
            router=None,
            hardware=self,
            publish=None,
            loop=None,
            orders=None,
        )
        self.transactions = Transactions(cast("Any", outlet), self.writes, lambda: self.beside)

    async def _report(self, report: Any) -> None:
        await asyncio.sleep(self.seconds)
        if self.full:
            raise UplinkError("the disk is full")
        self.reports.append(report)

    settle = Hardware.settle

    def levels(self) -> Levels:
        return self.now

    async def read_meter(self) -> float | None:
        return self.meter

    async def begin_metering(self, transaction: str) -> bytes | None:
        self.metering.append(f"begin {transaction}")
        return self.record and self.record + b" begins"

    async def end_metering(self, transaction: str) -> bytes | None:
        self.metering.append(f"end {transaction}, contactor {self.now.contactor}")
        return self.record and self.record + b" ends"

    def moved(self, contactor: Literal["open", "closed"], watt_hours: float) -> Levels:
        self.now = Levels(contactor=contactor, watt_hours=watt_hours, metered_at=1.0)
        self.meter = watt_hours
        return self.now


def at(outlet: Outlet, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await story()
        await outlet.writes.close()

    run_virtual(main())


def identities(outlet: Outlet) -> list[Identity]:
    return [report.identity for report in outlet.reports if isinstance(report, SessionStarted)]


def test_a_pause_is_no_end_and_a_resume_no_start() -> None:
    outlet = Outlet()

    async def story() -> None:
        transactions = outlet.transactions
        for number, reading in enumerate((200.0, 300.0, 400.0)):
            transactions.ledger.resume()
            transactions.reached(f"s{number}", Milestone.POWER_ON, outlet.moved("closed", reading))
            transactions.paused(outlet.moved("open", reading + 50.0))
            transaction = transactions.ended(Reason("completed", "pause"), outlet.now)
            assert transaction is not None, "the record of the session says what it delivered"
            assert transactions.ended(Reason("severed", "connection-closed"), outlet.now) is None
        transactions.ledger.resume()
        transactions.ended(DONE, outlet.now)
        transactions.forgotten(PauseOver.UNPLUGGED)

    at(outlet, story)
    begin, end = outlet.reports
    assert isinstance(begin, SessionStarted)
    assert isinstance(end, SessionEnded)
    assert (begin.session, end.session, end.reason) == ("s0", "s0", "completed.terminated")
    assert end.watt_hours == 450.0


def test_a_card_that_lets_a_resumed_session_charge_pays_and_the_contract_of_before_does_not() -> None:
    outlet = Outlet()

    async def story() -> None:
        transactions = outlet.transactions
        transactions.identified(Identify(lab_proved(), Verdict(Decision.ACCEPTED)))
        transactions.reached("s0", Milestone.POWER_ON, outlet.moved("closed", 200.0))
        transactions.paused(outlet.moved("open", 250.0))
        transactions.ended(Reason("completed", "pause"), outlet.now)
        transactions.ledger.resume()
        outlet.beside = CARD
        transactions.reached("s1", Milestone.AUTHORIZED, outlet.now)
        await asyncio.sleep(1.0)
        transactions.reached("s1", Milestone.POWER_ON, outlet.moved("closed", 250.0))
        transactions.ended(DONE, outlet.moved("open", 300.0))

    at(outlet, story)
    assert [getattr(report, "reason", "") for report in outlet.reports] == [
        "",
        "completed.pause-left",
        "",
        "completed.terminated",
    ]
    assert [report.watt_hours for report in outlet.reports][1:] == [250.0, 250.0, 300.0]
    assert [identity.kind for identity in identities(outlet)] == ["emaid", "rfid"]


@pytest.mark.parametrize("why", PauseOver)
def test_a_paused_session_that_is_not_resumed_ends_with_a_reason_of_its_own(why: PauseOver) -> None:
    outlet = Outlet()

    async def story() -> None:
        outlet.transactions.began("s0", outlet.moved("closed", 200.0))
        outlet.transactions.paused(outlet.moved("open", 250.0))
        outlet.transactions.forgotten(why)
        outlet.transactions.forgotten(why)

    at(outlet, story)
    _, end = outlet.reports
    assert isinstance(end, SessionEnded)
    assert (end.reason, end.watt_hours) == (f"completed.pause-{why.value}", 250.0)
    assert end.reason in MEANINGS


def test_the_start_is_reported_when_power_is_on_and_not_before() -> None:
    outlet = Outlet()

    async def story() -> None:
        for milestone in (Milestone.SESSION_SET_UP, Milestone.AUTHORIZED):
            outlet.transactions.reached("s1", milestone, outlet.now)
        await outlet.writes.close()
        assert outlet.reports == []
        outlet.transactions.ledger.reading(outlet.now)
        outlet.transactions.reached("s1", Milestone.POWER_ON, outlet.moved("closed", 101.0))

    at(outlet, story)
    (report,) = outlet.reports
    assert report == SessionStarted("s1", "1", "DE*PNX*E1", Identity("free"), WALL, 100.0)


def test_the_last_reading_waits_until_the_contactor_is_open() -> None:
    outlet = Outlet()

    async def story() -> None:
        outlet.transactions.began("s1", outlet.moved("closed", 100.0))
        transaction = outlet.transactions.ended(DONE, outlet.moved("closed", 200.0))
        assert transaction is not None
        await asyncio.sleep(1.0)
        assert len(outlet.reports) == 1, "the contactor is closed"
        outlet.moved("open", 203.0)
        await asyncio.sleep(0.1)
        assert outlet.reports[1] == SessionEnded("s1", "1", "completed.terminated", WALL, 203.0)
        assert transaction.delivered == 103.0

    at(outlet, story)


def test_a_contactor_that_does_not_open_keeps_no_session_out_of_the_books() -> None:
    outlet = Outlet()

    async def story() -> None:
        outlet.transactions.began("s1", outlet.moved("closed", 100.0))
        outlet.transactions.ended(DONE, outlet.moved("closed", 200.0))
        await asyncio.sleep(REST_SECONDS + 0.5)
        assert outlet.reports[1].watt_hours == 200.0

    at(outlet, story)


def test_a_meter_that_cannot_be_read_leaves_what_the_board_said_last() -> None:
    outlet = Outlet()

    async def story() -> None:
        outlet.transactions.began("s1", outlet.moved("closed", 100.0))
        outlet.transactions.reached("s1", Milestone.CHARGING, outlet.moved("closed", 150.0))
        outlet.now, outlet.meter = Levels(), None
        outlet.transactions.ended(DONE, outlet.now)

    at(outlet, story)
    assert outlet.reports[1].watt_hours == 150.0


def test_charging_without_a_session_is_read_at_its_end_although_no_step_was_seen() -> None:
    outlet = Outlet()

    async def story() -> None:
        outlet.transactions.began("s1", outlet.moved("closed", 100.0))
        outlet.meter = None
        outlet.transactions.ended(DONE, Levels(contactor="closed", watt_hours=150.0, metered_at=1.0))

    at(outlet, story)
    assert outlet.reports[1].watt_hours == 150.0


def test_who_is_identified_beside_the_session_pays_when_it_is_authorized_and_not_the_contract() -> None:
    outlet = Outlet(beside=CARD)

    async def story() -> None:
        outlet.transactions.identified(Identify(lab_proved(), Verdict(Decision.ACCEPTED)))
        outlet.transactions.reached("s1", Milestone.AUTHORIZED, outlet.now)
        outlet.beside = None
        outlet.transactions.reached("s1", Milestone.POWER_ON, outlet.now)

    at(outlet, story)
    assert identities(outlet) == [CARD]


def test_a_contract_pays_that_may_charge_and_no_other() -> None:
    contract = lab_proved()
    found: list[Identity] = []
    for decision in (Decision.ACCEPTED, Decision.REJECTED):
        outlet = Outlet(eim=Eim.LIST)

        async def story(outlet: Outlet = outlet, decision: Decision = decision) -> None:
            outlet.transactions.identified(Identify(contract, Verdict(decision)))
            outlet.transactions.reached("s1", Milestone.POWER_ON, outlet.now)

        at(outlet, story)
        found += identities(outlet)
    assert found == [Identity("emaid", contract.contract.emaid.text), Identity("unknown")]


def test_what_was_offered_says_whether_charging_is_free_and_which_meter_counts() -> None:
    outlet = Outlet(eim=Eim.LIST)

    async def story() -> None:
        outlet.transactions.offer = cast("Any", SimpleNamespace(free=True, meter_id="M1"))
        outlet.transactions.began("s1", outlet.now)
        outlet.transactions.ended(DONE, outlet.now)
        outlet.transactions.began("s2", outlet.now)

    at(outlet, story)
    first, _, second = outlet.reports
    assert isinstance(first, SessionStarted)
    assert isinstance(second, SessionStarted)
    assert (first.identity.kind, first.meter_id) == ("free", "M1")
    assert (second.identity.kind, second.meter_id) == ("unknown", "")


def test_what_flows_before_the_feedback_says_closed_is_part_of_it_also_where_no_session_looked_before() -> None:
    outlet = Outlet()

    async def story() -> None:
        outlet.transactions.power_wanted(StartPower(ENDLESS))
        outlet.transactions.began("s", outlet.moved("closed", 100.5))

    at(outlet, story)
    (started,) = outlet.reports
    assert started.watt_hours == 100.0


# --- The meter's own transaction ----------------------------------------------------------------------------------------------


def test_the_meter_has_one_transaction_over_any_number_of_pauses_and_its_records_go_to_the_backend() -> None:
    outlet = Outlet(record=b"signed")

    async def story() -> None:
        transactions = outlet.transactions
        for number in range(3):
            transactions.ledger.resume()
            transactions.reached(f"s{number}", Milestone.POWER_ON, outlet.moved("closed", 200.0))
            transactions.paused(outlet.moved("open", 250.0))
        transactions.ledger.resume()
        outlet.moved("closed", 300.0)
        transactions.ended(DONE, outlet.now)
        await asyncio.sleep(0.5)
        outlet.moved("open", 310.0)

    at(outlet, story)
    begin, end = outlet.reports
    assert outlet.metering == ["begin s0", "end s0, contactor open"]
    assert (begin.signed, end.signed, end.watt_hours) == (b"signed begins", b"signed ends", 310.0)


# --- Metering receipts --------------------------------------------------------------------------------------------------------


def question(check: Callable[[], Any], record: bytes | None = None) -> BookReceipt:
    return BookReceipt("METER-1", 250, 1, record, check)


def signed_receipt() -> SignedReceipt:
    car = Car(replace(AC_PNC, receipt_seconds=1.0)).drive("ChargingStatus")
    found: list[SignedReceipt] = []
    car.answers[BookReceipt] = lambda question: found.append(question.check()) or ReceiptBooked()  # type: ignore[func-returns-value]  # keeps it
    body = car.says(ChargingStatusReq())
    request = MeteringReceiptReq(id="id1", session_id=car.session_id, meter_info=body.meter_info)
    car.says(request, signature=sign(request, LAB.contract.leaf.key, SCHEMA, P256_SHA256))  # type: ignore[arg-type]  # P-256 in this edition
    (receipt,) = found
    return receipt


def test_a_receipt_is_stored_with_its_transaction_behind_its_beginning_and_before_the_answer() -> None:
    outlet, receipt = Outlet(seconds=0.1), signed_receipt()
    answers = []

    async def story() -> None:
        transactions = outlet.transactions
        transactions.reached("s0", Milestone.POWER_ON, outlet.moved("closed", 200.0))
        for _ in range(2):
            answers.append(await transactions.receipt(question(lambda: receipt, b"long" * 100)))
            assert isinstance(outlet.reports[-1], MeteringReceipt)
        transactions.ended(DONE, outlet.moved("open", 300.0))

    at(outlet, story)
    begin, first, second, end = outlet.reports
    assert isinstance(begin, SessionStarted)
    assert answers == [ReceiptBooked(), ReceiptBooked()]
    assert first == MeteringReceipt("s0", "1", 1, WALL, "METER-1", 250, 1, receipt.octets, b"long" * 100)
    assert second == replace(first, number=2)
    assert isinstance(end, SessionEnded)


def test_a_receipt_that_does_not_hold_is_not_stored() -> None:
    outlet = Outlet()
    answers = []

    def stranger() -> SignedReceipt:
        raise SignatureRejected(Flaw.VALUE, "why")

    def bug() -> SignedReceipt:
        raise ZeroDivisionError

    async def story() -> None:
        transactions = outlet.transactions
        answers.append(await transactions.receipt(question(stranger)))
        transactions.reached("s0", Milestone.POWER_ON, outlet.moved("closed", 200.0))
        for check in (stranger, bug):
            answers.append(await transactions.receipt(question(check)))

    at(outlet, story)
    assert answers == [
        ReceiptUnbooked("no energy flows"),
        ReceiptRejected("signature-value", "why"),
        ReceiptUnbooked("internal error"),
    ]
    assert [type(report) for report in outlet.reports] == [SessionStarted]


def test_a_receipt_that_the_backend_cannot_store_is_told_so() -> None:
    outlet, receipt = Outlet(seconds=0.1), signed_receipt()

    async def story() -> None:
        transactions = outlet.transactions
        transactions.reached("s0", Milestone.POWER_ON, outlet.moved("closed", 200.0))
        await outlet.writes.close()
        outlet.full = True
        assert await transactions.receipt(question(lambda: receipt)) == ReceiptUnbooked("the disk is full")

    at(outlet, story)
    assert [type(report) for report in outlet.reports] == [SessionStarted]


def test_a_car_that_does_not_wait_leaves_the_write_alone() -> None:
    outlet, receipt = Outlet(seconds=0.1), signed_receipt()

    async def story() -> None:
        transactions = outlet.transactions
        transactions.reached("s0", Milestone.POWER_ON, outlet.moved("closed", 200.0))
        waiting = asyncio.get_running_loop().create_task(transactions.receipt(question(lambda: receipt)))
        await outlet.writes.close()
        await asyncio.sleep(0.05)
        waiting.cancel()

    at(outlet, story)
    assert [type(report) for report in outlet.reports] == [SessionStarted, MeteringReceipt]

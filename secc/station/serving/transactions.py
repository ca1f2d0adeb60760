"""The ledger of one outlet, and its reports to the backend."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from secc.conversation import Levels, Reason, Wall
from secc.errors import SeccError, SignatureRejected
from secc.outlet.effects import PauseOver
from secc.session.effects import Identify, Milestone, StartPower
from secc.session.log import about
from secc.session.offer import Offer
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected, ReceiptUnbooked
from secc.station.serving.context import Outlet, Part
from secc.station.serving.writes import Writes
from secc.uplink.ledger import Ledger, Transaction
from secc.uplink.port import Identity, MeteringReceipt, SessionStarted
from secc.uplink.standalone import Eim

log = logging.getLogger(__name__)

PAUSED = "completed.pause"
"""The reason of a session that the car may resume."""
_PAUSE_OVER = {
    PauseOver.UNPLUGGED: Reason("completed", "pause-unplugged"),
    PauseOver.STOPPED: Reason("completed", "pause-stopped"),
    PauseOver.LEFT: Reason("completed", "pause-left"),
    PauseOver.FAULT: Reason("completed", "pause-fault"),
    PauseOver.SHUTDOWN: Reason("completed", "pause-shutdown"),
}
REST_SECONDS = 5.0
"""Limit of the wait for the contactor before the last meter reading: energy flows until it is open.
"""


class Transactions(Part):
    """``beside`` returns who is identified beside the running session: from outside the car, or by
    a contract that was kept (Q-41).
    """

    def __init__(self, outlet: Outlet, writes: Writes, beside: Callable[[], Identity | None]) -> None:
        super().__init__(outlet)
        self.ledger = Ledger(self._name, self._settings.evse_id)
        self._writes = writes
        self._beside = beside
        self.offer: Offer | None = None
        """The offer of the running session."""

    def identified(self, said: Identify) -> None:
        """The car has proved a contract, which pays if it may charge."""
        if said.verdict.accepted:
            self.ledger.proved(Identity("emaid", said.contract.contract.emaid.text))

    def power_wanted(self, question: StartPower) -> None:
        """Read the meter before power is on: energy flows before the feedback says closed."""
        self.ledger.reading(self._hardware.levels())

    def reached(self, session: str, milestone: Milestone, levels: Levels) -> None:
        """The running session has reached a milestone."""
        if milestone is Milestone.AUTHORIZED:
            left = self.ledger.authorized(self._beside())
            if left is not None:
                self._close(left, _PAUSE_OVER[PauseOver.LEFT])
        if milestone is Milestone.POWER_ON:
            self.began(session, levels)
        if milestone in (Milestone.CHARGING, Milestone.POWER_ON, Milestone.POWER_OFF):
            self.ledger.reading(levels)

    def began(self, session: str, levels: Levels) -> None:
        """Energy may flow: in the running session, or by pilot and duty."""
        offer = self.offer
        report = self.ledger.began(
            session,
            self._services.calendar.wall(),
            levels,
            beside=self._beside(),
            free=self._config.uplink.eim is Eim.FREE if offer is None else offer.free,
            meter_id=offer.meter_id if offer is not None else "",
        )
        if report is not None:
            begun = asyncio.get_running_loop().create_task(
                self._hardware.begin_metering(session), name=f"{self._name} first record of the meter"
            )
            self._writes.put(lambda: self._start(report, begun))

    async def _start(self, report: SessionStarted, begun: asyncio.Task[bytes | None]) -> None:
        """Report the beginning to the backend, with the meter's start record if it has one."""
        record = await begun
        await self._services.uplink.session_started(report if record is None else replace(report, signed=record))

    def paused(self, levels: Levels) -> None:
        """The running session pauses: its transaction stays open."""
        self.ledger.reading(levels)
        self.ledger.pause()

    def forgotten(self, why: PauseOver) -> None:
        """The paused session will not be resumed: end its transaction, if there is one."""
        transaction = self.ledger.forgotten()
        if transaction is not None:
            log.info("outlet %s: the paused session ends: %s", self._name, why.value)
            self._close(transaction, _PAUSE_OVER[why])

    def ended(self, reason: Reason, levels: Levels) -> Transaction | None:
        """The session, or charging without one, is over. Returns its transaction, which stays open
        if the session paused; the last reading is known when the next write begins.
        """
        self.ledger.reading(levels)
        self.offer = None
        transaction = self.ledger.ended()
        if transaction is not None:
            self._close(transaction, reason)
        return self.ledger.paused if reason.code == PAUSED else transaction

    def _close(self, transaction: Transaction, reason: Reason) -> None:
        wall = self._services.calendar.wall()
        # Read now, not when the write begins: by then the next car may be charging.
        rest = asyncio.get_running_loop().create_task(
            self._rested(transaction.session), name=f"{self._name} last reading"
        )
        self._writes.put(lambda: self._settle(transaction, reason, wall, rest))

    async def _rested(self, transaction: str) -> tuple[float | None, bytes | None]:
        """Returns the meter's count when the contactor is open, and its signed end record."""
        await self._hardware.settle(REST_SECONDS)
        signed = await self._hardware.end_metering(transaction)
        return await self._hardware.read_meter(), signed

    async def _settle(
        self,
        transaction: Transaction,
        reason: Reason,
        wall: Wall,
        rest: asyncio.Task[tuple[float | None, bytes | None]],
    ) -> None:
        """Report the end to the backend, with the meter read while the contactor was open."""
        report = transaction.ended(reason.code, wall, *await rest)
        if transaction.delivered is not None:
            kilowatt_hours = transaction.delivered / 1000.0
            log.info("outlet %s: delivered %.3f kWh", self._name, kilowatt_hours, extra=about(transaction.session))
        await self._services.uplink.session_ended(report)

    # Metering receipts

    async def receipt(self, question: BookReceipt) -> ReceiptBooked | ReceiptRejected | ReceiptUnbooked:
        """Verify a receipt of the car, and store it behind what is to be stored before it."""
        transaction = self.ledger.running
        if transaction is None:
            return ReceiptUnbooked("no energy flows")
        try:
            receipt = await asyncio.get_running_loop().run_in_executor(self._services.work, question.check)
        except SignatureRejected as rejected:
            return ReceiptRejected(rejected.flaw, rejected.detail)
        except Exception:
            log.exception("outlet %s: a bug in verifying a metering receipt", self._name)
            return ReceiptUnbooked("internal error")
        report = transaction.receipted(question, receipt.octets, self._services.calendar.wall())
        stored: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._writes.put(lambda: self._store(report, stored))
        # A car that does not wait leaves the write alone: half of it would be a loss.
        problem = await asyncio.shield(stored)
        return ReceiptUnbooked(problem) if problem else ReceiptBooked(receipt.quirk)

    async def _store(self, report: MeteringReceipt, stored: asyncio.Future[str]) -> None:
        """``stored`` gets why the receipt could not be stored; empty if it is."""
        problem = "internal error"
        try:
            await self._services.uplink.metering_receipt(report)
            problem = ""
        except SeccError as error:
            problem = str(error)
            raise
        finally:
            stored.set_result(problem)

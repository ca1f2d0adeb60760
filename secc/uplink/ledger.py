"""Transactions of one outlet: payer, meter readings, and the reports for the backend.

::

    ledger = Ledger("left", "DE*PNX*E12345")
    ledger.reading(levels)                                       at each reading of the board
    ledger.proved(identity), ledger.authorized(identity)         who pays
    report = ledger.began("3fa94c0011223344", wall, levels)      energy may flow: returns SessionStarted
    ledger.pause(), ledger.resume()                              the car pauses, the same transaction goes on
    transaction = ledger.forgotten()                             it does not go on
    transaction = ledger.ended()                                 energy no longer flows
    report = transaction.ended("completed.full", wall, 4711.0)   the meter, read with the contactor open: SessionEnded

The ledger neither waits nor stores. The station passes in readings, identities and the time, and
passes the reports on.
"""

from __future__ import annotations

from dataclasses import dataclass

from secc.conversation import Levels, Wall
from secc.session.receipts import BookReceipt
from secc.uplink.port import Identity, MeteringReceipt, SessionEnded, SessionStarted


@dataclass(slots=True)
class Transaction:
    """Energy for one payer. Readings are the meter's counter in watt hours; None if it could not be
    read.
    """

    session: str
    """Its id, which never repeats."""
    outlet: str
    payer: Identity | None
    """None if no driver was identified."""
    first: float | None
    last: float | None
    """The newest reading."""
    receipts: int = 0
    """Number of metering receipts that were to be stored."""

    @property
    def delivered(self) -> float | None:
        """Watt hours; None without two readings."""
        return max(0.0, self.last - self.first) if self.last is not None and self.first is not None else None

    def ended(self, reason: str, at: Wall, last: float | None, signed: bytes | None = None) -> SessionEnded:
        """Returns the report of its end: ``reason`` is the stable code, ``last`` the reading with
        the contactor open, ``signed`` the meter's end record.

        If ``last`` is None, the reading before it counts.
        """
        self.last = self.last if last is None else last
        return SessionEnded(
            session=self.session, outlet=self.outlet, reason=reason, at=at, watt_hours=self.last, signed=signed
        )

    def receipted(self, question: BookReceipt, octets: bytes, at: Wall) -> MeteringReceipt:
        """Returns the report of a receipt of the car, whose signature holds."""
        self.receipts += 1
        return MeteringReceipt(
            session=self.session,
            outlet=self.outlet,
            number=self.receipts,
            at=at,
            meter_id=question.meter_id,
            watt_hours=question.watt_hours,
            schedule=question.schedule,
            octets=octets,
            signed=question.record,
        )


class Ledger:
    """The ledger of one outlet. At most one transaction is open at a time, running or paused."""

    def __init__(self, outlet: str, evse_id: str) -> None:
        self.running: Transaction | None = None
        self.paused: Transaction | None = None
        self._outlet = outlet
        self._evse_id = evse_id
        self._payer: Identity | None = None
        """Who pays, once decided; also after a stop has ended the identification."""
        self._at_rest: float | None = None
        """The meter's reading when the contactor was last open: a transaction's energy counts from
        there.
        """

    def proved(self, identity: Identity) -> None:
        """The car has proved an accepted contract: its owner pays, unless a payer is decided."""
        self._payer = self._payer or identity

    def authorized(self, beside: Identity | None) -> Transaction | None:
        """Charging is authorized. A driver who was identified from outside the car pays, also if
        the car has proved a contract. Returns the transaction of a resumed session that another
        one has paid for: it ends here.
        """
        other = self.running is not None and beside is not None and beside != self.running.payer
        left = self.ended() if other else None
        self._payer = beside or self._payer
        return left

    def reading(self, levels: Levels) -> None:
        """Take the board's present reading. A lost board has none; its last reading still counts."""
        if levels.metered_at == float("-inf"):
            return
        if self.running is not None:
            self.running.last = levels.watt_hours
        elif levels.contactor == "open":
            self._at_rest = levels.watt_hours

    def began(
        self,
        session: str,
        at: Wall,
        levels: Levels,
        *,
        beside: Identity | None = None,
        free: bool = False,
        meter_id: str = "",
    ) -> SessionStarted | None:
        """Energy may flow. Returns the report; None if a transaction runs already.

        ``beside`` pays if no payer is decided; ``free``: every car may charge.
        """
        if self.running is not None:
            return None
        now = levels.watt_hours if levels.metered_at > float("-inf") else None
        first = now if self._at_rest is None else self._at_rest
        payer = self._payer or beside
        self.running = Transaction(session, self._outlet, payer, first, now)
        return SessionStarted(
            session=session,
            outlet=self._outlet,
            evse_id=self._evse_id,
            identity=payer or Identity("free" if free else "unknown"),
            at=at,
            watt_hours=first,
            meter_id=meter_id,
        )

    def pause(self) -> None:
        """The car pauses. The transaction, if energy has flowed, stays open with its payer."""
        if self.running is not None:
            self.paused = self.ended()

    def resume(self) -> None:
        """The car has joined its paused session: its transaction goes on."""
        if self.paused is not None:
            self.running, self.paused = self.paused, None

    def forgotten(self) -> Transaction | None:
        """The paused session will not be resumed. Returns its transaction, if energy has flowed."""
        forgotten, self.paused = self.paused, None
        return forgotten

    def ended(self) -> Transaction | None:
        """Energy no longer flows. Returns the transaction, if one ran, and forgets its payer."""
        ended, self.running = self.running, None
        self._payer = self._at_rest = None
        return ended

"""Transactions of one outlet: who pays, what the meter said, and what the backend is to hear of it.

::

    ledger = Ledger("left", "DE*PNX*E12345")
    ledger.reading(levels)                                       as often as the station looks: what the meter stands at
    ledger.proved(identity), ledger.authorized(identity)         who pays for what comes
    report = ledger.began("3fa94c0011223344", wall, levels)      energy may flow: SessionStarted
    transaction = ledger.ended()                                 no more is delivered
    report = transaction.ended("completed.full", wall, 4711.0)   the meter, read with the contactor open: SessionEnded

The ledger waits for nothing and stores nothing. The station brings readings, identities and the time, and passes the reports on.
"""

from __future__ import annotations

from dataclasses import dataclass

from secc.conversation import Levels, Wall
from secc.uplink.port import Identity, SessionEnded, SessionStarted


@dataclass(slots=True)
class Transaction:
    """Energy that one payer gets. Readings are what the meter stands at, in watt hours; None where it could not be read."""

    session: str
    """Its id, which never repeats."""
    outlet: str
    payer: Identity | None
    """None where no driver was identified."""
    first: float | None
    last: float | None
    """The newest."""

    @property
    def delivered(self) -> float | None:
        """Watt hours; None while there are no two readings."""
        return max(0.0, self.last - self.first) if self.last is not None and self.first is not None else None

    def ended(self, reason: str, at: Wall, last: float | None) -> SessionEnded:
        """The report of its end: ``reason`` is the stable code, ``last`` the reading with the contactor open.

        Where that is None the reading before it counts.
        """
        self.last = self.last if last is None else last
        return SessionEnded(session=self.session, outlet=self.outlet, reason=reason, at=at, watt_hours=self.last)


class Ledger:
    """One outlet's. At most one transaction runs at a time."""

    def __init__(self, outlet: str, evse_id: str) -> None:
        self.running: Transaction | None = None
        self._outlet = outlet
        self._evse_id = evse_id
        self._payer: Identity | None = None
        """Who pays, once that is decided: a stop takes the identification back, and not what was delivered on it."""
        self._at_rest: float | None = None
        """What the meter said when the contactor was last seen open: a transaction's energy counts from there."""

    def proved(self, identity: Identity) -> None:
        """The car has proved a contract that may charge: its owner pays, unless the payer is known."""
        self._payer = self._payer or identity

    def authorized(self, beside: Identity | None) -> None:
        """Charging is authorized. Who was identified in another way than by this session's contract pays, whatever the car has proved."""
        self._payer = beside or self._payer

    def reading(self, levels: Levels) -> None:
        """What the board says now. One that is lost says nothing, and its reading before that still counts."""
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
        """Energy may flow; the report of it, or None where it flows already.

        ``beside`` pays where nothing was decided before; ``free``: every car may charge.
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

    def ended(self) -> Transaction | None:
        """Nothing is delivered any more: the transaction that ran, if one did. Who paid for it does not pay for the next."""
        ended, self.running = self.running, None
        self._payer = self._at_rest = None
        return ended

"""The commands of operator, lab and backend at one outlet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Literal

from hal.events import TokenPresented
from hal.readings import Token
from secc.config import LabOrders
from secc.conversation import Event
from secc.ops.control import ControlError
from secc.outlet.events import StartOrdered, StopOrdered, WakeOrdered
from secc.session.effects import Verdict
from secc.session.events import OngoingForced, RenegotiationRequested
from secc.session.wishes import Held
from secc.station.serving.orders import Orders
from secc.station.serving.path import PowerPaths
from secc.station.serving.plug import PlugIns
from secc.station.serving.sessions import Sessions
from secc.uplink import port

log = logging.getLogger(__name__)

HIGHEST_WATTS = 1e7
LONGEST_TOKEN = 255
VERDICT_SECONDS = 4.0
"""Limit of the station's decision about a card. The client waits for five seconds."""


class Commands:
    """The commands of ``secc control``. Each returns the answer, and raises ControlError if it is
    wrong or changes nothing.
    """

    def __init__(self, name: str, plug: PlugIns, path: PowerPaths, sessions: Sessions, orders: Orders) -> None:
        self._name = name
        self._plug = plug
        self._path = path
        self._sessions = sessions
        self._orders = orders

    def start(self) -> Mapping[str, Any]:
        """Let the car at the outlet charge."""
        nothing = "nothing to start: charging is allowed already, or the plug has to be pulled first"
        return self._order(StartOrdered("operator"), nothing)

    def stop(self, by: Literal["operator", "backend"]) -> Mapping[str, Any]:
        """End charging in order."""
        if by != "backend":
            return self._order(StopOrdered(by), "nothing to stop")
        # An order may come late, and without a session there is nothing left to stop.
        self._plug.hear(StopOrdered(by))
        return {}

    def limit(self, watts: Any) -> Mapping[str, Any]:
        """Deliver at most ``watts`` from now on; None: the limit of the hardware."""
        number = isinstance(watts, int | float) and not isinstance(watts, bool)
        if watts is not None and not (number and 0 <= watts <= HIGHEST_WATTS):
            raise ControlError(f"a limit is watts from 0 to {HIGHEST_WATTS:.0f}, or null; not {watts!r}")
        limit = None if watts is None else float(watts)
        self._path.limit(limit)
        return {"watts": limit}

    def token(self, kind: Any, value: Any) -> Awaitable[Mapping[str, Any]]:
        """Act as if this card had been shown. The answer is the decision about it."""
        if not isinstance(kind, str) or not kind.isidentifier():
            raise ControlError("the kind of a card is a word")
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
            raise ControlError(f"a card has a value of 1 to {LONGEST_TOKEN} characters")
        if self._plug.verdict() is not None:
            raise ControlError(f"outlet {self._name} is still checking another card")
        self._plug.hear(TokenPresented(Token(kind, value, at=asyncio.get_running_loop().time())))
        verdict = self._plug.verdict()
        if verdict is None:
            why = "a driver is identified already, or the plug has to be pulled first"
            raise ControlError(f"outlet {self._name} takes no card now: {why}")
        return self._decided(verdict)

    async def _decided(self, coming: asyncio.Future[Verdict]) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(VERDICT_SECONDS):
                verdict = await coming
        except TimeoutError:
            raise ControlError("the station has not decided about this card yet") from None
        if not verdict.accepted:
            detail = f" ({verdict.detail})" if verdict.detail else ""
            raise ControlError(f"the card is refused: {verdict.decision.value}{detail}")
        return {"card": verdict.decision.value} | ({"detail": verdict.detail} if verdict.detail else {})

    def wake(self) -> Mapping[str, Any]:
        """Wake the car that has paused here."""
        if not self._plug.asleep:
            raise ControlError(f"outlet {self._name}: no car sleeps here")
        self._plug.hear(WakeOrdered())
        return {}

    def renegotiate(self) -> Mapping[str, Any]:
        """Ask the car to negotiate again; a car that has paused is woken for it."""
        if self._plug.asleep:
            return self.wake()
        self._to_session(RenegotiationRequested())
        return {}

    def lab(self, order: Any, value: Any) -> Mapping[str, Any]:
        """Do an order of a lab; a value of None takes it back. Without an order nothing changes. The
        answer has all orders that stand.
        """
        before = self._orders.now
        if not before.enabled:
            raise ControlError("the station takes no orders of a lab: lab.orders.enabled is not set")
        if order is not None:
            if not isinstance(order, str):
                raise ControlError("an order is a word")
            self._orders.order(order, value)
            self._tell(before)
            log.info("outlet %s: orders of the lab: %s", self._name, self._orders.now.plain() or "none")
        return self._orders.now.plain()

    def _tell(self, before: LabOrders) -> None:
        """Tell a running session and the power path what has changed for them."""
        now = self._orders.now
        if self._sessions.current is not None:
            for phase in Held:
                if (on := phase in now.ongoing) is not (phase in before.ongoing):
                    self._to_session(OngoingForced(phase.value, on))
        if now.insulation_seconds != before.insulation_seconds:
            self._path.prolong(now.insulation_seconds)

    def ordered(self, event: port.BackendEvent) -> None:
        """Do an order of the backend."""
        match event:
            case port.LimitOrdered(watts=watts):
                self.limit(watts)
            case port.StopOrdered():
                self.stop("backend")
            case port.WakeOrdered():
                self.wake()
            case port.RenegotiationOrdered():
                # An order may come late, and the next session negotiates anyway.
                if self._sessions.current is not None:
                    self.renegotiate()
            case _:
                raise ControlError(f"{type(event).__name__} is not an order of a backend")

    def _order(self, event: Event, nothing: str) -> Mapping[str, Any]:
        before = self._plug.standing()
        if before is None:
            raise ControlError(f"outlet {self._name} is not running yet: see `secc status`")
        self._plug.hear(event)
        if self._plug.standing() == before:
            raise ControlError(f"outlet {self._name}: {nothing}")
        return {}

    def _to_session(self, event: Event) -> None:
        session = self._sessions.current
        if session is None:
            raise ControlError(f"outlet {self._name} has no session")
        session.hear(event)

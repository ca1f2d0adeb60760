"""The commands of operator, lab and backend at one outlet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Literal

from hal.events import TokenPresented
from hal.readings import Token
from secc.conversation import Event
from secc.ops.control import ControlError
from secc.outlet.events import StartOrdered, StopOrdered, WakeOrdered
from secc.session.effects import Verdict
from secc.session.events import OngoingForced, RenegotiationRequested
from secc.station.serving.path import PowerPaths
from secc.station.serving.plug import PlugIns
from secc.station.serving.sessions import Sessions
from secc.uplink import port

HIGHEST_WATTS = 1e7
LONGEST_TOKEN = 255
VERDICT_SECONDS = 4.0
"""Limit of the station's decision about a card. The client waits for five seconds."""


class Commands:
    """The commands of ``secc control``. Each returns the answer, and raises ControlError if it is
    wrong or changes nothing.
    """

    def __init__(self, name: str, plug: PlugIns, path: PowerPaths, sessions: Sessions) -> None:
        self._name = name
        self._plug = plug
        self._path = path
        self._sessions = sessions

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

    def ongoing(self, phase: Any, on: Any) -> Mapping[str, Any]:
        """Answer Ongoing in this phase until it is switched off."""
        if not isinstance(phase, str) or not isinstance(on, bool):
            raise ControlError("a phase is a word, and it is switched on or off by true or false")
        self._to_session(OngoingForced(phase, on))
        return {"phase": phase, "on": on}

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

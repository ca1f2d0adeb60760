"""What an operator, the lab and the backend can order at one outlet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from hal.events import TokenPresented
from hal.readings import Token
from secc.conversation import Event
from secc.ops.control import ControlError
from secc.outlet.events import StartOrdered, StopOrdered
from secc.session.effects import Verdict
from secc.session.events import OngoingForced, RenegotiationRequested
from secc.uplink import port

HIGHEST_WATTS = 1e7
LONGEST_TOKEN = 255
VERDICT_SECONDS = 4.0
"""The client waits for five."""


class Commands:
    """Each is one of ``secc control``; raises ControlError, also where it changes nothing, and returns what is answered.

    ``plug`` hears what is for the plug-in, ``session`` what is for the V2G session (False: there is none), ``set_limit`` the watts.
    ``standing`` is what of the plug-in an order can change (None: there is none yet), ``verdict`` the next decision about a card that is being
    checked (None: none is).
    """

    def __init__(
        self,
        name: str,
        *,
        plug: Callable[[object], None],
        session: Callable[[Event], bool],
        set_limit: Callable[[float | None], None],
        standing: Callable[[], object],
        verdict: Callable[[], asyncio.Future[Verdict] | None],
    ) -> None:
        self._name = name
        self._plug = plug
        self._session = session
        self._set_limit = set_limit
        self._standing = standing
        self._verdict = verdict

    def start(self) -> Mapping[str, Any]:
        """Let the car at the outlet charge."""
        self._order(
            StartOrdered("operator"),
            "nothing to start: charging is allowed already, or the plug has to be pulled first",
        )
        return {}

    def stop(self, by: Literal["operator", "backend"]) -> Mapping[str, Any]:
        """End charging in good order."""
        if by == "backend":
            # It may be late, and a stop without a session is done already.
            self._plug(StopOrdered(by))
        else:
            self._order(StopOrdered(by), "nothing to stop")
        return {}

    def limit(self, watts: Any) -> Mapping[str, Any]:
        """Deliver at most this much from now on; None: what the hardware can."""
        known = watts is None or (isinstance(watts, int | float) and not isinstance(watts, bool))
        if not known or (watts is not None and not 0 <= watts <= HIGHEST_WATTS):
            raise ControlError(f"a limit is watts from 0 to {HIGHEST_WATTS:.0f}, or null; not {watts!r}")
        limit = None if watts is None else float(watts)
        self._set_limit(limit)
        return {"watts": limit}

    def token(self, kind: Any, value: Any) -> Awaitable[Mapping[str, Any]]:
        """As if this card had been shown; the answer is the decision about it."""
        if not isinstance(kind, str) or not kind.isidentifier():
            raise ControlError("the kind of a card is a word")
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
            raise ControlError(f"a card has a value of 1 to {LONGEST_TOKEN} characters")
        if self._verdict() is not None:
            raise ControlError(f"outlet {self._name} is still checking another card")
        self._plug(TokenPresented(Token(kind, value, at=asyncio.get_running_loop().time())))
        verdict = self._verdict()
        if verdict is None:
            raise ControlError(
                f"outlet {self._name} takes no card now: a driver is identified already, or the plug has to be pulled first"
            )
        return self._decided(verdict)

    async def _decided(self, coming: asyncio.Future[Verdict]) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(VERDICT_SECONDS):
                verdict = await coming
        except TimeoutError:
            raise ControlError("the station has not decided about this card yet") from None
        if not verdict.accepted:
            raise ControlError(
                f"the card is refused: {verdict.decision.value}" + (f" ({verdict.detail})" if verdict.detail else "")
            )
        return {"card": verdict.decision.value} | ({"detail": verdict.detail} if verdict.detail else {})

    def renegotiate(self) -> Mapping[str, Any]:
        """Ask the car to negotiate again."""
        self._to_session(RenegotiationRequested())
        return {}

    def ongoing(self, phase: Any, on: Any) -> Mapping[str, Any]:
        """Answer Ongoing in this phase until it is switched off."""
        if not isinstance(phase, str) or not isinstance(on, bool):
            raise ControlError("a phase is a word, and it is switched on or off by true or false")
        self._to_session(OngoingForced(phase, on))
        return {"phase": phase, "on": on}

    def ordered(self, event: port.BackendEvent) -> None:
        """The backend wants something of this outlet."""
        match event:
            case port.LimitOrdered(watts=watts):
                self.limit(watts)
            case port.StopOrdered():
                self.stop("backend")
            case _:
                raise ControlError(f"{type(event).__name__} is not an order of a backend")

    def _order(self, event: Event, nothing: str) -> None:
        before = self._standing()
        if before is None:
            raise ControlError(f"outlet {self._name} is not running yet: see `secc status`")
        self._plug(event)
        if self._standing() == before:
            raise ControlError(f"outlet {self._name}: {nothing}")

    def _to_session(self, event: Event) -> None:
        if not self._session(event):
            raise ControlError(f"outlet {self._name} has no session")

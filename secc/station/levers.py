"""What an operator, the lab and the backend can pull at one outlet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from secc import outlet
from secc.conversation import Event
from secc.session.events import OngoingForced, RenegotiationRequested
from secc.station.control import ControlError
from secc.uplink.port import BackendEvent, LimitOrdered, StopOrdered

HIGHEST_WATTS = 1e7
LONGEST_TOKEN = 255


class Levers:
    """Each is one of ``secc control``; raises ControlError, and returns what is answered.

    ``plug`` hears what is for the plug-in, ``session`` what is for the V2G session (False: there is none), ``set_limit`` the watts.
    """

    def __init__(
        self,
        name: str,
        *,
        plug: Callable[[Event], None],
        session: Callable[[Event], bool],
        set_limit: Callable[[float | None], None],
    ) -> None:
        self._name = name
        self._plug = plug
        self._session = session
        self._set_limit = set_limit

    def start(self) -> Mapping[str, Any]:
        """Let whoever is plugged in charge."""
        self._plug(outlet.StartOrdered("operator"))
        return {}

    def stop(self, by: Literal["operator", "backend"]) -> Mapping[str, Any]:
        """End charging in good order."""
        self._plug(outlet.StopOrdered(by))
        return {}

    def limit(self, watts: Any) -> Mapping[str, Any]:
        """Deliver at most this much from now on; None: what the hardware can."""
        known = watts is None or (isinstance(watts, int | float) and not isinstance(watts, bool))
        if not known or (watts is not None and not 0 <= watts <= HIGHEST_WATTS):
            raise ControlError(f"a limit is watts from 0 to {HIGHEST_WATTS:.0f}, or null; not {watts!r}")
        limit = None if watts is None else float(watts)
        self._set_limit(limit)
        return {"watts": limit}

    def token(self, kind: Any, value: Any) -> Mapping[str, Any]:
        """As if this card had been shown."""
        if not isinstance(kind, str) or not kind.isidentifier():
            raise ControlError("the kind of a card is a word")
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOKEN:
            raise ControlError(f"a card has a value of 1 to {LONGEST_TOKEN} characters")
        self._plug(outlet.TokenPresented(kind, value))
        return {}

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

    def ordered(self, event: BackendEvent) -> None:
        """The backend wants something of this outlet."""
        match event:
            case LimitOrdered(watts=watts):
                self.limit(watts)
            case StopOrdered():
                self.stop("backend")
            case _:
                raise ControlError(f"{type(event).__name__} is no order")

    def _to_session(self, event: Event) -> None:
        if not self._session(event):
            raise ControlError(f"outlet {self._name} has no session")

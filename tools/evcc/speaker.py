"""How a car says and does things, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from secc.conversation import Conversation, Effect, Party, Timeout
from secc.session.events import StopRequested

from .battery import Battery
from .behaviour import Behaviour
from .flaw import Flaw
from .vocabulary import Announce, Ended, SetPilot

SHOWN: Final = 10
"""Most lines of progress. A line for every answer would be ten a second."""

WORTH_SHOWING_AMPERES: Final = 2.5
"""More than the current of precharge: below, charging has not begun."""


class LeaveEarly(Exception):
    """The car stops before power flows, or flows again. Raised only within the conversation."""

    def __init__(self, ended: Ended = Ended.EARLY) -> None:
        super().__init__(ended.value)
        self.ended = ended


class Speaker:
    """The car's side of one connection."""

    def __init__(self, party: Party, behaviour: Behaviour, flaw: Flaw | None) -> None:
        self.party = party
        self.behaviour = behaviour
        self.flaw = flaw
        self.leaving = False
        """True once the driver of the car wants to leave."""
        party.hear(StopRequested, by=self._leave)
        self._asked = ""
        self._shown = -1
        self._drawn, self._drawn_since = 0.0, party.now

    def _leave(self, event: StopRequested) -> None:
        del event
        self.leaving = True

    def do(self, effect: Effect) -> None:
        """Say an effect, unless a flaw suppresses it."""
        if isinstance(effect, SetPilot) and self.flaw is not None and effect.state in self.flaw.stays_out_of:
            return
        self.party.do(effect)

    def announce(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        """Report a milestone."""
        self.party.do(Announce(name, text, facts or {}))

    def send(self, message: object) -> None:
        """Send a message, or what a flaw makes of it."""
        self.settle()
        for one in (message,) if self.flaw is None else self.flaw.after_signing(message):
            self.party.send(one)

    def settle(self) -> None:
        """Accept the last answer. The core keeps it open until then: a bad one ends the session at
        once.
        """
        self.party.requests.open = False

    def rest(self, seconds: float) -> Conversation[None]:
        """Wait."""
        yield from self.party.rest(Timeout("rest", seconds, "the car's own pace"))

    def stay_for(self, name: str, *, may_leave: bool) -> None:
        """Raises LeaveEarly if this car stops instead of the request of this name: by its behaviour,
        or because its driver leaves. Repeated requests do not count: a step that has begun is
        completed.
        """
        first, self._asked = name != self._asked, name
        if first and may_leave and (self.leaving or self.behaviour.stop_before == name):
            raise LeaveEarly

    # The battery

    def draw(self, battery: Battery, watts: float) -> None:
        """Charge the battery with this power from now on, after counting the energy since the last
        call.
        """
        battery.take(self._drawn, (self.party.now - self._drawn_since) * self.behaviour.speed)
        self._drawn, self._drawn_since = watts, self.party.now

    def has_enough(self, battery: Battery, loops: int) -> bool:
        """Whether the battery has what the car wanted, after so many answers of the charging loop."""
        behaviour = self.behaviour
        return (
            (behaviour.loops is not None and loops >= behaviour.loops)
            or (behaviour.watt_hours is not None and battery.delivered >= behaviour.watt_hours)
            or battery.state_of_charge >= behaviour.target_state_of_charge
        )

    def show_progress(self, battery: Battery, volts: float, amperes: float, meter: int | None = None) -> None:
        """Report progress: at the first answer with current, and after each further tenth."""
        behaviour = self.behaviour
        way = battery.delivered + battery.room(behaviour.target_state_of_charge)
        if behaviour.watt_hours is not None:
            way = min(way, behaviour.watt_hours)
        progress = min(1.0, battery.delivered / way) if way > 0.0 else 1.0
        if amperes < WORTH_SHOWING_AMPERES or int(progress * SHOWN) <= self._shown:
            return
        self._shown = int(progress * SHOWN)
        self.announce(
            "charging",
            f"charging: {volts:.0f} V, {amperes:.1f} A, {battery.delivered / 1000.0:.2f} kWh, "
            f"state of charge {battery.percent} %, {progress:.0%} done",
            {
                "volts": round(volts, 1),
                "amperes": round(amperes, 1),
                "watt_hours": round(battery.delivered, 1),
                "state_of_charge": battery.percent,
                "progress": round(progress, 3),
                "meter_watt_hours": meter,
            },
        )

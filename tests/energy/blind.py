"""A power path on a board that notices nothing by itself: what it sees and does is judged from its levels and effects."""

from __future__ import annotations

from typing import Any

from hal.readings import DcPhase
from secc.conversation import Answered, Ask, Asked, Levels, Tell, Ticket
from secc.energy import AcSettings, DcSettings, PowerPath
from secc.energy.effects import OpenDcContactor
from secc.energy.events import ContactorOpeningTold, Ticked
from secc.session.effects import CheckCable, SetOutput
from secc.session.offer import DcLimits
from tests.board_events import insulation_measured
from tests.energy.bench import CHECKING, START

DC = DcSettings(limits=DcLimits(50.0, 500.0, 0.0, 200.0, 60_000.0))


class Blind:
    """A power path whose board notices nothing by itself: the levels are what the test says."""

    def __init__(self, settings: AcSettings | DcSettings) -> None:
        self.now, self.pilot, self.contactor, self.volts, self.amperes = 0.0, "C", "open", 0.0, 0.0
        self.told, self.feedback_age = True, 0.0
        """Whether the board confirms an order to open; how old its last word about the contactor is."""
        self.effects: list[Any] = []
        self._next_tick = 0.1
        self.session = PowerPath(settings, now=0.0)
        self._step(lambda: self.session.begin(self.now))

    def hear(self, event: Any) -> None:
        self._step(lambda: self.session.receive(event, self.now))

    def ask(self, number: int, question: Any) -> None:
        self.hear(Asked(Ticket(number, type(question).__name__), question))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            self._step(lambda: self.session.expire(self.now))
            if self.now >= self._next_tick:
                self._next_tick = self.now + 0.0999
                if self.session.supervised:
                    self.hear(Ticked())

    def said(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def _step(self, step: Any) -> None:
        self.session.levels = Levels(
            self.pilot,  # type: ignore[arg-type]  # a test's strings
            self.contactor,  # type: ignore[arg-type]  # a test's strings
            self.volts,
            self.amperes,
            self.now,
            contactor_at=self.now - self.feedback_age,
        )
        said = step()
        self.effects.extend(said)
        if self.told and any(isinstance(effect, OpenDcContactor) for effect in said):
            self.hear(ContactorOpeningTold())


def charging_blindly() -> Blind:
    """A DC car that charges with 50 A of what it asks for."""
    blind = Blind(DC)
    blind.run(1.0)
    blind.ask(1, CheckCable(425.0, CHECKING))
    blind.run(0.2)
    blind.contactor, blind.volts = "closed", 475.0
    blind.run(1.5)
    (test,) = blind.said(Ask)
    blind.hear(Answered(test.ticket, True))
    blind.run(0.2)
    blind.hear(insulation_measured(1e6, blind.now))
    blind.volts = 10.0
    blind.run(0.2)
    blind.hear(SetOutput(380.0, 1.0, DcPhase.PRECHARGE))
    blind.volts = 380.0
    blind.ask(2, START)
    blind.hear(SetOutput(420.0, 50.0, DcPhase.CHARGE))
    blind.run(0.2)
    assert [tell.answer.passed if tell.ticket.number == 1 else tell.answer.done for tell in blind.said(Tell)] == [
        True,
        True,
    ]
    blind.effects.clear()
    return blind

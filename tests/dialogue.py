"""Sessions as lines spoken: no asyncio, no socket, no sleep. Time passes when a test says so, or when an answer needs it.

:class:`Spoken` drives any session of the core; what the session asks is answered from a table or by the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from secc.conversation import Abandon, Answered, Ask, Effect, End, Event, Levels, Question, Reason, Send, Session

E = TypeVar("E", bound=Effect)

LATER = object()
"""In place of an answer: the test will give it, by ``answer``."""


class Spoken:
    """A session, its virtual clock, and everything that it said."""

    def __init__(self, session: Session, *, now: float = 100.0, levels: Levels | None = None) -> None:
        self.session = session
        self.now = now
        self.levels = levels or Levels(pilot="B", contactor="open")
        self.measuring = True
        """Whether measurements are as young as the step; switch it off to let them grow stale."""
        self.said: list[tuple[float, Effect]] = []
        self.answers: dict[type[Question[Any]], Any] = {}
        self.pending: list[Ask] = []
        self._take(self._step(lambda: session.begin(self.now)))

    # What a test looks at

    @property
    def ended(self) -> Reason | None:
        return self.session.ended

    @property
    def code(self) -> str:
        """The stable code of the reason for the end."""
        assert self.session.ended is not None, "the session goes on"
        return self.session.ended.code

    def all(self, kind: type[E]) -> list[E]:
        return [effect for _, effect in self.said if isinstance(effect, kind)]

    def asked(self, kind: type[Question[Any]]) -> list[Any]:
        return [ask.question for ask in self.all(Ask) if isinstance(ask.question, kind)]

    # What a test says

    def hear(self, event: Event) -> tuple[Effect, ...]:
        """Something happens now."""
        return self._take(self._step(lambda: self.session.receive(event, self.now)))

    def answer(self, kind: type[Question[Any]], answer: object) -> tuple[Effect, ...]:
        """The answer to the oldest open question of this kind."""
        ask = next(ask for ask in self.pending if isinstance(ask.question, kind))
        self.pending.remove(ask)
        return self.hear(Answered(ask.ticket, answer))

    def wait(self, seconds: float) -> None:
        """Time passes, and what is due happens when it is."""
        self.until(self.now + seconds)

    def until(self, moment: float) -> None:
        while (deadline := self.session.deadline) is not None and deadline.at <= moment:
            self.now = max(self.now, deadline.at)
            self._take(self._step(lambda: self.session.expire(self.now)))
        self.now = moment

    def next_deadline(self) -> bool:
        """Time passes to the next deadline; False if there is none."""
        deadline = self.session.deadline
        if deadline is None:
            return False
        self.until(max(self.now, deadline.at))
        return True

    # Within

    def _step(self, step: Callable[[], tuple[Effect, ...]]) -> tuple[Effect, ...]:
        if self.measuring:
            self.levels = replace(self.levels, measured_at=self.now, metered_at=self.now)
        self.session.levels = self.levels
        return step()

    def _take(self, effects: Iterable[Effect]) -> tuple[Effect, ...]:
        taken = tuple(effects)
        for effect in taken:
            self.said.append((self.now, effect))
            match effect:
                case Ask():
                    self.pending.append(effect)
                case Abandon(ticket):
                    self.pending = [ask for ask in self.pending if ask.ticket != ticket]
                case End():
                    pass
            self.performed(effect)
        for ask in list(self.pending):
            answer = self.answers.get(type(ask.question), LATER)
            if answer is not LATER and ask in self.pending:
                self.pending.remove(ask)
                self.hear(Answered(ask.ticket, answer(ask.question) if callable(answer) else answer))
        return taken

    def performed(self, effect: Effect) -> None:
        """For worlds that react to effects."""


def sent(effects: Iterable[Effect]) -> list[Any]:
    """The messages among the effects."""
    return [effect.message for effect in effects if isinstance(effect, Send)]

"""The conversations of one outlet, and who performs their effects: step by step, on the event loop's thread.

::

    router = Router("outlet left", levels=hardware.levels)
    router.performs(SetOvercurrent, by=...)     an effect has one performer, by its exact type
    router.finds(AuthorizeContract, by=...)     a task finds the answer to a question
    router.relays(SetOutput, OpenContactor)     the other conversations hear these effects
    router.answers(CheckCable, otherwise=...)   a conversation answers; otherwise this answer
    router.taps(StopPower, by=...)              told as well, beside the performer
    seat = router.join("power path", session, answers=(CheckCable,), ended=...)
    router.tell(event)                          to every conversation that hears it

A conversation hears the effects of another one only after the step of that one, so that none is entered within a step.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from secc.conversation import Abandon, Answered, Ask, Asked, Deadline, Effect, End, Levels, Question, Tell, Ticket
from secc.conversation.session import Session

log = logging.getLogger(__name__)

A = TypeVar("A")
By = Callable[[Any], None]
Find = Callable[[Any], Awaitable[Any]]
Watch = Callable[["Seat", float, Any, tuple[Effect, ...]], None]
"""Called with every event (None: a deadline has come) and its effects: the recorder."""


class Seat:
    """Drives one session of the core until it ends: brings it events and deadlines, and performs
    its effects in order. ``performs``: effects of this conversation alone; ``ended`` is called
    once, after the last effect.
    """

    def __init__(
        self,
        router: Router,
        name: str,
        session: Session,
        answers: tuple[type[Question[Any]], ...],
        ended: Callable[[End], None] | None,
        watch: Watch | None,
    ) -> None:
        self.name, self.session, self.answers = name, session, answers
        self.performs: dict[type, Callable[[Any], None]] = {}
        self.hears: frozenset[type] = frozenset()
        """The exact types that it hears; known once it has begun."""
        self._router = router
        self._ended = ended
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    @property
    def alive(self) -> bool:
        return self.session.ended is None and not self._stopped

    def begin(self) -> None:
        self._router.take(partial(self._step, None, self._begin))

    def hear(self, event: object) -> None:
        """Tell this conversation and no other; ignored after its end."""
        self._router.take(partial(self._step, event, partial(self.session.receive, event)))

    def fail(self, error: BaseException) -> None:
        """End it for a bug that was found outside of it."""
        self._router.take(lambda: self._step(None, lambda now: self.session.fail(error)))

    def stop(self) -> None:
        """Stop it without an end: the station stops."""
        self._stopped = True
        self._disarm()
        self._router.leave(self)

    def _begin(self, now: float) -> tuple[Effect, ...]:
        effects = self.session.begin(now)
        self.hears = self.session.hears
        return effects

    def _expire(self) -> None:
        self._timer = None
        deadline = self.session.deadline
        if deadline is not None and self._loop.time() < deadline.at:
            self._arm(deadline)
        elif deadline is not None:
            self._router.take(partial(self._step, None, self.session.expire))

    def _step(self, event: object, step: Callable[[float], tuple[Effect, ...]]) -> None:
        if self.session.ended is not None or self._stopped:
            return
        now = self._loop.time()
        try:
            self.session.levels = self._router.now or self._router.levels()
            effects = step(now)
        except Exception as error:
            # The only place that catches a bug in a conversation: it ends this session, and nothing
            # else.
            log.exception("%s: a bug ended the session", self.name)
            effects = self.session.fail(error)
        if self._watch is not None:
            try:
                self._watch(self, now, event, effects)
            except Exception:
                # A recorder that fails must not keep a contactor closed.
                log.exception("%s: a bug in recording a step", self.name)
        end: End | None = None
        # In order: "on" and then "off" in one step has to leave it off. Safe commands overtake in
        # the queues of the ports.
        for effect in effects:
            if isinstance(effect, End):
                end = effect
                continue
            try:
                self._router.perform(self, effect)
            except Exception as error:
                log.exception("%s: %s could not be performed", self.name, type(effect).__name__)
                self.fail(error)
        if end is None:
            deadline = self.session.deadline
            if deadline is not None and (self._timer is None or deadline.at < self._timer.when()):
                self._arm(deadline)
        else:
            self._disarm()
            self._router.leave(self)
            self._tell_end(end)

    def _tell_end(self, end: End) -> None:
        try:
            if self._ended is not None:
                self._ended(end)
        except Exception:
            # Others still have to hear of this step.
            log.exception("%s: a bug in a handler of its end", self.name)

    def _arm(self, deadline: Deadline) -> None:
        """Set the timer, for a deadline that came nearer only: most deadlines move away with each
        step, and a timer that runs early costs less than a new one.
        """
        self._disarm()
        self._timer = self._loop.call_at(deadline.at, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@dataclass(slots=True)
class _Open:
    """A question that a conversation or a task is answering."""

    asker: Seat | None
    """None once it is abandoned; ``told`` still hears the answer."""
    question: Question[Any]
    answerer: Seat | None = None
    task: asyncio.Task[None] | None = None


class Router:
    """All calls from the event loop's thread. ``now`` has the levels of a run of steps, read once."""

    def __init__(self, name: str, *, levels: Callable[[], Levels]) -> None:
        self.name = name
        self.seats: list[Seat] = []
        """The current conversations, in the order of joining."""
        self._read_levels = levels
        self.now: Levels | None = None
        self._performers: dict[type, By] = {}
        self._finders: dict[type, Find] = {}
        self._relayed: dict[type, None] = {}
        self._otherwise: dict[type, Callable[[Any], Any]] = {}
        self._taps: dict[type, list[By]] = {}
        self._told: dict[type, list[Callable[[Any, Any], None]]] = {}
        self._open: dict[Ticket[Any], _Open] = {}
        self._steps: deque[Callable[[], None]] = deque()
        self._busy = False

    # The table

    def performs(self, *kinds: type[Effect], by: By) -> None:
        """Let ``by`` perform effects of these types."""
        self._place(self._performers, kinds, by)

    def finds(self, kind: type[Question[A]], *, by: Callable[[Any], Awaitable[A]]) -> None:
        """Let a task find the answers; an abandoned question cancels it. A bug in it ends the
        asker.
        """
        self._place(self._finders, (kind,), by)

    def relays(self, *kinds: type[Effect]) -> None:
        """Let the other conversations hear effects of these types."""
        self._place(self._relayed, kinds, None)

    def answers(self, *kinds: type[Question[Any]], otherwise: Callable[[Any], Any]) -> None:
        """Let the conversation that joined for these types answer; ``otherwise`` answers without
        one.
        """
        self._place(self._otherwise, kinds, otherwise)

    def taps(self, *kinds: type, by: By) -> None:
        """Tell ``by`` of these types, before they are performed, answered or heard."""
        for kind in kinds:
            self._taps.setdefault(kind, []).append(by)

    def told(self, kind: type[Question[A]], *, by: Callable[[Any, A], None]) -> None:
        """Tell ``by`` of a question and its answer, before the asker hears it; also of abandoned
        ones.
        """
        self._told.setdefault(kind, []).append(by)

    def _place(self, table: dict[type, Any], kinds: Iterable[type], by: Any) -> None:
        for kind in kinds:
            if kind in self._performers or kind in self._finders or kind in self._relayed or kind in self._otherwise:
                raise ValueError(f"{kind.__name__} has its place in the table already")
            table[kind] = by

    # Conversations

    def join(
        self,
        name: str,
        session: Session,
        *,
        answers: Iterable[type[Question[Any]]] = (),
        ended: Callable[[End], None] | None = None,
        watch: Watch | None = None,
    ) -> Seat:
        """Let a conversation join; ``seat.begin()`` starts it. It leaves when it ends."""
        seat = Seat(self, f"{self.name} {name}", session, tuple(answers), ended, watch)
        self.seats.append(seat)
        return seat

    def tell(self, *events: object) -> None:
        """Tell the conversations that hear such events, in the order of joining."""
        for event in events:
            if self._busy:
                self._tell(event)
            else:
                self.take(partial(self._tell, event))

    def _tell(self, event: object) -> None:
        for tap in self._taps.get(type(event), ()):
            try:
                tap(event)
            except Exception:
                # An event of a board belongs to no conversation that could end for the bug, and the
                # others have to hear it.
                log.exception("%s: a bug in a handler of %s", self.name, type(event).__name__)
        for seat in tuple(self.seats):
            if type(event) in seat.hears:
                seat.hear(event)

    def take(self, step: Callable[[], None]) -> None:
        """Run a step now, or after the steps under way."""
        self._steps.append(step)
        if self._busy:
            return
        self._busy, self.now = True, None
        try:
            while self._steps:
                self._steps.popleft()()
        finally:
            self._busy = False

    def levels(self) -> Levels:
        """Returns the levels of this run of steps, which its effects do not change."""
        if self.now is None or not self._busy:
            self.now = self._read_levels()
        return self.now

    async def close(self) -> None:
        """Cancel the search for answers, and stop all conversations."""
        for seat in tuple(self.seats):
            seat.stop()
        tasks = [entry.task for entry in self._open.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Effects

    def perform(self, seat: Seat, effect: Effect) -> None:
        """Start one effect of a conversation. Raises TypeError for a type that has no performer."""
        kind = type(effect)
        for tap in self._taps.get(kind, ()):
            tap(effect)
        performer = seat.performs.get(kind) or self._performers.get(kind)
        if performer is not None:
            performer(effect)
        elif kind in self._relayed:
            for other in tuple(self.seats):
                if other is not seat and kind in other.hears:
                    other.hear(effect)
        else:
            match effect:
                case Ask(ticket, question):
                    self._ask(seat, ticket, question)
                case Abandon(ticket):
                    self._abandon(ticket)
                case Tell(ticket, answer):
                    self._answer(ticket, answer)
                case _:
                    raise TypeError(f"nothing performs {kind.__name__}")

    def _ask(self, seat: Seat, ticket: Ticket[Any], question: Question[Any]) -> None:
        kind = type(question)
        for tap in self._taps.get(kind, ()):
            tap(question)
        self._open[ticket] = entry = _Open(seat, question)
        if kind in self._finders:
            entry.task = asyncio.get_running_loop().create_task(self._find(ticket, entry), name=kind.__name__)
        elif kind in self._otherwise:
            entry.answerer = next((other for other in self.seats if other.alive and kind in other.answers), None)
            if entry.answerer is None:
                self._answer(ticket, self._otherwise[kind](question))
            else:
                entry.answerer.hear(Asked(ticket, question))
        else:
            del self._open[ticket]
            raise TypeError(f"nothing answers {kind.__name__}")

    async def _find(self, ticket: Ticket[Any], entry: _Open) -> None:
        try:
            answer = await self._finders[type(entry.question)](entry.question)
        except Exception as error:
            log.exception("%s: a bug in answering %s", self.name, ticket.question)
            if self._open.pop(ticket, None) is not None and entry.asker is not None:
                entry.asker.fail(error)
            return
        self._answer(ticket, answer)

    def _answer(self, ticket: Ticket[Any], answer: Any) -> None:
        """Tell the conversation that asked, unless it has abandoned the question."""
        entry = self._open.pop(ticket, None)
        if entry is None:
            return
        for tap in self._told.get(type(entry.question), ()):
            tap(entry.question, answer)
        if entry.asker is not None:
            entry.asker.hear(Answered(ticket, answer))

    def _abandon(self, ticket: Ticket[Any]) -> None:
        entry = self._open.get(ticket)
        if entry is None:
            return
        entry.asker = None
        if entry.task is not None:
            del self._open[ticket]
            # A cancelled task keeps its frames. An entry that holds the task would keep them, and
            # the question, until the next collection.
            task, entry.task = entry.task, None
            task.cancel()

    def leave(self, seat: Seat) -> None:
        """A conversation has ended: answer the questions that it has left open."""
        if seat in self.seats:
            self.seats.remove(seat)
        for ticket, entry in tuple(self._open.items()):
            if entry.answerer is seat:
                self._answer(ticket, self._otherwise[type(entry.question)](entry.question))

    # For people

    def wiring(self) -> dict[str, list[str]]:
        """Returns who performs, answers or is told of each type, by its name."""
        rows: list[tuple[type, str]] = [
            *((kind, "all that hear it") for kind in self._relayed),
            *((kind, "the one that answers it") for kind in self._otherwise),
            *((kind, _named(by)) for kind, by in (*self._performers.items(), *self._finders.items())),
            *((kind, f"tells {_named(tap)}") for kind, taps in self._taps.items() for tap in taps),
            *((kind, f"tells {_named(tap)} the answer") for kind, told in self._told.items() for tap in told),
        ]
        table: dict[str, list[str]] = {}
        for kind, says in rows:
            table.setdefault(kind.__name__, []).append(says)
        return dict(sorted(table.items()))


def _named(by: Callable[..., Any]) -> str:
    return getattr(by, "__qualname__", type(by).__name__)

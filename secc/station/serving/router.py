"""One outlet's conversations, and who performs what they say: one step after another, on the event loop's thread.

::

    router = Router("outlet left", levels=hardware.levels)
    router.performs(SetOvercurrent, by=...)              an effect goes to one performer, by its exact type
    router.finds(AuthorizeContract, by=...)              a question that a task finds the answer to
    router.relays(SetOutput, OpenContactor)              effects that other conversations hear, as they are
    router.answers(CheckCable, otherwise=...)            a question for a conversation; the answer while none is there to give one
    router.taps(StopPower, by=...)                       told as well, beside the performer
    seat = router.join("power path", session, answers=(CheckCable,), ended=...)
    router.tell(event)                                   to every conversation that hears it

What one conversation says is heard by another only after the first has finished speaking, so that none is entered in the middle of a step.
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
"""Sees every event (None: time has come) and the effects that it led to: the recorder."""


class Seat:
    """Drives one session of the core until it ends: brings it events and the time, and has its effects performed in the order in which they
    were said. ``performs`` are those that only this conversation may want; ``ended`` is called once, after the last effect.
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
        """What it hears, by exact type; known once it has begun."""
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
        """Tell this conversation and no other; nothing happens when it has ended."""
        self._router.take(partial(self._step, event, partial(self.session.receive, event)))

    def fail(self, error: BaseException) -> None:
        """End it for a bug found outside of it."""
        self._router.take(lambda: self._step(None, lambda now: self.session.fail(error)))

    def stop(self) -> None:
        """Bring it nothing more: the station goes down. It leaves without an end."""
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
            # The one place where a bug in a conversation is caught: it costs this session, and nothing else.
            log.exception("%s: a bug ended the session", self.name)
            effects = self.session.fail(error)
        if self._watch is not None:
            try:
                self._watch(self, now, event, effects)
            except Exception:
                # A tap that fails must not keep a contactor closed.
                log.exception("%s: a bug in recording a step", self.name)
        end: End | None = None
        # As they were said. "On" and then "off" in one step has to leave it off: what is safe overtakes in the queues of the ports.
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
            # What others still have to hear of this step must not wait for what is told next.
            log.exception("%s: a bug in hearing of its end", self.name)

    def _arm(self, deadline: Deadline) -> None:
        """Only for a deadline that came nearer: most move away with each step, and a timer that rings too early costs less than a new one."""
        self._disarm()
        self._timer = self._loop.call_at(deadline.at, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@dataclass(slots=True)
class _Open:
    """A question that is being answered: by a conversation, or by a task."""

    asker: Seat | None
    """None once it has been abandoned: taps of answers still hear this one."""
    question: Question[Any]
    answerer: Seat | None = None
    task: asyncio.Task[None] | None = None


class Router:
    """All calls from the event loop's thread. ``levels`` is read once for each run of steps, and stands in ``now`` until its end."""

    def __init__(self, name: str, *, levels: Callable[[], Levels]) -> None:
        self.name = name
        self.seats: list[Seat] = []
        """The conversations that go on now, in the order in which they joined."""
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
        """Effects of these types go to ``by``."""
        self._place(self._performers, kinds, by)

    def finds(self, kind: type[Question[A]], *, by: Callable[[Any], Awaitable[A]]) -> None:
        """A task finds the answers to questions of this type; it is cancelled where a question is abandoned.

        What it raises is a bug, and ends the conversation that asked.
        """
        self._place(self._finders, (kind,), by)

    def relays(self, *kinds: type[Effect]) -> None:
        """Effects of these types are heard by the other conversations that hear them; by none, where none is there."""
        self._place(self._relayed, kinds, None)

    def answers(self, *kinds: type[Question[Any]], otherwise: Callable[[Any], Any]) -> None:
        """Questions of these types go to the conversation that has joined for them; ``otherwise`` answers where none is there, or it ends."""
        self._place(self._otherwise, kinds, otherwise)

    def taps(self, *kinds: type, by: By) -> None:
        """Tell ``by`` of effects, questions and events of these types, before they are performed, answered or heard."""
        for kind in kinds:
            self._taps.setdefault(kind, []).append(by)

    def told(self, kind: type[Question[A]], *, by: Callable[[Any, A], None]) -> None:
        """Tell ``by`` of a question of this type and its answer, before the conversation that asked hears it, or where it has given it up."""
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
        """A conversation takes its seat; ``seat.begin()`` starts it. It leaves by itself when it ends."""
        seat = Seat(self, f"{self.name} {name}", session, tuple(answers), ended, watch)
        self.seats.append(seat)
        return seat

    def tell(self, *events: object) -> None:
        """To every conversation that hears such events, in the order in which they joined: an event before what one of them says about it."""
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
                # A board's event has no conversation that could end for it, and those that hear it must.
                log.exception("%s: a bug in being told of %s", self.name, type(event).__name__)
        for seat in tuple(self.seats):
            if type(event) in seat.hears:
                seat.hear(event)

    def take(self, step: Callable[[], None]) -> None:
        """Run a step now, or after those that are under way."""
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
        """Those of this run of steps. Nothing that a step says changes them before the loop comes round."""
        if self.now is None or not self._busy:
            self.now = self._read_levels()
        return self.now

    async def close(self) -> None:
        """Find no more answers, and bring no more deadlines."""
        for seat in tuple(self.seats):
            seat.stop()
        tasks = [entry.task for entry in self._open.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What they say

    def perform(self, seat: Seat, effect: Effect) -> None:
        """Start one effect of a conversation. Raises TypeError for one that has no place in the table."""
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
        """To the conversation that asked, and no other; to none where the question was abandoned."""
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
            # A cancelled task keeps its frames; held by what they hold, they would stay until garbage is collected, with the question.
            task, entry.task = entry.task, None
            task.cancel()

    def leave(self, seat: Seat) -> None:
        """A conversation has ended: what was asked of it gets the answer that stands for one that is not there."""
        if seat in self.seats:
            self.seats.remove(seat)
        for ticket, entry in tuple(self._open.items()):
            if entry.answerer is seat:
                self._answer(ticket, self._otherwise[type(entry.question)](entry.question))

    # For people

    def wiring(self) -> dict[str, list[str]]:
        """Who performs what, who answers what, who is told, by the names of the types. What a conversation hears its seat knows."""
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

"""The party of a conversation: what it can say, know, hear and wait for."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, Generic, TypeAlias, TypeVar, overload

from secc.conversation.hearing import Hearing
from secc.conversation.questions import Questions
from secc.conversation.requests import Requests
from secc.conversation.vocabulary import (
    ENDLESS,
    NOTHING_WAITED_FOR,
    Answered,
    Deadline,
    Effect,
    Event,
    Levels,
    Question,
    Received,
    Send,
    Ticket,
    TimedOut,
    Timeout,
    Wait,
    Wall,
    trusted_system_clock,
)
from secc.errors import SeccError

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

Conversation: TypeAlias = Generator[Wait, Any, A]
Talk: TypeAlias = Callable[["Party"], Conversation[Any]]

_WOKEN: Final = object()
"""Result of a step in which another event came: conditions are checked again."""


class Party(Hearing):
    """What a conversation can say, know, hear and wait for.

    Handlers and looks run inside the conversation, where it waits, and their exceptions are raised
    there. They may raise only what ends the sequence at hand. A handler is a plain function: it
    cannot wait.
    """

    def __init__(
        self,
        *,
        requests: Requests | None = None,
        now: float = 0.0,
        entropy: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], Wall] = trusted_system_clock,
        tickets: Iterator[int] | None = None,
        effects: list[Effect] | None = None,
        post: Callable[[Event], None] | None = None,
    ) -> None:
        self.now = now
        self.entropy = entropy
        self.wall = wall
        self.levels = Levels()
        self._requests = requests
        self.effects: list[Effect] = effects if effects is not None else []
        self._replied_at = now
        self._questions = Questions(tickets if tickets is not None else itertools.count(1), self.effects)
        self._post = post
        super().__init__()
        self._children: list[Child[Any]] = []

    # Saying

    @property
    def requests(self) -> Requests:
        """The requests of this conversation. Raises SeccError if it has none."""
        if self._requests is None:
            raise SeccError("this conversation hears events only")
        return self._requests

    @property
    def request(self) -> Received | None:
        """The newest message of this conversation, with header and octets."""
        return None if self._requests is None else self._requests.newest

    @property
    def open(self) -> bool:
        """True while ``request`` waits for its answer."""
        return self._requests is not None and self._requests.open

    def reply(self, message: object) -> None:
        """Answer the open request, on its stream. A second answer, or one without a request, is a
        bug of the phase.
        """
        request = (self._requests or self.requests).settle(message)
        self._replied_at = self.now
        self.effects.append(Send(request.stream, message))

    def send(self, message: object) -> None:
        """Send a message that is not an answer, on the first stream: for the side that asks."""
        self._replied_at = self.now
        self.effects.append(Send(self.requests.streams[0], message))

    def do(self, effect: Effect) -> None:
        """Say an effect."""
        self.effects.append(effect)

    def ask(self, question: Question[A]) -> Ticket[A]:
        """Ask a question; use ``answer`` or ``receive`` with the ticket later. The answer wakes
        ``until``.
        """
        return self._questions.ask(question)

    def abandon(self, ticket: Ticket[Any]) -> None:
        """Give a question up; its answer is dropped."""
        self._questions.abandon(ticket)

    def post(self, event: Event) -> None:
        """Post an event to the main conversation, from a side conversation."""
        if self._post is None:
            raise SeccError("only a side conversation posts")
        self._post(event)

    def spawn(
        self,
        talk: Callable[[Party], Conversation[A]],
        ended: Callable[[A | Exception], None],
        *,
        expects: tuple[type[Exception], ...] = (),
    ) -> Child[A]:
        """Begin a conversation within this one. It has its own party, and hears what its
        :class:`Child` gets.

        ``ended`` is called with its result, or with an exception that ``expects`` names; any other
        is raised where this conversation waits. It may have ended when ``spawn`` returns. Its
        deadlines and answers reach it while this conversation waits.
        """
        child = Child(self, talk, ended, expects)
        self._children.append(child)
        child._begin()
        return child

    # Knowing

    def answer(self, ticket: Ticket[A]) -> A | None:
        """Returns the answer to this question; None while it is open."""
        return self._questions.answer(ticket)

    def limit(self, timeout: Timeout) -> Deadline:
        """Returns a deadline from now, for several waits."""
        return Deadline(self.now + timeout.seconds, timeout)

    # Waiting

    @overload
    def receive(
        self, kind: type[A] | Ticket[A], /, *, within: Timeout | None = ..., before: Deadline | None = ...
    ) -> Conversation[A]: ...
    @overload
    def receive(
        self,
        kind: type[A] | Ticket[A],
        other: type[B] | Ticket[B],
        /,
        *,
        within: Timeout | None = ...,
        before: Deadline | None = ...,
    ) -> Conversation[A | B]: ...
    @overload
    def receive(
        self,
        kind: type[A] | Ticket[A],
        other: type[B] | Ticket[B],
        third: type[C] | Ticket[C],
        /,
        *,
        within: Timeout | None = ...,
        before: Deadline | None = ...,
    ) -> Conversation[A | B | C]: ...
    @overload
    def receive(
        self,
        kind: type[A] | Ticket[A],
        other: type[B] | Ticket[B],
        third: type[C] | Ticket[C],
        fourth: type[D] | Ticket[D],
        /,
        *others: type[Any] | Ticket[Any],
        within: Timeout | None = ...,
        before: Deadline | None = ...,
    ) -> Conversation[A | B | C | D | Any]: ...

    def receive(
        self,
        *kinds: type[Any] | Ticket[Any],
        within: Timeout | None = None,
        before: Deadline | None = None,
    ) -> Conversation[Any]:
        """Wait for one of these. ``within`` restarts with each wait, ``before`` spans waits.

        Returns the message or event of a type, or the answer of a ticket (at once, if it has come).
        Raises TimedOut. A wait without a deadline is an error, unless ``within=ENDLESS``.
        """
        for kind in kinds:
            if isinstance(kind, Ticket) and (answered := self._questions.answered(kind)) is not None:
                return answered.answer
        deadlines = self._deadlines(within, before)
        while (heard := (yield from self._step(kinds, deadlines))) is _WOKEN:
            pass
        return heard

    def until(
        self,
        condition: Callable[[], bool],
        *,
        within: Timeout | None = None,
        before: Deadline | None = None,
        every: Timeout | None = None,
    ) -> Conversation[bool]:
        """Wait until ``condition`` holds. Returns False if it does not in time. It is checked after
        every step, and every ``every`` seconds.

        Conditions are about state, not time: time alone wakes nothing. For times use two waits in a
        row.
        """
        deadlines = self._deadlines(within, before)
        while not condition():
            for deadline in deadlines:
                if self.now >= deadline.at:
                    return False
            waits = deadlines if every is None else (*deadlines, self.limit(every))
            try:
                yield from self._step((), waits)
            except TimedOut as late:
                if late.deadline not in waits:
                    raise
        return True

    def rest(self, pause: Timeout) -> Conversation[None]:
        """Wait for a time."""
        yield from self.until(_not_yet, within=pause)

    def _deadlines(self, within: Timeout | None, before: Deadline | None) -> tuple[Deadline, ...]:
        if within is ENDLESS:
            return () if before is None else (before,)
        if within is None:
            if before is None:
                raise SeccError("a wait without a deadline is a hang")
            return (before,)
        started = Deadline((self._replied_at if within.since_reply else self.now) + within.seconds, within)
        return (started,) if before is None else (started, before)

    def _step(self, kinds: tuple[type[Any] | Ticket[Any], ...], deadlines: tuple[Deadline, ...]) -> Conversation[Any]:
        """The only place that yields. Returns what was waited for, or _WOKEN."""
        # The wait's own deadlines come first: among equals they count.
        due = deadlines if not self._dues and not self._children else (*deadlines, *self._due())
        try:
            heard = yield (wait := Wait(kinds, due, self._hears))
        except TimedOut as late:
            if late.deadline in deadlines:
                for look in tuple(self._looks):
                    look()
                raise
            for child in tuple(self._children):
                child._expire()
            heard = _WOKEN
        else:
            if type(heard) is Answered:
                heard = self._take(heard, kinds)
            elif type(heard) in self._hears and not isinstance(heard, wait.types):
                if (by := self._hears[type(heard)]) is not None:
                    by(heard)
                heard = _WOKEN
        for look in tuple(self._looks):
            look()
        return heard

    def _due(self) -> list[Deadline]:
        found = [deadline for due in self._dues if (deadline := due()) is not None]
        for child in self._children:
            found += child.waits.deadlines
        return found

    # Answers

    def _owns(self, ticket: Ticket[Any]) -> bool:
        """Whether this conversation, or a child, waits for this answer."""
        return self._questions.waits(ticket) or any(child.party._owns(ticket) for child in self._children)

    def _take(self, answered: Answered, kinds: tuple[Any, ...]) -> object:
        """Take an answer for this conversation, now or later, or pass it to a child."""
        if self._questions.waits(answered.ticket):
            self._questions.take(answered)
            return answered.answer if answered.ticket in kinds else _WOKEN
        for child in tuple(self._children):
            if child.party._owns(answered.ticket):
                child._send(answered)
        return _WOKEN

    # The end

    def _close(self) -> None:
        """Close the children, and abandon every question."""
        for child in tuple(self._children):
            child.close()
        self._questions.abandon_all()

    def _forget(self) -> None:
        """The conversation has ended: drop everything that the other side has sent."""
        if self._requests is not None:
            self._requests.forget()
        self._questions = Questions(self._questions.numbers, self.effects)
        self._deafen()


class Child(Generic[A]):
    """A child conversation, as its parent sees it."""

    def __init__(
        self,
        parent: Party,
        talk: Callable[[Party], Conversation[A]],
        ended: Callable[[A | Exception], None],
        expects: tuple[type[Exception], ...],
    ) -> None:
        self.party = Party(
            now=parent.now,
            entropy=parent.entropy,
            wall=parent.wall,
            tickets=parent._questions.numbers,
            effects=parent.effects,
        )
        self.waits = NOTHING_WAITED_FOR
        """What it waits for now."""
        self._parent = parent
        self._talk: Conversation[A] | None = talk(self.party)
        self._ended = ended
        self._expects = expects

    @property
    def alive(self) -> bool:
        return self._talk is not None

    def hear(self, event: object) -> bool:
        """Give it an event. Returns False if it neither waits for it nor hears it."""
        if self._talk is None or not self.waits.wants(event):
            return False
        self._send(event)
        return True

    def close(self) -> None:
        """End it without a call of ``ended``. Its questions are abandoned. May be repeated."""
        talk, self._talk = self._talk, None
        self._leave()
        if talk is not None:
            talk.close()

    def _begin(self) -> None:
        self._advance()

    def _send(self, heard: object) -> None:
        self._advance(heard)

    def _expire(self) -> None:
        due = self.waits.deadline
        if due is not None and self._parent.now >= due.at:
            self._advance(error=TimedOut(due))
            if due in self.waits.deadlines:
                raise SeccError(f"the conversation waits again for the deadline that passed: {due.timeout.name}")

    def _advance(self, heard: object = None, *, error: Exception | None = None) -> None:
        talk, self.waits = self._talk, NOTHING_WAITED_FOR
        assert talk is not None
        self.party.now, self.party.levels = self._parent.now, self._parent.levels
        try:
            self.waits = talk.send(heard) if error is None else talk.throw(error)
        except StopIteration as stop:
            self._leave()
            self._ended(stop.value)
        except self._expects as expected:
            self._leave()
            self._ended(expected)
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        self._talk, self.waits = None, NOTHING_WAITED_FOR
        if self in self._parent._children:
            self._parent._children.remove(self)
        self.party._close()
        self.party._forget()


def _not_yet() -> bool:
    return False

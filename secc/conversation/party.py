"""One side of the talk, as a conversation sees it: what it can say, know and wait for."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeAlias, TypeVar, overload

from secc.conversation.vocabulary import (
    MAIN,
    Abandon,
    Answered,
    Ask,
    Deadline,
    Effect,
    Event,
    Levels,
    Question,
    Received,
    Send,
    Ticket,
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


class Party:
    """One side of the talk, as a conversation sees it."""

    def __init__(
        self,
        *,
        stream: int = MAIN,
        now: float = 0.0,
        entropy: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], Wall] = trusted_system_clock,
        tickets: Iterator[int] | None = None,
        post: Callable[[Event], None] | None = None,
    ) -> None:
        self.now = now
        self.entropy = entropy
        self.wall = wall
        self.levels = Levels()
        self.stream = stream
        self.request: Received | None = None
        """The newest message that this conversation was handed, with header and octets."""
        self.effects: list[Effect] = []
        self.open = False
        """True while ``request`` waits for its answer."""
        self._replied_at = now
        self._tickets = tickets if tickets is not None else itertools.count(1)
        self._questions: dict[Ticket[Any], Answered | None] = {}
        self._noted: dict[type, Event] = {}
        self._post = post

    # Saying

    def reply(self, message: object) -> None:
        """Answer the open request. Answering twice, or with nothing asked, is a bug of the phase."""
        if not self.open:
            raise SeccError(f"{type(message).__name__} answers no open request")
        self.open = False
        self._replied_at = self.now
        self.effects.append(Send(self.stream, message))

    def send(self, message: object) -> None:
        """Say something that answers nothing: what the side that asks does."""
        self._replied_at = self.now
        self.effects.append(Send(self.stream, message))

    def do(self, effect: Effect) -> None:
        """Say what should happen."""
        self.effects.append(effect)

    def ask(self, question: Question[A]) -> Ticket[A]:
        """Ask for something that takes time; ``answer`` or ``receive`` the ticket later."""
        ticket: Ticket[A] = Ticket(next(self._tickets), type(question).__name__)
        self._questions[ticket] = None
        self.effects.append(Ask(ticket, question))
        return ticket

    def abandon(self, ticket: Ticket[Any]) -> None:
        """Lose interest in an answer; one that comes all the same is dropped."""
        if ticket in self._questions and self._questions.pop(ticket) is None:
            self.effects.append(Abandon(ticket))

    def post(self, event: Event) -> None:
        """Tell the main conversation; what a side conversation does."""
        if self._post is None:
            raise SeccError("only a side conversation posts")
        self._post(event)

    # Knowing

    def answer(self, ticket: Ticket[A]) -> A | None:
        """This question's answer and no other's; None while it is open."""
        answered = self._questions.get(ticket)
        return None if answered is None else answered.answer

    def latest(self, kind: type[A]) -> A | None:
        """The newest event of this kind that was noted while the conversation waited for something else."""
        event = self._noted.get(kind)
        return event if isinstance(event, kind) else None

    def forget(self, kind: type) -> None:
        """Drop what ``latest`` knows of this kind: it has been dealt with."""
        self._noted.pop(kind, None)

    def forget_everything(self) -> None:
        """The session is over: nothing of what the other side said is held on to."""
        self.request = None
        self._noted.clear()
        self._questions.clear()

    def limit(self, timeout: Timeout) -> Deadline:
        """A deadline that outlives single waits: at most this long from now."""
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
        """Stand still for one of these. ``within`` restarts with each wait, ``before`` spans waits; a wait without either is an error.

        A message kind yields the message, an event kind the event, a ticket its answer (at once, if it is already there).
        """
        for kind in kinds:
            if isinstance(kind, Ticket) and (answered := self._questions.get(kind)) is not None:
                return answered.answer
        deadlines = tuple(d for d in (self._started(within), before) if d is not None)
        if not deadlines:
            raise SeccError("a wait without a deadline is a hang")
        return (yield Wait(kinds, deadlines))

    def _started(self, timeout: Timeout | None) -> Deadline | None:
        if timeout is None:
            return None
        start = self._replied_at if timeout.since_reply else self.now
        return Deadline(start + timeout.seconds, timeout)

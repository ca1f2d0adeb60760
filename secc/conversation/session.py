"""A session: events and the time go in, effects come out. Every ending is safe."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from frozen import dataclass
from secc.conversation.party import Conversation, Party, Talk
from secc.conversation.requests import Cause, Requests
from secc.conversation.vocabulary import (
    NOTHING_WAITED_FOR,
    Answered,
    Deadline,
    Effect,
    Emergency,
    End,
    Event,
    Interrupted,
    Levels,
    Reason,
    Received,
    Severed,
    TimedOut,
    Timeout,
    Wait,
    Wall,
    trusted_system_clock,
)
from secc.errors import Refusal, SeccError

_TICKETS = itertools.count(1)
"""One sequence for the whole process: an answer for an ended session must not fit a question of the
next.
"""

FAREWELL = Timeout("answer to the request that comes after the end", 5.0, "design: interruption table")


@dataclasses.dataclass(slots=True)
class _Strand:
    """One conversation of a session, and its wait."""

    party: Party
    talk: Conversation[Any] | None
    requests: Requests | None
    wait: Wait = NOTHING_WAITED_FOR


@dataclass(frozen=True, slots=True)
class Side:
    """A side conversation, and the requests of its own streams."""

    talk: Talk
    requests: Requests


class Session:
    """A session: the caller passes events and the time, and performs the effects. Every ending is
    safe.

    ``main`` is the conversation; ``requests`` are its own, if it answers any; ``sides`` are
    conversations on other streams. ``safe`` are the effects of every ending.
    """

    def __init__(
        self,
        main: Talk,
        *,
        requests: Requests | None = None,
        safe: tuple[Effect, ...] = (),
        sides: Sequence[Side] = (),
        now: float = 0.0,
        entropy: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], Wall] = trusted_system_clock,
        tickets: Iterator[int] | None = None,
    ) -> None:
        self.ended: Reason | None = None
        self.result: Any = None
        self._safe = safe
        self._effects: list[Effect] = []
        """One list for all conversations, so that effects leave in their order."""
        self._posted: deque[Event] = deque()
        self._farewell: tuple[Cause, Reason, Deadline] | None = None
        self.levels = Levels()
        """The state of the hardware: set before each step."""
        self.deadline: Deadline | None = None
        """When to call ``expire`` next; None: not before an event."""
        self._made_safe = False
        numbers = tickets if tickets is not None else _TICKETS

        def strand(talk: Talk, requests: Requests | None, post: Callable[[Event], None] | None) -> _Strand:
            party = Party(
                requests=requests,
                now=now,
                entropy=entropy,
                wall=wall,
                tickets=numbers,
                effects=self._effects,
                post=post,
            )
            return _Strand(party, talk(party), requests)

        self._main = strand(main, requests, None)
        self._strands = [self._main, *(strand(side.talk, side.requests, self._posted.append) for side in sides)]
        self._asked = dict.fromkeys(requests.streams if requests is not None else (), self._main)
        for side, each in zip(sides, self._strands[1:], strict=True):
            self._asked.update(dict.fromkeys(side.requests.streams, each))

    # For the caller

    def begin(self, now: float) -> tuple[Effect, ...]:
        """Begin. Call it once, before anything else."""
        self._tick(now)
        for strand in self._strands:
            strand.party._replied_at = now
            if self.ended is None:
                self._advance(strand)
        return self._drain()

    def receive(self, event: object, now: float) -> tuple[Effect, ...]:
        """An event has come. A deadline that passed before it counts first."""
        for strand in self._strands:
            strand.party.now, strand.party.levels = now, self.levels
        if self.deadline is not None and now >= self.deadline.at:
            self._expire()
        if self.ended is None:
            self._hear(event)
        return self._drain()

    def expire(self, now: float) -> tuple[Effect, ...]:
        """A deadline has come."""
        self._tick(now)
        self._expire()
        return self._drain()

    def fail(self, error: BaseException) -> tuple[Effect, ...]:
        """The caller caught an unexpected exception: end with the same safe effects and one answer."""
        if self.ended is None:
            self._finish(error, _bug(error))
        return self._drain()

    @property
    def waiting_for(self) -> tuple[type, ...]:
        """The types of message and event that the main conversation waits for."""
        return self._main.wait.types if self.ended is None else ()

    @property
    def hears(self) -> frozenset[type]:
        """The types of event that the conversations hear wherever they wait. Complete after
        ``begin``.
        """
        return frozenset(kind for strand in self._strands for kind in strand.party._hears)

    # Events

    def _hear(self, event: object) -> None:
        match event:
            case Received():
                self._receive_message(event)
            case Answered():
                self._receive_answer(event)
            case Severed():
                self._do_safe()
                self._interrupt(event)
                # The cause that ended the conversation before the connection was lost stays the
                # reason.
                reason = event.why() if self._farewell is None else self._farewell[1]
                self._finish(Interrupted(event), reason, mute=not event.answerable)
            case Emergency():
                if self._farewell is None:
                    self._do_safe()
                    self._interrupt(event)
                    self._part(event, event.why())
            case _:
                for strand in self._strands:
                    # Drop an event that a conversation neither waits for nor hears.
                    if self.ended is None and strand.talk is not None and strand.wait.wants(event):
                        self._advance(strand, event)

    def _receive_message(self, received: Received) -> None:
        strand = self._asked.get(received.stream)
        if strand is None or strand.requests is None or not strand.requests.take(received):
            return
        if self._farewell is not None:
            cause, reason, _ = self._farewell
            self._finish(cause, reason)
            return
        refusal = strand.requests.refusal(strand.wait if strand.talk is not None else None)
        if refusal is None:
            self._advance(strand, received.message)
        elif strand.talk is None:
            self._finish(refusal, _refused(refusal, received))
        else:
            self._throw(strand, refusal)

    def _receive_answer(self, answered: Answered) -> None:
        for strand in self._strands:
            if strand.talk is not None and strand.party._owns(answered.ticket):
                self._advance(strand, answered)
                return

    # Stepping

    def _tick(self, now: float) -> None:
        for strand in self._strands:
            strand.party.now, strand.party.levels = now, self.levels

    def _expire(self) -> None:
        now = self._main.party.now
        if self._farewell is not None and self.ended is None:
            cause, reason, deadline = self._farewell
            if now >= deadline.at:
                self._finish(cause, reason, mute=True)
            return
        for strand in self._strands:
            due = strand.wait.deadline
            if self.ended is None and strand.talk is not None and due is not None and now >= due.at:
                self._throw(strand, TimedOut(due))
                if due in strand.wait.deadlines and self.ended is None and strand.talk is not None:
                    raise SeccError(f"the conversation waits again for the deadline that passed: {due.timeout.name}")

    def _throw(self, strand: _Strand, error: Exception) -> None:
        try:
            self._advance(strand, error=error)
        finally:
            # All sessions share this refusal. Its traceback would grow with each, and keep their
            # frames, with contracts.
            error.__traceback__ = error.__context__ = None

    def _advance(self, strand: _Strand, heard: object = None, *, error: Exception | None = None) -> None:
        """Go on with what was ``heard`` (None: begin), or with an ``error``."""
        assert strand.talk is not None
        strand.wait = NOTHING_WAITED_FOR
        try:
            strand.wait = strand.talk.send(heard) if error is None else strand.talk.throw(error)
        except StopIteration as stop:
            strand.talk = None
            if strand is self._main:
                self.result = stop.value
                name = stop.value if isinstance(stop.value, str) else "completed"
                self._finish(None, Reason("completed", name))
        except Refusal as refusal:
            strand.talk = None
            self._part(refusal, _refused(refusal, strand.party.request))
        except TimedOut as late:
            strand.talk = None
            timeout = late.deadline.timeout
            reason = Reason("timer", timeout.name, timeout.clause, str(late))
            if timeout.answered:
                self._part(late, reason)
            else:
                self._finish(late, reason)
        else:
            requests = strand.requests
            if requests is not None and self.ended is None and requests.next_early():
                self._throw(strand, requests.too_early())

    # Ending

    def _interrupt(self, event: Event) -> None:
        for strand in self._strands:
            talk, strand.talk = strand.talk, None
            if talk is None:
                continue
            try:
                talk.throw(Interrupted(event))
            except (Interrupted, StopIteration):
                continue
            raise SeccError(f"the conversation waits on after {type(event).__name__}")

    def _part(self, cause: Cause, reason: Reason) -> None:
        """End with an answer: to the open request now, or to the next one if it comes soon."""
        if any(strand.party.open for strand in self._strands):
            self._finish(cause, reason)
            return
        self._do_safe()
        reason = self._close() or reason
        self._farewell = (cause, reason, self._main.party.limit(FAREWELL))

    def _finish(self, cause: Cause | None, reason: Reason, *, mute: bool = False) -> None:
        if self.ended is not None:
            return
        self.ended = reason
        self._do_safe()
        self.ended = self._close() or reason
        for strand in self._strands:
            if not mute:
                self._settle(strand.party, cause)
            strand.party._forget()
        self._effects.append(End(self.ended))

    def _settle(self, party: Party, cause: Cause | None) -> None:
        """Answer the open request, if there is one."""
        if not party.open or party.request is None:
            return
        if cause is None:
            cause = SeccError(f"no answer to {type(party.request.message).__name__}")
            self.ended = Reason("bug", "Unanswered", detail=str(cause))
        try:
            message = party.requests.farewell(cause)
        except Exception as error:  # noqa: BLE001  # whatever it is, the ending goes on
            self.ended = _bug(error)
            message = None
        if message is not None:
            party.reply(message)

    def _close(self) -> Reason | None:
        """End every conversation and question. An exception of a phase's clean-up does not stop the
        ending; it becomes the reason.
        """
        bug: Reason | None = None
        for strand in self._strands:
            talk, strand.talk = strand.talk, None
            try:
                if talk is not None:
                    talk.close()
            except Exception as error:  # noqa: BLE001  # whatever it is, the ending goes on
                bug = _bug(error)
            try:
                strand.party._close()
            except Exception as error:  # noqa: BLE001  # the same for a conversation within
                bug = _bug(error)
        return bug

    def _do_safe(self) -> None:
        if not self._made_safe:
            self._made_safe = True
            self._effects.extend(self._safe)

    def _drain(self) -> tuple[Effect, ...]:
        while self._posted and self.ended is None:
            posted, main = self._posted.popleft(), self._main
            if main.talk is not None and main.wait.wants(posted):
                self._advance(main, posted)
        self.deadline = None
        if self._farewell is not None:
            self.deadline = self._farewell[2]
        else:
            for strand in self._strands:
                due = strand.wait.deadline if strand.talk is not None else None
                if due is not None and (self.deadline is None or due.at < self.deadline.at):
                    self.deadline = due
        if self.ended is not None:
            self.deadline = None
        effects = tuple(self._effects)
        self._effects.clear()
        return effects


def _bug(error: BaseException) -> Reason:
    return Reason("bug", type(error).__name__, detail=str(error)[:200])


def _refused(refusal: Refusal, request: Received | None) -> Reason:
    to = "" if request is None else f"{type(request.message).__name__}: "
    return Reason("refused", refusal.code, refusal.clause, to + refusal.detail, refusal.flaw)

"""What the driver holds: events and the time go in, effects come out. Safe in every ending."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from secc.conversation.party import Conversation, Party, Talk
from secc.conversation.vocabulary import (
    MAIN,
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

Cause: TypeAlias = Refusal | TimedOut | Emergency | BaseException
"""Why a request cannot be served: what ``refuse`` builds its answer from."""

_TICKETS = itertools.count(1)
"""One sequence for the whole process: the answer to a question of a session that is gone must not fit one of the next session."""

FAREWELL = Timeout("answer to the request that comes after the end", 5.0, "design: interruption table")


@dataclass(slots=True)
class _Strand:
    """One conversation of a session, with what it waits for."""

    party: Party
    talk: Conversation[Any] | None
    wait: Wait = field(default_factory=lambda: Wait((), ()))
    early: Received | None = None
    """A request that came before our answer to the one before it."""

    @property
    def deadline(self) -> Deadline | None:
        return min(self.wait.deadlines, key=lambda deadline: deadline.at, default=None)


class Session:
    """What the driver holds: it brings events and the time, and gets effects. Safe in every ending.

    ``refuse(request, cause)`` builds the answer to a request that cannot be served (None: say nothing); ``safe`` are the effects of every
    ending; ``admit`` looks at a message before its legality (the SessionID); ``out_of_order`` is the sequence refusal of the protocol;
    ``sides`` are conversations on other streams.
    """

    def __init__(
        self,
        main: Talk,
        *,
        refuse: Callable[[Any, Cause], object | None],
        out_of_order: Refusal,
        safe: tuple[Effect, ...] = (),
        admit: Callable[[Received], Refusal | None] = lambda received: None,
        sides: Mapping[int, Talk] | None = None,
        stream: int = MAIN,
        now: float = 0.0,
        entropy: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], Wall] = trusted_system_clock,
        tickets: Iterator[int] | None = None,
    ) -> None:
        self.ended: Reason | None = None
        self.result: Any = None
        self._refuse, self._out_of_order, self._admit, self._safe = refuse, out_of_order, admit, safe
        self._effects: list[Effect] = []
        self._posted: deque[Event] = deque()
        self._farewell: tuple[Cause, Reason, Deadline] | None = None
        self._levels = Levels()
        self._made_safe = False
        numbers = tickets if tickets is not None else _TICKETS
        self._strands: dict[int, _Strand] = {}
        for name, talk in ({stream: main} | dict(sides or {})).items():
            post = None if name == stream else self._posted.append
            party = Party(stream=name, now=now, entropy=entropy, wall=wall, tickets=numbers, post=post)
            self._strands[name] = _Strand(party, talk(party))
        self._main = self._strands[stream]
        for strand in self._strands.values():
            # One outbox for all, so that effects leave in the order in which they were said.
            strand.party.effects = self._effects

    # What the driver does

    def begin(self, now: float) -> tuple[Effect, ...]:
        """Start talking. To be called once, before anything else."""
        self._tick(now)
        for strand in self._strands.values():
            strand.party._replied_at = now
            if self.ended is None:
                self._advance(strand, lambda talk: next(talk))
        return self._drain()

    def receive(self, event: Event, now: float) -> tuple[Effect, ...]:
        """Something happened. A deadline that passed before it counts first."""
        self._tick(now)
        self._expire()
        if self.ended is None:
            self._hear(event)
        return self._drain()

    def expire(self, now: float) -> tuple[Effect, ...]:
        """The time has come to look at the deadlines."""
        self._tick(now)
        self._expire()
        return self._drain()

    def fail(self, error: BaseException) -> tuple[Effect, ...]:
        """A bug: the driver caught what no one may raise. Same safe effects, same one answer."""
        if self.ended is None:
            self._finish(error, _bug(error))
        return self._drain()

    @property
    def deadline(self) -> Deadline | None:
        """When ``expire`` is to be called next."""
        if self.ended is not None:
            return None
        if self._farewell is not None:
            return self._farewell[2]
        due = (strand.deadline for strand in self._strands.values() if strand.talk is not None)
        return min((deadline for deadline in due if deadline is not None), key=lambda d: d.at, default=None)

    @property
    def waiting_for(self) -> tuple[type, ...]:
        """The kinds of message and event that the main conversation waits for."""
        return self._main.wait.types if self.ended is None else ()

    @property
    def levels(self) -> Levels:
        return self._levels

    @levels.setter
    def levels(self, levels: Levels) -> None:
        self._levels = levels
        for strand in self._strands.values():
            strand.party.levels = levels

    # Hearing

    def _hear(self, event: Event) -> None:
        match event:
            case Received():
                self._receive_message(event)
            case Answered():
                self._receive_answer(event)
            case Severed():
                self._do_safe()
                self._interrupt(event)
                # What ended the conversation before the line went dead stays the reason.
                reason = event.why() if self._farewell is None else self._farewell[1]
                self._finish(Interrupted(event), reason, mute=not event.answerable)
            case Emergency():
                if self._farewell is None:
                    self._do_safe()
                    self._interrupt(event)
                    self._part(event, event.why())
            case _:
                self._note(event)

    def _receive_message(self, received: Received) -> None:
        strand = self._strands.get(received.stream)
        if strand is None:
            return
        party = strand.party
        if party.open:
            # One message a stream is handed over; one that comes before our answer is held back, further ones are dropped.
            strand.early = strand.early or received
            return
        party.request, party.open = received, True
        if self._farewell is not None:
            cause, reason, _ = self._farewell
            self._finish(cause, reason)
            return
        refusal = self._too_early() if received.early else self._admit(received)
        if refusal is None and not (strand.talk is not None and isinstance(received.message, strand.wait.types)):
            refusal = self._out_of_order
        if refusal is None:
            self._advance(strand, lambda talk: talk.send(received.message))
        elif strand.talk is None:
            self._finish(refusal, _refused(refusal, received))
        else:
            self._throw(strand, refusal)

    def _receive_answer(self, answered: Answered) -> None:
        for strand in self._strands.values():
            questions = strand.party._questions
            if answered.ticket in questions and questions[answered.ticket] is None:
                questions[answered.ticket] = answered
                if answered.ticket in strand.wait.kinds:
                    self._advance(strand, lambda talk: talk.send(answered.answer))
                return

    def _note(self, event: Event) -> None:
        for strand in list(self._strands.values()):
            if self.ended is None:
                self._hear_in(strand, event)

    def _hear_in(self, strand: _Strand, event: Event) -> None:
        if strand.talk is not None and isinstance(event, strand.wait.types):
            self._advance(strand, lambda talk: talk.send(event))
        else:
            strand.party._noted[type(event)] = event

    # Stepping

    def _tick(self, now: float) -> None:
        for strand in self._strands.values():
            strand.party.now = now

    def _expire(self) -> None:
        now = self._main.party.now
        if self._farewell is not None and self.ended is None:
            cause, reason, deadline = self._farewell
            if now >= deadline.at:
                self._finish(cause, reason, mute=True)
            return
        for strand in list(self._strands.values()):
            due = strand.deadline
            if self.ended is None and strand.talk is not None and due is not None and now >= due.at:
                self._throw(strand, TimedOut(due))
                if due in strand.wait.deadlines and self.ended is None and strand.talk is not None:
                    raise SeccError(f"the conversation waits again for the deadline that passed: {due.timeout.name}")

    def _throw(self, strand: _Strand, error: Exception) -> None:
        try:
            self._advance(strand, lambda talk: talk.throw(error))
        finally:
            # One refusal serves all sessions. Its traceback would grow with each, and keep what was in their frames, contracts too.
            error.__traceback__ = error.__context__ = None

    def _advance(self, strand: _Strand, step: Callable[[Conversation[Any]], Wait]) -> None:
        assert strand.talk is not None
        strand.wait = Wait((), ())
        try:
            strand.wait = step(strand.talk)
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
            self._finish(late, Reason("timer", timeout.name, timeout.clause, str(late)))
        else:
            self._settle_early(strand)

    def _settle_early(self, strand: _Strand) -> None:
        """Our answer is out: now the request that did not wait for it gets its own, which ends the session."""
        if strand.early is None or strand.party.open or self.ended is not None:
            return
        early, strand.early = strand.early, None
        strand.party.request, strand.party.open = early, True
        self._throw(strand, self._too_early())

    def _too_early(self) -> Refusal:
        return Refusal(self._out_of_order.code, self._out_of_order.clause, "sent before the answer to the last request")

    # Ending

    def _interrupt(self, event: Event) -> None:
        for strand in self._strands.values():
            talk, strand.talk = strand.talk, None
            if talk is None:
                continue
            try:
                talk.throw(Interrupted(event))
            except (Interrupted, StopIteration):
                continue
            raise SeccError(f"the conversation waits on after {type(event).__name__}")

    def _part(self, cause: Cause, reason: Reason) -> None:
        """End, but not without an answer: to the open request now, or to the next one if it comes soon."""
        if any(strand.party.open for strand in self._strands.values()):
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
        for strand in self._strands.values():
            self._settle(strand.party, cause, mute=mute)
            strand.party.forget_everything()
            strand.early = None
        self._effects.append(End(self.ended))

    def _settle(self, party: Party, cause: Cause | None, *, mute: bool) -> None:
        """The one answer to the open request, if there is one and anybody to hear it."""
        if party.open and not mute and party.request is not None:
            if cause is None:
                cause = SeccError(f"nobody answered {type(party.request.message).__name__}")
                self.ended = Reason("bug", "Unanswered", detail=str(cause))
            try:
                message = self._refuse(party.request.message, cause)
            except Exception as error:  # noqa: BLE001  # whatever it is, the ending goes on
                self.ended = _bug(error)
                message = None
            if message is not None:
                party.reply(message)
        party.open = False

    def _close(self) -> Reason | None:
        """End every conversation and question. What a phase's clean-up raises must not stop the ending; it is the reason then."""
        bug: Reason | None = None
        for strand in self._strands.values():
            talk, strand.talk = strand.talk, None
            if talk is not None:
                try:
                    talk.close()
                except Exception as error:  # noqa: BLE001  # whatever it is, the ending goes on
                    bug = _bug(error)
            for ticket in list(strand.party._questions):
                strand.party.abandon(ticket)
        return bug

    def _do_safe(self) -> None:
        if not self._made_safe:
            self._made_safe = True
            self._effects.extend(self._safe)

    def _drain(self) -> tuple[Effect, ...]:
        while self._posted and self.ended is None:
            self._hear_in(self._main, self._posted.popleft())
        effects = tuple(self._effects)
        self._effects.clear()
        return effects


def _bug(error: BaseException) -> Reason:
    return Reason("bug", type(error).__name__, detail=str(error)[:200])


def _refused(refusal: Refusal, request: Received | None) -> Reason:
    to = "" if request is None else f"{type(request.message).__name__}: "
    return Reason("refused", refusal.code, refusal.clause, to + refusal.detail, refusal.flaw)

"""What the AC and the DC path have in common: one loop that hears everything, questions in a row, faults that stay."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from hal.values import Severity
from secc.conversation import Asked, Conversation, Deadline, Event, Party, Tell, TimedOut, Timeout
from secc.energy.effects import Announce, Notice, OpenDcContactor, ReportFault, WithdrawPower
from secc.energy.events import (
    CommandFailed,
    ConsentLost,
    ContactorOpeningOrdered,
    ContactorOpeningTold,
    ContactorReported,
    FaultReported,
    IsolationReported,
    OutputSet,
    PilotChanged,
)
from secc.session.effects import StopPower
from secc.session.events import LimitChanged

TICK = Timeout(
    "power path supervision",
    0.1,
    "our choice: ramps, stale values and levels are looked at this often while power is on",
)
REST = Timeout("power path at rest", 3600.0, "our choice: nothing to watch")
CONTACTOR_RELEASE = Timeout(
    "contactor release",
    0.5,
    "IEC 61851-1: the board judges within 50 to 100 ms; ours is the backstop. From when the board was told, to when the feedback was read",
)
CONTACTOR_FEEDBACK = Timeout("contactor feedback", 1.0, "our choice: release, and the way of order and feedback")
UNCONFIRMED_LOOKS = 30
"""So many times, a tick apart, the contactor is seen closed before it is welded though no feedback is new enough: a driver may tell changes only."""


OPENING = (OpenDcContactor.__name__, WithdrawPower.__name__)


class Halt(Exception):
    """The sequence at hand cannot go on. An expected outcome of a wait; it never leaves this package.

    ``code`` names what went wrong (empty: nothing, somebody wants it off); ``abrupt``: do not wait for the current to fall;
    ``report``: others have to hear of it; ``latched``: no power again until the car is unplugged.
    """

    def __init__(
        self, code: str, text: str = "", *, abrupt: bool = False, report: bool = True, latched: bool = False
    ) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code, self.text = code, text
        self.abrupt, self.report, self.latched = abrupt, report, latched


class Path(ABC):
    """The state of one power path for one plug-in. Sequences are written as conversations over ``until`` and ``turn``."""

    def __init__(self, board: Party) -> None:
        self.board = board
        self.waiting: deque[Asked] = deque()
        self.current: Asked | None = None
        """The question that is being worked on; it is answered once, whatever happens."""
        self.latched: str | None = None
        """Why nothing may be switched on any more."""
        self.live = False
        """True from the moment when power is asked for until it is certainly off: then causes raise ``Halt``."""
        self.hurry = False
        """Something happened while switching off that does not wait for the current to fall."""
        self.watts: float | None = None
        self.opened_at: float | None = None
        """When we said that the contactor shall open; None: we did not, or it has, or nothing more will be known."""
        self._told_at: float | None = None
        """When the board had been told so. Our order may have waited in our own queue."""
        self._looks = 0
        self._looked_at = 0.0

    # The loop

    def serve(self) -> Conversation[None]:
        """Answer one question after the other; supervision goes on between them."""
        while True:
            if not self.waiting:
                yield from self.turn()
                continue
            self.current = self.waiting.popleft()
            yield from self.answer(self.current)
            self.current = None

    @abstractmethod
    def answer(self, asked: Asked) -> Conversation[None]:
        """Work on one question and tell the answer."""

    @abstractmethod
    def power_off(self, halt: Halt | None) -> Conversation[None]:
        """Everything off, in order; ``halt`` is why, and whatever was being worked on has failed by it. Never raises ``Halt``."""

    def run(self) -> Conversation[None]:
        """The whole conversation; it goes on until the plug is out, which ends it from outside."""
        halt: Halt | None = None
        while True:
            try:
                yield from self.power_off(halt)
                yield from self.serve()
            except Halt as cause:
                halt = cause

    # Hearing

    def turn(self, before: Deadline | None = None) -> Conversation[Event | None]:
        """One step: an event, or None when it is time to look at the levels again. Raises ``Halt`` while live, and only then."""
        board = self.board
        pause = TICK if self.restless else REST
        at = board.now + pause.seconds
        event: Any = None
        with contextlib.suppress(TimedOut):
            event = yield from board.receive(
                Asked,
                OutputSet,
                PilotChanged,
                ContactorReported,
                IsolationReported,
                FaultReported,
                ConsentLost,
                CommandFailed,
                ContactorOpeningOrdered,
                ContactorOpeningTold,
                LimitChanged,
                before=Deadline(at if before is None else min(at, before.at), pause),
            )
        self._hear(event)
        self.supervise()
        return event if isinstance(event, Event) else None

    def until(
        self, condition: Callable[[], bool], timeout: Timeout, before: Deadline | None = None
    ) -> Conversation[bool]:
        """Wait for the levels to be so; False if they are not in time."""
        end = self.board.limit(timeout)
        if before is not None and before.at < end.at:
            end = before
        while not condition():
            if self.board.now >= end.at:
                return False
            yield from self.turn(end)
        return True

    def _hear(self, event: object) -> None:
        match event:
            case Asked():
                self.waiting.append(event)
                if isinstance(event.question, StopPower) and self.live and self.current is not None:
                    raise Halt("", "the session asks for an end", report=False)
            case LimitChanged():
                self.watts = event.watts
            case ContactorOpeningOrdered():
                # Whoever asked is gone, and must not switch anything on from the grave.
                self.waiting.clear()
                self.session_over()
            case FaultReported() if event.severity is Severity.EMERGENCY:
                self.stop(Halt(event.code, event.text, abrupt=True, report=False))
            case ConsentLost():
                self.consent_lost(event)
            case ContactorOpeningTold():
                self._told_at = self.board.now
            case CommandFailed():
                if event.command in OPENING:
                    # The guard goes on telling it, and the board opens by itself without the guard's beats.
                    self._told_at = self.board.now
                self.stop(Halt("command-failed", f"{event.command}: {event.text}", abrupt=False))
            case OutputSet():
                self.output_set(event)
            case IsolationReported():
                self.isolation_reported(event)
            case _:
                pass

    def stop(self, halt: Halt) -> None:
        """End what is going on; while it is ending already, at most hurry."""
        if self.live:
            raise halt
        if halt.abrupt:
            self.hurry = True

    # What AC and DC do differently

    @property
    def restless(self) -> bool:
        """True while levels have to be looked at in short intervals."""
        return self.live or self.opened_at is not None

    def supervise(self) -> None:
        """Look at the levels; to be extended. Here: a contactor that stays closed after it was told to open."""
        if self.board.levels.contactor == "welded":
            self.weld()
        elif not self.live and self.opened_at is not None and self.opening_unknown():
            # Without feedback the path cannot see whether it is open, and does not report it open.
            self.opened_at = None

    def expect_open(self) -> None:
        """The contactor shall open: from now on it is looked at until it has."""
        self.opened_at, self._told_at = self.board.now, None
        self._looks, self._looked_at = 0, self.board.now

    def opening_unknown(self) -> bool:
        """Look after a contactor that is to open: it has, or it is welded, or (True) the board does not know.

        Order and feedback both wait in the queue of our event loop. So what counts is not how late it is for us, but a feedback that was read when
        the board had been told for long enough.
        """
        state, now = self.board.levels.contactor, self.board.now
        if self.opened_at is None:
            return False
        if state == "open":
            self.opened_at = None
        elif state != "closed":
            return now >= self.opened_at + CONTACTOR_RELEASE.seconds
        elif self._told_at is not None and self.board.levels.contactor_at >= self._told_at + CONTACTOR_RELEASE.seconds:
            self.weld()
        elif now >= self._looked_at + TICK.seconds:
            self._looks, self._looked_at = self._looks + 1, now
            if self._looks >= UNCONFIRMED_LOOKS:
                self.weld()
        return False

    def weld(self) -> None:
        self.opened_at = None
        if self.latched != "contactor-welded":
            halt = Halt("contactor-welded", f"feedback: {self.board.levels.contactor}", abrupt=True, latched=True)
            if self.live:
                raise halt
            self.report(halt)

    def output_set(self, event: OutputSet) -> None:
        self.announce(Notice.TARGET_IGNORED)

    def isolation_reported(self, event: IsolationReported) -> None:
        """AC: the board's own protection watches the insulation, and what a monitor says besides changes nothing."""
        del event

    def session_over(self) -> None:
        self.stop(Halt("", "the session is over", report=False))

    def consent_lost(self, event: ConsentLost) -> None:
        self.stop(Halt("interlock", event.reasons, abrupt=True))

    # Saying

    def tell(self, asked: Asked, answer: object) -> None:
        self.board.do(Tell(asked.ticket, answer))

    def announce(self, notice: Notice) -> None:
        self.board.do(Announce(notice))

    def report(self, halt: Halt) -> None:
        """Let the others know, and remember what must not be forgotten before the car is unplugged."""
        if halt.latched:
            self.latched = halt.code
        if halt.report:
            self.board.do(ReportFault(halt.code, halt.text, halt.latched))

    @property
    def pilot_ready(self) -> bool:
        return self.board.levels.pilot in ("C", "D")

    def contactor_is(self, state: str) -> bool:
        return self.board.levels.contactor == state

"""What the AC and the DC path have in common: what is heard wherever they wait, questions in a row, supervision, faults that stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from hal.values import Severity
from secc.conversation import ENDLESS, Asked, Conversation, Deadline, Party, Tell, Timeout
from secc.energy.effects import Announce, Notice, OpenDcContactor, ReportFault, WithdrawPower
from secc.energy.events import (
    CommandFailed,
    ConsentLost,
    ContactorOpeningOrdered,
    ContactorOpeningTold,
    ContactorReported,
    FaultReported,
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
    """The state of one power path for one plug-in. Handlers and supervision raise ``Halt`` while it is live, and only then."""

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
        # These two only wake: what they tell of is a level.
        board.hear(PilotChanged, ContactorReported)
        board.hear(Asked, by=self.asked)
        board.hear(OutputSet, by=self.output_set)
        board.hear(LimitChanged, by=self.limit_changed)
        board.hear(ContactorOpeningOrdered, by=self.opening_ordered)
        board.hear(ContactorOpeningTold, by=self.opening_told)
        board.hear(FaultReported, by=self.fault_reported)
        board.hear(ConsentLost, by=self.consent_lost)
        board.hear(CommandFailed, by=self.command_failed)
        board.look(self.supervise, self._tick)

    # The loop

    def serve(self) -> Conversation[None]:
        """Answer one question after the other; supervision goes on between them."""
        while True:
            yield from self.board.until(lambda: bool(self.waiting), within=ENDLESS)
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

    def asked(self, asked: Asked) -> None:
        self.waiting.append(asked)
        if isinstance(asked.question, StopPower) and self.live and self.current is not None:
            raise Halt("", "the session asks for an end", report=False)

    def output_set(self, event: OutputSet) -> None:
        del event
        self.announce(Notice.TARGET_IGNORED)

    def limit_changed(self, event: LimitChanged) -> None:
        self.watts = event.watts

    def opening_ordered(self, event: ContactorOpeningOrdered) -> None:
        """The session is over. Its queued questions must not switch anything on any more."""
        del event
        self.waiting.clear()
        self.stop(Halt("", "the session is over", report=False))

    def opening_told(self, event: ContactorOpeningTold) -> None:
        del event
        self._told_at = self.board.now

    def fault_reported(self, event: FaultReported) -> None:
        if event.severity is Severity.EMERGENCY:
            self.stop(Halt(event.code, event.text, abrupt=True, report=False))

    def consent_lost(self, event: ConsentLost) -> None:
        self.stop(Halt("interlock", event.reasons, abrupt=True))

    def command_failed(self, event: CommandFailed) -> None:
        if event.command in OPENING:
            # The guard goes on telling it, and the board opens by itself without the guard's beats.
            self._told_at = self.board.now
        self.stop(Halt("command-failed", f"{event.command}: {event.text}", abrupt=False))

    def stop(self, halt: Halt) -> None:
        """End what is going on; while it is ending already, at most hurry."""
        if self.live:
            raise halt
        if halt.abrupt:
            self.hurry = True

    # Supervision

    def _tick(self) -> Deadline | None:
        """Levels are looked at ten times a second as long as there is power, or may be."""
        return self.board.limit(TICK) if self.live or self.opened_at is not None else None

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

"""What the AC and the DC path have in common: what is heard wherever they wait, questions in a row, supervision, faults that stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from hal.events import BoardLost, ContactorChanged, DoorChanged, EmergencyStopChanged, FaultRaised, PilotChanged
from hal.faults import fault_of
from hal.guard import ConsentLost
from hal.port_queue import CommandFailed
from hal.readings import Severity
from secc.conversation import ENDLESS, Asked, Conversation, Deadline, Party, Tell, Timeout
from secc.energy.contactor import FEEDBACK, Contactor, Opening
from secc.energy.effects import Announce, Notice, OpenDcContactor, WithdrawPower
from secc.energy.events import ContactorOpeningTold
from secc.session.effects import OpenContactor, PowerReported, ReportFault, SetOutput, StopPower
from secc.session.events import LimitChanged

TICK = Timeout(
    "power path supervision",
    0.1,
    "our choice: ramps, stale values and levels are looked at this often while power is on",
)

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
        self.contactor = Contactor(board)
        # These two only wake: what they tell of is a level.
        board.hear(PilotChanged, ContactorChanged)
        board.hear(Asked, by=self.asked)
        board.hear(SetOutput, by=self.target_set)
        board.hear(OpenContactor, by=self.session_over)
        board.hear(LimitChanged, by=self.limit_changed)
        board.hear(ContactorOpeningTold, by=self.opening_told)
        board.hear(FaultRaised, EmergencyStopChanged, DoorChanged, BoardLost, by=self.board_fault)
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
    def power_off(self, halt: Halt | None, due: Deadline | None = None) -> Conversation[None]:
        """Everything off, in order; ``halt`` is why, and whatever was being worked on has failed by it. Never raises ``Halt``.

        ``due`` is when whoever asked for it wants to hear whether the contactor is open.
        """

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

    def target_set(self, target: SetOutput) -> None:
        del target
        self.announce(Notice.TARGET_IGNORED)

    def limit_changed(self, event: LimitChanged) -> None:
        self.watts = event.watts

    def session_over(self, effect: OpenContactor) -> None:
        """The session is over. Its queued questions must not switch anything on any more."""
        del effect
        self.waiting.clear()
        self.stop(Halt("", "the session is over", report=False))

    def opening_told(self, event: ContactorOpeningTold) -> None:
        del event
        self.contactor.opening_told()

    def board_fault(self, event: FaultRaised | EmergencyStopChanged | DoorChanged | BoardLost) -> None:
        """The V2G session hears of it elsewhere, and ends in good order where the board leaves time for that."""
        fault = fault_of(event)
        if fault is not None and fault.severity is Severity.EMERGENCY:
            self.stop(Halt(fault.code, fault.text, abrupt=True, report=False))

    def consent_lost(self, event: ConsentLost) -> None:
        self.stop(Halt("interlock", event.reasons, abrupt=True))

    def command_failed(self, event: CommandFailed) -> None:
        if event.command in OPENING:
            # The guard goes on telling it, and the board opens by itself without the guard's beats.
            self.contactor.opening_told()
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
        return self.board.limit(TICK) if self.live or self.contactor.opening else None

    def supervise(self) -> None:
        """Look at the levels; to be extended. Here: a contactor that stays closed after it was told to open."""
        match self.contactor.look():
            case Opening.WELDED:
                self._weld()
            case Opening.UNKNOWN:
                self.opening_unknown()

    def _weld(self) -> None:
        self.contactor.give_up()
        if self.latched != "contactor-welded":
            halt = Halt("contactor-welded", f"feedback: {self.contactor.feedback}", abrupt=True, latched=True)
            if self.live:
                raise halt
            self.report(halt)

    def opening_unknown(self) -> None:
        """Without feedback the path cannot see whether the contactor is open, and does not report it open."""
        self.contactor.give_up()

    def until_opened(self, due: Deadline | None) -> Conversation[None]:
        """Until the contactor is open, or it is known that it is not."""
        yield from self.board.until(lambda: not self.contactor.opening, within=FEEDBACK, before=due)

    def whether_open(self) -> PowerReported:
        contactor = self.contactor
        return PowerReported(contactor.open, "" if contactor.open else f"contactor {contactor.feedback}")

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

"""What the AC and the DC path share: handlers, questions in a row, supervision, faults that stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from hal.events import BoardLost, ContactorChanged, DoorChanged, EmergencyStopChanged, FaultRaised, PilotChanged
from hal.faults import fault_of
from hal.guard import ConsentLost
from hal.port_queue import CommandFailed
from hal.readings import Severity
from secc.conversation import ENDLESS, Asked, Conversation, Deadline, Party, Tell
from secc.energy.contactor import FEEDBACK, Contactor, Opening
from secc.energy.effects import Announce, Notice, OpenDcContactor, WithdrawPower
from secc.energy.events import ContactorOpeningTold, Ticked
from secc.energy.power_limit import PowerLimit
from secc.session.effects import OpenContactor, PowerReported, ReportFault, SetOutput, StopPower
from secc.session.events import LimitChanged
from secc.session.schedules import KeepSchedule

OPENING = (OpenDcContactor.__name__, WithdrawPower.__name__)


class Halt(Exception):
    """The sequence cannot go on. An expected outcome of a wait; raised only within this package.

    ``code`` names the cause (empty: a stop was asked for); ``abrupt``: do not wait for the current
    to fall; ``report``: V2G session and plug-in have to hear of it; ``latched``: no power again
    until the car is unplugged.
    """

    def __init__(
        self, code: str, text: str = "", *, abrupt: bool = False, report: bool = True, latched: bool = False
    ) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code, self.text = code, text
        self.abrupt, self.report, self.latched = abrupt, report, latched


class Path(ABC):
    """The state of one power path for one plug-in. Handlers and supervision raise ``Halt`` while it
    is live, and only then.
    """

    def __init__(self, board: Party, watts: float | None) -> None:
        self.board = board
        self.power = PowerLimit(watts)
        self.waiting: deque[Asked] = deque()
        self.current: Asked | None = None
        """The question that is being worked on; it is answered exactly once."""
        self.latched: str | None = None
        """Why no power may be switched on again in this plug-in."""
        self.live = False
        """True from the request for power until it is certainly off: only then is ``Halt`` raised."""
        self.hurry = False
        """While switching off, an event came that does not allow waiting for the current to fall."""
        self.resting = False
        """True while it waits for a question."""
        self.contactor = Contactor(board)
        # These only wake the path: the levels have their values.
        board.hear(PilotChanged, ContactorChanged, Ticked)
        board.hear(Asked, by=self.asked)
        board.hear(SetOutput, by=self.target_set)
        board.hear(OpenContactor, by=self.session_over)
        board.hear(LimitChanged, by=self.limit_changed)
        board.hear(KeepSchedule, by=self.schedule_kept)
        board.hear(ContactorOpeningTold, by=self.opening_told)
        board.hear(FaultRaised, EmergencyStopChanged, DoorChanged, BoardLost, by=self.board_fault)
        board.hear(ConsentLost, by=self.consent_lost)
        board.hear(CommandFailed, by=self.command_failed)
        board.look(self.supervise)

    # The loop

    @abstractmethod
    def answer(self, asked: Asked) -> Conversation[None]:
        """Work on one question and tell the answer."""

    @abstractmethod
    def power_off(self, halt: Halt | None, due: Deadline | None = None) -> Conversation[None]:
        """Switch everything off in order; ``halt`` is the cause, with which the question under way
        has failed. Never raises ``Halt``.

        ``due`` is when the caller needs to know whether the contactor is open.
        """

    def run(self) -> Conversation[None]:
        """The whole conversation: answer one question after the other, and supervise between them.
        Unplugging ends it from outside.
        """
        halt: Halt | None = None
        while True:
            try:
                yield from self.power_off(halt)
                while True:
                    self.resting = True
                    yield from self.board.until(lambda: bool(self.waiting), within=ENDLESS)
                    self.resting = False
                    self.current = self.waiting.popleft()
                    yield from self.answer(self.current)
                    self.current = None
            except Halt as cause:
                halt, self.resting = cause, False

    # Handlers

    def asked(self, asked: Asked) -> None:
        self.waiting.append(asked)
        if isinstance(asked.question, StopPower) and self.live and self.current is not None:
            raise Halt("", "the session asks for an end", report=False)

    def target_set(self, target: SetOutput) -> None:
        del target
        self.announce(Notice.TARGET_IGNORED)

    def limit_changed(self, event: LimitChanged) -> None:
        """Set the power limit from now on."""
        self.power.watts = event.watts

    def schedule_kept(self, effect: KeepSchedule) -> None:
        """Keep the steps of a schedule from now on."""
        self.power.steps = effect.steps

    def session_over(self, effect: OpenContactor) -> None:
        """The session has ended: drop its queued questions so that none can switch power on."""
        del effect
        self.waiting.clear()
        self.stop(Halt("", "the session is over", report=False))

    def opening_told(self, event: ContactorOpeningTold) -> None:
        del event
        self.contactor.opening_told()

    def board_fault(self, event: FaultRaised | EmergencyStopChanged | DoorChanged | BoardLost) -> None:
        """Halt. The V2G session hears the event by itself, and ends in good order if the board
        leaves time.
        """
        fault = fault_of(event)
        if fault is not None and fault.severity is Severity.EMERGENCY:
            self.stop(Halt(fault.code, fault.text, abrupt=True, report=False))

    def consent_lost(self, event: ConsentLost) -> None:
        self.stop(Halt("interlock", event.reasons, abrupt=True))

    def command_failed(self, event: CommandFailed) -> None:
        if event.command in OPENING:
            # The guard repeats the order, and the board opens by itself without the guard's beats.
            self.contactor.opening_told()
        self.stop(Halt("command-failed", f"{event.command}: {event.text}", abrupt=False))

    def stop(self, halt: Halt) -> None:
        """End the sequence under way; one that ends already may only be made to hurry."""
        if self.live:
            raise halt
        if halt.abrupt:
            self.hurry = True

    # Supervision

    @property
    def supervised(self) -> bool:
        """Whether each tick has to check the levels: there is power, or may be."""
        return self.live or not self.resting or self.contactor.opening

    def supervise(self) -> None:
        """Check the levels; subclasses extend it. Here: a contactor that stays closed after an
        order to open.
        """
        if self.contactor.opening_since is not None or self.board.levels.contactor == "welded":
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
        """Without feedback the path cannot see whether the contactor is open, and does not report
        it open.
        """
        self.contactor.give_up()

    def until_opened(self, due: Deadline | None) -> Conversation[None]:
        """Wait until the contactor is open, or known not to be."""
        yield from self.board.until(lambda: not self.contactor.opening, within=FEEDBACK, before=due)

    def whether_open(self) -> PowerReported:
        contactor = self.contactor
        return PowerReported(contactor.open, "" if contactor.open else f"contactor {contactor.feedback}")

    # Reports

    def tell(self, asked: Asked, answer: object) -> None:
        self.board.do(Tell(asked.ticket, answer))

    def announce(self, notice: Notice) -> None:
        self.board.do(Announce(notice))

    def report(self, halt: Halt) -> None:
        """Report to V2G session and plug-in, and keep a latched fault until the car is unplugged."""
        if halt.latched:
            self.latched = halt.code
        if halt.report:
            self.board.do(ReportFault(halt.code, halt.text, halt.latched))

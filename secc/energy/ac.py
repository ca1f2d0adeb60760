"""The AC power path: the contactor closes for a car in C or D and opens behind it (IEC 61851-1)."""

from __future__ import annotations

from enum import StrEnum

from hal.guard import ConsentLost
from hal.interlock import Purpose
from secc.conversation import Asked, Conversation, Deadline, Party, Timeout
from secc.energy.arithmetic import overcurrent_amperes
from secc.energy.effects import AllowPower, Notice, ReleasePower, SeekConsent, SetOvercurrent, WithdrawPower
from secc.energy.path import Halt, Path
from secc.energy.settings import AcSettings
from secc.session.effects import (
    CableChecked,
    CheckCable,
    KeepCable,
    OpenContactor,
    PowerReported,
    StartPower,
    StopPower,
)

READY_STATE = Timeout("state C or D when power is to flow", 3.0, "IEC 61851-1 sequence 4")
CLOSING = Timeout("contactor closing", 3.0, "IEC 61851-1: from state C or D to the supply")
STEP_BACK = Timeout("state B when power is to end", 3.0, "IEC 61851-1 T_step_X1")


class Stage(StrEnum):
    """Whether the V2G session has asked for power, and whether the car takes it now."""

    OFF = "off"
    STARTING = "starting"
    ON = "on"
    PAUSED = "paused"
    RESUMING = "resuming"
    STOPPING = "stopping"


class AcPath(Path):
    """The AC power path of one plug-in."""

    def __init__(self, board: Party, settings: AcSettings) -> None:
        super().__init__(board, settings.watts)
        self.settings = settings
        self.stage = Stage.OFF
        self._overcurrent: float | None = None
        self._lower_at: float | None = None
        self._closing_at = 0.0

    def answer(self, asked: Asked) -> Conversation[None]:
        match asked.question:
            case StartPower(within):
                reason = yield from self._start(self.board.limit(within))
                self.tell(asked, PowerReported(reason is None, reason or ""))
            case StopPower(within):
                yield from self._stop(self.board.limit(within))
                self.tell(asked, self.whether_open())
            case CheckCable() | KeepCable():
                self.tell(asked, CableChecked(False, "invalid", "this is an AC outlet"))

    def _start(self, due: Deadline) -> Conversation[str | None]:
        """Close the contactor for a car in C or D. Returns what prevents it, or None."""
        if self.latched is not None:
            return self.latched
        if any(isinstance(later.question, StopPower) for later in self.waiting):
            return "an end has been asked for"
        # After a renegotiation the contactor is closed already.
        if self.stage is Stage.ON and self.contactor.closed:
            return None
        self.stage, self.live = Stage.STARTING, True
        if not (yield from self.board.until(lambda: self.board.levels.ready, within=READY_STATE, before=due)):
            raise Halt("pilot-not-ready", f"state {self.board.levels.pilot}", report=False)
        self._close()
        if not (yield from self.board.until(lambda: self.contactor.closed, within=CLOSING, before=due)):
            raise Halt("contactor-not-closed", f"feedback: {self.contactor.feedback}", report=False)
        self.stage = Stage.ON
        return None

    def _close(self) -> None:
        self.contactor.close()
        self._closing_at = self.board.now
        self._overcurrent = overcurrent_amperes(self.settings.limits, self.power.at(self.board.now))
        self._lower_at = None
        self.board.do(SetOvercurrent(self._overcurrent))
        self.board.do(SeekConsent(Purpose.AC))
        self.board.do(AllowPower())

    def _stop(self, due: Deadline) -> Conversation[None]:
        """Wait for the car to open its switch, so that the contactor opens without load; then open,
        under load if needed.
        """
        # From here on the car may leave C.
        self.live, self.stage, self.hurry = False, Stage.STOPPING, False
        if self.contactor.closed:
            yield from self.board.until(
                lambda: self.hurry or not self.board.levels.ready or self.contactor.open,
                within=STEP_BACK,
                before=due,
            )
        yield from self.power_off(None, due)

    def power_off(self, halt: Halt | None, due: Deadline | None = None) -> Conversation[None]:
        """Open the contactor now."""
        self.live, self.stage, self.hurry = False, Stage.OFF, False
        self.power.steps = ()
        self.board.do(WithdrawPower())
        self.board.do(ReleasePower())
        if halt is not None:
            self.report(halt)
            asked, self.current = self.current, None
            if asked is not None:
                self.tell(asked, PowerReported(False, str(halt)))
        self.contactor.expect_open()
        yield from self.until_opened(due)

    def supervise(self) -> None:
        super().supervise()
        if not self.live:
            return
        if self.stage is Stage.ON:
            if not self.board.levels.ready:
                self._pause()
            elif not self.contactor.closed:
                raise Halt("contactor-opened", f"feedback: {self.contactor.feedback}", abrupt=True)
        elif self.stage is Stage.PAUSED:
            self._follow_pause()
        elif self.stage is Stage.RESUMING:
            self._follow_resumption()
        self._follow_limit()

    def _pause(self) -> None:
        """The car opened its switch while charging, as it may; the board has opened already."""
        self.stage = Stage.PAUSED
        self.contactor.expect_open()
        self.board.do(WithdrawPower())
        self.board.do(ReleasePower())
        self.announce(Notice.CAR_PAUSED)

    def _follow_pause(self) -> None:
        if self.board.levels.ready and not self.contactor.opening:
            self.stage = Stage.RESUMING
            self._close()
            self.announce(Notice.CAR_RESUMED)

    def opening_unknown(self) -> None:
        if self.live:
            raise Halt("contactor-unknown", f"feedback: {self.contactor.feedback}")
        super().opening_unknown()

    def _follow_resumption(self) -> None:
        if not self.board.levels.ready:
            self._pause()
        elif self.contactor.closed:
            self.stage = Stage.ON
        elif self.board.now >= self._closing_at + CLOSING.seconds:
            raise Halt("contactor-not-closed", f"feedback: {self.contactor.feedback}")

    def _follow_limit(self) -> None:
        """Raise the protection at once; lower it after the car's time to follow."""
        if self._overcurrent is None:
            return
        now = self.board.now
        wanted = overcurrent_amperes(self.settings.limits, self.power.at(now))
        if wanted >= self._overcurrent:
            self._lower_at = None
        elif self._lower_at is None:
            self._lower_at = now + self.settings.adaptation_seconds
        if wanted > self._overcurrent or (self._lower_at is not None and now >= self._lower_at):
            self._overcurrent, self._lower_at = wanted, None
            self.board.do(SetOvercurrent(wanted))

    def session_over(self, effect: OpenContactor) -> None:
        # Stop waiting for the car to open its switch.
        self.hurry = True
        super().session_over(effect)

    def consent_lost(self, event: ConsentLost) -> None:
        if self.board.levels.ready:
            super().consent_lost(event)

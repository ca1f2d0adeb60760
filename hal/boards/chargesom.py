"""chargebyte Charge SOM and Charge Control Y: an AC outlet behind their safety controller.

The controller needs a Charge Control frame every 100 ms, otherwise it goes to its safe state (pilot
F, contactors open), which only a reset ends. The driver repeats the frames only while the station's
heartbeat goes on, so that a station that hangs or has ended leads to the safe state.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from typing import Final

from hal.boards.chargesom_faults import OVER_TEMPERATURE, TEMPERATURE_SENSOR, levels_of, trouble_of
from hal.boards.chargesom_frames import (
    RCM_SELF_TEST,
    ChargeState,
    Com,
    Deframer,
    Residual,
    charge_control,
    charge_state,
    inquiry,
    temperatures,
)
from hal.boards.driven import COMMAND_SECONDS, Outlet
from hal.boards.serial_board import SerialBoard
from hal.boards.troubles import PILOT_DIODE
from hal.boards.uart import Connect
from hal.drivers_kit import within
from hal.errors import HalError, HalLost, HalRejected, HalUnsupported
from hal.faults import Trouble
from hal.linux.gpio import OutputLine
from hal.readings import BoardCapabilities, ContactorState, PilotReading, PilotState

log = logging.getLogger(__name__)

CONTROL_SECONDS: Final = 0.05
"""Half of the interval at which the controller expects a frame: one late turn of the event loop
does not cause a time-out.
"""

SILENT_SECONDS: Final = 0.29
"""Two reports missing in a row. A controller that restarts is silent for 300 ms, so each restart is
noticed.
"""

QUIET_SECONDS: Final = 1.5
"""Pause in sending before a reset out of the safe state; within it a controller that does not
receive frames has opened.
"""

REST_SECONDS: Final = 3.0
"""The least time in the safe state: the station reads the reason while the board answers, and the
car sees F.
"""

STARTUP_SECONDS: Final = 0.3
RESET_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 2.0
RESTART_SECONDS: Final = 10.0
"""The least time between two restarts of a controller that returns to its safe state."""

SELF_TEST_SECONDS: Final = 5.0
RESTING: Final = frozenset({"internal_error", "contactor_welded", "residual_current", "residual_current_test"})
"""Safe states that a person has to check: no restart before :meth:`Faults.clear`."""


class Phase(enum.Enum):
    STARTING = "gets control frames, has not answered in the normal state yet"
    RUNNING = "answers in the normal state"
    SAFE = "answers in its safe state"
    QUIET = "nothing is sent before a reset"
    RESETTING = "in reset, or just out of it"


class ChargeSom(SerialBoard):
    """``contactors``: number of the controller's outputs, from the first, that drive the outlet's
    contactor (1 to 3).

    ``reset``: without this line the controller leaves its safe state only by a power cycle.
    """

    def __init__(
        self, name: str, connect: Connect, outlet: Outlet, *, contactors: int = 1, reset: OutputLine | None = None
    ) -> None:
        super().__init__(
            name,
            connect,
            outlet,
            BoardCapabilities(opens_itself=True, heartbeat_seconds=1.0),
            phase=Phase.STARTING,
            reset=reset,
            turn_seconds=CONTROL_SECONDS,
        )
        self.temperatures: tuple[float, ...] = ()
        self._deframer = Deframer()
        self._contactors = (1 << contactors) - 1
        self._sent = self._reported = 0.0
        self._restarted: float | None = None
        self._state: ChargeState | None = None
        self._waiting: list[tuple[Callable[[ChargeState], bool], asyncio.Future[None]]] = []
        self._resetting: asyncio.Task[None] | None = None
        self._safe_trouble: Trouble | None = None

    # --- coming and going ---

    async def _start(self) -> None:
        self._reconnect()
        ready = self._expect(lambda state: state.normal)
        if self._reset is not None:
            self._begin_reset()
        else:
            self._begin()
        self._tick()
        try:
            async with asyncio.timeout(ANSWER_SECONDS + STARTUP_SECONDS):
                await ready
        except TimeoutError:
            if self._phase is Phase.SAFE and self._state is not None:
                raise HalRejected(
                    f"the safety controller is in its safe state (reason {self._state.reason}), which only a reset ends"
                ) from None
            raise HalLost("the safety controller does not answer") from None

    async def _stop(self) -> None:
        if self._resetting is not None:
            self._resetting.cancel()
        await super()._stop()

    async def _leave(self) -> None:
        if self._phase in (Phase.RUNNING, Phase.STARTING):
            # One frame to end in order. Then the missing frames lead to the safe state in any case.
            self._write(charge_control(1.0, 0))
            await asyncio.sleep(CONTROL_SECONDS)

    def _begin(self) -> None:
        self._deframer = Deframer()
        self._enter(Phase.STARTING)

    # --- the turn of the clock ---

    def _tick(self) -> None:
        if not self.healthy and self._reported and self._loop.time() - self._since >= QUIET_SECONDS:
            # It has opened by now: it got the command, or got no frames and is in its safe state,
            # or has no power.
            self.feedback = False
            self.levels.note_contactor(ContactorState.OPEN)
        super()._tick()

    def _turn(self, now: float) -> None:
        self._check_silence(now)
        if self._phase is Phase.SAFE and self._may_restart(now):
            self.lose("the safety controller is restarted out of its safe state")
            self._enter(Phase.QUIET)
            self._restarted = now
        if self._phase is Phase.QUIET and now - self._sent >= QUIET_SECONDS:
            self._begin_reset()
        if self._phase is Phase.STARTING and now - self._since >= ANSWER_SECONDS and self._reset is not None:
            self._begin_reset()
        self._control()

    def _check_silence(self, now: float) -> None:
        if self._phase in (Phase.RUNNING, Phase.SAFE) and now - self._reported > SILENT_SECONDS:
            self._vanish(f"no report from the safety controller for {now - self._reported:.2f} s")

    def _control(self) -> None:
        """Repeat the Charge Control, while there are beats, or before the first beat, when no
        contactor can be closed.
        """
        # Check before every frame: a controller that has just restarted must not get a command to
        # close.
        self._check_silence(self._loop.time())
        if self._line is None or self._phase not in (Phase.RUNNING, Phase.STARTING) or self.abandoned:
            return
        try:
            self._write(charge_control(self._duty, self._contactors if self.commanded else 0))
        except HalError as error:
            self._hang_up(str(error))
        else:
            self._sent = self._loop.time()

    def _forget(self) -> None:
        self._enter(Phase.STARTING)

    def _refuse(self, text: str) -> None:
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(HalLost(text))
        self._waiting.clear()

    # --- out of the safe state ---

    def _may_restart(self, now: float) -> bool:
        state = self._state
        if self._reset is None or state is None or state.emergency_stopped or self.abandoned:
            return False
        if now - self._since < REST_SECONDS:
            return False
        if any(fault.code in RESTING for fault in self.faults.active):
            return False
        return self._restarted is None or now - self._restarted >= RESTART_SECONDS

    def _begin_reset(self) -> None:
        self._enter(Phase.RESETTING)
        self._resetting = asyncio.ensure_future(self._pulse())

    async def _pulse(self) -> None:
        assert self._reset is not None
        try:
            self._reset.set(True)
            await asyncio.sleep(RESET_SECONDS)
            self._reset.set(False)
            await asyncio.sleep(STARTUP_SECONDS)
        except HalError as error:
            log.error("board %s: the reset line does not work: %s", self.name, error)
        self._duty = 1.0
        self._enter(Phase.STARTING)
        self._control()

    # --- commands ---

    async def _drive(self, duty: float | None) -> None:
        assert duty is not None
        if self._phase is Phase.SAFE and duty != 0.0:
            raise HalRejected(f"the safety controller is in its safe state (fault {self.faults.emergency})")
        self._duty = round(duty, 3)
        wanted = self._duty
        if self._phase is Phase.SAFE:
            return  # F is what its safe state drives
        # A later command replaces this one, which then also counts as done.
        confirmed = self._expect(lambda state: state.duty == wanted or self._duty != wanted)
        self._control()
        async with within(COMMAND_SECONDS, f"the safety controller does not confirm a duty of {wanted:g}"):
            await confirmed

    def _switch(self, closed: bool) -> None:
        if self._line is not None and (closed or not self.abandoned):
            self._control()
        else:
            # The last frame; the missing ones then lead to the safe state.
            self._write(charge_control(self._duty, 0))

    async def test_residual_current(self) -> bool:
        self.demand()
        if self._state is None or self._state.residual is Residual.NOT_CONFIGURED:
            raise HalUnsupported("no residual-current monitor is configured on this controller")
        began = self._expect(lambda state: state.residual in (Residual.SELF_TEST, Residual.ERROR))
        self._write(inquiry(Com.ACTION, RCM_SELF_TEST))
        async with within(SELF_TEST_SECONDS, "the self-test of the residual-current monitor does not end"):
            await began
            await self._expect(lambda state: state.residual is not Residual.SELF_TEST)
        return self._state.residual is Residual.MONITORING

    def _expect(self, what: Callable[[ChargeState], bool]) -> asyncio.Future[None]:
        """Returns a future that completes with the first report for which this is true; HalLost if
        no more reports come.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting = [(seen, waiting) for seen, waiting in self._waiting if not waiting.done()]
        self._waiting.append((what, future))
        return future

    # --- reports of the controller ---

    def _hear(self, octets: bytes) -> None:
        for com, data in self._deframer.feed(octets):
            if self._phase is Phase.RESETTING:
                continue  # sent before the reset
            if com == Com.CHARGE_STATE:
                self._take(charge_state(data))
            elif com == Com.PT1000_STATE and self.healthy:
                channels = temperatures(data)
                self.temperatures = tuple(channel.celsius for channel in channels)
                self.report(OVER_TEMPERATURE, any(channel.stopped for channel in channels))
                self.report(TEMPERATURE_SENSOR, any(channel.malfunction for channel in channels))

    def _take(self, state: ChargeState) -> None:
        if state.safe_state not in (0, 1) or self._phase is Phase.QUIET:
            return  # the controller does not know its own state yet: counts as no report
        now = self._loop.time()
        self._state, self._reported = state, now
        self.levels.confirm(now)
        if state.normal and self._phase is not Phase.RUNNING:
            if state.duty != 1.0 or any(state.contactors):
                return  # not yet in the safe state that the station starts from
            self._run()
        elif not state.normal and self._phase is not Phase.SAFE:
            self._rest(state)
        self._note(state)
        for seen, future in self._waiting:
            if not future.done() and seen(state):
                future.set_result(None)

    def _run(self) -> None:
        """The controller is normal, with pilot x1 and contactors open: charging may begin."""
        self._enter(Phase.RUNNING)
        if self._safe_trouble is not None:
            self.faults.forget(self._safe_trouble.code)
            self._safe_trouble = None
        self.levels.recover()

    def _rest(self, state: ChargeState) -> None:
        """The controller is in its safe state: it answers, and everything is off."""
        self._enter(Phase.SAFE)
        self._safe_trouble = trouble_of(state.reason)
        self.fail(self._safe_trouble)
        # The cause may have ended; if not, the reports show it as another fault. So do not refuse
        # to clear this one.
        if self._safe_trouble.latched:
            self.faults.end(self._safe_trouble.code)

    def _note(self, state: ChargeState) -> None:
        if not self.healthy:
            return
        self.hear_inputs(emergency_stopped=state.emergency_stopped)
        for trouble, there in levels_of(state):
            self.report(trouble, there)
        closed = None if None in state.contactors or not state.contactors else any(state.contactors)
        if closed and not all(state.contactors) and self.commanded:
            closed = None  # not all have closed yet
        self.hear_contactor(closed)
        self.hear_pilot(PilotReading(state.pilot, 0.0, self._loop.time(), state.duty))
        if state.pilot is PilotState.A and not state.pilot_diode:
            self.faults.forget(PILOT_DIODE.code)
        self.levels.note_cable(state.cable_amperes)

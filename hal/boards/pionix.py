"""Yeti and its siblings (PhyVerso, TIDA-010939, AD-ACEVSE22KWZ): an AC outlet behind a controller
of the Pionix family.

The controller reports changes, and a keep-alive every second. It confirms no command and may lose
one, so the driver repeats: power off ten times a second until the relay reports open, everything
else with each keep-alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import logging
from collections.abc import Callable
from typing import Final

from hal.boards.driven import COMMAND_SECONDS, Outlet
from hal.boards.pionix_dialects import CP_STATES, PP_AMPERES, PP_FAULT, X1, Dialect
from hal.boards.pionix_meter import PowerMeter
from hal.boards.pionix_wire import Fields, Unpacker, field, packet, parse
from hal.boards.serial_board import SerialBoard
from hal.boards.troubles import PILOT_DIODE, PROXIMITY
from hal.boards.uart import Connect
from hal.drivers_kit import within
from hal.errors import HalError, HalLost, HalUnsupported
from hal.linux.gpio import OutputLine
from hal.ports import Meter
from hal.readings import BoardCapabilities, LockState, PilotReading, PilotState

log = logging.getLogger(__name__)

TURN_SECONDS: Final = 0.1
KEEP_ALIVE_SECONDS: Final = 1.0
LOST_SECONDS: Final = 5.0
"""Without a keep-alive of the controller for this long the link is lost."""

RESET_REASON_SECONDS: Final = 1.0
COMING_UP_SECONDS: Final = 3.0
RESET_PULSE_SECONDS: Final = 0.01
_LOCKS: Final = {1: LockState.UNLOCKED, 2: LockState.LOCKED}


class Phase(enum.Enum):
    RESETTING = "reset requested; messages that come now were sent before it"
    COMING_UP = "commanded off; waiting for its keep-alive and its pilot"
    RUNNING = "keep-alive and pilot are known"


class PionixBoard(SerialBoard):
    """``connector``: 1 or 2 on a board with two of them. ``reset``: the controller's reset line;
    without it, the reset message.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        outlet: Outlet,
        dialect: Dialect,
        *,
        connector: int = 1,
        reset: OutputLine | None = None,
        revision: int = 2,
        meter: str = "",
    ) -> None:
        # Their makers say that they open on pilot and fault, but not that they open in time without
        # a heartbeat.
        super().__init__(
            name,
            connect,
            outlet,
            BoardCapabilities(opens_itself=False, heartbeat_seconds=1.0),
            phase=Phase.RESETTING,
            reset=reset,
            turn_seconds=TURN_SECONDS,
        )
        self.software = ""
        self._dialect = dialect
        self._connector = connector
        self._revision = revision
        self._unpacker = Unpacker()
        self._kept = self._alive = 0.0
        self._raw_pilot: PilotState | None = None
        self._answered = False
        self._ready: asyncio.Future[None] | None = None
        self._locking: asyncio.Future[None] | None = None
        self._wanted_lock: LockState | None = None
        self._power_meter = PowerMeter(meter or dialect.name.upper(), self._loop) if dialect.heard_meter else None

    @property
    def meter(self) -> Meter | None:
        return self._power_meter

    # --- coming and going ---

    async def _start(self) -> None:
        self._ready = self._loop.create_future()
        self._reconnect()
        self._begin()
        self._tick()
        patience = RESET_REASON_SECONDS + COMING_UP_SECONDS + 2 * TURN_SECONDS
        async with within(patience, f"no {self._dialect.name} controller answers on this line", HalLost):
            await self._ready

    async def _leave(self) -> None:
        # Twice, because it cannot be repeated later.
        for _ in range(2):
            self._say(self._dialect.allow_power(False), field(self._dialect.pwm, X1))
            await asyncio.sleep(0.02)

    def _begin(self) -> None:
        """Reset the controller: it reports levels only while it starts."""
        self._unpacker = Unpacker()
        self._enter(Phase.RESETTING)
        self._forget()
        if self._reset is None:
            self._say(field(self._dialect.reset, 1))
            return
        self._reset.set(True)
        reset = self._reset
        self._loop.call_later(RESET_PULSE_SECONDS, lambda: reset.set(False))

    def _come_up(self) -> None:
        """Command off and x1, after three keep-alives that synchronise the packets of both sides."""
        self._enter(Phase.COMING_UP)
        self._duty = 1.0
        self._say(*(self._greeting() for _ in range(3)))
        self._say(self._dialect.allow_power(False), field(self._dialect.pwm, X1))

    def _forget(self) -> None:
        self._raw_pilot, self._answered, self.feedback = None, False, None

    def _refuse(self, text: str) -> None:
        for future in (self._ready, self._locking):
            if future is not None and not future.done():
                future.set_exception(HalLost(text))
        if self._power_meter is not None:
            self._power_meter.lose(text)

    # --- the turn of the clock ---

    def _turn(self, now: float) -> None:
        if self._phase is Phase.RUNNING and now - self._alive >= LOST_SECONDS:
            self._vanish(f"no keep-alive from the controller for {now - self._alive:.1f} s")
            self._begin()
        elif self._phase is Phase.RESETTING and now - self._since >= RESET_REASON_SECONDS:
            self._come_up()
        elif self._phase is Phase.COMING_UP and now - self._since >= COMING_UP_SECONDS:
            if self._answered:
                # It answers but does not report its pilot: take it as UNKNOWN, which keeps the
                # power off.
                self._raw_pilot = PilotState.UNKNOWN
                self._run()
            else:
                self._begin()
        if self._phase is Phase.RESETTING:
            return
        if self.feedback is not False and not self.commanded:
            self._say(self._dialect.allow_power(False))
        if now - self._kept >= KEEP_ALIVE_SECONDS and not self.abandoned:
            self._kept = now
            self._say(self._greeting(), self._dialect.allow_power(self.commanded))
            # In state A a controller may have gone to x1 by itself; an oscillator has no effect
            # there.
            if self._duty in (0.0, 1.0) or self._raw_pilot is not PilotState.A:
                self._say(field(self._dialect.pwm, self._hundredths()))

    def _greeting(self) -> bytes:
        return field(self._dialect.keep_alive, field(6, b"n/a"))

    def _hundredths(self) -> int:
        return X1 if self._duty == 1.0 else round(self._duty * 10000)

    def _say(self, *messages: bytes) -> None:
        connector = b"" if self._dialect.connector is None else field(self._dialect.connector, self._connector)
        for message in messages:
            self._write(packet(message + connector))

    # --- commands ---

    async def _drive(self, duty: float | None) -> None:
        if duty is None:
            raise HalUnsupported("these controllers have no E")
        self._duty = round(duty, 4)
        self._say(field(self._dialect.pwm, self._hundredths()))
        self._note_pilot()

    def _switch(self, closed: bool) -> None:
        self._say(self._dialect.allow_power(closed))

    async def switch_phases(self, phases: int) -> None:
        if self._dialect.phases is None:
            await super().switch_phases(phases)
        else:
            self.demand()
            self._say(field(self._dialect.phases, int(phases == 3)))

    async def move_lock(self, locked: bool) -> None:
        self.demand()
        wanted = LockState.LOCKED if locked else LockState.UNLOCKED
        self._say(field(self._dialect.lock, int(locked)))
        if self.levels.lock.state is wanted:
            return
        self._wanted_lock = wanted
        self._locking = self._loop.create_future()
        async with within(COMMAND_SECONDS, f"the lock does not confirm {wanted.value}"):
            await self._locking

    # --- messages of the controller ---

    def _hear(self, octets: bytes) -> None:
        for message in self._unpacker.feed(octets):
            fields = parse(message)
            if fields is not None and self._ours(fields):
                self._take(fields)

    def _ours(self, fields: Fields) -> bool:
        """Whether a message is for this connector; one without a connector is for the whole board."""
        number = self._dialect.heard_connector
        return number is None or fields.number(number) in (0, self._connector)

    def _take(self, fields: Fields) -> None:
        dialect, values = self._dialect, fields.values
        if dialect.heard_reset in values:
            self._hear_reset()
        elif self._phase is Phase.RESETTING and dialect.heard_config not in values:
            return
        now = self._loop.time()
        self.levels.confirm(now)
        readers: tuple[tuple[int | None, Callable[[Fields, int], None]], ...] = (
            (dialect.heard_keep_alive, self._hear_keep_alive),
            (dialect.heard_errors, self._hear_errors),
            (dialect.heard_contactor, self._hear_contactor),
            (dialect.heard_pilot, self._hear_pilot),
            (dialect.heard_proximity, self._hear_proximity),
            (dialect.heard_lock, self._hear_lock),
            (dialect.heard_meter, self._hear_meter),
            (dialect.heard_config, self._hear_config),
        )
        for number, reader in readers:
            if number is not None and number in values:
                reader(fields, number)
        if self._phase is Phase.COMING_UP and self._answered and self._raw_pilot is not None:
            self._run()

    def _run(self) -> None:
        self._enter(Phase.RUNNING)
        self.levels.recover()
        # The controller reports changes only, starting from open and without errors: no report
        # after a reset means that.
        self.hear_contactor(bool(self.feedback))
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        self._note_pilot()

    def _hear_reset(self) -> None:
        if self._phase is not Phase.RESETTING:
            self._vanish("the controller has restarted by itself")
        self._forget()
        for trouble in self._dialect.errors.values():
            self.faults.end(trouble.code)
        with contextlib.suppress(HalError):
            self._come_up()

    def _hear_keep_alive(self, fields: Fields, number: int) -> None:
        self._alive = self._loop.time()
        self._answered = True
        about = fields.message(number)
        self.software = about.octets(6).decode("ascii", "replace")[:50]
        limit = about.real(7)
        if limit >= self.ac.capabilities.min_amperes:
            amperes = min(limit, self.ac.capabilities.max_amperes)
            self.ac.capabilities = dataclasses.replace(self.ac.capabilities, max_amperes=amperes)

    def _hear_errors(self, fields: Fields, number: int) -> None:
        flags = fields.message(number)
        for bit, trouble in self._dialect.errors.items():
            self.report(trouble, flags.flag(bit))

    def _hear_contactor(self, fields: Fields, number: int) -> None:
        if self._dialect.coil:
            coil = fields.message(number)
            if coil.number(1) == 1:  # number of the AC coil
                self.hear_contactor(coil.flag(2))
        else:
            self.hear_contactor(fields.flag(number))

    def _hear_pilot(self, fields: Fields, number: int) -> None:
        self._raw_pilot = CP_STATES.get(fields.number(number), PilotState.UNKNOWN)
        if self._raw_pilot is PilotState.A and not self.faults.caused(PILOT_DIODE.code):
            self.faults.forget(PILOT_DIODE.code)
        self._note_pilot()

    def _note_pilot(self) -> None:
        """Note F while the station drives F, whatever the controller reports; afterwards its last
        report counts again.
        """
        if self.healthy and self._raw_pilot is not None:
            state = PilotState.F if self._duty == 0.0 else self._raw_pilot
            self.hear_pilot(PilotReading(state, 0.0, self._loop.time(), self._duty))

    def _hear_proximity(self, fields: Fields, number: int) -> None:
        code = fields.number(number)
        self.report(PROXIMITY, code == PP_FAULT)
        self.levels.note_cable(PP_AMPERES.get(code))

    def _hear_lock(self, fields: Fields, number: int) -> None:
        self.levels.note_lock(_LOCKS.get(fields.number(number), LockState.UNKNOWN))
        if self._locking is not None and not self._locking.done() and self.levels.lock.state is self._wanted_lock:
            self._locking.set_result(None)

    def _hear_meter(self, fields: Fields, number: int) -> None:
        if self._power_meter is not None:
            self._power_meter.take(fields.message(number))

    def _hear_config(self, fields: Fields, number: int) -> None:
        if self._dialect.config is not None:
            with contextlib.suppress(HalError):
                self._say(field(self._dialect.config, field(1, self._revision)))

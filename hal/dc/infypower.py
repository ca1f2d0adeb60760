"""A DC supply of Infypower modules in parallel, over CAN.

One loop repeats every frame: questions, setpoints while on, "off" until every module has confirmed
it. The station's commands change what the loop sends. Each module is addressed singly: group and
broadcast addresses might reach modules of another outlet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterable

from hal.address import Address
from hal.dc.can import CanSocket, Frame, can_interface
from hal.dc.frames import CONTROLLER, Command, answer, question, setpoint, switch
from hal.dc.module import ALARMS, Bounds, Module, together
from hal.drivers_kit import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Tell
from hal.errors import HalError, HalLost, HalRejected, HalTimeout
from hal.faults import ActiveFaults, Trouble
from hal.readings import DcCapabilities, DcPhase, DcPresent, Severity

log = logging.getLogger(__name__)

CYCLE_SECONDS = 0.05
"""How often to ask for measurements while the output is on: the port promises values of at most 100
ms.
"""

RESTING_CYCLES = 5
SLOW_CYCLES = 4
"""Status, external voltage and the setpoint are sent every this many cycles; the modules take the
setpoint as a heartbeat.
"""

BURST_FRAMES = 6
BURST_PAUSE_SECONDS = 0.004
"""A CAN interface queues ten frames by default. A frame and its answer take 2 ms at 125 kbit/s."""

OPEN_SECONDS = 3.0
ON_SECONDS = 1.0
OFF_SECONDS = 2.0
SILENT_SECONDS = 0.5
SILENT_AT_REST_SECONDS = 2.0
BEAT_SECONDS = 1.0
SMALL_AMPERES = 2.0
"""The most that flows in cable check and precharge (IEC 61851-23)."""

LOST = "supply-lost"
NOT_OFF = Trouble("supply-not-off", Severity.EMERGENCY, f"no confirmation after {OFF_SECONDS:g} s")
OPTIONS = ("modules", "controller", "max_volts", "max_amperes", "max_watts", "ramp")


class InfypowerSupply:
    """The supply as a part of a board. ``connect`` opens the bus; it is called again after the bus
    was lost.
    """

    def __init__(
        self,
        connect: Callable[[], CanSocket],
        modules: Iterable[int],
        *,
        controller: int = CONTROLLER,
        bounds: Bounds | None = None,
    ) -> None:
        self._connect = connect
        self._controller = controller
        self._modules = {address: Module(address) for address in modules}
        self._bounds = bounds if bounds is not None else Bounds()
        self._capabilities: DcCapabilities | None = None
        self.faults = ActiveFaults()
        self._bus: CanSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._target: tuple[float, float] | None = None
        self._amperes = 0.0
        """Where the ramp is."""
        self._ramped_at = 0.0
        self._switched_at = -math.inf
        self._off_confirmed = False
        self._beat_at = -math.inf
        self._cut_off_at = -math.inf

    # --- the port (the contactor belongs to the board) ---

    @property
    def capabilities(self) -> DcCapabilities:
        """Raises HalLost before :meth:`open`."""
        if self._capabilities is None:
            raise HalLost("the supply has not been opened")
        return self._capabilities

    @property
    def present(self) -> DcPresent:
        """Returns the highest voltage before or after the modules' diodes, the sum of their
        currents, and the oldest time.
        """
        modules = self._modules.values()
        at = min(module.measured_at for module in modules)
        if at == -math.inf:
            return DcPresent(0.0, 0.0, at)
        volts = max(max(module.measurement.volts, module.external.volts) for module in modules)
        return DcPresent(volts, sum(module.measurement.amperes for module in modules), at)

    @property
    def on(self) -> bool:
        """Whether it is ordered on, or has not yet confirmed that it is off."""
        return self._target is not None or not self._off_confirmed

    async def set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        """Switch on and ramp towards this target. Returns when every module has confirmed that it
        is on; raises HalTimeout after 1 s.
        """
        limits = self.capabilities
        if not limits.min_volts <= volts <= limits.max_volts:  # NaN is outside as well
            raise HalRejected(f"{volts:g} V is outside {limits.min_volts:g} to {limits.max_volts:g}")
        if not 0.0 <= amperes <= limits.max_amperes:
            raise HalRejected(f"{amperes:g} A is outside 0 to {limits.max_amperes:g}")
        loop = asyncio.get_running_loop()
        if self._bus is None or LOST in self.faults:
            raise HalLost("the supply does not answer")
        if loop.time() - self._beat_at > BEAT_SECONDS:
            raise HalRejected("no heartbeat from the station")
        first = self._target is None
        if first and any(fault.severity > Severity.WARNING for fault in self.faults.active):
            raise HalRejected(f"the supply has a fault: {', '.join(fault.code for fault in self.faults.active)}")
        if first:
            self._amperes, self._ramped_at = 0.0, loop.time()
            self._switched_at, self._off_confirmed = loop.time(), False
        self._target = (volts, amperes if phase is DcPhase.CHARGE else min(amperes, SMALL_AMPERES))
        try:
            for module in self._modules:
                self._send(self._setpoint(module))
                if first:
                    self._send(switch(True, module, self._controller))
        except HalError:
            if first:
                self.switch_off()
            raise
        await self._come_on()

    async def off(self) -> None:
        """Switch off. Returns when every module has confirmed it and less than 1 A flows; raises
        HalTimeout after 2 s.

        The order is repeated until it is confirmed, also after an error.
        """
        self.switch_off()
        if not await _until(lambda: self._off_confirmed, OFF_SECONDS if self._task is not None else 0.0):
            late = [module.address for module in self._modules.values() if not module.off_since(self._switched_at)]
            raise HalTimeout(f"supply modules {late} do not confirm that they are off")

    def switch_off(self) -> None:
        """Order "off" now, without waiting for anything. Never raises."""
        if self._target is not None or self._off_confirmed:
            self._target, self._off_confirmed = None, False
            self._switched_at = asyncio.get_running_loop().time()
        with contextlib.suppress(HalError):  # the loop repeats it
            for module in self._modules:
                self._send(switch(False, module, self._controller))

    def beat(self) -> None:
        """Heartbeat of the station. Without one for a second the supply switches itself off."""
        self._beat_at = asyncio.get_running_loop().time()

    # --- the part ---

    async def open(self, tell: Tell) -> None:
        """Connect, switch off, and ask every module for its ratings. Raises HalLost without a bus,
        HalTimeout if a module does not answer.
        """
        loop = asyncio.get_running_loop()
        self.faults.tell = tell
        self._attach(self._connect())
        self._switched_at = loop.time()
        self._task = loop.create_task(self._run(), name="supply")
        modules = self._modules.values()
        try:
            if not await _until(lambda: all(each.known for each in modules) and self._off_confirmed, OPEN_SECONDS):
                missing = [module.address for module in modules if not module.known]
                raise HalTimeout(f"supply modules {missing or list(self._modules)} do not answer, or are not off")
            self._capabilities = together(modules, self._bounds)
        except BaseException:
            await self._detach()
            raise

    async def close(self) -> None:
        if self._task is None:
            return
        with contextlib.suppress(HalError):
            await self.off()
        await self._detach()

    def _attach(self, bus: CanSocket) -> None:
        bus.on_frame, bus.on_lost = self._hear, self._cut_off
        self._bus = bus

    async def _detach(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    # --- the loop ---

    async def _run(self) -> None:
        cycle = 0
        while True:
            started = asyncio.get_running_loop().time()
            if self._bus is None or not self._bus.usable:
                await self._reconnect()
            try:
                await self._say(cycle)
            except HalLost as error:
                self._cut_off(error)
            except HalError as error:
                log.debug("cycle cut short: %s", error)
            self._watch()
            cycle += 1
            await asyncio.sleep(max(0.001, CYCLE_SECONDS - (asyncio.get_running_loop().time() - started)))

    async def _reconnect(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            self._watch()
            try:
                self._attach(self._connect())
            except HalError as error:
                log.debug("no CAN bus: %s", error)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, LONGEST_PAUSE_SECONDS)

    async def _say(self, cycle: int) -> None:
        sent = 0
        for frame in self._round(cycle):
            if sent == BURST_FRAMES:
                sent = 0
                await asyncio.sleep(BURST_PAUSE_SECONDS)
            self._send(frame)
            sent += 1

    def _round(self, cycle: int) -> Iterable[Frame]:
        """Yields the frames of this cycle one by one, so that a command between them applies from
        the next frame on.
        """
        slow, even = cycle % SLOW_CYCLES == 0, cycle % 2 == 0
        changing = self._ramp()
        for address, module in self._modules.items():
            if not self._off_confirmed and even:
                # Status and measurement confirm the switching, so ask for them until it is
                # confirmed.
                if self._target is None:
                    yield switch(False, address, self._controller)
                elif not module.on_since(self._switched_at):
                    yield switch(True, address, self._controller)
                yield question(Command.STATUS, address, self._controller)
            elif slow:
                yield question(Command.STATUS, address, self._controller)
            if self.on or cycle % RESTING_CYCLES == 0:
                yield question(Command.MEASUREMENT, address, self._controller)
            if self._target is not None and (changing or slow):
                yield self._setpoint(address)
            if slow:
                yield question(Command.EXTERNAL, address, self._controller)
                if module.ratings is None:
                    yield question(Command.RATINGS, address, self._controller)

    def _ramp(self) -> bool:
        """Move the current towards its target: up by the ramp, down at once. Returns whether it has
        moved.
        """
        now, before = asyncio.get_running_loop().time(), self._amperes
        if self._target is not None:
            step = self._bounds.ramp * min(max(now - self._ramped_at, 0.0), 0.25)
            self._amperes = min(self._target[1], self._amperes + step)
        self._ramped_at = now
        return self._amperes != before

    def _setpoint(self, module: int) -> Frame:
        assert self._target is not None
        volts, amperes = self._target
        share = min(amperes, self._amperes) / len(self._modules)
        return setpoint(volts, share, module, self._controller)

    def _send(self, frame: Frame) -> None:
        if self._bus is None:
            raise HalLost("there is no CAN bus")
        self._bus.send(frame)

    async def _come_on(self) -> None:
        modules = self._modules.values()
        done = await _until(
            lambda: self._target is None or all(module.on_since(self._switched_at) for module in modules), ON_SECONDS
        )
        if self._target is None:
            raise HalRejected("the supply was switched off meanwhile")
        if not done:
            self.switch_off()
            raise HalTimeout(f"the supply does not come on within {ON_SECONDS:g} s")

    # --- what is heard, and what is not ---

    def _hear(self, now: float, frame: Frame) -> None:
        found = answer(frame, self._controller)
        if found is None or found[0] not in self._modules:
            return
        self._modules[found[0]].hear(found[1], now)
        if self._target is None:
            # Also after the confirmation: a module that switches on by itself is commanded off
            # again, and is a fault if it stays on.
            off = all(module.off_since(self._switched_at) for module in self._modules.values())
            if self._off_confirmed and not off:
                self._switched_at = now
            self._off_confirmed = off

    def _cut_off(self, error: HalLost) -> None:
        self._cut_off_at = asyncio.get_running_loop().time()
        severity = Severity.EMERGENCY if self.on else Severity.STOP
        self.faults.begin(Trouble(LOST, severity, str(error)))
        self.switch_off()

    def _watch(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._target is not None and now - self._beat_at > BEAT_SECONDS:
            log.error("no heartbeat for %.1f s: supply off", now - self._beat_at)
            self.switch_off()
        self._watch_silence(now)
        if self._target is None and not self._off_confirmed and now - self._switched_at > OFF_SECONDS:
            self.faults.begin(NOT_OFF)
        elif self._off_confirmed:
            self.faults.end(NOT_OFF.code)
        for bit, (code, severity, text) in ALARMS.items():
            who = [module.address for module in self._modules.values() if bit in module.status]
            self.faults.report(Trouble(code, severity, f"modules {who}: {text}"), bool(who))
            if who and severity is Severity.EMERGENCY and self._target is not None:
                self.switch_off()

    def _watch_silence(self, now: float) -> None:
        if self._capabilities is None:
            return  # still opening
        patience = SILENT_SECONDS if self._target is not None else SILENT_AT_REST_SECONDS
        heard = {module.address: min(module.measured_at, module.status_at) for module in self._modules.values()}
        silent = [address for address, at in heard.items() if now - at > patience]
        if silent and LOST not in self.faults:
            self._cut_off(HalLost(f"supply modules {silent} do not answer"))
        elif min(heard.values()) > self._cut_off_at:
            self.faults.end(LOST)


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition, at most this long. Returns whether it holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        if loop.time() >= end:
            return False
        await asyncio.sleep(0.01)
    return True


def supply(where: str) -> InfypowerSupply:
    """Returns the supply of ``infypower:can0?modules=0,1``. Raises HalRejected for any other
    address.

    Options: modules (0), their addresses with commas between; controller (0xF0), the station's
    address; max_volts, max_amperes, max_watts, the outlet's limits; ramp (100), amperes a second.
    """
    address = Address(where, OPTIONS)
    controller = address.integer("controller", 0, 0xFF, CONTROLLER)
    try:
        modules = [int(written, 0) for written in address.text("modules", "0").split(",")]
    except ValueError:
        raise HalRejected(f"{address}: modules are numbers with commas between") from None
    # 0x3F addresses all.
    if len(set(modules)) != len(modules) or not all(0 <= module < 0x3F for module in modules) or len(modules) > 20:
        raise HalRejected(f"{address}: at most 20 different modules, each within 0 to 62")
    bounds = Bounds(
        max_volts=address.number("max_volts", 1.0, math.inf, math.inf),
        max_amperes=address.number("max_amperes", 0.1, math.inf, math.inf),
        max_watts=address.number("max_watts", 1.0, math.inf, math.inf),
        ramp=address.number("ramp", 1.0, 1e6, 100.0),
    )
    interface = address.place
    return InfypowerSupply(lambda: can_interface(interface, controller), modules, controller=controller, bounds=bounds)

"""The simulated controller against the truth: whatever people, cars, stations and hardware do, power is off when it has to be."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import HalError, HalRejected
from hal.guard import Guard
from hal.interlock import Insulation, Purpose
from hal.open import open_sim
from hal.readings import ContactorState, DcPhase, Severity
from hal.sim.board import SimBoard
from hal.sim.clock import VirtualLoop, run_virtual
from hal.sim.options import parse
from hal.sim.world import World
from tests.hal.contract import beating

STEP = 0.01
OFF_SECONDS = 0.1
SILENT_SECONDS = 1.0

HARMLESS = (
    "contactor_slow",
    "contactor_stuck_open",
    "supply_dead",
    "supply_overshoot",
    "supply_runaway",
    "supply_silent",
    "imd_silent",
)
FATAL = ("pilot_diode", "pilot_short", "residual_current")

ACTIONS = st.one_of(
    st.sampled_from(
        [
            "plug_in",
            "unplug",
            "s2_on",
            "s2_off",
            "ventilation",
            "relay_on",
            "relay_off",
            "estop",
            "estop_off",
            "door",
            "door_off",
        ]
    ),
    st.sampled_from(
        [
            "duty",
            "x1",
            "f",
            "e",
            "ask",
            "close",
            "raw_close",
            "target",
            "off",
            "open",
            "release",
            "close_again",
            "heal",
            "hold_up",
        ]
    ),
    st.sampled_from((*HARMLESS, *FATAL, "controller_silent")).map(lambda name: f"inject {name}"),
)


@dataclass
class Trial:
    """One world with everybody at work in it, and the watch over what is true."""

    board: SimBoard
    world: World
    guard: Guard
    held_up: float = 0.0
    """Time for which the loop stood still; the controller, which lives on it, stood still as well."""

    async def act(self, action: str) -> None:
        """Somebody does something, sensible or not."""
        world, guard, board = self.world, self.guard, self.board
        dc = board.dc is not None
        with contextlib.suppress(HalError):
            match action:
                case "plug_in":
                    world.plug_in()
                case "unplug":
                    world.unplug(force=True)
                case "s2_on" | "ventilation":
                    world.close_s2(True, ventilation=action == "ventilation")
                case "s2_off":
                    world.close_s2(False)
                case "relay_on" | "relay_off":
                    world.close_relay(action == "relay_on")
                case "estop" | "estop_off":
                    world.press_emergency_stop(action == "estop")
                case "door" | "door_off":
                    world.open_door(action == "door")
                case "duty":
                    await board.pilot.set_duty(0.05)
                case "x1":
                    await board.pilot.set_x1()
                case "f":
                    await board.pilot.set_f()
                case "e":
                    await board.pilot.set_e()
                case "ask":
                    guard.insulation(Insulation.VALID)
                    guard.ask(Purpose.DC if dc else Purpose.AC)
                case "close" | "close_again":
                    if guard.dc is not None:
                        await guard.dc.set_contactor(True)
                    elif guard.ac is not None:
                        await guard.ac.allow(True, "trial")
                case "raw_close":
                    if board.dc is not None:
                        await board.dc.set_contactor(True)
                    elif board.ac is not None:
                        await board.ac.allow(True, "trial")
                case "target":
                    if guard.dc is not None:
                        await guard.dc.set_target(420.0, 150.0, DcPhase.CHARGE)
                case "off":
                    if guard.dc is not None:
                        await guard.dc.off()
                case "open":
                    if guard.dc is not None:
                        await guard.dc.set_contactor(False)
                case "release":
                    guard.release()
                case "heal":
                    for name in tuple(world.faults):
                        world.heal(name)
                    for fault in board.faults.active:
                        await board.faults.clear(fault.code)
                case "hold_up":
                    loop = asyncio.get_running_loop()
                    assert isinstance(loop, VirtualLoop)
                    loop.jump(0.9)
                    self.held_up += 0.9
                case _:
                    world.inject(action.removeprefix("inject "))

    def reasons(self) -> dict[str, float]:
        """What is true now and forbids power, with the time that may pass until there is none."""
        world, car = self.world, self.world.car
        high = world.duty is not None and world.duty > 0.0
        against = {
            "not ready": not (car.plugged and car.ready and high),
            "emergency stop": world.emergency_stopped,
            "door": world.door_open,
            # A steady pilot cannot show that the diode is missing.
            "pilot_diode": "pilot_diode" in world.faults and world.duty == 0.05,
            "pilot_short": "pilot_short" in world.faults,
            "residual_current": "residual_current" in world.faults,
        }
        late = {"silent": "controller_silent" in world.faults}
        # Nobody holds a permission: the guard is given the time that an ordered shut-down takes.
        unasked = {"nobody asked": self.guard.asked is Purpose.NONE}
        return (
            {name: OFF_SECONDS for name, true in against.items() if true}
            | {name: SILENT_SECONDS for name, true in late.items() if true}
            | {name: 2.5 for name, true in unasked.items() if true}
        )


async def trial(query: str, steps: list[tuple[str, float]]) -> None:
    board = await open_sim(parse(query))
    assert board.world is not None
    it = Trial(board, board.world, Guard(board))
    task = asyncio.create_task(it.guard.run())
    loop = asyncio.get_running_loop()
    since: dict[str, float] = {}
    powered = 0
    # What is likely leads somewhere: start from a car that charges, then let chance have its way.
    for action in ("duty", "s2_on"):
        await it.act(action)
    await asyncio.sleep(0.2)
    for action in ("ask", "close", "target"):
        await it.act(action)
    try:
        for action, seconds in [("none", 0.5), ("relay_on", 1.0), *steps, ("none", 3.0)]:
            if action != "none":
                # Nobody waits for anybody: commands overlap.
                doing = asyncio.create_task(it.act(action))
                await asyncio.sleep(0)
            end = loop.time() + seconds
            while loop.time() < end:
                now = loop.time() - it.held_up
                reasons = it.reasons()
                since = {name: since.get(name, now) for name in reasons}
                if "nobody asked" in since:
                    # A contactor that closes behind the guard's back: its time runs from there.
                    since["nobody asked"] = max(
                        since["nobody asked"], it.world.moments.get("contactor_closed", 0.0) - it.held_up
                    )
                for name, limit in reasons.items():
                    if now - since[name] > limit + STEP / 2:
                        assert not it.world.contactor.closed, f"closed {now - since[name]:.3f} s after: {name}"
                        assert it.world.watts() == 0.0, f"power {now - since[name]:.3f} s after: {name}"
                powered += it.world.watts() > 0.0
                await asyncio.sleep(STEP)
            if action != "none" and doing.done():
                doing.result()
        assert powered > 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await board.close()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(ACTIONS, st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.3, 1.5])), max_size=14))
@pytest.mark.parametrize("connector", ["dc", "ac"])
def test_there_is_never_power_outside_its_conditions(connector: str, steps: list[tuple[str, float]]) -> None:
    run_virtual(trial(f"?car=plugged&connector={connector}", steps))


def test_welding_is_found_and_is_not_cleared_while_it_lasts() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged&connector=ac"))
        world = board.world
        assert world is not None and board.ac is not None
        async with beating(board):
            world.close_s2()
            await asyncio.sleep(0.05)
            await board.ac.allow(True, "test")
            await asyncio.sleep(0.2)
            world.inject("weld")
            await board.ac.allow(False, "test")
            await asyncio.sleep(0.3)
            assert world.contactor.closed
            assert board.ac.contactor.state is ContactorState.WELDED
            (fault,) = board.faults.active
            assert (fault.code, fault.severity, fault.latched) == ("contactor_welded", Severity.EMERGENCY, True)
            with pytest.raises(HalRejected):
                await board.faults.clear("contactor_welded")
            world.heal("weld")
            await asyncio.sleep(0.1)
            assert not world.contactor.closed
            with pytest.raises(HalRejected):
                await board.ac.allow(True, "test")
            await board.faults.clear("contactor_welded")
            await board.ac.allow(True, "test")
            await asyncio.sleep(0.2)
            assert world.contactor.closed
        await board.close()

    run_virtual(main())


def test_a_contactor_that_does_not_close_is_a_fault() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged&faults=contactor_stuck_open"))
        world = board.world
        assert world is not None and board.dc is not None
        async with beating(board):
            world.close_s2()
            await asyncio.sleep(0.05)
            await board.dc.set_contactor(True)
            await asyncio.sleep(0.6)
            assert [fault.code for fault in board.faults.active] == ["contactor_stuck_open"]
            assert board.dc.contactor.state is ContactorState.OPEN
            world.heal("contactor_stuck_open")
            await asyncio.sleep(0.5)
            assert not world.contactor.closed
        await board.close()

    run_virtual(main())


def test_an_overvoltage_trips() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        world = board.world
        assert world is not None and board.dc is not None
        async with beating(board):
            world.close_s2()
            await asyncio.sleep(0.05)
            await board.dc.set_contactor(True)
            await board.dc.set_target(480.0, 2.0, DcPhase.CABLE_CHECK)
            await asyncio.sleep(1.0)
            world.inject("supply_overshoot")
            await asyncio.sleep(0.3)
            assert [fault.code for fault in board.faults.active] == ["overvoltage"]
            assert not world.contactor.closed
            await asyncio.sleep(1.0)
            assert world.present()[0] == 0.0
        await board.close()

    run_virtual(main())


def test_a_car_that_draws_too_much_is_cut_off_after_seven_seconds() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged&connector=ac"))
        world = board.world
        assert world is not None and board.ac is not None
        async with beating(board):
            await board.pilot.set_duty(0.05)
            world.close_s2()
            await asyncio.sleep(0.05)
            await board.ac.set_overcurrent(10.0)
            await board.ac.allow(True, "test")
            world.draw_ac(11.0)
            await asyncio.sleep(20.0)
            assert world.contactor.closed
            world.draw_ac(16.0)
            await asyncio.sleep(6.0)
            assert world.contactor.closed
            await asyncio.sleep(2.0)
            assert not world.contactor.closed
            assert [fault.code for fault in board.faults.active] == ["overcurrent"]
        await board.close()

    run_virtual(main())


def test_a_missing_diode_is_latched_until_the_car_is_gone() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        world = board.world
        assert world is not None
        await board.pilot.set_duty(0.05)
        world.inject("pilot_diode")
        await asyncio.sleep(0.1)
        assert [fault.code for fault in board.faults.active] == ["pilot_diode"]
        with pytest.raises(HalRejected):
            await board.faults.clear("pilot_diode")
        world.unplug()
        await asyncio.sleep(0.1)
        assert board.faults.active == ()
        await board.close()

    run_virtual(main())


def test_a_glitch_on_the_pilot_is_no_state() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        world = board.world
        assert world is not None
        await asyncio.sleep(0.1)
        events = board.events()
        for _ in range(5):
            world.close_s2()
            await asyncio.sleep(0.005)
            world.close_s2(False)
            await asyncio.sleep(0.1)
        await board.close()
        assert [event async for event in events] == []

    run_virtual(main())

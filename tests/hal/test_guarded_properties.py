"""Guard and power path over one port, in any order, with delays, losses and cancellations: in the end it is off."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hal.errors import HalError
from hal.interlock import Insulation, Purpose
from hal.readings import DcPhase
from hal.sim.clock import run_virtual
from tests.hal.slow_ports import SlowBench, slow_bench

DELAYS = (0.0, 0.005, 0.03, 0.2)
COMMANDS = ("target", "off", "close", "open")


@dataclass(frozen=True)
class Step:
    what: str
    before: float = 0.0
    after: float = 0.0
    fault: str = ""
    pause: float = 0.0


STEPS = st.builds(
    Step,
    what=st.sampled_from([*COMMANDS, *COMMANDS, "ask", "release", "cancel", "estop", "reset", "s2", "behind", "miss"]),
    before=st.sampled_from(DELAYS),
    after=st.sampled_from(DELAYS),
    fault=st.sampled_from(["", "", "", "", "lost", "unconfirmed"]),
    pause=st.sampled_from((*DELAYS, 0.09, 0.15, 1.0)),
)


class Trial:
    def __init__(self, it: SlowBench) -> None:
        self.it = it
        self.called: list[asyncio.Future[Any]] = []
        self.last: dict[str, asyncio.Future[Any] | None] = {"supply": None, "contactor": None}
        """The last command of each half if it was a safe one, and nothing else has happened since."""
        self.wrong: list[str] = []

    def take(self, step: Step) -> None:
        it, dc = self.it, self.it.dc
        it.port.before, it.port.after = step.before, step.after
        if step.fault:
            it.port.faults.append(step.fault)
        match step.what:
            case "target":
                self.note("supply", dc.set_target(400.0, 10.0, DcPhase.CHARGE), safe=False)
            case "off":
                self.note("supply", dc.off(), safe=True)
            case "close":
                self.note("contactor", dc.set_contactor(True), safe=False)
            case "open":
                self.note("contactor", dc.set_contactor(False), safe=True)
            case "ask":
                it.guard.insulation(Insulation.VALID)
                it.guard.ask(Purpose.DC)
            case "release":
                it.guard.release()
            case "cancel":
                if self.called:
                    self.called[-1].cancel()
            case "estop" | "reset":
                it.world.press_emergency_stop(step.what == "estop")
            case "s2":
                it.world.close_s2(not it.world.car.ready)
            case "behind":
                # A driver that closes by itself.
                it.port.closed, it.port.moved_at = True, 0.0
            case _:
                it.board.levels.events.lose()

    def note(self, half: str, called: asyncio.Future[Any], *, safe: bool) -> None:
        self.called.append(called)
        self.last[half] = called if safe else None
        if safe:
            called.add_done_callback(lambda called: self.check(half, called))

    def check(self, half: str, called: asyncio.Future[Any]) -> None:
        """Who is told that it is off, and nobody has wanted it on since: it is off."""
        if self.last[half] is not called or called.cancelled() or called.exception() is not None:
            return
        names = ("target", "off") if half == "supply" else ("close", "open")
        executed = [name for name in self.it.port.executed if name in names]
        if executed[-1:] not in ([], [names[1]]):
            self.wrong.append(f"{half} is reported safe, and executed was {executed}")


async def trial(steps: list[Step]) -> None:
    async with slow_bench() as it:
        await it.charge()
        its = Trial(it)
        for step in steps:
            its.take(step)
            await asyncio.sleep(step.pause)
        it.port.before = it.port.after = 0.0
        it.port.faults.clear()
        if it.guard.asked is not Purpose.NONE:
            # The power path ends its session as it always does.
            with contextlib.suppress(HalError):
                await it.dc.off()
            with contextlib.suppress(HalError):
                await it.dc.set_contactor(False)
            it.guard.release()
        await asyncio.sleep(6.0)
        assert all(called.done() for called in its.called), "somebody waits for ever"
        assert its.wrong == []
        assert not it.port.closed
        # A supply that loses a command is a fault of its own, and the contactor is open all the same.
        assert not it.port.on or any(step.fault for step in steps)
        assert it.beats[-1] > asyncio.get_running_loop().time() - 0.2, "the heartbeat is withheld for ever"
    assert (it.port.on, it.port.closed) == (False, False)
    assert [name for name in it.port.executed if name in ("target", "off")][-1] == "off"
    assert [name for name in it.port.executed if name in ("close", "open")][-1] == "open"


@settings(max_examples=250, deadline=None)
@given(st.lists(STEPS, max_size=12))
@example([Step("off", before=0.2, pause=0.03), Step("target", pause=0.03), Step("release")])
@example([Step("off", pause=1.0), Step("open", fault="lost"), Step("release", fault="lost")])
@example([Step("open", after=0.2, pause=0.03), Step("cancel"), Step("release")])
@example([Step("release", pause=1.0), Step("behind", pause=1.0)])
@example([Step("off", before=0.2, pause=0.03), Step("estop", pause=0.03), Step("reset", pause=0.2), Step("ask")])
def test_whatever_is_commanded_in_whatever_order_it_ends_off_and_all_waiting_ends(steps: list[Step]) -> None:
    run_virtual(trial(steps))

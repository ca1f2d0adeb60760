"""Whatever pilot, hardware, driver and car do in whatever order: the simulated meter sees power only in C or D and with the interlock's consent,
and none within its time after every reason to be off. A whole station in virtual time; judged by the world alone."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.errors import HalError
from hal.sim.clock import run_virtual
from hal.sim.world import World
from secc.config import Config, Eim, Hlc, TraceMode
from tests.station_scene import OPEN_SECONDS, STEP, Scene, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current

IDLE_WATTS = 1.0
LINK_SECONDS = 2.5
FAULTS = (
    "residual_current",
    "pilot_short",
    "pilot_diode",
    "over_temperature",
    "line_noise",
    "modem_dead",
    "contactor_slow",
)
ACTS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.05, 0.2, 0.5, 1.0, 3.0, 6.0, 12.0])),
    st.tuples(st.just("s2"), st.sampled_from(["C", "D", "B"])),
    st.tuples(st.just("plug"), st.booleans()),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("heal"), st.sampled_from(FAULTS)),
    st.tuples(st.just("emergency stop"), st.booleans()),
    st.tuples(st.just("door"), st.booleans()),
    st.tuples(st.just("limit"), st.sampled_from([None, 0.0, 1000.0, 5000.0, 9000.0])),
    st.tuples(st.just("button"), st.none()),
    st.tuples(st.just("card"), st.none()),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("car"), st.none()),
)
STORY = st.lists(ACTS, max_size=20)


@dataclass
class MeterWatch:
    """Looks at the true meter and the true pilot every few milliseconds."""

    scene: Scene
    world: World
    broken: list[str] = field(default_factory=list)
    watt_seconds: float = 0.0
    _since: dict[str, float] = field(default_factory=dict)
    _next: asyncio.Handle | None = None

    def look(self) -> None:
        """Now, and every few milliseconds until ``stop``."""
        self._next = asyncio.get_running_loop().call_later(STEP, self.look)
        self.once()

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def reasons(self) -> dict[str, float]:
        """Why there must be no power now, each with the time that it has."""
        world = self.world
        guard = self.scene.outlet().hardware.guard
        found = {
            "not in C or D": (not world.car.plugged or not world.car.ready),
            "no consent": guard is None or not guard.consent,
            "emergency stop": world.emergency_stopped,
            "door": world.door_open,
            "residual current": "residual_current" in world.faults,
            "pilot short": "pilot_short" in world.faults,
            "pilot diode": "pilot_diode" in world.faults and world.duty not in (None, 0.0, 1.0),
            "F": world.duty in (None, 0.0),
        }
        return {name: OPEN_SECONDS for name, holds in found.items() if holds}

    def once(self) -> None:
        now = asyncio.get_running_loop().time()
        reasons = self.reasons()
        self._since = {name: self._since.get(name, now) for name in reasons}
        watts = self.world.watts()
        self.watt_seconds += watts * STEP
        if watts <= IDLE_WATTS:
            return
        for name, allowed in reasons.items():
            held = now - self._since[name]
            # The contactor that is told to be slow takes 50 ms to open instead of 25.
            slow = 0.03 if "contactor_slow" in self.world.faults else 0.0
            if held > allowed + slow + STEP:
                self.broken.append(f"{watts:.0f} W after {held:.3f} s of {name!r}")


def configuration(directory: Path, kind: str) -> Config:
    dc = kind.startswith("dc")
    hal = (
        f"sim:?connector={'dc' if dc else 'ac'}"
        + ("&modem=1" if "modem" in kind else "")
        + ("&lock=1" if "lock" in kind else "")
    )
    eim = Eim.ANY if "card" in kind else Eim.FREE
    config = configured(directory, dc=dc, hal=hal, eim=eim, trace=TraceMode.OFF)
    hlc = Hlc.OFF if "basic" in kind else Hlc.PREFERRED
    return replace(config, outlets=tuple(replace(outlet, hlc=hlc) for outlet in config.outlets))


async def act(scene: Scene, kind: str, what: str, value: Any) -> None:
    world = scene.world()
    # A world that cannot do it (a locked plug, a car that is not there) is a world in which it did not happen.
    with contextlib.suppress(HalError):
        match what:
            case "wait":
                await asyncio.sleep(value)
            case "s2":
                world.close_s2(value != "B", ventilation=value == "D")
            case "plug":
                world.plug_in() if value else world.unplug(force=True)
            case "fault":
                world.inject(value)
            case "heal":
                world.heal(value)
            case "emergency stop":
                world.press_emergency_stop(value)
            case "door":
                world.open_door(value)
            case "limit":
                scene.outlet().commands.limit(value)
            case "button":
                world.press_stop()
            case "card":
                world.present_token("ISO14443", "04A1")
            case "clear":
                for fault in scene.board().faults.active:
                    await scene.board().faults.clear(fault.code)
            case "car":
                current = Current.DC if kind.startswith("dc") else Current.AC
                speaks = ("din",) if "din" in kind.split() else ("iso2",)
                scene.drive(Behaviour(protocols=speaks, current=current, loops=50, patience=5.0), stay=True)
    await asyncio.sleep(STEP)


async def play(kind: str, story: list[tuple[str, Any]]) -> tuple[list[str], float]:
    with tempfile.TemporaryDirectory() as directory:
        async with station(configuration(Path(directory), kind)) as scene:
            watch = MeterWatch(scene, scene.world())
            watch.look()
            for what, value in story:
                await act(scene, kind, what, value)
            await asyncio.sleep(15.0)
            watch.stop()
            judged(scene)
            return watch.broken, watch.watt_seconds


@pytest.mark.parametrize("kind", ["ac basic", "ac basic lock card", "ac modem card", "ac modem", "dc", "dc modem"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=STORY)
def test_no_power_without_a_reason_and_none_in_time_after_one_against_it(
    kind: str, story: list[tuple[str, Any]]
) -> None:
    broken, _ = run_virtual(play(kind, story))
    assert broken == []


BASIC = [("plug", True), ("card", None), ("wait", 12.0), ("s2", "C"), ("wait", 3.0)]
TALK = [("car", None), ("wait", 12.0)]
AGAINST = st.sampled_from(
    [
        ("s2", "B"),
        ("plug", False),
        ("fault", "residual_current"),
        ("fault", "pilot_short"),
        ("fault", "pilot_diode"),
        ("emergency stop", True),
        ("door", True),
    ]
)


@pytest.mark.parametrize("kind", ["ac basic", "ac basic lock card", "ac modem card", "dc", "dc modem", "ac modem"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(against=AGAINST, story=STORY)
def test_power_that_flows_is_gone_in_time(kind: str, against: tuple[str, Any], story: list[tuple[str, Any]]) -> None:
    begin = TALK if kind in ("dc", "dc modem", "ac modem") else BASIC
    broken, watt_seconds = run_virtual(play(kind, [*begin, against, ("wait", 0.5), *story]))
    assert broken == []
    assert watt_seconds > 0.0, "nothing was tried"


def test_the_watch_sees_what_must_not_be() -> None:
    """A judge that never says no would be of no use: a world in which power flows into a car that has opened its switch is caught."""

    async def main() -> list[str]:
        with tempfile.TemporaryDirectory() as directory:
            async with station(configuration(Path(directory), "ac basic"), watch=False) as scene:
                world = scene.world()
                watch = MeterWatch(scene, world)
                watch.look()
                for what, value in BASIC:
                    await act(scene, "ac basic", what, value)
                assert watch.broken == []
                with mock.patch.object(world, "watts", return_value=5000.0):
                    world.close_s2(False)
                    await asyncio.sleep(0.5)
                watch.stop()
                return watch.broken

    broken = " ".join(run_virtual(main()))
    assert "not in C or D" in broken
    assert "no consent" in broken

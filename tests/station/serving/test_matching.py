"""The whole chain in virtual time: pilot, SLAC over a simulated line, SDP, session, power; and what goes wrong in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hal.errors import HalRejected
from hal.sim.clock import run_virtual
from hal.sim.powerline import PowerLine
from secc.config import Tls
from tests.station_scene import BOTH, LONG, OPEN_SECONDS, QUICK, Scene, configured, judged, station
from tools.evcc.behaviour import Current, Payment

MODEM = "sim:?connector=dc&modem=1"
AC_MODEM = "sim:?connector=ac&modem=1"
LINK_LOSS_SECONDS = 2.5
"""A poll a second, three in doubt, and what the session then takes."""


def line_of(scene: Scene, number: int = 0) -> PowerLine:
    line = scene.board(number).line
    assert line is not None
    return line


@pytest.mark.parametrize("dc", [True, False], ids=["dc", "ac"])
def test_a_car_is_matched_before_it_connects(tmp_path: Path, dc: bool) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, dc=dc, hal=MODEM if dc else AC_MODEM)) as scene:
            behaviour = replace(QUICK, current=Current.DC if dc else Current.AC)
            line = line_of(scene)
            for _ in range(2):
                key = line.station.key
                drive = await scene.drive(behaviour).done()
                assert drive.outcome == "completed.full", drive.outcome
                assert drive.names[:3] == ["plugged-in", "matched", "discovered"]
                assert drive.facts("matched")["seconds"] < 3.0
                await asyncio.sleep(2.0)
                assert line.station.key != key, "a fresh key after each session"
                assert line.medium.joined(line.station) is False
                await asyncio.sleep(1.0)
            judged(scene)

    run_virtual(main())


def test_plug_and_charge_over_tls_after_matching(tmp_path: Path) -> None:
    async def main() -> None:
        config = configured(tmp_path, hal=MODEM, tls=Tls.REQUIRED, payments=BOTH)
        async with station(config) as scene:
            drive = await scene.drive(replace(QUICK, payment=Payment.CONTRACT), tls=True).done()
            assert drive.outcome == "completed.full", drive.outcome
            assert "matched" in drive.names
            judged(scene)

    run_virtual(main())


def test_no_key_and_no_address_of_a_car_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def main() -> None:
        async with station(configured(tmp_path, hal=MODEM)) as scene:
            line = line_of(scene)
            drive = scene.drive(LONG)
            await scene.charging(drive)
            assert line.station.key is not None
            secrets = [line.station.key[1], line.car.mac]
            scene.world().unplug(force=True)
            await drive.done()
            await asyncio.sleep(1.0)
            assert line.station.key is not None
            secrets.append(line.station.key[1])
            await asyncio.sleep(1.0)
            everything = caplog.text + repr(scene.published)
            traces = list(scene.state.rglob("*.jsonl"))
            everything += "".join(trace.read_text() for trace in traces)
            assert traces
            for secret in secrets:
                assert secret.hex() not in everything.lower()
                assert ":".join(f"{octet:02x}" for octet in secret) not in everything.lower()
                assert repr(secret) not in everything

    run_virtual(main())


# --- Misfortune in the middle of charging -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Misfortune:
    """What happens, how soon the contactor is open, how the session ends, and what puts it right."""

    name: str
    act: Callable[[Scene], None]
    codes: tuple[str, ...]
    seconds: float = OPEN_SECONDS
    mend: Callable[[Scene], None] = lambda scene: None

    def __str__(self) -> str:
        return self.name


MISFORTUNES = [
    Misfortune("unplugged", lambda scene: scene.world().unplug(force=True), ("severed.unplugged",)),
    Misfortune(
        "emergency stop",
        lambda scene: scene.world().press_emergency_stop(),
        ("emergency.emergency-stop",),
        mend=lambda scene: scene.world().press_emergency_stop(False),
    ),
    Misfortune(
        "link lost",
        lambda scene: scene.world().inject("line_noise"),
        ("severed.link-lost",),
        LINK_LOSS_SECONDS,
        lambda scene: scene.world().heal("line_noise"),
    ),
    Misfortune(
        "modem dead",
        lambda scene: scene.world().inject("modem_dead"),
        ("severed.link-lost",),
        LINK_LOSS_SECONDS,
        lambda scene: scene.world().heal("modem_dead"),
    ),
    Misfortune(
        "residual current",
        lambda scene: scene.world().inject("residual_current"),
        ("emergency.fault",),
        mend=lambda scene: scene.world().heal("residual_current"),
    ),
]


@pytest.mark.parametrize("dc", [True, False], ids=["dc", "ac"])
@pytest.mark.parametrize("misfortune", MISFORTUNES, ids=str)
def test_it_ends_safely_and_the_next_car_charges(tmp_path: Path, misfortune: Misfortune, dc: bool) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, dc=dc, hal=MODEM if dc else AC_MODEM)) as scene:
            current = Current.DC if dc else Current.AC
            drive = scene.drive(replace(LONG, current=current, patience=100.0))
            await scene.charging(drive)
            misfortune.act(scene)
            await scene.opened(seconds=misfortune.seconds)
            assert (await scene.ended())[0] in misfortune.codes
            scene.world().unplug(force=True)
            await drive.done()
            await asyncio.sleep(15.0)
            misfortune.mend(scene)
            for fault in scene.board().faults.active:
                await scene.board().faults.clear(fault.code)
            await asyncio.sleep(5.0)
            await scene.charges(current=current)
            judged(scene)

    run_virtual(main())


def test_a_welded_contactor_is_noticed_and_no_car_is_served_until_it_is_mended(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, hal=MODEM)) as scene:
            world, board = scene.world(), scene.board()
            drive = scene.drive(LONG)
            await scene.charging(drive)
            world.inject("weld")
            world.press_emergency_stop()
            await scene.ended()
            assert world.contactor.closed
            world.unplug(force=True)
            await drive.done()
            world.press_emergency_stop(False)
            await scene.until(lambda: "contactor_welded" in scene.outlet().hardware.faults, what="noticed")
            second = scene.drive(QUICK)
            await second.done()
            assert "matched" not in second.names, "a station that cannot switch off offers nothing"
            world.heal("weld")
            world.unplug(force=True)
            await asyncio.sleep(1.0)
            with pytest.raises(HalRejected):
                world.inject("no such thing")
            await board.faults.clear("contactor_welded")
            await asyncio.sleep(5.0)
            await scene.charges()

    run_virtual(main())


def test_a_dead_modem_stops_no_other_outlet(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, outlets=2, hal=MODEM)) as scene:
            scene.world(0).inject("modem_dead")
            other = scene.drive(LONG, number=1)
            await scene.charging(other, 1)
            dead = scene.drive(QUICK, number=0)
            await dead.done()
            assert "matched" not in dead.names
            assert scene.world(1).contactor.closed
            assert not scene.codes("2")
            scene.world(1).unplug(force=True)
            await other.done()
            judged(scene)

    run_virtual(main())


def test_a_modem_that_is_dead_at_the_start_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, hal=MODEM + "&faults=modem_dead")) as scene:
            await scene.until(lambda: scene.outlet().state()["modem"] not in ("none", "ready"), 5.0, "it is known")
            scene.world().heal("modem_dead")
            await scene.until(lambda: scene.outlet().state()["modem"] == "ready", 5.0, "it is known")
            await scene.charges()

    run_virtual(main())


def test_a_bug_in_matching_begins_anew_with_a_new_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, hal=MODEM)) as scene:
            await asyncio.sleep(1.0)
            key = line_of(scene).station.key
            scene.world().plug_in()
            await asyncio.sleep(1.0)
            scene.seat("matching").fail(ValueError("a bug"))
            await asyncio.sleep(5.0)
            assert line_of(scene).station.key != key
            await scene.charges()

    run_virtual(main())

"""Nothing is lost or booked twice: the power goes at any write of a session that pauses or gets a contract, and the plug is pulled in every state
of a paused session. The books hold each transaction once, with one end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Tls
from secc.outlet.state import Phase
from secc.session.effects import Provisioning
from secc.uplink.book import POWER_LOST
from tests.conformance.test_pause import JOINED, NEW, PAUSE, pauses, sets_up, wakes
from tests.conformance.tester import Tester
from tests.station.test_paused import behaviour, plugin
from tests.station.test_provisioning import service
from tests.station_config import short_directory
from tests.station_scene import BOTH, Scene, car_wallet, configured, judged, station
from tools.evcc.behaviour import Payment
from tools.provisioning import serve

STEPS = ("fsync", "replace", "rename", "unlink", "truncate")


@contextmanager
def cuts(state: Path, kept: Path) -> Iterator[list[Path]]:
    """Keeps what is on the disk before each step that changes it: what the next start finds if the power goes there."""
    found: list[Path] = []
    seen: set[bytes] = set()

    def keep() -> None:
        with lock:
            if not busy:
                busy.append(True)
                copied()
                busy.clear()

    def copied() -> None:
        copy = kept / str(len(found))
        shutil.copytree(state, copy, ignore=shutil.ignore_patterns("*.sock"))
        files = sorted(path for path in copy.rglob("*") if path.is_file())
        digest = hashlib.sha256(b"".join(str(path).encode()[len(str(copy)) :] + path.read_bytes() for path in files))
        if digest.digest() in seen:
            shutil.rmtree(copy)
        else:
            seen.add(digest.digest())
            found.append(copy)

    def first(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            keep()
            return call(*arguments, **options)

        return step

    # To remove a copy that is there already takes steps, too; and the station writes on two threads.
    busy: list[bool] = []
    lock = threading.RLock()
    with mock.patch.multiple(os, **{name: first(getattr(os, name)) for name in STEPS}):
        yield found
        keep()


def booked(state: Path) -> list[dict[str, Any]]:
    path = state / "sessions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check(rows: list[dict[str, Any]], most: int) -> set[str]:
    """Each transaction has one start and then one end. Returns the reasons of their ends."""
    started = [row["session"] for row in rows if row["what"] == "started"]
    ended = [row["session"] for row in rows if row["what"] == "ended"]
    assert Counter(started) == Counter(ended) == Counter(set(started))
    assert len(started) <= most
    for session in started:
        begin, end = [row for row in rows if row["session"] == session]
        assert (begin["what"], end["what"]) == ("started", "ended")
        # After a power cut only the meter knows.
        assert end.get("watt_hours", begin["watt_hours"]) >= begin["watt_hours"]
    return {row["reason"] for row in rows if row["what"] == "ended"}


async def pausing(scene: Scene) -> None:
    """One car pauses twice and ends; the next is unplugged in its pause."""
    drive = await scene.drive(behaviour(dc=False, pauses=2), sleep=20.0).done()
    assert drive.outcome == "completed.full"
    await asyncio.sleep(5.0)
    drive = scene.drive(behaviour(dc=False), stay=True)
    await scene.until(lambda: plugin(scene).state.phase is Phase.PAUSED, 120.0, "asleep")
    scene.world().unplug(force=True)
    assert drive.task is not None
    drive.task.cancel()
    await asyncio.sleep(5.0)


async def provisioned(scene: Scene) -> None:
    """A car gets a contract, and charges with it."""
    assert scene.config.uplink.provisioning is not None
    async with await serve(service(), scene.config.uplink.provisioning):
        car = behaviour(dc=False, pauses=0, payment=Payment.CONTRACT, provision=Provisioning.INSTALLATION)
        drive = await scene.drive(car, tls=True, wallet=car_wallet()).done()
    assert drive.outcome == "completed.full"
    await asyncio.sleep(5.0)


def with_service(directory: Path) -> Config:
    found = configured(directory, dc=False, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)
    return replace(found, uplink=replace(found.uplink, provisioning=short_directory() / "cps.sock"))


STORIES: dict[str, tuple[Callable[[Scene], Awaitable[None]], Callable[[Path], Config], int, set[str]]] = {
    "pause": (
        pausing,
        lambda directory: configured(directory, dc=False),
        2,
        {"completed.terminated", "completed.pause-unplugged", POWER_LOST},
    ),
    "install": (provisioned, with_service, 1, {"completed.terminated", POWER_LOST}),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_power_may_go_at_any_write(tmp_path: Path, story: str) -> None:
    act, configure, most, reasons = STORIES[story]
    config = configure(tmp_path)
    state = config.station.state_directory
    kept = tmp_path / "kept"
    kept.mkdir()

    async def served() -> list[Path]:
        async with station(config, watch=False) as scene:
            with cuts(state, kept) as found:
                await act(scene)
                await scene.until(lambda: scene.outlet().writes.idle)
        return found

    async def started() -> None:
        async with station(config, watch=False):
            await asyncio.sleep(1.0)

    found = run_virtual(served())
    assert check(booked(state), most) == reasons - {POWER_LOST}
    seen: set[str] = set()
    for number, cut in enumerate(found):
        for torn in (False, True):
            shutil.rmtree(state)
            shutil.copytree(cut, state)
            book = state / "sessions.jsonl"
            if torn and book.exists():
                # The last line was on its way.
                book.write_bytes(book.read_bytes()[:-20])
            elif torn:
                continue
            run_virtual(started())
            seen |= check(booked(state), most)
            # Nor does a second start change anything.
            rows = booked(state)
            if number % 8 == 0:
                run_virtual(started())
                assert booked(state) == rows
    assert len(found) >= 8
    assert seen == reasons


# --- The plug is pulled ---------------------------------------------------------------------------------------------------------

SETS_UP = ("ServiceDiscovery", "ServiceDetail", "PaymentServiceSelection", "Authorization", "ChargeParameterDiscovery")
AC_STATES = (*SETS_UP, "PowerDelivery(Start)", "ChargingStatus", "PowerDelivery(Stop)", "SessionStop")
DC_STATES = (
    *SETS_UP,
    "CableCheck",
    "PreCharge",
    "PowerDelivery(Start)",
    "CurrentDemand",
    "PowerDelivery(Stop)",
    "WeldingDetection",
    "SessionStop",
)
ASLEEP = ("at once", "asleep", "in the toggle", "awake", "connected")


@pytest.mark.parametrize(
    ("dc", "state"),
    [(False, state) for state in (*ASLEEP, *AC_STATES)] + [(True, state) for state in (*ASLEEP, *DC_STATES)],
)
def test_the_plug_is_pulled_in_every_state_of_a_paused_session(tmp_path: Path, dc: bool, state: str) -> None:
    async def until_pulled(scene: Scene) -> None:
        world = scene.world()
        tester = await Tester.connect(scene)
        await sets_up(tester, bytes(8), NEW)
        if state == "at once":
            await tester.drive("SessionStop", after="SessionSetup")
            await tester.says(PAUSE)
            return
        paused = await pauses(tester)
        if state == "asleep":
            return
        if state == "in the toggle":
            world.close_s2()
            await asyncio.sleep(0.2)
            return
        if state == "awake":
            world.close_s2()
            await asyncio.sleep(0.3)
            world.close_s2(False)
            await scene.until(lambda: world.duty == 0.05, 10.0)
            return
        tester = await wakes(scene)
        if state != "connected":
            await sets_up(tester, paused, JOINED)
            await tester.drive(state, after="SessionSetup")
        scene.published.append({"event": "tester", "tester": tester})

    async def main() -> None:
        async with station(configured(tmp_path, dc=dc)) as scene:
            await until_pulled(scene)
            scene.world().unplug(force=True)
            await scene.opened()
            await asyncio.sleep(10.0)
            await scene.until(lambda: scene.outlet().writes.idle)
            (reason,) = check(booked(scene.state), 1)
            assert reason in ("completed.pause-unplugged", "severed.unplugged")
            assert plugin(scene).state.paused is None
            judged(scene)
            # The next car is another one.
            tester = await Tester.connect(scene)
            await sets_up(tester, bytes(8), NEW)
            await tester.drive(after="SessionSetup")
            assert (await scene.ended(len(scene.codes())))[-1] == "completed.terminated"

    run_virtual(main())

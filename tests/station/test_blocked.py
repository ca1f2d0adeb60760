"""The station held up, stopped, killed: the simulated safety controller, in a process of its own, opens within a second. On the real clock,
because that is the point."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from secc.station.control import ControlError, ask
from tests.station_scene import Drive, configured, free_udp_port
from tests.station_scene import station as running
from tests.sync_panel import SyncPanel
from tools.evcc.behaviour import Behaviour
from tools.evcc.driver import Trip, travel
from tools.evcc.hands import SimHands

ROOT = Path(__file__).resolve().parent.parent.parent
LONG = Behaviour(watt_hours=20_000.0, target_state_of_charge=0.95, loop_seconds=0.05)


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A short path: those of unix sockets may have about 100 octets."""
    with tempfile.TemporaryDirectory(prefix="secc-") as directory:
        yield Path(directory)


async def charge(sdp_port: int, panel: Path, flowing: Callable[[], Any]) -> None:
    """Charge until ``flowing`` says that it has seen enough."""
    hands = SimHands(panel)
    drive = Drive()
    trip = Trip(interface="lo", sdp_port=sdp_port)
    task = asyncio.create_task(travel(trip, LONG, hands, lambda name, text, facts: drive.told.append((name, {}))))
    try:
        while "charging" not in drive.names:
            assert not task.done(), task
            await asyncio.sleep(0.02)
        flowing()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hands.close()


def test_the_event_loop_held_for_three_seconds(tmp_path: Path, sockets: Path) -> None:
    panel_path = sockets / "world"
    config = configured(tmp_path, hal=f"sim:?process=1&speed=20&control={panel_path}")

    async def main() -> float:
        async with running(config, watch=False) as scene:
            opened: list[float] = []

            def hold() -> None:
                panel = SyncPanel(panel_path)
                assert panel.truth()["contactor_closed"]
                # This thread is the event loop's: nothing of the station moves while we look.
                end = time.monotonic() + 3.0
                opened.append(panel.until_open(3.0))
                time.sleep(max(0.0, end - time.monotonic()))
                assert not panel.truth()["contactor_closed"]
                panel.close()

            await charge(config.outlets[0].sdp_port, panel_path, hold)
            await scene.ended(seconds=5.0)
            assert scene.codes()[0].startswith(("emergency.", "severed."))
            return opened[0]

    assert asyncio.run(main()) < 1.0


CONFIGURATION = """
[station]
state_directory = "{state}"
control_socket = "{control}"
[[outlet]]
interface = "lo"
hal = "sim:?process=1&speed=20&control={panel}"
sdp_port = {port}
[uplink]
eim = "free"
sessions = "{state}/sessions.jsonl"
[trust]
clock = "rtc"
"""


class Process:
    """``secc run`` as a process of its own."""

    def __init__(self, directory: Path, sockets: Path) -> None:
        self.panel, self.control = sockets / "world", sockets / "control"
        self.state = directory / "state"
        self.port = free_udp_port()
        self.config = directory / "station.toml"
        self.config.write_text(
            CONFIGURATION.format(state=self.state, control=self.control, panel=self.panel, port=self.port)
        )
        self.log = directory / "log"
        self._children: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "secc", "run", str(self.config)],
                cwd=ROOT,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self._children.append(child)
        end = time.monotonic() + 15.0
        while True:
            with contextlib.suppress(ControlError):
                outlet = ask(self.control, {"do": "state"})["outlets"][0]
                if outlet["phase"] != "down" and not outlet["problem"]:
                    return
            assert child.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    @property
    def child(self) -> subprocess.Popen[bytes]:
        return self._children[-1]

    def end(self) -> int:
        """SIGTERM, and its exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(15.0)

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait(10.0)


@pytest.fixture
def process(tmp_path: Path, sockets: Path) -> Iterator[Process]:
    started = Process(tmp_path, sockets)
    yield started
    started.close()


def test_the_process_stopped_by_sigstop(process: Process) -> None:
    def stop() -> None:
        panel = SyncPanel(process.panel)
        process.child.send_signal(signal.SIGSTOP)
        assert panel.until_open(2.0) < 1.0
        process.child.send_signal(signal.SIGCONT)
        panel.close()

    asyncio.run(charge(process.port, process.panel, stop))
    assert process.end() == 0
    assert "Traceback" not in process.log.read_text()


def test_power_cut_in_the_middle_of_charging(process: Process) -> None:
    """SIGKILL: the controller opens; what was begun is closed in the book at the next start, and the leftover socket is replaced."""

    def kill() -> None:
        panel = SyncPanel(process.panel)
        process.child.kill()
        process.child.wait(5.0)
        assert panel.until_open(2.0) < 1.0
        panel.close()

    asyncio.run(charge(process.port, process.panel, kill))
    assert process.control.exists()
    floor = (process.state / "last-seen").read_text()
    process.start()
    book = (process.state / "sessions.jsonl").read_text().splitlines()
    assert [line.count('"what": "started"') for line in book] == [1, 0]
    assert '"reason": "severed.power-lost"' in book[1]
    assert (process.state / "last-seen").read_text() >= floor
    assert process.end() == 0
    assert "Traceback" not in process.log.read_text()

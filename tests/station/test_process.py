"""``secc check | status | control | explain`` against a station that runs as a process, and SIGTERM with a car on the cable."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hal.errors import HalLost
from secc.cli import main
from secc.conversation import Effect
from secc.trace.history import records
from tests.station_process import ROOT, Process
from tests.sync_panel import SyncPanel
from tools.evcc.behaviour import Behaviour
from tools.evcc.driver import Trip, travel
from tools.evcc.hands import SimHands

LONG = Behaviour(watt_hours=20_000.0, target_state_of_charge=0.95)


class LastHands(SimHands):
    """The hands of a car whose station is stopped: the simulated world goes with it, maybe before the car has opened its switch."""

    async def perform(self, effect: Effect) -> None:
        with contextlib.suppress(HalLost):
            await super().perform(effect)


def test_from_check_to_sigterm(process: Process, capsys: pytest.CaptureFixture[str]) -> None:
    """One station, one car; everything that an operator can ask and do, in the order of a working day."""

    def secc(*arguments: str) -> tuple[int, str]:
        code = main([*arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    where = ("--config", str(process.config))
    assert secc("check", *where)[0] == 0
    code, said = secc("explain", *where)
    assert code == 1
    assert "no session has ended here yet" in said
    code, said = secc("status", *where)
    assert code == 0
    assert "outlet 1: available" in said
    assert secc("control", *where, "renegotiate") == (1, "secc: outlet 1 has no session\n")
    assert secc("control", *where, "--outlet", "9", "stop")[0] == 1
    assert secc("control", *where, "limit", "many")[0] == 2
    assert secc("control", *where, "limit", "20000") == (0, '{\n "watts": 20000.0\n}\n')

    events = subprocess.Popen(
        [sys.executable, "-m", "secc", "control", *where, "events"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )

    async def day() -> str:
        hands = LastHands(process.panel)
        told: list[str] = []
        car = asyncio.create_task(
            travel(Trip(sdp_port=process.port), LONG, hands, lambda name, text, facts: told.append(name))
        )
        while "charging" not in told:
            assert not car.done(), car
            await asyncio.sleep(0.02)
        state = json.loads(secc("status", *where, "--json")[1])
        assert state["outlets"][0]["session"]["protocol"] == "ISO 15118-2"
        assert state["outlets"][0]["contactor"] == "closed"
        assert "faults" not in secc("status", *where)[1]
        process.child.send_signal(signal.SIGTERM)
        reason = await car
        hands.close()
        return reason.code

    assert asyncio.run(day()) == "completed.by-station"
    assert process.child.wait(15.0) == 0
    heard = [json.loads(line) for line in events.stdout or ()]
    assert events.wait(10.0) == 0
    assert {"milestone", "pilot", "contactor", "session ended"} <= {event["event"] for event in heard}
    code, said = secc("explain", *where)
    assert code == 0
    assert "completed.terminated" in said
    assert "SessionStopRes" in said
    (record,) = records(process.state)
    assert secc("explain", *where, record.session) == secc("explain", *where, record.session[:6]) == (code, said)
    code, said = secc("explain", *where, "--list")
    assert (code, len(said.splitlines())) == (0, 1)
    assert f"{record.session[:6]}  outlet 1  completed.terminated" in said
    assert f"outlet 1 [{record.session[:6]}]: session set up" in process.log.read_text()
    code, said = secc("explain", *where, "0123456789abcdef")
    assert code == 1 and "not in the history" in said
    code, said = secc("explain", *where, "no-such-trace.jsonl")
    assert code == 1 and "neither a file nor the id of a session" in said
    code, said = secc("status", *where)
    assert code == 1
    assert "no station is running" in said
    log = process.log.read_text()
    assert "contactor open" in log
    assert "Traceback" not in log


def test_a_car_that_does_not_stop_is_cut_off_by_a_second_sigterm(process: Process) -> None:
    async def stubborn() -> None:
        hands = SimHands(process.panel)
        told: list[str] = []

        async def deaf(*arguments: object) -> None:
            """From now on this car neither speaks nor moves a hand."""
            await asyncio.sleep(60.0)

        car = asyncio.create_task(
            travel(Trip(sdp_port=process.port), LONG, hands, lambda name, text, facts: told.append(name))
        )
        while "charging" not in told:
            assert not car.done(), car
            await asyncio.sleep(0.02)
        hands.feel = deaf  # type: ignore[method-assign, assignment]  # called before every message
        panel = SyncPanel(process.panel)
        process.child.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        process.child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(panel.until_open, 2.0) < 1.0
        panel.close()
        car.cancel()
        await asyncio.gather(car, return_exceptions=True)
        hands.close()

    asyncio.run(stubborn())
    assert process.child.wait(15.0) == 0
    (record,) = records(process.state)
    assert record.reason.code == "severed.station-shutdown"


@pytest.mark.case("A-RES-08")
def test_a_reader_of_the_log_that_stalls_stops_neither_the_station_nor_its_end(tmp_path: Path, sockets: Path) -> None:
    """A pipe that is full before the first line and has no reader: the event loop must not wait in it."""
    read, write = os.pipe()
    os.write(write, b"x" * fcntl.fcntl(write, fcntl.F_GETPIPE_SZ))
    process = Process(tmp_path, sockets, stderr=write)
    try:

        async def charge() -> str:
            hands = SimHands(process.panel)
            told: list[str] = []
            reason = await travel(
                Trip(sdp_port=process.port), Behaviour(loops=3), hands, lambda name, text, facts: told.append(name)
            )
            hands.close()
            return reason.code

        assert asyncio.run(charge()) == "completed.full"
        assert process.end() == 0
    finally:
        process.close()
        os.close(read)
        os.close(write)


def test_a_second_station_on_the_same_socket_is_told_so(process: Process, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "secc", "run", str(process.config)], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert process.end() == 0


def test_a_second_station_on_the_same_interface_says_who_has_it_and_ends(process: Process, tmp_path: Path) -> None:
    """Otherwise both would say "ready", and a car would talk to either."""
    flags = ("--iface", "lo", "--eim", "free", "--state", str(tmp_path / "other"))
    done = subprocess.run(
        [sys.executable, "-m", "secc", "run", *flags, "--sdp-port", str(process.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert f"UDP port {process.port} on lo is taken by process {process.child.pid} (" in done.stderr
    assert "ready" not in done.stderr
    assert "Traceback" not in done.stderr
    assert process.end() == 0

"""The whole station behind the emulated modems: Debian's ``pev``, and our own car, are matched by ``secc run`` before SDP answers them.

::

    python -m tests.live.slac.run_station              all scenarios, about two minutes
    python -m tests.live.slac.run_station plain charge
    python -m tests.live.slac.run_station --list

The station is ``tests/live/station`` with ``INTEROP_SLAC=1``, its pilot simulated by a follower. Needs what ``run_slac`` needs; exit status as there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.live.slac.run_slac import ROOT, Bench, Unwanted, enter, expect

SDP = """
import asyncio, sys
from secc.link.sdp import Security
from tools.evcc.discovery import NotDiscovered, discover
try:
    asyncio.run(discover("plc0", Security.NONE, attempts=int(sys.argv[1])))
except (NotDiscovered, OSError):
    sys.exit(1)
"""


class StationBench(Bench):
    """A bench on which ``secc run`` is the station; its log lines are the events."""

    def start_station(self, *options: str) -> subprocess.Popen[str]:
        work = self.folder / "station"
        work.mkdir()
        os.environ.update(INTEROP_SLAC="1", INTEROP_IFACE="plc0", INTEROP_WORK=str(work), INTEROP_TLS="none")
        os.environ["INTEROP_ENERGY_MODE"] = options[0] if options else "DC_extended"
        return self.start("sl_se", "sh", "-c", f"exec {ROOT / 'tests/live/station'} 2>&1")

    def _listen(self) -> None:
        assert self.station.stdout is not None
        for line in self.station.stdout:
            self._said.put({"what": "line", "text": line.rstrip()})

    def says(self, text: str, seconds: float = 15.0) -> str:
        """The next line of the station's log with this in it."""
        end = time.monotonic() + seconds
        while True:
            found = str(self.until("line", max(0.01, end - time.monotonic()))["text"])
            if text in found:
                return found

    def asks_sdp(self, attempts: int = 4) -> bool:
        """Whether the station answers the car's SDP request."""
        asked = subprocess.run(
            ["ip", "netns", "exec", "sl_ev", sys.executable, "-c", SDP, str(attempts)],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def evcc(self, mode: str) -> subprocess.Popen[str]:
        """Our own simulated car, with its modem on the line."""
        car = [sys.executable, "-m", "tools.evcc", "--iface", "plc0", "--slac", "--mode", mode, "--payment", "eim"]
        return self.start("sl_ev", *car, "--no-tls", "--loops", "10")


def linked(bench: StationBench) -> None:
    """pev is matched, and the link comes up."""
    bench.says("ready: outlet")
    bench.car(charge_seconds=4)
    bench.says("a car is matched")
    bench.says("link up")


def plain(bench: StationBench) -> None:
    """SDP only after the match; the car leaves and a new key goes in; the next is matched in the same plug-in."""
    bench.says("ready: outlet")
    expect(not bench.asks_sdp(), "SDP answered before any match")
    car = bench.car(charge_seconds=10)
    bench.says("a car is matched")
    bench.says("link up")
    expect(bench.reaches(8.0), "no IP although the link is up")
    expect(bench.asks_sdp(12), "no SDP answer after the match")
    expect(car.wait(20) == 0, "pev ended badly")
    bench.says("link down: link lost")
    time.sleep(1.0)
    keys = bench.keys()
    expect(len(keys) == len(set(keys)) == 2, f"{len(keys)} keys, {len(set(keys))} of them different")
    expect(not bench.asks_sdp(), "SDP answered although nobody is matched")
    time.sleep(8.0)
    bench.car(charge_seconds=2)
    bench.says("a car is matched")
    bench.says("link up")


def too_weak(bench: StationBench) -> None:
    """The car does not want a station that far away: no key leaves, SDP stays silent."""
    bench.says("ready: outlet")
    bench.car(charge_seconds=2)
    time.sleep(5.0)
    expect(bench.frames("CM_ATTEN_CHAR.IND"), "no result was sent")
    expect(not bench.frames("CM_SLAC_MATCH.CNF"), "a key left the house")
    expect(not bench.asks_sdp(), "SDP answered without a match")


def lost_answers(bench: StationBench) -> None:
    """CM_ATTEN_CHAR.RSP is lost: the result is repeated, and the car is matched by a repetition or its next run."""
    bench.says("ready: outlet")
    bench.car(charge_seconds=2)
    bench.says("a car is matched", 30.0)
    expect(len(bench.frames("CM_ATTEN_CHAR.IND")) >= 2, "the result was not repeated")


def dead_modem(bench: StationBench) -> None:
    """A modem that does not answer at first: the station says so, waits, and serves."""
    bench.says("no car can be matched")
    bench.order("evse alive")
    bench.says("the modem is ready")
    time.sleep(2.0)
    bench.car(charge_seconds=2)
    bench.says("a car is matched")
    bench.says("link up")


def modem_dies(bench: StationBench) -> None:
    """The modem dies in the middle of a session: power goes, and the next car charges."""
    bench.says("ready: outlet")
    car = [sys.executable, "-m", "tools.evcc", "--iface", "plc0", "--slac", "--payment", "eim", "--no-tls"]
    first = bench.start("sl_ev", *car, "--watt-hours", "50000")
    bench.says("charging: ", 40.0)
    bench.order("evse dead")
    bench.says("session ended: severed.link-lost", 6.0)
    bench.says("contactor open", 1.0)
    bench.says("no car can be matched", 10.0)
    first.terminate()
    first.wait(10)
    bench.order("evse alive")
    bench.says("the modem is ready", 20.0)
    time.sleep(8.0)
    charge("dc")(bench, wait_ready=False)


def charge(mode: str) -> Callable[..., None]:
    def scenario(bench: StationBench, *, wait_ready: bool = True) -> None:
        if wait_ready:
            bench.says("ready: outlet")
        keys = len(bench.keys())
        car = bench.evcc(mode)
        bench.says("a car is matched", 20.0)
        # At this station every driver may charge: the car must not have been let in for another reason.
        bench.says("authorised: by external identification", 20.0)
        bench.says("power on", 30.0)
        bench.says("session ended: completed.terminated", 60.0)
        expect(car.wait(30) == 0, f"the car ended with {car.returncode}")
        bench.says("link down: D-LINK_TERMINATE")
        time.sleep(1.0)
        expect(len(bench.keys()) > keys, "no new key after the session")
        expect(not bench.reaches(), "IP still passes after the session")

    scenario.__doc__ = (
        f"Our own car is matched and charges ({mode.upper()}) over IP that only passes with the right key."
    )
    return scenario


SCENARIOS: dict[str, tuple[Callable[..., None], tuple[str, ...], tuple[str, ...]]] = {
    "plain": (plain, (), ()),
    "charge": (charge("dc"), (), ()),
    "charge-ac": (charge("ac"), (), ("AC_three_phase_core",)),
    "modem-dies": (modem_dies, (), ()),
    "result-0": (linked, ("--result", "0"), ()),
    "lumissil": (linked, ("--vendor", "lumissil"), ()),
    "unknown": (linked, ("--vendor", "neutral"), ()),
    "mute": (linked, ("--vendor", "mute"), ()),
    "no-groups": (linked, ("--groups", "0"), ()),
    "no-profile": (linked, ("--no-profile",), ()),
    "attenuation-36": (linked, ("--atten", "36"), ()),
    "too-weak": (too_weak, ("--atten", "55"), ()),
    "lost-sounds": (linked, ("--drop-sounds", "3"), ()),
    "lost-answers": (lost_answers, ("--drop-rsp", "1"), ()),
    "lost-confirmation": (linked, ("--drop-match", "1"), ()),
    "dead-modem": (dead_modem, ("--dead",), ()),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for label, (scenario, _, _) in SCENARIOS.items():
            print(f"{label:18} {(scenario.__doc__ or '').strip()}")
        return 0
    for label in arguments.scenarios:
        if label not in SCENARIOS:
            parser.error(f"there is no scenario {label!r}; see --list")
    os.chdir(ROOT)
    enter("tests.live.slac.run_station")
    bad = 0
    for label in arguments.scenarios or SCENARIOS:
        bad += not passes(label)
    return 1 if bad else 0


def passes(label: str) -> bool:
    """Run one scenario, and say in one line how it went."""
    scenario, emulator, station = SCENARIOS[label]
    began, text = time.monotonic(), ""
    with tempfile.TemporaryDirectory() as folder:
        bench = StationBench(Path(folder), emulator=emulator, station=station)
        try:
            scenario(bench)
        except Unwanted as unwanted:
            text = str(unwanted)
        finally:
            bench.close()
    print(f"{'FAIL' if text else 'PASS'}  {label:20} {time.monotonic() - began:5.1f} s  {text}", flush=True)
    return not text


if __name__ == "__main__":
    sys.exit(main())

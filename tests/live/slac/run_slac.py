"""Debian's ``pev`` against our matching, through two emulated modems, in network namespaces: one named scenario after the other.

::

    python -m tests.live.slac.run_slac              all scenarios
    python -m tests.live.slac.run_slac plain lumissil
    python -m tests.live.slac.run_slac --list

Needs ``pev`` (package plc-utils-extra), ``ip`` (iproute2) and ``unshare``; root, or a machine that lets users have namespaces. Exit status: 0 every
scenario had its wanted outcome, 1 one had not, 2 the bench could not be set up.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
EV = "02ee00000001"
INSIDE = "SLAC_BENCH_INSIDE"
REACH = """
import socket, sys
car = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
car.settimeout(0.5)
car.connect(("fe80::5e:ccff:fe00:1", 9, 0, socket.if_nametoindex("plc0")))
try:
    # Nobody listens there: an answer is the station's ICMP telling us so.
    car.send(b"?")
    car.recv(1)
except ConnectionRefusedError:
    sys.exit(0)
except OSError:
    sys.exit(1)
"""


class Unwanted(Exception):
    """A scenario did not go as it should."""


def expect(condition: object, text: str) -> None:
    if not condition:
        raise Unwanted(text)


class Bench:
    """The three processes of one scenario."""

    def __init__(self, folder: Path, *, emulator: tuple[str, ...], station: tuple[str, ...]) -> None:
        self.folder = folder
        self.frames_log = folder / "frames.jsonl"
        self.control = str(folder / "control")
        subprocess.run([HERE / "namespaces.sh"], check=True)
        self.processes: list[subprocess.Popen[str]] = []
        emulate: list[str | Path] = [
            sys.executable,
            HERE / "modem_emulator.py",
            "ev0",
            "evse0",
            self.frames_log,
            "--gate",
        ]
        modems = self.start("sl_mod", *emulate, "--control", self.control, *emulator)
        assert modems.stdout is not None
        expect(modems.stdout.readline() == "ready\n", "the emulator did not start")
        self.station = self.start_station(*station)
        self.events: list[dict[str, Any]] = []
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, host: str, *command: str | Path, errors: Path | None = None) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with contextlib.ExitStack() as stack:
            process = subprocess.Popen(
                ["ip", "netns", "exec", host, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if errors is None else stack.enter_context(errors.open("a")),
                text=True,
                env=environment,
                cwd=ROOT,
            )
        self.processes.append(process)
        return process

    def start_station(self, *options: str) -> subprocess.Popen[str]:
        """The station's process; what it prints is for ``_listen``."""
        return self.start("sl_se", sys.executable, "-m", "tests.live.slac.station", "plc0", *options)

    def _listen(self) -> None:
        assert self.station.stdout is not None
        for line in self.station.stdout:
            self._said.put(json.loads(line))

    def tell(self, line: str) -> None:
        assert self.station.stdin is not None
        self.station.stdin.write(line + "\n")
        self.station.stdin.flush()

    def order(self, command: str) -> None:
        """To the emulator."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
            control.sendto(command.encode(), self.control)

    def until(self, what: str, seconds: float = 15.0, **wanted: Any) -> dict[str, Any]:
        """The next event of the station that looks like this; Unwanted when it does not come."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                event = self._said.get(timeout=left)
                self.events.append(event)
                if event["what"] == what and all(event.get(name) == value for name, value in wanted.items()):
                    return event
        raise Unwanted(f"no {what} {wanted or ''} in {seconds:g} s; the station said {self.events}")

    def car(self, charge_seconds: int = 2) -> subprocess.Popen[str]:
        """``pev``, which matches, charges for a while, takes its own key back and ends."""
        ini = self.folder / "pev.ini"
        printed = subprocess.run(["pev", "-c"], capture_output=True, text=True, check=True).stdout
        changed = {"charge time": charge_seconds, "settle time": 1}
        lines = [
            f"{name} = {changed[name]}" if (name := line.split("=")[0].strip()) in changed else line
            for line in printed.splitlines()
        ]
        ini.write_text("\n".join(lines) + "\n")
        return self.start("sl_ev", "pev", "-i", "plc0", "-p", ini, errors=self.folder / "pev.log")

    def plugged(self) -> None:
        self.until("modem", ready=True)
        self.tell("plug in")

    def matched(self) -> dict[str, Any]:
        event = self.until("matched")
        expect(event["ev"] == EV, f"matched with {event['ev']}")
        return event

    def reaches(self, seconds: float = 0.0) -> bool:
        """Whether IP goes from the car to the station (within this time): only with one key in both modems."""
        end = time.monotonic() + seconds
        while True:
            sent = subprocess.run(
                ["ip", "netns", "exec", "sl_ev", sys.executable, "-c", REACH], capture_output=True, check=False
            )
            if sent.returncode == 0 or time.monotonic() > end:
                return sent.returncode == 0

    def frames(self, name: str, direction: str = "") -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.frames_log.read_text().splitlines()]
        return [row for row in rows if row["name"] == name and direction in row["direction"]]

    def keys(self) -> list[str]:
        """What the station's modem was given, in order."""
        return [row["frame_hex"][82:114] for row in self.frames("CM_SET_KEY.REQ", "evse_host")]

    def codes(self) -> list[str]:
        return [event["code"] for event in self.events if event["what"] == "notice" and event["code"]]

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait(5)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


# --- scenarios ---


def plain(bench: Bench) -> None:
    """Match, link, IP by the key; the car leaves, and a new key goes in."""
    bench.plugged()
    car = bench.car(charge_seconds=8)
    bench.matched()
    up = bench.until("link", up=True)
    expect(up["watched"], "the link is not watched")
    expect(bench.reaches(8.0), "no IP although the link is up")
    expect(car.wait(20) == 0, "pev ended badly")
    bench.until("link", up=False, cause="link lost")
    bench.tell("pilot A")
    keys = bench.keys()
    expect(len(keys) == len(set(keys)) == 2, f"{len(keys)} keys, {len(set(keys))} of them different")
    handed_out = bench.frames("CM_SLAC_MATCH.CNF")[0]["frame_hex"]
    expect(keys[0] in handed_out, "another key than the modem's was handed out")
    expect(not bench.reaches(), "IP still passes after the key has changed")
    expect(bench.codes() == [], f"tolerances fired: {bench.codes()}")


def two_cars(bench: Bench) -> None:
    """Unplugged while linked, and the next car comes: another key."""
    bench.plugged()
    for _ in range(2):
        car = bench.car(charge_seconds=30)
        bench.matched()
        bench.until("link", up=True)
        bench.tell("pilot A")
        bench.until("link", up=False, cause="unplugged", seconds=1.0)
        car.terminate()
        car.wait(5)
        time.sleep(0.3)
        bench.tell("plug in")
    keys = bench.keys()
    expect(len(keys) == len(set(keys)) == 3, f"{len(set(keys))} different keys of {len(keys)}")


def unchanged(vendor: str) -> Callable[[Bench], None]:
    def scenario(bench: Bench) -> None:
        identity = bench.until("modem is") if vendor != "mute" else None
        bench.tell("plug in")
        bench.car(charge_seconds=2)
        bench.matched()
        link = bench.until("link", up=True)
        expect(link["watched"] is (vendor != "mute"), f"watched: {link['watched']}")
        if identity is not None:
            expect(vendor.lower() in identity["vendor"].lower(), f"the modem is {identity['vendor']}")
        if vendor != "mute":
            bench.until("link", up=False)

    scenario.__doc__ = f"A modem that is {vendor}."
    return scenario


def with_code(*wanted: str) -> Callable[[Bench], None]:
    def scenario(bench: Bench) -> None:
        bench.plugged()
        bench.car()
        bench.matched()
        bench.until("link", up=True)
        expect(sorted(set(bench.codes())) == sorted(wanted), f"tolerances that fired: {bench.codes()}")

    scenario.__doc__ = f"The car matches; {', '.join(wanted) or 'nothing'} has to be tolerated for it."
    return scenario


def lost_sounds(bench: Bench) -> None:
    """Three sounds are lost: seven are averaged, after the whole time."""
    bench.plugged()
    bench.car()
    bench.matched()
    result = bytes.fromhex(bench.frames("CM_ATTEN_CHAR.IND")[0]["frame_hex"])
    expect(result[69] == 7, f"{result[69]} sounds reported")
    bench.until("link", up=True)


def lost_answers(bench: Bench) -> None:
    """CM_ATTEN_CHAR.RSP is lost twice: the result is repeated twice, as pev answers each."""
    bench.plugged()
    bench.car()
    bench.until("begun")
    time.sleep(3.0)
    first = bench.frames("CM_ATTEN_CHAR.IND")[:3]
    expect(len(first) >= 2, f"{len(first)} results sent")
    gaps = [round(b["t"] - a["t"], 2) for a, b in itertools.pairwise(first)]
    expect(all(0.15 <= gap <= 0.3 for gap in gaps[:2]), f"repeated after {gaps} s")


def lost_confirmation(bench: Bench) -> None:
    """CM_SLAC_MATCH.CNF is lost: whether the car repeats or starts anew, it ends up in the network."""
    bench.plugged()
    bench.car()
    bench.matched()
    bench.until("link", up=True, seconds=30.0)


def too_weak(bench: Bench) -> None:
    """55 dB: the car does not want us, and no key leaves."""
    bench.plugged()
    bench.car()
    bench.until("begun")
    time.sleep(3.0)
    expect(bench.frames("CM_ATTEN_CHAR.IND"), "no result was sent")
    expect(not bench.frames("CM_SLAC_MATCH.CNF"), "a key left the house")


def dead_modem(bench: Bench) -> None:
    """A modem that answers nothing is reported, and works when it comes back."""
    event = bench.until("modem", ready=False)
    expect("no modem answers on plc0" in event["text"], event["text"])
    bench.tell("plug in")
    bench.order("evse alive")
    bench.until("modem", ready=True)
    bench.car()
    bench.matched()
    bench.until("link", up=True)


def dies_while_linked(bench: Bench) -> None:
    """The modem dies in the middle: the link is lost, and the next car matches when it is back."""
    bench.plugged()
    car = bench.car(charge_seconds=30)
    bench.matched()
    bench.until("link", up=True)
    bench.order("evse dead")
    bench.until("link", up=False, seconds=6.0)
    bench.until("modem", ready=False)
    car.terminate()
    bench.order("evse alive")
    bench.until("modem", ready=True)
    bench.tell("pilot A")
    bench.tell("plug in")
    bench.car()
    bench.matched()
    bench.until("link", up=True)


def noise(bench: Bench) -> None:
    """Noise before the match, and none after it: the car tries again by itself."""
    bench.plugged()
    bench.order("noise on")
    bench.car()
    time.sleep(2.5)
    expect(not bench.frames("CM_SLAC_PARM.CNF"), "answered through noise")
    bench.order("noise off")
    bench.matched()
    bench.until("link", up=True)


def terminated(bench: Bench) -> None:
    """D-LINK_TERMINATE: the network is left within a second, and nobody is answered until we are armed again."""
    bench.plugged()
    bench.car(charge_seconds=3)
    bench.matched()
    bench.until("link", up=True)
    bench.tell("terminate")
    bench.until("link", up=False, cause="D-LINK_TERMINATE", seconds=1.0)
    time.sleep(0.7)
    expect(len(set(bench.keys())) == 2, "no new key")
    expect(not bench.reaches(), "IP still passes")
    answered = len(bench.frames("CM_SLAC_PARM.CNF"))
    bench.car()
    time.sleep(2.5)
    expect(len(bench.frames("CM_SLAC_PARM.REQ")) > 1, "the second car did not ask")
    expect(len(bench.frames("CM_SLAC_PARM.CNF")) == answered, "answered without being armed")
    bench.tell("plug in")
    bench.matched()


def unplugged_before(bench: Bench) -> None:
    """In pilot A nobody is answered."""
    bench.until("modem", ready=True)
    bench.tell("pilot A")
    bench.car()
    time.sleep(2.5)
    expect(bench.frames("CM_SLAC_PARM.REQ"), "the car did not ask")
    expect(not bench.frames("CM_SLAC_PARM.CNF"), "answered in pilot A")


SCENARIOS: dict[str, tuple[Callable[[Bench], None], tuple[str, ...], tuple[str, ...]]] = {
    "plain": (plain, (), ()),
    "strict": (plain, (), ("--strict",)),
    "two-cars": (two_cars, (), ()),
    "result-0": (with_code(), ("--result", "0"), ()),
    "lumissil": (unchanged("lumissil"), ("--vendor", "lumissil"), ()),
    "unknown": (unchanged("unknown"), ("--vendor", "neutral"), ()),
    "mute": (unchanged("mute"), ("--vendor", "mute"), ()),
    "no-groups": (with_code("Q-07"), ("--groups", "0"), ()),
    "no-profile": (with_code("Q-07"), ("--no-profile",), ()),
    "attenuation-36": (with_code(), ("--atten", "36"), ()),
    "too-weak": (too_weak, ("--atten", "55"), ()),
    "lost-sounds": (lost_sounds, ("--drop-sounds", "3"), ()),
    "lost-answers": (lost_answers, ("--drop-rsp", "2"), ()),
    "lost-confirmation": (lost_confirmation, ("--drop-match", "1"), ()),
    "dead-modem": (dead_modem, ("--dead",), ()),
    "dies-while-linked": (dies_while_linked, (), ()),
    "noise": (noise, (), ()),
    "terminated": (terminated, (), ()),
    "pilot-a": (unplugged_before, (), ()),
}


def enter(module: str = "tests.live.slac.run_slac") -> None:
    """Into namespaces of our own, so that nothing of the machine's network is touched and nothing is left behind."""
    if os.environ.get(INSIDE):
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
        return
    for tool in ("pev", "ip", "unshare"):
        if shutil.which(tool) is None:
            print(f"{tool} is missing (Debian: plc-utils-extra, iproute2, util-linux)", file=sys.stderr)
            sys.exit(2)
    flags = "-nm" if os.geteuid() == 0 else "-Urnm"
    if subprocess.run(["unshare", flags, "true"], check=False).returncode != 0:
        print("this machine lets us have no network namespace", file=sys.stderr)
        sys.exit(2)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", flags, sys.executable, "-m", module, *sys.argv[1:]])


@contextlib.contextmanager
def opened(emulator: tuple[str, ...], station: tuple[str, ...], keep: Path | None) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), emulator=emulator, station=station)
        try:
            yield bench
        finally:
            bench.close()
            if keep is not None:
                shutil.copy(bench.frames_log, keep)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the frames of each scenario")
    arguments = parser.parse_args()
    if arguments.list:
        for label, (scenario, _, _) in SCENARIOS.items():
            print(f"{label:18} {(scenario.__doc__ or '').strip()}")
        return 0
    for label in arguments.scenarios:
        if label not in SCENARIOS:
            parser.error(f"there is no scenario {label!r}; see --list")
    if arguments.keep is not None:
        arguments.keep = arguments.keep.resolve()
        arguments.keep.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    enter()
    bad = 0
    for label in arguments.scenarios or SCENARIOS:
        scenario, emulator, station = SCENARIOS[label]
        began = time.monotonic()
        text = ""
        keep = None if arguments.keep is None else arguments.keep / f"{label}.jsonl"
        try:
            with opened(emulator, station, keep) as bench:
                scenario(bench)
        except Unwanted as unwanted:
            text = str(unwanted)
            bad += 1
        print(f"{'FAIL' if text else 'PASS'}  {label:20} {time.monotonic() - began:5.1f} s  {text}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

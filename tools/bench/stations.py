"""Our station as a process of its own on the loopback: configured, started, found by SDP, watched, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secc.errors import FramingError
from secc.link import sdp
from tools.pki.layout import make_lab_pki

from .proc import Cpu, Tree, pin, precede

ROOT = Path(__file__).resolve().parent.parent.parent
WATCHED = ("tools.bench.watched",)
"""The program that :meth:`Station.look` is for."""
START_SECONDS = 30.0
STOP_SECONDS = 15.0


class BenchFailed(Exception):
    """A measurement could not be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where one simulated outlet is found: its SDP port, and the panel of its world."""

    sdp_port: int
    panel: Path


class Ground:
    """A directory with a lab PKI, in which stations are set up. ``speed``: of their simulated worlds. ``warm``: compile
    the code now, and start one station."""

    def __init__(self, directory: Path, *, speed: float = 1.0, warm: bool = True) -> None:
        self.directory = directory
        self._speed = speed
        self.factor = 1.0
        """How much slower this machine is than the one of the goals, when the measurement at hand began."""
        self.pki = directory / "pki"
        self._stations = 0
        if not self.pki.exists():
            make_lab_pki(self.pki)
        if not warm:
            return
        # As an installation does: compiling takes time, and memory that stays.
        command = (sys.executable, "-m", "secc", "compile")
        subprocess.run(command, cwd=ROOT, env=environment(directory), stdout=subprocess.DEVNULL, check=True)
        # The first start leaves the byte code of what is installed beside the stack, too.
        configuration, places = self.configure(1, plugged=True)
        with running(configuration) as station:
            station.wait(places[0].sdp_port)

    def configure(
        self,
        outlets: int,
        *,
        plugged: bool = False,
        tls: bool = True,
        connector: str = "dc",
        speed: float | None = None,
        **uplink: str | int,
    ) -> tuple[Path, tuple[Outlet, ...]]:
        """Write a station's TOML file: Plug & Charge over TLS (or, without ``tls``, charging for free), traces on, with more settings of the
        ``uplink``."""
        speed = speed or self._speed
        self._stations += 1
        here = self.directory / f"s{self._stations}"
        here.mkdir()
        places = tuple(Outlet(port, here / f"{number}.sock") for number, port in enumerate(free_udp_ports(outlets), 1))
        lines = ["[station]", 'state_directory = "state"']
        for number, place in enumerate(places, 1):
            car = "&car=plugged" if plugged else ""
            lines += [
                "[[outlet]]",
                f'name = "{number}"',
                'interface = "lo"',
                f'hal = "sim:?connector={connector}&speed={speed:g}&control={place.panel}{car}"',
                f"sdp_port = {place.sdp_port}",
                'payments = ["contract"]' if tls else 'payments = ["external"]',
                f'tls = "{"required" if tls else "off"}"',
            ]
        (here / "allowlist.txt").touch(0o644)
        (here / "allowlist.txt").write_text(f"emaid {(self.pki / 'car' / 'emaid.txt').read_text().strip()}\n")
        lines += ["[uplink]", f'allowlist = "{here / "allowlist.txt"}"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in uplink.items()]
        if not tls:
            lines.append('eim = "free"')
        lines += ["[trust]", 'clock = "rtc"']
        for name, where in (("truststore", "truststore"), ("keystore", "keystore"), ("ocsp_cache", "staples")):
            lines.append(f'{name} = "{self.pki / "station" / where}"')
        lines += ["[trace]", 'mode = "always"']
        path = here / "station.toml"
        path.write_text("\n".join(lines) + "\n")
        return path, places


def by_contract(log: Path, sessions: int) -> None:
    """BenchFailed unless a station's log tells of this many sessions that were authorised by contract, and of no other."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if "authorised: by " in line]
    contracts = sum("authorised: by contract" in line for line in lines)
    if (len(lines), contracts) != (sessions, sessions):
        raise BenchFailed(f"{contracts} of {sessions} sessions were authorised by contract, {len(lines)} in all")


def free_udp_ports(count: int) -> list[int]:
    """Ports that are free now, outside of the range from which the kernel chooses by itself."""
    ports: list[int] = []
    for port in random.sample(range(20_000, 30_000), 10_000):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::", port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise BenchFailed("all UDP ports are taken")


def environment(ground: Path) -> dict[str, str]:
    """Ours, but with byte code kept, as it is where the stack is installed; beside the measurements, not in the checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(ground / "bytecode")}


@dataclass(frozen=True, slots=True)
class Span:
    """What a station took from one moment to another, seconds since the epoch. ``board`` is the share of its simulated boards, in seconds, and
    ``seen`` what it saw itself, where it is watched."""

    began: float
    ended: float
    cost: Cpu
    board: float = 0.0
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def own(self) -> float:
        """Seconds of processor time, boards apart."""
        return self.cost.seconds - self.board

    @property
    def rate(self) -> float:
        """The same, a second."""
        return self.own / self.seconds


class Station:
    """A running station. ``program`` is the module that runs, with the path of the configuration as its last argument; ``bytecode`` is where
    byte code is kept, in place of the ground's."""

    def __init__(
        self,
        configuration: Path,
        program: Sequence[str] = ("secc", "run"),
        core: int | None = None,
        bytecode: Path | None = None,
    ) -> None:
        self.directory = configuration.parent
        self._log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *program, str(configuration)],
            cwd=ROOT,
            env=environment(bytecode or self.directory.parent),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.tree = Tree(self._process.pid)
        if core is not None:
            pin(self._process.pid, core)

    def wait(self, port: int, security: sdp.Security = sdp.Security.TLS, seconds: float = START_SECONDS) -> None:
        """Until it answers SDP, asked every 5 ms. BenchFailed when it does not."""
        until = time.monotonic() + seconds
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.005)
            while time.monotonic() < until:
                if self._process.poll() is not None:
                    raise BenchFailed(f"the station ended by itself: {self.last_words()}")
                sock.sendto(sdp.build_request(security), ("::1", port))
                with contextlib.suppress(TimeoutError, ConnectionRefusedError, FramingError):
                    sdp.parse_response(sock.recv(64))
                    return
        raise BenchFailed(f"no SDP answer within {seconds:g} s: {self.last_words()}")

    def wait_for(self, path: Path, seconds: float = START_SECONDS) -> None:
        """Until this socket of its simulated world is there."""
        until = time.monotonic() + seconds
        while not path.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise BenchFailed(f"the station does not come up: {self.last_words()}")
            time.sleep(0.02)

    def charged_by_contract(self, sessions: int) -> None:
        """BenchFailed unless so many sessions were authorised by their contract: another way in is another measurement."""
        by_contract(self.directory / "log", sessions)

    @property
    def log(self) -> str:
        """All that it has said."""
        return (self.directory / "log").read_text(errors="replace")

    def last_words(self) -> str:
        """The end of its log."""
        return " / ".join(self.log.splitlines()[-3:])

    def look(self) -> dict[str, Any]:
        """What a station of :mod:`tools.bench.watched` has seen since the last look."""
        report = self.directory / "watched.json"
        report.unlink(missing_ok=True)
        os.kill(self.tree.pid, signal.SIGUSR1)
        until = time.monotonic() + 10.0
        while not report.exists():
            if time.monotonic() > until:
                raise BenchFailed(f"the watch does not answer: {self.last_words()}")
            time.sleep(0.01)
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    def span(self, work: Callable[[], object], *, watched: bool = False) -> Span:
        """What it takes while this runs; its boards apart, if it is ``watched``."""
        board = self.look()["board"] if watched else 0.0
        before, began = self.tree.cpu(), time.time()
        work()
        ended, cost = time.time(), self.tree.cpu().since(before)
        seen = self.look() if watched else {}
        return Span(began, ended, cost, seen.get("board", 0.0) - board, seen)

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            os.kill(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self._log.close()


@contextlib.contextmanager
def running(
    configuration: Path, *, program: Sequence[str] = ("secc", "run"), core: int | None = None, first: bool = False
) -> Iterator[Station]:
    """A station for the time of the block. ``first``: with priority over what else the machine does, where the bench may give it; nothing is
    measured then that depends on when the station gets its core."""
    station = Station(configuration, program, core)
    try:
        if first:
            precede(station.tree.pid)
        yield station
    finally:
        station.stop()

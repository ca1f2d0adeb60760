"""Our station as a process of its own on the loopback: configured, started, found by SDP, measured, stopped."""

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secc.errors import FramingError
from secc.link import sdp
from tools.pki.layout import make_lab_pki

from .car import Order
from .proc import Cpu, Tree, cores, pin, precede

ROOT = Path(__file__).resolve().parent.parent.parent
PLAIN = ("secc", "run")
WATCHED = ("tools.bench.watched",)
"""The program that :meth:`Station.look` and :attr:`Span.board` need."""
START_SECONDS = 30.0
STOP_SECONDS = 15.0


class BenchFailed(Exception):
    """A measurement could not be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """Address of one simulated outlet: its SDP port and the panel of its world. ``pki`` is the directory of
    a car that charges here; None: it charges without TLS.
    """

    sdp_port: int
    panel: Path
    pki: Path | None

    def order(self, **more: Any) -> Order:
        """Returns the order for a car that charges here."""
        return Order(self.sdp_port, str(self.panel), None if self.pki is None else str(self.pki), **more)


class Ground:
    """A directory with a lab PKI, in which stations are set up. ``speed`` is that of their simulated worlds.
    ``warm``: compile the code, and start one station.
    """

    def __init__(self, directory: Path, *, speed: float = 1.0, warm: bool = True) -> None:
        self.directory = directory
        self._speed = speed
        self.factor = 1.0
        """The time of this machine over that of the machine of the goals, at the begin of a measurement."""
        self.pki = directory / "pki"
        self._stations = 0
        if not self.pki.exists():
            make_lab_pki(self.pki)
        if not warm:
            return
        # An installation compiles, too. Compiling takes time, and memory that stays.
        command = (sys.executable, "-m", "secc", "compile")
        subprocess.run(command, cwd=ROOT, env=environment(directory), stdout=subprocess.DEVNULL, check=True)
        # The first start writes the byte code of the installed packages as well.
        configuration, (place,) = self.configure(1, plugged=True)
        with running(configuration) as station:
            station.wait(place.sdp_port)

    def configure(
        self,
        outlets: int,
        *,
        plugged: bool = False,
        tls: bool = True,
        connector: str = "dc",
        speed: float | None = None,
        timing: Mapping[str, float] | None = None,
        protocols: Sequence[str] = (),
        **uplink: str | int,
    ) -> tuple[Path, tuple[Outlet, ...]]:
        """Write a station's TOML file: Plug & Charge over TLS, or without ``tls`` free charging; traces on;
        with these settings of ``[uplink]`` and ``[timing]``. ``plugged``: a car is plugged in from the start.
        ``protocols``: the outlets speak these alone.
        """
        self._stations += 1
        here = self.directory / f"s{self._stations}"
        here.mkdir()
        ports, pki = enumerate(free_udp_ports(outlets), 1), self.pki / "car" if tls else None
        places = tuple(Outlet(port, here / f"{number}.sock", pki) for number, port in ports)
        world = f"connector={connector}&speed={speed or self._speed:g}" + ("&car=plugged" if plugged else "")
        allowlist = here / "allowlist.txt"
        allowlist.touch(0o644)
        allowlist.write_text(f"emaid {(self.pki / 'car' / 'emaid.txt').read_text().strip()}\n")
        uplink |= {"allowlist": str(allowlist)} | ({} if tls else {"eim": "free"})
        stores = {"truststore": "truststore", "keystore": "keystore", "ocsp_cache": "staples"}
        trust = {name: str(self.pki / "station" / store) for name, store in stores.items()}
        tables: list[tuple[str, dict[str, Any]]] = [("[station]", {"state_directory": "state"})]
        for number, place in enumerate(places, 1):
            outlet = {"name": str(number), "interface": "lo", "hal": f"sim:?{world}&control={place.panel}"}
            spoken = {"protocols": list(protocols)} if protocols else {}
            access = spoken | {"payments": ["contract" if tls else "external"], "tls": "required" if tls else "off"}
            tables.append(("[[outlet]]", outlet | access | {"sdp_port": place.sdp_port}))
        tables += [("[uplink]", uplink), ("[trust]", {"clock": "rtc"} | trust), ("[trace]", {"mode": "always"})]
        tables.append(("[timing]", dict(timing or {})))
        lines = [[name, *(f"{key} = {json.dumps(value)}" for key, value in table.items())] for name, table in tables]
        path = here / "station.toml"
        path.write_text("\n".join(line for table in lines for line in table) + "\n")
        return path, places


def by_contract(log: Path, sessions: int) -> None:
    """Raises BenchFailed unless a station's log has this many authorisations, all of them by contract: other
    sessions would be another measurement.
    """
    lines = [line for line in log.read_text(errors="replace").splitlines() if "authorised: by " in line]
    contracts = sum("authorised: by contract" in line for line in lines)
    if (len(lines), contracts) != (sessions, sessions):
        raise BenchFailed(f"{contracts} of {sessions} sessions were authorised by contract, {len(lines)} in all")


def free_udp_ports(count: int) -> list[int]:
    """Returns free ports below the range from which the kernel takes ports for other sockets."""
    ports: list[int] = []
    for port in random.sample(range(20_000, 30_000), 10_000):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::", port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise BenchFailed("all UDP ports are taken")


def environment(ground: Path) -> dict[str, str]:
    """Returns this process's environment, but byte code is kept as in an installation: in ``ground``, not in
    the checkout.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(ground / "bytecode")}


@dataclass(frozen=True, slots=True)
class Span:
    """Cost of a station between two moments, seconds since the epoch. ``board`` is the processor time of its
    simulated boards, ``seen`` the report of :meth:`Station.look`, both of a watched station.
    """

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
        """Seconds of processor time without the boards."""
        return self.cost.seconds - self.board

    @property
    def rate(self) -> float:
        """``own`` a second."""
        return self.own / self.seconds


class Station:
    """A running station. ``program`` is a module with its arguments before the configuration's path;
    ``bytecode`` is the directory for byte code, instead of the ground's.
    """

    places: tuple[Outlet, ...] = ()
    alone = False
    """Whether it has priority over the other processes of the machine."""

    def __init__(self, configuration: Path, program: Sequence[str] = PLAIN, bytecode: Path | None = None) -> None:
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

    def until(self, happened: Callable[[], bool], what: str, every: float, seconds: float = START_SECONDS) -> None:
        """Wait until it happened, and look ``every`` so many seconds. Raises BenchFailed with ``what`` if it does not."""
        end = time.monotonic() + seconds
        while not happened():
            if self._process.poll() is not None or time.monotonic() > end:
                raise BenchFailed(f"{what}: {' / '.join(self.log.splitlines()[-3:])}")
            time.sleep(every)

    def wait(self, port: int) -> None:
        """Wait until the station answers SDP, asked every 5 ms. Raises BenchFailed."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.005)

            def answered() -> bool:
                sock.sendto(sdp.build_request(sdp.Security.TLS), ("::1", port))
                with contextlib.suppress(TimeoutError, ConnectionRefusedError, FramingError):
                    sdp.parse_response(sock.recv(64))
                    return True
                return False

            self.until(answered, "the station does not answer SDP", 0.0)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def look(self) -> dict[str, Any]:
        """Returns the report of :mod:`tools.bench.watched` since the last look. Raises BenchFailed."""
        report = self.directory / "watched.json"
        report.unlink(missing_ok=True)
        os.kill(self.tree.pid, signal.SIGUSR1)
        self.until(report.exists, "the watch does not answer", 0.01, 10.0)
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    def span(self, work: Callable[[], object], *, watched: bool = False) -> Span:
        """Returns the station's cost while ``work`` runs; of a ``watched`` station also its boards' share."""
        board = self.look()["board"] if watched else 0.0
        before, began = self.tree.cpu(), time.time()
        work()
        ended, cost = time.time(), self.tree.cpu().since(before)
        seen = self.look() if watched else {}
        return Span(began, ended, cost, seen.get("board", 0.0) - board, seen)

    def rest(self, seconds: float, *, watched: bool = False) -> Span:
        """Returns the station's cost in these seconds."""
        return self.span(lambda: time.sleep(seconds), watched=watched)

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            os.kill(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self._log.close()


@contextlib.contextmanager
def running(configuration: Path, program: Sequence[str] = PLAIN, *, bytecode: Path | None = None) -> Iterator[Station]:
    """Run a station until the block ends."""
    station = Station(configuration, program, bytecode)
    try:
        yield station
    finally:
        station.stop()


@contextlib.contextmanager
def ready(
    ground: Ground,
    outlets: int,
    program: Sequence[str] = PLAIN,
    *,
    pinned: bool = True,
    first: bool = False,
    **configured: Any,
) -> Iterator[Station]:
    """Run a station of so many outlets until the block ends; each outlet is up. ``pinned``: on its own core.
    ``first``: with real-time priority if this process may give it; only for figures that do not depend on
    when the station gets its core.
    """
    configuration, places = ground.configure(outlets, **configured)
    with running(configuration, program) as station:
        if pinned:
            pin(station.tree.pid, cores()[0])
        station.alone = first and precede(station.tree.pid)
        for place in places:
            station.until(place.panel.exists, "the station does not come up", 0.02)
        station.places = places
        yield station

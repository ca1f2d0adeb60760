"""``make demo``: a station with simulated hardware and a simulated car, two processes, one charging
session.

Makes the lab PKI, starts ``python -m secc run`` and ``python -m tools.evcc`` on the loopback, and
prints one milestone a line. The exit code is 0 only if contactor and meter of the simulated world
confirm all of it. Needs no root and no network.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hal.errors import HalError
from hal.sim.panel import Hand

from .demo_misfortune import MISFORTUNES, Misfortune
from .demo_place import (
    DemoFailed,
    Place,
    enter_namespace,
    free_sdp_port,
    has_ipv6_loopback,
    prepare_pki,
    raise_loopback,
    tell,
)
from .demo_script import CarFailed, CarLine, Story, StoryIncomplete, read_car_line

START_SECONDS: Final = 15.0
CAR_SECONDS: Final = 60.0
WORLD_SECONDS: Final = 6000.0
"""Time limit for a car, in seconds and in seconds of the world's clock, in which an AC car charges
for more than an hour.
"""
POWER_SECONDS: Final = 1.0
"""Seconds of power before a misfortune."""
NEXT_CAR_SECONDS: Final = 2.0
"""Seconds until the next car: the modem needs its new key."""
OPEN_SECONDS: Final = 10.0
STOP_SECONDS: Final = 15.0
OK, FAILED, USAGE = 0, 1, 2


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make demo DEMO='...'", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--mode", choices=("dc", "ac"), default="dc")
    parser.add_argument("--payment", choices=("pnc", "eim"), help="Plug & Charge (default), or free charging")
    parser.add_argument("--no-tls", action="store_true", help="plain TCP; Plug & Charge needs TLS")
    parser.add_argument(
        "--protocol",
        dest="protocols",
        action="append",
        default=[],
        help="a protocol of the car (secc evcc --protocol), such as din, which needs --no-tls; may be repeated",
    )
    parser.add_argument("--speed", type=float, default=None, help="simulated seconds in one (DC 120, AC 600)")
    parser.add_argument(
        "--kill", action="store_true", help="kill the car's process while power flows; then the next car charges"
    )
    parser.add_argument(
        "--misfortune", choices=tuple(MISFORTUNES), help="a fault while power flows; then the next car charges"
    )
    parser.add_argument("--directory", type=Path, default=Path("var/demo"), help="directory for all files")
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.no_tls and options.payment == "pnc":
        parser.error("Plug & Charge needs TLS: --no-tls goes with --payment eim")
    if options.payment is None:
        options.payment = "eim" if options.no_tls else "pnc"
    if options.speed is None:
        options.speed = 120.0 if options.mode == "dc" else 600.0
    if not 0.1 <= options.speed <= 2000.0:
        parser.error("--speed goes from 0.1 to 2000")
    return options


# --- the two processes ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Children:
    """The processes that this program started."""

    running: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, *command: str, stderr: int) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, stdout=asyncio.subprocess.PIPE, stderr=stderr, limit=1 << 20
        )
        self.running.append(child)
        return child

    async def stop(self, child: asyncio.subprocess.Process, seconds: float = STOP_SECONDS) -> int | None:
        """Send SIGTERM, and SIGKILL if needed. Returns the exit code."""
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(child.wait(), seconds)
            except TimeoutError:
                child.kill()
                await child.wait()
        return child.returncode

    async def stop_all(self) -> None:
        for child in self.running:
            await self.stop(child)


@dataclass(slots=True)
class Demo:
    """One run."""

    options: argparse.Namespace
    place: Place
    children: Children
    story: Story
    station: asyncio.subprocess.Process | None = None
    station_log: list[str] = field(default_factory=list)
    trace: Path | None = None
    """Of the session, once it has ended."""

    async def run(self) -> None:
        """Run all steps. Raises DemoFailed with the one that failed."""
        began = time.time()
        configuration = self.place.write_configuration(self.options)
        self.station = await self.children.start(
            "secc", "run", "--config", str(configuration), stderr=asyncio.subprocess.STDOUT
        )
        assert self.station.stdout is not None
        reading = asyncio.create_task(self._read_station(self.station.stdout))
        hand = Hand(self.place.panel)
        try:
            await self._wait_for_world(hand)
            before = await hand.state()
            befalls = MISFORTUNES.get(self.options.misfortune)
            if befalls is None:
                await self._drive_car(killed=self.options.kill)
            else:
                await self._cut_off(hand, befalls)
            after = await self._wait_until_open(hand)
            self._judge(before, after)
            if self.options.kill or befalls is not None:
                await self._next_car(hand, befalls.pause if befalls is not None else NEXT_CAR_SECONDS)
            if (code := await self.children.stop(self.station)) != OK:
                raise DemoFailed(f"the station ended with code {code}")
        finally:
            hand.close()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
        self.trace = self._newest_trace(began)
        tell("demo", f"session trace: {self.trace}")

    async def _read_station(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            text = line.decode("utf-8", "replace").rstrip()
            self.station_log.append(text)
            shown = STATION_LINE.sub("", text)
            if shown:
                tell("station", shown)

    async def _wait_for_world(self, hand: Hand) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.station is None or self.station.returncode is not None:
                raise DemoFailed("the station did not start: " + (self.station_log or ["it printed nothing"])[-1])
            try:
                await hand.state()
                return
            except HalError as error:
                if time.monotonic() > deadline:
                    raise DemoFailed(f"the station's simulated world did not appear: {error}") from error
                await asyncio.sleep(0.05)

    def _car_command(self, *more: str) -> list[str]:
        options = self.options
        command = ["tools.evcc", "--json", "--iface", "lo", "--sdp-port", str(self.place.sdp_port)]
        command += ["--sim-socket", str(self.place.panel), "--mode", options.mode, "--payment", options.payment]
        command += ["--soc", "0.4", *(word for name in options.protocols for word in ("--protocol", name))]
        command += ["--no-tls"] if options.no_tls else ["--pki", str(self.place.pki / "car")]
        return [*command, *more]

    async def _drive_car(self, *, killed: bool, more: Sequence[str] = (), story: Story | None = None) -> None:
        story = story if story is not None else self.story
        command = self._car_command(*more, *(("--kill-after", "30") if killed else ()))
        car = await self.children.start(*command, stderr=asyncio.subprocess.STDOUT)
        assert car.stdout is not None
        patience = CAR_SECONDS + WORLD_SECONDS / self.options.speed
        try:
            async with asyncio.timeout(patience):
                while line := await car.stdout.readline():
                    self._hear_car(line, story)
                code = await car.wait()
        except TimeoutError as error:
            raise DemoFailed(f"the car did not finish in {patience:.0f} s") from error
        if killed:
            if code != -signal.SIGKILL:
                raise DemoFailed(f"the car should have been killed, but ended with code {code}")
            tell("demo", "the car's process was killed")
        elif code != OK:
            raise DemoFailed(f"the car ended with code {code}")

    async def _cut_off(self, hand: Hand, misfortune: Misfortune) -> None:
        """Start a car, apply the misfortune, and check the contactor; the car's messages do not
        count after it.
        """
        car = await self.children.start(*self._car_command(), stderr=asyncio.subprocess.STDOUT)
        assert car.stdout is not None
        async with asyncio.timeout(CAR_SECONDS):
            while line := await car.stdout.readline():
                self._hear_car(line, self.story)
                if self.story.heard[-1].name == "charging":
                    break
        await asyncio.sleep(POWER_SECONDS)
        if not (await hand.state())["contactor_closed"]:
            raise DemoFailed("no power flowed when it was time for the misfortune")
        tell("world", misfortune.text)
        began = time.monotonic()
        await misfortune.befall(hand)
        await self._wait_until_open(hand, misfortune.seconds)
        tell("world", f"contactor open after {time.monotonic() - began:.2f} s")
        await self.children.stop(car)
        await misfortune.mend(hand)

    def _hear_car(self, line: bytes, story: Story) -> None:
        try:
            said: CarLine = read_car_line(line)
        except CarFailed as error:
            raise DemoFailed(str(error)) from error
        story.hear(said)
        tell("car", said.text)

    async def _wait_until_open(self, hand: Hand, seconds: float = OPEN_SECONDS) -> dict[str, Any]:
        """Wait for the contactor of the simulated world to open; other reports do not count."""
        deadline = time.monotonic() + seconds
        while (state := await hand.state())["contactor_closed"]:
            if time.monotonic() > deadline:
                raise DemoFailed("the contactor is still closed")
            await asyncio.sleep(0.02)
        return state

    def _judge(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        metered = after["metered_watt_hours"] - before["metered_watt_hours"]
        if "contactor_closed" not in after["moments"]:
            raise DemoFailed("the contactor was never closed")
        if metered <= 0.0:
            raise DemoFailed("the meter counted no energy")
        if after["incidents"]:
            raise DemoFailed(f"in the simulated world: {', '.join(after['incidents'])}")
        try:
            self.story.check(metered)
        except StoryIncomplete as error:
            raise DemoFailed(str(error)) from error
        self._judge_reason(1)
        tell("world", f"contactor open, {metered / 1000.0:.2f} kWh through the meter")

    def _judge_reason(self, sessions: int) -> None:
        """Check against the station's log why each car was authorised."""
        by = "contract" if self.options.payment == "pnc" else "external identification"
        told = sum(f"authorised: by {by}" in line for line in self.station_log)
        if told != sessions:
            raise DemoFailed(f"the station authorised {told} of {sessions} cars by {by}")

    async def _next_car(self, hand: Hand, pause: float) -> None:
        await hand.act("unplug", force=True)
        tell("demo", "that car is unplugged; the next car arrives")
        await asyncio.sleep(pause)
        story = self.story.of_next_car()
        await self._drive_car(killed=False, more=("--loops", "20"), story=story)
        await self._wait_until_open(hand)
        try:
            story.check(None)
        except StoryIncomplete as error:
            raise DemoFailed(f"the next car: {error}") from error
        self._judge_reason(2)
        tell("demo", "the station has served the next car")

    def _newest_trace(self, began: float) -> Path:
        fresh = [path for path in self.place.traces.glob("*") if path.is_file() and path.stat().st_mtime >= began - 1.0]
        if not fresh:
            raise DemoFailed(f"no session trace in {self.place.traces}")
        return max(fresh, key=lambda path: path.stat().st_mtime)


STATION_LINE = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} ")
"""The time of day at the beginning of a line of the station's log."""


async def demonstrate(options: argparse.Namespace, place: Place) -> int:
    children = Children()
    tls, cut = not options.no_tls, options.misfortune is not None
    story = Story(options.mode, options.payment, tls=tls, killed=options.kill, cut=cut)
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    demo = Demo(options, place, children, story)
    try:
        await demo.run()
    except (DemoFailed, HalError) as failed:
        tell("demo", f"FAILED: {failed}")
        return FAILED
    except asyncio.CancelledError:
        tell("demo", "interrupted")
        return 130
    finally:
        await children.stop_all()
    tell("demo", "all of it happened")
    for line in what_next(demo.trace, options.mode):
        tell("demo", line)
    return OK


def what_next(trace: Path | None, mode: str) -> Iterator[str]:
    """Yields commands to try next, as typed in the checkout."""
    secc = _here(Path(sys.executable).with_name("secc"))
    yield "what to try next:"
    yield f"  {secc} diagram {_here(trace) if trace is not None else 'TRACE'}"
    yield f"  make demo DEMO='--mode {'ac' if mode == 'dc' else 'dc'}'            the other current"
    yield "  make demo DEMO=--misfortune=unplug    the plug is pulled while power flows"
    yield "  docs/lab-bench.md                     a car or a station of your own on the other end"
    yield "  docs/board.md                         from a bare board to a station that charges"


def _here(path: Path) -> str:
    """Returns the path as typed in the working directory."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    if options.in_namespace:
        with contextlib.suppress(OSError):
            raise_loopback()
    if not has_ipv6_loopback():
        if not options.in_namespace:
            enter_namespace(list(sys.argv[1:] if argv is None else argv))
        remedy = "sysctl net.ipv6.conf.lo.disable_ipv6=0"
        tell("demo", f"FAILED: IPv6 is switched off on this machine, and cars use nothing else: try {remedy}")
        return FAILED
    directory: Path = options.directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    prepare_pki(directory / "pki")
    with tempfile.TemporaryDirectory(prefix="secc-demo-") as sockets:
        return asyncio.run(demonstrate(options, Place(directory, Path(sockets), free_sdp_port())))


if __name__ == "__main__":
    sys.exit(main())

"""``secc slac-bench``: measures the attenuation of a cable, pass after pass, as a table and a plot.

One interface plays the car: it asks, sounds and reads what the station measured, and stops there.
The station is any station at the other end,
this program on a second interface of this machine (``--station``), or a simulated pair of modems
(``--sim``).

::

    secc slac-bench eth1                      against the station on the line
    secc slac-bench eth1 --station eth2       two modems on one bench, this machine at both ends
    secc slac-bench --sim --passes 3          no hardware
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from hal.errors import HalError
from hal.events import PilotChanged
from hal.linux.modem import open_modem
from hal.ports import PlcModem
from hal.readings import PilotReading, PilotState
from hal.sim.clock import LoopClock
from hal.sim.modem import Medium, SimModem
from secc.conversation import Effect, Levels, Reason, Session
from secc.link.slac.dlink import ArmMatching
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import AttenCharInd
from secc.link.slac.settings import SlacSettings

from .slac_car import EvSlac
from .slac_modem import OnModem


class Station(OnModem):
    """A matching session of the station. ``tell`` gets its effects for others than the modem; it
    serves until it is cancelled.
    """

    def __init__(
        self,
        modem: PlcModem,
        settings: SlacSettings,
        tell: Callable[[Effect], None],
        session: type[SlacSession] = SlacSession,
    ) -> None:
        super().__init__(modem, session(settings, now=asyncio.get_running_loop().time()), tell)

    def plug_in(self) -> None:
        """Set the pilot to B: cars are answered from now on."""
        self.pilot("B")
        self.say(ArmMatching())

    def pilot(self, state: Any) -> None:
        self.session.levels = Levels(pilot=state)
        now = asyncio.get_running_loop().time()
        self.say(PilotChanged(PilotReading(PilotState(state), now, now)))


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what the station measured. ``result`` is None without an answer; ``text`` says how
    far the pass came.
    """

    number: int
    result: AttenCharInd | None
    text: str = ""

    @property
    def mean(self) -> float:
        groups = self.result.groups if self.result is not None else ()
        return sum(groups) / len(groups) if groups else float("nan")


async def measure(modem: PlcModem, number: int, sounds: int = 10) -> Pass:
    """Run one pass of the car's side, as far as CM_ATTEN_CHAR, with a RunID of its own."""
    now = asyncio.get_running_loop().time()
    session = Session(lambda ev: EvSlac(ev, modem.mac, sounds=sounds).measure(), now=now)
    ended = await OnModem(modem, session).run()
    if ended.well:
        return Pass(number, session.result[1])
    return Pass(number, None, "no CM_ATTEN_CHAR.IND" if ended.kind == "timer" else "no CM_SLAC_PARM.CNF")


def table(passes: list[Pass]) -> str:
    """Returns a table with a line a pass, and the spread of all."""
    lines = ["pass  sounds  mean dB   min   max"]
    for each in passes:
        if each.result is None:
            lines.append(f"{each.number:4}  {each.text}")
            continue
        groups = each.result.groups
        lines.append(f"{each.number:4}  {each.result.num_sounds:6}  {each.mean:7.1f}  {min(groups):4}  {max(groups):4}")
    means = [each.mean for each in passes if each.result is not None and each.result.groups]
    if means:
        spread = max(means) - min(means)
        lines.append(f" all  {len(means)} of {len(passes)}  {sum(means) / len(means):7.1f}  spread {spread:.1f} dB")
    else:
        lines.append(f" all  0 of {len(passes)} passes were answered")
    return "\n".join(lines)


def plot(passes: list[Pass], height: int = 10) -> str:
    """Returns a plot of attenuation over the groups of carriers, mean of all passes: low
    frequencies on the left, loss upwards.
    """
    results = [each.result.groups for each in passes if each.result is not None and each.result.groups]
    if not results:
        return ""
    width = min(len(groups) for groups in results)
    means = [sum(groups[i] for groups in results) / len(results) for i in range(width)]
    top = max(1.0, max(means))
    lines = []
    for row in range(height, 0, -1):
        level = top * row / height
        bars = "".join("#" if mean >= level - top / height / 2 else " " for mean in means)
        lines.append(f"{level:5.1f} |{bars}")
    lines.append("   dB +" + "-" * width)
    lines.append("       group 0" + f"{width - 1}".rjust(width - 7))
    return "\n".join(lines)


@contextlib.asynccontextmanager
async def ends(arguments: argparse.Namespace) -> AsyncIterator[tuple[PlcModem, PlcModem | None]]:
    """Yields the car's modem, and one for the station's end if there is one."""
    if arguments.sim:
        medium = Medium(LoopClock(), attenuation=arguments.attenuation)
        car = SimModem(medium, bytes.fromhex("02ee00000001"), bytes.fromhex("00b052aa0001"), measures=False)
        yield car, SimModem(medium, bytes.fromhex("025ecc000001"), bytes.fromhex("00b052bb0001"))
        return
    async with contextlib.AsyncExitStack() as stack:
        modems = []
        for interface in (arguments.interface, arguments.station):
            if interface is not None:
                modem = await open_modem(interface)
                stack.push_async_callback(modem.close)
                modems.append(modem)
        yield modems[0], modems[1] if len(modems) > 1 else None


async def bench(arguments: argparse.Namespace) -> list[Pass]:
    """Run all passes."""
    async with ends(arguments) as (car_modem, station_modem):
        serving: asyncio.Task[Reason] | None = None
        if station_modem is not None:
            station = Station(station_modem, SlacSettings(station_modem.mac), lambda effect: None)
            serving = asyncio.ensure_future(station.run())
            await asyncio.sleep(arguments.settle)
            station.plug_in()
        passes = []
        for number in range(1, arguments.passes + 1):
            passes.append(await measure(car_modem, number))
            await asyncio.sleep(arguments.pause)
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        return passes


def parser() -> argparse.ArgumentParser:
    parsed = argparse.ArgumentParser(prog="secc slac-bench", description=(__doc__ or "").split("\n\n")[0])
    parsed.add_argument("interface", nargs="?", help="network interface of the modem that plays the car")
    parsed.add_argument("--station", metavar="INTERFACE", help="a second modem on this machine, as the station")
    parsed.add_argument("--sim", action="store_true", help="simulated modems")
    parsed.add_argument("--attenuation", type=int, default=12, help="of the simulated cable, dB")
    parsed.add_argument("--passes", type=int, default=10, help="number of passes (default: 10)")
    parsed.add_argument("--pause", type=float, default=0.5, help="seconds between passes")
    parsed.add_argument("--settle", type=float, default=1.0, help="seconds for the station's modem to take its key")
    parsed.add_argument("--json", action="store_true", help="one line of JSON for each pass")
    return parsed


def main(argv: list[str] | None = None, run: Callable[[Any], Any] = asyncio.run) -> int:
    """Returns 0 if every pass was answered, 1 if one was not, 2 if the bench could not run."""
    parsed = parser()
    arguments = parsed.parse_args(argv)
    if not arguments.sim and arguments.interface is None:
        parsed.error("name the interface of the modem, or use --sim")
    try:
        passes: list[Pass] = run(bench(arguments))
    except HalError as error:
        print(f"secc slac-bench: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        for each in passes:
            result = each.result
            row = {"pass": each.number, "groups": list(result.groups) if result else None, "text": each.text}
            print(json.dumps({**row, "sounds": result.num_sounds if result else 0}))
    else:
        print(table(passes))
        print()
        print(plot(passes))
    return 0 if all(each.result is not None for each in passes) else 1


if __name__ == "__main__":
    sys.exit(main())

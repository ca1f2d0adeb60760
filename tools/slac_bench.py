"""``secc slac-bench``: how well a cable carries, pass after pass, as a table and a plot.

One interface plays the car: it asks, sounds and reads what the station heard, and goes no further. The station is any station at the other end, or
ours on a second interface of this machine (``--station``), or a simulated pair of modems (``--sim``).

::

    secc slac-bench eth1                      against whatever station is on the line
    secc slac-bench eth1 --station eth2       two modems on one bench, this machine at both ends
    secc slac-bench --sim --passes 3          no hardware at all
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hal.errors import HalError
from hal.linux import open_modem
from hal.ports import PlcModem
from hal.sim.clock import LoopClock
from hal.sim.medium import Medium
from hal.sim.modem import SimModem
from secc.conversation import Abandon, Answered, Ask, Effect, Event, Levels
from secc.errors import FramingError
from secc.link.slac import mme
from secc.link.slac.effects import CheckLink, SendFrame, SetKey
from secc.link.slac.events import FrameReceived, KeySet, LinkReported, MatchingArmed, PilotChanged
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import (
    BROADCAST,
    AttenCharInd,
    AttenCharRsp,
    Message,
    Mme,
    MnbcSoundInd,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)
from secc.link.slac.settings import SlacSettings

M = TypeVar("M", bound=Message)
BATCH_SECONDS = 0.03
"""TP_EV_batch_msg_interval: 20 to 50 ms between two messages of a batch."""
ANSWER_SECONDS = 0.2
RESULT_SECONDS = 1.2
BARS = 58


class Station:
    """Our matching session on a modem and the event loop's time. ``on_effect`` hears what the session says to others."""

    def __init__(self, modem: PlcModem, settings: SlacSettings, on_effect: Callable[[Effect], None]) -> None:
        self.modem = modem
        self.session = SlacSession(settings, now=asyncio.get_running_loop().time())
        self._on_effect = on_effect
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until cancelled; HalError when the interface is gone."""
        frames = self.modem.frames()
        self._take(self.session.begin(self._now()))
        try:
            async for at, octets in frames:
                self._take(self.session.receive(FrameReceived(octets), at))
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in (*self._tasks.values(), *self._sending):
                task.cancel()

    def plug_in(self) -> None:
        """The pilot says B, and cars are answered from now on."""
        self.pilot("B")
        self.say(MatchingArmed())

    def pilot(self, state: Any) -> None:
        self.session.levels = Levels(pilot=state)
        self.say(PilotChanged())

    def say(self, event: Event) -> None:
        self._take(self.session.receive(event, self._now()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case SendFrame():
                    task = asyncio.ensure_future(self._send(effect))
                    self._sending.add(task)
                    task.add_done_callback(self._sending.discard)
                case Ask(ticket, SetKey() | CheckLink() as question):
                    self._tasks[ticket.number] = asyncio.ensure_future(self._answer(ticket, question))
                case Abandon(ticket):
                    abandoned = self._tasks.pop(ticket.number, None)
                    if abandoned is not None:
                        abandoned.cancel()
                case _:
                    self._on_effect(effect)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self.session.deadline
        self._timer = None
        if due is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(due.at, lambda: self._take(self.session.expire(max(due.at, self._now()))))

    async def _send(self, effect: SendFrame) -> None:
        # A frame that cannot go out is one that was lost on the line.
        with contextlib.suppress(HalError):
            await self.modem.send(effect.octets)

    async def _answer(self, ticket: Any, question: SetKey | CheckLink) -> None:
        answer: KeySet | LinkReported
        try:
            if isinstance(question, SetKey):
                await self.modem.set_key(question.nid, question.nmk.octets)
                answer = KeySet(True, self.modem.address)
            else:
                answer = LinkReported(await self.modem.link_up())
        except HalError as error:
            answer = KeySet(False, text=str(error)) if isinstance(question, SetKey) else LinkReported(None, str(error))
        self._tasks.pop(ticket.number, None)
        self._take(self.session.receive(Answered(ticket, answer), self._now()))


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what the station said it heard. ``result`` is None where it did not answer; ``text`` says how far the pass came."""

    number: int
    result: AttenCharInd | None
    text: str = ""

    @property
    def mean(self) -> float:
        groups = self.result.groups if self.result is not None else ()
        return sum(groups) / len(groups) if groups else float("nan")


class Car:
    """The car's side of one pass after the other, as far as CM_ATTEN_CHAR."""

    def __init__(self, modem: PlcModem, sounds: int = 10) -> None:
        self.modem = modem
        self.sounds = sounds
        self._frames = modem.frames()

    async def measure(self, number: int) -> Pass:
        """One pass, with a RunID of its own."""
        run_id = os.urandom(8)
        for _ in range(3):
            await self._say(SlacParmReq(0, 0, run_id))
            invited = await self._hear(SlacParmCnf, lambda cnf: cnf.run_id == run_id, ANSWER_SECONDS)
            if invited is not None:
                break
        else:
            return Pass(number, None, "no CM_SLAC_PARM.CNF")
        began = asyncio.get_running_loop().time()
        for _ in range(3):
            await self._say(StartAttenCharInd(0, 0, self.sounds, 6, 1, self.modem.mac, run_id))
            await asyncio.sleep(BATCH_SECONDS)
        for count in reversed(range(self.sounds)):
            await self._say(MnbcSoundInd(0, 0, bytes(17), count, run_id, random=os.urandom(16)))
            await asyncio.sleep(BATCH_SECONDS)
        left = began + RESULT_SECONDS - asyncio.get_running_loop().time()
        heard = await self._hear(AttenCharInd, lambda ind: ind.run_id == run_id, left)
        if heard is None:
            return Pass(number, None, "no CM_ATTEN_CHAR.IND")
        rsp = AttenCharRsp(0, 0, self.modem.mac, run_id, bytes(17), bytes(17), 0)
        await self.modem.send(mme.build(heard.source, self.modem.mac, rsp))
        assert isinstance(heard.message, AttenCharInd)
        return Pass(number, heard.message)

    async def _say(self, message: Message) -> None:
        await self.modem.send(mme.build(BROADCAST, self.modem.mac, message))

    async def _hear(self, kind: type[M], wanted: Callable[[M], bool], seconds: float) -> Mme | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                async for _, octets in self._frames:
                    try:
                        frame = mme.parse(octets)
                    except FramingError:
                        continue
                    if isinstance(frame.message, kind) and wanted(frame.message):
                        return frame
        return None


def table(passes: list[Pass]) -> str:
    """One line a pass, and the spread of all."""
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
    """Attenuation over the groups of carriers, mean of all passes: low frequencies on the left, what is lost upwards."""
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
    """The car's modem, and ours at the station's end where there is one."""
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
    """All passes."""
    async with ends(arguments) as (car_modem, station_modem):
        serving: asyncio.Task[None] | None = None
        if station_modem is not None:
            station = Station(station_modem, SlacSettings(station_modem.mac), lambda effect: None)
            serving = asyncio.ensure_future(station.run())
            await asyncio.sleep(arguments.settle)
            station.plug_in()
        car = Car(car_modem)
        passes = []
        for number in range(1, arguments.passes + 1):
            passes.append(await car.measure(number))
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
    parsed.add_argument("--passes", type=int, default=10, help="how often it is measured (default: 10)")
    parsed.add_argument("--pause", type=float, default=0.5, help="seconds between passes")
    parsed.add_argument("--settle", type=float, default=1.0, help="seconds for the station's modem to take its key")
    parsed.add_argument("--json", action="store_true", help="one line of JSON for each pass")
    return parsed


def main(argv: list[str] | None = None, run: Callable[[Any], Any] = asyncio.run) -> int:
    """0: every pass was answered; 1: one was not; 2: it could not be tried."""
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

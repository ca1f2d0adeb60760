"""Cars on a bad line at a whole station: sockets, TLS, threads, plug-in, pauses and books, in virtual time.

The same station serves them one after another. What is judged is the simulated world's contactor and meter, and the station's own complaints.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest import mock

from hal.sim.clock import run_virtual
from secc.config import Eim, Timing, Tls, TraceMode
from tests.fuzz.line import BadLine
from tests.fuzz.sockets import OBJECTS, complaints, resources
from tests.station_scene import BOTH, Scene, _Caught, car_wallet, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.line import Line
from tools.evcc.wallet import Wallet

CARD: Final = "04A2B3C4"
SECONDS: Final = 150.0
"""Of simulated time, until a session and its plug-in are over."""
PIECE: Final = 32
"""Octets of a certificate: a part of it is as bad as the whole."""
_LINE: ContextVar[BadLine] = ContextVar("line")


@dataclass
class Found:
    """What a run has seen."""

    seed: int
    sessions: int = 0
    charged: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: list[tuple[int, int, int]] = field(default_factory=list)
    """Descriptors, tasks and objects after each third."""

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {code}" for code, count in self.ends.most_common(40))
        head = f"{self.sessions} sessions at a whole station (seed {self.seed}), {self.charged} of them with energy; left: {self.left}"
        return "\n".join([head, f"ends: {ends}", *self.wrong])


class Bad(_Caught):
    """A car's connection on the bad line of the context."""

    @classmethod
    async def open(cls, *arguments: Any) -> Line:
        opened, bad = await super().open(*arguments), _LINE.get()
        send = opened.send

        async def carried(octets: bytes, name: str) -> None:
            for later, piece in bad.carry(octets):
                if later:
                    asyncio.get_running_loop().call_later(later, _start, _sent(opened, send, piece, name))
                else:
                    await _sent(opened, send, piece, name)

        opened.send = carried  # type: ignore[method-assign]  # this is the bad line
        return opened


def _start(work: Any) -> None:
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _sent(opened: Line, send: Callable[..., Any], piece: bytes | None, name: str) -> None:
    if piece is None:
        await opened.close()
    elif piece:
        await send(piece, name)


def run(directory: Path, *, count: int, seed: int, told: Callable[[str], None] = lambda line: None) -> Found:
    """Let so many cars come, one after another. Returns what was seen."""
    found = Found(seed)
    config = configured(
        directory,
        tls=Tls.OFFERED,
        payments=BOTH,
        eim=Eim.LIST,
        allow=f"emaid DE8AACA2B3C4D5L\nrfid {CARD}\n",
        timing=Timing(eim_seconds=5.0),
        trace=TraceMode.ALWAYS,
    )

    async def main() -> None:
        async with station(config) as scene:
            with mock.patch("tools.evcc.driver.Line", Bad):
                for third in range(3):
                    for number in range(count // 3):
                        await _one(scene, found, seed + third * (count // 3) + number)
                    scene.published.clear()
                    await asyncio.sleep(30.0)
                    found.left.append(resources())
                    told(
                        f"{found.sessions} sessions, {found.charged} with energy; descriptors, tasks, objects {found.left[-1]}"
                    )
            judged(scene)

    with complaints() as logged:
        run_virtual(main())
    found.wrong += logged + personal(config.station.state_directory, car_wallet())
    fds, tasks, objects = zip(*found.left, strict=True)
    if max(fds) > fds[0] + 1 or max(tasks) > tasks[0] or objects[2] - objects[1] >= OBJECTS:
        found.wrong.append(f"left behind after each third: descriptors {fds}, tasks {tasks}, objects {objects}")
    return found


def personal(directory: Path, wallet: Wallet) -> list[str]:
    """Returns the files in which a part of the contract or its EMAID stands, as octets or in hex; in a message its bits are shifted."""
    leaf = wallet.chain[0]
    needles = [wallet.emaid.encode()]
    for at in range(0, len(leaf) - PIECE, PIECE // 2):
        number = int.from_bytes(leaf[at : at + PIECE]) << 8
        needles += [(number >> shift).to_bytes(PIECE + 1)[1:-1] for shift in range(8)]
    needles += [needle.hex().encode() for needle in needles]
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files, "nothing is written down"
    return [
        f"the contract stands in {path}" for path in files if any(needle in path.read_bytes() for needle in needles)
    ]


async def _one(scene: Scene, found: Found, seed: int) -> None:
    """One plug-in of a car, to its end."""
    chance = random.Random(seed)
    tls, card = chance.random() < 0.6, chance.random() < 0.7
    contract = tls and chance.random() < 0.7
    behaviour = Behaviour(
        current=Current.DC,
        payment=Paid.CONTRACT if contract else Paid.EXTERNAL,
        loops=chance.choice((3, 10, 30)),
        renegotiate_after=chance.choice((None, None, 2)),
        pauses=int(chance.random() < 0.2),
        patience=chance.choice((1.0, 1.0, 1.0, 40.0)),
    )
    bad = BadLine(chance, dc=True, contract=contract)
    _LINE.set(bad)
    world = scene.world()
    before, ended = world.truth()["metered_watt_hours"], len(scene.codes())
    drive = scene.drive(behaviour, tls=tls, wallet=car_wallet() if contract else None, sleep=2.0)
    assert drive.task is not None
    loop = asyncio.get_running_loop()
    began, shown = loop.time(), False
    while not drive.task.done() and loop.time() < began + SECONDS:
        if card and not shown and "session" in drive.names:
            world.present_token("rfid", CARD)
            shown = True
        await asyncio.sleep(0.1)
    drive.task.cancel()
    await asyncio.gather(drive.task, return_exceptions=True)
    if world.car.plugged:
        world.unplug()
    await asyncio.sleep(1.0)
    found.sessions += 1
    found.ends.update(scene.codes()[ended:])
    metered = world.truth()["metered_watt_hours"] - before
    found.charged += metered > 0.0
    if metered > 0.0 and not contract and not shown:
        found.wrong.append(f"seed {seed}: {bad}: {metered:.1f} Wh without a card or a contract")
    truth = world.truth()
    if truth["contactor_closed"] or truth["supply_on"]:
        found.wrong.append(f"seed {seed}: {bad}: power after the end: {truth}")
    await asyncio.sleep(1.0)
    if world.truth()["metered_watt_hours"] != truth["metered_watt_hours"]:
        found.wrong.append(f"seed {seed}: {bad}: energy after the end")

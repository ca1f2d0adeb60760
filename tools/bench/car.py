"""Cars in a process of their own: ``python -m tools.bench.car`` reads what they are to do as JSON on stdin, and writes what they saw to a file.

The car is the one of ``tools.evcc``; only its line is another, with a watch on it. It feels the simulated battery once, when it begins, so that
hardly anything but its messages reaches the station. On SIGTERM all cars stop charging, in order.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hal.errors import HalError
from secc.errors import SeccError
from tools.evcc.battery import Battery
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.driver import Stopped, Tell, Trip, travel
from tools.evcc.hands import Hands, SimHands
from tools.evcc.trust import Trust
from tools.evcc.wallet import Wallet

from .line import Exchange, TimedLine, ask

PATIENCE = 20.0
"""A busy machine shall make figures bad, not measurements impossible."""
CHARGING = "charging"
"""The line that is written to stdout when all cars have begun to charge."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one car is to do. Without a panel it stands in no simulated world; without a PKI it speaks no TLS and pays externally."""

    sdp_port: int
    panel: str | None = None
    pki: str | None = None
    interface: str = "lo"
    loops: int | None = None
    loop_seconds: float = 0.1
    delay: float = 0.0
    sessions: int = 1
    """One after the other; the exchanges are those of the last."""
    shakes: bool = False
    """It only shakes hands by TLS, again and again, until it is told to stop."""
    volts: float | None = None
    """A battery of this voltage at any state of charge; such a car does without welding detection."""


@dataclass(slots=True)
class Group:
    """Cars that stop together, when they are told to."""

    cars: int
    charging: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def one_charges(self) -> None:
        self.charging += 1
        if self.charging == self.cars:
            print(CHARGING, flush=True)


class OnceHands(SimHands):
    """Hands that feel the battery once."""

    felt = False

    async def feel(self, battery: Battery) -> None:
        if not self.felt:
            self.felt = True
            await super().feel(battery)


class Car:
    """One trip of one car."""

    def __init__(self, order: Order, group: Group) -> None:
        self.order = order
        self.group = group
        self.asked: list[Exchange] = []
        self.line: TimedLine | None = None
        self.charging = False

    async def travel(self, limit: float) -> dict[str, Any]:
        """Everything that it saw. Never raises for what goes wrong on the way: the answer says it."""
        problem = ""
        try:
            async with asyncio.timeout(limit):
                await asyncio.sleep(self.order.delay)
                for _ in range(self.order.sessions):
                    problem = problem or await (self._shake() if self.order.shakes else self._trip())
        except (OSError, SeccError, HalError, Stopped, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"
        self._charges()
        exchanges = self.asked + (self.line.stream.exchanges if self.line is not None else [])
        return {"problem": problem, "exchanges": [asdict(one) for one in exchanges]}

    async def _shake(self) -> str:
        hands = SimHands(Path(self.order.panel or ""))
        await hands.plug_in()
        hands.close()
        shaken: list[Exchange] = []
        while not self.group.stop.is_set():
            try:
                began = time.time()
                line = await self._connect(self._where(), self._hear)
                shaken.append(Exchange("shaken", began, time.time(), time.time()))
                await line.close()
                self._charges()
            except (OSError, SeccError, TimeoutError):
                await asyncio.sleep(0.02)
        self.asked, self.line = shaken, None
        return ""

    def _where(self) -> Trip:
        """Where it goes, and what it has with it."""
        order, pki = self.order, None if self.order.pki is None else Path(self.order.pki)
        trust, wallet = (None, None) if pki is None else (Trust.load(pki), Wallet.load(pki))
        return Trip(order.interface, order.sdp_port, trust=trust, wallet=wallet)

    async def _trip(self) -> str:
        hands: Hands = Hands() if self.order.panel is None else OnceHands(Path(self.order.panel))
        try:
            problem = await self._travel(hands)
            await hands.unplug()
        finally:
            hands.close()
        return problem

    async def _travel(self, hands: Hands) -> str:
        """What was wrong with the end of its session; empty where nothing was."""
        order, trip = self.order, self._where()
        behaviour = Behaviour(
            payment=Payment.EXTERNAL if order.pki is None else Payment.CONTRACT,
            target_state_of_charge=1.0,
            loops=order.loops,
            loop_seconds=order.loop_seconds,
            patience=PATIENCE,
            stop_before=None if order.volts is None else "WeldingDetection",
        )
        battery = None if order.volts is None else Battery(empty_volts=order.volts, full_volts=order.volts)
        stopped = self.group.stop.wait
        ended = await travel(
            trip, behaviour, hands, self._hear, battery=battery, connect=self._connect, stopped=stopped
        )
        return "" if ended.well else f"{ended.code} {ended.detail}"

    async def _connect(self, trip: Trip, _: Tell) -> TimedLine:
        tls = trip.trust is not None
        found, scope, asked = await asyncio.to_thread(ask, trip.interface, trip.sdp_port, tls=tls)
        self.asked = [asked]
        context = None if trip.trust is None else trip.trust.context()
        self.line = await TimedLine.open(str(found.address), found.port, scope, context)
        return self.line

    def _hear(self, name: str, text: str, facts: Mapping[str, Any]) -> None:
        if name == CHARGING:
            self._charges()

    def _charges(self) -> None:
        """Current flows, or it never will."""
        if not self.charging:
            self.charging = True
            self.group.one_charges()


async def drive(orders: list[Order], limit: float) -> dict[str, Any]:
    """All cars at once, for ``limit`` seconds at most."""
    group = Group(len(orders))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, group.stop.set)
    cars = await asyncio.gather(*(Car(order, group).travel(limit) for order in orders))
    return {"cars": cars}


def main() -> int:
    spoken = json.loads(sys.stdin.read())
    result = asyncio.run(drive([Order(**order) for order in spoken["orders"]], spoken["limit"]))
    # Not to stdout: it is not read before the end, and a pipe holds little.
    Path(spoken["report"]).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

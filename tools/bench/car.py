"""Cars in a process of their own: ``python -m tools.bench.car JSON`` drives them and writes a report.

The car is the one of ``tools.evcc`` with :class:`TimedLine` as its line. It reads the simulated
battery only once, at its start, so that the station gets little but its messages. On SIGTERM all
cars stop charging in order.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal.errors import HalError
from secc.errors import SeccError
from secc.session.effects import Provisioning
from tools.evcc.battery import Battery
from tools.evcc.behaviour import Behaviour, Current, Payment
from tools.evcc.driver import Stopped, Tell, Trip, connect, travel
from tools.evcc.hands import Hands, SimHands
from tools.evcc.trust import Trust
from tools.evcc.wallet import Wallet

from .line import Exchange, TimedLine

PATIENCE = 20.0
"""Factor on the car's timeouts: on a busy machine, answers are late and the session goes on."""
DISCOVERY = "SDP"
"""Name of the exchange in which a car with pauses finds the station."""
CHARGING = "charging"
"""The process prints this line when all cars have begun to charge or have given up."""


@dataclass(frozen=True, slots=True)
class Order:
    """The task of one car. Without a panel it is in no simulated world; without a PKI it uses no TLS
    and pays externally.
    """

    sdp_port: int
    panel: str | None = None
    pki: str | None = None
    interface: str = "lo"
    loops: int | None = None
    loop_seconds: float = 0.1
    delay: float = 0.0
    sessions: int = 1
    """Sessions in a row; the report has the exchanges of the last one."""
    shakes: bool = False
    """The car only repeats the TLS handshake, until SIGTERM."""
    volts: float | None = None
    """A battery with this voltage at any state of charge; the car leaves out welding detection."""
    current: str = "dc"
    protocols: tuple[str, ...] = ("iso2",)
    """Those that the car offers, the preferred one first."""
    pauses: dict[str, float] | None = None
    """Seconds before a request of this name; None: each leaves as soon as it can."""
    provision: str | None = None
    """The car asks for a contract first: ``installation`` or ``update``."""


class PausingLine(TimedLine):
    """A line of a car that takes time before its requests, as recorded cars did."""

    pauses: Mapping[str, float] = {}

    async def send(self, octets: bytes, name: str = "") -> None:
        await asyncio.sleep(self.pauses.get(name, 0.0))
        await super().send(octets, name)


class OnceHands(SimHands):
    """Hands that read the battery once."""

    felt = False

    async def feel(self, battery: Battery) -> None:
        if not self.felt:
            self.felt = True
            await super().feel(battery)


class Car:
    """One car with its order."""

    def __init__(self, order: Order, stop: asyncio.Event) -> None:
        self.order = order
        self.stop = stop
        self.shaken: list[Exchange] = []
        self.line: TimedLine | None = None
        self.charging = asyncio.Event()
        """Set when it has begun to charge, or has given up."""

    async def travel(self, limit: float) -> dict[str, Any]:
        """Returns the exchanges, and as ``problem`` what went wrong; empty if nothing did."""
        problem = ""
        try:
            async with asyncio.timeout(limit):
                await asyncio.sleep(self.order.delay)
                for _ in range(self.order.sessions):
                    problem = problem or await (self._shake() if self.order.shakes else self._trip())
        except (OSError, SeccError, HalError, Stopped, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"
        self.charging.set()
        return {"problem": problem, "exchanges": self.shaken or (self.line.stream.exchanges if self.line else [])}

    async def _shake(self) -> str:
        hands = SimHands(Path(self.order.panel or ""))
        await hands.plug_in()
        hands.close()
        while not self.stop.is_set():
            began = time.time()
            try:
                line = await self._connect(self._where(), self._hear)
                self.shaken.append(Exchange("shaken", began, time.time(), time.time()))
                await line.close()
                self.charging.set()
            except (OSError, SeccError):
                await asyncio.sleep(0.02)
        return ""

    def _where(self) -> Trip:
        order, pki = self.order, None if self.order.pki is None else Path(self.order.pki)
        trust, wallet = (None, None) if pki is None else (Trust.load(pki), Wallet.load(pki))
        return Trip(order.interface, order.sdp_port, trust=trust, wallet=wallet, staple_needed=False)

    async def _trip(self) -> str:
        """Run one session. Returns the reason of a bad end; empty for a session that ended in order."""
        order = self.order
        hands: Hands = Hands() if order.panel is None else OnceHands(Path(order.panel))
        behaviour = Behaviour(
            protocols=tuple(order.protocols),
            current=Current(order.current),
            provision=None if order.provision is None else Provisioning(order.provision),
            payment=Payment.EXTERNAL if order.pki is None else Payment.CONTRACT,
            target_state_of_charge=1.0,
            loops=order.loops,
            loop_seconds=order.loop_seconds,
            patience=PATIENCE,
            stop_before=None if order.volts is None else "WeldingDetection",
        )
        battery = None if order.volts is None else Battery(empty_volts=order.volts, full_volts=order.volts)
        more: dict[str, Any] = {"battery": battery, "connect": self._connect, "stopped": self.stop.wait}
        try:
            ended = await travel(self._where(), behaviour, hands, self._hear, **more)
            await hands.unplug()
        finally:
            hands.close()
        return "" if ended.well else f"{ended.code} {ended.detail}"

    async def _connect(self, trip: Trip, tell: Tell) -> TimedLine:
        pauses = self.order.pauses or {}
        await asyncio.sleep(pauses.get(DISCOVERY, 0.0))
        found = time.time()

        def hear(name: str, text: str, facts: Mapping[str, Any]) -> None:
            nonlocal found
            if name == "discovered":
                found = time.time()
            tell(name, text, facts)

        began = found
        line = await connect(trip, hear, PausingLine)
        line.pauses = pauses
        if pauses:
            line.stream.exchanges.insert(0, Exchange(DISCOVERY, began, found, found))
        self.line = line
        return line

    def _hear(self, name: str, text: str, facts: Mapping[str, Any]) -> None:
        if name == CHARGING:
            self.charging.set()


async def drive(orders: list[Order], limit: float) -> list[dict[str, Any]]:
    """Drive all cars at once, for ``limit`` seconds at most."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    cars = [Car(order, stop) for order in orders]
    trips = [asyncio.create_task(car.travel(limit)) for car in cars]
    for car in cars:
        await car.charging.wait()
    print(CHARGING, flush=True)
    return await asyncio.gather(*trips)


def main() -> int:
    asked = json.loads(sys.argv[1])
    found = asyncio.run(drive([Order(**order) for order in asked["orders"]], asked["limit"]))
    # The bench reads stdout only at the end, and a pipe takes 64 KiB: the report goes to a file.
    Path(asked["report"]).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

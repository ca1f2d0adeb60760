"""Cars in a process of their own: ``python -m tools.bench.car`` reads what they are to do as JSON on stdin, and writes what they saw to a file.

The car is the one of ``tools.evcc``; only its line is another, with a watch on it. While it charges it does not feel the simulated battery, so that
nothing but its messages reaches the station.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hal.errors import HalError
from secc.conversation import Effect, End, Event, Reason, Send
from secc.errors import DecodeError, FramingError, SeccError
from secc.iso2.messages import CurrentDemandRes, V2G_Message
from secc.link import sdp
from secc.session.events import ConnectionClosed, StopRequested, StreamBroken
from tools.evcc import Battery, Behaviour, Dialogue, Payment, Wallet, drive_in
from tools.evcc.hands import Hands, NoHands, SimHands
from tools.evcc.trust import Trust

from .line import Exchange, LineLost, TimedLine, stamped, watch

PATIENCE = 20.0
"""A busy machine shall make figures bad, not measurements impossible."""
ASKING = 200
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
    volts: float | None = None
    """A battery of this voltage at any state of charge; such a car does without welding detection."""


@dataclass(slots=True)
class Group:
    """Cars that stop together: ``seconds`` after the last of them has begun to charge (None: each by its own loops)."""

    cars: int
    seconds: float | None
    charging: int = 0
    began: float = 0.0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def one_charges(self) -> None:
        self.charging += 1
        if self.charging == self.cars:
            self.began = time.time()
            print(CHARGING, flush=True)
            if self.seconds is not None:
                asyncio.get_running_loop().call_later(self.seconds, self.stop.set)


class Car:
    """One trip of one car."""

    def __init__(self, order: Order, group: Group) -> None:
        self.order = order
        self.group = group
        self.exchanges: list[Exchange] = []
        self.hands: Hands = NoHands() if order.panel is None else SimHands(Path(order.panel))
        self.inbox: asyncio.Queue[Event] = asyncio.Queue()
        self.charging = False
        self.ended: Reason | None = None

    async def travel(self, limit: float) -> dict[str, Any]:
        """Everything that it saw. Never raises for what goes wrong on the way: the answer says it."""
        problem = ""
        try:
            async with asyncio.timeout(limit):
                await asyncio.sleep(self.order.delay)
                await self.hands.plug_in()
                await self._session()
                await self.hands.unplug()
        except (OSError, SeccError, HalError, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"
        finally:
            self.hands.close()
        if not self.charging:
            self.group.one_charges()
        if not problem and self.ended is not None and not self.ended.well:
            problem = f"{self.ended.code} {self.ended.detail}"
        return {"problem": problem, "exchanges": [asdict(one) for one in self.exchanges]}

    async def _session(self) -> None:
        order = self.order
        found, scope, asked = await asyncio.to_thread(ask, order.interface, order.sdp_port, tls=order.pki is not None)
        self.exchanges.append(asked)
        trust = Trust.load(Path(order.pki)) if order.pki is not None else None
        context = trust.context() if trust is not None else None
        line = await TimedLine.open(str(found.address), found.port, scope, context)
        # The first answers of the line are those of the handshake.
        line.exchanges[:0] = self.exchanges
        self.exchanges = line.exchanges
        dialogue = drive_in(
            Behaviour(
                payment=Payment.CONTRACT if order.pki is not None else Payment.EXTERNAL,
                target_state_of_charge=1.0,
                loops=order.loops,
                loop_seconds=order.loop_seconds,
                patience=PATIENCE,
                stop_before=None if order.volts is None else "WeldingDetection",
            ),
            battery=None if order.volts is None else Battery(empty_volts=order.volts, full_volts=order.volts),
            wallet=Wallet.load(Path(order.pki)) if order.pki is not None else None,
            now=asyncio.get_running_loop().time(),
        )
        reader = asyncio.create_task(self._read(line, dialogue))
        stopper = asyncio.create_task(self._stop())
        try:
            await self.hands.feel(dialogue.battery)
            await self._talk(line, dialogue)
        finally:
            for task in (reader, stopper):
                task.cancel()
            await asyncio.gather(reader, stopper, return_exceptions=True)
            line.close()

    async def _stop(self) -> None:
        await self.group.stop.wait()
        self.inbox.put_nowait(StopRequested("driver"))

    async def _read(self, line: TimedLine, dialogue: Dialogue) -> None:
        while (frame := await line.frame()) is not None:
            try:
                event: Event = dialogue.decode(int(frame.payload_type), frame.payload)
            except DecodeError as error:
                event = StreamBroken("exi", str(error))
            self.inbox.put_nowait(event)
        self.inbox.put_nowait(ConnectionClosed())

    async def _talk(self, line: TimedLine, dialogue: Dialogue) -> None:
        loop = asyncio.get_running_loop()
        session = dialogue.session
        await self._perform(line, dialogue, session.begin(loop.time()))
        while self.ended is None:
            deadline = session.deadline
            try:
                async with asyncio.timeout_at(None if deadline is None else deadline.at):
                    event = await self.inbox.get()
            except TimeoutError:
                await self._perform(line, dialogue, session.expire(loop.time()))
                continue
            if isinstance(getattr(event, "message", None), CurrentDemandRes):
                if not self.charging:
                    self.charging = True
                    self.group.one_charges()
            elif not self.charging:
                await self.hands.feel(dialogue.battery)
            await self._perform(line, dialogue, session.receive(event, loop.time()))

    async def _perform(self, line: TimedLine, dialogue: Dialogue, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            dialogue.note(effect)
            match effect:
                case Send(message=message):
                    try:
                        line.send(_name(message), dialogue.encode(effect))
                    except LineLost:
                        self.inbox.put_nowait(ConnectionClosed())
                case End(reason=reason):
                    self.ended = reason
                case _:
                    await self.hands.perform(effect)


def _name(message: Any) -> str:
    body = message.body if isinstance(message, V2G_Message) else message
    name = type(body).__name__
    progress = getattr(body, "charge_progress", None)
    return name if progress is None else f"{name}({progress.value})"


def ask(interface: str, port: int, *, tls: bool) -> tuple[sdp.Response, int, Exchange]:
    """SDP, asked every 50 ms until a station answers. TimeoutError when none does."""
    index = socket.if_nametoindex(interface)
    target = ("::1", port, 0, 0) if interface == "lo" else (sdp.GROUP, port, 0, index)
    request = sdp.build_request(sdp.Security.TLS if tls else sdp.Security.NONE)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        watch(sock)
        sock.settimeout(0.05)
        for _ in range(ASKING):
            sent = time.time()
            sock.sendto(request, target)
            with contextlib.suppress(TimeoutError, ConnectionRefusedError, FramingError):
                octets, arrived = stamped(sock)
                response = sdp.parse_response(octets)
                scope = 0 if interface == "lo" else index
                return response, scope, Exchange("SDP", sent, arrived, time.time())
    raise TimeoutError(f"no station answered on {interface}, port {port}")


async def drive(orders: list[Order], seconds: float | None, limit: float) -> dict[str, Any]:
    """All cars at once, for ``limit`` seconds at most."""
    group = Group(len(orders), seconds)
    cars = await asyncio.gather(*(Car(order, group).travel(limit) for order in orders))
    return {"began": group.began, "cars": cars}


def main() -> int:
    spoken = json.loads(sys.stdin.read())
    orders = [Order(**order) for order in spoken["orders"]]
    result = asyncio.run(drive(orders, spoken["seconds"], spoken["limit"]))
    # Not to stdout: nobody reads there before the end, and a pipe holds little.
    Path(spoken["report"]).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

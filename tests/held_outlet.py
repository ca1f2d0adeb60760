"""One connection of an outlet in memory, whose threads do their work when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor, Future
from typing import Any

from hal.ticker import Ticker
from secc import iso2
from secc.conversation import Effect, Levels, Reason
from secc.exi.budget import AT_ONCE
from secc.iso2 import messages
from secc.iso2.messages import SessionSetupReq, V2G_Message
from secc.link.connection import Serving
from secc.link.v2gtp import Framer, PayloadType, frame
from secc.session import negotiation
from secc.session.effects import OpenContactor, Reach
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import V2gProtocol
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.station.serving.connection import V2gConnection
from secc.station.serving.router import Router
from secc.station.shared.loading import Protocols
from secc.station.shared.pace import Pace
from tests.iso2_car import wall

ISO2 = iso2.protocol()
ENTRY = AppProtocol(
    protocol_namespace=ISO2.namespace, version_number_major=2, version_number_minor=0, schema_id=1, priority=1
)


class Held(Executor):
    """Does what it was given when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs.append((future, lambda: call(*args, **kwargs)))
        return future

    async def work(self) -> None:
        """Do the next job, and let the loop hear of it."""
        future, call = self.jobs.pop(0)
        try:
            result = call()
            future.set_result([*result] if isinstance(result, Generator) else result)
        except Exception as error:  # as an executor does
            future.set_exception(error)
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Socket(asyncio.Transport):
    """What the station writes, and whether it has closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Outlet:
    """An outlet in which a session may run, and what it is told."""

    name = "left"
    answer_seconds = 0.0

    def __init__(self, work: Executor, spoken: V2gProtocol = ISO2) -> None:
        self.background = Held()
        self.protocols = Protocols((spoken,), work, self.background)
        self.spoken = self.protocols.spoken
        self.router = Router("left", levels=lambda: Levels(pilot="B", contactor="open"))
        self.router.performs(OpenContactor, Reach, by=lambda effect: None)
        self.pace = Pace(Ticker(), clock=lambda: 0.0)
        self.executor = self.work = work
        self.heard: list[tuple[str, bool]] = []
        self.reasons: list[Reason] = []
        self.batch = 0
        self.connection = V2gConnection(self, Serving(plain=True), "a car")
        self.socket = Socket()
        self.connection.connection_made(self.socket)

    def surroundings(self) -> Surroundings:
        return Surroundings(now=asyncio.get_running_loop().time(), entropy=lambda count: b"\7" * count, wall=wall)

    def secured(self, handshaken: object) -> None:
        raise AssertionError("no TLS here")

    def begin(self, protocol: V2gProtocol, *, secure: bool) -> Offer:
        return Offer()

    def saw(self, seat: Any, now: float, event: object, effects: tuple[Effect, ...]) -> None:
        if event is not None:
            name = type(getattr(event, "message", event)).__name__
            batch = getattr(event, "batch", 0)
            self.heard.append((name, batch != 0 and batch == self.batch))
            self.batch = batch

    def sent(self, payload_type: int, octets: bytes, message: Any) -> None:
        return

    def tolerated(self, code: str, text: str) -> None:
        return

    def gone(self, connection: object) -> None:
        return

    def ended(self, reason: Reason, report: Any, *, silent: bool) -> None:
        self.reasons.append(reason)

    # What a test does and sees

    def say(self, *payloads: bytes) -> None:
        """All in one segment."""
        self.connection.data_received(b"".join(frame(PayloadType.EXI, payload) for payload in payloads))

    @property
    def codes(self) -> list[str]:
        return [reason.code for reason in self.reasons]

    @property
    def answers(self) -> list[str]:
        """What was answered, by name and response code; the first is the negotiation's."""
        found = Framer().feed(bytes(self.socket.written))
        named = [SAP.decode(one.payload).response_code.value for one in found[:1]]
        for one in found[1:]:
            body = messages.SCHEMA.decode(one.payload).body
            named.append(f"{type(body).__name__} {getattr(body, 'response_code', '')}")
        return named


def small(namespaces: int = 1) -> bytes:
    """What a car offers to speak; with many entries it is not decoded in passing."""
    return SAP.encode(SupportedAppProtocolReq(app_protocol=(ENTRY,) * namespaces))


LARGE = small(AT_ONCE + 1)
SETUP = SessionSetupReq(evcc_id=bytes(6))


def request(body: Any, session_id: bytes = bytes(8)) -> bytes:
    header = messages.MessageHeader(session_id=session_id)
    return messages.SCHEMA.encode(V2G_Message(header=header, body=body))


def run(story: Callable[[Outlet, Held], Awaitable[None]], spoken: V2gProtocol = ISO2, *, prepared: bool = True) -> None:
    async def main() -> None:
        loaded = ISO2.load()
        loaded.warm()
        # Whatever this outlet has loaded: in a process the codec is compiled once.
        for _ in loaded.warm_rest():
            pass
        negotiation.warm()
        work = Held()
        outlet = Outlet(work, spoken)
        if prepared:
            outlet.protocols.prepare()
            await outlet.background.work()
        try:
            await story(outlet, work)
        finally:
            outlet.connection.connection_lost(None)
            await settle()

    asyncio.run(main())

"""A conformance tester of DIN SPEC 70121 at a whole station: octets over plain TCP, its hands in the simulated world, virtual time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from secc.config import Config, Eim, Lab, LabOrders, Timing
from secc.din.messages import (
    SCHEMA,
    Body,
    EVSEProcessing,
    MessageHeader,
    ResponseCode,
    V2G_Message,
)
from secc.link.v2gtp import PayloadType, frame
from secc.session import supported_app_protocol as sap
from tests.conformance.connection import Connection, offered
from tests.conformance.places import run
from tests.din_car import EVERY_REQUEST, START, STATES, STOP, current_demand, precharge
from tests.station_scene import Scene, configured

NAMESPACE = "urn:din:70121:2012:MsgDef"
Step = tuple[str, Callable[[], Awaitable[Any]]]


def offer(namespace: str = NAMESPACE, **numbers: int) -> sap.AppProtocol:
    return offered(namespace, **numbers)


class DinTester(Connection):
    """A connection on which DIN SPEC 70121 is spoken."""

    OFFER = offer()

    def octets(self, body: Body, *, session_id: bytes | None = None) -> bytes:
        """The frame of this request."""
        header = MessageHeader(session_id=self.session_id if session_id is None else session_id)
        return frame(PayloadType.EXI, SCHEMA.encode(V2G_Message(header=header, body=body)))

    async def says(self, body: Body, *, session_id: bytes | None = None) -> Any:
        """The body of the answer."""
        began = self._loop.time()
        await self.sends(self.octets(body, session_id=session_id))
        return await self.answered(began)

    async def answered(self, began: float) -> Any:
        heard = await self.hears()
        self.seconds = self._loop.time() - began
        assert heard is not None, f"no answer, and the end: {self.scene.codes()}"
        assert heard.payload_type is PayloadType.EXI
        message = SCHEMA.decode(heard.payload)
        assert message.header.signature is None
        self.session_id = message.header.session_id
        return message.body

    async def refused(self, request: Body, code: ResponseCode, *, session_id: bytes | None = None) -> Any:
        """The request is refused with this code in its own response and our SessionID; then the connection closes."""
        ours = self.session_id
        body = await self.says(request, session_id=session_id)
        assert type(body).__name__ == type(request).__name__.removesuffix("Req") + "Res"
        assert body.response_code is code, body
        assert any(ours)
        assert self.session_id == ours, "the SessionID of this session"
        await self.ended()
        return body

    # --- a good session ---

    async def drive(self, until: str | None = None, *, after: str | None = None) -> DinTester:
        """A good session up to the message named (not included), from behind ``after``; to the end without a name."""
        begun = after is None
        for name, step in self.steps():
            if begun and name == until:
                return self
            if begun:
                body = await step()
                assert str(body.response_code).startswith("OK"), f"{name}: {body}"
            begun = begun or name == after
        assert until is None, f"no step {until}"
        return self

    def steps(self) -> Iterator[Step]:
        own: dict[str, Callable[[], Awaitable[Any]]] = {
            "CableCheck": self.cable_check,
            "PreCharge": self.pre_charge,
            "PowerDelivery(true)": self.start,
            "CurrentDemand": lambda: self.says(self.demand()),
            "PowerDelivery(false)": self.stop,
        }
        for name in ("SessionSetup", *STATES):
            yield name, own.get(name) or functools.partial(self.until_finished, EVERY_REQUEST[name])

    async def until_finished(self, request: Body, *, every: float = 0.25, seconds: float = 60.0) -> Any:
        """The last answer: the first one to a request that is never Ongoing."""
        began = self._loop.time()
        body = await self.says(request)
        while getattr(body, "evse_processing", None) is EVSEProcessing.ONGOING:
            assert body.response_code is ResponseCode.OK
            assert self._loop.time() < began + seconds, "Ongoing without an end"
            await asyncio.sleep(every)
            body = await self.says(request)
        return body

    async def cable_check(self) -> Any:
        self.world.close_s2()
        return await self.until_finished(EVERY_REQUEST["CableCheck"])

    async def pre_charge(self, seconds: float = 7.0) -> Any:
        """Until the voltage at the inlet is within 20 V of the battery's."""
        began = self._loop.time()
        while True:
            body = await self.says(precharge(self.battery_volts))
            if body.response_code is not ResponseCode.OK or abs(self.told_volts(body) - self.battery_volts) < 20.0:
                return body
            assert self._loop.time() < began + seconds, "the voltage does not come"
            await asyncio.sleep(0.1)

    async def start(self) -> Any:
        self.world.close_relay()
        return await self.says(START)

    def demand(self, amperes: float = 20.0) -> Body:
        return current_demand(self.battery_volts + 5.0, amperes)

    async def stop(self) -> Any:
        """The car's relay opens and its pilot goes to B after the response."""
        body = await self.says(STOP)
        self.world.close_relay(False)
        self.world.close_s2(False)
        return body


def config(
    directory: Path,
    *,
    timing: Timing | None = None,
    orders: LabOrders | None = None,
    strict: bool = False,
    card: str = "",
) -> Config:
    """A DC outlet on plain TCP. ``card``: it has to be shown; without one everybody may charge."""
    lab = Lab(orders=orders or LabOrders(enabled=True), strict=strict)
    if not card:
        return configured(directory, timing=timing, lab=lab)
    return configured(directory, timing=timing, lab=lab, eim=Eim.LIST, allow=f"rfid {card}\n")


def at(due: str, directory: Path, act: Callable[[DinTester], Awaitable[Any]], **how: Any) -> None:
    """Bring a station up, drive a tester to the state in which this request is due, and do what the row says."""

    async def reached(scene: Scene) -> None:
        await act(await (await DinTester.connect(scene)).drive(due))

    run(config(directory, **how), reached)

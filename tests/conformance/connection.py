"""The tester's connection to a whole station, before any protocol: octets over a socket, hands in the simulated world, virtual time."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Self

from secc.link.v2gtp import Frame, PayloadType, frame
from secc.session import supported_app_protocol as sap
from tests.station_scene import Scene, car_trust
from tools.evcc.line import Line
from tools.evcc.matching import be_matched
from tools.evcc.wallet import Wallet

CLOSED_SECONDS = 5.0
"""Within this after its last answer the station has closed the connection."""
ANSWER_SECONDS = 60.0


def offered(
    namespace: str, *, schema_id: int = 1, priority: int = 1, major: int = 2, minor: int = 0
) -> sap.AppProtocol:
    return sap.AppProtocol(
        protocol_namespace=namespace,
        version_number_major=major,
        version_number_minor=minor,
        schema_id=schema_id,
        priority=priority,
    )


class Connection:
    """One connection. ``wallet``: the contract of a car that pays by contract, over TLS."""

    __test__ = False  # for pytest: a tester only sounds like a case
    OFFER: ClassVar[sap.AppProtocol]
    """What a tester agrees on with the station unless told otherwise."""

    def __init__(self, scene: Scene, line: Line, *, wallet: Wallet | None = None) -> None:
        self.scene, self.line, self.wallet = scene, line, wallet
        self.world = scene.world()
        self.dc = self.world.outlet.dc
        self.session_id = bytes(8)
        self.seconds = 0.0
        """How long the last answer took."""
        self.headers: list[Frame] = []
        """All that came, as frames."""
        self._queue: list[Frame] = []
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(
        cls, scene: Scene, *, tls: bool = False, wallet: Wallet | None = None, agreed: bool = True
    ) -> Self:
        """Plug in and connect; agree on the protocol of this tester unless told otherwise."""
        if not scene.world().car.plugged:
            scene.world().plug_in()
        line = scene.board().line
        if line is not None and not line.car.linked():
            await scene.until(lambda: scene.world().duty == 0.05)
            await be_matched(line.car, lambda name, text, facts: None)
        await scene.until(lambda: scene.outlet().sockets.port)
        context = car_trust().context() if tls or wallet else None
        tester = cls(scene, await Line.open("::1", scene.outlet().sockets.port or 0, 0, context), wallet=wallet)
        if agreed:
            answer = await tester.agrees(cls.OFFER)
            assert answer.response_code is sap.ResponseCode.OK_SUCCESSFUL_NEGOTIATION
        return tester

    async def sends(self, octets: bytes) -> None:
        await self.line.send(octets)

    async def hears(self, seconds: float = ANSWER_SECONDS) -> Frame | None:
        """The next frame; None at the end of the stream. Raises TimeoutError for silence."""
        if not self._queue:
            async with asyncio.timeout(seconds):
                self._queue += await self.line.frames() or []
        if not self._queue:
            return None
        self.headers.append(self._queue[0])
        return self._queue.pop(0)

    async def silent(self, seconds: float) -> None:
        """The station sends nothing for so long, and does not close either."""
        try:
            heard = await self.hears(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"the station said {heard}" if heard else "the station closed the connection")

    async def closed(self, seconds: float = CLOSED_SECONDS) -> float:
        """The station closes within so many seconds, without another message; how long it took."""
        began = self._loop.time()
        try:
            heard = await self.hears(seconds)
        except ConnectionResetError:
            heard = None
        assert heard is None, heard
        return self._loop.time() - began

    async def ended(self, seconds: float = CLOSED_SECONDS) -> None:
        """What every refused row asks for: the connection closes, power is off, and within ``seconds`` the oscillator stops."""
        oscillator: list[float | None] = []
        self.world.watch(lambda what: oscillator.append(self.world.duty))
        oscillator.append(self.world.duty)
        began = self._loop.time()
        await self.closed()
        await self.scene.until(lambda: 1.0 in oscillator, seconds - (self._loop.time() - began) + 0.1, "X1")
        assert not self.world.contactor.closed

    async def agrees(self, *offers: sap.AppProtocol) -> sap.SupportedAppProtocolRes:
        request = sap.SCHEMA.encode(sap.SupportedAppProtocolReq(app_protocol=offers))
        await self.sends(frame(PayloadType.EXI, request))
        heard = await self.hears()
        assert heard is not None
        answer = sap.SCHEMA.decode(heard.payload)
        assert isinstance(answer, sap.SupportedAppProtocolRes)
        return answer

    @property
    def battery_volts(self) -> float:
        volts: float = self.world.truth()["battery_volts"]
        return volts

    @staticmethod
    def told_volts(body: Any) -> float:
        told = body.evse_present_voltage
        return float(told.value * 10.0**told.multiplier)

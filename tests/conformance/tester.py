"""A conformance tester of ISO 15118-2 at a whole station: octets over a socket, its hands in the simulated world, virtual time.

The station decides with its real trust room, power path and plug-in; what a row is judged by comes over the socket or from the simulated world.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    Body,
    CableCheckReq,
    ChargingStatusReq,
    EVSEProcessing,
    MessageHeader,
    PaymentDetailsReq,
    PaymentOption,
    ResponseCode,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    V2G_Message,
    WeldingDetectionReq,
)
from secc.link.v2gtp import PayloadType, frame
from secc.session import supported_app_protocol as sap
from tests.conformance.connection import Connection, offered
from tests.iso2_car import (
    EVCCID,
    RENEGOTIATE,
    START,
    STOP,
    TERMINATE,
    ac_parameters,
    current_demand,
    dc_delivery,
    dc_parameters,
    delivery,
    ev_status,
    precharge,
    selection,
)

NAMESPACE = "urn:iso:15118:2:2013:MsgDef"
Step = tuple[str, Callable[[], Awaitable[Any]]]


def offer(namespace: str = NAMESPACE, *, schema_id: int = 1, priority: int = 1, major: int = 2) -> sap.AppProtocol:
    return offered(namespace, schema_id=schema_id, priority=priority, major=major)


class Tester(Connection):
    """A connection on which ISO 15118-2 is spoken."""

    OFFER = offer()
    challenge = b""

    def octets(self, body: Body, *, session_id: bytes | None = None, signature: Any = None) -> bytes:
        """The frame of this request."""
        header = MessageHeader(session_id=self.session_id if session_id is None else session_id, signature=signature)
        return frame(PayloadType.EXI, SCHEMA.encode(V2G_Message(header=header, body=body)))

    async def says(self, body: Body, *, session_id: bytes | None = None, signature: Any = None) -> Any:
        """The body of the answer."""
        began = self._loop.time()
        await self.sends(self.octets(body, session_id=session_id, signature=signature))
        return await self.answered(began)

    async def answered(self, began: float) -> Any:
        heard = await self.hears()
        self.seconds = self._loop.time() - began
        assert heard is not None, f"no answer, and the end: {self.scene.codes()}"
        assert heard.payload_type is PayloadType.EXI
        message = SCHEMA.decode(heard.payload)
        self.session_id = message.header.session_id
        return message.body

    async def refused(
        self, request: Body, code: ResponseCode, *, session_id: bytes | None = None, signature: Any = None
    ) -> Any:
        """The request is refused with this code in its own response and our SessionID; then the connection closes."""
        ours = self.session_id
        body = await self.says(request, session_id=session_id, signature=signature)
        assert type(body).__name__ == type(request).__name__.removesuffix("Req") + "Res"
        assert body.response_code is code
        assert any(ours)
        assert self.session_id == ours, "the SessionID of this session"
        await self.ended()
        return body

    # --- a good session ---

    async def drive(self, until: str | None = None, *, after: str | None = None) -> Tester:
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
        contract = self.wallet is not None
        option = PaymentOption.CONTRACT if contract else PaymentOption.EXTERNAL_PAYMENT
        yield "SessionSetup", lambda: self.says(SessionSetupReq(evcc_id=EVCCID))
        yield "ServiceDiscovery", lambda: self.says(ServiceDiscoveryReq())
        yield "ServiceDetail", lambda: self.says(ServiceDetailReq(service_id=1))
        yield "PaymentServiceSelection", lambda: self.says(selection(option))
        if contract:
            yield "PaymentDetails", self.payment_details
        yield "Authorization", self.authorization
        yield "ChargeParameterDiscovery", lambda: self.says(dc_parameters() if self.dc else ac_parameters())
        yield from self._dc_steps() if self.dc else self._ac_steps()

    def _dc_steps(self) -> Iterator[Step]:
        yield "CableCheck", self.cable_check
        yield "PreCharge", self.pre_charge
        yield "PowerDelivery(Start)", self.start
        yield "CurrentDemand", lambda: self.says(self.demand())
        yield "PowerDelivery(Stop)", self.stop
        yield "WeldingDetection", lambda: self.says(WeldingDetectionReq(dc_ev_status=ev_status()))
        yield "SessionStop", lambda: self.says(TERMINATE)

    def _ac_steps(self) -> Iterator[Step]:
        yield "PowerDelivery(Start)", self.start
        yield "ChargingStatus", lambda: self.says(ChargingStatusReq())
        yield "PowerDelivery(Stop)", self.stop
        yield "SessionStop", lambda: self.says(TERMINATE)

    async def payment_details(self) -> Any:
        assert self.wallet is not None
        body = await self.says(
            PaymentDetailsReq(
                emaid=self.wallet.emaid, contract_signature_cert_chain=self.wallet.certificate_chain("id1")
            )
        )
        self.challenge = body.gen_challenge
        return body

    async def authorization(self) -> Any:
        """Until it is Finished."""
        request = AuthorizationReq()
        if self.wallet is not None:
            signed = replace(request, id="id1", gen_challenge=self.challenge)
            body = await self.says(signed, signature=self.wallet.sign(signed))
        else:
            body = await self.says(request)
        return await self.until_finished(request, body)

    async def until_finished(self, request: Body, body: Any, *, every: float = 0.25, seconds: float = 60.0) -> Any:
        began = self._loop.time()
        while body.response_code is ResponseCode.OK and body.evse_processing is not EVSEProcessing.FINISHED:
            assert self._loop.time() < began + seconds, "Ongoing without an end"
            await asyncio.sleep(every)
            body = await self.says(request)
        return body

    async def cable_check(self) -> Any:
        self.world.close_s2()
        request = CableCheckReq(dc_ev_status=ev_status())
        return await self.until_finished(request, await self.says(request))

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
        request = (dc_delivery if self.dc else delivery)(START)
        began = self._loop.time()
        await self.sends(self.octets(request))
        # The car goes to C once it has sent its Start, and closes its relay by itself.
        await asyncio.sleep(0.05)
        self.world.close_s2()
        if self.dc:
            self.world.close_relay()
        return await self.answered(began)

    def demand(self, amperes: float = 20.0) -> Body:
        return current_demand(self.battery_volts + 5.0, amperes)

    async def renegotiates(self) -> Any:
        body = await self.says((dc_delivery if self.dc else delivery)(RENEGOTIATE))
        assert body.response_code is ResponseCode.OK
        return body

    async def stop(self) -> Any:
        """AC: the car goes back to B with the request; DC: after the response."""
        if not self.dc:
            self.world.draw_ac(0.0)
            self.world.close_s2(False)
            return await self.says(delivery(STOP))
        body = await self.says(dc_delivery(STOP))
        self.world.close_relay(False)
        self.world.close_s2(False)
        return body

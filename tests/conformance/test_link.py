"""Rows below the session: V2GTP over TCP, SupportedAppProtocol, the end of TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from secc.config import Tls
from secc.iso2.messages import ResponseCode, ServiceDiscoveryReq, SessionSetupReq
from secc.link.v2gtp import PayloadType, frame
from secc.session import supported_app_protocol as sap
from tests.conformance.connection import CLOSED_SECONDS
from tests.conformance.places import ac, at, dc, pnc, run
from tests.conformance.tester import Tester, offer
from tests.iso2_car import EVCCID
from tests.station_scene import BOTH, Scene, configured

SETUP = SessionSetupReq(evcc_id=EVCCID)
SETUP_SECONDS = 20.0


def changed(octets: bytes, at: int, value: bytes) -> bytes:
    return octets[:at] + value + octets[at + len(value) :]


@pytest.mark.case("I2-TPV-01")
def test_an_answer_has_the_header_of_its_request(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        octets = tester.octets(SETUP)
        assert octets[:4] == bytes.fromhex("01FE8001")
        tester.line._writer.write(octets)
        answer = await tester.line._reader.read(1000)
        assert answer[:4] == octets[:4]
        assert int.from_bytes(answer[4:8]) == len(answer) - 8

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        pytest.param(4, bytes(4), id="length 0", marks=pytest.mark.case("I2-TPV-02")),
        pytest.param(2, b"\x70\x01", id="type 0x7001", marks=pytest.mark.case("I2-TPV-03")),
        pytest.param(0, b"\xff", id="version 0xFF", marks=pytest.mark.case("I2-TPV-04")),
        pytest.param(2, b"\x80\x02", id="type 0x8002", marks=pytest.mark.case("TP-05")),
    ],
)
def test_a_bad_header_gets_no_answer_and_the_session_goes_on(position: int, value: bytes, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        octets = changed(tester.octets(SETUP), position, value)
        # What has no length has no payload either: the payload of a request would be read as the next headers.
        await tester.sends(octets[:8] if value == bytes(4) else octets)
        await tester.silent(10.0)
        assert (await tester.says(SETUP)).response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.parametrize(
    ("size", "pause"),
    [
        pytest.param(8, 1.0, id="header, then payload", marks=pytest.mark.case("TP-01")),
        pytest.param(1, 0.02, id="octet by octet", marks=pytest.mark.case("TP-02")),
    ],
)
def test_a_request_in_pieces_is_answered_when_it_is_whole(size: int, pause: float, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        octets = tester.octets(SETUP)
        pieces = [octets[:8], octets[8:]] if size == 8 else [octets[n : n + 1] for n in range(len(octets))]
        for piece in pieces[:-1]:
            await tester.sends(piece)
            await tester.silent(pause)
        await tester.sends(pieces[-1])
        body = await tester.answered(asyncio.get_running_loop().time())
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.case("TP-03")
def test_of_two_requests_in_one_segment_the_first_is_answered_and_the_second_breaks_the_rule(tmp_path: Path) -> None:
    """Half duplex: the second request came before our answer. The station answers the first, closes, and serves the next car."""

    async def act(tester: Tester) -> None:
        await tester.sends(tester.octets(SETUP) + tester.octets(ServiceDiscoveryReq()))
        body = await tester.answered(0.0)
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        body = await tester.answered(0.0)
        assert type(body).__name__ == "ServiceDiscoveryRes"
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        await tester.closed()
        assert len(await tester.scene.ended()) == 1
        again = await Tester.connect(tester.scene)
        assert (await again.says(SETUP)).response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.case("TP-04")
def test_octets_behind_a_message_are_the_next_header_and_never_part_of_a_message(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.sends(tester.octets(SETUP) + b"\xff" * 24)
        body = await tester.answered(0.0)
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        await tester.closed()

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.case("TP-07")
def test_a_length_beyond_the_limit_closes_the_connection_and_not_the_station(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.sends(bytes.fromhex("01FE800100100000"))
        await tester.closed()
        again = await Tester.connect(tester.scene)
        assert (await again.says(SETUP)).response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.case("TP-15")
def test_a_car_that_closes_its_half_after_session_stop_is_a_clean_end(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.drive(after="ChargeParameterDiscovery")
        writer = tester.line._writer
        assert isinstance(writer, asyncio.StreamWriter)
        writer.write_eof()
        assert await tester.closed() < CLOSED_SECONDS
        assert await tester.scene.ended() == ["completed.terminated"]

    at(ac("PowerDelivery(Start)"), tmp_path, act)


# --- SupportedAppProtocol -----------------------------------------------------------------------------------------------------

VENDOR, ISO20 = "urn:tesla:din:2018:MsgDef", "urn:iso:std:iso:15118:-20:DC"
OK, NO = sap.ResponseCode.OK_SUCCESSFUL_NEGOTIATION, sap.ResponseCode.FAILED_NO_NEGOTIATION


def listed(row: str, *offers: sap.AppProtocol, chosen: int | None, tls: bool = False, case: str = "") -> object:
    return pytest.param(offers, chosen, tls, id=case or row, marks=pytest.mark.case(row))


ONE = offer(schema_id=10)
OTHERS = tuple(offer(VENDOR, schema_id=number, priority=number) for number in range(1, 20))


@pytest.mark.parametrize(
    ("offers", "chosen", "tls"),
    [
        listed("I2-SAP-01", offer(VENDOR, schema_id=1, priority=2), ONE, chosen=10, tls=True),
        listed("I2-SAP-04", offer(VENDOR, schema_id=1, priority=2), ONE, chosen=10),
        listed("I2-SAP-02", offer(VENDOR), chosen=None),
        listed("SAP-02", offer(VENDOR, schema_id=9, priority=2), offer(schema_id=7), chosen=7),
        listed("SAP-03", *OTHERS, offer(schema_id=20, priority=20), chosen=20),
        listed("SAP-04", offer(schema_id=200), chosen=200, case="SAP-04 200"),
        listed("SAP-04", offer(schema_id=7), chosen=7, case="SAP-04 7"),
        listed("SAP-05", offer(VENDOR, schema_id=1), offer(schema_id=2, priority=2), chosen=2),
        listed("SAP-06", offer(major=1), chosen=None),
        listed("SAP-07", offer(schema_id=5), offer(VENDOR, schema_id=6), chosen=5),
        listed("SAP-09", offer(ISO20, major=1), offer(schema_id=3, priority=2), chosen=3),
        listed("SAP-10", offer(ISO20, major=1), chosen=None),
        listed("SAP-11", offer(ISO20, major=1), offer(schema_id=2, priority=2), chosen=2, tls=True),
    ],
)
def test_the_choice_among_what_the_car_offers(
    offers: tuple[sap.AppProtocol, ...], chosen: int | None, tls: bool, tmp_path: Path
) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH) if tls else configured(tmp_path)

    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene, tls=tls, agreed=False)
        answer = await tester.agrees(*offers)
        assert (answer.response_code, answer.schema_id) == (NO if chosen is None else OK, chosen)
        if chosen is None:
            # The car may connect again while the setup clock runs: the oscillator stops with that at the latest.
            await tester.ended(SETUP_SECONDS)
            assert await scene.ended() == ["refused.Failed_NoNegotiation"]
        else:
            assert (await tester.says(SETUP)).response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED

    run(config, act)


@pytest.mark.case("SAP-15")
def test_a_second_negotiation_ends_the_session(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.sends(frame(PayloadType.EXI, sap.SCHEMA.encode(sap.SupportedAppProtocolReq(app_protocol=(ONE,)))))
        await tester.closed()
        assert len(await tester.scene.ended()) == 1

    at(ac("ServiceDiscovery"), tmp_path, act)


# --- TLS ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("TLS-21")
def test_close_notify_in_the_loop_switches_off_and_ends_the_session(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.says(tester.demand())
        assert tester.world.contactor.closed
        tls = tester.line._tls
        assert tls is not None
        tester.line._writer.write(tls.close())
        await tester.scene.opened()
        assert await tester.scene.ended() == ["severed.connection-closed"]

    at(pnc("CurrentDemand"), tmp_path, act)


@pytest.mark.case("I2-SS-04")
def test_a_car_that_is_plugged_in_and_never_set_up_is_cut_off_by_the_setup_clock(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.silent(SETUP_SECONDS - 1.0)
        await tester.ended()
        assert await tester.scene.ended() == ["severed.communication-setup-timeout"]

    at(dc("SessionSetup"), tmp_path, act)

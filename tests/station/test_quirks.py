"""Quirks that the station sees below a session: SDP, TCP, TLS, the choice of the protocol, and what comes after the end."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from secc.config import Config, Lab, Timing, Tls
from secc.errors import DecodeError
from secc.iso2.dialogue import STREAM, open_dialogue
from secc.iso2.messages import SCHEMA as ISO2
from secc.iso2.messages import DC_EVSEStatusCode, ResponseCode, ServiceDiscoveryReq, SessionSetupReq
from secc.link import sdp
from secc.link.v2gtp import PayloadType, frame
from secc.session.offer import Offer, Payment, Surroundings
from secc.session.supported_app_protocol import ResponseCode as Agreed
from secc.station.serving import sessions
from secc.station.serving.ending import LINGER_SECONDS
from secc.trace.history import records
from tests.conformance.places import run
from tests.conformance.tester import Tester, offer
from tests.iso2_car import EVCCID, START, TERMINATE, amperes, current_demand, dc_delivery, dc_parameters, wall
from tests.station_scene import BOTH, Scene, configured
from tools.evcc.matching import be_matched

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
SAID = re.compile(r"tolerated (Q-\d\d): (.*)")
STRICT = Lab(strict=True)
BOTH_WAYS = pytest.mark.parametrize("lab", [Lab(), STRICT], ids=["tolerant", "strict"])
"""What the standard allows: ``strict`` changes nothing."""


class Log:
    """What the log says of quirks."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog

    @property
    def codes(self) -> list[str]:
        return [found[1] for line in self._caplog.messages if (found := SAID.search(line))]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


def recorded(scene: Scene) -> list[tuple[str, ...]]:
    """The quirks in the records of the sessions, oldest first."""
    return [record.quirks for record in records(scene.state) if record.ended]


async def discovers(scene: Scene, security: sdp.Security) -> sdp.Response | None:
    """One SDP request by the car; None without an answer."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("::1", 0))
        await loop.sock_sendto(sock, sdp.build_request(security), ("::1", scene.config.outlets[0].sdp_port))
        try:
            async with asyncio.timeout(1.0):
                return sdp.parse_response(await loop.sock_recv(sock, 100))
        except TimeoutError:
            return None


async def plugged(scene: Scene) -> None:
    scene.world().plug_in()
    await scene.until(lambda: scene.outlet().sockets.port)


# --- SDP --------------------------------------------------------------------------------------------------------------------


@BOTH_WAYS
@pytest.mark.case("Q-15")
@pytest.mark.parametrize(
    ("tls", "asked", "answered"),
    [
        (Tls.OFF, sdp.Security.TLS, sdp.Security.NONE),
        (Tls.REQUIRED, sdp.Security.NONE, sdp.Security.TLS),
        (Tls.OFFERED, sdp.Security.NONE, sdp.Security.NONE),
        (Tls.OFFERED, sdp.Security.TLS, sdp.Security.TLS),
    ],
)
def test_the_answer_has_what_is_served_and_another_one_than_asked_is_said_once(
    tmp_path: Path, log: Log, lab: Lab, tls: Tls, asked: sdp.Security, answered: sdp.Security
) -> None:
    async def act(scene: Scene) -> None:
        await plugged(scene)
        for _ in range(3):
            answer = await discovers(scene, asked)
            assert answer is not None
            assert answer.security is answered
        assert log.codes == ([] if asked is answered else ["Q-15"])
        scene.world().unplug()
        await scene.until(lambda: scene.outlet().sockets.port is None)
        await plugged(scene)
        await discovers(scene, asked)
        assert log.codes == ([] if asked is answered else ["Q-15", "Q-15"]), "once a plug-in"

    run(configured(tmp_path, tls=tls, payments=BOTH, lab=lab), act)


@BOTH_WAYS
@pytest.mark.case("Q-17")
def test_sdp_before_the_modem_reports_the_link_is_answered(tmp_path: Path, log: Log, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        scene.world().plug_in()
        await scene.until(lambda: scene.world().duty == 0.05)
        line = scene.board().line
        assert line is not None
        matching = asyncio.create_task(be_matched(line.car, lambda name, text, facts: None))
        await scene.until(lambda: scene.outlet().sockets.port)
        assert not scene.outlet().plug.linked
        for _ in range(2):
            assert await discovers(scene, sdp.Security.NONE) is not None
        assert log.codes == ["Q-17"]
        await matching
        await scene.until(lambda: scene.outlet().plug.linked)
        await (await Tester.connect(scene)).drive()
        assert await scene.ended() == ["completed.terminated"]

    run(configured(tmp_path, hal="sim:?connector=dc&modem=1", lab=lab), act)


# --- TCP --------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("Q-16")
@pytest.mark.parametrize("old", [False, True])
def test_a_car_at_the_old_port_is_served_and_said(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    """The setting itself needs ``lab.tolerate``, which ``strict`` refuses (tests/config/test_sources.py).

    Another port stands for 15118 here, because this machine may be using that one.
    """
    config = configured(tmp_path, lab=Lab(tolerate=("Q-16",)))
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]
    if old:
        monkeypatch.setattr(sessions, "PLAIN_PORT", port)

    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        assert scene.outlet().sockets.port == port
        await tester.drive()
        await scene.ended()
        assert log.codes == (["Q-16"] if old else [])

    run(replace(config, outlets=(replace(config.outlets[0], port=port),)), act)


@BOTH_WAYS
@pytest.mark.case("Q-18")
def test_a_car_that_closes_at_once_may_connect_again(tmp_path: Path, log: Log, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        first = await Tester.connect(scene, agreed=False)
        await first.line.close()
        await scene.ended(1)
        assert log.codes == []
        tester = await Tester.connect(scene)
        assert log.codes == ["Q-18"]
        await tester.drive()
        assert (await scene.ended(2))[1] == "completed.terminated"
        await tester.line.close()
        # The next car has not done so.
        scene.world().unplug()
        await scene.until(lambda: scene.outlet().sockets.port is None)
        await (await Tester.connect(scene)).drive()
        await scene.ended(3)
        assert log.codes == ["Q-18"]

    run(configured(tmp_path, lab=lab), act)


@BOTH_WAYS
@pytest.mark.case("Q-18")
def test_a_car_that_closes_at_once_says_nothing_of_the_next_car(tmp_path: Path, log: Log, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        await (await Tester.connect(scene, agreed=False)).line.close()
        await scene.ended(1)
        scene.world().unplug()
        await scene.until(lambda: scene.outlet().sockets.port is None)
        await Tester.connect(scene)
        assert log.codes == []

    run(configured(tmp_path, lab=lab), act)


@BOTH_WAYS
@pytest.mark.case("Q-34")
def test_a_car_that_stops_at_once_may_connect_again(tmp_path: Path, log: Log, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        first = await Tester.connect(scene)
        await first.says(SessionSetupReq(evcc_id=EVCCID))
        assert (await first.says(TERMINATE)).response_code is ResponseCode.OK
        await first.line.close()
        assert await scene.ended(1) == ["completed.stopped-early"]
        assert log.codes == ["Q-34"]
        await scene.until(lambda: scene.outlet().sockets.port)
        await (await Tester.connect(scene)).drive()
        assert (await scene.ended(2))[1] == "completed.terminated"

    run(configured(tmp_path, lab=lab), act)


@BOTH_WAYS
@pytest.mark.case("Q-19")
@pytest.mark.parametrize("closes", [False, True])
def test_a_car_that_does_not_close_is_closed_on(tmp_path: Path, log: Log, lab: Lab, closes: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await tester.drive()
        await scene.ended()
        if closes:
            await tester.line.close()
            await asyncio.sleep(LINGER_SECONDS + 1.0)
        else:
            assert await tester.closed() == pytest.approx(LINGER_SECONDS, abs=0.1)
        assert log.codes == ([] if closes else ["Q-19"])

    run(configured(tmp_path, lab=lab), act)


@BOTH_WAYS
@pytest.mark.case("Q-40")
@pytest.mark.parametrize("tls", [False, True])
def test_a_message_after_failed_is_not_answered(tmp_path: Path, log: Log, lab: Lab, tls: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene, tls=tls)
        assert (await tester.says(ServiceDiscoveryReq())).response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        assert log.codes == []
        for _ in range(3):
            await tester.sends(tester.octets(SessionSetupReq(evcc_id=EVCCID)))
            await asyncio.sleep(0.2)
        assert log.codes == ["Q-40"]
        await tester.closed()
        assert scene.codes() == ["refused.FAILED_SequenceError"]

    config = configured(tmp_path, tls=Tls.OFFERED if tls else Tls.OFF, payments=BOTH, lab=lab)
    run(config, act)


@BOTH_WAYS
@pytest.mark.case("Q-40")
def test_the_goodbye_of_tls_is_not_a_message(tmp_path: Path, log: Log, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene, tls=True)
        await tester.says(ServiceDiscoveryReq())
        await tester.line.close()
        await asyncio.sleep(LINGER_SECONDS + 1.0)
        assert log.codes == []

    run(configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, lab=lab), act)


# --- the choice of the protocol --------------------------------------------------------------------------------------------


@BOTH_WAYS
@pytest.mark.case("Q-28")
def test_a_makers_protocol_is_passed_over_and_said(tmp_path: Path, log: Log, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene, agreed=False)
        vendors = offer("urn:tesla:din:2018:MsgDef", schema_id=0, priority=1)
        answer = await tester.agrees(vendors, offer(schema_id=7, priority=2))
        assert (answer.response_code, answer.schema_id) == (Agreed.OK_SUCCESSFUL_NEGOTIATION, 7)
        assert log.codes == ["Q-28"]
        await tester.drive()
        await scene.ended()
        await scene.until(lambda: recorded(scene))
        assert recorded(scene) == [("Q-28",)]

    run(configured(tmp_path, lab=lab), act)


@BOTH_WAYS
@pytest.mark.case("Q-29")
@pytest.mark.parametrize("schema_id", [0, 1, 9, 255])
def test_the_answer_has_the_cars_own_number(tmp_path: Path, log: Log, lab: Lab, schema_id: int) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene, agreed=False)
        others = offer("urn:iso:std:iso:15118:-20:DC", major=1, schema_id=3, priority=1)
        answer = await tester.agrees(others, offer(schema_id=schema_id, priority=2))
        assert answer.schema_id == schema_id
        assert log.codes == [], "what another edition offers is not a maker's"

    run(configured(tmp_path, lab=lab), act)


# --- two grammars ------------------------------------------------------------------------------------------------------------


FOREIGN = [
    row
    for stem in ("exi-din", "exi-iso15118-20", "exi-sap")
    for row in map(json.loads, (VECTORS / f"{stem}.jsonl").read_text("utf-8").splitlines())
    if not row["schema"].startswith("fragment:")
]


@pytest.mark.case("Q-72")
def test_octets_of_other_protocols_are_read_by_the_agreed_one_alone() -> None:
    """Most are not messages of ISO 15118-2. One that is, is that message, whatever it would be elsewhere."""
    dialogue = open_dialogue(Offer(), Surroundings(now=0.0, entropy=bytes, wall=wall))
    assert dict(dialogue.schemas) == {STREAM: ISO2}
    assert len(FOREIGN) > 100
    read = 0
    for row in FOREIGN:
        octets = bytes.fromhex(row["exi"])
        try:
            received = dialogue.decode(STREAM, octets)
        except DecodeError:
            continue
        read += 1
        assert received.message == ISO2.decode(octets).body
    assert read < len(FOREIGN) / 10


@BOTH_WAYS
@pytest.mark.case("Q-72")
def test_a_request_of_another_protocol_gets_no_answer_in_a_session(tmp_path: Path, lab: Lab) -> None:
    """Not even where it would be the message that is due."""
    (din,) = [bytes.fromhex(row["exi"]) for row in FOREIGN if row["name"] == "SessionSetupReq/all-optional"]

    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await tester.sends(frame(PayloadType.EXI, din))
        await tester.silent(1.0)
        await tester.drive()
        assert await scene.ended() == ["completed.terminated"]

    run(configured(tmp_path, lab=lab), act)


# --- the time of answers ----------------------------------------------------------------------------------------------------


async def times(scene: Scene, *, tls: bool = False) -> dict[str, float]:
    """How long each answer of a good session took."""
    tester = await Tester.connect(scene, tls=tls)
    found: dict[str, float] = {}
    for name, step in tester.steps():
        await step()
        found[name] = tester.seconds
    await scene.ended()
    return found


@pytest.mark.case("Q-43")
@pytest.mark.parametrize("tls", [False, True])
def test_answers_wait_as_long_as_they_are_told_and_those_of_the_loop_25_ms(tmp_path: Path, tls: bool) -> None:
    async def act(scene: Scene) -> None:
        took = await times(scene, tls=tls)
        assert took.pop("CurrentDemand") == pytest.approx(0.025, abs=0.002)
        assert len(took) == 12
        assert min(took.values()) >= 0.1 - 1e-6
        assert took["ChargeParameterDiscovery"] == pytest.approx(0.1, abs=0.002), "none waits twice"
        assert scene.codes() == ["completed.terminated"]

    config = configured(tmp_path, tls=Tls.OFFERED if tls else Tls.OFF, payments=BOTH if tls else (Payment.EXTERNAL,))
    run(replace(config, timing=Timing(answer_seconds=0.1)), act)


@BOTH_WAYS
@pytest.mark.case("Q-43", "Q-42")
def test_no_answer_waits_without_the_setting(tmp_path: Path, lab: Lab) -> None:
    async def act(scene: Scene) -> None:
        took = await times(scene)
        assert took["ChargeParameterDiscovery"] < 0.02
        assert took["CurrentDemand"] < 0.02
        waits_for_hardware = {
            "PreCharge",
            "PowerDelivery(Start)",
            "PowerDelivery(Stop)",
            "WeldingDetection",
            "CableCheck",
        }
        assert max(seconds for name, seconds in took.items() if name not in waits_for_hardware) < 0.1

    run(configured(tmp_path, lab=lab), act)


@pytest.mark.case("Q-43")
def test_the_last_answer_waits_too_and_leaves_before_the_connection_closes(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        body = await tester.says(ServiceDiscoveryReq())
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        assert tester.seconds == pytest.approx(0.5, abs=0.002)
        await tester.closed()

    run(replace(configured(tmp_path), timing=Timing(answer_seconds=0.5)), act)


@pytest.mark.case("Q-43")
def test_power_does_not_wait_for_the_answer(tmp_path: Path) -> None:
    """A car that is refused in the loop has no power left before it hears so."""

    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await tester.drive("PowerDelivery(Stop)")
        assert scene.world().contactor.closed
        began = asyncio.get_running_loop().time()
        await tester.sends(tester.octets(SessionSetupReq(evcc_id=EVCCID)))
        await scene.opened(seconds=2.0)
        opened = asyncio.get_running_loop().time() - began
        body = await tester.answered(began)
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        assert opened < tester.seconds

    run(replace(configured(tmp_path), timing=Timing(answer_seconds=0.5)), act)


@pytest.mark.case("Q-43")
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("how", ["closes", "unplugs", "says more"])
def test_a_car_that_does_not_await_its_answer_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tls: bool, how: str
) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene, tls=tls)
        await tester.sends(tester.octets(SessionSetupReq(evcc_id=EVCCID)))
        await asyncio.sleep(0.01)
        if how == "closes":
            await tester.line.close()
        elif how == "unplugs":
            scene.world().unplug()
        else:
            # The id is not known yet: it is refused, and both answers leave in their order.
            await tester.sends(tester.octets(ServiceDiscoveryReq()))
            heard = [await tester.hears(), await tester.hears()]
            names = [type(ISO2.decode(one.payload).body).__name__ for one in heard if one is not None]
            assert names == ["SessionSetupRes", "ServiceDiscoveryRes"]
        await scene.ended()
        await asyncio.sleep(5.0)
        if how == "unplugs":
            await scene.until(lambda: scene.outlet().sockets.port is None)
        await (await Tester.connect(scene, tls=tls)).drive()
        assert (await scene.ended(2))[1] == "completed.terminated"
        assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []

    config = configured(tmp_path, tls=Tls.OFFERED if tls else Tls.OFF, payments=BOTH if tls else (Payment.EXTERNAL,))
    run(replace(config, timing=Timing(answer_seconds=0.2)), act)


# --- power, with lab.tolerate -------------------------------------------------------------------------------------------------


def tolerating(directory: Path, *codes: str) -> Config:
    return configured(directory, lab=Lab(tolerate=codes))


async def renegotiated(scene: Scene) -> Tester:
    """A car that charged, negotiates anew, and has kept its contactor closed."""
    tester = await Tester.connect(scene)
    await tester.drive("PowerDelivery(Stop)")
    for _ in range(8):
        await tester.says(tester.demand(40.0))
        await asyncio.sleep(0.25)
    await tester.renegotiates()
    assert scene.world().contactor.closed
    assert (await tester.says(dc_parameters())).response_code is ResponseCode.OK
    return tester


@pytest.mark.case("Q-60")
@pytest.mark.parametrize("precharges", [False, True])
def test_a_car_that_checks_nothing_again_charges_on(tmp_path: Path, log: Log, precharges: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await renegotiated(scene)
        if precharges:
            assert (await tester.pre_charge()).response_code is ResponseCode.OK
        assert (await tester.start()).response_code is ResponseCode.OK
        for _ in range(12):
            assert (await tester.says(tester.demand(40.0))).response_code is ResponseCode.OK
            await asyncio.sleep(0.25)
        assert scene.world().present()[1] == pytest.approx(40.0, abs=1.0)
        await tester.drive(after="CurrentDemand")
        assert await scene.ended() == ["completed.terminated"]
        assert log.codes == ["Q-60"]
        assert not scene.world().incidents

    run(tolerating(tmp_path, "Q-60"), act)


@pytest.mark.case("Q-60")
@pytest.mark.parametrize("tolerated", [False, True])
def test_a_car_that_opened_its_contactor_or_is_not_tolerated_has_no_short_cut(
    tmp_path: Path, log: Log, tolerated: bool
) -> None:
    async def act(scene: Scene) -> None:
        tester = await renegotiated(scene)
        if tolerated:
            scene.world().close_relay(False)
            await scene.until(lambda: scene.world().truth()["outlet_volts"] < 60.0)
        body = await tester.says(dc_delivery(START))
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        await tester.ended()
        assert log.codes == []

    run(tolerating(tmp_path, "Q-60") if tolerated else configured(tmp_path), act)


@pytest.mark.case("Q-68")
@pytest.mark.parametrize("tolerated", [False, True])
def test_the_insulation_monitor_pauses_until_current_flows(tmp_path: Path, log: Log, tolerated: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await tester.drive("PreCharge")
        # What happens now is seen after the pause, or at once.
        scene.world().car.inlet_ohms = 20_000.0
        assert log.codes == (["Q-68"] if tolerated else [])
        if not tolerated:
            assert await scene.ended(seconds=10.0) == ["emergency.fault"]
            assert not scene.world().contactor.closed
            return
        assert (await tester.pre_charge()).response_code is ResponseCode.OK
        assert (await tester.start()).response_code is ResponseCode.OK
        for _ in range(40):
            body = await tester.says(tester.demand())
            if scene.codes() or body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_MALFUNCTION:
                break
            await asyncio.sleep(0.25)
        assert (await scene.ended()) == ["emergency.fault"]
        assert not scene.world().contactor.closed

    run(tolerating(tmp_path, "Q-68") if tolerated else configured(tmp_path), act)


@pytest.mark.case("Q-56")
@pytest.mark.parametrize("tolerated", [False, True])
def test_whole_amperes_below_the_offer_get_the_offer(tmp_path: Path, log: Log, tolerated: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await tester.drive("CurrentDemand")
        offered = 14.34
        for _ in range(16):
            # The car says how much it bears; what is offered is within that.
            await tester.says(
                current_demand(tester.battery_volts + 5.0, 14.0, ev_maximum_current_limit=amperes(offered))
            )
            await asyncio.sleep(0.25)
        flows = scene.world().present()[1]
        assert flows == pytest.approx(offered if tolerated else 14.0, abs=0.05)
        assert log.codes == (["Q-56"] if tolerated else [])

    run(tolerating(tmp_path, "Q-56") if tolerated else configured(tmp_path), act)

"""Quirks of cars that speak DIN SPEC 70121 at a whole station: tolerated, said under their code, and what ``strict`` makes of them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secc.din.messages import ResponseCode, SessionSetupReq
from secc.session.supported_app_protocol import ResponseCode as Agreed
from secc.trace.history import records
from tests.conformance.din.tester import DinTester, at, config, offer
from tests.conformance.places import run
from tests.din_car import END, EVCCID, EVERY_REQUEST, parameters, precharge
from tests.station_scene import Scene

OK = ResponseCode.OK
LEFT_OPEN = "Q-19"
"""The tester leaves its half of the connection open after the end."""
SAID = re.compile(r"tolerated (Q-\d\d): (.*)")
BOTH_WAYS = pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
"""What the standard allows: ``strict`` changes nothing."""
Act = Callable[[DinTester], Awaitable[Any]]


class Log:
    """What the log says of quirks."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog

    @property
    def codes(self) -> list[str]:
        found = [said[1] for line in self._caplog.messages if (said := SAID.search(line))]
        return [code for code in found if code != LEFT_OPEN]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


async def recorded(scene: Scene) -> tuple[str, ...]:
    """The quirks in the record of the one session."""
    await scene.ended()
    await scene.until(lambda: [record for record in records(scene.state) if record.ended])
    (found,) = [record.quirks for record in records(scene.state) if record.ended]
    return tuple(code for code in found if code != LEFT_OPEN)


@BOTH_WAYS
@pytest.mark.case("Q-28")
@pytest.mark.parametrize("schema_id", [0, 1, 3], ids=lambda number: f"SchemaID {number}")
def test_a_makers_protocol_before_din_is_passed_over_and_said(
    schema_id: int, strict: bool, tmp_path: Path, log: Log
) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene, agreed=False)
        makers = offer("urn:tesla:din:2018:MsgDef", schema_id=9, priority=1)
        answer = await tester.agrees(makers, offer(schema_id=schema_id, priority=2))
        assert (answer.response_code, answer.schema_id) == (Agreed.OK_SUCCESSFUL_NEGOTIATION, schema_id)
        await tester.drive()
        assert log.codes == ["Q-28"]
        assert await recorded(scene) == ("Q-28",)

    run(config(tmp_path, strict=strict), act)


@BOTH_WAYS
@pytest.mark.case("Q-29")
@pytest.mark.parametrize("schema_id", [0, 1, 9, 255])
def test_the_answer_has_the_cars_own_number(schema_id: int, strict: bool, tmp_path: Path, log: Log) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene, agreed=False)
        answer = await tester.agrees(offer(schema_id=schema_id))
        assert (answer.response_code, answer.schema_id) == (Agreed.OK_SUCCESSFUL_NEGOTIATION, schema_id)
        await tester.drive("ServiceDiscovery")
        assert log.codes == []

    run(config(tmp_path, strict=strict), act)


@BOTH_WAYS
@pytest.mark.case("Q-31")
@pytest.mark.parametrize("sent", [b"", bytes(1), bytes(4), b"\x0a\x0b\x0c\x0d", bytes(range(8))], ids=bytes.hex)
def test_the_session_id_always_has_eight_octets_and_is_the_stations(sent: bytes, strict: bool, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(EVERY_REQUEST["SessionSetup"], session_id=sent)
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        assert len(tester.session_id) == 8
        assert any(tester.session_id)
        assert tester.session_id != sent
        await tester.drive("CableCheck", after="SessionSetup")

    at("SessionSetup", tmp_path, act, strict=strict)


@BOTH_WAYS
@pytest.mark.case("Q-32")
@pytest.mark.parametrize("octets", [0, 3, 6, 7, 8])
def test_an_evccid_of_any_length_that_the_schema_has_is_accepted(
    octets: int, strict: bool, tmp_path: Path, log: Log
) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(SessionSetupReq(evcc_id=(EVCCID + b"\x66\x77")[:octets]))
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        await tester.drive(after="SessionSetup")
        said = () if octets == 6 else ("Q-32",)
        assert tuple(log.codes) == said
        assert await recorded(tester.scene) == said

    at("SessionSetup", tmp_path, act, strict=strict)


LONG = "DE*PNX*E" + "1" * 25
"""An EVSEID of 33 octets."""


@pytest.mark.case("Q-33")
@pytest.mark.parametrize(
    ("evse_id", "tolerate", "strict", "told"),
    [
        ("DE*PNX*E12345", (), False, b"DE*PNX*E12345"),
        ("DE*PNX*E12345", (), True, b"DE*PNX*E12345"),
        ("DE*PNX*E12345", ("Q-33",), False, b"\0"),
        ("DE*PNX*E12345", ("Q-33",), True, b"DE*PNX*E12345"),
        (LONG[:32], (), False, LONG[:32].encode()),
        (LONG, (), False, b"\0"),
        (LONG, (), True, b"\0"),
    ],
)
def test_the_evseid_is_the_configured_one_or_00(
    evse_id: str, tolerate: tuple[str, ...], strict: bool, told: bytes, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene)
        assert (await tester.says(EVERY_REQUEST["SessionSetup"])).evse_id == told
        await tester.drive(after="SessionSetup")

    found = config(tmp_path, strict=strict)
    found = replace(found, lab=replace(found.lab, tolerate=tolerate))
    run(replace(found, outlets=(replace(found.outlets[0], evse_id=evse_id),)), act)


SETUP = (
    *("ServiceDiscovery", "ServicePaymentSelection", "ContractAuthentication", "ChargeParameterDiscovery"),
    *("CableCheck", "PreCharge", "PowerDelivery(true)"),
)
SAID_THERE = {
    "ServiceDiscovery": ("Q-34",),
    "CableCheck": ("Q-37",),
    "PreCharge": ("Q-37",),
    "PowerDelivery(true)": ("Q-37",),
}


@BOTH_WAYS
@pytest.mark.case("Q-37", "I2X-32")
@pytest.mark.parametrize("due", SETUP)
def test_the_car_may_leave_in_every_state_of_the_set_up(due: str, strict: bool, tmp_path: Path, log: Log) -> None:
    async def act(tester: DinTester) -> None:
        assert (await tester.says(END)).response_code is OK
        assert tester.seconds <= 1.5
        await tester.ended()
        assert await tester.scene.ended() == ["completed.stopped-early"]
        assert await recorded(tester.scene) == SAID_THERE.get(due, ())
        assert tuple(log.codes) == SAID_THERE.get(due, ())

    at(due, tmp_path, act, strict=strict)


@BOTH_WAYS
@pytest.mark.case("Q-37")
@pytest.mark.parametrize("due", ["CableCheck", "PreCharge"])
def test_the_car_may_leave_while_the_cable_is_tested_and_while_it_precharges(
    due: str, strict: bool, tmp_path: Path
) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_s2()
        request = precharge(tester.battery_volts) if due == "PreCharge" else EVERY_REQUEST[due]
        assert (await tester.says(request)).response_code is OK
        await asyncio.sleep(0.5)
        assert tester.world.truth()["outlet_volts"] > 60.0
        assert (await tester.says(END)).response_code is OK
        assert tester.seconds <= 1.5
        await tester.ended()
        assert await tester.scene.ended() == ["completed.stopped-early"]

    at(due, tmp_path, act, strict=strict)


@pytest.mark.case("Q-38")
@pytest.mark.parametrize("due", ["CurrentDemand", "PowerDelivery(false)"])
def test_the_car_may_stop_from_the_loop_unless_strict(due: str, tmp_path: Path, log: Log) -> None:
    async def act(tester: DinTester) -> None:
        assert (await tester.says(END)).response_code is OK
        await tester.ended()
        assert await tester.scene.ended() == ["completed.stopped-early"]
        assert log.codes == ["Q-38"]

    async def refused(tester: DinTester) -> None:
        await tester.refused(END, ResponseCode.FAILED_SEQUENCE_ERROR)

    at(due, tmp_path, act)
    at(due, tmp_path, refused, strict=True)


@pytest.mark.case("Q-38")
def test_a_stop_from_the_loop_is_not_ok_while_current_flows(tmp_path: Path) -> None:
    """A supply that loses its current slower than the car waits; what is left opens as in any fault."""

    async def act(tester: DinTester) -> None:
        for _ in range(60):
            await tester.says(tester.demand(100.0))
            await asyncio.sleep(0.1)
        tester.world.supply.off_per_second = tester.world.supply.amperes_per_second = 20.0
        assert (await tester.says(END)).response_code is ResponseCode.FAILED
        assert tester.seconds <= 1.5
        assert tester.world.present()[1] > 5.0
        await tester.scene.opened(seconds=2.0)
        await tester.ended()

    at("CurrentDemand", tmp_path, act)


@BOTH_WAYS
@pytest.mark.case("Q-61")
@pytest.mark.parametrize(("limit", "told"), [(50_000.0, 32_767), (32_766.9, 32_766), (999.5, 999)])
def test_pmax_is_in_watts_and_never_above_the_limit(limit: float, told: int, strict: bool, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.scene.outlet().commands.limit(limit)
        await asyncio.sleep(0.1)
        body = await tester.says(parameters(ev_maximum_power_limit=None))
        (schedule,) = body.sa_schedules.sa_schedule_tuple
        (entry,) = schedule.p_max_schedule.p_max_schedule_entry
        assert entry.p_max == told

    at("ChargeParameterDiscovery", tmp_path, act, strict=strict)

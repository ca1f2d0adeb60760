"""Attacks on a session of DIN SPEC 70121 at a whole station, judged by the simulated supply, contactor and meter."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hal.readings import DcPhase
from hal.sim.world import World
from secc.config import LabOrders
from secc.din.messages import (
    AC_EVChargeParameter,
    Body,
    EVRequestedEnergyTransferType,
    EVSEProcessing,
    PaymentOption,
    PhysicalValue,
    ResponseCode,
    UnitSymbol,
)
from secc.session.wishes import Held
from tests.conformance.din.tester import DinTester, at
from tests.din_car import (
    EVERY_REQUEST,
    START,
    amperes,
    current_demand,
    parameters,
    precharge,
    profile,
    selection,
    volts,
)

OK = ResponseCode.OK
ONGOING = EVSEProcessing.ONGOING
KINDS = EVRequestedEnergyTransferType
CARD = "04A2B3C4"
RAMP_AMPERES_A_SECOND = 25.0
STALE_SECONDS = 5.0


@dataclass(frozen=True)
class Setpoint:
    """A command to the supply: when, and what."""

    at: float
    volts: float
    amperes: float
    phase: DcPhase


def watched(world: World) -> list[Setpoint]:
    """Every command that reaches the supply from here on."""
    seen: list[Setpoint] = []
    drive, loop = world.drive_supply, asyncio.get_running_loop()

    def noted(volts: float, amperes: float, phase: DcPhase) -> None:
        seen.append(Setpoint(loop.time(), volts, amperes, phase))
        drive(volts, amperes, phase)

    world.drive_supply = noted  # type: ignore[method-assign]  # reads along
    return seen


async def unpaid(tester: DinTester) -> None:
    """No energy left the outlet, and nobody is in the books."""
    await tester.scene.ended()
    assert not tester.world.contactor.closed
    assert tester.world.books.metered == 0.0
    book = tester.scene.state / "sessions.jsonl"
    assert not book.exists() or "started" not in book.read_text()


# --- the order of a session -----------------------------------------------------------------------------------------------------


@pytest.mark.case("A-SES-04")
@pytest.mark.parametrize("first", ["nothing", "Ongoing"])
@pytest.mark.parametrize(
    "skipped_to", ["ChargeParameterDiscovery", "CableCheck", "PowerDelivery(true)", "CurrentDemand"]
)
def test_authorization_cannot_be_skipped(first: str, skipped_to: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_s2()
        tester.world.close_relay()
        if first == "Ongoing":
            assert (await tester.says(EVERY_REQUEST["ContractAuthentication"])).evse_processing is ONGOING
        await tester.refused(EVERY_REQUEST[skipped_to], ResponseCode.FAILED_SEQUENCE_ERROR)
        await unpaid(tester)

    at("ContractAuthentication", tmp_path, act, card=CARD)


@pytest.mark.case("A-SES-05")
@pytest.mark.parametrize("due", ["CableCheck", "PreCharge"])
@pytest.mark.parametrize("request_", ["PowerDelivery(true)", "CurrentDemand"])
def test_power_does_not_come_before_cable_check_and_precharge(due: str, request_: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_s2()
        tester.world.close_relay()
        await tester.refused(EVERY_REQUEST[request_], ResponseCode.FAILED_SEQUENCE_ERROR)
        assert tester.world.books.metered == 0.0

    at(due, tmp_path, act)


@pytest.mark.case("A-SES-05")
def test_power_does_not_come_before_the_cable_check_is_finished(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_s2()
        assert (await tester.says(EVERY_REQUEST["CableCheck"])).evse_processing is ONGOING
        await tester.refused(precharge(), ResponseCode.FAILED_SEQUENCE_ERROR)

    at("CableCheck", tmp_path, act)


def ac_parameters(kind: EVRequestedEnergyTransferType) -> Body:
    parameter = AC_EVChargeParameter(
        departure_time=0,
        e_amount=PhysicalValue(multiplier=3, unit=UnitSymbol.WH, value=20),
        ev_max_voltage=volts(400.0),
        ev_max_current=amperes(32.0),
        ev_min_current=amperes(6.0),
    )
    return replace(parameters(kind), ev_charge_parameter=parameter)


@pytest.mark.case("A-SES-06")
@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ac_parameters(KINDS.AC_THREE_PHASE_CORE), ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE),
        (parameters(KINDS.AC_SINGLE_PHASE_CORE), ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE),
        (ac_parameters(KINDS.DC_EXTENDED), ResponseCode.FAILED_WRONG_CHARGE_PARAMETER),
    ],
)
def test_dc_does_not_become_ac_while_the_station_is_not_ready(
    request_: Body, code: ResponseCode, tmp_path: Path
) -> None:
    async def act(tester: DinTester) -> None:
        assert (await tester.says(parameters())).evse_processing is ONGOING
        await tester.refused(request_, code)

    at("ChargeParameterDiscovery", tmp_path, act, orders=LabOrders(enabled=True, ongoing=(Held.SCHEDULE,)))


@pytest.mark.case("A-SES-06")
@pytest.mark.parametrize(
    "due", ["CableCheck", "PreCharge", "PowerDelivery(true)", "CurrentDemand", "PowerDelivery(false)"]
)
def test_nothing_is_negotiated_again(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(parameters(), ResponseCode.FAILED_SEQUENCE_ERROR)

    at(due, tmp_path, act)


@pytest.mark.case("A-SES-07")
@pytest.mark.parametrize("option", list(PaymentOption))
@pytest.mark.parametrize("due", ["ContractAuthentication", "ChargeParameterDiscovery", "CurrentDemand"])
def test_payment_is_selected_once(due: str, option: PaymentOption, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(selection(option), ResponseCode.FAILED_SEQUENCE_ERROR)

    at(due, tmp_path, act)


async def asked(tester: DinTester, request: Body, most: float) -> tuple[list[float], Any]:
    """The moments of the answers to a request repeated without a pause until it is not OK, and that answer."""
    loop = asyncio.get_running_loop()
    began, moments = loop.time(), []
    while True:
        body = await tester.says(request)
        if body.response_code is not OK:
            return moments, body
        moments.append(loop.time())
        assert moments[-1] < began + most, "without an end"


@pytest.mark.case("A-SES-08")
@pytest.mark.parametrize(
    ("due", "held", "seconds"),
    [
        ("ContractAuthentication", Held.AUTHORIZATION, 300.0),
        ("ChargeParameterDiscovery", Held.SCHEDULE, 55.0),
        ("CableCheck", Held.CABLE_CHECK, 38.0),
    ],
)
def test_polling_without_a_pause_gets_fifty_answers_a_second_and_ends_in_time(
    due: str, held: Held, seconds: float, tmp_path: Path
) -> None:
    async def act(tester: DinTester) -> None:
        if due == "CableCheck":
            tester.world.close_s2()
        moments, body = await asked(tester, EVERY_REQUEST[due], seconds + 1.0)
        assert body.response_code is ResponseCode.FAILED
        assert moments[-1] - moments[0] == pytest.approx(seconds, abs=0.5)
        for before, after in itertools.pairwise(moments):
            assert after - before >= 0.0199
        await tester.ended()

    at(due, tmp_path, act, orders=LabOrders(enabled=True, ongoing=(held,)))


@pytest.mark.case("A-SES-08")
@pytest.mark.parametrize(("due", "seconds"), [("PreCharge", 20.0), ("WeldingDetection", 60.0)])
def test_precharge_and_welding_detection_end_in_time_as_well(due: str, seconds: float, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        moments, body = await asked(tester, EVERY_REQUEST[due], seconds + 1.0)
        assert body.response_code is ResponseCode.FAILED
        assert moments[-1] - moments[0] == pytest.approx(seconds, abs=0.5)
        for before, after in itertools.pairwise(moments):
            assert after - before >= 0.0199
        await tester.ended()

    at(due, tmp_path, act)


@pytest.mark.case("A-SES-08")
def test_a_car_that_polls_for_its_card_ten_times_a_second_is_served(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for _ in range(2900):
            assert (await tester.says(EVERY_REQUEST["ContractAuthentication"])).evse_processing is ONGOING
            assert tester.seconds < 0.01
            await asyncio.sleep(0.1)
        tester.world.present_token("rfid", CARD)
        await asyncio.sleep(0.5)
        await tester.drive(after="ServicePaymentSelection")

    at("ContractAuthentication", tmp_path, act, card=CARD)


@pytest.mark.case("A-SES-09")
def test_a_request_every_59_seconds_keeps_the_session_and_gets_no_current(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for _ in range(30):
            await tester.says(tester.demand())
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] > 10.0
        for _ in range(3):
            await asyncio.sleep(STALE_SECONDS + 1.0)
            before = tester.world.books.metered
            await asyncio.sleep(59.0 - STALE_SECONDS - 1.0)
            assert tester.world.present()[1] == 0.0
            assert tester.world.books.metered - before < 0.1
            assert (await tester.says(tester.demand())).response_code is OK
        await tester.drive(after="CurrentDemand")
        assert await tester.scene.ended() == ["completed.terminated"]

    at("CurrentDemand", tmp_path, act)


# --- values aimed at the power path ---------------------------------------------------------------------------------------------


def raw(value: int, multiplier: int, unit: UnitSymbol | None) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=unit, value=value)


EXTREMES = [raw(value, multiplier, None) for value in (-32_768, -1, 0, 1, 32_767) for multiplier in (-3, 0, 3)]


@pytest.mark.case("A-PWR-01", "A-PWR-05")
@pytest.mark.parametrize("wide", [False, True], ids=["car below outlet", "car above outlet"])
def test_no_target_reaches_the_supply_beyond_the_limits_of_car_and_outlet(wide: bool, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        limits = tester.world.outlet.limits
        car_volts, car_amperes = (900.0, 900.0) if wide else (450.0, 60.0)
        request = parameters(
            ev_maximum_voltage_limit=volts(car_volts),
            ev_maximum_current_limit=amperes(car_amperes),
            ev_maximum_power_limit=None,
        )
        assert (await tester.says(request)).response_code is OK
        seen = watched(tester.world)
        await tester.drive(after="ChargeParameterDiscovery", until="CurrentDemand")
        most_volts, most_amperes = min(limits.max_volts, car_volts), min(limits.max_amperes, car_amperes)
        for target_volts, target_amperes in itertools.product(EXTREMES, EXTREMES):
            body = await tester.says(
                replace(current_demand(), ev_target_voltage=target_volts, ev_target_current=target_amperes)
            )
            # A target without meaning may end the session; it never becomes power.
            assert body.response_code is OK, (target_volts, target_amperes)
            await asyncio.sleep(0.1)
            _, flowing = tester.world.present()
            assert -0.01 <= flowing <= most_amperes + 0.5
        # The insulation is tested with a voltage of its own.
        driven = [one for one in seen if one.phase is not DcPhase.CABLE_CHECK]
        assert {one.phase for one in driven} == {DcPhase.PRECHARGE, DcPhase.CHARGE}
        for one in driven:
            assert 0.0 <= one.volts <= most_volts
            assert 0.0 <= one.amperes <= most_amperes
            assert one.volts * one.amperes <= limits.max_watts * 1.001

    at("ChargeParameterDiscovery", tmp_path, act)


@pytest.mark.case("A-PWR-01", "A-PWR-05")
@pytest.mark.parametrize("name", ["ev_maximum_voltage_limit", "ev_maximum_current_limit", "ev_maximum_power_limit"])
def test_no_limit_in_a_demand_raises_what_was_agreed(name: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        seen = watched(tester.world)
        for most in EXTREMES:
            target = current_demand(tester.battery_volts + 5.0, 900.0)
            assert (await tester.says(replace(target, **{name: most}))).response_code is OK, most
            await asyncio.sleep(1.0)
            told = most.value * 10.0**most.multiplier
            assert -0.01 <= tester.world.present()[1] <= 125.5
            if told <= 0.0:
                await asyncio.sleep(1.0)
                assert tester.world.present()[1] == 0.0, most
        assert all(0.0 <= one.amperes <= 125.0 and 0.0 <= one.volts <= 450.0 for one in seen)

    at("CurrentDemand", tmp_path, act)


@pytest.mark.case("A-PWR-01")
@pytest.mark.parametrize("unit", [unit for unit in UnitSymbol if unit not in (UnitSymbol.V, UnitSymbol.A)])
def test_a_target_in_another_unit_is_refused(unit: UnitSymbol, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(replace(current_demand(), ev_target_current=raw(20, 0, unit)))
        assert str(body.response_code).startswith("FAILED")
        await tester.ended()

    at("CurrentDemand", tmp_path, act)


@pytest.mark.case("A-PWR-02")
@pytest.mark.parametrize("current", [raw(400, 0, UnitSymbol.A), raw(32_767, 3, None), raw(-400, 0, UnitSymbol.A)])
def test_precharge_never_has_more_than_two_amperes(current: PhysicalValue, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_relay()
        seen = watched(tester.world)
        for number in range(40):
            target = volts(tester.battery_volts + (50.0 if number % 2 else -50.0))
            body = await tester.says(replace(precharge(), ev_target_voltage=target, ev_target_current=current))
            assert body.response_code is OK
            assert tester.world.present()[1] <= 2.05
            await asyncio.sleep(0.1)
        assert seen
        assert all(0.0 <= one.amperes <= 2.0 and one.phase is DcPhase.PRECHARGE for one in seen)

    at("PreCharge", tmp_path, act)


@pytest.mark.case("A-PWR-03")
def test_jumping_targets_do_not_outrun_the_ramp(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        seen = watched(tester.world)
        for number in range(80):
            await tester.says(tester.demand(150.0 if number % 2 else 100.0))
            await asyncio.sleep(0.05)
        for before, after in itertools.pairwise(seen):
            assert after.amperes - before.amperes <= RAMP_AMPERES_A_SECOND * (after.at - before.at) + 0.1
        assert max(one.amperes for one in seen) > 50.0

    at("CurrentDemand", tmp_path, act)


@pytest.mark.case("A-PWR-04")
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (profile((0, 20_400)), ResponseCode.FAILED_CHARGING_PROFILE_INVALID),
        (profile((0, 32_767)), ResponseCode.FAILED_CHARGING_PROFILE_INVALID),
        (profile((0, -1)), ResponseCode.FAILED_CHARGING_PROFILE_INVALID),
        (profile((0, 20_000), tuple_id=2), ResponseCode.FAILED_TARIFF_SELECTION_INVALID),
    ],
)
def test_a_profile_above_the_schedule_is_refused(plan: Any, code: ResponseCode, strict: bool, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.scene.outlet().commands.limit(20_000.0)
        await asyncio.sleep(0.1)
        await tester.drive(after="ContractAuthentication", until="PowerDelivery(true)")
        await tester.refused(replace(START, charging_profile=plan), code)
        assert tester.world.books.metered == pytest.approx(0.0, abs=1.0)

    at("ChargeParameterDiscovery", tmp_path, act, strict=strict)


@pytest.mark.case("A-PWR-04")
@pytest.mark.parametrize("limited", ["before", "while charging"])
def test_the_limit_of_the_moment_always_wins(limited: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        def limit() -> None:
            tester.scene.outlet().commands.limit(5_000.0)

        if limited == "before":
            limit()
            await asyncio.sleep(0.1)
        await tester.drive(after="ContractAuthentication", until="CurrentDemand")
        for number in range(150):
            if limited == "while charging" and number == 50:
                limit()
            body = await tester.says(tester.demand(150.0))
            assert body.response_code is OK
            await asyncio.sleep(0.1)
            if limited == "before" or number > 65:
                assert math.prod(tester.world.present()) <= 5_050.0
                assert body.evse_power_limit_achieved
        assert math.prod(tester.world.present()) > 4_500.0

    at("ChargeParameterDiscovery", tmp_path, act)


@pytest.mark.case("A-PWR-05")
@pytest.mark.parametrize("kind", ["CurrentDemand", "PreCharge"])
def test_a_negative_current_is_none(kind: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_relay()
        for _ in range(40):
            request: Any = tester.demand() if kind == "CurrentDemand" else precharge(tester.battery_volts)
            body = await tester.says(replace(request, ev_target_current=raw(-100, 0, UnitSymbol.A)))
            assert body.response_code is OK
            assert tester.world.present()[1] >= -0.01
            await asyncio.sleep(0.1)
        assert tester.world.books.metered < 2.0

    at(kind, tmp_path, act)

"""Schedules and tariffs of a backend at a whole station: our car chooses, checks, charges, pauses, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Tls, TraceMode
from secc.iso2.messages import (
    SCHEMA,
    ChargeParameterDiscoveryRes,
    ChargingStatusRes,
    CurrentDemandRes,
    EVSEProcessing,
    ResponseCode,
)
from tests.conformance.test_schedules import planning
from tests.station.test_paused import JOINED, NEW, SLEEP, behaviour, config_for, paused, setups
from tests.station_config import lab_pki
from tests.station_scene import BOTH, LONG, Drive, Scene, configured, judged, station
from tools.evcc.behaviour import CHEAPEST, Behaviour, Current, Payment
from tools.evcc.iso2.charging import Terms
from tools.replay import replay
from tools.tariffs import DAY, Example, operator_key, write

FINISHED = EVSEProcessing.FINISHED


def agreed(drive: Drive) -> list[ChargeParameterDiscoveryRes]:
    """The answers with schedules."""
    return [
        answer
        for answer in drive.answers
        if isinstance(answer, ChargeParameterDiscoveryRes) and answer.evse_processing is FINISHED
    ]


def tuples(answer: ChargeParameterDiscoveryRes) -> Any:
    assert answer.response_code is ResponseCode.OK
    assert answer.sa_schedules is not None
    return answer.sa_schedules.sa_schedule_tuple


def chosen(drive: Drive) -> set[int]:
    """The tuples that the answers of the charging loop name."""
    return {
        answer.sa_schedule_tuple_id
        for answer in drive.answers
        if isinstance(answer, ChargingStatusRes | CurrentDemandRes)
    }


# --- after a pause ----------------------------------------------------------------------------------------------------------------


def schedules() -> list[Any]:
    """Kind of current, who wakes, DepartureTime, MaxEntriesSAScheduleTuple; each with its row."""
    table = {
        ("ac", "car", False, False): "I2-CPD-10",
        ("ac", "car", True, False): "I2-CPD-17",
        ("ac", "car", False, True): "I2-CPD-18",
        ("ac", "car", True, True): "I2-CPD-19",
        ("ac", "station", False, False): "I2-CPD-28",
        ("ac", "station", True, False): "I2-CPD-30",
        ("ac", "station", False, True): "I2-CPD-32",
        ("ac", "station", True, True): "I2-CPD-33",
        ("dc", "car", False, False): "I2-CPD-45",
        ("dc", "car", True, False): "I2-CPD-52",
        ("dc", "car", False, True): "I2-CPD-54",
        ("dc", "car", True, True): "I2-CPD-55",
        ("dc", "station", False, False): "I2-CPD-63",
        ("dc", "station", False, True): "I2-CPD-66",
        ("dc", "station", True, True): "I2-CPD-67",
    }
    return [pytest.param(*key, marks=pytest.mark.case(row), id=row) for key, row in table.items()]


def spans(entries: Any, end: int) -> list[tuple[int, int, Any]]:
    """Begin and end of each entry, with what it says; the last one has its own end."""
    starts = [entry.time_interval.start for entry in entries]
    assert starts[-1] + entries[-1].time_interval.duration == end
    said = [getattr(entry, "p_max", None) or entry.e_price_level for entry in entries]
    return list(zip(starts, [*starts[1:], end], said, strict=True))


def later(before: list[tuple[int, int, Any]], gone: int) -> list[tuple[int, int, Any]]:
    return [(max(0, start - gone), end - gone, said) for start, end, said in before if end > gone]


@pytest.mark.parametrize(("current", "waker", "departs", "counts"), schedules())
def test_the_chosen_tuple_is_offered_again_with_its_tariff(
    tmp_path: Path, current: str, waker: str, departs: bool, counts: bool
) -> None:
    dc = current == "dc"
    departure, most = 20_000, 12

    async def main() -> None:
        config = planning(config_for(tmp_path, dc=dc), tmp_path)
        async with station(config, watch=False) as scene:
            car = behaviour(
                dc=dc,
                departure_seconds=float(departure) if departs else None,
                most_entries=most if counts else None,
                schedule=CHEAPEST,
            )
            by_car = waker == "car"
            drive = scene.drive(car, sleep=SLEEP if by_car else None)
            await paused(scene, drive)
            if not by_car:
                await asyncio.sleep(SLEEP)
                scene.outlet().commands.wake()
            await drive.done()
            assert drive.outcome == "completed.full"
            assert setups(drive) == [NEW, JOINED]
            first, again = agreed(drive)
            assert [one.sa_schedule_tuple_id for one in tuples(first)] == [1, 2, 3]
            (before,) = [one for one in tuples(first) if one.sa_schedule_tuple_id == 2]
            (after,) = tuples(again)
            assert after.sa_schedule_tuple_id == 2
            assert chosen(drive) == {2}
            end = departure if departs else DAY
            power = spans(before.p_max_schedule.p_max_schedule_entry, end)
            entries = after.p_max_schedule.p_max_schedule_entry
            left = entries[-1].time_interval.start + entries[-1].time_interval.duration
            gone = end - left
            assert SLEEP < gone < SLEEP + 60.0
            assert spans(entries, left) == later(power, gone)
            prices = spans(before.sales_tariff.sales_tariff_entry, end)
            assert spans(after.sales_tariff.sales_tariff_entry, left) == later(prices, gone)
            assert len(prices) == 2

    run_virtual(main())


# --- signed tariffs ---------------------------------------------------------------------------------------------------------------


def secure(directory: Path, *, dc: bool = True) -> Config:
    config = configured(directory, dc=dc, tls=Tls.OFFERED, payments=BOTH)
    return planning(config, directory)


def contract(*, dc: bool = True, **how: Any) -> Behaviour:
    return Behaviour(payment=Payment.CONTRACT, current=Current.DC if dc else Current.AC, loops=3, **how)


@pytest.mark.case("A-PNC-12")
@pytest.mark.parametrize("dc", [True, False])
def test_a_car_with_a_contract_charges_by_a_tariff_that_its_operator_has_signed(dc: bool, tmp_path: Path) -> None:
    async def main() -> None:
        async with station(secure(tmp_path, dc=dc)) as scene:
            drive = await scene.drive(contract(dc=dc, schedule=CHEAPEST), tls=True).done()
            assert drive.outcome == "completed.full"
            assert drive.facts("tariffs") == {"tariffs": 3}
            assert chosen(drive) == {2}
            (answer,) = [octets for octets in drive.octets if octets != b"" and _is_agreed(octets)]
            for number in (1, 2, 3):
                signed = (tmp_path / "plans" / f"tariff-{number}.exi").read_bytes()
                assert SCHEMA.fragment_of(answer, "SalesTariff", f"tariff{number}") == signed
            judged(scene)

    run_virtual(main())


def _is_agreed(octets: bytes) -> bool:
    body = SCHEMA.decode(octets).body
    return isinstance(body, ChargeParameterDiscoveryRes) and body.evse_processing is FINISHED


def test_after_a_pause_the_operator_signs_anew_for_the_chosen_tuple(tmp_path: Path) -> None:
    """The file is changed while the car sleeps, as a backend would answer another question."""
    examples = (Example(2, "later", ((0, 5_000),), ((0, 1),)),)

    async def main() -> None:
        async with station(secure(tmp_path), watch=False) as scene:
            drive = scene.drive(contract(schedule="2", pauses=1), tls=True, sleep=SLEEP)
            await paused(scene, drive)
            write(tmp_path / "plans", operator_key(lab_pki()), examples)
            await drive.done()
            assert drive.outcome == "completed.full"
            _, again = agreed(drive)
            (after,) = tuples(again)
            assert after.sales_tariff.sales_tariff_description == "later"
            # Its power is that of before the pause.
            (first, *_) = after.p_max_schedule.p_max_schedule_entry
            assert first.p_max.value * 10**first.p_max.multiplier == 11_000
            assert [name for name in drive.names if name == "tariffs"] == ["tariffs"] * 2

    run_virtual(main())


# --- what is wrong with the backend's answer --------------------------------------------------------------------------------------


def cut(plans: Path) -> None:
    path = plans / "tariff-1.exi"
    path.write_bytes(path.read_bytes()[:-4])


def large(plans: Path) -> None:
    (plans / "tariff-2.exi").write_bytes(bytes(2**20))


def another_price(plans: Path) -> None:
    """The operator of the station makes the first tariff out of the second."""
    (plans / "tariff-1.exi").write_bytes((plans / "tariff-2.exi").read_bytes())


def unsigned(plans: Path) -> None:
    path = plans / "schedules.toml"
    path.write_text(path.read_text().replace('signature = "signature.exi"', ""))


def no_signature(plans: Path) -> None:
    (plans / "signature.exi").write_bytes(b"")


def no_file(plans: Path) -> None:
    (plans / "schedules.toml").unlink()


def no_toml(plans: Path) -> None:
    (plans / "schedules.toml").write_text("[[")


def negative(plans: Path) -> None:
    path = plans / "schedules.toml"
    path.write_text(path.read_text().replace("22000", "-22000"))


def four(plans: Path) -> None:
    path = plans / "schedules.toml"
    path.write_text(path.read_text() + "[[schedule]]\nid = 4\npower = [[0, 1000]]\n")


WRONG: list[tuple[Callable[[Path], None], int]] = [
    (cut, 3),
    (another_price, 3),
    (unsigned, 3),
    (no_signature, 3),
    # Such a file is not read at all.
    (large, 1),
    (no_file, 1),
    (no_toml, 1),
    (negative, 1),
    (four, 1),
]


@pytest.mark.case("A-PNC-12", "A-OCPP-03")
@pytest.mark.parametrize(("spoil", "count"), WRONG)
def test_a_car_is_answered_without_what_is_wrong_and_the_next_one_as_well(
    spoil: Callable[[Path], None], count: int, tmp_path: Path
) -> None:
    async def main() -> None:
        async with station(secure(tmp_path)) as scene:
            spoil(tmp_path / "plans")
            for _ in range(2):
                drive = await scene.drive(contract(), tls=True).done()
                assert drive.outcome == "completed.full"
                (answer,) = agreed(drive)
                assert len(tuples(answer)) == count
                assert not any(one.sales_tariff for one in tuples(answer))
                assert "tariffs" not in drive.names
            write(tmp_path / "plans", operator_key(lab_pki()))
            good = await scene.drive(contract(), tls=True).done()
            assert good.facts("tariffs") == {"tariffs": 3}
            judged(scene)

    run_virtual(main())


def test_a_backend_that_hangs_costs_the_car_the_time_of_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from secc.uplink.standalone import Standalone

    async def hangs(*_: Any, **__: Any) -> None:
        await asyncio.sleep(1000.0)

    monkeypatch.setattr(Standalone, "plan_charging", hangs)

    async def main() -> None:
        async with station(planning(configured(tmp_path), tmp_path)) as scene:
            drive = await scene.charges()
            answers = [answer for answer in drive.answers if isinstance(answer, ChargeParameterDiscoveryRes)]
            assert len(answers) > 10
            assert all(answer.evse_processing is EVSEProcessing.ONGOING for answer in answers[:-1])
            (one,) = tuples(answers[-1])
            assert one.sa_schedule_tuple_id == 1
            judged(scene)

    run_virtual(main())


# --- power ------------------------------------------------------------------------------------------------------------------------


async def watts_for(scene: Scene, seconds: float, settled: float = 2.0) -> tuple[float, float]:
    """The least and the most that flowed, from ``settled`` on."""
    await asyncio.sleep(settled)
    seen = []
    for _ in range(int((seconds - settled) * 10)):
        volts, amperes = scene.world().present()[:2]
        seen.append(volts * amperes)
        await asyncio.sleep(0.1)
    return min(seen), max(seen)


@pytest.mark.case("A-PWR-04")
def test_the_true_power_follows_the_steps_of_the_chosen_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged in the simulated world. The car demands as much as it can, whatever its schedule says."""
    monkeypatch.setattr(Terms, "watts_at", lambda terms, now: 1e6)
    examples = (Example(4, "steps", ((0, 20_000), (60, 6_000), (120, 12_000)), ((0, 1),)),)

    async def main() -> None:
        config = planning(configured(tmp_path), tmp_path)
        write(tmp_path / "plans", operator_key(lab_pki()), examples)
        async with station(config) as scene:
            began = asyncio.get_running_loop().time()
            car = replace(LONG, schedule="4")
            drive = await scene.charging(scene.drive(car))
            lowest = 60.0 - (asyncio.get_running_loop().time() - began)
            assert lowest > 20.0
            low, high = await watts_for(scene, 15.0, 5.0)
            assert 18_000.0 < low <= high <= 20_000.0
            await asyncio.sleep(lowest - 15.0 + 5.0)
            low, high = await watts_for(scene, 20.0)
            assert 5_000.0 < low <= high <= 6_000.0
            await asyncio.sleep(60.0)
            low, high = await watts_for(scene, 10.0)
            assert 11_000.0 < low <= high <= 12_000.0
            # A limit of the grid holds beside it.
            scene.outlet().commands.limit(3_000.0)
            low, high = await watts_for(scene, 5.0)
            assert high <= 3_000.0
            scene.world().unplug(force=True)
            drive.task.cancel()  # type: ignore[union-attr]
            await scene.opened()
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PWR-04")
@pytest.mark.parametrize("obeys", [True, False])
def test_an_ac_car_with_a_contract_keeps_the_steps_or_is_switched_off(
    obeys: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a contract the schedule alone tells the car its limit. Behind it stands the protection of the outlet."""
    if not obeys:
        monkeypatch.setattr(Terms, "watts_at", lambda terms, now: 1e6)
    examples = (Example(4, "steps", ((0, 22_080), (60, 6_900)), ((0, 1),)),)

    async def main() -> None:
        config = secure(tmp_path, dc=False)
        write(tmp_path / "plans", operator_key(lab_pki()), examples)
        async with station(config) as scene:
            car = contract(dc=False, schedule="4", ac_amperes=32.0)
            drive = await scene.charging(scene.drive(replace(car, loops=None, watt_hours=20_000.0), tls=True))
            world, loop = scene.world(), asyncio.get_running_loop()
            assert world.present()[1] == pytest.approx(32.0, abs=1.0)
            began, over = loop.time(), 0.0
            while loop.time() < began + 90.0:
                await asyncio.sleep(0.5)
                over += 0.5 if loop.time() > began + 60.0 and world.present()[1] > 10.5 else 0.0
            if obeys:
                assert over == 0.0
                assert world.contactor.closed
                assert world.present()[1] == pytest.approx(10.0, abs=1.0)
                assert scene.codes() == []
                world.unplug(force=True)
                drive.task.cancel()  # type: ignore[union-attr]
                await scene.opened()
            else:
                # The car's time to follow, then that of the protection.
                assert 0.0 < over < 20.0
                assert not world.contactor.closed
                assert world.present()[1] == 0.0
                assert await scene.ended() == ["emergency.fault"]
            judged(scene)

    run_virtual(main())


# --- traces -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payment", list(Payment))
def test_sessions_with_schedules_a_tariff_and_a_pause_replay_to_the_octet(payment: Payment, tmp_path: Path) -> None:
    config = secure(tmp_path, dc=False)
    config = replace(
        config,
        lab=replace(config.lab, danger_trace_personal=True),
        trace=replace(config.trace, mode=TraceMode.ALWAYS),
        uplink=replace(config.uplink, eim=Eim.FREE if payment is Payment.EXTERNAL else Eim.LIST),
    )
    car = Behaviour(payment=payment, current=Current.AC, loops=3, schedule="2", pauses=1)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            drive = scene.drive(car, tls=True, sleep=SLEEP)
            await paused(scene, drive)
            write(tmp_path / "plans", operator_key(lab_pki()), (Example(2, "later", ((0, 5_000),), ((0, 1),)),))
            assert (await drive.done()).outcome == "completed.full"

    run_virtual(main())
    traces = list((tmp_path / "state" / "traces").glob("*.jsonl"))
    assert len(traces) == 2
    for trace in traces:
        text = trace.read_text("utf-8")
        assert "SalesTariff" in text
        outcome = replay(text.splitlines())
        assert outcome.differences == []
        assert outcome.messages > 8

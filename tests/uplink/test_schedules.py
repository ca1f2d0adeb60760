"""Charging schedules from a file: what it says, and every way in which it is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from secc.errors import UplinkError
from secc.session.durable import Disk
from secc.session.offer import Transfer
from secc.session.schedules import (
    ChargingNeeds,
    ChargingSchedule,
    ChargingSchedules,
    ConsumptionCost,
    Cost,
    CostKind,
    PowerSpan,
    Tariff,
    TariffEntry,
)
from secc.uplink.schedules import MOST_OCTETS, read_schedules
from secc.uplink.standalone import Rules, Standalone
from tests.uplink.test_standalone import wall

EXTERNAL = ChargingNeeds(Transfer.DC, contract=False)
CONTRACT = replace(EXTERNAL, contract=True)

FILE = """
signature = "signature.exi"

[[schedule]]
id = 1
power = [[0, 22_000], [3600, 11_000.5]]
signed_tariff = "tariff.exi"
[schedule.tariff]
id = 3
description = "night"
levels = 2
entries = [
    { start = 0, level = 2, costs = [{ from_watts = 5_000, relative_price = 87.5, carbon_dioxide = 300 }] },
    { start = 7200 },
]

[[schedule]]
id = 2
power = [[0, 7_000]]
"""


def written(directory: Path, text: str = FILE) -> Path:
    (directory / "signature.exi").write_bytes(b"\x80signature")
    (directory / "tariff.exi").write_bytes(b"\x80tariff")
    path = directory / "schedules.toml"
    path.write_text(text, "utf-8")
    return path


FIRST = ChargingSchedule(1, (PowerSpan(0, 22_000.0), PowerSpan(3600, 11_000.5)))
SECOND = ChargingSchedule(2, (PowerSpan(0, 7_000.0),))
NIGHT = Tariff(
    id=3,
    entries=(
        TariffEntry(
            0,
            2,
            (ConsumptionCost(5_000.0, (Cost(CostKind.RELATIVE_PRICE, 87.5), Cost(CostKind.CARBON_DIOXIDE, 300.0))),),
        ),
        TariffEntry(7200),
    ),
    description="night",
    levels=2,
)


def test_a_car_with_a_contract_gets_what_is_signed_and_another_the_values(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read_schedules(path, EXTERNAL, Disk()) == ChargingSchedules((replace(FIRST, tariff=NIGHT), SECOND))
    signed = ChargingSchedules((replace(FIRST, tariff=b"\x80tariff"), SECOND), b"\x80signature")
    assert read_schedules(path, CONTRACT, Disk()) == signed
    # After a pause there is only the schedule that the car chose before.
    assert read_schedules(path, replace(CONTRACT, chosen=2), Disk()).schedules == (SECOND,)


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "no TOML": (lambda text: text + "[[", "schedules.toml"),
    "no schedules": (lambda text: "", "schedule is not a list of tables"),
    "another key": (lambda text: "what = 1\n" + text, "what is not a setting"),
    "another key in a schedule": (lambda text: text + "watts = 1\n", "schedule.watts is not a setting"),
    "no id": (lambda text: text.replace("id = 2", ""), "schedule.id is not a whole number: None"),
    "an id of a text": (lambda text: text.replace("id = 2", 'id = "2"'), "schedule.id is not a whole number: '2'"),
    "no power": (lambda text: text.replace("power = [[0, 7_000]]", ""), "schedule.power is not a list"),
    "power without starts": (lambda text: text.replace("[[0, 7_000]]", "[7_000]"), "is not a list of [seconds, watts]"),
    "power of a text": (lambda text: text.replace("7_000", '"7"'), "schedule.power is not a number: '7'"),
    "power beyond": (lambda text: text.replace("7_000", "1" + "0" * 400), "schedule.power is too large"),
    "true for a start": (lambda text: text.replace("[[0, 7_000]]", "[[true, 7_000]]"), "is not a whole number: True"),
    "a number for a file": (lambda text: text.replace('"signature.exi"', "1"), "signature is not a text"),
    "a file that is not there": (lambda text: text.replace("tariff.exi", "other.exi"), "other.exi does not exist"),
    "another key in an entry": (lambda text: text.replace("{ start = 7200 }", "{ at = 7200 }"), "entries.at is not"),
    "another kind of cost": (lambda text: text.replace("carbon_dioxide", "euros"), "costs.euros is not a setting"),
    "a tariff that is no table": (
        lambda text: text[: text.index("[schedule.tariff]")] + "tariff = 3\n",
        "schedule.tariff is not a table",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_wrong_names_the_key(name: str, tmp_path: Path) -> None:
    change, why = WRONG[name]
    path = written(tmp_path, change(FILE))
    found = []
    for needs in (EXTERNAL, CONTRACT):
        try:
            read_schedules(path, needs, Disk())
        except UplinkError as error:
            found.append(str(error))
    assert any(why in error for error in found), found


@pytest.mark.parametrize("name", ["schedules.toml", "tariff.exi", "signature.exi"])
def test_a_file_of_a_mebibyte_is_not_read(name: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / name).write_bytes(bytes(2**20))
    with pytest.raises(UplinkError, match=f"larger than {MOST_OCTETS} octets"):
        read_schedules(path, CONTRACT, Disk())


def test_a_file_that_another_user_may_change_does_not_count(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.chmod(0o666)
    with pytest.raises(UplinkError):
        read_schedules(path, EXTERNAL, Disk())


def test_the_backend_reads_it_for_each_car_and_its_state_tells_what_is_wrong(tmp_path: Path) -> None:
    async def main() -> None:
        backend = Standalone(Rules(tmp_path / "state", schedules=written(tmp_path)), wall)
        await backend.open()
        assert backend.plans
        found = await backend.plan_charging(EXTERNAL, outlet="1", seconds=5.0)
        assert found is not None
        assert len(found.schedules) == 2
        assert backend.status().problems == ()
        written(tmp_path, "[[")
        with pytest.raises(UplinkError):
            await backend.plan_charging(EXTERNAL, outlet="1", seconds=5.0)
        (problem,) = backend.status().problems
        assert "schedules.toml" in problem
        written(tmp_path)
        await backend.plan_charging(EXTERNAL, outlet="1", seconds=5.0)
        assert backend.status().problems == ()

    asyncio.run(main())


def test_without_a_file_the_limit_is_the_only_schedule(tmp_path: Path) -> None:
    async def main() -> None:
        backend = Standalone(Rules(tmp_path), wall)
        assert not backend.plans
        assert await backend.plan_charging(EXTERNAL, outlet="1", seconds=5.0) is None

    asyncio.run(main())

"""Charging schedules from a file, for a station without a backend on a network.

    signature = "signature.exi"                  the signature over every signed tariff (an EXI fragment)

    [[schedule]]                                 one to three
    id = 1
    power = [[0, 22_000], [3600, 11_000]]        seconds from now, and the watts from then on
    signed_tariff = "tariff-1.exi"               for payment by contract: the element (an EXI fragment)
    [schedule.tariff]                            for external payment
    id = 1
    description = "night"
    levels = 2
    entries = [{ start = 0, level = 1, costs = [{ from_watts = 0, relative_price = 80.0 }] }]

The file is read for each car that negotiates. ``docs/schedules.md`` has the keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from secc.errors import UplinkError
from secc.session.durable import Disk, StorageFailed
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

MOST_OCTETS: Final = 64 * 1024
"""Of the file, and of each file that it names."""

KINDS: Final = {kind.value.replace("-", "_"): kind for kind in CostKind}


def read_schedules(path: Path, needs: ChargingNeeds, disk: Disk) -> ChargingSchedules:
    """Returns the schedules of this file for a car. Raises UplinkError that names the key."""
    try:
        tree = tomllib.loads(_read(path, disk).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UplinkError(f"{path}: {error}") from error
    _known(path, "", tree, {"signature", "schedule"})
    tables = tree.get("schedule")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        _wrong(path, "schedule", "is not a list of tables")
    found = [_schedule(path, table, needs, disk) for table in tables]
    if needs.chosen is not None:
        found = [schedule for schedule in found if schedule.id == needs.chosen]
    signature = b""
    if needs.contract and "signature" in tree:
        signature = _read(path.parent / _text(path, "signature", tree["signature"]), disk)
    return ChargingSchedules(tuple(found), signature)


def _read(path: Path, disk: Disk) -> bytes:
    try:
        # A user who can write it decides how much power cars get.
        disk.guard(path)
        size = disk.size(path)
        octets = disk.read(path) if size is not None and size <= MOST_OCTETS else None
    except StorageFailed as error:
        raise UplinkError(f"{path}: {error.text}") from error
    if octets is None:
        raise UplinkError(f"{path} does not exist" if size is None else f"{path} is larger than {MOST_OCTETS} octets")
    return octets


def _schedule(path: Path, table: Mapping[str, Any], needs: ChargingNeeds, disk: Disk) -> ChargingSchedule:
    _known(path, "schedule", table, {"id", "power", "signed_tariff", "tariff"})
    id = _whole(path, "schedule.id", table.get("id"))
    spans = []
    for pair in _list(path, "schedule.power", table.get("power")):
        if not isinstance(pair, list) or len(pair) != 2:
            _wrong(path, "schedule.power", "is not a list of [seconds, watts]")
        start, watts = pair
        spans.append(PowerSpan(_whole(path, "schedule.power", start), _number(path, "schedule.power", watts)))
    tariff: Tariff | bytes | None = None
    if needs.contract and "signed_tariff" in table:
        tariff = _read(path.parent / _text(path, "schedule.signed_tariff", table["signed_tariff"]), disk)
    elif not needs.contract and "tariff" in table:
        tariff = _tariff(path, table["tariff"])
    return ChargingSchedule(id, tuple(spans), tariff)


def _tariff(path: Path, table: Any) -> Tariff:
    _known(path, "schedule.tariff", table, {"id", "description", "levels", "entries"})
    levels = table.get("levels")
    return Tariff(
        id=_whole(path, "schedule.tariff.id", table.get("id")),
        entries=tuple(_entry(path, entry) for entry in _list(path, "schedule.tariff.entries", table.get("entries"))),
        description=_text(path, "schedule.tariff.description", table.get("description", "")),
        levels=None if levels is None else _whole(path, "schedule.tariff.levels", levels),
    )


def _entry(path: Path, table: Any) -> TariffEntry:
    name = "schedule.tariff.entries"
    _known(path, name, table, {"start", "level", "costs"})
    level = table.get("level")
    return TariffEntry(
        start=_whole(path, f"{name}.start", table.get("start")),
        level=None if level is None else _whole(path, f"{name}.level", level),
        costs=tuple(_costs(path, block) for block in _list(path, f"{name}.costs", table.get("costs", []))),
    )


def _costs(path: Path, table: Any) -> ConsumptionCost:
    name = "schedule.tariff.entries.costs"
    _known(path, name, table, {"from_watts", *KINDS})
    costs = tuple(Cost(kind, _number(path, name, table[key])) for key, kind in KINDS.items() if key in table)
    return ConsumptionCost(_number(path, f"{name}.from_watts", table.get("from_watts", 0)), costs)


def _known(path: Path, name: str, table: Any, keys: Iterable[str]) -> None:
    if not isinstance(table, dict):
        _wrong(path, name, "is not a table")
    for key in table:
        if key not in keys:
            _wrong(path, f"{name}.{key}".lstrip("."), "is not a setting")


def _list(path: Path, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        _wrong(path, name, "is not a list")
    return value


def _whole(path: Path, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _wrong(path, name, f"is not a whole number: {value!r}")
    return value


def _number(path: Path, name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        _wrong(path, name, f"is not a number: {value!r}")
    try:
        return float(value)
    except OverflowError:
        _wrong(path, name, "is too large")


def _text(path: Path, name: str, value: Any) -> str:
    if not isinstance(value, str):
        _wrong(path, name, "is not a text")
    return value


def _wrong(path: Path, name: str, why: str) -> NoReturn:
    raise UplinkError(f"{path}: {name} {why}")

"""What an outlet can deliver, and over which path, whatever ports its board has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hal.ports import Board
from hal.readings import (
    AcCapabilities,
    ContactorReading,
    ContactorState,
    DcCapabilities,
    DcPresent,
    MeterReading,
    PilotReading,
    PilotState,
)
from secc.config import OutletSettings
from secc.config.outlet import Ac, Dc
from secc.session.offer import AcLimits, DcLimits, Transfer
from secc.station.serving.levels import levels_of
from secc.station.serving.supplies import Path, Supplies, path_of, supplies

AC3, AC1, DC = Transfer.AC_THREE_PHASE, Transfer.AC_SINGLE_PHASE, Transfer.DC
AC_CAN = AcCapabilities(phases=3, volts=230.0, min_amperes=6.0, max_amperes=32.0)
DC_CAN = DcCapabilities(
    min_volts=150.0,
    max_volts=1000.0,
    min_amperes=1.0,
    max_amperes=250.0,
    max_watts=100_000.0,
    regulation_amperes=1.0,
    ripple_amperes=2.0,
)
AC_LIMITS = AcLimits(volts=230.0, maximum_amperes=32.0, minimum_amperes=6.0, phases=3)
DC_LIMITS = DcLimits(
    minimum_volts=150.0,
    maximum_volts=1000.0,
    minimum_amperes=1.0,
    maximum_amperes=250.0,
    maximum_watts=100_000.0,
    ripple_amperes=2.0,
)


def board(*, ac: bool = False, dc: bool = False, cable: float | None = None) -> Board:
    """With these ports: AC closed at 230 V and 16 A, DC open and at 400 V."""
    return cast(
        "Board",
        SimpleNamespace(
            healthy=True,
            ac=SimpleNamespace(capabilities=AC_CAN, contactor=ContactorReading(ContactorState.CLOSED, 1.0))
            if ac
            else None,
            dc=SimpleNamespace(
                capabilities=DC_CAN,
                contactor=ContactorReading(ContactorState.OPEN, 2.0),
                present=DcPresent(volts=400.0, amperes=0.0, at=2.0),
            )
            if dc
            else None,
            meter=SimpleNamespace(reading=MeterReading(5.0, (230.0,) * 3, (16.0,) * 3, 11_040.0, 1.5)),
            pilot=SimpleNamespace(reading=PilotReading(PilotState.C, 0.0, 1.0)),
            proximity=None if cable is None else SimpleNamespace(reading=SimpleNamespace(amperes=cable)),
            lock=None,
        ),
    )


def outlet(*transfers: Transfer, **limits: Any) -> OutletSettings:
    return OutletSettings(interface="lo", transfers=transfers, **limits)


@pytest.mark.parametrize(
    ("ports", "configured", "path", "offered"),
    [
        ({"dc": True}, (DC,), Path.DC, (DC,)),
        ({"ac": True}, (AC3, AC1), Path.AC, (AC3, AC1)),
        ({"ac": True}, (AC1,), Path.AC, (AC1,)),
        # The order of the settings makes an outlet with both ports one of the two.
        ({"ac": True, "dc": True}, (DC, AC3, AC1), Path.DC, (DC,)),
        ({"ac": True, "dc": True}, (AC3, DC, AC1), Path.AC, (AC3, AC1)),
        ({"ac": True, "dc": True}, (AC1,), Path.AC, (AC1,)),
        # What the board has no port for is not offered.
        ({"ac": True}, (DC, AC3), Path.AC, (AC3,)),
        ({"dc": True}, (AC3, DC), Path.DC, (DC,)),
        ({"dc": True}, (AC3, AC1), None, ()),
        ({"ac": True}, (DC,), None, ()),
        ({}, (DC, AC3), None, ()),
    ],
)
def test_an_outlet_has_one_path_and_offers_what_leads_over_it(
    ports: dict[str, bool], configured: tuple[Transfer, ...], path: Path | None, offered: tuple[Transfer, ...]
) -> None:
    there = board(**ports)
    assert path_of(configured, there) is path
    found = supplies(outlet(*configured), there)
    assert found == Supplies(
        offered, ac=AC_LIMITS if path is Path.AC else None, dc=DC_LIMITS if path is Path.DC else None
    )


def test_the_settings_limit_what_the_hardware_can() -> None:
    both = board(ac=True, dc=True)
    dc = supplies(outlet(DC, dc=Dc(maximum_amperes=100.0, maximum_watts=1e6)), both).dc
    assert dc is not None
    assert (dc.maximum_amperes, dc.maximum_watts) == (100.0, 100_000.0)
    ac = supplies(outlet(AC3, ac=Ac(maximum_amperes=16.0)), both).ac
    assert ac is not None
    assert ac.maximum_amperes == 16.0


@pytest.mark.parametrize(("cable", "amperes"), [(None, 32.0), (13.0, 13.0), (63.0, 32.0)])
def test_a_cable_that_carries_less_counts_where_it_is_plugged(cable: float | None, amperes: float) -> None:
    there = board(ac=True, cable=cable)
    now, ever = supplies(outlet(AC3), there).ac, supplies(outlet(AC3), there, any_cable=True).ac
    assert now is not None
    assert ever is not None
    assert now.maximum_amperes == amperes
    assert ever.maximum_amperes == 32.0


def test_levels_are_those_of_the_path() -> None:
    """A closed contactor must not be overlooked because the other one is open."""
    both = board(ac=True, dc=True)
    ac, dc, none = (levels_of(both, path) for path in (Path.AC, Path.DC, None))
    assert (ac.contactor, ac.volts, ac.amperes, ac.contactor_at) == ("closed", 230.0, 16.0, 1.0)
    assert (dc.contactor, dc.volts, dc.amperes, dc.contactor_at) == ("open", 400.0, 0.0, 2.0)
    assert none.contactor == "unknown"
    assert {each.watt_hours for each in (ac, dc, none)} == {5.0}

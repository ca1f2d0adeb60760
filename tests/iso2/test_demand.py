"""What a car asks and what the power path is told: no number of a car's gets through that should not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.readings import DcPhase
from secc.iso2.messages import CurrentDemandReq, PhysicalValue, PreChargeReq, UnitSymbol
from secc.session.dc_limits import PRECHARGE_AMPERES
from secc.session.effects import SetOutput
from secc.session.events import LimitChanged
from tests.iso2_car import Car, ev_status

ANY = st.floats(-1e9, 1e9)
VALUE = st.builds(
    PhysicalValue,
    multiplier=st.integers(-5, 5) | st.just(0),
    unit=st.sampled_from([UnitSymbol.V, UnitSymbol.A, UnitSymbol.W]),
    value=st.integers(-(2**40), 2**40) | st.integers(-1000, 1000),
)
VOLTS = VALUE.map(lambda v: PhysicalValue(multiplier=v.multiplier, unit=UnitSymbol.V, value=v.value))
AMPERES = VALUE.map(lambda v: PhysicalValue(multiplier=v.multiplier, unit=UnitSymbol.A, value=v.value))


@pytest.mark.case("A-PWR-01", "A-PWR-02", "A-EXI-06")
@given(
    st.lists(
        st.tuples(VOLTS | VALUE, AMPERES | VALUE, st.none() | VOLTS, st.none() | AMPERES, st.none() | ANY), max_size=5
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_requests_sets_an_absurd_output(asked: list[tuple[object, ...]]) -> None:
    """Through the whole session, raw messages included that no encoder would write."""
    for message in ("PreCharge", "PowerDelivery(Stop)"):
        car = Car().drive(until=message)
        for volts, amperes, most_volts, most_amperes, watts in asked:
            if watts is not None:
                car.hear(LimitChanged(watts))  # type: ignore[arg-type]  # a float or None
            if car.ended is not None:
                break
            if message == "PreCharge":
                car.says(
                    PreChargeReq(dc_ev_status=ev_status(), ev_target_voltage=volts, ev_target_current=amperes),  # type: ignore[arg-type]
                    raw=True,
                )
            else:
                car.says(
                    CurrentDemandReq(
                        dc_ev_status=ev_status(),
                        ev_target_current=amperes,  # type: ignore[arg-type]
                        ev_target_voltage=volts,  # type: ignore[arg-type]
                        ev_maximum_voltage_limit=most_volts,  # type: ignore[arg-type]
                        ev_maximum_current_limit=most_amperes,  # type: ignore[arg-type]
                        charging_complete=False,
                    ),
                    raw=True,
                )
        for output in car.all(SetOutput):
            assert math.isfinite(output.volts)
            assert math.isfinite(output.amperes)
            assert 0.0 <= output.volts <= 450.0, "what the car said that it bears"
            assert 0.0 <= output.amperes <= (PRECHARGE_AMPERES if output.phase is DcPhase.PRECHARGE else 125.0)

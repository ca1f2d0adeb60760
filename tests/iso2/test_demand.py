"""What a car asks and what the power path is told: no number of a car's gets through that should not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.readings import DcPhase
from secc.iso2.messages import (
    CableCheckReq,
    CurrentDemandReq,
    PhysicalValue,
    PreChargeReq,
    ResponseCode,
    UnitSymbol,
)
from secc.session.dc_limits import PRECHARGE_AMPERES
from secc.session.effects import CheckCable, Reach, SetOutput
from secc.session.events import LimitChanged
from secc.session.offer import DcLimits
from tests.iso2_car import START, Car, current_demand, dc_delivery, dc_parameters, ev_status, precharge
from tests.iso2_car import amperes as amperes_
from tests.iso2_car import volts as volts_

SOC = st.integers(0, 100) | st.integers(-1000, 1000)
ANY = st.floats(-1e9, 1e9)
VALUE = st.builds(
    PhysicalValue,
    multiplier=st.integers(-5, 5) | st.just(0),
    unit=st.sampled_from([UnitSymbol.V, UnitSymbol.A, UnitSymbol.W]),
    value=st.integers(-(2**40), 2**40) | st.integers(-1000, 1000),
)
VOLTS = VALUE.map(lambda v: PhysicalValue(multiplier=v.multiplier, unit=UnitSymbol.V, value=v.value))
AMPERES = VALUE.map(lambda v: PhysicalValue(multiplier=v.multiplier, unit=UnitSymbol.A, value=v.value))
WATTS = VALUE.map(lambda v: PhysicalValue(multiplier=v.multiplier, unit=UnitSymbol.W, value=v.value))


@pytest.mark.case("A-PWR-01", "A-EXI-06")
@given(
    VOLTS | VALUE | st.integers(151, 1500).map(volts_),
    AMPERES | VALUE | st.integers(1, 500).map(amperes_),
    st.none() | WATTS | VALUE,
    SOC,
)
@settings(max_examples=100, deadline=None)
def test_no_limit_of_a_car_that_makes_no_sense_reaches_the_power_path(
    volts: PhysicalValue, amperes: PhysicalValue, watts: PhysicalValue | None, soc: int
) -> None:
    car = Car().drive(until="ChargeParameterDiscovery")
    limits = {"ev_maximum_voltage_limit": volts, "ev_maximum_current_limit": amperes, "ev_maximum_power_limit": watts}
    request = dc_parameters(dc_ev_status=replace(ev_status(), ev_ress_soc=soc), **limits)
    if car.says(request, raw=True).response_code is not ResponseCode.OK:
        assert car.code == "refused.FAILED_WrongChargeParameter"
        assert car.asked(CheckCable) == []
        return
    car.says(CableCheckReq(dc_ev_status=ev_status()))
    car.says(precharge())
    car.says(dc_delivery(START))
    car.says(current_demand(900.0, 400.0))
    (check,) = car.asked(CheckCable)
    most_volts, most_amperes = volts.value * 10.0**volts.multiplier, amperes.value * 10.0**amperes.multiplier
    assert 0.0 < check.ev_maximum_volts == pytest.approx(most_volts)
    assert most_volts <= 32_767_000.0
    assert 0 <= soc <= 100
    for output in car.all(SetOutput):
        assert 0.0 <= output.volts <= min(most_volts, DcLimits().maximum_volts) * (1 + 1e-9)
        assert (
            0.0 <= output.amperes <= min(max(most_amperes, PRECHARGE_AMPERES), DcLimits().maximum_amperes) * (1 + 1e-9)
        )


@pytest.mark.case("A-PWR-01", "A-PWR-02", "A-EXI-06")
@given(
    st.lists(
        st.tuples(
            VOLTS | VALUE,
            AMPERES | VALUE,
            st.none() | VOLTS,
            st.none() | AMPERES,
            st.none() | WATTS,
            SOC,
            st.none() | ANY,
        ),
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_requests_sets_an_absurd_output(asked: list[tuple[object, ...]]) -> None:
    """Through the whole session, raw messages included that no encoder would write."""
    for message in ("PreCharge", "PowerDelivery(Stop)"):
        car = Car().drive(until=message)
        for volts, amperes, most_volts, most_amperes, most_watts, soc, watts in asked:
            status = replace(ev_status(), ev_ress_soc=soc)  # type: ignore[arg-type]  # an int
            if watts is not None:
                car.hear(LimitChanged(watts))  # type: ignore[arg-type]  # a float or None
            if car.ended is not None:
                break
            if message == "PreCharge":
                car.says(
                    PreChargeReq(dc_ev_status=status, ev_target_voltage=volts, ev_target_current=amperes),  # type: ignore[arg-type]
                    raw=True,
                )
            else:
                car.says(
                    CurrentDemandReq(
                        dc_ev_status=status,
                        ev_target_current=amperes,  # type: ignore[arg-type]
                        ev_target_voltage=volts,  # type: ignore[arg-type]
                        ev_maximum_voltage_limit=most_volts,  # type: ignore[arg-type]
                        ev_maximum_current_limit=most_amperes,  # type: ignore[arg-type]
                        ev_maximum_power_limit=most_watts,  # type: ignore[arg-type]
                        charging_complete=False,
                    ),
                    raw=True,
                )
        for fact in (fact for reach in car.all(Reach) for fact in reach.facts if fact[0] == "soc"):
            assert 0.0 <= float(fact[1]) <= 100.0
        for output in car.all(SetOutput):
            assert math.isfinite(output.volts)
            assert math.isfinite(output.amperes)
            assert 0.0 <= output.volts <= 450.0, "what the car said that it bears"
            assert 0.0 <= output.amperes <= (PRECHARGE_AMPERES if output.phase is DcPhase.PRECHARGE else 125.0)

"""The simulated car against the station's DIN SPEC 70121, over octets, on a virtual clock: charging, stopping, and every way to be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hal.readings import DcPhase
from secc.protocols import protocols
from secc.session.effects import (
    CableChecked,
    CheckCable,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    StopPower,
)
from secc.session.events import (
    ConnectionClosed,
    EimDecided,
    EmergencyStopped,
    Fault,
    LimitChanged,
    LinkLost,
    OngoingForced,
    RenegotiationRequested,
    StopRequested,
    Unplugged,
)
from secc.session.offer import DcLimits
from tests.pair import Line, Outlet, Pair
from tests.test_pair_iso2 import charged, ends_safely
from tests.ways import DC_EIM, DC_OFFER, WALLET
from tools.evcc.behaviour import Behaviour
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.din.flaws import FLAWS
from tools.evcc.din.quantities import real

CAR = Behaviour(protocols=("din",), loops=20)
LONG = replace(CAR, loops=10_000)


def pair(behaviour: Behaviour = CAR, outlet: Outlet | None = None, **offer: Any) -> Pair:
    return DC_EIM.pair(behaviour, outlet, **offer)


def reason(line: Line) -> str:
    assert line.station is not None
    return line.station.code


def ending(line: Line) -> str:
    assert line.car is not None
    return line.car.code


# --- charging -------------------------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-01")
def test_a_whole_session() -> None:
    one = pair()
    line = one.run()
    charged(one, line)
    assert list(dict.fromkeys(name for name in line.said if name.endswith("Req"))) == [
        "SupportedAppProtocolReq",
        "SessionSetupReq",
        "ServiceDiscoveryReq",
        "ServicePaymentSelectionReq",
        "ContractAuthenticationReq",
        "ChargeParameterDiscoveryReq",
        "CableCheckReq",
        "PreChargeReq",
        "PowerDeliveryReq",
        "CurrentDemandReq",
        "WeldingDetectionReq",
        "SessionStopReq",
    ]
    milestones = [name for name in line.announced if name != "charging"]
    assert milestones == ["protocol", "session", "authorized", "cable-check", "precharge", "welding", "stopped"]


def test_two_runs_say_the_same_to_the_octet() -> None:
    first, second = pair(), pair()
    assert first.run() == second.run()
    assert first.transcript == second.transcript
    assert len(first.transcript) > 50


def test_session_ends_at_the_state_of_charge_that_the_car_wants() -> None:
    one = pair(replace(CAR, loops=None, target_state_of_charge=0.36, speed=50.0))
    line = one.run()
    ends_safely(one, line)
    assert ending(line) == "completed.full"
    assert 0.36 <= one.battery.state_of_charge < 0.37


@pytest.mark.parametrize("evcc_id", [b"", bytes(6), bytes(7), bytes.fromhex("0102030405060708")], ids=len)
def test_the_car_may_have_any_evccid(evcc_id: bytes) -> None:
    one = pair(replace(CAR, evcc_id=evcc_id))
    charged(one, one.run())


# --- which protocol -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranked", [("din", "iso2"), ("iso2", "din")])
def test_the_ranking_of_the_car_decides(ranked: tuple[str, ...]) -> None:
    one = pair(replace(CAR, protocols=ranked))
    line = one.run()
    charged(one, line)
    assert ("ContractAuthenticationReq" in line.said) is (ranked[0] == "din")
    assert ("AuthorizationReq" in line.said) is (ranked[0] == "iso2")


def test_a_car_that_prefers_din_charges_by_the_other_where_din_is_switched_off() -> None:
    without = [protocol for protocol in protocols() if protocol.key != "din"]
    both = replace(CAR, protocols=("din", "iso2"))
    other = Pair(both, DC_OFFER, spoken=without)
    charged(other, other.run())
    alone = Pair(CAR, DC_OFFER, spoken=without)
    assert reason(alone.run()) == "refused.Failed_NoNegotiation"


@pytest.mark.case("DIN-25")
def test_din_is_not_agreed_on_over_tls() -> None:
    over_tls = pair(tls=True)
    line = over_tls.run()
    assert reason(line) == ending(line) == "refused.Failed_NoNegotiation"
    # A car of both has its contract with it, and uses ISO 15118-2.
    both = replace(CAR, protocols=("din", "iso2"), payment=Paid.CONTRACT)
    line = Pair(both, replace(DC_OFFER, tls=True, free=True), wallet=WALLET).run()
    assert "SessionSetupReq" in line.said
    assert "ServicePaymentSelectionReq" not in line.said


# --- the ways to stop -----------------------------------------------------------------------------------------------------

EARLY = [
    "ServiceDiscovery", "ServicePaymentSelection", "ContractAuthentication", "ChargeParameterDiscovery", "CableCheck",
    "PreCharge", "PowerDelivery",
]  # fmt: skip


@pytest.mark.case("Q-37")
@pytest.mark.parametrize("name", EARLY)
def test_the_car_may_leave_before_charging(name: str) -> None:
    one = pair(replace(CAR, stop_before=name))
    line = one.run()
    ends_safely(one, line)
    assert ending(line) == "completed.early"
    assert line.station is not None
    assert line.station.well, line.station
    assert line.said[-2:] == ["SessionStopReq", "SessionStopRes"]
    assert one.outlet.watt_hours == 12_345.0


def test_the_car_may_leave_out_of_the_loop() -> None:
    one = pair(replace(CAR, stop_before="CurrentDemand"))
    line = one.run()
    charged(one, line)
    assert line.said[-4:] == ["CurrentDemandReq", "CurrentDemandRes", "SessionStopReq", "SessionStopRes"]


@pytest.mark.case("DIN-18")
def test_the_car_may_leave_without_welding_detection() -> None:
    one = pair(replace(CAR, stop_before="WeldingDetection"))
    line = one.run()
    charged(one, line)
    assert "WeldingDetectionReq" not in line.said


def test_the_driver_of_the_car_may_stop_it() -> None:
    one = pair(LONG).at(10.0, StopRequested("driver"), to="car")
    charged(one, one.run(), "by-car")


def test_the_station_may_ask_the_car_to_stop() -> None:
    one = pair(LONG).at(10.0, StopRequested("operator"))
    line = one.run()
    charged(one, line, "by-station")
    assert line.finished_at < 100.0 + 15.0


def test_power_goes_off_under_a_car_that_does_not_stop_when_asked() -> None:
    one = pair(LONG).car_ignores_wishes().at(10.0, StopRequested("operator"))
    line = one.run()
    ends_safely(one, line)
    assert line.finished_at < 100.0 + 10.0 + 12.0
    assert not line.station.well  # type: ignore[union-attr]  # ended by then


def test_a_renegotiation_is_not_asked_of_the_car() -> None:
    one = pair(replace(CAR, loops=100)).at(8.0, RenegotiationRequested())
    line = one.run()
    charged(one, line)
    assert not any("ReNegotiation" in repr(answer) for answer in line.answers)


# --- things that happen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Unplugged(), "severed.unplugged"),
        (LinkLost(), "severed.link-lost"),
        (ConnectionClosed(), "severed.connection-closed"),
        (EmergencyStopped(), "emergency.emergency-stop"),
        (Fault("insulation_fault"), "emergency.fault"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_power_is_off_at_once_when_something_happens(event: Any, code: str) -> None:
    one = pair(LONG).at(10.0, event)
    off_at: list[float] = []
    one.on_open(lambda: off_at.append(one.now))
    line = one.run()
    ends_safely(one, line)
    assert reason(line) == code
    assert off_at[0] == pytest.approx(110.0)


@pytest.mark.case("DIN-16")
def test_emergency_answers_the_next_request_with_its_status() -> None:
    one = pair(LONG).at(10.0, EmergencyStopped())
    line = one.run()
    ends_safely(one, line)
    assert line.said[-2:] == ["CurrentDemandReq", "CurrentDemandRes"]
    assert line.answers[-1].dc_evse_status.evse_status_code == "EVSE_EmergencyShutdown"
    assert line.codes()[-1] == "FAILED"


@pytest.mark.parametrize("seconds", [0.003, 0.02, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
def test_unplugging_at_any_moment_is_safe(seconds: float) -> None:
    one = pair(LONG).at(seconds, Unplugged())
    line = one.run()
    assert line.station is not None
    assert line.station.kind in ("severed", "completed")
    assert not one.outlet.closed


def test_a_limit_is_followed_within_the_loop() -> None:
    one = pair(LONG).at(6.0, LimitChanged(7_000.0)).at(12.0, StopRequested("operator"))
    line = one.run()
    charged(one, line, "by-station")
    outputs = [wish for wish in line.wishes if isinstance(wish, SetOutput) and wish.amperes > 5.0]
    assert outputs[0].amperes * one.battery.volts > 30_000.0
    assert outputs[-1].amperes * one.battery.volts <= 7_000.0 * 1.1
    last = next(answer for answer in reversed(line.answers) if hasattr(answer, "evse_maximum_power_limit"))
    assert real(last.evse_maximum_power_limit) == 7_000.0


# --- who may charge -------------------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-06")
def test_a_card_may_come_later() -> None:
    one = pair(free=False).at(5.0, EimDecided(True, "rfid"))
    line = one.run()
    charged(one, line)
    told = [str(a.evse_processing) for a in line.answers if type(a).__name__ == "ContractAuthenticationRes"]
    assert set(told[:-1]) == {"Ongoing"}
    assert len(told) > 4
    assert line.finished_at > 105.0


def test_no_card_ends_the_session() -> None:
    one = pair(free=False, eim_seconds=30.0)
    line = one.run()
    assert not line.station.well  # type: ignore[union-attr]  # ended by then
    assert line.codes()[-1].startswith("FAILED")
    assert not one.outlet.closed
    assert 130.0 <= line.finished_at < 131.0


# --- the power path says no -----------------------------------------------------------------------------------------------


def test_cable_that_fails_its_check_ends_the_session() -> None:
    one = pair(outlet=Outlet(cable=CableChecked(False, "fault", "20 kilo-ohms")))
    line = one.run()
    ends_safely(one, line)
    assert ending(line) == "refused.FAILED"
    assert "PreChargeReq" not in line.said


def test_cable_check_without_an_end_ends_before_the_car_gives_up() -> None:
    one = pair(outlet=Outlet(silent=(CheckCable,)))
    line = one.run()
    ends_safely(one, line)
    assert ending(line) == "refused.FAILED"
    assert 137.0 < line.finished_at < 141.0


def test_power_that_does_not_come_is_refused() -> None:
    one = pair(outlet=Outlet(start=PowerReported(False, "contactor did not close")))
    line = one.run()
    ends_safely(one, line)
    assert ending(line).startswith("refused.FAILED_")


@pytest.mark.parametrize("question", [StartPower, StopPower])
def test_power_path_that_does_not_answer_is_refused_within_the_two_seconds_of_the_car(question: type) -> None:
    one = pair(outlet=Outlet(silent=(question,)))
    line = one.run()
    ends_safely(one, line)
    assert ending(line).startswith("refused.FAILED")


def test_output_never_exceeds_what_the_car_bears() -> None:
    one = pair(replace(CAR, loops=50))
    outputs = [wish for wish in one.run().wishes if isinstance(wish, SetOutput)]
    assert outputs
    assert max(output.volts for output in outputs) <= one.battery.full_volts
    assert max(output.amperes for output in outputs) <= one.battery.maximum_amperes
    assert all(output.amperes <= 2.0 for output in outputs if output.phase is DcPhase.PRECHARGE)


@pytest.mark.parametrize("watts", [20_000.0, 32_767.0, 32_768.0, 150_000.0])
def test_a_schedule_is_never_above_the_limit_and_the_car_gets_all_of_it(watts: float) -> None:
    one = pair(replace(CAR, loops=200), dc=DcLimits(maximum_watts=watts))
    line = one.run()
    charged(one, line)
    schedules = next(answer.sa_schedules for answer in line.answers if hasattr(answer, "sa_schedules"))
    offered = schedules.sa_schedule_tuple[0].p_max_schedule.p_max_schedule_entry[0].p_max
    assert offered == min(int(watts), 32_767)
    most = max(wish.volts * wish.amperes for wish in line.wishes if isinstance(wish, SetOutput))
    car = one.battery.maximum_amperes * one.battery.volts
    assert most > 0.8 * min(watts, one.battery.maximum_watts, car)


@pytest.mark.parametrize("phase", ["ContractAuthentication", "ChargeParameterDiscovery", "CableCheck"])
def test_the_lab_may_hold_a_phase_in_ongoing(phase: str) -> None:
    held = "Authorization" if phase == "ContractAuthentication" else phase
    one = pair().at(0.007, OngoingForced(held, True)).at(8.0, OngoingForced(held, False))
    line = one.run()
    charged(one, line)
    waited = [type(a).__name__ for a in line.answers if str(getattr(a, "evse_processing", "")) == "Ongoing"]
    assert waited.count(f"{phase}Res") > 3


# --- cars that are wrong --------------------------------------------------------------------------------------------------

SEQUENCE = "refused.FAILED_SequenceError"
WELL = "completed.terminated"
WRONG: dict[str, tuple[str, str]] = {
    # name of the flaw: how the station's session ends, how the car's does
    "foreign-protocol": ("refused.Failed_NoNegotiation", "refused.Failed_NoNegotiation"),
    "draft-protocol": ("refused.Failed_NoNegotiation", "refused.Failed_NoNegotiation"),
    "other-major": ("refused.Failed_NoNegotiation", "refused.Failed_NoNegotiation"),
    "garbage-first": ("severed.stream-broken", "severed.connection-closed"),
    "wrong-session-id": ("refused.FAILED_UnknownSession", "refused.FAILED_UnknownSession"),
    "zero-session-id": ("refused.FAILED_UnknownSession", "refused.FAILED_UnknownSession"),
    "short-session-id": (WELL, "completed.full"),
    "skip-service-discovery": (SEQUENCE, SEQUENCE),
    "skip-authorization": (SEQUENCE, SEQUENCE),
    "demand-before-cable-check": (SEQUENCE, SEQUENCE),
    "skip-precharge": (SEQUENCE, SEQUENCE),
    "start-without-voltage": (
        "refused.FAILED_EVSEPresentVoltageToLow", "refused.FAILED_EVSEPresentVoltageToLow",
    ),
    "setup-twice": (SEQUENCE, SEQUENCE),
    "supported-again": ("severed.stream-broken", "severed.connection-closed"),
    "two-at-once": (SEQUENCE, SEQUENCE),
    "silent": ("timer.V2G_SECC_Sequence_Timeout", "severed.connection-closed"),
    "silent-while-charging": ("timer.V2G_SECC_Sequence_Timeout", "severed.connection-closed"),
    "garbage": ("severed.connection-closed", "timer.V2G_EVCC_Msg_Timeout_ServiceDiscovery"),
    "garbage-before": (WELL, "completed.full"),
    "garbage-thrice": ("severed.stream-broken", "severed.connection-closed"),
    "garbage-while-charging": ("severed.connection-closed", "timer.V2G_EVCC_Msg_Timeout_CurrentDemand"),
    "enormous-frame": ("severed.stream-broken", "severed.connection-closed"),
    "unoffered-payment": ("refused.FAILED_PaymentSelectionInvalid", "refused.FAILED_PaymentSelectionInvalid"),
    "unoffered-service": ("refused.FAILED_ServiceSelectionInvalid", "refused.FAILED_ServiceSelectionInvalid"),
    "no-charge-service": ("refused.FAILED_ServiceSelectionInvalid", "refused.FAILED_ServiceSelectionInvalid"),
    "parameter-set": (WELL, "completed.full"),
    "service-detail": (SEQUENCE, SEQUENCE),
    "contract-details": (SEQUENCE, SEQUENCE),
    "ask-for-contract": (SEQUENCE, SEQUENCE),
    "receipt": (SEQUENCE, SEQUENCE),
    "ac-loop": (SEQUENCE, SEQUENCE),
    "ac-type": ("refused.FAILED_WrongEnergyTransferType", "refused.FAILED_WrongEnergyTransferType"),
    "unoffered-mode": ("refused.FAILED_WrongEnergyTransferType", "refused.FAILED_WrongEnergyTransferType"),
    "crossed-parameters": ("refused.FAILED_WrongChargeParameter", "refused.FAILED_WrongChargeParameter"),
    "low-limits": ("refused.FAILED_WrongChargeParameter", "refused.FAILED_WrongChargeParameter"),
    "foreign-schedule": ("refused.FAILED_TariffSelectionInvalid", "refused.FAILED_TariffSelectionInvalid"),
    "profile-above-schedule": ("refused.FAILED_ChargingProfileInvalid", "refused.FAILED_ChargingProfileInvalid"),
    "start-in-the-loop": ("refused.FAILED", "refused.FAILED"),
    "no-units": (WELL, "completed.full"),
    "wrong-units": ("refused.FAILED", "refused.FAILED"),
    "stay-in-b": ("refused.FAILED", "refused.FAILED"),
    "stay-in-c": ("refused.FAILED", "refused.FAILED"),
}  # fmt: skip


def test_every_flaw_is_tried() -> None:
    assert set(WRONG) == set(FLAWS)


@pytest.mark.parametrize("name", WRONG)
def test_a_car_that_is_wrong_is_refused_and_safe(name: str) -> None:
    patience = 1000.0 if name.startswith("silent") else 1.0
    one = pair(replace(CAR, loops=5, flaw=name, patience=patience), dc=DcLimits(maximum_watts=20_000.0))
    line = one.run()
    assert (reason(line), ending(line)) == WRONG[name]
    assert not one.outlet.closed
    assert not one.outlet.incidents
    assert one.outlet.watt_hours == 12_345.0 or OpenContactor() in line.wishes

"""PowerDelivery: Start, Stop, Renegotiate, and every reason not to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secc.conversation import Abandon, Ask
from secc.iso2.messages import (
    ChargingProfile,
    ChargingStatusReq,
    DC_EVErrorCode,
    EVSEProcessing,
    PowerDeliveryReq,
    ProfileEntry,
    ResponseCode,
)
from secc.session.effects import Milestone, OpenContactor, PowerReported, Reach, Remark, StartPower, StopPower
from secc.session.events import OngoingForced, StopRequested
from secc.session.offer import AcLimits, Offer
from tests.dialogue import LATER
from tests.iso2_car import (
    AC_EIM,
    DC_EIM,
    RENEGOTIATE,
    START,
    STOP,
    Car,
    ac_parameters,
    amperes,
    dc_delivery,
    delivery,
    watts,
)

PMAX = 11_040.0
AC_16 = replace(AC_EIM, ac=AcLimits(maximum_amperes=16.0))


def due(offer: Offer, message: str = "PowerDelivery(Start)") -> Car:
    return Car(offer).drive(until=message)


def profile(*entries: tuple[int, float]) -> ChargingProfile:
    return ChargingProfile(
        profile_entry=tuple(
            ProfileEntry(charging_profile_entry_start=start, charging_profile_entry_max_power=watts(power))
            for start, power in entries
        )
    )


# --- Start ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("Q-46")
@pytest.mark.parametrize("pilot", ["C", "D"])
def test_ac_starts_when_the_power_path_says_so(pilot: str) -> None:
    car = due(AC_EIM)
    car.answers[StartPower] = LATER
    car.follows = False
    car.pilot = pilot
    car.tells(delivery(START))
    car.wait(1.0)
    assert len(car.outbox) == len(car.heard), "no answer before the contactor is closed"
    car.answer(StartPower, PowerReported(True))
    assert car.outbox[-1][1].message.response_code is ResponseCode.OK


def test_dc_starts_from_the_precharge() -> None:
    car = due(DC_EIM)
    body = car.says(dc_delivery(START))
    assert body.response_code is ResponseCode.OK
    assert type(body.evse_status).__name__ == "DC_EVSEStatus"
    assert len(car.asked(StartPower)) == 1


@pytest.mark.parametrize("report", [LATER, PowerReported(False, "feedback says open")])
def test_a_contactor_that_does_not_close_is_a_contactor_error_in_time(report: object) -> None:
    car = due(AC_EIM)
    car.answers[StartPower] = report
    body = car.says(delivery(START))
    assert body.response_code is ResponseCode.FAILED_CONTACTOR_ERROR
    assert car.heard[-1].seconds <= 4.5
    assert car.all(OpenContactor)
    assert bool(car.all(Abandon)) is (report is LATER)


def test_a_car_that_does_not_go_to_c_is_told_that_nothing_is_delivered() -> None:
    car = due(AC_EIM)
    car.follows = False
    car.answers[StartPower] = PowerReported(False, "pilot B")
    assert car.says(delivery(START)).response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED


def test_a_dc_path_that_is_not_ready_is_told() -> None:
    car = due(DC_EIM)
    car.answers[StartPower] = PowerReported(False, "not ready")
    assert car.says(dc_delivery(START)).response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED


@pytest.mark.case("A-SES-14")
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_a_stop_that_comes_before_the_power_keeps_it_off(offer: Offer) -> None:
    """The car may take seconds to come to C: who ends charging meanwhile gets none, and not ten seconds until the stop is enforced."""
    car = due(offer)
    car.answers[StartPower] = LATER
    car.tells((dc_delivery if offer is DC_EIM else delivery)(START))
    car.hear(StopRequested("driver"))
    car.answer(StartPower, PowerReported(True))
    assert car.outbox[-1][1].message.response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED
    assert car.all(OpenContactor)
    assert Milestone.POWER_ON not in [reach.milestone for reach in car.all(Reach)]


@pytest.mark.case("I2-PD-21")
@pytest.mark.parametrize("tuple_id", [0, 2, 255, 256])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_a_schedule_that_was_not_offered_is_refused(offer: Offer, tuple_id: int) -> None:
    car = due(offer)
    body = car.says(delivery(START, sa_schedule_tuple_id=tuple_id), raw=True)
    assert body.response_code is ResponseCode.FAILED_TARIFF_SELECTION_INVALID
    assert car.asked(StartPower) == []


@pytest.mark.case("Q-47")
@pytest.mark.parametrize(
    "good",
    [
        pytest.param(profile((0, PMAX)), marks=pytest.mark.case("I2X-28")),
        profile((0, PMAX), (3600, 5_000.0)),
        profile((0, PMAX), (86_400, 0.0)),
        profile((0, PMAX * 1.0099)),
        profile((0, 0.0)),
    ],
)
def test_a_profile_within_the_schedule_is_accepted(good: ChargingProfile) -> None:
    assert due(AC_16).says(delivery(START, good)).response_code is ResponseCode.OK


BAD_PROFILES = {
    "above PMax": profile((0, PMAX * 1.02)),
    "above PMax later": profile((0, PMAX), (60, 22_000.0)),
    "negative": profile((0, -1000.0)),
    "behind the end": profile((0, PMAX), (86_400, 100.0)),
    "backwards": profile((60, 1000.0), (0, 1000.0)),
    "in amperes": ChargingProfile(
        profile_entry=(ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=amperes(16.0)),)
    ),
}


@pytest.mark.case("D6", "A-PWR-04")
@pytest.mark.parametrize("name", BAD_PROFILES)
def test_a_profile_that_goes_beyond_is_refused(name: str) -> None:
    car = due(AC_16)
    body = car.says(delivery(START, BAD_PROFILES[name]))
    assert body.response_code is ResponseCode.FAILED_CHARGING_PROFILE_INVALID
    assert car.code == "refused.FAILED_ChargingProfileInvalid"
    assert car.asked(StartPower) == []


def test_a_dc_profile_is_judged_alike() -> None:
    car = due(DC_EIM)
    body = car.says(delivery(START, profile((0, 160_000.0))))
    assert body.response_code is ResponseCode.FAILED_CHARGING_PROFILE_INVALID


def test_by_the_letter_there_is_no_percent_to_spare() -> None:
    car = due(replace(AC_16, strict=True))
    body = car.says(delivery(START, profile((0, PMAX + 1.0))))
    assert body.response_code is ResponseCode.FAILED_CHARGING_PROFILE_INVALID


@pytest.mark.case("Q-45")
def test_a_profile_that_makes_no_sense_may_be_tolerated_and_is_remarked_upon() -> None:
    car = due(replace(AC_16, tolerances=frozenset({"Q-45"})))
    assert car.says(delivery(START, BAD_PROFILES["above PMax"])).response_code is ResponseCode.OK
    assert [remark.code for remark in car.all(Remark)] == ["Q-45"]
    strict = due(replace(AC_16, tolerances=frozenset({"Q-45"}), strict=True))
    assert strict.says(delivery(START, BAD_PROFILES["above PMax"])).response_code.startswith("FAILED")


# --- Renegotiate ------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2-PD-13")
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_renegotiation_before_start_fails(offer: Offer) -> None:
    car = due(offer)
    assert car.says(delivery(RENEGOTIATE)).response_code is ResponseCode.FAILED


@pytest.mark.case("I2X-30")
def test_ac_goes_on_during_a_renegotiation_and_a_closed_contactor_is_not_closed_again() -> None:
    car = due(AC_EIM, "PowerDelivery(Stop)")
    car.levels = replace(car.levels, contactor="closed")
    assert car.says(delivery(RENEGOTIATE)).response_code is ResponseCode.OK
    assert car.asked(StopPower) == []
    assert car.says(ac_parameters()).evse_processing is EVSEProcessing.FINISHED
    car.answers[StartPower] = LATER
    assert car.says(delivery(START)).response_code is ResponseCode.OK
    assert len(car.asked(StartPower)) == 1, "only the first time"
    assert car.says(ChargingStatusReq()).response_code is ResponseCode.OK


def test_dc_is_switched_off_for_a_renegotiation() -> None:
    car = due(DC_EIM, "PowerDelivery(Stop)")
    assert car.says(dc_delivery(RENEGOTIATE)).response_code is ResponseCode.OK
    assert len(car.asked(StopPower)) == 1


def test_dc_that_cannot_be_switched_off_is_not_renegotiated() -> None:
    car = due(DC_EIM, "PowerDelivery(Stop)")
    car.answers[StopPower] = PowerReported(False, "welded")
    assert car.says(dc_delivery(RENEGOTIATE)).response_code is ResponseCode.FAILED
    assert car.all(OpenContactor)


def test_a_second_start_in_the_loop_fails() -> None:
    for offer, request in ((AC_EIM, delivery(START)), (DC_EIM, dc_delivery(START))):
        assert due(offer, "PowerDelivery(Stop)").says(request).response_code is ResponseCode.FAILED


def test_the_mode_of_the_lab_holds_a_renegotiation_in_ongoing() -> None:
    car = due(AC_EIM, "PowerDelivery(Stop)")
    car.says(delivery(RENEGOTIATE))
    car.hear(OngoingForced("ChargeParameterDiscovery", on=True))
    assert car.says(ac_parameters()).evse_processing is EVSEProcessing.ONGOING


# --- Stop -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offer", "request_"), [(AC_EIM, delivery(STOP)), (DC_EIM, dc_delivery(STOP))])
def test_stop_is_answered_when_power_is_off(offer: Offer, request_: PowerDeliveryReq) -> None:
    car = due(offer, "PowerDelivery(Stop)")
    car.answers[StopPower] = LATER
    car.tells(request_)
    car.wait(1.0)
    assert len(car.outbox) == len(car.heard)
    car.answer(StopPower, PowerReported(True))
    assert car.outbox[-1][1].message.response_code is ResponseCode.OK


@pytest.mark.parametrize("error", list(DC_EVErrorCode))
def test_what_the_car_complains_of_never_makes_a_stop_fail(error: DC_EVErrorCode) -> None:
    assert due(DC_EIM, "PowerDelivery(Stop)").says(dc_delivery(STOP, error)).response_code is ResponseCode.OK


@pytest.mark.parametrize("report", [LATER, PowerReported(False, "welded")])
@pytest.mark.parametrize(
    ("offer", "code"), [(AC_EIM, ResponseCode.FAILED_CONTACTOR_ERROR), (DC_EIM, ResponseCode.FAILED)]
)
def test_power_that_does_not_go_off_is_told(offer: Offer, code: ResponseCode, report: object) -> None:
    car = due(offer, "PowerDelivery(Stop)")
    car.answers[StopPower] = report
    body = car.says(delivery(STOP) if offer is AC_EIM else dc_delivery(STOP))
    assert body.response_code is code
    assert car.heard[-1].seconds <= 4.5
    assert car.all(OpenContactor)


@pytest.mark.parametrize(("offer", "asked"), [(AC_EIM, 0), (DC_EIM, 1)])
def test_a_stop_before_start_goes_straight_to_the_end(offer: Offer, asked: int) -> None:
    car = due(offer)
    assert car.says(delivery(STOP)).response_code is ResponseCode.OK
    assert len(car.asked(StopPower)) == asked, "DC had the cable under voltage already"
    car.pilot = "B"
    car.finish("PowerDelivery(Stop)")
    assert car.code == "completed.terminated"


@pytest.mark.parametrize("report", [LATER, PowerReported(False, "contactor welded")])
def test_a_stop_before_start_is_not_answered_ok_where_the_path_cannot_switch_off(report: object) -> None:
    """The cable check had the contactor closed and the cable under voltage. OK would be the word that the car may be unplugged."""
    car = due(DC_EIM)
    car.answers[StopPower] = report
    body = car.says(dc_delivery(STOP))
    assert body.response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds <= 4.5
    assert car.code == "refused.FAILED"
    assert "power is not off" in car.ended.detail if car.ended else False
    assert car.all(OpenContactor)


def test_a_stop_between_renegotiation_and_start_is_not_answered_ok_either() -> None:
    car = due(AC_EIM, "PowerDelivery(Stop)")
    assert car.says(delivery(RENEGOTIATE)).response_code is ResponseCode.OK
    assert car.says(ac_parameters()).response_code is ResponseCode.OK
    car.answers[StopPower] = PowerReported(False, "contactor welded")
    assert car.says(delivery(STOP)).response_code is ResponseCode.FAILED_CONTACTOR_ERROR


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
@pytest.mark.parametrize(
    ("question", "step"), [(StartPower, "PowerDelivery(Start)"), (StopPower, "PowerDelivery(Stop)")]
)
def test_a_question_that_is_too_late_is_given_up_before_anything_else_is_said(
    offer: Offer, question: type[StartPower | StopPower], step: str
) -> None:
    """Whatever the power path still answers belongs to no session then: not to this one, which goes on to say FAILED, and not to the next one."""
    car = due(offer, step)
    car.answers[question] = LATER
    said = len(car.said)
    progress = START if question is StartPower else STOP
    body = car.says(delivery(progress) if offer is AC_EIM else dc_delivery(progress))
    assert body.response_code.startswith("FAILED")
    kinds = [type(effect) for _, effect in car.said[said:] if not isinstance(effect, Reach)]
    assert kinds[:3] == [Ask, Abandon, OpenContactor]
    (asked,) = [effect.ticket for _, effect in car.said[said:] if isinstance(effect, Ask)]
    assert [effect.ticket for effect in car.all(Abandon)] == [asked]

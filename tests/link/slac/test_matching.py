"""Matching by the rows of the conformance list, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from secc.conversation import Abandon, Levels
from secc.errors import ConfigError
from secc.link.slac import mme
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    IndicateDlinkReady,
    ReleaseLink,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
    ResumeLink,
)
from secc.link.slac.events import FrameReceived, KeySet
from secc.link.slac.key import NetworkKey
from secc.link.slac.mme import (
    BROADCAST,
    GROUPS,
    AmpMapCnf,
    AmpMapReq,
    AttenCharInd,
    SlacMatchCnf,
    SlacParmCnf,
    ValidateCnf,
    ValidateReq,
)
from secc.link.slac.run import mean
from secc.link.slac.settings import SlacSettings, Validation
from tests.board_events import pilot_changed
from tests.slac_scene import EV, EVSE, MODEM, NEIGHBOUR, NO_ID, OTHER_RUN, PROFILE, RUN, Scene

BOTH = pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])

# --- CM_SLAC_PARM ---


@pytest.mark.case("SL-PARM-01")
@BOTH
def test_a_request_is_answered_at_once_with_the_values_of_the_standard(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    assert scene.invited == [SlacParmCnf(BROADCAST, 10, 6, 1, EV, 0, 0, RUN)]
    ((at, sent),) = scene.sent
    assert (at, sent.destination, sent.source) == (scene.now, EV, EVSE)
    assert len(scene.reported(ReportMatchingBegun)) == 1


@pytest.mark.case("SL-PARM-02")
def test_every_car_is_answered_with_its_own_run_id() -> None:
    scene = Scene()
    for ev, run in ((EV, RUN), (NEIGHBOUR, OTHER_RUN), (EV, RUN)):
        scene.parm(ev, run)
        scene.wait(0.01)
    assert [(cnf.forwarding_sta, cnf.run_id) for cnf in scene.invited] == [(EV, RUN), (NEIGHBOUR, OTHER_RUN), (EV, RUN)]
    assert [sent.destination for _, sent in scene.sent] == [EV, NEIGHBOUR, EV]


@pytest.mark.case("SL-PARM-03")
def test_a_repeated_request_is_answered_again_and_its_time_starts_anew() -> None:
    scene = Scene()
    scene.parm()
    scene.wait(0.3)
    scene.parm()
    scene.wait(0.3)
    scene.start()
    scene.sounds()
    assert len(scene.invited) == 2
    assert len(scene.characterised) == 1


@pytest.mark.case("SL-PARM-04")
@BOTH
def test_a_car_that_never_asks_is_given_up_and_not_answered_later(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.wait(49.9)
    assert scene.failures == []
    scene.wait(0.2)
    assert scene.reported(ReportMatchingFailed) == [ReportMatchingFailed("TT_EVSE_SLAC_init", armed=False)]
    scene.parm()
    scene.wait(1.0)
    assert scene.sent == []
    scene.say(ArmMatching())
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 1


@pytest.mark.case("SL-PARM-05", "SL-PARM-06")
@pytest.mark.parametrize(("application", "security"), [(0xFF, 0), (0, 0xFF), (1, 0), (0, 1)])
def test_another_application_or_security_type_is_ignored(application: int, security: int) -> None:
    scene = Scene()
    scene.parm(application=application, security=security)
    scene.wait(1.0)
    assert scene.sent == []
    scene.parm()
    assert len(scene.invited) == 1


@pytest.mark.case("SL-PARM-07")
def test_unplugged_after_its_request_the_car_is_forgotten() -> None:
    scene = Scene()
    scene.parm()
    scene.pilot("A")
    scene.start()
    scene.sounds()
    scene.parm()
    scene.wait(2.0)
    assert len(scene.sent) == 1
    assert scene.failures == []


@pytest.mark.case("SL-PARM-08")
@pytest.mark.parametrize("pilot", ["A", "E", "F", "?"])
def test_nobody_is_answered_while_the_pilot_shows_no_car(pilot: str) -> None:
    scene = Scene()
    scene.pilot(pilot)
    scene.parm()
    scene.wait(1.0)
    assert scene.sent == []


@pytest.mark.case("SL-PARM-08")
@BOTH
def test_nobody_is_answered_before_the_plug_in_says_so(strict: bool) -> None:
    scene = Scene(armed=False, strict=strict)
    scene.wait(0.1)
    scene.pilot("B")
    scene.parm()
    scene.wait(1.0)
    scene.say(ArmMatching())
    scene.wait(1.0)
    assert scene.sent == []


@pytest.mark.parametrize("pilot", ["B", "C", "D"])
def test_the_pilot_may_be_in_any_state_with_a_car(pilot: str) -> None:
    scene = Scene()
    scene.pilot(pilot)
    scene.to_match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-PARM-09")
def test_a_second_run_of_the_same_car_does_not_disturb_the_first() -> None:
    scene = Scene()
    scene.to_sounding()
    scene.sounds(5)
    scene.parm(run=OTHER_RUN)
    assert scene.invited[-1].run_id == OTHER_RUN
    for count in range(4, -1, -1):
        scene.wait(0.02)
        scene.sound(count)
    (first,) = scene.characterised
    assert (first.run_id, first.num_sounds, first.groups) == (RUN, 10, PROFILE)
    scene.start(run=OTHER_RUN)
    scene.sounds(run=OTHER_RUN, groups=(40,) * GROUPS)
    second = scene.characterised[-1]
    assert (second.run_id, second.num_sounds, second.groups) == (OTHER_RUN, 10, (40,) * GROUPS)
    scene.rsp(run=OTHER_RUN)
    scene.match(run=OTHER_RUN)
    assert [cnf.run_id for cnf in scene.confirmed] == [OTHER_RUN]


@pytest.mark.case("SL-PARM-09")
def test_a_request_of_the_same_name_restarts_its_run() -> None:
    scene = Scene()
    scene.to_sounding()
    scene.sounds(7)
    scene.to_atten_char()
    (only,) = scene.characterised
    assert only.num_sounds == 10
    scene.rsp()
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-PARM-10", "SL-PARM-11", "SL-PARM-12")
@pytest.mark.parametrize("through", ["E", "F"])
def test_after_e_or_f_matching_is_asked_for_anew(through: str) -> None:
    scene = Scene()
    for _ in range(2):
        scene.wait(50.1)
        scene.pilot(through)
        scene.parm()
        scene.wait(4.0)
        scene.pilot("B")
        scene.say(ArmMatching())
    assert scene.failures == ["TT_EVSE_SLAC_init"] * 2
    assert scene.sent == []
    scene.to_match()
    assert scene.matched == [EV]


@pytest.mark.case("SL-PARM-12")
def test_the_time_for_the_first_request_begins_when_the_pilot_is_back() -> None:
    scene = Scene()
    scene.wait(10.0)
    scene.pilot("F")
    scene.wait(60.0)
    assert scene.failures == []
    scene.pilot("B")
    scene.wait(49.0)
    assert scene.failures == []
    scene.wait(2.0)
    assert scene.failures == ["TT_EVSE_SLAC_init"]


@pytest.mark.case("SL-PARM-12")
def test_a_car_that_asked_before_e_or_f_is_waited_for_again_after_it() -> None:
    scene = Scene()
    scene.to_sounding()
    scene.pilot("E")
    scene.wait(4.0)
    scene.pilot("B")
    scene.wait(50.1)
    assert scene.failures == ["TT_EVSE_SLAC_init"]


@pytest.mark.case("SL-PARM-13")
def test_with_nominal_duty_a_car_may_come_late() -> None:
    scene = Scene(armed=False)
    scene.wait(0.1)
    scene.pilot("C")
    scene.say(ArmMatching(limited=False))
    scene.wait(3600.0)
    assert scene.failures == []
    scene.to_match()
    assert scene.matched == [EV]


# --- attenuation ---


@pytest.mark.case("SL-ATT-01")
@BOTH
def test_ten_sounds_are_averaged_and_told_at_once(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_sounding()
    began = scene.now
    for count in range(10):
        scene.wait(0.02)
        scene.sound(9 - count, groups=tuple(10 + count % 2 + i % 3 for i in range(GROUPS)))
    (result,) = scene.characterised
    assert result == AttenCharInd(EV, RUN, 10, tuple(11 + i % 3 for i in range(GROUPS)))
    assert scene.times(AttenCharInd)[0] - began < 0.6
    assert scene.times(AttenCharInd)[0] == scene.now


@pytest.mark.case("SL-ATT-02")
@BOTH
def test_without_an_answer_it_is_repeated_twice_and_then_the_run_is_dead(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_atten_char()
    first = scene.now
    scene.wait(1.0)
    assert [round(at - first, 3) for at in scene.times(AttenCharInd)] == [0.0, 0.2, 0.4]
    assert len(set(scene.characterised)) == 1
    assert scene.failures == ["C_EV_match_retry"]
    scene.rsp()
    scene.match()
    scene.wait(1.0)
    assert scene.confirmed == []


@pytest.mark.case("SL-ATT-03")
@pytest.mark.parametrize("repeats", [1, 2])
def test_an_answer_to_a_repeat_counts(repeats: int) -> None:
    scene = Scene()
    scene.to_atten_char()
    scene.wait(0.2 * repeats + 0.05)
    scene.rsp()
    scene.wait(1.0)
    assert len(scene.characterised) == 1 + repeats
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-ATT-04")
@pytest.mark.parametrize("arrived", [1, 3, 9])
@BOTH
def test_lost_sounds_are_left_out_of_the_mean(arrived: int, strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    scene.wait(0.06)
    scene.start()
    began = scene.now
    scene.sounds(arrived)
    scene.wait(began + 0.65 - scene.now)
    (result,) = scene.characterised
    assert (result.num_sounds, result.groups) == (arrived, PROFILE)
    assert scene.times(AttenCharInd)[0] - began == pytest.approx(0.6)


def test_who_hears_no_sound_says_nothing() -> None:
    for strict in (False, True):
        scene = Scene(strict=strict)
        scene.to_sounding()
        scene.wait(2.0)
        assert scene.characterised == []
        assert scene.failures == ["no sound came through"]


BAD_RSP: list[dict[str, Any]] = [
    {"application_type": 1},
    {"security_type": 1},
    {"source_address": bytes(6)},
    {"run_id": OTHER_RUN},
    {"source_id": b"\x01" + bytes(16)},
    {"resp_id": bytes(16) + b"\x01"},
    {"result": 1},
]


@pytest.mark.case("SL-ATT-05", "SL-ATT-06", "SL-ATT-07", "SL-ATT-08", "SL-ATT-09", "SL-ATT-10", "SL-ATT-11")
@pytest.mark.parametrize("changed", BAD_RSP, ids=lambda changed: next(iter(changed)))
@BOTH
def test_an_answer_that_is_not_in_order_is_none(changed: dict[str, Any], strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_atten_char()
    scene.rsp(**changed)
    scene.match()
    scene.wait(0.25)
    assert len(scene.characterised) == 2
    assert scene.confirmed == []
    scene.rsp()
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-ATT-12")
@BOTH
def test_a_car_that_does_not_begin_in_time_has_failed(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    scene.wait(0.41)
    assert scene.failures == ["TT_match_sequence"]
    scene.start()
    scene.sounds()
    scene.wait(1.0)
    assert scene.characterised == []


BAD_START: list[dict[str, Any]] = [
    {"application_type": 1},
    {"security_type": 1},
    {"num_sounds": 0},
    {"time_out": 0},
    {"resp_type": 0},
    {"run_id": OTHER_RUN},
    {"forwarding_sta": NEIGHBOUR},
]


@pytest.mark.case("SL-ATT-13", "SL-ATT-14", "SL-ATT-15", "SL-ATT-16", "SL-ATT-17", "SL-ATT-18")
@pytest.mark.parametrize("changed", BAD_START, ids=lambda changed: next(iter(changed)))
@BOTH
def test_a_beginning_that_is_not_in_order_is_none(changed: dict[str, Any], strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    scene.wait(0.05)
    scene.start(**changed)
    scene.sounds()
    scene.wait(1.0)
    assert scene.characterised == []
    assert scene.failures == ["TT_match_sequence"]


def test_a_bad_beginning_does_not_spoil_the_good_one_behind_it() -> None:
    scene = Scene()
    scene.parm()
    scene.start(num_sounds=0)
    scene.start()
    scene.sounds()
    assert len(scene.characterised) == 1


@pytest.mark.case("SL-ATT-19")
def test_unplugged_while_it_sounds_the_car_gets_nothing_more() -> None:
    scene = Scene()
    scene.to_sounding()
    scene.sounds(5)
    scene.pilot("A")
    before = len(scene.sent)
    scene.sounds(5)
    scene.wait(3.0)
    assert len(scene.sent) == before
    assert scene.failures == []


@pytest.mark.case("SL-ATT-20")
def test_the_same_sounds_have_the_same_mean() -> None:
    scene = Scene()
    for run in (RUN, OTHER_RUN):
        scene.to_atten_char(run=run)
        scene.wait(1.0)
    assert len({result.groups for result in scene.characterised}) == 1
    assert len(scene.characterised) == 6


def test_sounds_of_two_cars_at_once_do_not_mix() -> None:
    scene = Scene()
    for ev, run in ((EV, RUN), (NEIGHBOUR, OTHER_RUN)):
        scene.parm(ev, run)
        scene.start(ev, run)
    for count in range(9, -1, -1):
        scene.wait(0.02)
        scene.sound(count, groups=None)
        scene.sound(count, NEIGHBOUR, OTHER_RUN, groups=None)
        scene.profile((30,) * GROUPS, NEIGHBOUR)
        scene.profile((10,) * GROUPS, EV)
    ours, theirs = scene.heard(AttenCharInd, EV), scene.heard(AttenCharInd, NEIGHBOUR)
    assert {ind.groups for ind in ours} == {(10,) * GROUPS}
    assert {ind.groups for ind in theirs} == {(30,) * GROUPS}
    assert {(ind.run_id, ind.source_address) for ind in theirs} == {(OTHER_RUN, NEIGHBOUR)}


def test_a_profile_may_come_before_its_sound() -> None:
    scene = Scene()
    scene.to_sounding()
    for count in range(9, -1, -1):
        scene.wait(0.02)
        scene.profile(PROFILE)
        scene.sound(count, groups=None)
    assert [(ind.num_sounds, ind.groups) for ind in scene.characterised] == [(10, PROFILE)]


def test_the_mean_is_rounded_half_up_and_never_negative() -> None:
    assert mean([(1, 2, 10), (2, 2, 11)]) == (2, 2, 11)
    assert mean([(1, 2, 10), (2, 2, 11)], offset=5) == (0, 0, 6)
    assert mean([(255,) * 3] * 10) == (255,) * 3


# --- CM_VALIDATE ---


def step_one(scene: Scene, ev: bytes = EV) -> ValidateCnf:
    scene.frame(ValidateReq(0, 0, 1), ev)
    answer: ValidateCnf = scene.heard(ValidateCnf, ev)[-1]
    return answer


def toggle(scene: Scene, times: int, seconds: float = 0.3) -> None:
    for _ in range(times):
        scene.wait(0.25)
        scene.pilot("C")
        scene.wait(seconds)
        scene.pilot("B")


@pytest.mark.case("SL-MTC-01")
@pytest.mark.parametrize("toggles", [1, 2, 3])
@BOTH
def test_toggles_are_counted_and_confirmed(toggles: int, strict: bool) -> None:
    scene = Scene(validation=Validation.OFFERED, strict=strict)
    scene.to_wait()
    assert step_one(scene) == ValidateCnf(0, 0, 1)
    scene.wait(0.1)
    scene.frame(ValidateReq(0, 19, 1))
    began = scene.now
    toggle(scene, toggles)
    scene.wait(2.0)
    assert scene.heard(ValidateCnf)[-1] == ValidateCnf(0, toggles, 2)
    assert scene.times(ValidateCnf)[-1] - began == pytest.approx(2.0)
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-01")
def test_a_toggle_that_is_told_late_counts_by_the_time_of_the_board() -> None:
    """Both edges come in one go, with a level that has forgotten them."""
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    step_one(scene)
    scene.frame(ValidateReq(0, 19, 1))
    scene.wait(0.8)
    scene.say(pilot_changed("C", scene.now - 0.5))
    scene.say(pilot_changed("B", scene.now - 0.2))
    scene.wait(2.0)
    assert scene.heard(ValidateCnf)[-1] == ValidateCnf(0, 1, 2)


@pytest.mark.case("SL-MTC-02")
def test_without_the_second_step_the_match_is_waited_for() -> None:
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    step_one(scene)
    scene.wait(3.0)
    assert len(scene.heard(ValidateCnf)) == 1
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-03")
@pytest.mark.parametrize(("toggles", "seconds"), [(0, 0.3), (2, 0.05), (2, 0.7)])
def test_toggles_that_are_missing_or_no_toggles_are_a_failure(toggles: int, seconds: float) -> None:
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    step_one(scene)
    scene.frame(ValidateReq(0, 24, 1))
    toggle(scene, toggles, seconds)
    scene.wait(3.0)
    assert scene.heard(ValidateCnf)[-1] == ValidateCnf(0, 0, 3)


@pytest.mark.case("SL-MTC-04")
@pytest.mark.parametrize("result", [0, 2, 3, 4, 255])
@pytest.mark.parametrize("step", [1, 2])
def test_a_request_with_another_result_fails_and_harms_nothing(result: int, step: int) -> None:
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    if step == 2:
        step_one(scene)
    scene.frame(ValidateReq(0, 0, result))
    scene.wait(0.2)
    assert scene.heard(ValidateCnf)[-1] == ValidateCnf(0, 0, 3)
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-04")
@pytest.mark.parametrize("signal", [1, 255])
@pytest.mark.parametrize("result", [0, 1, 4])
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("validation", list(Validation))
def test_a_proof_other_than_toggles_is_not_required(
    signal: int, result: int, step: int, validation: Validation
) -> None:
    """Signal types other than 0 are reserved. "Failure" would make a car of another edition look for another station."""
    scene = Scene(validation=validation)
    scene.to_wait()
    if step == 2:
        step_one(scene)
    scene.frame(ValidateReq(signal, 0, result))
    assert scene.heard(ValidateCnf)[-1] == ValidateCnf(0, 0, 4)
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-04")
def test_a_toggle_sequence_longer_than_the_standard_has_it_fails() -> None:
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    step_one(scene)
    scene.frame(ValidateReq(0, 255, 1))
    assert scene.heard(ValidateCnf)[-1] == ValidateCnf(0, 0, 3)


@pytest.mark.case("SL-MTC-05")
@pytest.mark.parametrize(("validation", "result"), [(Validation.NOT_REQUIRED, 4), (Validation.UNSUPPORTED, 3)])
def test_a_station_that_does_not_validate_says_so(validation: Validation, result: int) -> None:
    scene = Scene(validation=validation)
    scene.to_wait()
    assert step_one(scene) == ValidateCnf(0, 0, result)
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-06")
def test_the_second_car_that_wants_to_validate_has_to_wait() -> None:
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    scene.to_wait(NEIGHBOUR, OTHER_RUN)
    assert step_one(scene) == ValidateCnf(0, 0, 1)
    assert step_one(scene, NEIGHBOUR) == ValidateCnf(0, 0, 0)
    scene.wait(1.0)
    assert step_one(scene, NEIGHBOUR) == ValidateCnf(0, 0, 1)


@pytest.mark.case("SL-MTC-07")
def test_unplugged_while_it_validates_the_car_gets_nothing_more() -> None:
    scene = Scene(validation=Validation.OFFERED)
    scene.to_wait()
    step_one(scene)
    scene.frame(ValidateReq(0, 19, 1))
    toggle(scene, 1)
    scene.pilot("A")
    before = len(scene.sent)
    scene.wait(5.0)
    assert len(scene.sent) == before


# --- CM_SLAC_MATCH ---


@pytest.mark.case("SL-MTC-08")
@BOTH
def test_the_match_hands_out_the_key_that_is_in_the_modem_and_the_link_comes_up(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    ((_, key),) = scene.keys
    (cnf,) = scene.confirmed
    assert cnf == SlacMatchCnf(EV, EVSE, RUN, key.network_id, key)
    assert scene.times(SlacMatchCnf) == [scene.now]
    order = [type(effect).__name__ for effect in scene.effects]
    assert order.index("ReportMatched") == len(order) - 3, "SDP has to listen before the key is out"
    scene.wait(5.0)
    assert scene.links == []
    scene.link = True
    up = scene.now
    scene.wait(1.0)
    assert scene.links == [True]
    assert 0.2 <= scene.at(IndicateDlinkReady)[0] - up <= 1.0
    assert len(scene.polls) > 45


@pytest.mark.case("SL-MTC-09")
@BOTH
def test_a_repeated_request_gets_the_same_answer(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    scene.wait(0.2)
    scene.match()
    scene.wait(0.2)
    scene.match()
    assert len(scene.confirmed) == 3
    assert len({mme.build(EV, EVSE, cnf) for cnf in scene.confirmed}) == 1


BAD_MATCH: list[dict[str, Any]] = [
    {"application_type": 1},
    {"security_type": 1},
    {"mvf_length": 0x56},
    {"pev_mac": bytes(6)},
    {"evse_mac": NEIGHBOUR},
    {"run_id": OTHER_RUN},
]
STRICTLY_BAD_MATCH: list[dict[str, Any]] = [{"pev_id": b"\xaa" * 17}, {"evse_id": b"\xaa" * 17}]


@pytest.mark.case("SL-MTC-10", "SL-MTC-11", "SL-MTC-12", "SL-MTC-14", "SL-MTC-16", "A-SLAC-07")
@pytest.mark.parametrize("changed", BAD_MATCH, ids=lambda changed: next(iter(changed)))
@BOTH
def test_a_match_that_is_not_in_order_is_ignored(changed: dict[str, Any], strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_wait()
    scene.match(**changed)
    scene.wait(1.0)
    assert scene.confirmed == []
    assert scene.matched == []
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-13", "SL-MTC-15")
@pytest.mark.parametrize("changed", STRICTLY_BAD_MATCH, ids=lambda changed: next(iter(changed)))
def test_ids_that_are_not_zero_are_ignored_when_strict_and_given_back_otherwise(changed: dict[str, Any]) -> None:
    scene = Scene(strict=True)
    scene.to_wait()
    scene.match(**changed)
    scene.wait(1.0)
    assert scene.confirmed == []
    scene = Scene()
    scene.to_wait()
    scene.match(**changed)
    (cnf,) = scene.confirmed
    assert (cnf.pev_id, cnf.evse_id) == (changed.get("pev_id", NO_ID), changed.get("evse_id", NO_ID))


@pytest.mark.case("SL-MTC-17")
@BOTH
def test_a_car_that_does_not_decide_has_failed(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_atten_char()
    ended = scene.now
    scene.rsp()
    scene.wait(9.9)
    assert scene.failures == []
    scene.wait(0.2)
    assert scene.failures == ["TT_EVSE_match_session"]
    scene.match()
    scene.wait(0.1)
    assert scene.confirmed == []
    assert scene.now - ended > 10.0


@pytest.mark.parametrize("gap", [0.002, 0.5, 0.9, 1.1, 5.0])
def test_a_car_may_take_its_time_between_answer_and_match(gap: float) -> None:
    scene = Scene(strict=True)
    scene.to_atten_char()
    scene.rsp()
    scene.wait(gap)
    scene.match()
    assert len(scene.confirmed) == 1


@pytest.mark.case("SL-MTC-18")
def test_unplugged_in_the_match_there_is_a_new_key_for_the_next_car() -> None:
    scene = Scene()
    scene.to_match()
    scene.wait(0.05)
    left = scene.now
    scene.pilot("A")
    assert [at for at, _ in scene.keys[1:]] == [left]
    assert scene.links == [False]
    scene.wait(5.0)
    scene.pilot("B")
    scene.say(ArmMatching())
    scene.to_match()
    first, second = scene.confirmed
    assert first.nmk != second.nmk
    assert second.nmk == scene.keys[-1][1]


@pytest.mark.case("SL-MTC-18")
def test_a_plug_that_is_out_ends_the_match_whatever_is_heard_first() -> None:
    """The level is out before the board's event has come: a frame then gets no key, and the next car waits for the plug-in."""
    scene = Scene()
    scene.to_match()
    scene.say(ArmMatching())
    scene.session.levels = Levels(pilot="A")
    scene.match()
    assert len(scene.confirmed) == 1
    assert scene.reported(IndicateDlinkReady) == [IndicateDlinkReady(False, "unplugged")]
    scene.pilot("B")
    scene.wait(0.1)
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 1


@pytest.mark.parametrize("event", [ReleaseLink(DLink.TERMINATE), ReleaseLink(DLink.ERROR)])
def test_who_ends_the_link_while_the_modem_takes_its_key_is_heard(event: ReleaseLink) -> None:
    scene = Scene()
    scene.to_link()
    scene.key_delay = 0.4
    scene.pilot("A")
    scene.pilot("B")
    scene.say(ArmMatching())
    scene.say(event)
    scene.wait(0.5)
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 1
    scene.wait(1.0)
    scene.say(ArmMatching())
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 2


# --- CM_AMP_MAP ---

MAP = tuple(i % 16 for i in range(917))


@pytest.mark.case("SL-MTC-19")
def test_the_amplitude_map_of_the_car_is_taken() -> None:
    scene = Scene()
    scene.to_link()
    scene.frame(AmpMapReq(MAP))
    assert scene.heard(AmpMapCnf) == [AmpMapCnf(0)]
    scene.frame(AmpMapReq(MAP), NEIGHBOUR)
    assert len(scene.heard(AmpMapCnf)) == 1


@pytest.mark.case("SL-MTC-20")
@pytest.mark.parametrize("answered_after", [1, 2, 3, 4])
def test_our_amplitude_map_is_sent_in_time_and_repeated_twice(answered_after: int) -> None:
    scene = Scene(amplitude_map=MAP)
    scene.to_match()
    scene.link = True
    while not scene.links:
        scene.wait(0.01)
    assert scene.now - scene.times(AmpMapReq)[0] <= 0.1
    for transmission in range(1, 4):
        assert scene.heard(AmpMapReq) == [AmpMapReq(MAP)] * min(transmission, answered_after)
        if transmission == answered_after:
            scene.frame(AmpMapCnf(0))
        scene.wait(0.2)
    scene.wait(3.0)
    assert len(scene.heard(AmpMapReq)) == min(answered_after, 3)
    assert scene.links == [True]


@pytest.mark.case("SL-MTC-21")
def test_a_map_of_another_size_is_refused_and_half_a_map_ignored() -> None:
    scene = Scene()
    scene.to_link()
    scene.frame(AmpMapReq(MAP[:-1]))
    assert scene.heard(AmpMapCnf) == [AmpMapCnf(1)]
    whole = mme.build(EVSE, EV, AmpMapReq(MAP))
    for octets in (20, 21, 100, 479):
        scene.say(FrameReceived(whole[:octets]))
    assert len(scene.heard(AmpMapCnf)) == 1
    assert scene.links == [True]


# --- the link ---


@pytest.mark.case("SL-MTC-22", "A-PHY-01")
def test_a_lost_link_is_told_within_a_second_and_a_half_and_the_network_left() -> None:
    scene = Scene()
    scene.to_link()
    scene.wait(60.0)
    scene.link = False
    lost = scene.now
    scene.wait(1.5)
    assert scene.reported(IndicateDlinkReady) == [IndicateDlinkReady(True), IndicateDlinkReady(False, "link lost")]
    assert 0 < scene.keys[-1][0] - lost <= 1.4
    assert len(scene.keys) == 2
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 1, "the plug-in has to arm again"
    scene.say(ArmMatching())
    scene.to_link(run=OTHER_RUN)
    assert scene.links == [True, False, True]


def test_a_link_that_flickers_is_not_lost() -> None:
    scene = Scene()
    scene.to_link()
    for _ in range(50):
        scene.link = False
        scene.wait(0.15)
        scene.link = True
        scene.wait(1.0)
    assert len(scene.polls) > 70, "doubts are looked into"
    assert scene.links == [True]


def test_a_modem_that_dies_takes_the_link_with_it() -> None:
    scene = Scene()
    scene.to_link()
    scene.silent_link = True
    scene.wait(10.0)
    assert scene.links == [True, False]
    assert "no link status" in scene.reported(IndicateDlinkReady)[-1].cause
    assert any(isinstance(effect, Abandon) for effect in scene.effects)


@pytest.mark.parametrize(("strict", "seconds"), [(True, 12.0), (False, 20.0)])
def test_a_car_that_does_not_join_is_left(strict: bool, seconds: float) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    began = scene.now
    scene.wait(seconds - 0.2)
    assert scene.links == []
    scene.wait(0.4)
    assert scene.reported(IndicateDlinkReady) == [IndicateDlinkReady(False, "TT_match_join")]
    assert scene.keys[-1][0] - began == pytest.approx(seconds, abs=0.11)
    scene.wait(0.1)
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == (1 if strict else 2)


def test_a_modem_that_cannot_tell_is_believed_to_have_a_link() -> None:
    scene = Scene()
    scene.link = None
    scene.to_match()
    scene.wait(0.5)
    assert scene.reported(IndicateDlinkReady) == [IndicateDlinkReady(True, watched=False)]
    scene.wait(60.0)
    assert scene.links == [True]


@pytest.mark.case("SL-MTC-23", "SL-MTC-25", "SL-MTC-26")
@pytest.mark.parametrize(
    ("event", "cause"), [(ReleaseLink(DLink.TERMINATE), "D-LINK_TERMINATE"), (ReleaseLink(DLink.ERROR), "D-LINK_ERROR")]
)
@pytest.mark.parametrize("when", ["joining", "linked"])
def test_told_to_leave_the_network_is_left_at_once_and_a_new_match_is_possible(
    event: ReleaseLink, cause: str, when: str
) -> None:
    scene = Scene()
    scene.to_match() if when == "joining" else scene.to_link()
    scene.wait(1.0)
    told = scene.now
    scene.say(event)
    assert scene.reported(IndicateDlinkReady)[-1] == IndicateDlinkReady(False, cause)
    assert scene.keys[-1][0] - told <= 1.0
    assert len(scene.keys) == 2
    scene.wait(1.0)
    assert scene.links.count(True) == (when == "linked")
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 1
    scene.say(ArmMatching())
    scene.to_match(run=OTHER_RUN)
    assert len(scene.confirmed) == 2
    assert scene.confirmed[0].nmk != scene.confirmed[1].nmk


@pytest.mark.case("SL-MTC-24")
def test_in_a_pause_the_key_stays_and_the_link_comes_back() -> None:
    scene = Scene()
    scene.to_link()
    scene.say(ReleaseLink(DLink.PAUSE))
    scene.wait(2.0)
    scene.link = False
    polls = len(scene.polls)
    scene.wait(3600.0)
    assert len(scene.polls) == polls
    assert scene.links == [True]
    scene.say(ResumeLink())
    scene.wait(2.0)
    scene.link = True
    scene.wait(10.0)
    assert scene.links == [True]
    assert len(scene.keys) == 1
    assert len(scene.polls) > polls


@pytest.mark.case("SL-MTC-24")
def test_a_link_that_does_not_come_back_from_its_pause_is_lost() -> None:
    scene = Scene()
    scene.to_link()
    scene.say(ReleaseLink(DLink.PAUSE))
    scene.link = False
    scene.wait(100.0)
    scene.say(ResumeLink())
    scene.wait(5.8)
    assert scene.links == [True]
    scene.wait(0.4)
    assert scene.reported(IndicateDlinkReady)[-1] == IndicateDlinkReady(False, "T_conn_resume")


def test_unplugged_in_a_pause_the_network_is_left() -> None:
    scene = Scene()
    scene.to_link()
    scene.say(ReleaseLink(DLink.PAUSE))
    scene.wait(100.0)
    scene.pilot("A")
    assert scene.links == [True, False]
    assert len(scene.keys) == 2


@BOTH
def test_while_matched_nobody_else_is_answered(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    scene.parm(NEIGHBOUR, OTHER_RUN)
    scene.wait(0.5)
    scene.link = True
    scene.wait(1.0)
    scene.parm(NEIGHBOUR, OTHER_RUN)
    scene.parm(EV, OTHER_RUN)
    scene.parm(EV, RUN)
    scene.match(NEIGHBOUR, OTHER_RUN)
    scene.wait(5.0)
    assert len(scene.invited) == len(scene.confirmed) == 1
    assert scene.links == [True]


def test_only_one_run_matches_and_the_others_are_dropped() -> None:
    scene = Scene()
    scene.to_wait(NEIGHBOUR, OTHER_RUN)
    scene.to_wait()
    scene.match()
    scene.match(NEIGHBOUR, OTHER_RUN)
    scene.wait(1.0)
    assert [cnf.pev_mac for cnf in scene.confirmed] == [EV]
    assert scene.matched == [EV]
    assert scene.failures == []


# --- the key ---


def test_before_the_modem_has_a_key_nobody_is_answered() -> None:
    scene = Scene(armed=False, begin=False)
    scene.key_answer = lambda: None
    scene.take(scene.session.begin(scene.now))
    scene.pilot("B")
    scene.say(ArmMatching())
    scene.parm()
    scene.wait(10.0)
    assert scene.sent == []
    (report,) = scene.reported(ReportModem)
    assert not report.ready
    assert len({key for _, key in scene.keys}) == 1
    assert len(scene.keys) >= 4
    scene.key_answer = lambda: KeySet(True, MODEM)
    scene.wait(3.0)
    assert scene.reported(ReportModem)[1:] == [ReportModem(True)]
    scene.to_match()
    assert scene.confirmed[0].nmk == scene.keys[-1][1]


def test_a_modem_that_refuses_is_reported_with_its_words() -> None:
    scene = Scene(armed=False, begin=False)
    scene.key_answer = lambda: KeySet(False, text="no modem answers on eth1")
    scene.take(scene.session.begin(scene.now))
    scene.wait(3.0)
    assert scene.reported(ReportModem) == [ReportModem(False, "no modem answers on eth1")]


def test_an_answer_to_an_earlier_question_is_dropped() -> None:
    scene = Scene(armed=False, begin=False)
    scene.key_delay = 1.8
    scene.take(scene.session.begin(scene.now))
    scene.wait(1.9)
    assert scene.reported(ReportModem)[0].ready is False


@pytest.mark.case("A-SLAC-05")
def test_a_thousand_sessions_have_a_thousand_keys() -> None:
    scene = Scene()
    for _ in range(1000):
        scene.to_match()
        scene.pilot("A")
        scene.wait(0.1)
        scene.pilot("B")
        scene.say(ArmMatching())
        scene.sent.clear()
        scene.effects.clear()
        scene.moments.clear()
    assert len({key.octets for _, key in scene.keys}) == len(scene.keys) == 1001


def test_no_key_and_no_car_is_in_what_a_log_may_show() -> None:
    scene = Scene()
    scene.to_link()
    scene.pilot("A")
    shown = repr(scene.effects) + repr(scene.session.__dict__)
    for _, key in scene.keys:
        for secret in (repr(key.octets)[2:-1], key.octets.hex(), str(list(key.octets))):
            assert secret not in shown
    assert repr(EV)[2:-1] not in repr(scene.effects)


# --- settings ---


@pytest.mark.parametrize(
    "settings",
    [
        {"evse_mac": b"\xff" * 6},
        {"evse_mac": bytes(5)},
        {"init_seconds": 9.0},
        {"init_seconds": 51.0},
        {"assumed_attenuation": 0},
        {"attenuation_offset": -1},
        {"amplitude_map": (1, 2)},
        {"amplitude_map": (16,) * 917},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SlacSettings(**{"evse_mac": EVSE, **settings})


def test_the_measured_attenuation_is_corrected_by_what_lies_between_plug_and_modem() -> None:
    scene = Scene(attenuation_offset=7)
    scene.to_atten_char()
    assert scene.characterised[0].groups == tuple(group - 7 for group in PROFILE)
    assert NetworkKey(bytes(16)).network_id != NetworkKey(bytes(15) + b"\x01").network_id

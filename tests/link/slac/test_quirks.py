"""What cars do against the letter: tolerated and logged with its code, and not tolerated when strict."""

from __future__ import annotations

from typing import Any

import pytest

from secc.errors import ConfigError
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    IndicateDlinkReady,
    ReleaseLink,
    ReportMatchingFailed,
)
from secc.link.slac.effects import Announce, Notice
from secc.link.slac.events import KeySet
from secc.link.slac.mme import GROUPS, AttenCharInd
from tests.slac_scene import EV, MODEM, NEIGHBOUR, OTHER_RUN, PROFILE, RUN, Scene

BOTH = pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])


@pytest.mark.case("Q-01")
@BOTH
def test_q01_a_car_that_asks_a_moment_too_early_is_answered_when_we_listen(strict: bool) -> None:
    scene = Scene(armed=False, strict=strict)
    scene.wait(0.1)
    scene.pilot("B")
    scene.parm()
    scene.wait(0.3)
    assert scene.sent == []
    scene.say(ArmMatching())
    assert len(scene.invited) == (0 if strict else 1)
    assert scene.codes == ([] if strict else ["Q-01"])
    scene.to_match(run=OTHER_RUN)
    assert len(scene.confirmed) == 1


@BOTH
def test_q01_a_car_that_asks_while_the_modem_gets_its_key(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_link()
    scene.key_delay = 0.4
    scene.say(ReleaseLink(DLink.TERMINATE))
    scene.say(ArmMatching())
    scene.parm(run=OTHER_RUN)
    assert len(scene.invited) == 1
    scene.wait(0.45)
    assert len(scene.invited) == (1 if strict else 2)
    assert scene.codes == ([] if strict else ["Q-01"])


@BOTH
def test_q01_a_car_that_is_heard_as_soon_as_we_listen_is_answered_at_once(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    assert [at for at, _ in scene.sent] == [scene.now]
    assert scene.codes == []


@pytest.mark.case("Q-02")
@BOTH
def test_q02_a_car_that_failed_asks_again_without_being_replugged(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_atten_char()
    scene.wait(1.0)
    assert scene.reported(ReportMatchingFailed) == [ReportMatchingFailed("C_EV_match_retry", armed=not strict)]
    scene.to_match(run=OTHER_RUN)
    assert scene.matched == ([] if strict else [EV])
    assert scene.codes == ([] if strict else ["Q-02"])
    if strict:
        scene.say(ArmMatching())
        scene.to_match(run=OTHER_RUN)
        assert scene.matched == [EV]


@BOTH
def test_q02_a_car_that_starts_anew_before_it_has_joined(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    scene.wait(2.0)
    scene.parm(run=OTHER_RUN)
    scene.wait(0.05)
    if strict:
        assert len(scene.invited) == 1
        return
    assert scene.reported(IndicateDlinkReady) == [IndicateDlinkReady(False, "restarted by the car")]
    assert "Q-02" in scene.codes
    assert len(scene.invited) == 2
    scene.start(run=OTHER_RUN)
    scene.sounds(run=OTHER_RUN)
    scene.rsp(run=OTHER_RUN)
    scene.match(run=OTHER_RUN)
    first, second = scene.confirmed
    assert first.nmk != second.nmk


def test_q02_a_run_that_fails_does_not_end_one_that_goes_on() -> None:
    scene = Scene(strict=True)
    scene.parm(NEIGHBOUR, OTHER_RUN)
    scene.to_atten_char()
    scene.rsp()
    scene.match()
    assert scene.matched == [EV]
    assert scene.failures == []


@pytest.mark.case("Q-04")
def test_q04_the_time_for_the_first_request_may_be_shorter_than_the_standard_has_it() -> None:
    scene = Scene(init_seconds=10.0)
    scene.wait(10.1)
    assert scene.failures == ["TT_EVSE_SLAC_init"]
    assert scene.codes == ["Q-04"]
    with pytest.raises(ConfigError):
        Scene(init_seconds=10.0, strict=True)
    scene = Scene(init_seconds=20.0, strict=True)
    scene.wait(20.1)
    assert scene.failures == ["TT_EVSE_SLAC_init"]
    assert scene.codes == []


def test_q04_a_car_that_comes_late_is_answered_and_noted() -> None:
    scene = Scene()
    scene.wait(45.0)
    scene.to_match()
    assert scene.matched == [EV]
    assert scene.codes == ["Q-04"]


@pytest.mark.case("Q-05")
@BOTH
def test_q05_the_parameters_are_always_exactly_these(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    (cnf,) = scene.invited
    assert (cnf.resp_type, cnf.num_sounds, cnf.time_out, cnf.forwarding_sta) == (1, 10, 6, EV)


@pytest.mark.case("Q-06")
@pytest.mark.parametrize("time_out", [1, 10, 255])
@BOTH
def test_q06_a_car_may_announce_another_time_and_ours_holds(time_out: int, strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    began = scene.now
    scene.start(time_out=time_out)
    scene.sounds(8)
    scene.wait(1.0)
    if strict:
        assert scene.characterised == []
        assert scene.failures == ["TT_match_sequence"]
    else:
        assert scene.times(AttenCharInd)[0] - began == pytest.approx(0.6)
        assert scene.codes == ["Q-06"]


NOTHING_MEASURED: list[Any] = [pytest.param((), id="no-groups"), pytest.param(None, id="no-profile")]


@pytest.mark.case("Q-07")
@pytest.mark.parametrize("groups", NOTHING_MEASURED)
@BOTH
def test_q07_a_modem_that_measures_nothing_still_matches(groups: tuple[int, ...] | None, strict: bool) -> None:
    scene = Scene(strict=strict, assumed_attenuation=17)
    scene.to_sounding()
    scene.sounds(9, groups=groups)
    scene.wait(0.6)
    if strict:
        assert scene.characterised == []
        assert scene.failures == ["no sound came through"]
        return
    result = scene.characterised[0]
    assert (result.num_sounds, result.groups) == (9, (17,) * GROUPS)
    assert scene.codes == ["Q-07"]
    scene.rsp()
    scene.match()
    assert len(scene.confirmed) == 1


@BOTH
def test_q07_a_profile_of_zeros_is_not_believed(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_sounding()
    scene.sounds(groups=(0,) * GROUPS)
    assert scene.characterised[0].groups == ((0,) * GROUPS if strict else (20,) * GROUPS)
    assert scene.codes == ([] if strict else ["Q-07"])


def test_q07_what_was_measured_counts_and_blank_profiles_do_not_dilute_it() -> None:
    scene = Scene()
    scene.to_sounding()
    for count in range(9, -1, -1):
        scene.wait(0.02)
        scene.sound(count, groups=PROFILE if count % 2 else ())
    (result,) = scene.characterised
    assert (result.num_sounds, result.groups) == (5, PROFILE)
    assert scene.codes == []


@pytest.mark.case("Q-08")
@BOTH
def test_q08_the_beginning_is_repeated_after_the_first_sound(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.parm()
    began = scene.now
    scene.start()
    for count in range(9, -1, -1):
        scene.wait(0.02)
        scene.sound(count)
        if count in (9, 8):
            scene.start()
    if strict:
        assert scene.characterised == []
        assert scene.failures == ["CM_START_ATTEN_CHAR.IND out of sequence"]
    else:
        assert [ind.num_sounds for ind in scene.characterised] == [10]
        assert scene.codes == ["Q-08"]
        assert scene.now - began < 0.6


@BOTH
def test_q08_three_beginnings_in_a_row_are_what_the_standard_asks_for(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_atten_char()
    assert len(scene.characterised) == 1
    assert scene.codes == []


@pytest.mark.case("Q-09")
@BOTH
def test_q09_the_match_is_confirmed_as_often_as_it_is_asked_for(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    for _ in range(6):
        scene.wait(0.2)
        scene.match()
    assert len(scene.confirmed) == (3 if strict else 7)
    assert len({cnf.nmk.octets for cnf in scene.confirmed}) == 1
    assert scene.codes == ([] if strict else ["Q-09"])


@pytest.mark.case("Q-10")
@BOTH
def test_q10_a_modem_that_restarts_takes_longer_to_join(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    scene.wait(15.0)
    scene.link = True
    scene.wait(2.0)
    assert scene.links == ([False] if strict else [True])
    assert scene.codes == ([] if strict else ["Q-10"])


@pytest.mark.case("Q-10")
@BOTH
def test_q10_the_setup_clock_starts_with_the_link_and_not_with_the_match(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_match()
    scene.wait(8.4)
    assert scene.links == []
    scene.link = True
    scene.wait(0.5)
    assert scene.links == [True]
    assert scene.codes == []


@pytest.mark.case("Q-11")
@BOTH
def test_q11_a_neighbours_request_identifies_nobody(strict: bool) -> None:
    scene = Scene(strict=strict)
    scene.to_wait(NEIGHBOUR, OTHER_RUN)
    assert scene.matched == []
    scene.to_match()
    assert scene.matched == [EV]


@pytest.mark.case("Q-12")
@BOTH
def test_q12_nothing_of_one_plug_in_is_left_for_the_next(strict: bool) -> None:
    fresh = Scene(strict=strict)
    used = Scene(strict=strict)
    used.to_sounding()
    used.parm(NEIGHBOUR, OTHER_RUN)
    used.sounds(5)
    used.to_match(run=OTHER_RUN)
    used.match(run=OTHER_RUN)
    used.pilot("A")
    used.wait(30.0)
    used.pilot("B")
    used.say(ArmMatching())
    seen = len(used.sent)
    for scene in (fresh, used):
        scene.wait(0.5)
        scene.to_match()
    first = [type(sent.message) for _, sent in fresh.sent]
    assert [type(sent.message) for _, sent in used.sent[seen:]] == first
    assert used.characterised[-1] == fresh.characterised[-1]


def test_notices_are_said_once_in_ten_seconds() -> None:
    scene = Scene()
    for _ in range(100):
        scene.profile(PROFILE, source=NEIGHBOUR)
        scene.wait(0.05)
    assert scene.reported(Announce) == [Announce(Notice.FOREIGN_PROFILE)]
    scene.wait(10.0)
    scene.profile(PROFILE, source=NEIGHBOUR)
    assert len(scene.reported(Announce)) == 2


def test_a_modem_that_does_not_say_who_it_is_may_still_report_profiles() -> None:
    scene = Scene(armed=False, begin=False)
    scene.key_answer = lambda: KeySet(True)
    scene.take(scene.session.begin(scene.now))
    scene.wait(0.1)
    scene.pilot("B")
    scene.say(ArmMatching())
    scene.to_atten_char()
    assert scene.characterised[0].groups == PROFILE
    assert MODEM != EV
    assert RUN != OTHER_RUN

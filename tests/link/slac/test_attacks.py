"""Somebody on the line who is no car: floods, replays, forgeries, nonsense."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secc.link.slac import mme
from secc.link.slac.dlink import (
    ArmMatching,
)
from secc.link.slac.effects import Announce, Notice
from secc.link.slac.events import FrameReceived, KeySet
from secc.link.slac.key import NetworkKey
from secc.link.slac.mme import (
    BROADCAST,
    GROUPS,
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    Message,
    MnbcSoundInd,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
    ValidateReq,
)
from secc.link.slac.timing import C_EVSE_MATCH_PARALLEL, INVITATIONS
from tests.slac_scene import EV, EVSE, MODEM, NEIGHBOUR, NO_ID, OTHER_RUN, PROFILE, RUN, Scene

ROGUE = bytes.fromhex("02bad0000001")


@pytest.mark.case("A-SLAC-01")
def test_what_another_station_says_moves_nothing() -> None:
    scene = Scene()
    scene.to_sounding()
    foreign: tuple[Message, ...] = (
        SlacParmCnf(BROADCAST, 10, 6, 1, EV, 0, 0, RUN),
        AttenCharInd(EV, RUN, 10, (1,) * GROUPS),
        SlacMatchCnf(EV, ROGUE, RUN, bytes(7), NetworkKey(bytes(16))),
    )
    sent, said = len(scene.sent), len(scene.effects)
    for message in foreign:
        for destination in (EV, EVSE, BROADCAST):
            scene.frame(message, ROGUE, destination)
    assert len(scene.sent) == sent
    assert len(scene.effects) == said
    scene.sounds()
    scene.rsp()
    scene.match()
    assert scene.matched == [EV]


@pytest.mark.case("A-SLAC-02")
def test_a_car_gets_through_ten_thousand_requests_a_second() -> None:
    scene = Scene()
    rogue = random.Random(2404)
    flood = [
        FrameReceived(mme.build(BROADCAST, b"\x02" + rogue.randbytes(5), SlacParmReq(0, 0, rogue.randbytes(8))))
        for _ in range(10_000)
    ]
    frames, peak = 0, 0

    def flooded(seconds: float) -> None:
        nonlocal frames, peak
        end = scene.now + seconds
        while scene.now < end - 1e-9:
            scene.wait(0.0001)
            scene.say(flood[frames % len(flood)])
            frames += 1
            if frames % 100 == 0:
                peak = max(peak, scene.session.remembered)

    flooded(0.5)
    matched_after = None
    for attempt in range(10):
        # As a car does it: three requests 200 ms apart, one RunID.
        run = bytes([attempt]) * 8
        for _ in range(3):
            scene.parm(EV, run)
            flooded(0.1)
            if any(cnf.run_id == run for cnf in scene.heard(SlacParmCnf, EV)):
                break
            flooded(0.1)
        else:
            continue
        scene.start(EV, run)
        for count in range(9, -1, -1):
            flooded(0.02)
            scene.sound(count, EV, run)
        scene.rsp(EV, run)
        scene.match(EV, run)
        if scene.matched:
            matched_after = attempt
            break
    assert matched_after == 0, "the first attempt has to do"
    assert scene.matched == [EV]
    assert peak <= INVITATIONS + C_EVSE_MATCH_PARALLEL
    assert len(scene.invited) < 2_000, "a flood is not answered frame by frame"
    assert len(scene.reported(Announce)) <= 2
    scene.link = True
    scene.wait(0.5)
    began = len(scene.sent)
    flooded(0.2)
    assert len(scene.sent) == began
    assert scene.links == [True]


@pytest.mark.case("A-SLAC-02")
def test_memory_is_flat_under_a_flood() -> None:
    scene = Scene()
    rogue = random.Random(15118)

    def flood(number: int) -> None:
        for _ in range(number):
            scene.wait(0.0001)
            scene.frame(SlacParmReq(0, 0, rogue.randbytes(8)), b"\x02" + rogue.randbytes(5))
            for kept in (scene.sent, scene.effects, scene.moments):
                kept.clear()

    flood(6_000)
    tracemalloc.start()
    flood(1_000)
    first = tracemalloc.get_traced_memory()[0]
    flood(6_000)
    grown = tracemalloc.get_traced_memory()[0] - first
    tracemalloc.stop()
    assert grown < 1_500_000


@pytest.mark.case("A-SLAC-02")
def test_a_car_that_has_sounded_is_not_crowded_out_by_runs_that_only_begin() -> None:
    scene = Scene()
    scene.to_sounding()
    scene.sounds(2)
    for number in range(20):
        run = bytes([number]) * 8
        scene.parm(ROGUE, run)
        scene.start(ROGUE, run)
    for count in range(7, -1, -1):
        scene.wait(0.01)
        scene.sound(count)
    scene.rsp()
    scene.match()
    assert scene.matched == [EV]
    assert Notice.CROWDED in [said.notice for said in scene.reported(Announce)]


@pytest.mark.case("A-SLAC-03")
def test_a_recorded_run_that_is_played_again_is_ignored() -> None:
    scene = Scene()
    recorded: list[tuple[float, FrameReceived]] = []
    say = scene.say

    def record(event: object) -> None:
        if isinstance(event, FrameReceived):
            recorded.append((scene.now, event))
        say(event)

    scene.say = record  # type: ignore[method-assign]  # a wire tap
    scene.to_match()
    scene.say = say  # type: ignore[method-assign]
    confirmed = len(scene.confirmed)
    scene.pilot("A")
    scene.wait(5.0)
    scene.pilot("B")
    scene.say(ArmMatching())
    before = len(scene.sent)
    # Without its CM_SLAC_PARM.REQ there is no such run, and with it there is none while another one has matched.
    for _, event in recorded[1:]:
        scene.wait(0.02)
        scene.say(event)
    assert len(scene.sent) == before
    scene.to_match(run=OTHER_RUN)
    for _, event in recorded:
        scene.wait(0.02)
        scene.say(event)
    assert [cnf.run_id for cnf in scene.confirmed[confirmed:]] == [OTHER_RUN]


@pytest.mark.case("A-SLAC-05")
def test_after_an_unplugging_the_old_key_is_in_no_modem_within_a_second() -> None:
    scene = Scene()
    scene.to_link()
    old = scene.confirmed[0].nmk
    scene.pilot("A")
    at, key = scene.keys[-1]
    assert key != old
    assert scene.now - at <= 1.0


@pytest.mark.case("A-SLAC-07")
def test_a_match_for_another_station_gives_no_key_away() -> None:
    scene = Scene()
    scene.to_wait()
    scene.match(evse_mac=ROGUE)
    for destination in (BROADCAST, ROGUE):
        scene.frame(SlacMatchReq(0, 0, 0x3E, NO_ID, EV, NO_ID, EVSE, RUN), EV, destination)
    scene.match(NEIGHBOUR, RUN)
    scene.wait(1.0)
    assert scene.confirmed == []


@pytest.mark.case("A-SLAC-08")
@pytest.mark.parametrize("source", [EV, ROGUE])
def test_only_our_own_modem_measures(source: bytes) -> None:
    honest = Scene()
    honest.to_atten_char()
    forged = Scene()
    forged.to_sounding()
    for count in range(9, -1, -1):
        forged.wait(0.02)
        forged.frame(AttenProfileInd(EV, (0,) * GROUPS), source)
        forged.sound(count)
        forged.frame(AttenProfileInd(EV, (0,) * GROUPS), source)
    assert forged.characterised == honest.characterised
    assert [said.notice for said in forged.reported(Announce)] == [Notice.FOREIGN_PROFILE]


@pytest.mark.case("A-SLAC-08")
def test_a_car_does_not_measure_itself_at_a_station_whose_modem_did_not_say_who_it_is() -> None:
    """Some modems confirm the key without their address. A measurement of another modem is not one of the car: the car would choose its station."""
    scene = Scene(armed=False, begin=False)
    scene.key_answer = lambda: KeySet(True)
    scene.take(scene.session.begin(scene.now))
    scene.wait(0.05)
    scene.pilot("B")
    scene.say(ArmMatching())
    scene.to_sounding()
    for count in range(9, -1, -1):
        scene.wait(0.02)
        scene.profile((0,) * GROUPS, source=EV)
        scene.sound(count)
        scene.profile((0,) * GROUPS, source=EV)
    assert [(ind.num_sounds, ind.groups) for ind in scene.characterised] == [(10, PROFILE)]
    assert [said.notice for said in scene.reported(Announce)] == [Notice.FOREIGN_PROFILE]


@pytest.mark.case("A-PHY-01")
def test_when_noise_kills_the_line_the_next_car_needs_no_operator() -> None:
    scene = Scene()
    scene.to_link()
    scene.wait(100.0)
    scene.link = False
    scene.wait(3.0)
    assert scene.links == [True, False]
    scene.pilot("A")
    scene.wait(10.0)
    scene.pilot("B")
    scene.say(ArmMatching())
    scene.to_link(run=OTHER_RUN)
    assert scene.links == [True, False, True]


@pytest.mark.case("A-PHY-02")
def test_a_bouncing_pilot_leaves_no_run_behind() -> None:
    for when in range(6):
        scene = Scene()
        ways = (scene.parm, scene.to_sounding, scene.to_atten_char, scene.to_wait, scene.to_match, scene.to_link)
        ways[when]()
        for state in ("A", "B", "?", "F", "A", "E", "B"):
            scene.pilot(state)
        before = len(scene.sent)
        scene.rsp()
        scene.match()
        scene.wait(3.0)
        assert len(scene.sent) == before
        scene.say(ArmMatching())
        scene.to_match(run=OTHER_RUN)
        assert scene.matched[-1] == EV
        assert scene.session.ended is None


@pytest.mark.case("A-PHY-03", "A-SLAC-06")
def test_what_cars_say_to_modems_is_neither_answered_nor_passed_on() -> None:
    scene = Scene()
    scene.to_sounding()
    sent = len(scene.sent)
    for mmtype in (0xA000, 0xA01C, 0xA024, 0xA028, 0xA0B8, 0xA068, 0xAC6C, 0x6008, 0x600C, 0xA062):
        for mmv in (0, 1):
            for destination in (EVSE, BROADCAST, MODEM):
                head = destination + ROGUE + b"\x88\xe1" + bytes([mmv]) + mmtype.to_bytes(2, "little")
                scene.say(FrameReceived(head + bytes.fromhex("00b052") + bytes(60)))
    assert len(scene.sent) == sent
    assert len(scene.keys) == 1


@pytest.mark.parametrize("source", [EVSE, BROADCAST, b"\x01" + EV[1:]])
def test_frames_from_addresses_that_no_car_has_are_ignored(source: bytes) -> None:
    scene = Scene()
    scene.frame(SlacParmReq(0, 0, RUN), source)
    assert scene.sent == []


GENUINE: tuple[tuple[Message, bytes, bytes], ...] = (
    (SlacParmReq(0, 0, RUN), EV, BROADCAST),
    (StartAttenCharInd(0, 0, 10, 6, 1, EV, RUN), EV, BROADCAST),
    (MnbcSoundInd(0, 0, NO_ID, 3, RUN), EV, BROADCAST),
    (AttenProfileInd(EV, PROFILE), MODEM, BROADCAST),
    (AttenProfileInd(EV, ()), MODEM, BROADCAST),
    (AttenCharRsp(0, 0, EV, RUN, NO_ID, NO_ID, 0), EV, EVSE),
    (ValidateReq(0, 3, 1), EV, EVSE),
    (SlacMatchReq(0, 0, 0x3E, NO_ID, EV, NO_ID, EVSE, RUN), EV, EVSE),
)
FRAMES = tuple(mme.build(destination, source, message) for message, source, destination in GENUINE)

STEP = st.one_of(
    st.tuples(st.just("frame"), st.sampled_from(FRAMES)),
    st.tuples(
        st.just("flip"),
        st.tuples(st.sampled_from(FRAMES), st.integers(0, 108), st.integers(0, 255), st.integers(0, 130)),
    ),
    st.tuples(st.just("noise"), st.binary(max_size=130)),
    st.tuples(st.just("wait"), st.sampled_from([0.001, 0.05, 0.2, 0.41, 0.7, 11.0, 55.0])),
    st.tuples(st.just("pilot"), st.sampled_from("ABCDEF?")),
    st.tuples(st.just("arm"), st.booleans()),
    st.tuples(st.just("link"), st.sampled_from([True, False, None])),
)


@pytest.mark.case("A-SLAC-04")
@given(st.lists(STEP, max_size=60), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_in_whatever_order_the_session_lives_and_the_next_car_matches(
    steps: list[tuple[str, object]], strict: bool
) -> None:
    scene = Scene(strict=strict)
    for kind, what in steps:
        match kind, what:
            case "frame", bytes(octets):
                scene.say(FrameReceived(octets))
            case "flip", (bytes(octets), int(at), int(value), int(length)):
                changed = bytearray(octets)
                if at < len(changed):
                    changed[at] = value
                scene.say(FrameReceived(bytes(changed[:length])))
            case "noise", bytes(octets):
                scene.say(FrameReceived(EVSE + EV + b"\x88\xe1" + octets))
            case "wait", float(seconds):
                scene.wait(seconds)
            case "pilot", str(state):
                scene.pilot(state)
            case "arm", bool(limited):
                scene.say(ArmMatching(limited))
            case "link", up:
                scene.link = up  # type: ignore[assignment]  # one of the three
            case _:
                raise AssertionError(kind)
        assert scene.session.ended is None
    scene.pilot("A")
    scene.wait(1.0)
    handed_out = [cnf.nmk for cnf in scene.confirmed]
    scene.link = False
    scene.pilot("B")
    scene.say(ArmMatching())
    matched = len(scene.matched)
    scene.to_match(run=OTHER_RUN)
    assert len(scene.matched) == matched + 1
    assert scene.confirmed[-1].nmk not in handed_out
    assert scene.confirmed[-1].nmk == scene.keys[-1][1]
    assert scene.session.remembered <= INVITATIONS + C_EVSE_MATCH_PARALLEL

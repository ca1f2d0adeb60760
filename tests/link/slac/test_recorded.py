"""Frames of real cars, with their times, get the answers that real stations gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secc.link.slac import mme
from secc.link.slac.dlink import (
    ArmMatching,
)
from secc.link.slac.effects import SendFrame
from secc.link.slac.events import FrameReceived, KeySet
from secc.link.slac.key import NetworkKey
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import AttenCharInd, AttenProfileInd, Message, MnbcSoundInd, SlacMatchCnf, SlacParmCnf
from tests.slac_scene import MODEM, Scene

PEV = Path(__file__).resolve().parents[2] / "vectors" / "slac-pev.jsonl"
RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "slac.jsonl"

needs_recordings = pytest.mark.skipif(
    not RECORDED.exists(), reason="the recorded SLAC frames are not beside this checkout"
)


class Recording:
    """One recorded session: what the station's host heard, and what it said."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.messages = [(row["t"], row["direction"], mme.parse(bytes.fromhex(row["frame_hex"]))) for row in rows]
        self.said = [frame for _, direction, frame in self.messages if direction == "evse->ev"]
        self.evse_mac = self.said[0].source

    @classmethod
    def read(cls, path: Path, session: str | None = None) -> Recording:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        slac_only = [row for row in rows if bytes.fromhex(row["frame_hex"])[12:14] == b"\x88\xe1"]
        return cls([row for row in slac_only if session in (None, row.get("session"))])

    def key(self) -> NetworkKey:
        return next(frame.message.nmk for frame in self.said if isinstance(frame.message, SlacMatchCnf))

    def heard(self) -> Iterator[tuple[float, bytes]]:
        """What came in at the station's side, with its time."""
        for row in self.rows:
            if row["direction"] in ("ev->evse", "evse_modem->evse_host"):
                yield row["t"], bytes.fromhex(row["frame_hex"])


def scene_of(recording: Recording, key: NetworkKey, modem: bytes | None) -> Scene:
    """Our station in the place of the recorded one: with its address, and with its key for a random one."""
    first = next(at for at, direction, _ in recording.messages if direction == "ev->evse")
    scene = Scene(armed=False, begin=False, now=first - 3.0, evse_mac=recording.evse_mac)
    session = SlacSession(scene.settings, now=scene.now, entropy=lambda count: key.octets[:count])
    scene.session = session
    scene.key_answer = lambda: KeySet(True, modem)
    scene.take(session.begin(scene.now))
    scene.wait(1.0)
    scene.pilot("B")
    scene.say(ArmMatching())
    return scene


def compare(ours: Message, theirs: Message) -> None:
    """Field by field; what was measured within 1 dB in the mean and 1 dB in every group."""
    if isinstance(ours, AttenCharInd):
        assert isinstance(theirs, AttenCharInd)
        assert (ours.application_type, ours.security_type) == (theirs.application_type, theirs.security_type)
        assert (ours.source_address, ours.run_id) == (theirs.source_address, theirs.run_id)
        assert (ours.source_id, ours.resp_id) == (theirs.source_id, theirs.resp_id)
        assert ours.num_sounds == theirs.num_sounds
        assert len(ours.groups) == len(theirs.groups)
        assert max(abs(a - b) for a, b in zip(ours.groups, theirs.groups, strict=True)) <= 1
        assert abs(sum(ours.groups) - sum(theirs.groups)) / len(ours.groups) < 1.0
    else:
        assert ours == theirs


def play(scene: Scene, frames: Iterator[tuple[float, bytes]] | list[tuple[float, bytes]]) -> list[SendFrame]:
    for at, octets in frames:
        scene.wait(max(0.0, at - scene.now))
        scene.say(FrameReceived(octets))
    return [sent for _, sent in scene.sent]


@needs_recordings
def test_a_real_vw_gets_the_answers_of_the_station_that_it_charged_at() -> None:
    recording = Recording.read(RECORDED, "vw_ac")
    modem = next(frame.source for _, direction, frame in recording.messages if direction == "evse_modem->evse_host")
    scene = scene_of(recording, recording.key(), modem)
    sent = play(scene, recording.heard())
    assert [type(each.message) for each in sent] == [SlacParmCnf, AttenCharInd, SlacMatchCnf]
    for ours, theirs in zip(sent, recording.said, strict=True):
        assert (ours.destination, ours.source) == (theirs.destination, theirs.source)
        assert theirs.message is not None
        compare(ours.message, theirs.message)
    for (ours_at, _), (theirs_at, _, _) in zip(
        scene.sent, (m for m in recording.messages if m[1] == "evse->ev"), strict=True
    ):
        assert abs(ours_at - theirs_at) < 0.01
    assert scene.codes == []


def sounding(recording: Recording, result: AttenCharInd, ev_mac: bytes) -> Iterator[tuple[float, bytes]]:
    """The recording, of which only the first sound was kept, with all of its sounds and the profiles that lead to its result."""
    answered = next(at for at, _, frame in recording.messages if isinstance(frame.message, AttenCharInd))
    for at, octets in recording.heard():
        frame = mme.parse(octets)
        if isinstance(frame.message, AttenProfileInd):
            continue
        if not isinstance(frame.message, MnbcSoundInd):
            yield at, octets
            continue
        step = (answered - at) / 10
        for number in range(10):
            sound = bytearray(octets)
            sound[38] = 9 - number
            yield at + number * step, bytes(sound)
            yield at + number * step + 0.001, mme.build(b"\xff" * 6, MODEM, AttenProfileInd(ev_mac, result.groups))


@needs_recordings
@pytest.mark.parametrize("session", ["lab_osspev_pyslac", "lab_pyplc_pyslac", "alpitronic_hyc300"])
def test_other_stations_gave_the_same_answers(session: str) -> None:
    recording = Recording.read(RECORDED, session)
    scene = scene_of(recording, recording.key(), MODEM)
    result = next(frame for frame in recording.said if isinstance(frame.message, AttenCharInd))
    assert isinstance(result.message, AttenCharInd)
    sent = play(scene, sounding(recording, result.message, result.destination))
    assert [type(each.message) for each in sent] == [SlacParmCnf, AttenCharInd, SlacMatchCnf]
    for ours, theirs in zip(sent, recording.said, strict=True):
        assert (ours.destination, ours.source) == (theirs.destination, theirs.source)
        assert theirs.message is not None
        compare(ours.message, theirs.message)
    assert scene.codes == (["Q-06"] if session == "alpitronic_hyc300" else [])


@needs_recordings
def test_a_real_taycan_is_told_its_own_run_id_where_another_station_made_one_up() -> None:
    recording = Recording.read(RECORDED, "taycan_fail")
    scene = scene_of(recording, NetworkKey(bytes(range(16))), None)
    sent = play(scene, recording.heard())
    asked = [frame.message for _, direction, frame in recording.messages if direction == "ev->evse"]
    assert len(sent) == len(asked) == 3
    for ours, theirs, request in zip(sent, recording.said, asked, strict=True):
        assert isinstance(ours.message, SlacParmCnf)
        assert isinstance(theirs.message, SlacParmCnf)
        assert ours.message.run_id == request.run_id != theirs.message.run_id  # type: ignore[union-attr]  # CM_SLAC_PARM.REQ
        assert (ours.message.num_sounds, ours.message.time_out, ours.message.resp_type) == (10, 6, 1)
        assert ours.message.forwarding_sta == theirs.message.forwarding_sta
    assert [round(at, 4) for at, _ in scene.sent] == [at for at, way, _ in recording.messages if way == "ev->evse"]


@needs_recordings
def test_what_modems_say_beside_slac_is_passed_over() -> None:
    for session in ("dspace_vendor", "vendor_qca7420"):
        rows = [json.loads(line) for line in RECORDED.read_text().splitlines()]
        scene = Scene()
        for row in rows:
            if row["session"] == session:
                scene.say(FrameReceived(bytes.fromhex(row["frame_hex"])))
        assert scene.sent == []
        assert scene.session.ended is None


def test_debians_pev_gets_the_answers_that_it_matched_with() -> None:
    recording = Recording.read(PEV)
    key = recording.key()
    modem = next(frame.source for _, direction, frame in recording.messages if direction == "evse_modem->evse_host")
    scene = scene_of(recording, key, modem)
    sent = play(scene, recording.heard())
    assert [type(each.message) for each in sent] == [SlacParmCnf, AttenCharInd, SlacMatchCnf]
    for ours, theirs in zip(sent, recording.said, strict=True):
        assert mme.build(ours.destination, ours.source, ours.message) == mme.build(
            theirs.destination, theirs.source, _message(theirs)
        )
    sounds = [bytes.fromhex(row["frame_hex"]) for row in recording.rows if row["name"] == "CM_MNBC_SOUND.IND"]
    assert {len(frame) for frame in sounds} == {64}, "the short sounds of this build"
    assert scene.codes == []


def _message(frame: mme.Mme) -> Message:
    assert frame.message is not None
    return frame.message

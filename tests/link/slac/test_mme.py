"""Management messages: layouts against scapy and foreign frames, limits, what is never shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.errors import EncodeError, FramingError
from secc.link.slac import mme
from secc.link.slac.key import NetworkKey
from secc.link.slac.mme import (
    BROADCAST,
    AmpMapCnf,
    AmpMapReq,
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
    ValidateCnf,
    ValidateReq,
)

EV = bytes.fromhex("02ee00000001")
EVSE = bytes.fromhex("025ecc000001")
RUN = bytes.fromhex("1122334455667788")
KEY = NetworkKey(bytes.fromhex("b59319d7e8157ba001b018669ccee30d"))
GROUPS = tuple(range(10, 68))
PEV_ID, EVSE_ID = b"P" * 17, b"E" * 17

MESSAGES: tuple[Message, ...] = (
    SlacParmReq(0, 0, RUN),
    SlacParmCnf(BROADCAST, 10, 6, 1, EV, 0, 0, RUN),
    StartAttenCharInd(0, 0, 10, 6, 1, EV, RUN),
    MnbcSoundInd(0, 0, PEV_ID, 9, RUN, b"R" * 8, b"X" * 16),
    AttenProfileInd(EV, GROUPS),
    AttenCharInd(EV, RUN, 10, GROUPS, source_id=PEV_ID, resp_id=EVSE_ID),
    AttenCharRsp(0, 0, EV, RUN, PEV_ID, EVSE_ID, 0),
    ValidateReq(0, 5, 1),
    ValidateCnf(0, 2, 2),
    SlacMatchReq(0, 0, 0x3E, PEV_ID, EV, EVSE_ID, EVSE, RUN),
    SlacMatchCnf(EV, EVSE, RUN, KEY.network_id, KEY),
    AmpMapReq(tuple(i % 16 for i in range(917))),
    AmpMapCnf(1),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_from_its_frame(message: Message) -> None:
    frame = mme.build(EV, EVSE, message)
    assert len(frame) >= 60
    assert mme.parse(frame) == mme.Mme(EV, EVSE, message, type(message).TYPE)


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (SlacParmReq, 29),
        (SlacParmCnf, 44),
        (StartAttenCharInd, 38),
        (MnbcSoundInd, 71),
        (AttenProfileInd, 85),
        (AttenCharInd, 129),
        (AttenCharRsp, 70),
        (ValidateReq, 22),
        (ValidateCnf, 22),
        (SlacMatchReq, 85),
        (SlacMatchCnf, 109),
        (AmpMapReq, 480),
        (AmpMapCnf, 20),
    ],
)
def test_the_frame_has_the_length_of_the_standard(kind: type[Message], octets: int) -> None:
    (message,) = (message for message in MESSAGES if type(message) is kind)
    assert 19 + len(message.pack()) == octets
    assert len(mme.build(EV, EVSE, message)) == max(60, octets)


SCAPY = {
    SlacParmReq: (
        "CM_SLAC_PARM_REQ",
        {"application_type": "ApplicationType", "security_type": "SecurityType", "run_id": "RunID"},
    ),
    SlacParmCnf: (
        "CM_SLAC_PARM_CNF",
        {
            "m_sound_target": "MSoundTargetMAC",
            "num_sounds": "NumberMSounds",
            "time_out": "TimeOut",
            "resp_type": "ResponseType",
            "forwarding_sta": "ForwardingSTA",
            "application_type": "ApplicationType",
            "security_type": "SecurityType",
            "run_id": "RunID",
        },
    ),
    StartAttenCharInd: (
        "CM_START_ATTEN_CHAR_IND",
        {
            "num_sounds": "NumberOfSounds",
            "time_out": "TimeOut",
            "resp_type": "ResponseType",
            "forwarding_sta": "ForwardingSTA",
            "run_id": "RunID",
        },
    ),
    MnbcSoundInd: (
        "CM_MNBC_SOUND_IND",
        {"sender_id": "SenderID", "count": "Countdown", "run_id": "RunID", "random": "RandomValue"},
    ),
    AttenProfileInd: ("CM_ATTENUATION_CHARACTERISTICS_MME", {"pev_mac": "EVMACAddress"}),
    AttenCharInd: (
        "CM_ATTEN_CHAR_IND",
        {
            "source_address": "SourceAdress",
            "run_id": "RunID",
            "source_id": "SourceID",
            "resp_id": "ResponseID",
            "num_sounds": "NumberOfSounds",
        },
    ),
    AttenCharRsp: (
        "CM_ATTEN_CHAR_RSP",
        {
            "source_address": "SourceAdress",
            "run_id": "RunID",
            "source_id": "SourceID",
            "resp_id": "ResponseID",
            "result": "Result",
        },
    ),
    SlacMatchReq: ("CM_SLAC_MATCH_REQ", {}),
    SlacMatchCnf: ("CM_SLAC_MATCH_CNF", {}),
}


def _plain(value: object) -> bytes | int:
    """A scapy field as octets or a number."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.count(":") == 5:
        return bytes.fromhex(value.replace(":", ""))
    assert isinstance(value, (bytes, str))
    return value if isinstance(value, bytes) else value.encode("latin-1")


@pytest.mark.parametrize(
    "message", [m for m in MESSAGES if type(m) in SCAPY], ids=lambda message: type(message).__name__
)
def test_scapy_reads_the_same_fields(message: Message) -> None:
    scapy_gp = pytest.importorskip("scapy.contrib.homepluggp", reason="scapy is not installed")
    from scapy.contrib.homeplugav import HomePlugAV
    from scapy.layers.l2 import Ether

    frame = mme.build(EV, EVSE, message)
    packet = Ether(frame)
    assert packet.type == 0x88E1
    assert _plain(packet.dst) == EV
    assert _plain(packet.src) == EVSE
    assert HomePlugAV in packet
    assert packet[HomePlugAV].HPtype == type(message).TYPE
    name, renamed = SCAPY[type(message)]
    layer = packet.getlayer(getattr(scapy_gp, name))
    assert layer is not None, packet.show(dump=True)
    for ours, theirs in renamed.items():
        assert _plain(layer.getfieldval(theirs)) == getattr(message, ours), theirs
    if isinstance(message, SlacMatchReq | SlacMatchCnf):
        var = layer.VariableField
        assert layer.MatchVariableFieldLen == message.mvf_length
        assert _plain(var.EVMAC) == EV
        assert _plain(var.EVSEMAC) == EVSE
        assert _plain(var.RunID) == RUN
        assert (_plain(var.EVID), _plain(var.EVSEID)) == (message.pev_id, message.evse_id)
    if isinstance(message, SlacMatchCnf):
        assert _plain(layer.VariableField.NetworkID) == message.nid
        assert _plain(layer.VariableField.NMK) == message.nmk.octets
    if isinstance(message, AttenCharInd):
        assert tuple(group.group for group in layer.Groups) == GROUPS
    if isinstance(message, AttenProfileInd):
        assert tuple(group.group for group in layer.Groups) == GROUPS


SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "slac.jsonl"

NAMES = {"Cnt": "count", "AAG": "groups"}


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded SLAC frames are not beside this checkout")
def test_recorded_frames_are_read_as_others_read_them_and_written_back_the_same() -> None:
    seen = 0
    for line in SHARED.read_text().splitlines():
        row = json.loads(line)
        frame, decoded = bytes.fromhex(row["frame_hex"]), row["decoded"]
        if decoded["ethertype"] != "0x88e1":
            continue
        parsed = mme.parse(frame)
        assert parsed.mmtype == int(decoded["mmtype"], 16)
        message = parsed.message
        if message is None:
            continue
        seen += 1
        values = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
        values["aag"] = list(values.pop("groups", ()))
        values["cnt"] = values.pop("count", None)
        values["rnd"] = values.pop("random", None)
        for name, wanted in decoded.items():
            if name not in values or (name == "rnd" and len(frame) < 71):
                continue
            ours = values[name]
            if isinstance(ours, NetworkKey):
                ours = ours.octets
            if isinstance(ours, bytes):
                ours = ours.hex()
                wanted = wanted.replace(":", "")
            assert ours == wanted, (row["name"], name)
        if not (isinstance(message, MnbcSoundInd) and len(frame) == 64):
            assert mme.build(parsed.destination, parsed.source, message)[: len(frame)] == frame, row["name"]
    assert seen > 50


@pytest.mark.parametrize(
    ("nmk", "nid"),
    [
        ("b59319d7e8157ba001b018669ccee30d", "026bcba5354e08"),
        ("50d3e4933f855b7040784df815aa8db7", "b0f2e695666b03"),
    ],
)
def test_the_network_identifier_is_derived_as_every_modem_derives_it(nmk: str, nid: str) -> None:
    assert NetworkKey(bytes.fromhex(nmk)).network_id.hex() == nid


def test_the_key_is_in_no_repr() -> None:
    cnf = SlacMatchCnf(EV, EVSE, RUN, KEY.network_id, KEY)
    for text in (repr(KEY), str(KEY), repr(cnf), f"{mme.Mme(EV, EVSE, cnf, cnf.TYPE)}", repr(dataclasses.asdict(cnf))):
        assert KEY.octets.hex() not in text
        assert repr(KEY.octets)[2:-1] not in text
    assert NetworkKey(KEY.octets) == KEY
    assert NetworkKey(bytes(16)) != KEY


def test_a_redacted_frame_has_lost_its_key_and_nothing_else() -> None:
    frame = mme.build(EV, EVSE, SlacMatchCnf(EV, EVSE, RUN, KEY.network_id, KEY))
    shown = mme.redacted(frame)
    assert KEY.octets in frame
    assert KEY.octets not in shown
    assert shown[:93] + KEY.octets + shown[109:] == frame
    assert len(shown) == len(frame)
    hidden = SlacMatchCnf(EV, EVSE, RUN, KEY.network_id, NetworkKey(bytes(16)))
    assert mme.parse(shown).message == hidden
    set_key = bytes.fromhex("00b052000001") + EVSE + bytes.fromhex("88e10108600000") + bytes(22) + KEY.octets + bytes(3)
    assert KEY.octets not in mme.redacted(set_key)
    untouched = mme.build(EV, EVSE, SlacParmReq(0, 0, RUN))
    assert mme.redacted(untouched) == untouched
    assert mme.redacted(frame[:100])[:93] == frame[:93]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_frame_cut_short_is_refused_and_padding_is_not_needed(message: Message) -> None:
    frame = mme.build(EV, EVSE, message)
    payload = len(message.pack())
    enough = 28 if isinstance(message, MnbcSoundInd) else payload
    assert mme.parse(frame[: 19 + payload]).message == message
    for octets in range(19 + enough):
        with pytest.raises(FramingError) as caught:
            mme.parse(frame[:octets])
        assert not caught.value.fatal


def test_foreign_types_and_versions_are_none_of_slac() -> None:
    frame = bytearray(mme.build(EV, EVSE, SlacParmReq(0, 0, RUN)))
    frame[14] = 0
    assert mme.parse(bytes(frame)).message is None
    vendor = EV + EVSE + bytes.fromhex("88e1 00 4ea1 00b052".replace(" ", "")) + bytes(80)
    assert mme.parse(vendor).message is None
    assert mme.parse(vendor).mmtype == 0xA14E
    with pytest.raises(FramingError):
        mme.parse(EV + EVSE + b"\x86\xdd" + bytes(60))
    fragment = bytearray(mme.build(EV, EVSE, SlacParmReq(0, 0, RUN)))
    fragment[17] = 0x10
    with pytest.raises(FramingError):
        mme.parse(bytes(fragment))


@pytest.mark.parametrize(
    "message",
    [
        SlacParmReq(0, 0, b"short"),
        SlacParmReq(256, 0, RUN),
        AttenCharInd(EV, RUN, 10, (256,)),
        AttenCharInd(EV, RUN, 10, (1,) * 256),
        AmpMapReq((16,)),
        AmpMapReq((1,) * 70_000),
    ],
)
def test_what_does_not_fit_is_our_own_error(message: Message) -> None:
    with pytest.raises(EncodeError):
        mme.build(EV, EVSE, message)


def test_addresses_and_keys_have_their_length() -> None:
    with pytest.raises(EncodeError):
        mme.build(EV[:5], EVSE, AmpMapCnf(0))
    with pytest.raises(EncodeError):
        NetworkKey(bytes(15))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_random_octets_raise_only_framing_errors(octets: bytes) -> None:
    for frame in (octets, EV + EVSE + b"\x88\xe1" + octets):
        try:
            mme.parse(frame)
        except FramingError as error:
            assert not error.fatal
        mme.redacted(frame)


@given(st.sampled_from(MESSAGES), st.integers(12, 128), st.integers(0, 255), st.integers(0, 140))
@settings(max_examples=100, deadline=None)
def test_flipped_and_cut_frames_raise_only_framing_errors(message: Message, at: int, value: int, length: int) -> None:
    frame = bytearray(mme.build(EV, EVSE, message)[:length])
    if at < len(frame):
        frame[at] = value
    try:
        mme.parse(bytes(frame))
    except FramingError as error:
        assert not error.fatal

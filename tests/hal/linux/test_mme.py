"""What a host says to its own modem: octets against recordings and scapy, answers of every length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.linux import mme
from hal.linux.families import FAMILIES, Lumissil, Qualcomm
from hal.readings import ModemInfo

HOST = bytes.fromhex("025ecc000001")
MODEM = bytes.fromhex("00b052bb0001")
NID, NMK, NONCE = bytes(range(1, 8)), bytes(range(16)), b"\xaa" * 4
RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "vectors" / "slac.jsonl"

needs_recordings = pytest.mark.skipif(
    not RECORDED.exists(), reason="the recorded SLAC frames are not beside this checkout"
)


def recorded(message: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    return [row for row in rows if row["decoded"].get("message") == message]


@needs_recordings
def test_a_key_is_set_with_the_octets_that_real_stations_send() -> None:
    rows = recorded("CM_SET_KEY.REQ")
    assert len(rows) > 5
    for row in rows:
        frame, decoded = bytes.fromhex(row["frame_hex"]), row["decoded"]
        ours = mme.set_key(frame[6:12], bytes.fromhex(decoded["nid"]), bytes.fromhex(decoded["new_key"]), NONCE)
        assert ours[6:] == frame[6:], row["name"]


@needs_recordings
def test_recorded_confirmations_are_taken() -> None:
    rows = recorded("CM_SET_KEY.CNF")
    assert rows
    for row in rows:
        frame = mme.parse(bytes.fromhex(row["frame_hex"]))
        assert frame is not None
        assert mme.confirms_key(frame, NONCE, None)
        assert not mme.confirms_key(frame, b"\x01\x02\x03\x04", None)
        assert mme.confirms_key(frame, b"\x01\x02\x03\x04", frame.source)


@needs_recordings
def test_recorded_versions_name_the_chip_and_its_firmware() -> None:
    versions = []
    for row in recorded("VS_SW_VER.CNF"):
        frame = mme.parse(bytes.fromhex(row["frame_hex"]))
        assert frame is not None
        versions.append(Qualcomm().version(frame))
    assert [info.vendor for info in versions if info] == ["Qualcomm QCA7420", "Qualcomm QCA7000"]
    assert all(info and info.version.startswith("MAC-QCA7") for info in versions)


@needs_recordings
def test_the_recorded_list_of_stations_is_read() -> None:
    (row,) = recorded("CC_DISCOVER_LIST.CNF")
    frame = mme.parse(bytes.fromhex(row["frame_hex"]))
    assert frame is not None
    assert mme.discovered(frame) is False
    (asked,) = recorded("CC_DISCOVER_LIST.REQ")
    sent = bytes.fromhex(asked["frame_hex"])
    assert mme.build(sent[6:12], mme.CC_DISCOVER_LIST_REQ) == sent


def test_scapy_reads_the_same_key() -> None:
    pytest.importorskip("scapy.contrib.homepluggp", reason="scapy is not installed")
    from scapy.contrib.homepluggp import CM_SET_KEY_REQ
    from scapy.layers.l2 import Ether

    layer = Ether(mme.set_key(HOST, NID, NMK, NONCE)).getlayer(CM_SET_KEY_REQ)
    assert layer is not None
    assert bytes(layer.NewKey) == NMK
    assert bytes(layer.NetworkID) == NID
    assert layer.getfieldval("MyNonce") in (NONCE, int.from_bytes(NONCE, "big"))
    assert (layer.KeyType, layer.PID, layer.NewEncKeySelect) == (1, 4, 1)


def test_scapy_reads_the_same_question_for_the_version() -> None:
    pytest.importorskip("scapy.contrib.homeplugav", reason="scapy is not installed")
    from scapy.contrib.homeplugav import HomePlugAV
    from scapy.layers.l2 import Ether

    packet = Ether(Qualcomm().request(HOST, Qualcomm.VERSION))
    assert packet.type == 0x88E1
    assert packet[HomePlugAV].version == 0
    assert packet[HomePlugAV].HPtype == 0xA000
    assert packet[HomePlugAV].VendorField[0].OUI == 0x00B052


def answer(mmtype: int, body: bytes, mmv: int = mme.HOMEPLUG) -> mme.Frame:
    frame = mme.parse(mme.build(MODEM, mmtype, body, mmv=mmv, destination=HOST))
    assert frame is not None
    return frame


def station(same_network: int) -> bytes:
    return bytes.fromhex("00b052aa0001") + bytes((5, same_network, 1, 0, 40, 50))


@pytest.mark.parametrize(
    ("stations", "up"), [([], False), ([0], False), ([1], True), ([0, 0, 1], True), ([0, 2], False)]
)
def test_a_station_of_our_own_network_is_a_link(stations: list[int], up: bool) -> None:
    body = bytes([len(stations)]) + b"".join(station(same) for same in stations) + b"\0"
    assert mme.discovered(answer(0x0015, body)) is up


def test_a_list_cut_short_tells_nothing() -> None:
    frame = mme.parse((HOST + MODEM + b"\x88\xe1\x01\x15\x00\x00\x00" + b"\x05" + station(1))[:40])
    assert frame is not None
    assert mme.discovered(frame) is None


@pytest.mark.parametrize(("body", "up"), [(b"\0", False), (b"\x01" + bytes(8), True), (b"\x02" + bytes(20), True)])
def test_statistics_of_another_station_are_a_link(body: bytes, up: bool) -> None:
    assert mme.associated(answer(0x6049, body)) is up


def test_a_lumissil_modem_is_read_with_either_version_of_its_header() -> None:
    head = bytes.fromhex("0016e8") + bytes(19)
    for mmv in (mme.VENDOR, mme.HOMEPLUG):
        modem = Lumissil(mmv)
        asked = mme.parse(modem.request(HOST, modem.VERSION))
        assert asked is not None
        assert (asked.mmtype, asked.mmv, asked.body[:3]) == (0xAC6C, mmv, head[:3])
        version = answer(0xAC6D, head + bytes((1, 0, 2, 0, 3, 0, 4, 1)) + b"\0\0", mmv)
        assert modem.version(version) == ModemInfo("Lumissil CG5317", "1.2.3.260")
        assert modem.link(answer(0xAC9D, head + b"\x01", mmv)) is True
        assert modem.link(answer(0xAC9D, head + b"\x00", mmv)) is False
        assert modem.link(answer(0xAC9D, bytes(3) + bytes(20), mmv)) is None
        asked = mme.parse(modem.request(HOST, modem.RESET))
        assert asked is not None
        assert (asked.mmtype, asked.body[22]) == (0xAC70, 0)


def test_what_a_modem_calls_itself_cannot_write_into_a_log() -> None:
    text = b"MAC-QCA7005-1.1\n\x1b[31m;rm -rf"
    frame = answer(0xA001, bytes.fromhex("00b052") + bytes((0, 0x22, len(text))) + text, mme.VENDOR)
    info = Qualcomm().version(frame)
    assert info is not None
    assert info.version.isprintable()
    assert info.vendor == "Qualcomm QCA7005"
    nameless = answer(0xA001, bytes.fromhex("00b052") + bytes((0, 0x20, 2)) + b"v1", mme.VENDOR)
    assert Qualcomm().version(nameless) == ModemInfo("Qualcomm QCA7420", "v1")


@given(st.binary(max_size=120), st.sampled_from([0x6009, 0x0015, 0x6049, 0xA001, 0xA0B9, 0xA01D, 0xAC6D, 0xAC9D]))
@settings(max_examples=100, deadline=None)
def test_no_octets_raise(octets: bytes, mmtype: int) -> None:
    for mmv in (b"\0", b"\x01"):
        head = HOST + MODEM + b"\x88\xe1" + mmv + mmtype.to_bytes(2, "little")
        for frame in (mme.parse(octets), mme.parse(head + octets)):
            if frame is None:
                continue
            mme.confirms_key(frame, NONCE, None)
            mme.discovered(frame)
            mme.associated(frame)
            for family in FAMILIES:
                family.version(frame)
                family.link(frame)
                family.reset(frame)

"""The files of recorded sessions: what is read, and what is refused in words."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import SeccError
from tests.recordings import CAPTURES
from tools import diagram, replay
from tools.recording import (
    EXI_OCTETS,
    FILE_OCTETS,
    MESSAGES,
    SCHEMAS,
    Recorded,
    TraceUnreadable,
    is_capture,
    read_capture,
    read_lines,
    sessions,
)

LINE: dict[str, Any] = {
    "session": 0,
    "index": 0,
    "t": 0,
    "dir": "ev",
    "payload_type": 32769,
    "schema": "sap",
    "exi": "8000",
}


def line(**changes: Any) -> str:
    return json.dumps(LINE | changes)


def test_a_capture_is_read() -> None:
    records = read_capture([line(message={"a": 1}), line(index=1, t=2.5, dir="evse", exi="80fF"), line(session=1)])
    assert records == [
        Recorded(0, 0, None, True, 0x8001, "sap", b"\x80\x00", {"a": 1}),
        Recorded(0, 1, 2.5, False, 0x8001, "sap", b"\x80\xff"),
        Recorded(1, 0, None, True, 0x8001, "sap", b"\x80\x00"),
    ]
    assert [len(session) for session in sessions(records)] == [2, 1]


def test_the_schemas_of_other_protocols_are_known() -> None:
    assert {read_capture([line(schema=name)])[0].schema for name in SCHEMAS} == set(SCHEMAS)
    assert set(SCHEMAS.values()) == {"SupportedAppProtocol", "DIN SPEC 70121", "ISO 15118-2", "ISO 15118-20"}


@pytest.mark.parametrize("name", LINE)
@pytest.mark.parametrize(
    "value", [None, -1, True, "x", [], {}, 1e400, float("nan"), 10**400, "80 ", "8", "0x80", "g0", ""]
)
def test_a_wrong_field_is_refused_with_its_line(name: str, value: Any) -> None:
    with pytest.raises(TraceUnreadable, match="line 2"):
        read_capture([line(), line(**{"index": 1, name: value})])


@pytest.mark.parametrize("name", LINE)
def test_a_missing_field_is_refused(name: str) -> None:
    left = {key: value for key, value in (LINE | {"index": 1}).items() if key != name}
    with pytest.raises(TraceUnreadable, match="line 2"):
        read_capture([line(), json.dumps(left)])


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([line(), line()], "index 0 after 0"),
        ([line(session=1), line(index=1)], "session 0 after 1"),
        ([line(exi="80" * (EXI_OCTETS + 1))], "exi is not hex"),
        ([line(message=3)], "message"),
        ([line()[:-4]], "line 1 is not JSON"),
        (["[" * 100_000], "line 1 is not JSON"),
        (["9" * 5_000], "line 1 is not JSON"),
        (['{"a":[' + "[]," * 400_000], "line 1 has more than 1048576 characters"),
        (["[]"], "line 1 is not a JSON object"),
        ([], "no messages"),
        ([line()] * (MESSAGES + 1), "more than"),
    ],
)
def test_what_is_not_a_capture_is_refused_in_words(lines: list[str], why: str) -> None:
    with pytest.raises(TraceUnreadable, match=why):
        read_capture(lines)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_text(line() + "\n" + line() + "\n")
    assert read_lines(path) == [line(), line()]
    assert is_capture(read_lines(path))
    path.write_bytes(b"\xff")
    with pytest.raises(TraceUnreadable, match="not text"):
        read_lines(path)
    with path.open("wb") as file:
        file.truncate(FILE_OCTETS + 1)
    with pytest.raises(TraceUnreadable, match="more than 64 MiB"):
        read_lines(path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line().encode())))
    assert read_lines(Path("-")) == [line()]


def test_a_file_without_end_is_read_up_to_its_limit() -> None:
    with pytest.raises(TraceUnreadable, match="more than 64 MiB"):
        read_lines(Path("/dev/zero"))


def entries(*more: dict[str, Any], version: float = 3) -> str:
    head = {"kind": "trace", "personal": True, "clock": 0.0, "version": version}
    return "\n".join(map(json.dumps, (head, *more)))


THINNED: dict[str, Any] = {"kind": "thinned", "exchanges": 1}
ASKED: dict[str, Any] = {"kind": "received", "t": 0.0, "type": "8001", "octets": "8000"}


# --- the programs ---------------------------------------------------------------------------------------------------------

HOSTILE = {
    "empty": "",
    "not JSON": "{",
    "deep": '{"exi":' + "[" * 50_000,
    "a list": "[]",
    "neither": "{}",
    "truncated": line()[:-6],
    "not hex": line(exi="80zz"),
    "half an octet": line(exi="800"),
    "no message of the car": line(dir="evse"),
    "another protocol": line(schema="din"),
    "an unknown schema": line(schema="iso2:2"),
    "not a message": line(exi="ff"),
    "a payload type of none": line(payload_type=0x9999),
    "a session without negotiation": line(schema="iso2", exi="80"),
    "a tree that is none": line(message={"V2G_Message": {"Body": {"x": {"Status": [{}] * 3}}}}),
    "a deep tree": line(message=json.loads('{"Status":' * 400 + "1" + "}" * 400)),
    "a huge number": line(message={"X": {"P": {"Multiplier": 10**9, "Unit": "A", "Value": 1}}}),
    "a trace of an endless version": entries(version=1e400),
    "a thinned trace of half an offer": entries(THINNED, ASKED, {"kind": "note", "text": 'offer {"type":'}),
    "a thinned trace of a deep offer": entries(THINNED, ASKED, {"kind": "note", "text": "offer " + "[" * 50_000}),
    "a thinned trace of an offer of text": entries(
        THINNED, ASKED, {"kind": "note", "text": 'offer {"type":"Offer","dc":"x","ac":null}'}
    ),
    "an end of a terminal line": line(message={"X\x1b[2J\r\n\u2028": {"ResponseCode": "\x1b]0;x\x07\n"}}),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("program", [diagram.main, replay.main], ids=["diagram", "replay"])
def test_a_hostile_file_gives_one_line_of_text(
    program: Any, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hostile.jsonl"
    path.write_text(HOSTILE[name])
    code = program([str(path)])
    out, err = capsys.readouterr()
    assert code in (0, 1, 2)
    assert (len(err.splitlines()) == 1) is (out == "")
    assert all(each.isprintable() or each == "\n" for each in out)


KEYS = st.sampled_from([*LINE, "message", "kind"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["ev", "evse", "iso2", "sap"]),
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=8), max_size=4))
def test_any_lines_are_read_or_refused(changes: list[dict[str, Any]]) -> None:
    lines = [line(index=n, **{k: v for k, v in change.items() if k != "index"}) for n, change in enumerate(changes)]
    try:
        records = read_capture(lines)
        list(diagram.capture_steps(records))
        replay.replay_capture(records)
    except SeccError:
        pass


@given(st.integers(0, 200), st.integers(0, 7), st.booleans())
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")
def test_a_recorded_session_with_one_wrong_bit_is_replayed_or_refused(place: int, bit: int, last: bool) -> None:
    """In the car's request, or in the recorded answer."""
    records = read_capture(read_lines(CAPTURES / "ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G.jsonl"))
    record = records[place % len(records)]
    octet = len(record.octets) - 1 if last else place * 31 % len(record.octets)
    octets = bytearray(record.octets)
    octets[octet] ^= 1 << bit
    records[place % len(records)] = Recorded(
        record.session, record.index, record.t, record.ev, record.payload_type, record.schema, bytes(octets)
    )
    try:
        (outcome,) = replay.replay_capture(records)
    except SeccError:
        return
    assert outcome.reason is None or outcome.reason.kind != "bug", outcome.reason

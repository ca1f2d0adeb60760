"""A trace of a real session, drawn; and files that are no traces, refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from secc.session.events import EmergencyStopped, StopRequested
from secc.trace.recorder import Recorder
from tests.captures import captured, recorder, thinned, written
from tests.pair import BEGAN
from tests.recordings import CAPTURES
from tests.ways import AC_EIM, DC_PNC, Way
from tools.diagram import as_mermaid, as_text, capture_steps, folded, main, steps
from tools.evcc.behaviour import Behaviour
from tools.recording import TraceUnreadable, read_capture, read_lines, read_trace


def trace(way: Way, event: object | None = None) -> list[str]:
    recorder = Recorder(BEGAN, ring_octets=4_000_000, outlet="left")
    pair = way.pair(Behaviour(loops=40), recorder=recorder)
    if event is not None:
        pair.at(4.0, event)  # type: ignore[arg-type]  # all of them are events
    pair.run()
    return list(recorder.take())


def drawn(lines: list[str]) -> list[str]:
    return list(as_text(folded(steps(read_trace(lines)))))


def test_every_kind_of_message_is_drawn_once_and_loops_are_counted() -> None:
    text = drawn(trace(DC_PNC))
    demands = [line for line in text if "--CurrentDemandReq" in line]
    # The first one stands alone: with it charging begins.
    assert len(demands) == 2
    assert "CurrentDemandReq x 39" in demands[1]
    assert any(line.endswith("> authorised: by contract") for line in text)
    assert sum("PaymentDetailsReq" in line for line in text) == 1
    assert any("--SessionStopRes" in line and line.rstrip().endswith("OK") for line in text)
    assert "ended: completed.terminated" in text[-1]


def test_values_stand_beside_the_messages() -> None:
    text = "\n".join(drawn(trace(DC_PNC)))
    assert "EVSEPresentVoltage 35" in text
    assert "EVTargetCurrent 150 A" in text
    assert "EVRESSSOC 35" in text


def test_what_happened_and_what_was_done_stand_at_the_stations_side() -> None:
    text = "\n".join(drawn(trace(AC_EIM, StopRequested("operator"))))
    assert "* StopRequested(by operator)" in text
    assert "StopCharging" in text
    assert "> OpenContactor" in "\n".join(drawn(trace(AC_EIM, EmergencyStopped())))


def test_personal_data_is_not_drawn() -> None:
    assert "DE8AACA2B3C4D5" not in "\n".join(drawn(trace(DC_PNC)))


def test_whole_trace_draws_every_repetition() -> None:
    whole = list(steps(read_trace(trace(AC_EIM))))
    assert sum(step.text == "ChargingStatusReq" for step in whole) == 40


def test_mermaid_has_one_statement_a_line() -> None:
    lines = list(as_mermaid(folded(steps(read_trace(trace(DC_PNC))))))
    assert lines[0] == "sequenceDiagram"
    assert all(line.startswith("    ") and ";" not in line and "#" not in line for line in lines[1:])
    assert any(line.startswith("    EVCC->>SECC: CurrentDemandReq x 39") for line in lines)


@pytest.mark.parametrize("text", ["", "nothing", "[]", "{}", '{"kind": 3}', '{"kind": "sent"}', "\ufeff{", "[" * 5000])
def test_file_that_is_no_trace_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(TraceUnreadable):
        read_trace(text.splitlines())
    assert main([str(path)]) == 1
    assert "diagram:" in capsys.readouterr().err


def test_strange_entries_do_not_break_it() -> None:
    head = {"t": 0.0, "kind": "trace"}
    strange = [
        {"kind": "sent"},
        {"kind": "received", "message": {"a": {"Multiplier": "x", "Unit": 1, "Value": []}}},
        {"kind": "event", "value": 3},
        {"kind": "effect"},
        {"kind": "new"},
        {"kind": "effect", "value": {"type": "Reach", "facts": [3, [], ["a"]]}},
        {"kind": "ended"},
    ]
    assert drawn([json.dumps(entry) for entry in (head, *strange)])


def test_program_draws_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "session.jsonl"
    path.write_text("\n".join(trace(AC_EIM)))
    assert main([str(path)]) == 0
    assert "SessionSetupReq" in capsys.readouterr().out
    assert main([str(path), "--mermaid", "--whole"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        '{"t":"x","kind":"note"}',
        '{"t":1,"kind":"received","message":{"Body":{"CurrentDemandReq":{"EVTargetVoltage":{"Multiplier":9999,"Unit":"V","Value":1}}}}}',
        '{"t":1,"kind":"received","message":{"Body":{"CurrentDemandReq":{"EVTargetVoltage":{"Multiplier":"x","Unit":"V","Value":1}}}}}',
        '{"t":1e999999,"kind":"event","value":{"type":["x"]}}',
        '{"t":' + "9" * 400 + ',"kind":"note"}',
    ],
)
def test_a_line_that_no_station_writes_is_refused_or_drawn(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"t":0,"kind":"trace","version":1}\n' + line + "\n")
    if main([str(path)]):
        assert "line 2 is not an entry of a trace" in capsys.readouterr().err


# --- captures -------------------------------------------------------------------------------------------------------------


def test_a_capture_is_drawn_from_its_octets_like_the_trace() -> None:
    kept = recorder()
    AC_EIM.pair(Behaviour(loops=40), recorder=kept).run()
    records = read_capture(written(captured(kept)))
    assert {record.message for record in records} == {None}
    of_capture = [step.text for step in folded(capture_steps(records)) if step.kind in ("received", "sent")]
    of_trace = [step.text for step in folded(steps(read_trace(trace(AC_EIM)))) if step.kind in ("received", "sent")]
    # The trace has its events between the messages, where a loop is cut.
    assert list(dict.fromkeys(of_capture)) == list(dict.fromkeys(of_trace))
    lines = list(as_mermaid(folded(capture_steps(records))))
    assert lines[0] == "sequenceDiagram"
    assert "    EVCC->>SECC: ChargingStatusReq x 40" in lines
    assert any(line.startswith("    SECC-->>EVCC: SessionStopRes: OK") for line in lines)


def test_exchanges_that_a_capture_lacks_are_counted_in_their_loop() -> None:
    kept = recorder()
    AC_EIM.pair(Behaviour(loops=40), recorder=kept).run()
    whole = captured(kept)
    requests = [step.text for step in capture_steps(whole) if step.kind == "received"]
    short = thinned(whole, [name if name in {"ChargingStatusReq"} else str(n) for n, name in enumerate(requests)])
    assert len(short) == len(whole) - 72
    drawn = list(as_text(folded(capture_steps(short))))
    assert sum("ChargingStatusReq x 40" in line for line in drawn) == 1
    assert not any("left out" in line for line in drawn)
    assert sum("... 72 messages left out ..." in line for line in as_text(list(capture_steps(short)))) == 1
    cut = [record for record in whole if not 4 <= record.index < 8]
    assert sum("... 4 messages left out ..." in line for line in as_text(folded(capture_steps(cut)))) == 1


def test_messages_without_a_reader_are_drawn_as_the_capture_has_them() -> None:
    head = {"session": 0, "t": 1.5, "payload_type": 32769, "schema": "din", "exi": "8098"}
    lines = [
        json.dumps(head | {"index": 0, "dir": "ev", "message": {"V2G_Message": {"Body": {"CableCheckReq": {}}}}}),
        json.dumps(head | {"index": 1, "dir": "evse"}),
    ]
    text = list(as_text(list(capture_steps(read_capture(lines)))))
    assert "session 0: DIN SPEC 70121" in text[1]
    assert "--CableCheckReq--" in text[2]
    assert "<--2 octets--" in text[3]


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")
@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_recorded_session_is_drawn(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(path), "--mermaid"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sequenceDiagram"
    assert any("EVCC->>SECC: supportedAppProtocolReq" in line for line in lines)
    assert all(line.startswith("    ") and ";" not in line and "#" not in line for line in lines[1:])
    records = read_capture(read_lines(path))
    bare = [replace(record, message=None) for record in records]
    if {record.schema for record in records} <= {"sap", "iso2"}:
        ours = [(step.text.rpartition(":")[2], step.detail) for step in capture_steps(bare)]
        theirs = [(step.text.rpartition(":")[2], step.detail) for step in capture_steps(records)]
        assert ours == theirs, "drawn from the octets, and from the decoding of another codec"

"""Traces of whole sessions run again, and say the same; what was changed in them is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secc.errors import SeccError
from secc.iso2 import protocol
from secc.session.effects import KeepForResume
from secc.session.events import EmergencyStopped, Fault, LimitChanged, RenegotiationRequested, StopRequested, Unplugged
from secc.session.protocol import Transport
from secc.trace.recorder import Recorder
from tests.pair import BEGAN, Outlet
from tests.ways import AC_EIM, AC_PNC, DC_EIM, DC_PNC, EVERY_KIND, Way
from tools.diagram import TraceUnreadable
from tools.evcc.behaviour import Behaviour
from tools.evcc.iso2.flaws import FLAWS
from tools.replay import NotReplayable, main, replay


def trace(way: Way, behaviour: Behaviour | None = None, *events: Any, personal: bool = True) -> list[str]:
    recorder = Recorder(BEGAN, ring_octets=8_000_000, keep_personal=personal, outlet="left")
    pair = way.pair(behaviour if behaviour is not None else Behaviour(loops=30), recorder=recorder)
    for event in events:
        pair.at(3.0, event)
    pair.run()
    return list(recorder.take())


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_trace_of_a_session_replays_to_the_octet(way: Way) -> None:
    outcome = replay(trace(way))
    assert outcome.differences == []
    assert outcome.messages > 30


@pytest.mark.parametrize(
    "event",
    [StopRequested("driver"), EmergencyStopped(), Fault("weld", "x"), RenegotiationRequested(), LimitChanged(9000.0), Unplugged()],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
@pytest.mark.parametrize("way", [DC_EIM, AC_PNC], ids=str)
def test_events_replay(way: Way, event: Any) -> None:
    assert replay(trace(way, Behaviour(loops=60), event)).differences == []


@pytest.mark.parametrize("way", [AC_PNC, DC_PNC], ids=str)
@pytest.mark.parametrize("flaw", [None, *(flaw for flaw in FLAWS if flaw.startswith("receipt"))])
def test_receipts_replay_with_the_meters_records(flaw: str | None, way: Way) -> None:
    recorder = Recorder(BEGAN, ring_octets=8_000_000, keep_personal=True, outlet="left")
    outlet = Outlet(meter_record=bytes(range(64)))
    way.pair(Behaviour(loops=20, flaw=flaw), outlet, recorder, receipt_seconds=0.5).run()
    lines = list(recorder.take())
    assert any('"MeteringReceiptReq"' in line for line in lines)
    assert replay(lines).differences == []


@pytest.mark.parametrize(
    ("way", "on"), [(DC_EIM, Transport.PLAIN), (DC_PNC, Transport.TLS), (DC_EIM, Transport.MUTUAL_TLS13)], ids=str
)
def test_the_protocol_that_was_agreed_on_is_agreed_on_again_on_its_transport(way: Way, on: Transport) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("another protocol for the same car")

    agreed = replace(protocol(), transports=frozenset({on}))
    another = replace(agreed, name="another", load=lambda: replace(agreed.load(), open=never))
    assert replay(trace(way), (agreed, another)).differences == []


@pytest.mark.parametrize("flaw", sorted(FLAWS))
def test_sessions_with_wrong_cars_replay(flaw: str) -> None:
    way = DC_PNC if any(word in flaw for word in ("sign", "challenge", "emaid", "leaf", "certificate")) else DC_EIM
    assert replay(trace(way, Behaviour(loops=3, flaw=flaw, patience=1000.0))).differences == []


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_a_pause_and_its_resume_replay(way: Way) -> None:
    recorders = [Recorder(BEGAN, ring_octets=8_000_000, keep_personal=True, outlet="left") for _ in range(2)]
    first = way.pair(Behaviour(loops=5, pauses=1), recorder=recorders[0]).run()
    assert first.station is not None
    assert first.station.code == "completed.pause"
    (kept,) = [wish.value for wish in first.wishes if isinstance(wish, KeepForResume)]
    car = Behaviour(loops=5, remembered=first.remembered)
    second = way.pair(car, recorder=recorders[1], paused=kept).run()
    assert second.station is not None
    assert second.station.code == "completed.terminated"
    assert "OK_OldSessionJoined" in second.codes()
    for recorder in recorders:
        outcome = replay(list(recorder.take()))
        assert outcome.differences == []
        assert outcome.messages > 10


def changed(lines: list[str], kind: str, change: Any) -> list[str]:
    """The trace with ``change`` made to the last entry of a kind."""
    place = max(n for n, line in enumerate(lines) if json.loads(line)["kind"] == kind)
    entry = json.loads(lines[place])
    change(entry)
    return [*lines[:place], json.dumps(entry), *lines[place + 1 :]]


def test_octets_that_the_station_did_not_send_are_found() -> None:
    lines = changed(trace(AC_EIM), "sent", lambda entry: entry.update(octets=entry["octets"][:-2] + "ff"))
    assert len(replay(lines).differences) == 1


def test_effects_that_the_station_did_not_want_are_found() -> None:
    lines = changed(trace(AC_EIM), "effect", lambda entry: entry.update(value={"type": "Nothing"}))
    assert replay(lines).differences


def test_another_draw_of_chance_is_found() -> None:
    lines = changed(trace(AC_EIM), "entropy", lambda entry: entry.update(octets="0102030405060708"))
    assert replay(lines).differences


def test_trace_without_personal_data_cannot_be_replayed() -> None:
    with pytest.raises(NotReplayable, match="danger_trace_personal"):
        replay(trace(DC_PNC, personal=False))


def test_thinned_trace_cannot_be_replayed() -> None:
    lines = trace(AC_EIM)
    with pytest.raises(NotReplayable, match="left out"):
        replay([*lines[:5], json.dumps({"t": 1.0, "kind": "thinned", "exchanges": 3}), *lines[5:]])


def test_trace_without_its_offer_cannot_be_replayed() -> None:
    with pytest.raises(NotReplayable, match="offered"):
        replay(line for line in trace(AC_EIM) if '"offer ' not in line)


def test_an_offer_that_no_station_makes_is_refused_in_words() -> None:
    lines = trace(AC_EIM)
    place = next(n for n, line in enumerate(lines) if '"offer ' in line)
    note = json.loads(lines[place])
    offer = json.loads(note["text"].removeprefix("offer "))
    lines[place] = json.dumps(note | {"text": "offer " + json.dumps(offer | {"ac": None})})
    with pytest.raises(TraceUnreadable, match="not what it should be"):
        replay(lines)


@pytest.mark.parametrize("number", range(0, 60, 3))
def test_damaged_trace_is_a_difference_or_an_error_of_its_kind(number: int) -> None:
    lines = trace(AC_EIM, Behaviour(loops=3))
    entry = json.loads(lines[number % len(lines)])
    for key in list(entry):
        broken = [*lines[: number % len(lines)], json.dumps({**entry, key: None}), *lines[number % len(lines) + 1 :]]
        try:
            replay(broken)
        except (SeccError, TraceUnreadable):
            continue


def test_program_tells_by_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, none = tmp_path / "good.jsonl", tmp_path / "bad.jsonl", tmp_path / "none.jsonl"
    lines = trace(AC_EIM)
    good.write_text("\n".join(lines))
    bad.write_text("\n".join(changed(lines, "sent", lambda entry: entry.update(octets="80"))))
    none.write_text("{")
    assert main([str(good)]) == 0
    assert "the same" in capsys.readouterr().out
    assert main([str(bad)]) == 1
    assert main([str(none)]) == 2

"""The ring keeps octets, not messages: what it takes of memory, and that a trace says the same as if the messages had been kept."""

from __future__ import annotations

import gc
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.readings import DcPhase
from secc.conversation import Levels, Received
from secc.iso2 import protocol
from secc.iso2.messages import SCHEMA, CurrentDemandReq, V2G_Message
from secc.session.effects import SetOutput
from secc.trace.recorder import Recorder

TRACES = sorted((Path(__file__).parents[1] / "vectors" / "traces").glob("*.jsonl"))
ISO2 = protocol()
STREAM = 0x8001
EXCHANGES = 310
"""What a ring of 512 KiB held when it kept messages, in 731 KiB and 8 077 objects."""


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def charging_loop() -> tuple[bytes, bytes]:
    """The octets of a CurrentDemandReq that a station has recorded, and of its answer."""
    trace = entries(next(path for path in TRACES if path.stem == "dc-pnc-tls"))
    found = [bytes.fromhex(line["octets"]) for line in trace if "CurrentDemand" in str(line.get("message"))]
    return found[0], found[1]


def charge(recorder: Recorder, times: int) -> None:
    """So many exchanges of a charging loop. What comes with each is new: messages, levels, the target, the time."""
    asked, said = charging_loop()
    for number in range(times):
        now = 1000.0 + number
        body, header = ISO2.load().read(STREAM, asked)
        answer, _ = ISO2.load().read(STREAM, said)
        levels = Levels("C", "closed", 400.0 + number, 20.0 + number, now, 1000.0 + number, now, True, None, now)
        received = Received(STREAM, body, header, bytes(bytearray(asked)), number + 1)
        recorder.stepped(now, received, (SetOutput(400.0 + number, 20.0 + number, DcPhase.CHARGE),), levels)
        recorder.sent(now, STREAM, answer, bytes(bytearray(said)))


def taken(recorder: Recorder, times: int) -> tuple[int, int]:
    """What so many exchanges take of memory (octets), and the objects that the collector of garbage has to look at."""
    charge(Recorder(0.0), 10)
    recorder.speaks(ISO2, 999.0)
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    try:
        charge(recorder, times)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], len(gc.get_objects()) - objects
    finally:
        tracemalloc.stop()


def test_what_a_charging_loop_takes_of_memory() -> None:
    octets, objects = taken(Recorder(0.0, ring_octets=10**7), EXCHANGES)
    assert octets <= 217 * 1024, octets / 1024
    assert objects <= 624


@pytest.mark.parametrize("kilobytes", [32, 64, 256, 1024])
def test_a_ring_takes_what_it_is_given(kilobytes: int) -> None:
    """When it is just full, and when it has been thinned many times, the largest a few times."""
    for times in (kilobytes + kilobytes // 4, min(10 * kilobytes, 4000)):
        recorder = Recorder(0.0, ring_octets=kilobytes * 1024)
        octets, _ = taken(recorder, times)
        # Beside the ring there are the newest messages for a person.
        assert octets - 2048 <= 1.02 * kilobytes * 1024
        assert 0.85 * recorder.octets <= octets - 2048 <= 1.02 * recorder.octets, "and knows what it takes"
        assert recorder.octets >= 0.4 * kilobytes * 1024


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_recorded_messages_are_told_from_their_octets_alone(path: Path) -> None:
    """As they stand in traces of stations that kept the messages themselves until the trace was rendered."""
    recorder = Recorder(0.0, keep_personal=True)
    recorded = []
    for line in entries(path):
        if str(line.get("text")).startswith("protocol "):
            recorder.speaks(ISO2, 0.0)
        elif line["kind"] == "received":
            octets = bytes.fromhex(line["octets"])
            recorder.stepped(line["t"], Received(int(line["type"], 16), None, None, octets, 0), ())
        elif line["kind"] == "sent":
            recorder.sent(line["t"], int(line["type"], 16), None, bytes.fromhex(line["octets"]))
        else:
            continue
        if line["kind"] != "note":
            recorded.append({name: value for name, value in line.items() if name != "early"})
    found = [line for line in map(json.loads, recorder.take()) if line["kind"] in ("received", "sent")]
    assert found == recorded
    assert len(found) > 4


@pytest.mark.parametrize("personal", [False, True])
def test_a_message_that_cannot_be_read_again_stands_by_its_octets_and_hides_no_other(personal: bool) -> None:
    asked, said = charging_loop()
    body, header = ISO2.load().read(STREAM, asked)

    def no_codec(payload_type: int, octets: bytes) -> Any:
        if octets == asked:
            raise ZeroDivisionError("planted")
        return ISO2.load().read(payload_type, octets)

    recorder = Recorder(0.0, keep_personal=personal)
    recorder.speaks(replace(ISO2, load=lambda: replace(ISO2.load(), read=no_codec)), 0.0)
    recorder.stepped(1.0, Received(STREAM, body, header, asked), ())
    recorder.sent(1.0, STREAM, body, said)
    recorder.stepped(2.0, Received(STREAM, body, header, b"\x80\x98 cut"), ())
    lost, told, cut = (line for line in map(json.loads, recorder.take()) if line["kind"] in ("received", "sent"))
    assert "message" not in lost and "header" not in lost
    assert lost["octets"] == asked.hex() if personal else lost["octets"]["length"] == len(asked)
    assert "CurrentDemandRes" in told["message"] and told["octets"] == said.hex()
    assert "message" not in cut


def test_what_is_about_a_person_is_told_by_the_protocol_that_was_spoken() -> None:
    """However late the trace is rendered, and whatever was spoken behind it."""
    asked, _ = charging_loop()
    read = ISO2.load().read(STREAM, asked)
    recorder = Recorder(0.0)
    for personal in (frozenset({"EVTargetVoltage"}), frozenset[str]()):
        recorder.speaks(replace(ISO2, personal=personal), 0.0)
        recorder.stepped(1.0, Received(STREAM, *read, asked), ())
    hidden, shown = (line for line in map(json.loads, recorder.take()) if line["kind"] == "received")
    assert shown["octets"] == asked.hex()
    assert "sha256" in hidden["octets"]
    demand = [line["message"]["CurrentDemandReq"]["EVTargetVoltage"] for line in (hidden, shown)]
    assert demand[0] != demand[1] and "sha256" in str(demand[0])


def test_memory_of_what_is_rendered_is_given_back_line_by_line() -> None:
    recorder = Recorder(0.0, ring_octets=10**7)
    taken(recorder, 0)
    charge(recorder, EXCHANGES)
    held = recorder._exchanges
    lines = recorder.take()
    for _ in range(EXCHANGES * 2):
        next(lines)
    assert 0 < len(held) <= EXCHANGES // 2


def test_the_octets_are_those_of_the_loop() -> None:
    asked, said = charging_loop()
    assert isinstance(SCHEMA.decode(asked).body, CurrentDemandReq)
    assert isinstance(SCHEMA.decode(said), V2G_Message)

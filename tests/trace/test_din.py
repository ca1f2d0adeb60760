"""A session of DIN SPEC 70121 in the trace, in the explanation, in a diagram: all that they know of it is what its folder exports."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from secc.din import protocol
from secc.din.dialogue import WARMING
from secc.din.messages import SCHEMA, VOCABULARY, SessionSetupReq, V2G_Message
from secc.exi import Schema
from secc.session.events import EmergencyStopped
from secc.trace.explain import explain
from secc.trace.explain_trace import record_of_trace
from secc.trace.recorder import Recorder
from tests.captures import captured, recorder, written
from tests.pair import BEGAN, Pair
from tests.ways import DC_EIM
from tools.diagram import as_mermaid, as_text, capture_steps, folded, steps
from tools.evcc.behaviour import Behaviour
from tools.evcc.din.flaws import CERTIFICATE
from tools.recording import read_capture, read_trace

EVCCID = bytes.fromhex("7A1DC0FFEE42")
CAR = Behaviour(protocols=("din",), loops=20, evcc_id=EVCCID)


def trace(behaviour: Behaviour = CAR, *events: Any, keep_personal: bool = False) -> list[str]:
    kept = Recorder(
        BEGAN,
        ring_octets=4_000_000,
        keep_personal=keep_personal,
        outlet="left",
        session="0011223344556677",
        time="2026-11-20T12:00:00+00:00",
    )
    pair: Pair = DC_EIM.pair(behaviour, recorder=kept)
    for event in events:
        pair.at(4.0, event)
    pair.run()
    return list(kept.take())


def messages(lines: list[str], kind: str) -> dict[str, Any]:
    """The last message of each name."""
    found = (json.loads(line) for line in lines)
    return {name: entry for entry in found if entry["kind"] == kind for name in entry["message"]}


def octets_of(line: str) -> bytes:
    octets = json.loads(line).get("octets")
    return bytes.fromhex(octets) if isinstance(octets, str) else b""


def bits(octets: bytes) -> str:
    """A value stands anywhere in a message, and seldom at the beginning of an octet."""
    return "".join(f"{octet:08b}" for octet in octets)


# --- redaction ------------------------------------------------------------------------------------------------------------


def test_what_names_the_car_is_in_no_trace() -> None:
    lines = trace()
    text = "\n".join(lines).lower()
    for spelling in (EVCCID.hex(), ":".join(f"{octet:02x}" for octet in EVCCID), repr(EVCCID)[2:-1].lower()):
        assert spelling not in text
    assert not [line for line in lines if bits(EVCCID) in bits(octets_of(line))]
    setup = messages(lines, "received")["SessionSetupReq"]
    assert setup["message"]["SessionSetupReq"]["EVCCID"]["length"] == len(EVCCID)
    assert setup["octets"]["length"] > len(EVCCID), "a message with personal data is written without its octets"
    others = {name: entry for name, entry in messages(lines, "received").items() if name != "SessionSetupReq"}
    assert len(others) == 11
    assert all(isinstance(entry["octets"], str) for entry in others.values())


def test_it_is_there_where_it_was_asked_for() -> None:
    setup = messages(trace(keep_personal=True), "received")["SessionSetupReq"]
    assert setup["message"]["SessionSetupReq"]["EVCCID"]["$hex"] == EVCCID.hex()
    assert bits(EVCCID) in bits(bytes.fromhex(setup["octets"]))
    assert SCHEMA.decode(bytes.fromhex(setup["octets"])).body == SessionSetupReq(evcc_id=EVCCID)


@pytest.mark.parametrize("flaw", ["contract-details", "ask-for-contract"])
def test_a_contract_that_no_station_asks_for_is_in_no_trace_either(flaw: str) -> None:
    text = "\n".join(trace(replace(CAR, flaw=flaw)))
    assert "FAILED_SequenceError" in text
    assert "DE8AACA2B3C4D5L" not in text
    assert CERTIFICATE.hex() not in text


def test_the_elements_that_are_hidden_are_elements_of_the_schema() -> None:
    assert protocol().personal <= set(VOCABULARY.elements)


# --- explanation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "events", "told"),
    [
        (CAR, (), ("completed.terminated", "SessionStopReq")),
        (replace(CAR, flaw="wrong-session-id"), (), ("refused.FAILED_UnknownSession", "ServiceDiscoveryReq")),
        (replace(CAR, flaw="skip-authorization"), (), ("refused.FAILED_SequenceError", "ChargeParameterDiscoveryReq")),
        (replace(CAR, flaw="ac-type"), (), ("refused.FAILED_WrongEnergyTransferType", "AC_three_phase_core")),
        (replace(CAR, loops=1000), (EmergencyStopped(),), ("emergency.emergency-stop", "CurrentDemandRes")),
    ],
    ids=lambda value: value.flaw or "" if isinstance(value, Behaviour) else "",
)
def test_a_session_is_explained_from_its_trace(behaviour: Behaviour, events: tuple[Any, ...], told: tuple[str]) -> None:
    record = record_of_trace(trace(behaviour, *events))
    assert record.protocol == "DIN SPEC 70121"
    text = explain(record)
    for part in told:
        assert part in " ".join(text.split())
    assert "To do" in text or behaviour.flaw is None


# --- diagram --------------------------------------------------------------------------------------------------------------


def test_a_trace_is_drawn_with_its_loops_counted() -> None:
    text = "\n".join(as_text(folded(steps(read_trace(trace())))))
    assert "CurrentDemandReq x 19" in text
    assert "ReadyToChargeState true" in text
    assert "ReadyToChargeState false" in text
    assert "EVRequestedEnergyTransferType DC_extended" in text
    assert "ended: completed.terminated" in text
    assert EVCCID.hex() not in text.lower()


def test_waiting_for_a_card_is_a_loop_and_quantities_need_no_unit() -> None:
    kept = recorder()
    DC_EIM.pair(replace(CAR, flaw="no-units"), recorder=kept, free=False, eim_seconds=20.0).run()
    lines = as_text(folded(capture_steps(read_capture(written(captured(kept))))))
    assert any("ContractAuthenticationReq x " in line for line in lines)
    kept = recorder()
    DC_EIM.pair(replace(CAR, flaw="no-units"), recorder=kept).run()
    mermaid = list(as_mermaid(folded(capture_steps(read_capture(written(captured(kept)))))))
    assert any("EVTargetVoltage 355, EVTargetCurrent 2" in line for line in mermaid)


# --- warming --------------------------------------------------------------------------------------------------------------


def test_no_message_of_a_session_is_compiled_after_the_warming(
    monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    lines = [json.loads(line) for line in trace(keep_personal=True)]
    said = [(entry["kind"], bytes.fromhex(entry["octets"])) for entry in lines if entry["kind"] in ("received", "sent")]
    again = Schema("again", roots=(V2G_Message,), globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)
    monkeypatch.setattr(WARMING, "schema", again)
    loaded = protocol().load()
    loaded.warm()
    loop = len(compiled)
    assert loop > 0
    for _ in loaded.warm_rest():
        pass
    assert len(compiled) > loop
    compiled.clear()
    for kind, octets in said[2:]:
        message = again.decode(octets)
        if kind == "sent":
            assert again.encode(message) == octets
    assert not compiled

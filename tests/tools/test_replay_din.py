"""Recorded cars of DIN SPEC 70121 through today's station: `secc replay` of their octets, and of sessions of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from secc.din import messages as m
from secc.din.messages import SCHEMA
from secc.session.events import EimDecided, EmergencyStopped, LimitChanged, StopRequested, Unplugged
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.trace.recorder import Recorder
from tests.captures import captured, recorder, thinned, written
from tests.pair import BEGAN, Pair
from tests.recordings import CAPTURES
from tests.ways import DC_EIM
from tools.evcc.behaviour import Behaviour
from tools.evcc.din.flaws import FLAWS
from tools.recording import Recorded, read_capture, read_lines
from tools.replay import SessionOutcome, Setting, main, replay, replay_capture

# --- recorded cars --------------------------------------------------------------------------------------------------

IONIQ = "2023-04-16_at_home_Ioniq_in_currentDemandLoop"
POLESTAR = "2024-06-18_Griffigroen_pyPLC_polestar2_discharging_with_additional_prechargeCircuit"
JOSEV = "DIN_DC_DS5366_Josev"
COMPLEO = "2022-12-13_compleo_with_bulb"
ABB = "2022-11-25_v0.2_ABB_until_ChargeParamDiscovery"

ENDS: dict[str, str | None] = {
    IONIQ: None,
    POLESTAR: "completed.terminated",
    JOSEV: "completed.terminated",
    COMPLEO: None,
}
"""How their sessions end; None for a recording that ends before."""

recorded_cars = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")

TIME = "the recorded station does not tell the time"
OPTIONAL = "optional, and not said here"
SAID = "the recorded station leaves an optional value out"
TUPLE = "ids are the station's choice; the car repeats them"
UNITLESS = "the recorded station leaves the unit out, as the schema allows"
STATE = "here the station is ready once the cable check has passed, and there is no other sign of readiness"
TESTING = "here a test of the cable is told as such, and the cable is not valid before it has passed"
AFTER = "here the station that has switched off is not ready"

PMAX = "ChargeParameterDiscoveryRes.SAScheduleList.SAScheduleTuple[0].PMaxSchedule"
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    IONIQ: {
        "SessionSetupRes.DateTimeNow": TIME,
        "CableCheckRes.DC_EVSEStatus.EVSEIsolationStatus": SAID,
        "CableCheckRes.DC_EVSEStatus.EVSEStatusCode": STATE,
        "PreChargeRes.DC_EVSEStatus.EVSEStatusCode": STATE,
        "PreChargeRes.EVSEPresentVoltage": UNITLESS,
        "CurrentDemandRes.EVSEMaximumCurrentLimit": SAID,
        "CurrentDemandRes.EVSEMaximumPowerLimit": SAID,
        "CurrentDemandRes.EVSEMaximumVoltageLimit": SAID,
    },
    POLESTAR: {
        "SessionSetupRes.DateTimeNow": TIME,
        "ChargeParameterDiscoveryRes.DC_EVSEChargeParameter.EVSECurrentRegulationTolerance": OPTIONAL,
        f"{PMAX}.PMaxScheduleEntry[0].PMax": "50 where 10 kW are the limit: what the recorded station meant is not known (Q-61)",
        f"{PMAX}.PMaxScheduleEntry[0].RelativeTimeInterval.duration": "the last entry of a schedule needs a duration",
        f"{PMAX}.PMaxScheduleID": TUPLE,
        "ChargeParameterDiscoveryRes.SAScheduleList.SAScheduleTuple[0].SAScheduleTupleID": TUPLE,
        "CableCheckRes.DC_EVSEStatus.EVSEIsolationStatus": TESTING,
        "CableCheckRes.DC_EVSEStatus.EVSEStatusCode": TESTING,
        "PreChargeRes.EVSEPresentVoltage": UNITLESS,
        "CurrentDemandRes.EVSECurrentLimitAchieved": "22 A of 200 A are no limit; the recorded station says True in each answer",
        "CurrentDemandRes.EVSEMaximumCurrentLimit": SAID,
        "CurrentDemandRes.EVSEMaximumPowerLimit": SAID,
        "CurrentDemandRes.EVSEMaximumVoltageLimit": SAID,
        "CurrentDemandRes.DC_EVSEStatus.EVSEStatusCode": "the recorded station stops by its status alone, without a notification",
        "WeldingDetectionRes.DC_EVSEStatus.EVSEIsolationStatus": SAID,
    },
    JOSEV: {
        "SessionSetupRes.DateTimeNow": TIME,
        "ChargeParameterDiscoveryRes.DC_EVSEChargeParameter.EVSEEnergyToBeDelivered": OPTIONAL,
        "CableCheckRes.DC_EVSEStatus.EVSEIsolationStatus": TESTING,
        "CableCheckRes.DC_EVSEStatus.EVSEStatusCode": TESTING,
        "WeldingDetectionRes.DC_EVSEStatus.EVSEStatusCode": AFTER,
    },
    COMPLEO: {
        "SessionSetupRes.DateTimeNow": TIME,
        "ChargeParameterDiscoveryRes.DC_EVSEChargeParameter.DC_EVSEStatus.EVSEStatusCode": "here a station that has agreed is ready",
        f"{PMAX}.PMaxScheduleEntry[0].RelativeTimeInterval.duration": "a day here, 194 days there",
        f"{PMAX}.PMaxScheduleID": TUPLE,
        "ChargeParameterDiscoveryRes.SAScheduleList.SAScheduleTuple[0].SAScheduleTupleID": TUPLE,
        "PreChargeRes.DC_EVSEStatus.EVSEStatusCode": "the recorded station gives its precharge up, and says OK all the same",
    },
    ABB: {
        "SessionSetupRes.DateTimeNow": TIME,
        "SessionSetupRes.ResponseCode": "a new session is OK_NewSessionEstablished",
    },
}
"""What differs from the recorded station's answers, and why it may."""

EVSE_ID = "SessionSetupRes.EVSEID.$hex"
"""Without tolerances the id of an outlet without one is not `00`. (Q-33)"""


def recording(name: str) -> list[Recorded]:
    return read_capture(read_lines(CAPTURES / f"{name}.jsonl"))


def told(outcome: SessionOutcome) -> set[str]:
    """Each difference, printed, without its values."""
    for difference in outcome.differences:
        print(difference)
    return {f"{difference.message}.{difference.field}" for difference in outcome.differences}


@recorded_cars
@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
@pytest.mark.parametrize("name", ENDS)
def test_a_recorded_car_hears_ok_up_to_the_end_of_its_recording(name: str, strict: bool) -> None:
    (outcome,) = replay_capture(recording(name), Setting(strict=strict))
    assert (outcome.reason.code if outcome.reason is not None else None) == ENDS[name]
    assert outcome.not_fed == 0
    assert {answer.code for answer in outcome.answers[2:]} == {"OK"}
    assert outcome.same
    assert len(outcome.answers) >= outcome.requests > 30
    assert not any("SessionID" in line or "random" in line for line in outcome.exchanged)
    assert told(outcome) - ({EVSE_ID} if strict else set()) == DIFFERENCES[name].keys()


@recorded_cars
@pytest.mark.parametrize("name", ENDS)
def test_a_recorded_car_meets_a_station_that_takes_no_time(name: str) -> None:
    (outcome,) = replay_capture(recording(name), Setting(quick=True))
    assert outcome.same
    assert (outcome.reason.code if outcome.reason is not None else None) == ENDS[name]


@recorded_cars
@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
def test_a_recorded_car_that_leaves_out_the_authorization_is_refused(strict: bool) -> None:
    """The recording ends with its request: the recorded station did not answer it."""
    (outcome,) = replay_capture(recording(ABB), Setting(strict=strict))
    assert [answer.code for answer in outcome.answers[1:]] == [
        "OK_NewSessionEstablished",
        "OK",
        "OK",
        "FAILED_SequenceError",
    ]
    assert outcome.answers[-1].name == "ChargeParameterDiscoveryRes"
    assert outcome.reason is not None
    assert outcome.reason.code == "refused.FAILED_SequenceError"
    assert told(outcome) - ({EVSE_ID} if strict else set()) == DIFFERENCES[ABB].keys()


@recorded_cars
def test_a_car_that_prefers_din_speaks_iso_15118_2_with_a_station_without_din() -> None:
    """Its SchemaID for it is 0. (Q-29)"""
    (outcome,) = replay_capture(recording(POLESTAR), Setting(spoken=("iso2",)))
    answer = SAP.decode(outcome.answers[0].octets)
    assert answer.response_code == "OK_SuccessfulNegotiation"  # type: ignore[union-attr]  # a response
    assert answer.schema_id == 0  # type: ignore[union-attr]  # a response
    assert len(outcome.answers) == 1
    assert outcome.not_fed == 36
    assert not outcome.same
    assert any("ISO 15118-2, where the recording goes on in DIN SPEC 70121" in line for line in outcome.exchanged)


@recorded_cars
def test_a_car_that_has_nothing_else_is_not_served_by_a_station_without_din() -> None:
    (outcome,) = replay_capture(recording(IONIQ), Setting(spoken=("iso2",)))
    assert [answer.code for answer in outcome.answers] == ["Failed_NoNegotiation"]


@recorded_cars
@pytest.mark.parametrize(
    ("protocols", "code"),
    [("", 0), ("protocols = ['iso2']", 1), ("protocols = ['din']", 0)],
    ids=["both", "iso2", "din"],
)
def test_the_configuration_says_which_protocols_the_station_speaks(
    tmp_path: Path, protocols: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "secc.toml"
    path.write_text(f'[[outlet]]\nhal = "sim:"\ninterface = "lo"\ntransfers = ["dc"]\n{protocols}\n')
    assert main(["--config", str(path), str(CAPTURES / f"{POLESTAR}.jsonl")]) == code, capsys.readouterr().out


@recorded_cars
def test_the_program_takes_the_protocols_of_the_station(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(CAPTURES / f"{POLESTAR}.jsonl")
    assert main([path]) == 0
    assert "37 requests of the car, OK in every answer; ended: completed.terminated" in capsys.readouterr().out
    assert main(["--protocol", "iso2", path]) == 1
    assert "not fed, after the end of the session: 36 requests" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--protocol", "iso2", "--config", "any.toml", path])


# --- sessions of our own ------------------------------------------------------------------------------------------------

CAR = Behaviour(protocols=("din",), loops=30)


def session(behaviour: Behaviour = CAR, *events: object, **offer: object) -> list[Recorded]:
    """A simulated session; ``events`` happen after four seconds."""
    kept = recorder()
    pair: Pair = DC_EIM.pair(behaviour, recorder=kept, **offer)
    for event in events:
        pair.at(4.0, event)  # type: ignore[arg-type]  # all of them are events
    pair.run()
    return captured(kept)


def _named(events: tuple[object, ...]) -> str:
    """The same name in every process that collects the tests."""
    return "-".join(type(event).__name__ for event in events)


@pytest.mark.parametrize(
    ("behaviour", "events"),
    [
        (CAR, ()),
        (replace(CAR, stop_before="CableCheck"), ()),
        (replace(CAR, stop_before="CurrentDemand"), ()),
        (replace(CAR, flaw="no-units"), ()),
        (replace(CAR, flaw="short-session-id"), ()),
        (replace(CAR, loops=1000), (StopRequested("operator"),)),
        (replace(CAR, loops=100), (LimitChanged(7_000.0),)),
        (replace(CAR, flaw="wrong-session-id"), ()),
        (replace(CAR, flaw="skip-authorization"), ()),
        (replace(CAR, flaw="low-limits"), ()),
        (replace(CAR, flaw="garbage-before"), ()),
        (replace(CAR, loops=1000), (EmergencyStopped(),)),
    ],
    ids=lambda value: value.flaw or value.stop_before or "" if isinstance(value, Behaviour) else _named(value),
)
def test_a_session_of_our_own_is_answered_as_it_was(behaviour: Behaviour, events: tuple[object, ...]) -> None:
    (outcome,) = replay_capture(session(behaviour, *events))
    print(*outcome.differences, sep="\n")
    assert outcome.same
    assert outcome.not_fed == 0


def test_a_whole_session_of_our_own_is_answered_to_the_octet() -> None:
    records = session()
    (outcome,) = replay_capture(records)
    assert outcome.well
    assert outcome.differences == []
    assert [answer.octets for answer in outcome.answers] == [record.octets for record in records if not record.ev]


def test_a_card_that_came_late_comes_late_again() -> None:
    records = session(replace(CAR, loops=5), EimDecided(True, "rfid"), free=False)
    (outcome,) = replay_capture(records)
    assert outcome.well
    assert outcome.differences == []
    (quick,) = replay_capture(records, Setting(quick=True))
    assert quick.well
    assert quick.left_out["ContractAuthenticationReq"] > 3


def test_loops_that_a_recording_lacks_are_no_difference() -> None:
    records = session()
    names = [
        type(SAP.decode(record.octets) if record.schema == "sap" else SCHEMA.decode(record.octets).body).__name__
        for record in records
        if record.ev
    ]
    short = thinned(records, names)
    assert len(short) < len(records)
    (outcome,) = replay_capture(short)
    assert outcome.well
    assert outcome.lacking > 20


def test_an_answer_that_differs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def worse(record: Recorded) -> Recorded:
        message = SCHEMA.decode(record.octets) if record.schema == "din" else None
        if message is None or not isinstance(message.body, m.WeldingDetectionRes):
            return record
        body = replace(message.body, response_code=m.ResponseCode.FAILED)
        return replace(record, octets=SCHEMA.encode(replace(message, body=body)))

    path = tmp_path / "capture.jsonl"
    path.write_text("\n".join(written(worse(record) for record in session())))
    assert main([str(path)]) == 1
    assert "WeldingDetectionRes.ResponseCode" in capsys.readouterr().out


# --- whole traces of our own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "events"),
    [
        (CAR, ()),
        (replace(CAR, protocols=("din", "iso2")), ()),
        (replace(CAR, protocols=("iso2", "din")), ()),
        (replace(CAR, stop_before="PreCharge"), ()),
        (replace(CAR, stop_before="CurrentDemand"), ()),
        (replace(CAR, loops=1000), (StopRequested("operator"),)),
        (replace(CAR, loops=100), (LimitChanged(7_000.0),)),
        (replace(CAR, loops=1000), (EmergencyStopped(),)),
        (replace(CAR, loops=1000), (Unplugged(),)),
        *((replace(CAR, flaw=name, patience=100.0), ()) for name in FLAWS),
    ],
    ids=lambda value: (
        value.flaw or value.stop_before or "-".join(value.protocols) if isinstance(value, Behaviour) else _named(value)
    ),
)
def test_a_trace_replays_to_the_octet(behaviour: Behaviour, events: tuple[object, ...]) -> None:
    kept = recorder()
    pair = DC_EIM.pair(behaviour, recorder=kept)
    for event in events:
        pair.at(4.0, event)  # type: ignore[arg-type]  # all of them are events
    line = pair.run()
    outcome = replay(kept.take())
    assert outcome.differences == []
    assert outcome.messages == len([octets for octets in pair.transcript if octets[:2] != b"\x01\xfe"])
    assert outcome.steps > 1
    assert line.station is not None


def test_a_session_that_another_code_would_have_answered_otherwise_is_told() -> None:
    kept = recorder()
    DC_EIM.pair(recorder=kept, behaviour=CAR).run()
    lines = list(kept.take())
    place = next(n for n, line in enumerate(lines) if '"kind":"sent"' in line and "CableCheckRes" in line)
    changed = lines[place].replace('"octets":"', '"octets":"00', 1)
    outcome = replay([*lines[:place], changed, *lines[place + 1 :]])
    assert len(outcome.differences) == 1
    assert "sent" in outcome.differences[0]


def test_a_thinned_trace_replays_as_a_capture_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Recorder(BEGAN, ring_octets=60_000, keep_personal=True)
    DC_EIM.pair(replace(CAR, loops=400), recorder=kept).run()
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(kept.take()))
    assert main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "OK in every answer; ended: completed.terminated" in said
    assert "left out by the recording" in said
    assert "differs" not in said

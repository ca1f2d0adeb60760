"""The simulated car against the station's ISO 15118-2, over octets, on a virtual clock: every way to charge, to stop and to be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from certs.chain import Anchors
from hal.readings import DcPhase
from secc.iso2.messages import EVSEProcessing
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    ValidateContract,
    Verdict,
)
from secc.session.events import (
    ConnectionClosed,
    EimDecided,
    EmergencyStopped,
    Fault,
    LinkLost,
    OngoingForced,
    RenegotiationRequested,
    StopRequested,
    Unplugged,
)
from tests.lab_trust import AT
from tests.pair import Line, Outlet, Pair
from tests.ways import AC_EIM, AC_PNC, ANCHORS, BOTH, DC_EIM, DC_OFFER, DC_PNC, EVERY_KIND, WALLET, WAYS, Way
from tools.evcc.battery import Battery
from tools.evcc.behaviour import Behaviour, Current
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.iso2.flaws import FLAWS
from tools.pki.lab import build_lab_pki

LONG = Behaviour(loops=10_000)


def ends_safely(pair: Pair, line: Line) -> None:
    """What holds in every ending: the contactor is open, the supply off, and no current ever flowed outside of pilot C."""
    assert line.station is not None
    assert line.station.kind != "bug", line.station
    assert line.car is None or line.car.kind != "bug", line.car
    assert not pair.outlet.closed
    assert pair.outlet.amperes == 0.0
    assert OpenContactor() in line.wishes
    assert not pair.outlet.incidents


def charged(pair: Pair, line: Line, how: str = "full") -> None:
    """A whole session, and the meter and the battery agree."""
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code == f"completed.{how}", (line.car, line.station)
    assert line.station is not None
    assert line.station.well, line.station
    assert all(code.startswith("OK") for code in line.codes())
    metered = pair.outlet.watt_hours - 12_345.0
    assert metered > 0.0
    assert pair.battery.delivered == pytest.approx(metered, rel=0.1)


# --- the ways to charge ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_way_to_charge(way: Way) -> None:
    pair = way.pair()
    line = pair.run()
    charged(pair, line)
    wanted = ["protocol", "session", "authorized"]
    wanted += ["cable-check", "precharge"] if way.current is Current.DC else []
    assert [name for name in line.announced if name != "charging"][: len(wanted)] == wanted
    assert ("ValidateContract" in line.asked) is (way.payment is Paid.CONTRACT)


def test_dc_session_ends_at_the_state_of_charge_that_the_car_wants() -> None:
    pair = DC_EIM.pair(Behaviour(target_state_of_charge=0.36, speed=50.0))
    charged_at = Battery().state_of_charge
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code == "completed.full"
    assert charged_at < 0.36 <= pair.battery.state_of_charge < 0.37


def test_two_runs_say_the_same_to_the_octet() -> None:
    first, second = DC_EIM.pair(), DC_EIM.pair()
    assert first.run() == second.run()
    assert first.transcript == second.transcript
    assert len(first.transcript) > 50


def test_the_challenge_is_fresh_in_every_session() -> None:
    challenges = set()
    for seed in range(5):
        behaviour = Behaviour(current=Current.DC, payment=Paid.CONTRACT, stop_before="Authorization")
        offer = replace(DC_OFFER, tls=True, payments=BOTH, free=False)
        line = Pair(behaviour, offer, wallet=WALLET, outlet=Outlet(anchors=ANCHORS), seed=seed).run()
        challenges |= {answer.gen_challenge for answer in line.answers if hasattr(answer, "gen_challenge")}
    assert len(challenges) == 5


def test_contract_is_not_offered_on_plain_tcp() -> None:
    line = Way(Current.DC, Paid.CONTRACT, tls=False).pair(payments=BOTH).run()
    assert line.car is not None
    assert line.car.code == "refused.payment-not-offered"
    assert "PaymentServiceSelectionReq" not in line.said


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_details_of_services_may_be_asked_for(way: Way) -> None:
    pair = way.pair(Behaviour(loops=20, ask_detail=True))
    line = pair.run()
    charged(pair, line)
    assert "ServiceDetailReq" in line.said


# --- early ends -----------------------------------------------------------------------------------------------------------

EARLY = {
    Current.DC: [
        "ServiceDiscovery", "PaymentServiceSelection", "Authorization", "ChargeParameterDiscovery", "CableCheck",
        "PreCharge", "PowerDelivery",
    ],
    Current.AC: [
        "ServiceDiscovery", "PaymentServiceSelection", "Authorization", "ChargeParameterDiscovery", "PowerDelivery",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("way", "request_name"),
    [(way, name) for way in EVERY_KIND for name in EARLY[way.current]]
    + [(way, "PaymentDetails") for way in (DC_PNC, AC_PNC)],
    ids=str,
)
def test_the_car_may_leave_before_charging(way: Way, request_name: str) -> None:
    pair = way.pair(Behaviour(stop_before=request_name))
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code == "completed.early"
    assert line.station is not None
    assert line.station.well, line.station
    assert line.codes()[-1] == "OK"
    assert line.said[-2:] == ["SessionStopReq", "SessionStopRes"]
    assert pair.outlet.watt_hours == 12_345.0


def test_dc_car_may_leave_without_welding_detection() -> None:
    pair = DC_EIM.pair(Behaviour(loops=10, stop_before="WeldingDetection"))
    line = pair.run()
    charged(pair, line)
    assert "WeldingDetectionReq" not in line.said


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_the_driver_of_the_car_may_stop_it(way: Way) -> None:
    pair = way.pair(LONG).at(10.0, StopRequested("driver"), to="car")
    charged(pair, pair.run(), "by-car")


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_the_station_may_ask_the_car_to_stop(way: Way) -> None:
    pair = way.pair(LONG).at(10.0, StopRequested("operator"))
    line = pair.run()
    charged(pair, line, "by-station")
    assert line.finished_at < 100.0 + 15.0


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_power_goes_off_under_a_car_that_does_not_stop_when_asked(way: Way) -> None:
    pair = way.pair(LONG).car_ignores_wishes().at(10.0, StopRequested("operator"))
    line = pair.run()
    ends_safely(pair, line)
    assert line.finished_at < 100.0 + 10.0 + 12.0
    assert line.station is not None
    assert not line.station.well


# --- renegotiation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_the_car_may_renegotiate(way: Way) -> None:
    pair = way.pair(Behaviour(loops=30, renegotiate_after=10))
    line = pair.run()
    charged(pair, line)
    assert line.said.count("ChargeParameterDiscoveryReq") == 2
    assert line.said.count("CableCheckReq") >= (2 if way.current is Current.DC else 0)
    assert line.said.count("AuthorizationRes") == line.said[: line.said.index("ChargeParameterDiscoveryReq")].count(
        "AuthorizationRes"
    )


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_the_station_may_ask_for_a_renegotiation(way: Way) -> None:
    pair = way.pair(Behaviour(loops=100)).at(8.0, RenegotiationRequested())
    line = pair.run()
    charged(pair, line)
    assert "renegotiation" in line.announced
    assert line.said.count("ChargeParameterDiscoveryReq") == 2


# --- things that happen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Unplugged(), "severed.unplugged"),
        (LinkLost(), "severed.link-lost"),
        (ConnectionClosed(), "severed.connection-closed"),
        (EmergencyStopped(), "emergency.emergency-stop"),
        (Fault("insulation_fault"), "emergency.fault"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_power_is_off_at_once_when_something_happens(way: Way, event: object, code: str) -> None:
    pair = way.pair(LONG)
    off_at: list[float] = []
    pair.at(10.0, event)  # type: ignore[arg-type]  # all of them are events
    pair.on_open(lambda: off_at.append(pair.now))
    line = pair.run()
    ends_safely(pair, line)
    assert line.station is not None
    assert line.station.code == code
    assert off_at[0] == pytest.approx(110.0)


def test_emergency_answers_the_next_request_with_its_status_where_there_is_one() -> None:
    pair = DC_EIM.pair(LONG).at(10.0, EmergencyStopped())
    line = pair.run()
    ends_safely(pair, line)
    assert line.said[-2:] == ["CurrentDemandReq", "CurrentDemandRes"]
    assert line.answers[-1].dc_evse_status.evse_status_code == "EVSE_EmergencyShutdown"


def test_emergency_answers_the_next_request_with_failed_where_there_is_no_status() -> None:
    pair = AC_EIM.pair(LONG).at(10.0, EmergencyStopped())
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code == "refused.FAILED"
    assert line.codes()[-1] == "FAILED"


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
@pytest.mark.parametrize("seconds", [0.003, 0.02, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
def test_unplugging_at_any_moment_is_safe(way: Way, seconds: float) -> None:
    pair = way.pair(LONG).at(seconds, Unplugged())
    line = pair.run()
    assert line.station is not None
    assert line.station.kind in ("severed", "completed")
    assert not pair.outlet.closed


# --- who may charge -------------------------------------------------------------------------------------------------------


def test_a_card_may_come_later() -> None:
    pair = DC_EIM.pair(free=False).at(5.0, EimDecided(True, "rfid"))
    line = pair.run()
    charged(pair, line)
    waiting = [a for a in line.answers if hasattr(a, "evse_processing") and "Waiting" in a.evse_processing]
    assert len(waiting) > 3
    assert line.finished_at > 105.0


def test_a_refused_card_leaves_time_for_another_one() -> None:
    pair = DC_EIM.pair(free=False).at(3.0, EimDecided(False, "rfid")).at(6.0, EimDecided(True, "rfid"))
    charged(pair, pair.run())


def test_no_card_ends_the_session() -> None:
    pair = DC_EIM.pair(free=False, eim_seconds=30.0)
    line = pair.run()
    assert line.station is not None
    assert not line.station.well
    assert line.codes()[-1].startswith("FAILED")
    assert not pair.outlet.closed
    assert 130.0 <= line.finished_at < 131.0


def test_a_card_counts_while_the_contract_is_pending() -> None:
    pair = DC_PNC.pair(outlet=Outlet(silent=(AuthorizeContract,))).at(5.0, EimDecided(True, "rfid"))
    charged(pair, pair.run())


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (Decision.REJECTED, "FAILED"),
        (Decision.CERTIFICATE_REVOKED, "FAILED_CertificateRevoked"),
        (Decision.NOT_ALLOWED_HERE, "FAILED_CertificateNotAllowedAtThisEVSE"),
    ],
)
def test_a_contract_that_may_not_charge_here_is_refused(decision: Decision, code: str) -> None:
    pair = DC_PNC.pair(outlet=Outlet(verdict=Verdict(decision)))
    line = pair.run()
    assert line.car is not None
    assert line.car.code == f"refused.{code}"
    assert "ChargeParameterDiscoveryReq" not in line.said
    assert not pair.outlet.closed


def test_a_backend_that_does_not_answer_refuses_within_the_cars_patience() -> None:
    pair = DC_PNC.pair(outlet=Outlet(silent=(AuthorizeContract,)))
    line = pair.run()
    assert line.car is not None
    assert line.car.code == "refused.FAILED"
    assert 150.0 < line.finished_at < 160.0


def test_a_contract_under_an_unknown_root_is_refused() -> None:
    pair = DC_PNC.pair()
    pair.outlet.anchors = Anchors()
    line = pair.run()
    assert line.car is not None
    assert line.car.code == "refused.FAILED_NoCertificateAvailable"


def test_a_contract_signed_with_another_key_is_refused() -> None:
    pair = DC_PNC.pair()
    stranger = build_lab_pki(AT, seed=8).contract.leaf.key
    pair.with_wallet(replace(WALLET, key=stranger))  # type: ignore[arg-type]  # P-256 in this edition
    line = pair.run()
    assert line.car is not None
    assert line.car.code == "refused.FAILED_SignatureError"


def test_validation_that_never_ends_is_refused_in_time() -> None:
    pair = DC_PNC.pair(outlet=Outlet(silent=(ValidateContract,)))
    line = pair.run()
    assert line.car is not None
    assert line.car.code.startswith("refused.FAILED")
    assert line.finished_at < 106.0


# --- the power path says no -----------------------------------------------------------------------------------------------


def test_cable_that_fails_its_check_ends_the_session() -> None:
    pair = DC_EIM.pair(outlet=Outlet(cable=CableChecked(False, "fault", "20 kilo-ohms")))
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code == "refused.FAILED"
    assert "PreChargeReq" not in line.said


def test_cable_check_without_an_end_ends_before_the_car_gives_up() -> None:
    pair = DC_EIM.pair(outlet=Outlet(silent=(CheckCable,)))
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code == "refused.FAILED"
    assert 137.0 < line.finished_at < 141.0


@pytest.mark.parametrize("way", [DC_EIM, AC_EIM], ids=str)
def test_power_that_does_not_come_is_refused(way: Way) -> None:
    pair = way.pair(outlet=Outlet(start=PowerReported(False, "contactor did not close")))
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code.startswith("refused.FAILED_")


@pytest.mark.parametrize("way", [DC_EIM, AC_EIM], ids=str)
def test_power_path_that_does_not_answer_is_refused_within_the_cars_timeout(way: Way) -> None:
    pair = way.pair(outlet=Outlet(silent=(StartPower,)))
    line = pair.run()
    ends_safely(pair, line)
    assert line.car is not None
    assert line.car.code.startswith("refused.FAILED")


def test_output_never_exceeds_what_the_car_bears() -> None:
    pair = DC_EIM.pair(Behaviour(loops=50))
    line = pair.run()
    outputs = [wish for wish in line.wishes if isinstance(wish, SetOutput)]
    assert outputs
    assert max(output.volts for output in outputs) <= pair.battery.full_volts
    assert max(output.amperes for output in outputs) <= pair.battery.maximum_amperes
    assert all(output.amperes <= 2.0 for output in outputs if output.phase is DcPhase.PRECHARGE)


@pytest.mark.parametrize("phase", ["Authorization", "ChargeParameterDiscovery", "CableCheck"])
def test_the_lab_may_hold_a_phase_in_ongoing(phase: str) -> None:
    pair = DC_EIM.pair().at(0.007, OngoingForced(phase, True)).at(8.0, OngoingForced(phase, False))
    line = pair.run()
    charged(pair, line)
    held = [a for a in line.answers if getattr(a, "evse_processing", None) not in (None, EVSEProcessing.FINISHED)]
    assert len(held) > 3
    assert {type(a).__name__ for a in held} >= {f"{phase}Res"}


# --- metering receipts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [AC_PNC, DC_PNC], ids=str)
def test_a_car_signs_what_the_meter_says_as_often_as_it_is_demanded(way: Way) -> None:
    outlet = Outlet(meter_record=b"signed by the meter")
    pair = way.pair(Behaviour(loops=100), outlet, receipt_seconds=3.0, meter_id="METER-1")
    line = pair.run()
    charged(pair, line)
    given = [receipt.watt_hours for receipt in outlet.receipts]
    assert len(given) == 4
    assert given == sorted(given, key=lambda reading: reading or 0)
    assert given[0] == 12_345
    assert {receipt.record for receipt in outlet.receipts} == {b"signed by the meter"}
    assert line.announced.count("receipt") == 4


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_a_car_of_which_none_is_demanded_signs_none(way: Way) -> None:
    external = way.payment is Paid.EXTERNAL
    pair = way.pair(receipt_seconds=1.0 if external else None, meter_id="METER-1")
    charged(pair, pair.run())
    assert pair.outlet.receipts == []


@pytest.mark.case("Q-66")
@pytest.mark.parametrize("way", [AC_PNC, DC_PNC], ids=str)
def test_a_car_that_signs_none_charges_where_that_is_tolerated(way: Way) -> None:
    for tolerances, ends in (
        (frozenset({"Q-66"}), "completed.terminated"),
        (frozenset(), "refused.FAILED_SequenceError"),
    ):
        pair = way.pair(
            Behaviour(loops=20, ignore_receipts=True), receipt_seconds=0.5, meter_id="METER-1", tolerances=tolerances
        )
        line = pair.run()
        ends_safely(pair, line)
        assert line.station is not None
        assert line.station.code == ends
        assert pair.outlet.receipts == []


# --- cars that are wrong --------------------------------------------------------------------------------------------------

INVALID_RECEIPT = "refused.FAILED_MeteringSignatureNotValid"
WRONG: dict[str, tuple[Way, str, str]] = {
    # name of the flaw: the way, how the station's session ends, how the car's does
    "foreign-protocol": (DC_EIM, "refused.Failed_NoNegotiation", "refused.Failed_NoNegotiation"),
    "draft-protocol": (DC_EIM, "refused.Failed_NoNegotiation", "refused.Failed_NoNegotiation"),
    "other-major": (DC_EIM, "refused.Failed_NoNegotiation", "refused.Failed_NoNegotiation"),
    "garbage-first": (DC_EIM, "severed.stream-broken", "severed.connection-closed"),
    "wrong-session-id": (DC_EIM, "refused.FAILED_UnknownSession", "refused.FAILED_UnknownSession"),
    "zero-session-id": (DC_EIM, "refused.FAILED_UnknownSession", "refused.FAILED_UnknownSession"),
    "skip-service-discovery": (DC_EIM, "refused.FAILED_SequenceError", "refused.FAILED_SequenceError"),
    "skip-authorization": (AC_EIM, "refused.FAILED_SequenceError", "refused.FAILED_SequenceError"),
    "demand-before-cable-check": (DC_EIM, "refused.FAILED_SequenceError", "refused.FAILED_SequenceError"),
    "setup-twice": (DC_EIM, "refused.FAILED_SequenceError", "refused.FAILED_SequenceError"),
    "supported-again": (DC_EIM, "severed.stream-broken", "severed.connection-closed"),
    "two-at-once": (DC_EIM, "refused.FAILED_SequenceError", "refused.FAILED_SequenceError"),
    "silent": (DC_EIM, "timer.V2G_SECC_Sequence_Timeout", "severed.connection-closed"),
    "silent-while-charging": (DC_EIM, "timer.V2G_SECC_Sequence_Timeout", "severed.connection-closed"),
    "garbage": (DC_EIM, "severed.connection-closed", "timer.V2G_EVCC_Msg_Timeout_ServiceDiscovery"),
    "garbage-before": (DC_EIM, "completed.terminated", "completed.full"),
    "garbage-thrice": (DC_EIM, "severed.stream-broken", "severed.connection-closed"),
    "garbage-while-charging": (
        DC_EIM, "severed.connection-closed", "timer.V2G_EVCC_Msg_Timeout_CurrentDemand",
    ),
    "enormous-frame": (DC_EIM, "severed.stream-broken", "severed.connection-closed"),
    "unknown-service-detail": (DC_EIM, "refused.FAILED_ServiceIDInvalid", "refused.FAILED_ServiceIDInvalid"),
    "unoffered-payment": (DC_EIM, "refused.FAILED_PaymentSelectionInvalid", "refused.FAILED_PaymentSelectionInvalid"),
    "unoffered-service": (DC_EIM, "refused.FAILED_ServiceSelectionInvalid", "refused.FAILED_ServiceSelectionInvalid"),
    "no-charge-service": (DC_EIM, "refused.FAILED_ServiceSelectionInvalid", "refused.FAILED_ServiceSelectionInvalid"),
    "wrong-challenge": (DC_PNC, "refused.FAILED_ChallengeInvalid", "refused.FAILED_ChallengeInvalid"),
    "no-challenge": (DC_PNC, "refused.FAILED_ChallengeInvalid", "refused.FAILED_ChallengeInvalid"),
    "broken-signature": (DC_PNC, "refused.FAILED_SignatureError", "refused.FAILED_SignatureError"),
    "no-signature": (DC_PNC, "refused.FAILED_SignatureError", "refused.FAILED_SignatureError"),
    "changed-after-signing": (DC_PNC, "refused.FAILED_SignatureError", "refused.FAILED_SignatureError"),
    "other-emaid": (DC_PNC, "refused.FAILED_CertChainError", "refused.FAILED_CertChainError"),
    "garbage-certificate": (DC_PNC, "refused.FAILED_CertChainError", "refused.FAILED_CertChainError"),
    "leaf-alone": (DC_PNC, "refused.FAILED_NoCertificateAvailable", "refused.FAILED_NoCertificateAvailable"),
    "unoffered-mode": (DC_EIM, "refused.FAILED_WrongEnergyTransferMode", "refused.FAILED_WrongEnergyTransferMode"),
    "crossed-parameters": (DC_EIM, "refused.FAILED_WrongChargeParameter", "refused.FAILED_WrongChargeParameter"),
    "foreign-schedule": (AC_EIM, "refused.FAILED_TariffSelectionInvalid", "refused.FAILED_TariffSelectionInvalid"),
    "profile-above-schedule": (
        AC_EIM, "refused.FAILED_ChargingProfileInvalid", "refused.FAILED_ChargingProfileInvalid",
    ),
    "renegotiate-before-start": (AC_EIM, "refused.FAILED", "refused.FAILED"),
    "start-in-the-loop": (DC_EIM, "refused.FAILED", "refused.FAILED"),
    "receipt-of-other-reading": (DC_PNC, INVALID_RECEIPT, INVALID_RECEIPT),
    "receipt-of-other-session": (AC_PNC, INVALID_RECEIPT, INVALID_RECEIPT),
    "receipt-of-other-schedule": (AC_PNC, INVALID_RECEIPT, INVALID_RECEIPT),
    "receipt-without-signature": (DC_PNC, INVALID_RECEIPT, INVALID_RECEIPT),
    "receipt-by-other-key": (DC_PNC, INVALID_RECEIPT, INVALID_RECEIPT),
    "receipt-changed-after-signing": (AC_PNC, INVALID_RECEIPT, INVALID_RECEIPT),
    "receipt-twice": (DC_PNC, "refused.FAILED_SequenceError", "severed.connection-closed"),
    "stay-in-b": (DC_EIM, "refused.FAILED", "refused.FAILED"),
    "stay-in-c": (DC_EIM, "refused.FAILED", "refused.FAILED"),
}  # fmt: skip


def test_every_flaw_is_tried() -> None:
    assert set(WRONG) == set(FLAWS)


@pytest.mark.parametrize("name", WRONG)
def test_a_car_that_is_wrong_is_refused_and_safe(name: str) -> None:
    way, station, car = WRONG[name]
    patience = 1000.0 if name.startswith("silent") else 1.0
    demanded = 10.0 if name.startswith("receipt") else None
    pair = way.pair(Behaviour(loops=5, flaw=name, patience=patience), receipt_seconds=demanded)
    line = pair.run()
    assert line.station is not None
    assert line.car is not None
    assert (line.station.code, line.car.code) == (station, car)
    assert pair.outlet.receipts == [] or name == "receipt-twice"
    assert not pair.outlet.closed
    assert not pair.outlet.incidents


@pytest.mark.parametrize("name", ["stay-in-b", "stay-in-c"])
def test_ac_car_that_does_not_move_its_pilot(name: str) -> None:
    pair = AC_EIM.pair(Behaviour(loops=5, flaw=name))
    line = pair.run()
    ends_safely(pair, line)
    if name == "stay-in-b":
        assert line.car is not None
        assert line.car.code.startswith("refused.FAILED")
        assert pair.outlet.watt_hours == 12_345.0

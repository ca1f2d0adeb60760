"""The simulated car alone: what it says, when it gives up, and which answers of a station it does not take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.conversation import End, Received, Send
from secc.iso2.messages import (
    AuthorizationRes,
    CableCheckRes,
    ChargeParameterDiscoveryRes,
    ChargeProgress,
    ChargeService,
    ChargingStatusReq,
    CurrentDemandReq,
    CurrentDemandRes,
    DC_EVSEChargeParameter,
    DC_EVSEStatus,
    DC_EVSEStatusCode,
    EnergyTransferMode,
    EVSENotification,
    EVSEProcessing,
    IsolationLevel,
    MessageHeader,
    Parameter,
    ParameterSet,
    PaymentOption,
    PaymentOptionList,
    PaymentServiceSelectionReq,
    PaymentServiceSelectionRes,
    PMaxSchedule,
    PMaxScheduleEntry,
    PowerDeliveryReq,
    PowerDeliveryRes,
    PreChargeRes,
    RelativeTimeInterval,
    ResponseCode,
    SAScheduleList,
    SAScheduleTuple,
    Service,
    ServiceCategory,
    ServiceDetailReq,
    ServiceDetailRes,
    ServiceDiscoveryRes,
    ServiceList,
    ServiceParameterList,
    SessionSetupRes,
    SessionStopRes,
    SupportedEnergyTransferMode,
    V2G_Message,
    WeldingDetectionRes,
)
from secc.session.events import ConnectionClosed, StopRequested
from secc.session.supported_app_protocol import ResponseCode as Negotiated
from secc.session.supported_app_protocol import SupportedAppProtocolRes
from tests.car_bench import Answers, Bend, CarBench
from tools.evcc.behaviour import Behaviour, Remembered
from tools.evcc.dialogue import STREAM
from tools.evcc.iso2.quantities import amperes, real, volts, watts
from tools.evcc.vocabulary import MoveRelays, RememberSession, SetLoad, SetPilot

SESSION = bytes.fromhex("0102030405060708")
OK = ResponseCode.OK
NOT_READY = DC_EVSEStatusCode.EVSE_NOT_READY
READY = DC_EVSEStatus(
    notification_max_delay=0,
    evse_notification=EVSENotification.NONE,
    evse_isolation_status=IsolationLevel.VALID,
    evse_status_code=DC_EVSEStatusCode.EVSE_READY,
)

GOOD: dict[str, Any] = {
    "SessionSetup": SessionSetupRes(response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED, evse_id="DE*PNX*E1"),
    "ServiceDiscovery": ServiceDiscoveryRes(
        response_code=OK,
        payment_option_list=PaymentOptionList(payment_option=(PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=ChargeService(
            service_id=1,
            service_category=ServiceCategory.EV_CHARGING,
            free_service=True,
            supported_energy_transfer_mode=SupportedEnergyTransferMode(
                energy_transfer_mode=(EnergyTransferMode.DC_EXTENDED,)
            ),
        ),
    ),
    "PaymentServiceSelection": PaymentServiceSelectionRes(response_code=OK),
    "Authorization": AuthorizationRes(response_code=OK, evse_processing=EVSEProcessing.FINISHED),
    "ChargeParameterDiscovery": ChargeParameterDiscoveryRes(
        response_code=OK,
        evse_processing=EVSEProcessing.FINISHED,
        sa_schedules=SAScheduleList(
            sa_schedule_tuple=(
                SAScheduleTuple(
                    sa_schedule_tuple_id=7,
                    p_max_schedule=PMaxSchedule(
                        p_max_schedule_entry=(
                            PMaxScheduleEntry(
                                time_interval=RelativeTimeInterval(start=0, duration=86_400), p_max=watts(50_000.0)
                            ),
                        )
                    ),
                ),
            )
        ),
        evse_charge_parameter=DC_EVSEChargeParameter(
            dc_evse_status=READY,
            evse_maximum_current_limit=amperes(100.0),
            evse_maximum_power_limit=watts(50_000.0),
            evse_maximum_voltage_limit=volts(500.0),
            evse_minimum_current_limit=amperes(0.0),
            evse_minimum_voltage_limit=volts(50.0),
            evse_peak_current_ripple=amperes(1.0),
        ),
    ),
    "CableCheck": CableCheckRes(response_code=OK, dc_evse_status=READY, evse_processing=EVSEProcessing.FINISHED),
    "PreCharge": PreChargeRes(response_code=OK, dc_evse_status=READY, evse_present_voltage=volts(355.0)),
    "PowerDelivery": PowerDeliveryRes(response_code=OK, evse_status=READY),
    "CurrentDemand": CurrentDemandRes(
        response_code=OK,
        dc_evse_status=READY,
        evse_present_voltage=volts(360.0),
        evse_present_current=amperes(90.0),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
        evse_id="DE*PNX*E1",
        sa_schedule_tuple_id=7,
    ),
    "WeldingDetection": WeldingDetectionRes(response_code=OK, dc_evse_status=READY, evse_present_voltage=volts(3.0)),
    "SessionStop": SessionStopRes(response_code=OK),
}

ISO2 = Answers(GOOD, schema_id=10, header=MessageHeader(session_id=SESSION))


class Bench(CarBench):
    """A car whose every request is answered from :data:`GOOD`, but where ``bend`` says otherwise."""

    def __init__(self, behaviour: Behaviour, bend: Bend | None = None) -> None:
        super().__init__(behaviour, ISO2, bend)


def bending(name: str, answer: Any, *, times: int = 1) -> Bend:
    """All as it should be, but the nth answer to one request."""
    return ISO2.bending(name, answer, times=times)


DC = Behaviour(loops=3)


def test_session_goes_through_every_message_in_the_order_of_the_diagram() -> None:
    bench = Bench(DC).run()
    assert bench.code == "completed.full"
    assert bench.names == [
        "SupportedAppProtocol",
        "SessionSetup",
        "ServiceDiscovery",
        "PaymentServiceSelection",
        "Authorization",
        "ChargeParameterDiscovery",
        "CableCheck",
        "PreCharge",
        "PowerDelivery",
        *["CurrentDemand"] * 3,
        "PowerDelivery",
        "WeldingDetection",
        "SessionStop",
    ]


def test_pilot_is_in_c_before_cable_check_and_in_b_before_welding_detection() -> None:
    bench = Bench(DC).run()
    order = [
        type(e.message.body).__name__ if isinstance(e, Send) and isinstance(e.message, V2G_Message) else e
        for e in bench.effects
    ]
    assert order.index(SetPilot("C")) < order.index("CableCheckReq")
    assert order.index("PreChargeReq") < order.index(MoveRelays(True)) < order.index("CurrentDemandReq")
    assert order.index(MoveRelays(False)) < order.index(SetPilot("B")) < order.index("WeldingDetectionReq")


def test_schedule_and_profile_are_the_stations() -> None:
    bench = Bench(DC).run()
    start = next(body for body in bench.said if isinstance(body, PowerDeliveryReq))
    assert (start.charge_progress, start.sa_schedule_tuple_id) == (ChargeProgress.START, 7)
    assert start.charging_profile is not None
    assert real(start.charging_profile.profile_entry[0].charging_profile_entry_max_power) == 50_000.0


def test_demands_stay_within_the_stations_limits() -> None:
    bench = Bench(replace(DC, loops=50)).run()
    demands = [real(body.ev_target_current) for body in bench.said if isinstance(body, CurrentDemandReq)]
    assert max(demands) <= 100.0


def test_battery_takes_what_the_station_says_that_it_delivers() -> None:
    bench = Bench(replace(DC, loops=100, loop_seconds=1.0)).run()
    # 100 answers, a second and a hundredth between them, and a hundredth until the end of power is confirmed.
    hours = (99 * 1.01 + 0.01) / 3600.0
    assert bench.dialogue.battery.delivered == pytest.approx(360.0 * 90.0 * hours, rel=1e-6)


@pytest.mark.parametrize("name", [name for name in GOOD if name != "SessionStop"])
def test_failed_answer_ends_the_session_safely(name: str) -> None:
    bench = Bench(DC, bending(name, replace(GOOD[name], response_code=ResponseCode.FAILED))).run()
    assert bench.code == "refused.FAILED"
    assert bench.names[-1] == name
    assert bench.effects[-4:-1] == [SetLoad(0.0), MoveRelays(False), SetPilot("B")]
    assert isinstance(bench.effects[-1], End)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("SessionSetup", 2.0), ("PowerDelivery", 5.0), ("CurrentDemand", 0.25), ("WeldingDetection", 2.0)],
)
def test_silence_ends_the_session_after_the_message_timeout(name: str, seconds: float) -> None:
    bench = Bench(DC, bending(name, None)).run()
    assert bench.code == f"timer.V2G_EVCC_Msg_Timeout_{name}"
    assert bench.now - bench.asked_at == pytest.approx(seconds, abs=1e-6)


def test_patience_stretches_the_message_timeout() -> None:
    bench = Bench(replace(DC, patience=3.0), bending("SessionSetup", None)).run()
    assert bench.now == pytest.approx(50.01 + 6.0)


def ongoing(name: str) -> Any:
    return replace(GOOD[name], evse_processing=EVSEProcessing.ONGOING)


@pytest.mark.parametrize(
    ("name", "seconds"), [("Authorization", 60.0), ("ChargeParameterDiscovery", 60.0), ("CableCheck", 40.0)]
)
def test_ongoing_for_ever_ends_the_session_after_the_ongoing_timeout(name: str, seconds: float) -> None:
    bench = Bench(DC, bending(name, ongoing(name))).run()
    assert bench.code in ("refused.ongoing-too-long", "refused.cable-check-too-long")
    assert seconds < bench.now - 50.0 < seconds + 1.0


def test_waiting_for_the_driver_may_take_longer_than_the_ongoing_timeout() -> None:
    waiting = replace(GOOD["Authorization"], evse_processing=EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION)

    def bend(name: str, count: int) -> Any:
        return waiting if name == "Authorization" and bench.now < 50.0 + 100.0 else GOOD.get(name)

    bench = Bench(DC, bend)
    assert bench.run().code == "completed.full"


def test_precharge_that_does_not_arrive_ends_the_session_after_seven_seconds() -> None:
    far = replace(GOOD["PreCharge"], evse_present_voltage=volts(100.0))
    bench = Bench(DC, bending("PreCharge", far)).run()
    assert bench.code == "refused.precharge-too-long"
    assert MoveRelays(True) not in bench.effects


def test_voltage_that_stays_after_the_end_is_noticed() -> None:
    live = replace(GOOD["WeldingDetection"], evse_present_voltage=volts(380.0))
    assert Bench(DC, bending("WeldingDetection", live)).run().code == "refused.voltage-stays"


def with_status(name: str, **changes: Any) -> Any:
    return replace(GOOD[name], dc_evse_status=replace(READY, **changes))


def with_session(name: str, session_id: bytes) -> Received:
    return Received(STREAM, GOOD[name], MessageHeader(session_id=session_id))


def supported(code: Negotiated, schema_id: int | None) -> SupportedAppProtocolRes:
    return SupportedAppProtocolRes(response_code=code, schema_id=schema_id)


@pytest.mark.parametrize(
    ("name", "answer", "code"),
    [
        ("SupportedAppProtocol", supported(Negotiated.FAILED_NO_NEGOTIATION, None), "Failed_NoNegotiation"),
        ("SupportedAppProtocol", supported(Negotiated.OK_SUCCESSFUL_NEGOTIATION, 3), "schema-id-not-ours"),
        ("SessionSetup", replace(GOOD["SessionSetup"], response_code=OK), "not-a-new-session"),
        ("SessionSetup", with_session("SessionSetup", bytes(8)), "session-id-zero"),
        ("SessionSetup", Received(STREAM, GOOD["SessionSetup"], None), "no-header"),
        ("ServiceDiscovery", GOOD["PowerDelivery"], "other-answer"),
        ("ServiceDiscovery", with_session("ServiceDiscovery", b"12345678"), "session-id-changed"),
        ("Authorization", ChargingStatusReq(), "no-answer"),
        ("ChargeParameterDiscovery", replace(GOOD["ChargeParameterDiscovery"], sa_schedules=None), "no-schedule"),
        ("CableCheck", with_status("CableCheck", evse_isolation_status=IsolationLevel.FAULT), "isolation-not-valid"),
        ("CableCheck", with_status("CableCheck", evse_status_code=NOT_READY), "station-not-ready"),
        ("CurrentDemand", replace(GOOD["CurrentDemand"], evse_present_voltage=volts(900.0)), "overvoltage"),
        ("CurrentDemand", replace(GOOD["CurrentDemand"], evse_present_current=amperes(400.0)), "overcurrent"),
    ],
)
def test_answer_that_breaks_the_standard_ends_the_session(name: str, answer: Any, code: str) -> None:
    bench = Bench(DC, bending(name, answer)).run()
    assert bench.code == f"refused.{code}"
    assert bench.effects[-4:-1] == [SetLoad(0.0), MoveRelays(False), SetPilot("B")]


def test_mode_that_is_not_offered_is_not_asked_for() -> None:
    bench = Bench(replace(DC, current=type(DC.current)("ac"))).run()
    assert bench.code == "refused.energy-transfer-mode-not-offered"


def test_station_that_speaks_out_of_turn_is_left() -> None:
    def bend(name: str, count: int) -> Any:
        return ongoing("CableCheck") if name == "CableCheck" else GOOD.get(name)

    bench = Bench(DC, bend)
    bench._take(bench.dialogue.session.begin(bench.now))
    bench._hear(GOOD["CableCheck"])
    bench.go_on()
    assert bench.code == "refused.unexpected-message"


@pytest.mark.parametrize(
    "status",
    [
        replace(READY, evse_notification=EVSENotification.STOP_CHARGING),
        replace(READY, evse_status_code=DC_EVSEStatusCode.EVSE_SHUTDOWN),
        replace(READY, evse_status_code=DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN),
        replace(READY, evse_status_code=DC_EVSEStatusCode.EVSE_MALFUNCTION),
    ],
)
def test_wish_of_the_station_to_stop_is_obeyed(status: DC_EVSEStatus) -> None:
    wish = replace(GOOD["CurrentDemand"], dc_evse_status=status)
    bench = Bench(replace(DC, loops=100), bending("CurrentDemand", wish, times=5)).run()
    assert bench.code == "completed.by-station"
    assert bench.names.count("CurrentDemand") == 5
    assert bench.names[-3:] == ["PowerDelivery", "WeldingDetection", "SessionStop"]


def test_wish_to_renegotiate_is_obeyed_from_charge_parameters_on() -> None:
    wish = replace(
        GOOD["CurrentDemand"], dc_evse_status=replace(READY, evse_notification=EVSENotification.RE_NEGOTIATION)
    )

    def bend(name: str, count: int) -> Any:
        return wish if name == "CurrentDemand" and count == 2 else GOOD.get(name)

    bench = Bench(DC, bend).run()
    assert bench.code == "completed.full"
    again = bench.names[bench.names.index("CurrentDemand") + 2 :]
    assert again[:6] == [
        "PowerDelivery", "ChargeParameterDiscovery", "CableCheck", "PreCharge", "PowerDelivery", "CurrentDemand",
    ]  # fmt: skip


def test_driver_stops_in_the_loop() -> None:
    def bend(name: str, count: int) -> Any:
        if count == 20:
            bench.hear(StopRequested("driver"))
        return GOOD.get(name)

    bench = Bench(replace(DC, loops=1000), bend)
    assert bench.run().code == "completed.by-car"
    assert bench.names[-3:] == ["PowerDelivery", "WeldingDetection", "SessionStop"]


@pytest.mark.parametrize(
    "request_name",
    ["ServiceDiscovery", "PaymentServiceSelection", "Authorization", "ChargeParameterDiscovery", "CableCheck"],
)
def test_stop_before_a_request_says_session_stop_in_its_place(request_name: str) -> None:
    bench = Bench(replace(DC, stop_before=request_name)).run()
    assert bench.code == "completed.early"
    assert request_name not in bench.names
    assert bench.names[-1] == "SessionStop"
    assert SetPilot("C") not in bench.effects


def test_driver_stops_before_power_flows_and_what_has_begun_gets_its_end() -> None:
    ongoing = replace(GOOD["CableCheck"], evse_processing=EVSEProcessing.ONGOING)

    def bend(name: str, count: int) -> Any:
        if (name, count) == ("CableCheck", 1):
            bench.hear(StopRequested("driver"))
        return ongoing if name == "CableCheck" and count < 3 else GOOD.get(name)

    bench = Bench(DC, bend)
    assert bench.run().code == "completed.early"
    assert bench.names[-4:] == ["CableCheck", "CableCheck", "CableCheck", "SessionStop"]


def test_lost_connection_ends_the_session_safely() -> None:
    bench = Bench(DC, bending("CurrentDemand", None, times=2))
    bench._take(bench.dialogue.session.begin(bench.now))
    while bench.names.count("CurrentDemand") < 2:
        deadline = bench.dialogue.session.deadline
        assert deadline is not None
        bench.now = deadline.at
        bench._take(bench.dialogue.session.expire(bench.now))
    bench.hear(ConnectionClosed())
    assert bench.code == "severed.connection-closed"
    assert bench.effects[-4:-1] == [SetLoad(0.0), MoveRelays(False), SetPilot("B")]


# --- services beside charging -----------------------------------------------------------------------------------------------


def served(*sets: int) -> Bend:
    """A station with service 60001, which has these parameter sets."""
    service = Service(service_id=60_001, service_category=ServiceCategory.OTHER_CUSTOM, free_service=True)
    found = tuple(
        ParameterSet(parameter_set_id=number, parameter=(Parameter(name="Program", int_value=number),))
        for number in sets
    )
    answers = {
        "ServiceDiscovery": replace(GOOD["ServiceDiscovery"], service_list=ServiceList(service=(service,))),
        "ServiceDetail": ServiceDetailRes(
            response_code=OK,
            service_id=60_001,
            service_parameter_list=ServiceParameterList(parameter_set=found) if found else None,
        ),
    }
    return lambda name, count: answers.get(name) or GOOD.get(name)


def test_a_car_asks_about_the_service_that_it_selects() -> None:
    bench = Bench(Behaviour(loops=1, services=((60_001, 2),)), served(1, 2)).run()
    assert bench.code == "completed.full"
    (asked,) = [one for one in bench.said if isinstance(one, ServiceDetailReq)]
    assert asked.service_id == 60_001
    (selected,) = [one for one in bench.said if isinstance(one, PaymentServiceSelectionReq)]
    chosen = selected.selected_service_list.selected_service
    assert [(one.service_id, one.parameter_set_id) for one in chosen] == [(1, None), (60_001, 2)]


@pytest.mark.parametrize(
    ("services", "sets", "wrong"),
    [
        (((60_002, None),), (), "service-not-offered"),
        (((60_001, 3),), (1, 2), "parameter-set-not-offered"),
        (((60_001, 1),), (), "parameter-set-not-offered"),
        (((60_001, 1),), (1, 1), "parameter-set-twice"),
    ],
)
def test_it_leaves_a_station_without_what_it_wants(
    services: tuple[tuple[int, int | None], ...], sets: tuple[int, ...], wrong: str
) -> None:
    assert Bench(Behaviour(loops=1, services=services), served(*sets)).run().code == f"refused.{wrong}"


# --- pause and resume -----------------------------------------------------------------------------------------------------

JOINED = ResponseCode.OK_OLD_SESSION_JOINED
PAUSED = Behaviour(loops=1, remembered=Remembered(SESSION, 7))


def setup(code: ResponseCode, session_id: bytes = SESSION) -> Bend:
    """SessionSetupRes with this code and SessionID, and all later answers with that SessionID."""

    def bend(name: str, count: int) -> Any:
        if name not in GOOD:
            return None
        body = GOOD[name] if name != "SessionSetup" else replace(GOOD[name], response_code=code)
        return Received(STREAM, body, MessageHeader(session_id=session_id))

    return bend


def test_a_car_that_paused_remembers_what_a_resume_needs() -> None:
    bench = Bench(Behaviour(loops=1, pauses=1)).run()
    assert bench.code == "completed.pause"
    assert bench.said[-1].charging_session.value == "Pause"
    (kept,) = [effect.remembered for effect in bench.effects if isinstance(effect, RememberSession)]
    assert kept == Remembered(SESSION, 7)


def test_it_joins_its_session_with_the_id_that_it_remembers() -> None:
    bench = Bench(PAUSED, setup(JOINED)).run()
    assert bench.code == "completed.full"
    sent = [e.message for e in bench.effects if isinstance(e, Send) and isinstance(e.message, V2G_Message)]
    assert sent[0].header.session_id == SESSION


def test_it_takes_a_new_session_too() -> None:
    assert Bench(PAUSED, setup(ResponseCode.OK_NEW_SESSION_ESTABLISHED, b"\x09" * 8)).run().code == "completed.full"


@pytest.mark.parametrize(
    ("behaviour", "code", "session_id", "wrong"),
    [
        (PAUSED, JOINED, b"\x09" * 8, "session-id-not-of-this-session"),
        (PAUSED, ResponseCode.OK_NEW_SESSION_ESTABLISHED, SESSION, "session-id-not-of-this-session"),
        (Behaviour(loops=1), JOINED, SESSION, "session-id-not-of-this-session"),
        (PAUSED, ResponseCode.OK_CERTIFICATE_EXPIRES_SOON, SESSION, "not-a-new-session"),
    ],
)
def test_it_leaves_a_station_that_mixes_sessions_up(
    behaviour: Behaviour, code: ResponseCode, session_id: bytes, wrong: str
) -> None:
    assert Bench(behaviour, setup(code, session_id)).run().code == f"refused.{wrong}"


def test_it_leaves_a_station_that_offers_other_things_than_before() -> None:
    more = replace(
        GOOD["ServiceDiscovery"],
        payment_option_list=PaymentOptionList(payment_option=(PaymentOption.CONTRACT, PaymentOption.EXTERNAL_PAYMENT)),
    )
    joined = setup(JOINED)
    bench = Bench(PAUSED, lambda name, count: more if name == "ServiceDiscovery" else joined(name, count)).run()
    assert bench.code == "refused.more-than-before-the-pause"
    more = served(1)("ServiceDiscovery", 1)
    bench = Bench(PAUSED, lambda name, count: more if name == "ServiceDiscovery" else joined(name, count)).run()
    assert bench.code == "refused.more-than-before-the-pause"
    other = replace(PAUSED, remembered=Remembered(SESSION, 8))
    assert Bench(other, setup(JOINED)).run().code == "refused.chosen-schedule-not-offered-again"


def test_the_time_of_departure_comes_nearer_over_a_pause() -> None:
    """[V2G2-742]"""
    for remembered, left in ((None, 3600), (Remembered(SESSION, 7, departs_at=250.0), 199)):
        bench = Bench(
            Behaviour(loops=1, departure_seconds=3600.0, remembered=remembered),
            setup(JOINED if remembered else ResponseCode.OK_NEW_SESSION_ESTABLISHED),
        ).run()
        (asked,) = [one for one in bench.said if hasattr(one, "ev_charge_parameter")]
        assert asked.ev_charge_parameter.departure_time == left

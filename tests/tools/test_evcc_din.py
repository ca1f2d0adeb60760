"""The simulated car alone in DIN SPEC 70121: what it says, when it gives up, and which answers of a station it does not take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.conversation import End, Received, Send
from secc.din import messages as din
from secc.session.events import StopRequested
from secc.session.supported_app_protocol import SupportedAppProtocolReq
from tests.car_bench import Answers, Bend, CarBench
from tests.tools.test_evcc import GOOD as ISO2_GOOD
from tests.tools.test_evcc import ISO2
from tools.evcc.__main__ import arguments
from tools.evcc.behaviour import Behaviour
from tools.evcc.dialogue import STREAM, drive_in
from tools.evcc.din.quantities import amperes, real, volts, watts
from tools.evcc.protocols import PROTOCOLS
from tools.evcc.vocabulary import MoveRelays, SetLoad, SetPilot

SESSION = bytes.fromhex("0102030405060708")
OK = din.ResponseCode.OK
READY = din.DC_EVSEStatus(
    evse_isolation_status=din.IsolationLevel.VALID,
    evse_status_code=din.DC_EVSEStatusCode.EVSE_READY,
    notification_max_delay=0,
    evse_notification=din.EVSENotification.NONE,
)
CHARGING = din.ServiceTag(service_id=1, service_category=din.ServiceCategory.EV_CHARGING)
SERVICE = din.ChargeService(
    service_tag=CHARGING,
    free_service=True,
    energy_transfer_type=din.EVSESupportedEnergyTransferType.DC_EXTENDED,
)


def schedules(*watts: int, starts: tuple[int, ...] = (0,), duration: int | None = 86_400) -> din.SAScheduleList:
    intervals = [din.RelativeTimeInterval(start=start) for start in starts]
    intervals[-1] = replace(intervals[-1], duration=duration)
    entries = tuple(
        din.PMaxScheduleEntry(time_interval=interval, p_max=most)
        for interval, most in zip(intervals, watts, strict=True)
    )
    one = din.SAScheduleTuple(
        sa_schedule_tuple_id=7, p_max_schedule=din.PMaxSchedule(p_max_schedule_id=1, p_max_schedule_entry=entries)
    )
    return din.SAScheduleList(sa_schedule_tuple=(one,))


LIMITS = din.DC_EVSEChargeParameter(
    dc_evse_status=READY,
    evse_maximum_current_limit=amperes(100.0),
    evse_maximum_power_limit=watts(50_000.0),
    evse_maximum_voltage_limit=volts(500.0),
    evse_minimum_current_limit=amperes(0.0),
    evse_minimum_voltage_limit=volts(50.0),
    evse_peak_current_ripple=amperes(1.0),
)
FINISHED = din.EVSEProcessing.FINISHED

GOOD: dict[str, Any] = {
    "SessionSetup": din.SessionSetupRes(response_code=din.ResponseCode.OK_NEW_SESSION_ESTABLISHED, evse_id=b"\0"),
    "ServiceDiscovery": din.ServiceDiscoveryRes(
        response_code=OK,
        payment_options=din.PaymentOptions(payment_option=(din.PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=SERVICE,
    ),
    "ServicePaymentSelection": din.ServicePaymentSelectionRes(response_code=OK),
    "ContractAuthentication": din.ContractAuthenticationRes(response_code=OK, evse_processing=FINISHED),
    "ChargeParameterDiscovery": din.ChargeParameterDiscoveryRes(
        response_code=OK, evse_processing=FINISHED, sa_schedules=schedules(32_767), evse_charge_parameter=LIMITS
    ),
    "CableCheck": din.CableCheckRes(response_code=OK, dc_evse_status=READY, evse_processing=FINISHED),
    "PreCharge": din.PreChargeRes(response_code=OK, dc_evse_status=READY, evse_present_voltage=volts(355.0)),
    "PowerDelivery": din.PowerDeliveryRes(response_code=OK, evse_status=READY),
    "CurrentDemand": din.CurrentDemandRes(
        response_code=OK,
        dc_evse_status=READY,
        evse_present_voltage=volts(360.0),
        evse_present_current=amperes(90.0),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
    ),
    "WeldingDetection": din.WeldingDetectionRes(
        response_code=OK, dc_evse_status=READY, evse_present_voltage=volts(3.0)
    ),
    "SessionStop": din.SessionStopRes(response_code=OK),
}
DIN = Answers(GOOD, schema_id=20, header=din.MessageHeader(session_id=SESSION))
CAR = Behaviour(protocols=("din",), loops=3)


class Bench(CarBench):
    def __init__(self, behaviour: Behaviour, bend: Bend | None = None) -> None:
        super().__init__(behaviour, DIN, bend)


def bending(name: str, answer: Any, *, times: int = 1) -> Bend:
    return DIN.bending(name, answer, times=times)


WHOLE = [
    "SupportedAppProtocol", "SessionSetup", "ServiceDiscovery", "ServicePaymentSelection", "ContractAuthentication",
    "ChargeParameterDiscovery", "CableCheck", "PreCharge", "PowerDelivery", *["CurrentDemand"] * 3, "PowerDelivery",
    "WeldingDetection", "SessionStop",
]  # fmt: skip


def test_session_goes_through_every_message_in_the_order_of_the_diagram() -> None:
    bench = Bench(CAR).run()
    assert bench.code == "completed.full"
    assert bench.names == WHOLE
    powers = [body.ready_to_charge_state for body in bench.said if isinstance(body, din.PowerDeliveryReq)]
    assert powers == [True, False]


# --- the list of protocols ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocols", [("din",), ("iso2",), ("din", "iso2"), ("iso2", "din")])
def test_a_car_lists_its_protocols_in_the_order_of_its_ranking(protocols: tuple[str, ...]) -> None:
    dialogue = drive_in(replace(CAR, protocols=protocols))
    sends = [effect for effect in dialogue.session.begin(0.0) if isinstance(effect, Send)]
    request = sends[0].message
    assert isinstance(request, SupportedAppProtocolReq)
    told = [(entry.priority, entry.protocol_namespace) for entry in request.app_protocol]
    assert told == [(rank, PROTOCOLS[name].namespace) for rank, name in enumerate(protocols, 1)]
    assert len({entry.schema_id for entry in request.app_protocol}) == len(protocols)


@pytest.mark.parametrize("protocols", [("din", "iso2"), ("iso2", "din")])
def test_the_station_chooses_and_the_car_speaks_what_it_chose(protocols: tuple[str, ...]) -> None:
    behaviour = replace(CAR, protocols=protocols)
    assert CarBench(behaviour, DIN).run().names == WHOLE
    assert "PaymentServiceSelection" in CarBench(behaviour, ISO2).run().names


def test_a_protocol_that_the_car_did_not_offer_is_not_spoken() -> None:
    assert CarBench(CAR, ISO2).run().code == "refused.schema-id-not-ours"
    assert CarBench(replace(CAR, protocols=("iso2",)), DIN).run().code == "refused.schema-id-not-ours"


def test_a_flaw_that_none_of_the_cars_protocols_has_is_an_error() -> None:
    with pytest.raises(KeyError, match="ac-type"):
        drive_in(Behaviour(protocols=("iso2",), flaw="ac-type"))
    # In a car of both, it shows where DIN is chosen.
    both = replace(CAR, protocols=("iso2", "din"), flaw="ac-type")
    assert CarBench(both, ISO2).run().code == "completed.full"
    asked = CarBench(both, DIN).run().said[5]
    assert asked.ev_requested_energy_transfer_type is din.EVRequestedEnergyTransferType.AC_THREE_PHASE_CORE


def test_the_options_of_the_program_rank_the_protocols() -> None:
    plain = ("--no-tls", "--payment", "eim")
    assert arguments(plain).protocols == ("iso2",)
    assert arguments((*plain, "--protocol", "din", "--protocol", "iso2")).protocols == ("din", "iso2")


@pytest.mark.parametrize(
    "options",
    [
        ("--protocol", "din", "--pki", "."),
        ("--protocol", "din", "--payment", "eim", "--no-tls", "--mode", "ac"),
        ("--protocol", "din", "--payment", "eim", "--no-tls", "--flaw", "wrong-challenge"),
        ("--protocol", "iso1", "--payment", "eim", "--no-tls"),
    ],
)
def test_options_that_no_car_of_din_can_have_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        arguments(options)


# --- what the car says ----------------------------------------------------------------------------------------------------


def test_pilot_is_in_c_before_cable_check_and_in_b_before_welding_detection() -> None:
    order = [
        type(e.message.body).__name__ if isinstance(e, Send) and hasattr(e.message, "body") else e
        for e in Bench(CAR).run().effects
    ]
    assert order.index(SetPilot("C")) < order.index("CableCheckReq")
    assert order.index("PreChargeReq") < order.index(MoveRelays(True)) < order.index("CurrentDemandReq")
    assert order.index(MoveRelays(False)) < order.index(SetPilot("B")) < order.index("WeldingDetectionReq")


def test_profile_holds_the_schedule_of_the_station() -> None:
    steps = replace(GOOD["ChargeParameterDiscovery"], sa_schedules=schedules(20_000, 9_000, starts=(0, 3600)))
    bench = Bench(CAR, bending("ChargeParameterDiscovery", steps)).run()
    start = next(body for body in bench.said if isinstance(body, din.PowerDeliveryReq))
    assert start.charging_profile is not None
    assert start.charging_profile.sa_schedule_tuple_id == 7
    told = [
        (entry.charging_profile_entry_start, entry.charging_profile_entry_max_power)
        for entry in start.charging_profile.profile_entry
    ]
    assert told == [(0, 20_000), (3600, 9_000)]


def most_amperes(offered: Any, **limits: Any) -> float:
    answer = replace(
        GOOD["ChargeParameterDiscovery"],
        sa_schedules=offered,
        evse_charge_parameter=replace(LIMITS, **limits),
    )
    bench = Bench(replace(CAR, loops=20), bending("ChargeParameterDiscovery", answer)).run()
    return max(real(body.ev_target_current) for body in bench.said if isinstance(body, din.CurrentDemandReq))


def test_demands_stay_within_limits_and_schedule() -> None:
    """A PMax of all that a short holds says nothing about more: the station's power limit does. (Q-61)"""
    assert most_amperes(schedules(32_767)) == 100.0
    assert most_amperes(schedules(7_100)) == pytest.approx(20.0, abs=0.1)
    assert most_amperes(schedules(32_767), evse_maximum_power_limit=watts(10_650.0)) == pytest.approx(30.0, abs=0.1)
    assert most_amperes(schedules(32_767), evse_maximum_power_limit=None) == 100.0


def test_limits_in_the_loop_are_followed() -> None:
    lower = replace(GOOD["CurrentDemand"], evse_maximum_current_limit=amperes(11.0))
    bench = Bench(replace(CAR, loops=10), bending("CurrentDemand", lower, times=3)).run()
    demands = [real(body.ev_target_current) for body in bench.said if isinstance(body, din.CurrentDemandReq)]
    assert demands[2:4] == [100.0, 11.0]


def test_transfer_is_what_the_station_offers() -> None:
    for offered, wanted in (("DC_core", "DC_core"), ("DC_extended", "DC_extended")):
        service = replace(SERVICE, energy_transfer_type=din.EVSESupportedEnergyTransferType(offered))
        answer = replace(GOOD["ServiceDiscovery"], charge_service=service)
        said = Bench(CAR, bending("ServiceDiscovery", answer)).run().said
        asked = next(body for body in said if isinstance(body, din.ChargeParameterDiscoveryReq))
        assert asked.ev_requested_energy_transfer_type.value == wanted


def test_battery_takes_what_the_station_says_that_it_delivers() -> None:
    bench = Bench(replace(CAR, loops=100, loop_seconds=1.0)).run()
    hours = (99 * 1.01 + 0.01) / 3600.0
    assert bench.dialogue.battery.delivered == pytest.approx(360.0 * 90.0 * hours, rel=1e-6)


# --- when it gives up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in GOOD if name != "SessionStop"])
def test_failed_answer_ends_the_session_safely(name: str) -> None:
    bench = Bench(CAR, bending(name, replace(GOOD[name], response_code=din.ResponseCode.FAILED))).run()
    assert bench.code == "refused.FAILED"
    assert bench.names[-1] == name
    assert bench.effects[-4:-1] == [SetLoad(0.0), MoveRelays(False), SetPilot("B")]
    assert isinstance(bench.effects[-1], End)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("SessionSetup", 2.0), ("PowerDelivery", 2.0), ("CurrentDemand", 0.25), ("WeldingDetection", 2.0)],
)
def test_silence_ends_the_session_after_the_message_timeout(name: str, seconds: float) -> None:
    bench = Bench(CAR, bending(name, None)).run()
    assert bench.code == f"timer.V2G_EVCC_Msg_Timeout_{name}"
    assert bench.now - bench.asked_at == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "seconds"), [("ContractAuthentication", 90.0), ("ChargeParameterDiscovery", 60.0), ("CableCheck", 40.0)]
)
def test_ongoing_for_ever_ends_the_session(name: str, seconds: float) -> None:
    ongoing = replace(GOOD[name], evse_processing=din.EVSEProcessing.ONGOING)
    bench = Bench(replace(CAR, eim_seconds=90.0), bending(name, ongoing)).run()
    assert bench.code in ("refused.ongoing-too-long", "refused.cable-check-too-long")
    assert seconds < bench.now - 50.0 < seconds + 1.0


def test_precharge_that_does_not_arrive_ends_the_session_after_seven_seconds() -> None:
    far = replace(GOOD["PreCharge"], evse_present_voltage=volts(100.0))
    bench = Bench(CAR, bending("PreCharge", far)).run()
    assert bench.code == "refused.precharge-too-long"
    assert MoveRelays(True) not in bench.effects


def test_voltage_that_stays_after_the_end_is_noticed() -> None:
    live = replace(GOOD["WeldingDetection"], evse_present_voltage=volts(380.0))
    assert Bench(CAR, bending("WeldingDetection", live)).run().code == "refused.voltage-stays"


def with_status(name: str, **changes: Any) -> Any:
    return replace(GOOD[name], dc_evse_status=replace(READY, **changes))


def with_session(name: str, session_id: bytes) -> Received:
    return Received(STREAM, GOOD[name], din.MessageHeader(session_id=session_id))


def with_service(**changes: Any) -> Any:
    return replace(GOOD["ServiceDiscovery"], charge_service=replace(SERVICE, **changes))


def with_schedules(offered: din.SAScheduleList) -> Any:
    return replace(GOOD["ChargeParameterDiscovery"], sa_schedules=offered)


def with_limits(**changes: Any) -> Any:
    return replace(GOOD["ChargeParameterDiscovery"], evse_charge_parameter=replace(LIMITS, **changes))


def both(offered: din.SAScheduleList) -> din.SAScheduleList:
    return din.SAScheduleList(sa_schedule_tuple=offered.sa_schedule_tuple * 2)


AC_LIMITS = din.AC_EVSEChargeParameter(
    ac_evse_status=din.AC_EVSEStatus(
        power_switch_closed=False,
        rcd=False,
        notification_max_delay=0,
        evse_notification=din.EVSENotification.NONE,
    ),
    evse_max_voltage=volts(230.0),
    evse_max_current=amperes(16.0),
    evse_min_current=amperes(6.0),
)
CONTRACT_TOO = din.PaymentOptions(payment_option=(din.PaymentOption.CONTRACT, din.PaymentOption.EXTERNAL_PAYMENT))
AC_CORE = din.EVSESupportedEnergyTransferType.AC_THREE_PHASE_CORE


@pytest.mark.parametrize(
    ("name", "answer", "code"),
    [
        ("SessionSetup", replace(GOOD["SessionSetup"], response_code=OK), "not-a-new-session"),
        ("SessionSetup", with_session("SessionSetup", bytes(8)), "session-id-zero"),
        ("SessionSetup", with_session("SessionSetup", b"1234"), "session-id-length"),
        ("SessionSetup", Received(STREAM, GOOD["SessionSetup"], None), "no-header"),
        ("SessionSetup", ISO2_GOOD["SessionSetup"], "unexpected-message"),
        ("ServiceDiscovery", GOOD["PowerDelivery"], "other-answer"),
        ("ServiceDiscovery", with_session("ServiceDiscovery", b"12345678"), "session-id-changed"),
        ("ServiceDiscovery", replace(GOOD["ServiceDiscovery"], payment_options=CONTRACT_TOO), "payment-options"),
        ("ServiceDiscovery", with_service(service_tag=replace(CHARGING, service_id=2)), "no-charge-service"),
        ("ServiceDiscovery", with_service(service_tag=replace(CHARGING, service_name="DC")), "more-than-charging"),
        ("ServiceDiscovery", with_service(energy_transfer_type=AC_CORE), "energy-transfer-type-not-offered"),
        ("ContractAuthentication", din.ChargingStatusReq(), "no-answer"),
        ("ChargeParameterDiscovery", with_schedules(both(schedules(9_000))), "schedules"),
        ("ChargeParameterDiscovery", with_schedules(schedules(9_000, duration=None)), "schedule-too-short"),
        ("ChargeParameterDiscovery", with_schedules(schedules(9_000, duration=86_399)), "schedule-too-short"),
        ("ChargeParameterDiscovery", with_schedules(schedules(9_000, starts=(5,))), "schedule-times"),
        ("ChargeParameterDiscovery", with_schedules(schedules(-9_000)), "negative-power"),
        (
            "ChargeParameterDiscovery",
            replace(GOOD["ChargeParameterDiscovery"], evse_charge_parameter=AC_LIMITS),
            "crossed-parameters",
        ),
        ("ChargeParameterDiscovery", with_limits(evse_maximum_power_limit=watts(-1.0)), "negative-limit"),
        ("ChargeParameterDiscovery", with_limits(evse_maximum_current_limit=amperes(-1.0)), "negative-limit"),
        ("CurrentDemand", replace(GOOD["CurrentDemand"], evse_maximum_power_limit=watts(-1.0)), "negative-limit"),
        ("CableCheck", with_status("CableCheck", evse_isolation_status=None), "isolation-not-valid"),
        (
            "CableCheck",
            with_status("CableCheck", evse_isolation_status=din.IsolationLevel.FAULT),
            "isolation-not-valid",
        ),
        (
            "CableCheck",
            with_status("CableCheck", evse_status_code=din.DC_EVSEStatusCode.EVSE_NOT_READY),
            "station-not-ready",
        ),
        ("CurrentDemand", replace(GOOD["CurrentDemand"], evse_present_voltage=volts(900.0)), "overvoltage"),
        ("CurrentDemand", replace(GOOD["CurrentDemand"], evse_present_current=amperes(400.0)), "overcurrent"),
    ],
)
def test_answer_that_breaks_the_standard_ends_the_session(name: str, answer: Any, code: str) -> None:
    bench = Bench(CAR, bending(name, answer)).run()
    assert bench.code == f"refused.{code}"
    assert bench.effects[-4:-1] == [SetLoad(0.0), MoveRelays(False), SetPilot("B")]


# --- when it stops --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["EVSE_Shutdown", "EVSE_EmergencyShutdown", "EVSE_Malfunction"])
def test_state_of_the_station_in_which_the_car_stops(code: str) -> None:
    wish = with_status("CurrentDemand", evse_status_code=din.DC_EVSEStatusCode(code))
    bench = Bench(replace(CAR, loops=100), bending("CurrentDemand", wish, times=5)).run()
    assert bench.code == "completed.by-station"
    assert bench.names.count("CurrentDemand") == 5
    assert bench.names[-3:] == ["PowerDelivery", "WeldingDetection", "SessionStop"]


def test_notification_to_stop_is_obeyed_and_one_to_renegotiate_is_not() -> None:
    for notification, ended in (("StopCharging", "completed.by-station"), ("ReNegotiation", "completed.full")):
        wish = with_status("CurrentDemand", evse_notification=din.EVSENotification(notification))
        bench = Bench(replace(CAR, loops=20), bending("CurrentDemand", wish, times=5)).run()
        assert bench.code == ended
        assert bench.names.count("ChargeParameterDiscovery") == 1


def test_driver_stops_in_the_loop() -> None:
    bench = Bench(replace(CAR, loops=1000))

    def bend(name: str, count: int) -> Any:
        if name == "CurrentDemand" and count == 20:
            bench.hear(StopRequested("driver"))
        return GOOD.get(name)

    bench.bend = bend
    assert bench.run().code == "completed.by-car"
    assert bench.names.count("CurrentDemand") == 20


@pytest.mark.parametrize("name", WHOLE[2:9])
def test_car_may_leave_before_power(name: str) -> None:
    bench = Bench(replace(CAR, stop_before=name)).run()
    assert bench.code == "completed.early"
    assert bench.names == [*WHOLE[: WHOLE.index(name)], "SessionStop"]


def test_car_may_leave_out_of_the_loop() -> None:
    bench = Bench(replace(CAR, stop_before="CurrentDemand")).run()
    assert bench.code == "completed.full"
    assert bench.names == [*WHOLE[: WHOLE.index("CurrentDemand")], *["CurrentDemand"] * 3, "SessionStop"]


def test_car_may_leave_without_welding_detection() -> None:
    names = Bench(replace(CAR, stop_before="WeldingDetection")).run().names
    assert names == [name for name in WHOLE if name != "WeldingDetection"]

"""Pause and resume of a session: who may join it again, and what the car then gets."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from certs.contract import Contract
from secc.conversation import Answered, Ask
from secc.iso2 import timing
from secc.iso2.messages import (
    AC_EVSEChargeParameter,
    AuthorizationReq,
    ChargingSession,
    ChargingStatusReq,
    EVSENotification,
    EVSEProcessing,
    PaymentOption,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    SessionStopReq,
)
from secc.iso2.messages import EnergyTransferMode as Mode
from secc.iso2.paused import DECISION_HOLDS_SECONDS, Paused, PausedContract
from secc.session.effects import (
    AuthorizeContract,
    Decision,
    Ground,
    Identify,
    IdentifyAgain,
    KeepForResume,
    OpenContactor,
    Remark,
    Resume,
    SetOutput,
    StopPower,
    ValidateContract,
    Verdict,
)
from secc.session.events import LimitChanged
from secc.session.offer import Offer, Transfer
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet, VendorService
from tests.dialogue import LATER
from tests.iso2_car import (
    AC_EIM,
    AC_PNC,
    DC_EIM,
    DC_PNC,
    EVCCID,
    OFFERS,
    RENEGOTIATE,
    START,
    STOP,
    Car,
    ac_parameters,
    counting_entropy,
    dc_delivery,
    delivery,
    given_id,
    selection,
)

PAUSE = SessionStopReq(charging_session=ChargingSession.PAUSE)
JOINED, NEW = ResponseCode.OK_OLD_SESSION_JOINED, ResponseCode.OK_NEW_SESSION_ESTABLISHED
FINISHED = EVSEProcessing.FINISHED
SECONDS = 250.0


def pausing(offer: Offer, *, watts: float | None = None) -> Car:
    """A car that has charged and paused."""
    car = Car(replace(offer, watts_limit=watts)).drive(until="SessionStop")
    assert car.says(PAUSE).response_code is ResponseCode.OK
    assert car.code == "completed.pause"
    return car


def kept(car: Car) -> Paused:
    (effect,) = car.all(KeepForResume)
    assert isinstance(effect.value, Paused)
    return effect.value


def again(before: Car, *, seconds: float = SECONDS, **changes: Any) -> Car:
    """The next session of this plug-in, not set up yet."""
    offer = replace(before.offer, **({"paused": kept(before)} | changes))
    car = Car(offer, now=before.now + seconds, entropy=counting_entropy(40))
    car.session_id = before.session_id
    return car


def joined(before: Car, **how: Any) -> Car:
    car = again(before, **how)
    assert car.says(SessionSetupReq(evcc_id=EVCCID)).response_code is JOINED
    return car


# --- who may join -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_the_car_that_paused_joins_its_session_and_charges_to_the_end(offer: Offer) -> None:
    before = pausing(offer)
    car = joined(before)
    assert given_id(car.station) == before.session_id
    assert car.all(Resume)
    car.finish("SessionSetup")
    assert car.code == "completed.terminated"
    assert {heard.header.session_id for heard in car.heard} == {before.session_id}


@pytest.mark.case("I2X-18")
@pytest.mark.parametrize("brought", [bytes(8), b"\x00", b"", bytes.fromhex("1122334455667788")])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_another_session_id_is_a_new_session(offer: Offer, brought: bytes) -> None:
    before = pausing(offer)
    car = again(before)
    assert car.says(SessionSetupReq(evcc_id=EVCCID), session_id=brought).response_code is NEW
    assert given_id(car.station) not in (before.session_id, brought, bytes(8))
    assert not car.all(Resume)


def test_chance_may_yield_the_paused_id_but_it_is_not_given_to_another_session() -> None:
    before = pausing(DC_EIM)
    drawn = iter([before.session_id, b"\x22" * 8])
    car = Car(replace(DC_EIM, paused=kept(before)), entropy=lambda count: next(drawn))
    car.says(SessionSetupReq(evcc_id=EVCCID), session_id=bytes(8))
    assert given_id(car.station) == b"\x22" * 8


@pytest.mark.case("I2X-20", "A-SES-02")
@pytest.mark.parametrize("evcc_id", [b"", EVCCID[:-1], EVCCID + b"\x00", bytes.fromhex("001122334456")])
def test_another_evccid_is_a_new_session(evcc_id: bytes) -> None:
    before = pausing(AC_PNC)
    car = again(before)
    setup = SessionSetupReq(evcc_id=evcc_id)
    assert car.says(setup, raw=len(evcc_id) > 6).response_code is NEW
    assert given_id(car.station) != before.session_id
    assert not car.all(Resume)
    refused = Remark("A-SES-02", "the SessionID of the paused session does not count: another EVCCID")
    remarks = car.all(Remark)
    assert [remark.code for remark in remarks] == [*([] if len(evcc_id) == 6 else ["Q-32"]), "A-SES-02"]
    assert remarks[-1] == refused


@pytest.mark.case("A-SES-02")
@pytest.mark.parametrize("tls", [True, False])
def test_a_session_is_not_resumed_on_another_kind_of_transport(tls: bool) -> None:
    before = pausing(replace(AC_EIM, tls=tls))
    car = again(before, tls=not tls)
    assert car.says(SessionSetupReq(evcc_id=EVCCID)).response_code is NEW
    assert [remark.code for remark in car.all(Remark)] == ["A-SES-02"]


def test_nor_where_its_energy_transfer_is_no_longer_offered() -> None:
    car = again(pausing(DC_EIM), transfers=AC_EIM.transfers, ac=AC_EIM.ac, dc=None)
    assert car.says(SessionSetupReq(evcc_id=EVCCID)).response_code is NEW


@pytest.mark.parametrize("value", [None, object(), "paused"])
def test_the_value_of_another_protocol_means_nothing_here(value: object) -> None:
    car = Car(replace(DC_EIM, paused=value))
    assert car.says(SessionSetupReq(evcc_id=EVCCID), session_id=b"\x11" * 8).response_code is NEW


# --- what pauses ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", OFFERS)
def test_a_pause_from_any_other_state_ends_the_session(way: str) -> None:
    names = [name for name, _ in Car(OFFERS[way])._steps()][1:]
    pauses = {"SessionStop", "WeldingDetection"}
    assert pauses & set(names)
    for name in names:
        car = Car(OFFERS[way]).drive(until=name)
        assert car.says(PAUSE).response_code is ResponseCode.OK
        assert bool(car.all(KeepForResume)) is (name in pauses)
        assert car.code == ("completed.pause" if name in pauses else "completed.stopped-early")
        # Power is asked to be off before either.
        assert name not in ("CurrentDemand", "ChargingStatus") or car.asked(StopPower)


def test_a_car_may_pause_before_it_has_charged() -> None:
    car = Car(AC_EIM).drive(until="PowerDelivery(Start)")
    car.says(delivery(STOP))
    car.says(PAUSE)
    assert car.code == "completed.pause"
    assert kept(car).chosen is None
    joined(car).finish("SessionSetup")


def test_a_resumed_session_may_pause_again() -> None:
    first = pausing(AC_PNC)
    second = joined(first)
    for name, step in second._steps():
        if name == "SessionStop":
            break
        if name != "SessionSetup":
            step()
    second.says(PAUSE)
    assert second.code == "completed.pause"
    assert kept(second).session_id == kept(first).session_id
    assert kept(second).contract == kept(first).contract
    assert kept(second).chosen is not None
    third = joined(second)
    third.finish("SessionSetup")
    assert third.code == "completed.terminated"


# --- what a resumed car sees ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", [True, False])
@pytest.mark.parametrize("single", [True, False])
def test_only_payment_service_and_mode_chosen_before_are_offered(contract: bool, single: bool) -> None:
    mode = Mode.AC_SINGLE_PHASE_CORE if single else Mode.AC_THREE_PHASE_CORE
    before = Car(AC_PNC if contract else replace(AC_PNC, free=True)).drive(until="PaymentServiceSelection")
    option = PaymentOption.CONTRACT if contract else PaymentOption.EXTERNAL_PAYMENT
    before.says(selection(option))
    if contract:
        before.payment_details()
        before.signed_authorization()
    else:
        before.says(AuthorizationReq())
    before.says(ac_parameters(mode))
    for request in (delivery(START), ChargingStatusReq(), delivery(STOP), PAUSE):
        assert before.says(request).response_code is ResponseCode.OK
    car = joined(before)
    discovery = car.says(ServiceDiscoveryReq())
    assert discovery.payment_option_list.payment_option == (option,)
    assert discovery.charge_service.service_id == 1
    assert discovery.service_list is None
    assert discovery.charge_service.supported_energy_transfer_mode.energy_transfer_mode == (mode,)
    other = PaymentOption.EXTERNAL_PAYMENT if contract else PaymentOption.CONTRACT
    assert car.says(selection(other)).response_code is ResponseCode.FAILED_PAYMENT_SELECTION_INVALID


def test_another_mode_than_before_is_refused() -> None:
    car = joined(pausing(AC_EIM))
    for name, step in car._steps():
        if name == "ChargeParameterDiscovery":
            break
        if name != "SessionSetup":
            step()
    body = car.says(ac_parameters(Mode.AC_SINGLE_PHASE_CORE))
    assert body.response_code is ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE


def parameters(before: Car, limit: float | None = None, seconds: float = SECONDS, **more: Any) -> Any:
    """The answer to ChargeParameterDiscoveryReq of a resumed AC car."""
    car = joined(before, seconds=seconds, watts_limit=limit)
    car.drive_on("ChargeParameterDiscovery")
    entries = more.pop("entries", None)
    request = replace(ac_parameters(**more), max_entries_sa_schedule_tuple=entries)
    return car.says(request)


def spans(body: Any) -> list[tuple[int, int | None, float]]:
    (tuple_,) = body.sa_schedules.sa_schedule_tuple
    assert tuple_.sa_schedule_tuple_id == 1
    return [
        (e.time_interval.start, e.time_interval.duration, e.p_max.value * 10.0**e.p_max.multiplier)
        for e in tuple_.p_max_schedule.p_max_schedule_entry
    ]


@pytest.mark.parametrize(("entries", "departure"), [(None, None), (12, None), (1, None), (None, 50_000), (12, 50_000)])
def test_the_chosen_tuple_comes_again_with_the_time_that_is_left(entries: int | None, departure: int | None) -> None:
    body = parameters(pausing(AC_EIM, watts=11_040.0), entries=entries, departure_time=departure)
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)
    assert isinstance(body.evse_charge_parameter, AC_EVSEChargeParameter)
    left = 86_400 - int(SECONDS)
    assert spans(body) == [(0, departure or left, 11_040.0)]


def test_power_is_that_of_the_chosen_tuple_within_the_limit_of_now() -> None:
    before = pausing(AC_EIM, watts=11_040.0)
    assert spans(parameters(before, 22_080.0))[0][2] == 11_040.0
    assert spans(parameters(before, 7_360.0))[0][2] == 7_360.0


def test_a_tuple_whose_time_is_over_is_replaced() -> None:
    assert spans(parameters(pausing(AC_EIM), seconds=86_401.0))[0][1] == 86_400


def test_a_tuple_without_power_is_not_offered_again() -> None:
    before = pausing(AC_EIM)
    value = kept(before)
    assert value.chosen is not None
    none = replace(value, chosen=replace(value.chosen, schedule=replace(value.chosen.schedule, watts=0.0)))
    car = joined(before, paused=none)
    car.drive_on("ChargeParameterDiscovery")
    assert spans(car.says(ac_parameters())) == [(0, 86_400, 22_080.0)]


def test_a_car_with_a_contract_is_asked_to_renegotiate_when_more_is_allowed_than_its_tuple_says() -> None:
    before = pausing(AC_PNC, watts=7_360.0)
    for limit, notification in ((None, EVSENotification.RE_NEGOTIATION), (7_360.0, EVSENotification.NONE)):
        car = joined(before, watts_limit=limit)
        car.drive_on("PowerDelivery(Start)")
        assert car.says(delivery(START)).evse_status.evse_notification is notification


def test_a_renegotiation_of_a_resumed_session_gives_new_schedules() -> None:
    car = joined(pausing(AC_EIM, watts=7_360.0), watts_limit=None)
    car.drive_on("PowerDelivery(Stop)")
    car.says(delivery(RENEGOTIATE))
    assert spans(car.says(ac_parameters())) == [(0, 86_400, 22_080.0)]


def test_a_limit_of_nothing_waits_as_ever() -> None:
    car = joined(pausing(AC_EIM), watts_limit=0.0)
    car.drive_on("ChargeParameterDiscovery")
    assert car.says(ac_parameters()).evse_processing is EVSEProcessing.ONGOING
    car.hear(LimitChanged(None))
    assert car.says(ac_parameters()).evse_processing is FINISHED


# --- the contract ---------------------------------------------------------------------------------------------------------------


def proving(before: Car, **how: Any) -> Car:
    """A resumed car that is about to prove its contract."""
    car = joined(before, **how)
    car.answers[AuthorizeContract] = LATER
    car.drive_on("Authorization")
    return car


def test_the_contract_is_proved_anew_and_goes_on_under_the_decision_made_before() -> None:
    before = pausing(DC_PNC)
    car = proving(before)
    assert car.challenge != before.challenge
    assert not car.asked(AuthorizeContract), "the decision holds"
    assert not car.all(Identify), "nothing is believed before the proof"
    assert car.signed_authorization().evse_processing is FINISHED
    (said,) = car.all(Identify)
    assert said == IdentifyAgain(said.contract, Verdict(Decision.ACCEPTED)), "nothing that the backend hears as news"
    assert not car.asked(AuthorizeContract)


@pytest.mark.parametrize("stale", [True, False])
def test_the_challenge_of_before_proves_nothing(stale: bool) -> None:
    before = pausing(DC_PNC)
    car = proving(before)
    if stale:
        body = car.signed_authorization(gen_challenge=before.challenge)
        assert body.response_code is ResponseCode.FAILED_CHALLENGE_INVALID
    else:
        assert car.says(AuthorizationReq()).response_code is ResponseCode.FAILED_SIGNATURE_ERROR
    assert not car.all(Identify)


@pytest.mark.case("A-SES-02")
def test_another_contract_is_refused() -> None:
    before = pausing(DC_PNC)
    value = kept(before)
    assert value.contract is not None
    car = joined(before, paused=replace(value, contract=replace(value.contract, emaid="DEAAAC99999999")))
    car.drive_on("PaymentDetails")
    body = car.payment_details()
    assert body.response_code is ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE
    assert car.asked(ValidateContract)
    assert not car.asked(AuthorizeContract)
    assert not car.all(Identify)


OLD = DECISION_HOLDS_SECONDS + 1.0


def lost_line(before: Car) -> float:
    return before.now + 1.0


@pytest.mark.parametrize("why", ["old", "line"])
def test_a_decision_that_may_be_out_of_date_is_asked_for_while_the_session_goes_on(why: str) -> None:
    before = pausing(DC_PNC)
    how = {"seconds": OLD} if why == "old" else {"backend_lost_at": lost_line(before)}
    car = proving(before, **how)
    assert not car.asked(AuthorizeContract), "asked after the proof"
    assert car.signed_authorization().evse_processing is FINISHED
    assert len(car.asked(AuthorizeContract)) == 1
    car.drive_on("CableCheck")
    car.answer(AuthorizeContract, Verdict(Decision.ACCEPTED, "again", Ground.BACKEND))
    car.finish("ChargeParameterDiscovery")
    assert car.code == "completed.terminated"
    assert [said.verdict.detail for said in car.all(Identify)] == ["", "again"]


def test_a_line_lost_before_the_decision_changes_nothing() -> None:
    car = proving(pausing(DC_PNC), backend_lost_at=50.0)
    car.signed_authorization()
    assert not car.asked(AuthorizeContract)


@pytest.mark.parametrize("decision", [Decision.NO_ANSWER, Decision.CONTRACT_CANCELLED])
def test_silence_changes_nothing_and_a_refusal_stops_the_car(decision: Decision) -> None:
    car = proving(pausing(DC_PNC), seconds=OLD)
    car.signed_authorization()
    car.drive_on("PowerDelivery(Start)")
    ask = next(ask for ask in car.pending if isinstance(ask, Ask) and isinstance(ask.question, AuthorizeContract))
    car.hear(Answered(ask.ticket, Verdict(decision)))
    body = car.says(dc_delivery(START))
    if decision is Decision.NO_ANSWER:
        assert body.response_code is ResponseCode.OK
    else:
        assert body.response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED
        assert car.all(Identify)[-1].verdict == Verdict(decision)


def test_a_refusal_counts_from_the_moment_it_comes_though_the_car_says_nothing() -> None:
    car = proving(pausing(DC_PNC), seconds=OLD)
    car.signed_authorization()
    car.drive_on("CurrentDemand")
    ask = next(ask for ask in car.pending if isinstance(ask, Ask) and isinstance(ask.question, AuthorizeContract))
    car.hear(Answered(ask.ticket, Verdict(Decision.CONTRACT_CANCELLED)))
    assert car.all(Identify)[-1].verdict == Verdict(Decision.CONTRACT_CANCELLED)
    car.wait(timing.NOTIFICATION_MAX_DELAY.seconds - 0.1)
    assert not car.all(OpenContactor)
    car.wait(0.2)
    assert car.all(OpenContactor)


def test_a_new_decision_counts_for_the_next_pause() -> None:
    car = proving(pausing(DC_PNC), seconds=OLD)
    car.answers[AuthorizeContract] = Verdict(Decision.ACCEPTED, "again")
    car.signed_authorization()
    car.drive_on("SessionStop")
    car.says(PAUSE)
    contract = kept(car).contract
    assert contract is not None
    assert contract.verdict == Verdict(Decision.ACCEPTED, "again")
    assert contract.holds(car.offer, car.now)


def test_a_car_that_pauses_before_the_answer_waits_for_one_at_its_next_resume() -> None:
    """With a slow backend a contract that was cancelled could otherwise charge on its old decision from pause to pause."""
    car = proving(pausing(DC_PNC), seconds=OLD)
    car.signed_authorization()
    car.drive_on("SessionStop")
    car.says(PAUSE)
    contract = kept(car).contract
    assert contract is not None
    assert contract.verdict is None
    next_time = proving(car)
    assert next_time.signed_authorization().evse_processing is EVSEProcessing.ONGOING
    ask = next(ask for ask in next_time.pending if isinstance(ask, Ask) and isinstance(ask.question, AuthorizeContract))
    next_time.hear(Answered(ask.ticket, Verdict(Decision.CONTRACT_CANCELLED)))
    assert next_time.says(AuthorizationReq()).response_code is ResponseCode.FAILED
    assert not next_time.all(SetOutput)


def test_a_backend_that_does_not_answer_leaves_the_decision_of_before() -> None:
    car = proving(pausing(DC_PNC), seconds=OLD)
    car.signed_authorization()
    car.drive_on("CableCheck")
    car.answer(AuthorizeContract, Verdict(Decision.NO_ANSWER))
    car.drive_on("SessionStop")
    car.says(PAUSE)
    contract = kept(car).contract
    assert contract is not None
    assert contract.verdict is not None
    assert proving(car).signed_authorization().evse_processing is FINISHED


def test_a_decision_that_never_came_is_asked_for_as_in_a_new_session() -> None:
    """A card was accepted first; the backend has not decided about the contract."""
    before = Car(replace(AC_PNC, eim_authorized=True))
    before.answers[AuthorizeContract] = LATER
    before.drive(until="SessionStop")
    before.says(PAUSE)
    value = kept(before)
    assert value.contract is not None
    assert value.contract.verdict is None
    car = joined(before)
    car.drive_on("ChargeParameterDiscovery")
    assert car.asked(AuthorizeContract)


# --- what is kept ---------------------------------------------------------------------------------------------------------------


def test_the_value_shows_nobody_and_has_no_chain() -> None:
    value = kept(pausing(AC_PNC))
    assert value.transfer is Transfer.AC_THREE_PHASE
    assert isinstance(value.contract, PausedContract)
    for personal in (value.contract.emaid, EVCCID.hex(), value.session_id.hex(), repr(EVCCID)):
        assert personal not in repr(value)
        assert personal not in repr(KeepForResume(value))

    def reached(thing: object, seen: set[int]) -> int:
        """Octets of everything that the value holds."""
        if id(thing) in seen:
            return 0
        seen.add(id(thing))
        assert not isinstance(thing, Contract)
        inner = [getattr(thing, name) for name in getattr(type(thing), "__slots__", ()) if hasattr(thing, name)]
        return sys.getsizeof(thing) + sum(reached(one, seen) for one in inner)

    assert reached(value, set()) < 4096


# --- Services beside charging -----------------------------------------------------------------------------------------------------

SETS = tuple(ServiceParameterSet(number, (ServiceParameter("Program", Kind.INT, number),)) for number in (1, 2, 3))
SERVED = replace(
    DC_EIM,
    tls=True,
    internet=tuple(Internet),
    services=(VendorService(60_001, parameter_sets=SETS), VendorService(60_002), VendorService(60_003)),
)


def test_a_resumed_session_has_the_services_selected_before() -> None:
    """[V2G2-741]"""
    car = Car(SERVED).drive(until="PaymentServiceSelection")
    before = ((1, None), (3, 4), (60_001, 2), (60_001, 1), (60_003, None))
    chosen = tuple(SelectedService(service_id=number, parameter_set_id=one) for number, one in before)
    asked = replace(
        selection(PaymentOption.EXTERNAL_PAYMENT), selected_service_list=SelectedServiceList(selected_service=chosen)
    )
    assert car.says(asked).response_code is ResponseCode.OK
    car.drive_on("SessionStop")
    car.says(PAUSE)
    assert kept(car).services == before
    after = joined(car)
    body = after.says(ServiceDiscoveryReq())
    assert [service.service_id for service in body.service_list.service] == [3, 60_001, 60_003]
    for service, sets in ((3, [4]), (60_001, [1, 2]), (60_003, None)):
        found = after.says(ServiceDetailReq(service_id=service)).service_parameter_list
        assert (None if found is None else [one.parameter_set_id for one in found.parameter_set]) == sets
    refused = replace(
        asked, selected_service_list=SelectedServiceList(selected_service=(SelectedService(service_id=60_002),))
    )
    assert after.says(refused).response_code is ResponseCode.FAILED_SERVICE_SELECTION_INVALID


def test_a_resumed_session_has_no_services_if_none_was_selected() -> None:
    assert joined(pausing(SERVED)).says(ServiceDiscoveryReq()).service_list is None

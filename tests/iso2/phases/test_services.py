"""ServiceDiscovery, ServiceDetail, PaymentServiceSelection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secc.iso2.messages import (
    EnergyTransferMode,
    Parameter,
    PaymentOption,
    PaymentServiceSelectionReq,
    PhysicalValue,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceCategory,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    UnitSymbol,
)
from secc.session.effects import Milestone, Provisioning, Reach
from secc.session.offer import Offer, Payment
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet, VendorService
from tests.iso2_car import AC_EIM, DC_EIM, DC_PNC, Car, selection

CONTRACT, EXTERNAL = PaymentOption.CONTRACT, PaymentOption.EXTERNAL_PAYMENT


@pytest.mark.case("I2-SDIS-01", "Q-35", "Q-36")
def test_the_offer_is_minimal() -> None:
    body = Car().drive(until="ServiceDiscovery").says(ServiceDiscoveryReq())
    assert body.response_code is ResponseCode.OK
    assert body.payment_option_list.payment_option == (EXTERNAL,)
    assert body.service_list is None
    service = body.charge_service
    assert (service.service_id, service.service_category, service.free_service) == (
        1,
        ServiceCategory.EV_CHARGING,
        True,
    )
    assert service.supported_energy_transfer_mode.energy_transfer_mode == (EnergyTransferMode.DC_EXTENDED,)


def test_an_ac_outlet_offers_its_phases() -> None:
    body = Car(AC_EIM).drive(until="ServiceDiscovery").says(ServiceDiscoveryReq())
    assert body.charge_service.supported_energy_transfer_mode.energy_transfer_mode == (
        EnergyTransferMode.AC_THREE_PHASE_CORE,
        EnergyTransferMode.AC_SINGLE_PHASE_CORE,
    )


@pytest.mark.parametrize("category", [None, *ServiceCategory])
def test_scope_and_category_never_filter_the_charge_service(category: ServiceCategory | None) -> None:
    request = ServiceDiscoveryReq(service_scope="somewhere else", service_category=category)
    body = Car().drive(until="ServiceDiscovery").says(request)
    assert body.charge_service.service_id == 1


@pytest.mark.case("A-TLS-01")
def test_contract_is_offered_over_tls_only() -> None:
    def options(**changes: object) -> tuple[PaymentOption, ...]:
        car = Car(replace(DC_PNC, **changes)).drive(until="ServiceDiscovery")  # type: ignore[arg-type]  # of Offer
        return car.says(ServiceDiscoveryReq()).payment_option_list.payment_option  # type: ignore[no-any-return]

    assert options() == (CONTRACT, EXTERNAL)
    assert options(tls=False) == (EXTERNAL,)
    assert options(payments=(Payment.CONTRACT,), tls=False) == (EXTERNAL,)
    assert options(payments=(Payment.CONTRACT,)) == (CONTRACT,)
    assert options(payments=(Payment.EXTERNAL,)) == (EXTERNAL,)


def test_the_charge_service_may_be_asked_about_again_and_again() -> None:
    car = Car().drive(until="ServiceDetail")
    for _ in range(64):
        body = car.says(ServiceDetailReq(service_id=1))
        assert (body.response_code, body.service_id, body.service_parameter_list) == (ResponseCode.OK, 1, None)
    assert car.says(selection(EXTERNAL)).response_code is ResponseCode.OK


@pytest.mark.case("A-SES-08")
def test_there_is_an_end_to_asking() -> None:
    car = Car().drive(until="ServiceDetail")
    for _ in range(64):
        car.says(ServiceDetailReq(service_id=1))
    assert car.says(ServiceDetailReq(service_id=1)).response_code is ResponseCode.FAILED
    assert car.code == "refused.FAILED"


@pytest.mark.case("I2-SDET-07", "D9")
@pytest.mark.parametrize("service", [0, 2, 3, 4, 60_001, 65_535])
def test_a_service_that_was_not_offered_has_no_details(service: int) -> None:
    car = Car().drive(until="ServiceDetail")
    body = car.says(ServiceDetailReq(service_id=service))
    assert (body.response_code, body.service_id) == (ResponseCode.FAILED_SERVICE_ID_INVALID, service)
    assert car.code == "refused.FAILED_ServiceIDInvalid"


@pytest.mark.parametrize("option", [CONTRACT, EXTERNAL])
def test_what_is_offered_can_be_selected(option: PaymentOption) -> None:
    assert Car(DC_PNC).drive(until="PaymentServiceSelection").says(selection(option)).response_code is ResponseCode.OK


@pytest.mark.case("A-SES-07")
@pytest.mark.parametrize(
    ("offered", "option", "services", "code"),
    [
        ((Payment.EXTERNAL,), CONTRACT, (1,), ResponseCode.FAILED_PAYMENT_SELECTION_INVALID),
        ((Payment.CONTRACT,), EXTERNAL, (1,), ResponseCode.FAILED_PAYMENT_SELECTION_INVALID),
        ((Payment.EXTERNAL,), EXTERNAL, (1, 2), ResponseCode.FAILED_SERVICE_SELECTION_INVALID),
        ((Payment.EXTERNAL,), EXTERNAL, (99,), ResponseCode.FAILED_SERVICE_SELECTION_INVALID),
    ],
)
def test_what_is_not_offered_cannot(
    offered: tuple[Payment, ...], option: PaymentOption, services: tuple[int, ...], code: ResponseCode
) -> None:
    car = Car(replace(DC_PNC, payments=offered)).drive(until="PaymentServiceSelection")
    assert car.says(selection(option, *services)).response_code is code
    assert car.code == f"refused.{code}"


def test_without_the_charge_service_there_is_nothing_to_do() -> None:
    car = Car(DC_EIM).drive(until="PaymentServiceSelection")
    empty = replace(selection(EXTERNAL), selected_service_list=SelectedServiceList(selected_service=()))
    # Nothing selected breaks the schema, and is what remains of a list without service 1 where no other is offered.
    assert car.says(empty, raw=True).response_code is ResponseCode.FAILED_SERVICE_SELECTION_INVALID


def test_a_parameter_set_of_the_charge_service_does_not_matter() -> None:
    car = Car().drive(until="PaymentServiceSelection")
    chosen = SelectedServiceList(selected_service=(SelectedService(service_id=1, parameter_set_id=7),))
    assert car.says(replace(selection(EXTERNAL), selected_service_list=chosen)).response_code is ResponseCode.OK


# --- Services beside charging ---------------------------------------------------------------------------------------------------

WASH = VendorService(
    60_001,
    "Wash",
    "car care",
    tls_only=False,
    parameter_sets=(
        ServiceParameterSet(1, (ServiceParameter("Minutes", Kind.BYTE, 12), ServiceParameter("Wax", Kind.BOOL, False))),
        ServiceParameterSet(
            7,
            (
                ServiceParameter("Water", Kind.PHYSICAL, 2.5, "Wh"),
                ServiceParameter("Program", Kind.SHORT, -300),
                ServiceParameter("Code", Kind.INT, 2**31 - 1),
                ServiceParameter("Text", Kind.STRING, "warm"),
            ),
        ),
    ),
)
LOCKER = VendorService(60_002, scope="parcels", free=True)
ALL = replace(
    DC_PNC, provisioning=tuple(Provisioning), internet=(Internet.HTTPS, Internet.HTTP), services=(LOCKER, WASH)
)


def listed(offer: Offer, **filters: object) -> list[int]:
    body = Car(offer).drive(until="ServiceDiscovery").says(ServiceDiscoveryReq(**filters))  # type: ignore[arg-type]
    assert body.charge_service.service_id == 1
    if body.service_list is None:
        return []
    assert body.service_list.service, "an empty list is left out"
    return [service.service_id for service in body.service_list.service]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [2, 3, 60_001, 60_002]),
        ({"service_scope": ""}, [2, 3, 60_001, 60_002]),
        ({"service_scope": "parcels"}, [60_002]),
        ({"service_scope": "PARCELS"}, []),
        ({"service_category": ServiceCategory.EV_CHARGING}, []),
        ({"service_category": ServiceCategory.CONTRACT_CERTIFICATE}, [2]),
        ({"service_category": ServiceCategory.INTERNET}, [3]),
        ({"service_category": ServiceCategory.OTHER_CUSTOM}, [60_001, 60_002]),
        ({"service_category": ServiceCategory.OTHER_CUSTOM, "service_scope": "car care"}, [60_001]),
        ({"service_category": ServiceCategory.INTERNET, "service_scope": "car care"}, []),
    ],
)
def test_category_and_scope_filter_the_services_beside_charging(
    filters: dict[str, object], expected: list[int]
) -> None:
    assert listed(ALL, **filters) == expected


@pytest.mark.case("I2X-35")
def test_plain_tcp_has_only_what_needs_no_tls() -> None:
    assert listed(replace(ALL, tls=False)) == [60_001]


def test_a_car_that_pays_by_card_gets_the_same_services_but_no_certificates() -> None:
    assert listed(replace(ALL, payments=(Payment.EXTERNAL,))) == [3, 60_001, 60_002]


def details(service: int, offer: Offer = ALL) -> dict[int, list[Parameter]]:
    body = Car(offer).drive(until="ServiceDetail").says(ServiceDetailReq(service_id=service))
    assert (body.response_code, body.service_id) == (ResponseCode.OK, service)
    if body.service_parameter_list is None:
        return {}
    return {one.parameter_set_id: list(one.parameter) for one in body.service_parameter_list.parameter_set}


def test_internet_access_has_the_parameter_sets_of_the_standard() -> None:
    def access(protocol: str, port: int) -> list[Parameter]:
        return [Parameter(name="Protocol", string_value=protocol), Parameter(name="Port", int_value=port)]

    assert details(3) == {3: access("http", 80), 4: access("https", 443)}
    assert details(3, replace(ALL, internet=tuple(Internet))) == {
        1: access("ftp", 20),
        2: access("ftp", 21),
        3: access("http", 80),
        4: access("https", 443),
    }


def test_a_service_of_the_operator_has_parameters_of_every_type() -> None:
    assert details(60_001) == {
        1: [Parameter(name="Minutes", byte_value=12), Parameter(name="Wax", bool_value=False)],
        7: [
            Parameter(name="Water", physical_value=PhysicalValue(multiplier=-1, unit=UnitSymbol.WH, value=25)),
            Parameter(name="Program", short_value=-300),
            Parameter(name="Code", int_value=2**31 - 1),
            Parameter(name="Text", string_value="warm"),
        ],
    }
    assert details(60_002) == {}, "and one without has none"


def test_names_scope_and_price_are_those_of_the_offer() -> None:
    body = Car(ALL).drive(until="ServiceDiscovery").says(ServiceDiscoveryReq())
    assert {
        one.service_id: (one.service_name, one.service_scope, one.free_service) for one in body.service_list.service
    } == {
        2: ("Certificate", None, True),
        3: ("Internet", None, True),
        60_001: ("Wash", "car care", False),
        60_002: (None, "parcels", True),
    }


@pytest.mark.parametrize("service", [2, 3, 60_001])
def test_what_a_filter_left_out_is_not_on_offer(service: int) -> None:
    """[V2G2-425]: the ServiceDiscoveryRes of this session says what is."""
    car = Car(ALL).drive(until="ServiceDiscovery")
    car.says(ServiceDiscoveryReq(service_scope="parcels"))
    assert car.says(ServiceDetailReq(service_id=60_002)).response_code is ResponseCode.OK
    assert car.says(ServiceDetailReq(service_id=service)).response_code is ResponseCode.FAILED_SERVICE_ID_INVALID
    car = Car(ALL).drive(until="ServiceDiscovery")
    car.says(ServiceDiscoveryReq(service_scope="parcels"))
    code = ResponseCode.FAILED_SERVICE_SELECTION_INVALID
    assert car.says(selecting((1, None), (service, None))).response_code is code


def selecting(*services: tuple[int, int | None]) -> PaymentServiceSelectionReq:
    chosen = tuple(SelectedService(service_id=number, parameter_set_id=one) for number, one in services)
    return replace(selection(EXTERNAL), selected_service_list=SelectedServiceList(selected_service=chosen))


@pytest.mark.case("A-SES-07", "Q-74")
@pytest.mark.parametrize(
    ("services", "code"),
    [
        pytest.param(((3, 4), (60_001, 7)), ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, id="without charging"),
        pytest.param(((60_002, None),), ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, id="another service alone"),
        pytest.param(
            ((1, None), (3, 1)), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="a set that is not offered"
        ),
        pytest.param(((1, None), (3, 0)), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="set 0"),
        pytest.param(((1, None), (60_001, 2)), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="between two sets"),
        pytest.param(((1, None), (60_002, 1)), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="a set of none"),
        pytest.param(((1, None), (60_003, None)), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="unknown"),
        pytest.param(((60_003, None),), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="unknown alone"),
        pytest.param(((3, 4), (1, None), (3, 9)), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, id="good and bad set"),
    ],
)
def test_a_wrong_selection_is_refused(services: tuple[tuple[int, int | None], ...], code: ResponseCode) -> None:
    car = Car(ALL).drive(until="PaymentServiceSelection")
    assert car.says(selecting(*services)).response_code is code
    assert car.code == f"refused.{code}"


@pytest.mark.parametrize(
    ("services", "told"),
    [
        pytest.param(((1, None),), None, id="charging alone"),
        pytest.param(((1, None), (2, 1)), None, id="certificates are told elsewhere"),
        pytest.param(((3, 4), (1, None)), "3/4", id="in any order"),
        pytest.param(((1, None), (3, None)), "3", id="without a set"),
        pytest.param(((1, 7), (60_001, 7), (60_001, 1), (3, 3)), "60001/7, 60001/1, 3/3", id="two sets"),
        pytest.param(((1, None), (1, None), *((3, 4),) * 14), "3/4", id="the same sixteen times"),
    ],
)
def test_a_selection_is_told_each_service_once(services: tuple[tuple[int, int | None], ...], told: str | None) -> None:
    car = Car(ALL).drive(until="PaymentServiceSelection")
    assert car.says(selecting(*services)).response_code is ResponseCode.OK
    (reached,) = [one for one in car.all(Reach) if one.milestone is Milestone.IDENTIFICATION_CHOSEN]
    assert dict(reached.facts).get("services") == told


def test_a_request_of_the_longest_scope_is_read() -> None:
    assert listed(ALL, service_scope="x" * 64) == []


# --- Another stack's octets -----------------------------------------------------------------------------------------------------

BATTERY_DATA = VendorService(
    61_000,
    "Battery data VAS Korea",
    free=True,
    tls_only=False,
    parameter_sets=(
        ServiceParameterSet(
            31_000,
            (
                ServiceParameter("Protocol", Kind.STRING, "TCP Socket"),
                ServiceParameter("IP", Kind.STRING, "fe80::664d:70ff:fe01:60e"),
                ServiceParameter("Port", Kind.INT, 61_000),
                ServiceParameter("Interval", Kind.INT, 3),
            ),
        ),
    ),
)
"""What the station of a public recording offers (dsV2Gshark's example of a battery data exchange, RISE V2G as its station)."""
BATTERY_ID = bytes.fromhex("1efcb138a6df3b3a")
BATTERY_DISCOVERY = "80980207bf2c4e29b7cece91c0012004820320646e0180c2130ba3a32b93c903230ba30902b20a99025b7b932b08ca20"
BATTERY_DETAIL = (
    "80980207bf2c4e29b7cece91a00323700c04c790080a50726f746f636f6ca0c54435020536f636b657400224a850d33329c1"
    "81d1d1b1b1a321d1b9833331d333298189d1b1832801941bdc9d1991b80600a496e74657276616c6018a00"
)


def test_a_service_is_sent_in_the_octets_of_another_stack() -> None:
    offer = replace(DC_EIM, free=False, services=(BATTERY_DATA,))
    car = Car(offer, entropy=lambda count: BATTERY_ID[:count]).drive(until="ServiceDiscovery")
    for request in (ServiceDiscoveryReq(), ServiceDetailReq(service_id=61_000), selecting((1, None), (61_000, None))):
        assert car.says(request).response_code is ResponseCode.OK
    sent = [car.station.encode(sent)[1].hex() for _, sent in car.outbox]
    assert sent[1:3] == [BATTERY_DISCOVERY, BATTERY_DETAIL]

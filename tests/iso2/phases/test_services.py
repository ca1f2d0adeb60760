"""ServiceDiscovery, ServiceDetail, PaymentServiceSelection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secc.iso2.messages import (
    EnergyTransferMode,
    PaymentOption,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceCategory,
    ServiceDetailReq,
    ServiceDiscoveryReq,
)
from secc.session.offer import Payment
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

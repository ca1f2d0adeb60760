"""The services beside charging as elements of a message: what is sent of an offer, and what of it a paused session keeps."""

from __future__ import annotations

import pytest

from secc.iso2 import messages as m
from secc.iso2.services import OfferedService, offered
from secc.session.effects import Provisioning
from secc.session.offer import Offer
from secc.session.services import (
    LARGEST_QUANTITY,
    LONGEST_PARAMETER_NAME,
    LONGEST_TEXT,
    MOST_PARAMETER_SETS,
    MOST_PARAMETERS,
    MOST_SERVICES,
    Internet,
    Kind,
    ServiceParameter,
    ServiceParameterSet,
    VendorService,
)

EXTREMES: dict[Kind, tuple[bool | int | float | str, ...]] = {
    Kind.BOOL: (True, False),
    Kind.BYTE: (-128, 0, 127),
    Kind.SHORT: (-32_768, 32_767),
    Kind.INT: (-(2**31), 2**31 - 1),
    Kind.PHYSICAL: (-LARGEST_QUANTITY, 0.0, 0.001, LARGEST_QUANTITY),
    Kind.STRING: ("x", "x" * LONGEST_TEXT),
}


def sent(body: m.Body) -> m.Body:
    """The body as a car hears it. Encoding is strict, so that it raises for what breaks the schema."""
    message = m.V2G_Message(header=m.MessageHeader(session_id=bytes(8)), body=body)
    found = m.SCHEMA.decode(m.SCHEMA.encode(message)).body
    assert isinstance(found, m.Body)
    return found


def details(service: OfferedService) -> m.ServiceDetailRes:
    listed = service.parameter_list()
    assert listed is not None
    return m.ServiceDetailRes(response_code=m.ResponseCode.OK, service_id=service.number, service_parameter_list=listed)


@pytest.mark.parametrize("kind", Kind)
def test_every_type_carries_its_extremes(kind: Kind) -> None:
    parameters = tuple(
        ServiceParameter(f"P{number}", kind, content, "Wh" if kind is Kind.PHYSICAL else "")
        for number, content in enumerate(EXTREMES[kind])
    )
    service = VendorService(60_001, parameter_sets=(ServiceParameterSet(1, parameters),))
    (found,) = offered(Offer(tls=True, services=(service,)), ())
    body = details(found)
    assert sent(body) == body
    field = f"{kind.value}_value"
    assert body.service_parameter_list is not None
    for content, parameter in zip(EXTREMES[kind], body.service_parameter_list.parameter_set[0].parameter, strict=True):
        said = getattr(parameter, field)
        assert (said.value * 10.0**said.multiplier if kind is Kind.PHYSICAL else said) == pytest.approx(content)


@pytest.mark.case("Q-70")
def test_the_largest_offer_can_be_sent() -> None:
    parameters = tuple(
        ServiceParameter(f"{number}".rjust(LONGEST_PARAMETER_NAME, "N"), Kind.STRING, "x" * LONGEST_TEXT)
        for number in range(MOST_PARAMETERS)
    )
    sets = tuple(ServiceParameterSet(number, parameters) for number in range(1, MOST_PARAMETER_SETS + 1))
    services = tuple(
        VendorService(60_001 + number, "n" * 32, "s" * 64, parameter_sets=sets) for number in range(MOST_SERVICES)
    )
    found = list(offered(Offer(tls=True, services=services), ()))
    assert len(found) == MOST_SERVICES
    charging = m.ChargeService(
        service_id=1,
        service_category=m.ServiceCategory.EV_CHARGING,
        free_service=True,
        supported_energy_transfer_mode=m.SupportedEnergyTransferMode(
            energy_transfer_mode=(m.EnergyTransferMode.DC_EXTENDED,)
        ),
    )
    discovered = m.ServiceDiscoveryRes(
        response_code=m.ResponseCode.OK,
        payment_option_list=m.PaymentOptionList(payment_option=(m.PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=charging,
        service_list=m.ServiceList(service=tuple(one.service for one in found)),
    )
    assert sent(discovered) == discovered
    for one in found:
        assert len(one.sets) == MOST_PARAMETER_SETS
        assert sent(details(one)) == details(one)


def test_services_come_in_the_order_of_their_numbers() -> None:
    offer = Offer(tls=True, internet=(Internet.HTTPS,), services=(VendorService(60_002), VendorService(60_001)))
    assert [one.number for one in offered(offer, (Provisioning.UPDATE,))] == [2, 3, 60_001, 60_002]
    assert [one.number for one in offered(Offer(tls=True), ())] == []


def test_a_paused_session_keeps_what_it_selected_of_a_service() -> None:
    (found,) = offered(Offer(tls=True, internet=tuple(Internet)), ())

    def kept(*selected: tuple[int, int | None]) -> list[int] | None:
        within = found.within(selected)
        return None if within is None else [one.number for one in within.sets]

    assert kept((1, None)) is None
    assert kept((1, None), (3, 4), (3, 1)) == [1, 4]
    assert kept((3, None), (3, 4)) == [1, 2, 3, 4]

"""Messages of DIN SPEC 70121 from SessionSetup to the selection of a service, and SessionStop.

The XSD bounds no list. Those here are bounded by the maxOccurs of ISO 15118-2, or above it where a
foreign codec writes more.
"""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.din.messages.common import Body, EvseId, PhysicalValue, Response, Timestamp
from secc.din.messages.enumerations import EVSESupportedEnergyTransferType, PaymentOption, ServiceCategory, ValueType
from secc.exi import declarations as xs

ServiceId = Annotated[int, xs.UnsignedShort()]
ServiceScope = Annotated[str, xs.Text(32)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetupReq(Body):
    """``evcc_id`` is the car's MAC address, perhaps in eight octets."""

    evcc_id: Annotated[bytes, xs.Hex(8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetupRes(Response):
    """This outlet; the header carries the SessionID that the station chose."""

    evse_id: EvseId
    date_time_now: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTag:
    service_id: ServiceId
    service_name: Annotated[str | None, xs.Text(32)] = None
    service_category: ServiceCategory
    service_scope: ServiceScope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    service_tag: ServiceTag
    free_service: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeService(Service):
    """The charging service itself, with the one way to charge that stands for the whole outlet."""

    energy_transfer_type: EVSESupportedEnergyTransferType


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceList:
    service: Annotated[tuple[Service, ...], xs.Occurs(1, None, enough=8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOptions:
    payment_option: Annotated[tuple[PaymentOption, ...], xs.Occurs(1, None, enough=8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDiscoveryReq(Body):
    service_scope: ServiceScope | None = None
    service_category: ServiceCategory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDiscoveryRes(Response):
    payment_options: PaymentOptions
    charge_service: ChargeService
    service_list: ServiceList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named parameter with exactly one value."""

    name: Annotated[str, xs.Text(), xs.Attribute()]
    value_type: Annotated[ValueType, xs.Attribute()]
    bool_value: Annotated[bool | None, xs.Choice(), xs.Named("boolValue")] = None
    byte_value: Annotated[int | None, xs.Byte(), xs.Choice(), xs.Named("byteValue")] = None
    short_value: Annotated[int | None, xs.Short(), xs.Choice(), xs.Named("shortValue")] = None
    int_value: Annotated[int | None, xs.Int(), xs.Choice(), xs.Named("intValue")] = None
    physical_value: Annotated[PhysicalValue | None, xs.Choice(), xs.Named("physicalValue")] = None
    string_value: Annotated[str | None, xs.Text(), xs.Choice(), xs.Named("stringValue")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    parameter_set_id: Annotated[int, xs.Short()]
    parameter: Annotated[tuple[Parameter, ...], xs.Occurs(1, None, enough=16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParameterList:
    parameter_set: Annotated[tuple[ParameterSet, ...], xs.Occurs(1, None, enough=255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDetailReq(Body):
    """Asks for the parameter sets of a service."""

    service_id: ServiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDetailRes(Response):
    service_id: ServiceId
    service_parameter_list: ServiceParameterList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedService:
    service_id: ServiceId
    parameter_set_id: Annotated[int | None, xs.Short()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedServiceList:
    selected_service: Annotated[tuple[SelectedService, ...], xs.Occurs(1, None, enough=16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePaymentSelectionReq(Body):
    """Selects a payment option and services."""

    selected_payment_option: PaymentOption
    selected_service_list: SelectedServiceList


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePaymentSelectionRes(Response):
    """SECC -> EVCC: accepts the selection or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStopReq(Body):
    """EVCC -> SECC: ends the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStopRes(Response):
    """SECC -> EVCC: confirms the end."""

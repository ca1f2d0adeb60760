"""Data types of ISO 15118-2 (urn:iso:15118:2:2013:MsgDataTypes): one class a complex type, one
alias a restricted simple type. Here are those of services, security and metering; those of charging
are in :mod:`secc.iso2.messages.charging`.

Irregular spellings: ``emaid`` is eMAID, ``dh_publickey`` DHpublickey; ``bool_value`` to
``string_value`` begin with a small letter on the wire. A list field keeps the singular of its
element: ``SubCertificates.certificate``.
"""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.exi.declarations import (
    Attribute,
    Base64,
    Byte,
    Choice,
    Content,
    Hex,
    Int,
    Long,
    Named,
    Occurs,
    Short,
    Text,
    UnsignedByte,
    UnsignedInt,
    UnsignedLong,
    UnsignedShort,
)
from secc.exi.xmldsig import Id, X509IssuerSerial
from secc.iso2.messages.enumerations import (
    EnergyTransferMode,
    FaultCode,
    PaymentOption,
    ServiceCategory,
    UnitSymbol,
)

SessionId = Annotated[bytes, Hex(8)]
EvccId = Annotated[bytes, Hex(6)]
EvseId = Annotated[str, Text(37, shortest=7)]
Emaid = Annotated[str, Text(15, shortest=14)]
GenChallenge = Annotated[bytes, Base64(16, shortest=16)]
Certificate = Annotated[bytes, Base64(800)]
ServiceId = Annotated[int, UnsignedShort()]
SaId = Annotated[int, UnsignedByte(1, 255)]
Percent = Annotated[int, Byte(0, 100)]
Multiplier = Annotated[int, Byte(-3, 3)]
Seconds = Annotated[int, UnsignedInt()]
Timestamp = Annotated[int, Long()]
"""Seconds since 1970-01-01T00:00Z."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalValue:
    """``value`` times ten to the ``multiplier``, in ``unit``."""

    multiplier: Multiplier
    unit: UnitSymbol
    value: Annotated[int, Short()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification of the other side, in a header."""

    fault_code: FaultCode
    fault_msg: Annotated[str | None, Text(64)] = None


# --- services -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service on offer."""

    service_id: ServiceId
    service_name: Annotated[str | None, Text(32)] = None
    service_category: ServiceCategory
    service_scope: Annotated[str | None, Text(64)] = None
    free_service: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedEnergyTransferMode:
    """How this outlet can charge."""

    energy_transfer_mode: Annotated[tuple[EnergyTransferMode, ...], Occurs(1, 6)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeService(Service):
    """The charging service itself."""

    supported_energy_transfer_mode: SupportedEnergyTransferMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceList:
    """Value-added services."""

    service: Annotated[tuple[Service, ...], Occurs(1, 8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedService:
    """A service that the car selects, with one of its parameter sets."""

    service_id: ServiceId
    parameter_set_id: Annotated[int | None, Short()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedServiceList:
    """The services that the car selects."""

    selected_service: Annotated[tuple[SelectedService, ...], Occurs(1, 16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named parameter with exactly one value."""

    name: Annotated[str, Text(), Attribute()]
    bool_value: Annotated[bool | None, Choice(), Named("boolValue")] = None
    byte_value: Annotated[int | None, Byte(), Choice(), Named("byteValue")] = None
    short_value: Annotated[int | None, Short(), Choice(), Named("shortValue")] = None
    int_value: Annotated[int | None, Int(), Choice(), Named("intValue")] = None
    physical_value: Annotated[PhysicalValue | None, Choice(), Named("physicalValue")] = None
    string_value: Annotated[str | None, Text(), Choice(), Named("stringValue")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """One way to use a service."""

    parameter_set_id: Annotated[int, Short()]
    parameter: Annotated[tuple[Parameter, ...], Occurs(1, 16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParameterList:
    """The ways to use a service."""

    parameter_set: Annotated[tuple[ParameterSet, ...], Occurs(1, 255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOptionList:
    """The payment options on offer."""

    payment_option: Annotated[tuple[PaymentOption, ...], Occurs(1, 2)]


# --- security -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSignatureEncryptedPrivateKey:
    """The contract's private key, encrypted for the car: 16 octets of IV and 32 of ciphertext."""

    id: Id
    value: Annotated[bytes, Base64(48), Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffieHellmanPublickey:
    """The ephemeral public key of the encryption above: an uncompressed point."""

    id: Id
    value: Annotated[bytes, Base64(65), Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class EMAID:
    """An EMAID that can be signed; PaymentDetailsReq and CertificateUpdateReq carry it as plain
    text.
    """

    id: Id
    value: Annotated[Emaid, Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubCertificates:
    """Sub-CA certificates in DER, the one nearest to the leaf first."""

    certificate: Annotated[tuple[Certificate, ...], Occurs(1, 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """A leaf certificate in DER and its sub-CAs, without the root."""

    id: Id | None = None
    certificate: Certificate
    sub_certificates: SubCertificates | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOfRootCertificateIDs:
    """The roots that the car trusts."""

    root_certificate_id: Annotated[tuple[X509IssuerSerial, ...], Occurs(1, 20)]


# --- metering -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterInfo:
    """A meter reading in watt hours."""

    meter_id: Annotated[str, Text(32)]
    meter_reading: Annotated[int | None, UnsignedLong()] = None
    sig_meter_reading: Annotated[bytes | None, Base64(64)] = None
    meter_status: Annotated[int | None, Short()] = None
    t_meter: Timestamp | None = None

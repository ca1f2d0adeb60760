"""Messages of DIN SPEC 70121 for contracts, certificates and receipts. Cars use one pair of them,
ContractAuthentication, to wait for an authorization by other means.
"""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.din.messages.common import Body, Id, PhysicalValue, Response, SaId, SessionId, Timestamp
from secc.din.messages.enumerations import EVSEProcessing
from secc.din.messages.states import AC_EVSEStatus
from secc.exi import declarations as xs

ContractId = Annotated[str, xs.Text(24)]
Certificate = Annotated[bytes, xs.Base64(1200)]
DHParams = Annotated[bytes, xs.Base64(256), xs.Named("DHParams")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubCertificates:
    certificate: Annotated[tuple[Certificate, ...], xs.Occurs(1, None, enough=4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """A leaf certificate in DER and its sub-CAs, without the root."""

    certificate: Certificate
    sub_certificates: SubCertificates | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOfRootCertificateIDs:
    root_certificate_id: Annotated[tuple[Annotated[str, xs.Text(40)], ...], xs.Occurs(1, None, enough=20)]


RootCertificateIds = Annotated[ListOfRootCertificateIDs, xs.Named("ListOfRootCertificateIDs")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetailsReq(Body):
    """The contract certificate chain, and the ContractID that it claims."""

    contract_id: ContractId
    contract_signature_cert_chain: CertificateChain


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetailsRes(Response):
    """The challenge to sign, which is text in DIN."""

    gen_challenge: Annotated[str, xs.Text()]
    date_time_now: Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAuthenticationReq(Body):
    """Asks whether the car may charge; with external payment it is empty."""

    id: Id | None = None
    gen_challenge: Annotated[str | None, xs.Text()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAuthenticationRes(Response):
    """Yes, no, or ask again."""

    evse_processing: EVSEProcessing


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterInfo:
    meter_id: Annotated[str, xs.Text(32)]
    meter_reading: PhysicalValue | None = None
    sig_meter_reading: Annotated[bytes | None, xs.Base64(32)] = None
    meter_status: Annotated[int | None, xs.Short()] = None
    t_meter: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringReceiptReq(Body):
    """The reading that the station reported, signed with the contract."""

    id: Id | None = None
    session_id: SessionId
    sa_schedule_tuple_id: SaId | None = None
    meter_info: MeterInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringReceiptRes(Response):
    ac_evse_status: AC_EVSEStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUpdateReq(Body):
    id: Id | None = None
    contract_signature_cert_chain: CertificateChain
    contract_id: ContractId
    list_of_root_certificate_ids: RootCertificateIds
    dh_params: DHParams


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUpdateRes(Response):
    id: Id
    contract_signature_cert_chain: CertificateChain
    contract_signature_encrypted_private_key: Annotated[bytes, xs.Base64(128)]
    dh_params: DHParams
    contract_id: ContractId
    retry_counter: Annotated[int, xs.Short()]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInstallationReq(Body):
    id: Id | None = None
    oem_provisioning_cert: Certificate
    list_of_root_certificate_ids: RootCertificateIds
    dh_params: DHParams


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInstallationRes(Response):
    id: Id
    contract_signature_cert_chain: CertificateChain
    contract_signature_encrypted_private_key: Annotated[bytes, xs.Base64(128)]
    dh_params: DHParams
    contract_id: ContractId

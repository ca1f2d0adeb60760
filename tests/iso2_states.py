"""Every request of ISO 15118-2, and every state of a session: for tests of what holds in all of them."""

from __future__ import annotations

from dataclasses import dataclass

from secc.exi.xmldsig import X509IssuerSerial
from secc.iso2.messages import (
    AuthorizationReq,
    Body,
    CableCheckReq,
    CertificateInstallationReq,
    CertificateUpdateReq,
    ChargingStatusReq,
    ListOfRootCertificateIDs,
    MeterInfo,
    MeteringReceiptReq,
    PaymentDetailsReq,
    PaymentOption,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    WeldingDetectionReq,
)
from tests.iso2_car import (
    EMAID,
    EVCCID,
    OFFERS,
    START,
    STOP,
    TERMINATE,
    Car,
    chain,
    current_demand,
    dc_delivery,
    dc_parameters,
    delivery,
    ev_status,
    precharge,
    selection,
)

ROOTS = ListOfRootCertificateIDs(
    root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=root", x509_serial_number=1),)
)

EVERY_REQUEST: dict[str, Body] = {
    "SessionSetup": SessionSetupReq(evcc_id=EVCCID),
    "ServiceDiscovery": ServiceDiscoveryReq(),
    "ServiceDetail": ServiceDetailReq(service_id=1),
    "PaymentServiceSelection": selection(PaymentOption.EXTERNAL_PAYMENT),
    "PaymentDetails": PaymentDetailsReq(emaid=EMAID, contract_signature_cert_chain=chain()),
    "Authorization": AuthorizationReq(),
    "ChargeParameterDiscovery": dc_parameters(),
    "CableCheck": CableCheckReq(dc_ev_status=ev_status()),
    "PreCharge": precharge(),
    "PowerDelivery(Start)": dc_delivery(START),
    "PowerDelivery(Stop)": delivery(STOP),
    "CurrentDemand": current_demand(),
    "ChargingStatus": ChargingStatusReq(),
    "WeldingDetection": WeldingDetectionReq(dc_ev_status=ev_status()),
    "SessionStop": TERMINATE,
    "MeteringReceipt": MeteringReceiptReq(session_id=bytes(8), meter_info=MeterInfo(meter_id="M")),
    "CertificateInstallation": CertificateInstallationReq(
        id="id1", oem_provisioning_cert=b"\x30", list_of_root_certificate_ids=ROOTS
    ),
    "CertificateUpdate": CertificateUpdateReq(
        id="id1", contract_signature_cert_chain=chain(), emaid=EMAID, list_of_root_certificate_ids=ROOTS
    ),
}


@dataclass(frozen=True)
class Due:
    """A state: on this way, this message is due."""

    way: str
    message: str

    def __str__(self) -> str:
        return f"{self.way}:{self.message}"

    def reached(self) -> Car:
        return Car(OFFERS[self.way]).drive(until=self.message)


DC = ("CableCheck", "PreCharge", "PowerDelivery(Start)", "CurrentDemand", "PowerDelivery(Stop)", "WeldingDetection")
AC = ("PowerDelivery(Start)", "ChargingStatus", "PowerDelivery(Stop)")
SETUP = ("ServiceDiscovery", "ServiceDetail", "PaymentServiceSelection", "Authorization", "ChargeParameterDiscovery")
STATES = [
    *(Due("dc-eim", message) for message in (*SETUP, *DC, "SessionStop")),
    *(Due("ac-eim", message) for message in (*SETUP, *AC, "SessionStop")),
    Due("dc-pnc", "PaymentDetails"),
    Due("dc-pnc", "Authorization"),
    Due("ac-pnc", "ChargingStatus"),
]
FIRST = Due("dc-eim", "SessionSetup")

LEGAL = {
    "ServiceDetail": {"PaymentServiceSelection"},
    "PaymentServiceSelection": {"ServiceDetail"},
    "PowerDelivery(Start)": {"PowerDelivery(Stop)", "PreCharge"},
    "PowerDelivery(Stop)": {"PowerDelivery(Start)", "CurrentDemand", "ChargingStatus"},
    "WeldingDetection": {"SessionStop"},
    "SessionStop": {"WeldingDetection"},
}
"""Beside the message that is due, the others that the state table accepts (refused for other reasons, if at all)."""

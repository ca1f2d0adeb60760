"""The refusal of a request with a field outside its facets, so that such a value never reaches the
power path. (A-EXI-06)
"""

from __future__ import annotations

from typing import Final

from secc.iso2.messages import ResponseCode
from secc.session.facets import Facets

CODES: Final = {
    "AuthorizationReq.gen_challenge": ResponseCode.FAILED_CHALLENGE_INVALID,
    "AuthorizationReq.id": ResponseCode.FAILED_SIGNATURE_ERROR,
    "PaymentDetailsReq.contract_signature_cert_chain": ResponseCode.FAILED_CERT_CHAIN_ERROR,
    "CertificateInstallationReq.id": ResponseCode.FAILED_SIGNATURE_ERROR,
    "CertificateUpdateReq.id": ResponseCode.FAILED_SIGNATURE_ERROR,
    "CertificateUpdateReq.contract_signature_cert_chain": ResponseCode.FAILED_CERT_CHAIN_ERROR,
    "ChargeParameterDiscoveryReq.ev_charge_parameter": ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    "PowerDeliveryReq.sa_schedule_tuple_id": ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    "PowerDeliveryReq.charging_profile": ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
    **{
        f"MeteringReceiptReq.{name}": ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID
        for name in ("id", "session_id", "sa_schedule_tuple_id", "meter_info")
    },
    "PaymentServiceSelectionReq.selected_service_list": ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
}
"""By request and field."""

FACETS: Final = Facets({("SessionSetupReq", "evcc_id"), ("PaymentDetailsReq", "emaid")}, CODES)
"""Two fields are not checked, because of cars in the field: the EVCCID (Q-32), and an eMAID with
its hyphens (Q-78).
"""

broken_facet: Final = FACETS.refusal

"""One table from the cause of a refusal to the response code, and the responses with it.

A response with a FAILED code carries every mandatory element with schema-valid filler and leaves
the optional ones out; the car looks at the code only. [V2G2-735] [V2G2-736] The response's type
belongs to the request that came, in order or not. [V2G2-538]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from secc.conversation import Cause, Emergency, Levels
from secc.errors import Refusal
from secc.iso2 import messages as m
from secc.iso2.messages import ResponseCode, UnitSymbol
from secc.iso2.schedule import DAY, Offered, Schedule
from secc.iso2.session_state import SessionState
from secc.iso2.status import ac_status, dc_status
from secc.iso2.units import physical
from secc.session.effects import Decision
from secc.session.events import EmergencyStopped
from secc.session.measured import Malfunction

SEQUENCE_ERROR: Final = Refusal(ResponseCode.FAILED_SEQUENCE_ERROR, "[V2G2-538]")
UNKNOWN_SESSION: Final = Refusal(ResponseCode.FAILED_UNKNOWN_SESSION, "[V2G2-460]")

DECISIONS: Final = {
    Decision.REJECTED: (ResponseCode.FAILED, "ISO 15118-2, ResponseCode"),
    Decision.NOT_ALLOWED_HERE: (ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE, "ISO 15118-2, ResponseCode"),
    Decision.CERTIFICATE_EXPIRED: (ResponseCode.FAILED_CERTIFICATE_EXPIRED, "[V2G2-824]"),
    Decision.CERTIFICATE_REVOKED: (ResponseCode.FAILED_CERTIFICATE_REVOKED, "ISO 15118-2, ResponseCode"),
    Decision.NO_TRUST_ANCHOR: (ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE, "ISO 15118-2, ResponseCode"),
    Decision.CHAIN_INVALID: (ResponseCode.FAILED_CERT_CHAIN_ERROR, "ISO 15118-2, ResponseCode"),
    Decision.EMAID_MISMATCH: (ResponseCode.FAILED_CERT_CHAIN_ERROR, "A-PNC-07"),
    Decision.CONTRACT_CANCELLED: (ResponseCode.FAILED_CONTRACT_CANCELED, "ISO 15118-2, ResponseCode"),
    Decision.NO_ANSWER: (ResponseCode.FAILED, "A-OCPP-01"),
}
"""The code for a contract that may not charge, in PaymentDetailsRes and in AuthorizationRes."""

AUTHORIZATION_CODES: Final = frozenset(
    {
        ResponseCode.FAILED,
        ResponseCode.FAILED_CERTIFICATE_REVOKED,
        ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
    }
)
"""The codes of these that AuthorizationRes may carry; the others become FAILED there."""


def refused(decision: Decision, detail: str, *, in_authorization: bool = False) -> Refusal:
    """Returns the refusal of a contract that may not charge. ``detail`` holds no contract data."""
    code, clause = DECISIONS[decision]
    if in_authorization and code not in AUTHORIZATION_CODES:
        code = ResponseCode.FAILED
    return Refusal(code, clause, f"{decision.value}: {detail}" if detail else decision.value)


def answer(request: Any, cause: Cause, state: SessionState, levels: Levels) -> m.Body | None:
    """Returns the response to a request that cannot be served; None if ``request`` is not a
    request.
    """
    build = _RESPONSES.get(type(request))
    return None if build is None else build(request, _Why(cause, state, levels))


class _Why:
    """The cause of a refusal, as fields of a response."""

    def __init__(self, cause: Cause, state: SessionState, levels: Levels) -> None:
        self.state = state
        self.evse_id = state.offer.evse_id
        self.emergency = isinstance(cause, Emergency)
        self.code = _code(cause)
        self.told = ResponseCode.OK if self.emergency else self.code
        """The code of a DC response whose status gives the cause: beside a FAILED code a car
        ignores the status. [V2G2-735]
        """
        status = m.DC_EVSEStatusCode.EVSE_SHUTDOWN
        if isinstance(cause, EmergencyStopped):
            status = m.DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
        elif self.emergency or isinstance(cause, Malfunction):
            status = m.DC_EVSEStatusCode.EVSE_MALFUNCTION
        notification = m.EVSENotification.STOP_CHARGING if self.emergency else m.EVSENotification.NONE
        self.dc = dc_status(status, notification=notification)
        self.ac = ac_status(notification=notification)
        self.either = self.dc if state.terms.is_dc else self.ac
        # The values at the outlet are reported even when the session is over.
        self.volts = physical(0.0 if math.isnan(levels.volts) else levels.volts, UnitSymbol.V)
        self.amperes = physical(0.0 if math.isnan(levels.amperes) else levels.amperes, UnitSymbol.A)


def _code(cause: Cause) -> ResponseCode:
    if isinstance(cause, Refusal):
        try:
            return ResponseCode(cause.code)
        except ValueError:
            return ResponseCode.FAILED
    return ResponseCode.FAILED


def _service_discovery(request: m.ServiceDiscoveryReq, why: _Why) -> m.ServiceDiscoveryRes:
    return m.ServiceDiscoveryRes(
        response_code=why.code,
        payment_option_list=m.PaymentOptionList(payment_option=why.state.payment_options),
        charge_service=m.ChargeService(
            service_id=1,
            service_category=m.ServiceCategory.EV_CHARGING,
            free_service=why.state.offer.free,
            supported_energy_transfer_mode=m.SupportedEnergyTransferMode(energy_transfer_mode=why.state.modes),
        ),
    )


def _charge_parameter_discovery(request: m.ChargeParameterDiscoveryReq, why: _Why) -> m.ChargeParameterDiscoveryRes:
    nothing = {unit: physical(0.0, unit) for unit in (UnitSymbol.V, UnitSymbol.A, UnitSymbol.W)}
    volts, amperes, watts = nothing.values()
    parameter: m.AC_EVSEChargeParameter | m.DC_EVSEChargeParameter
    if why.state.terms.is_dc:
        parameter = m.DC_EVSEChargeParameter(
            dc_evse_status=why.dc,
            evse_maximum_current_limit=amperes,
            evse_maximum_power_limit=watts,
            evse_maximum_voltage_limit=volts,
            evse_minimum_current_limit=amperes,
            evse_minimum_voltage_limit=volts,
            evse_peak_current_ripple=amperes,
        )
    else:
        parameter = m.AC_EVSEChargeParameter(
            ac_evse_status=why.ac, evse_nominal_voltage=volts, evse_max_current=amperes
        )
    return m.ChargeParameterDiscoveryRes(
        response_code=why.code,
        evse_processing=m.EVSEProcessing.FINISHED,
        # Mandatory when Finished; one that offers nothing.
        sa_schedules=Offered((Schedule(0.0, DAY),)).as_list(),
        evse_charge_parameter=parameter,
    )


def _power_delivery(request: m.PowerDeliveryReq, why: _Why) -> m.PowerDeliveryRes:
    # In an emergency power is off already, so a stop succeeds; other requests fail.
    stopping = why.state.terms.is_dc and request.charge_progress is m.ChargeProgress.STOP
    return m.PowerDeliveryRes(response_code=why.told if stopping else why.code, evse_status=why.either)


def _current_demand(request: m.CurrentDemandReq, why: _Why) -> m.CurrentDemandRes:
    return m.CurrentDemandRes(
        response_code=why.told,
        dc_evse_status=why.dc,
        evse_present_voltage=why.volts,
        evse_present_current=why.amperes,
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
        evse_id=why.evse_id,
        sa_schedule_tuple_id=why.state.tuple_id,
    )


def _charging_status(request: m.ChargingStatusReq, why: _Why) -> m.ChargingStatusRes:
    return m.ChargingStatusRes(
        response_code=why.code,
        evse_id=why.evse_id,
        sa_schedule_tuple_id=why.state.tuple_id,
        receipt_required=False,
        ac_evse_status=why.ac,
    )


def _cable_check(request: m.CableCheckReq, why: _Why) -> m.CableCheckRes:
    # Never Finished beside OK: the cable has not been found good.
    processing = m.EVSEProcessing.ONGOING if why.emergency else m.EVSEProcessing.FINISHED
    return m.CableCheckRes(response_code=why.told, dc_evse_status=why.dc, evse_processing=processing)


def _certificates(response: Callable[..., m.Body]) -> Callable[[Any, _Why], m.Body]:
    def build(request: Any, why: _Why) -> m.Body:
        empty = m.CertificateChain(certificate=b"")
        return response(
            response_code=why.code,
            sa_provisioning_certificate_chain=empty,
            contract_signature_cert_chain=empty,
            contract_signature_encrypted_private_key=m.ContractSignatureEncryptedPrivateKey(id="id1", value=b""),
            dh_publickey=m.DiffieHellmanPublickey(id="id2", value=b""),
            emaid=m.EMAID(id="id3", value="ZZ000000000000"),
        )

    return build


_RESPONSES: Final[dict[type, Callable[[Any, _Why], m.Body]]] = {
    m.SessionSetupReq: lambda r, why: m.SessionSetupRes(response_code=why.code, evse_id=why.evse_id),
    m.ServiceDiscoveryReq: _service_discovery,
    m.ServiceDetailReq: lambda r, why: m.ServiceDetailRes(response_code=why.code, service_id=r.service_id),
    m.PaymentServiceSelectionReq: lambda r, why: m.PaymentServiceSelectionRes(response_code=why.code),
    m.PaymentDetailsReq: lambda r, why: m.PaymentDetailsRes(
        response_code=why.code, gen_challenge=bytes(16), evse_time_stamp=0
    ),
    m.AuthorizationReq: lambda r, why: m.AuthorizationRes(
        response_code=why.code, evse_processing=m.EVSEProcessing.FINISHED
    ),
    m.ChargeParameterDiscoveryReq: _charge_parameter_discovery,
    m.PowerDeliveryReq: _power_delivery,
    m.MeteringReceiptReq: lambda r, why: m.MeteringReceiptRes(response_code=why.code, evse_status=why.either),
    m.SessionStopReq: lambda r, why: m.SessionStopRes(response_code=why.code),
    m.CertificateUpdateReq: _certificates(m.CertificateUpdateRes),
    m.CertificateInstallationReq: _certificates(m.CertificateInstallationRes),
    m.ChargingStatusReq: _charging_status,
    m.CableCheckReq: _cable_check,
    m.PreChargeReq: lambda r, why: m.PreChargeRes(
        response_code=why.told, dc_evse_status=why.dc, evse_present_voltage=why.volts
    ),
    m.CurrentDemandReq: _current_demand,
    m.WeldingDetectionReq: lambda r, why: m.WeldingDetectionRes(
        response_code=why.told, dc_evse_status=why.dc, evse_present_voltage=why.volts
    ),
}
"""The refusal of each of the 17 request types."""

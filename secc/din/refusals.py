"""The responses to requests that cannot be served.

A response with a FAILED code carries every mandatory element with schema-valid filler and leaves
the optional ones out. Its type belongs to the request that came, in order or not; the requests for
contracts, certificates, services, AC and receipts are in no order, and each gets its own response.
After it the connection closes. [V2G-DC-116] [V2G-DC-665]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from secc.conversation import Cause, Emergency, Levels
from secc.din import messages as m
from secc.din.messages import ResponseCode, UnitSymbol
from secc.din.phases.charge_parameter_discovery import TUPLE_ID, schedule
from secc.din.phases.setup import services
from secc.din.session_state import SessionState
from secc.din.status import dc_status
from secc.din.units import physical
from secc.errors import Refusal
from secc.session.events import EmergencyStopped
from secc.session.measured import Malfunction

SEQUENCE_ERROR: Final = Refusal(ResponseCode.FAILED_SEQUENCE_ERROR, "[V2G-DC-390]")
UNKNOWN_SESSION: Final = Refusal(ResponseCode.FAILED_UNKNOWN_SESSION, "[V2G-DC-391]")


def answer(request: Any, cause: Cause, state: SessionState, levels: Levels) -> m.Body | None:
    """Returns the response to a request that cannot be served; None if ``request`` is not a
    request.
    """
    build = _RESPONSES.get(type(request))
    return None if build is None else build(request, _Why(cause, state, levels))


class _Why:
    """The cause of a refusal, as fields of a response. An emergency is FAILED, too, with its cause
    in the status.
    """

    def __init__(self, cause: Cause, state: SessionState, levels: Levels) -> None:
        self.state = state
        self.code = _code(cause)
        emergency = isinstance(cause, Emergency)
        status = m.DC_EVSEStatusCode.EVSE_SHUTDOWN
        if isinstance(cause, EmergencyStopped):
            status = m.DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
        elif emergency or isinstance(cause, Malfunction):
            status = m.DC_EVSEStatusCode.EVSE_MALFUNCTION
        notification = m.EVSENotification.STOP_CHARGING if emergency else m.EVSENotification.NONE
        self.dc = dc_status(status, notification=notification)
        self.ac = m.AC_EVSEStatus(
            power_switch_closed=False, rcd=False, notification_max_delay=0, evse_notification=notification
        )
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


def _charge_parameter_discovery(request: m.ChargeParameterDiscoveryReq, why: _Why) -> m.ChargeParameterDiscoveryRes:
    volts, amperes = (physical(0.0, unit) for unit in (UnitSymbol.V, UnitSymbol.A))
    return m.ChargeParameterDiscoveryRes(
        response_code=why.code,
        evse_processing=m.EVSEProcessing.FINISHED,
        # One that offers nothing.
        sa_schedules=schedule(0),
        evse_charge_parameter=m.DC_EVSEChargeParameter(
            dc_evse_status=why.dc,
            evse_maximum_current_limit=amperes,
            evse_maximum_voltage_limit=volts,
            evse_minimum_current_limit=amperes,
            evse_minimum_voltage_limit=volts,
            evse_peak_current_ripple=amperes,
        ),
    )


def _current_demand(request: m.CurrentDemandReq, why: _Why) -> m.CurrentDemandRes:
    return m.CurrentDemandRes(
        response_code=why.code,
        dc_evse_status=why.dc,
        evse_present_voltage=why.volts,
        evse_present_current=why.amperes,
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
    )


def _charging_status(request: m.ChargingStatusReq, why: _Why) -> m.ChargingStatusRes:
    return m.ChargingStatusRes(
        response_code=why.code,
        evse_id=why.state.evse_id,
        sa_schedule_tuple_id=TUPLE_ID,
        receipt_required=False,
        ac_evse_status=why.ac,
    )


def _certificates(response: Callable[..., m.Body], **more: int) -> Callable[[Any, _Why], m.Body]:
    def build(request: Any, why: _Why) -> m.Body:
        return response(
            response_code=why.code,
            id="id1",
            contract_signature_cert_chain=m.CertificateChain(certificate=b""),
            contract_signature_encrypted_private_key=b"",
            dh_params=b"",
            contract_id="",
            **more,
        )

    return build


_RESPONSES: Final[dict[type, Callable[[Any, _Why], m.Body]]] = {
    m.SessionSetupReq: lambda r, why: m.SessionSetupRes(response_code=why.code, evse_id=why.state.evse_id),
    m.ServiceDiscoveryReq: lambda r, why: services(why.code, why.state),
    m.ServiceDetailReq: lambda r, why: m.ServiceDetailRes(response_code=why.code, service_id=r.service_id),
    m.ServicePaymentSelectionReq: lambda r, why: m.ServicePaymentSelectionRes(response_code=why.code),
    m.PaymentDetailsReq: lambda r, why: m.PaymentDetailsRes(response_code=why.code, gen_challenge="", date_time_now=0),
    m.ContractAuthenticationReq: lambda r, why: m.ContractAuthenticationRes(
        response_code=why.code, evse_processing=m.EVSEProcessing.FINISHED
    ),
    m.ChargeParameterDiscoveryReq: _charge_parameter_discovery,
    m.PowerDeliveryReq: lambda r, why: m.PowerDeliveryRes(response_code=why.code, evse_status=why.dc),
    m.ChargingStatusReq: _charging_status,
    m.MeteringReceiptReq: lambda r, why: m.MeteringReceiptRes(response_code=why.code, ac_evse_status=why.ac),
    m.SessionStopReq: lambda r, why: m.SessionStopRes(response_code=why.code),
    m.CertificateUpdateReq: _certificates(m.CertificateUpdateRes, retry_counter=0),
    m.CertificateInstallationReq: _certificates(m.CertificateInstallationRes),
    m.CableCheckReq: lambda r, why: m.CableCheckRes(
        response_code=why.code, dc_evse_status=why.dc, evse_processing=m.EVSEProcessing.FINISHED
    ),
    m.PreChargeReq: lambda r, why: m.PreChargeRes(
        response_code=why.code, dc_evse_status=why.dc, evse_present_voltage=why.volts
    ),
    m.CurrentDemandReq: _current_demand,
    m.WeldingDetectionReq: lambda r, why: m.WeldingDetectionRes(
        response_code=why.code, dc_evse_status=why.dc, evse_present_voltage=why.volts
    ),
}
"""The refusal of each of the 17 request types."""

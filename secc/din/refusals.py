"""The responses to requests that cannot be served.

A response with a FAILED code carries every mandatory element with schema-valid filler and leaves
the optional ones out. Its type belongs to the request that came, in order or not; the requests for
contracts, certificates, services, AC and receipts are in no order, and each gets its own response.
After it the connection closes. [V2G-DC-116] [V2G-DC-665]
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any, Final

from secc.conversation import Cause, Emergency, Levels
from secc.din import messages as m
from secc.din.messages import DC_EVSEStatusCode, ResponseCode, UnitSymbol
from secc.din.phases.charge_parameter_discovery import TUPLE_ID, schedule
from secc.din.phases.setup import services
from secc.din.session_state import SessionState
from secc.din.status import dc_status
from secc.din.units import physical
from secc.errors import Refusal
from secc.session.blank import blank
from secc.session.events import EmergencyStopped
from secc.session.measured import Malfunction
from secc.session.warming import responses

SEQUENCE_ERROR: Final = Refusal(ResponseCode.FAILED_SEQUENCE_ERROR, "[V2G-DC-390]")
UNKNOWN_SESSION: Final = Refusal(ResponseCode.FAILED_UNKNOWN_SESSION, "[V2G-DC-391]")

_BLANK: Final = {request: blank(response) for request, response in responses(m.BODY_ELEMENTS).items()}
"""A response to each of the 17 request types."""
_DC: Final = blank(m.DC_EVSEChargeParameter)
_AC: Final = blank(m.AC_EVSEStatus)


def answer(request: Any, cause: Cause, state: SessionState, levels: Levels) -> m.Body | None:
    """Returns the response to a request that cannot be served; None if ``request`` is not a
    request. In an emergency it is FAILED, too, with the cause in the status.
    """
    plain = _BLANK.get(type(request))
    if plain is None:
        return None
    code, dc = _code(cause), dc_status(_status(cause), notification=_notification(cause))
    known = {
        "response_code": code,
        "evse_id": state.evse_id,
        "service_id": getattr(request, "service_id", 0),
        "payment_options": services(code, state).payment_options,
        "charge_service": services(code, state).charge_service,
        # One that offers nothing.
        "sa_schedules": schedule(0),
        "sa_schedule_tuple_id": TUPLE_ID,
        "evse_charge_parameter": replace(_DC, dc_evse_status=dc),
        "dc_evse_status": dc,
        "evse_status": dc,
        "ac_evse_status": replace(_AC, evse_notification=_notification(cause)),
        # The values at the outlet are reported even when the session is over.
        "evse_present_voltage": physical(0.0 if math.isnan(levels.volts) else levels.volts, UnitSymbol.V),
        "evse_present_current": physical(0.0 if math.isnan(levels.amperes) else levels.amperes, UnitSymbol.A),
    }
    refused: m.Body = replace(
        plain, **{field.name: known[field.name] for field in fields(plain) if field.name in known}
    )
    return refused


def _code(cause: Cause) -> ResponseCode:
    if isinstance(cause, Refusal) and cause.code in list(ResponseCode):
        return ResponseCode(cause.code)
    return ResponseCode.FAILED


def _status(cause: Cause) -> DC_EVSEStatusCode:
    if isinstance(cause, EmergencyStopped):
        return DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN
    broken = isinstance(cause, Emergency | Malfunction)
    return DC_EVSEStatusCode.EVSE_MALFUNCTION if broken else DC_EVSEStatusCode.EVSE_SHUTDOWN


def _notification(cause: Cause) -> m.EVSENotification:
    return m.EVSENotification.STOP_CHARGING if isinstance(cause, Emergency) else m.EVSENotification.NONE

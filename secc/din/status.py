"""DC_EVSEStatus of the responses, with notifications."""

from __future__ import annotations

import math

from secc.conversation import Party
from secc.din.messages import DC_EVSEStatus, DC_EVSEStatusCode, EVSENotification, IsolationLevel
from secc.din.session_state import SessionState


def dc_status(
    code: DC_EVSEStatusCode,
    *,
    notification: EVSENotification = EVSENotification.NONE,
    delay: int = 0,
    isolation: IsolationLevel | None = None,
) -> DC_EVSEStatus:
    return DC_EVSEStatus(
        evse_isolation_status=isolation,
        evse_status_code=code,
        notification_max_delay=delay,
        evse_notification=notification,
    )


def present(secc: Party, state: SessionState, code: DC_EVSEStatusCode = DC_EVSEStatusCode.EVSE_READY) -> DC_EVSEStatus:
    """The status now. ``code`` becomes EVSE_Shutdown when charging is to end; power stays on for the
    car to ramp down. (Q-63)
    """
    stop = state.wishes.stop
    if stop is None:
        return dc_status(code, isolation=state.isolation)
    return dc_status(
        DC_EVSEStatusCode.EVSE_SHUTDOWN,
        notification=EVSENotification.STOP_CHARGING,
        delay=max(0, math.floor(stop.at - secc.now)),
        isolation=state.isolation,
    )

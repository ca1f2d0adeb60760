"""AC_EVSEStatus and DC_EVSEStatus of the responses of the power phases, with notifications."""

from __future__ import annotations

import math

from secc.conversation import Party
from secc.iso2 import timing
from secc.iso2.messages import (
    AC_EVSEStatus,
    DC_EVSEStatus,
    DC_EVSEStatusCode,
    EVSENotification,
    IsolationLevel,
)
from secc.iso2.session_state import SessionState


def ac_status(*, notification: EVSENotification = EVSENotification.NONE, delay: int = 0) -> AC_EVSEStatus:
    return AC_EVSEStatus(notification_max_delay=delay, evse_notification=notification, rcd=False)


def dc_status(
    code: DC_EVSEStatusCode,
    *,
    notification: EVSENotification = EVSENotification.NONE,
    delay: int = 0,
    isolation: IsolationLevel | None = None,
) -> DC_EVSEStatus:
    return DC_EVSEStatus(
        notification_max_delay=delay,
        evse_notification=notification,
        evse_isolation_status=isolation,
        evse_status_code=code,
    )


def notified(secc: Party, state: SessionState) -> tuple[EVSENotification, int]:
    """Returns the notification to the car, and its delay in seconds; power stays on for the car to
    ramp down. (Q-63)
    """
    if state.wishes.stop is not None:
        return EVSENotification.STOP_CHARGING, max(0, math.floor(state.wishes.stop.at - secc.now))
    if (state.wishes.renegotiation or state.wishes.outdated) and state.powered:
        return EVSENotification.RE_NEGOTIATION, math.floor(timing.NOTIFICATION_MAX_DELAY.seconds)
    return EVSENotification.NONE, 0


def present_ac(secc: Party, state: SessionState) -> AC_EVSEStatus:
    notification, delay = notified(secc, state)
    return ac_status(notification=notification, delay=delay)


def present_dc(
    secc: Party, state: SessionState, code: DC_EVSEStatusCode = DC_EVSEStatusCode.EVSE_READY
) -> DC_EVSEStatus:
    """``code`` becomes EVSE_Shutdown when charging is to end."""
    notification, delay = notified(secc, state)
    if notification is EVSENotification.STOP_CHARGING:
        code = DC_EVSEStatusCode.EVSE_SHUTDOWN
    return dc_status(code, notification=notification, delay=delay, isolation=state.isolation)


def present(secc: Party, state: SessionState) -> AC_EVSEStatus | DC_EVSEStatus:
    """The status for the session's kind of current."""
    return present_dc(secc, state) if state.terms.is_dc else present_ac(secc, state)

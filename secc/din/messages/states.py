"""States of station and car that messages of DIN SPEC 70121 carry."""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.din.messages.common import Seconds
from secc.din.messages.enumerations import DC_EVErrorCode, DC_EVSEStatusCode, EVSENotification, IsolationLevel
from secc.exi import declarations as xs

Percent = Annotated[int, xs.Byte(0, 100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AC_EVSEStatus:
    """``rcd`` is True when the residual current device has tripped."""

    power_switch_closed: bool
    rcd: Annotated[bool, xs.Named("RCD")]
    notification_max_delay: Seconds
    evse_notification: EVSENotification


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVSEStatus:
    """``notification_max_delay`` is in seconds."""

    evse_isolation_status: IsolationLevel | None = None
    evse_status_code: DC_EVSEStatusCode
    notification_max_delay: Seconds
    evse_notification: EVSENotification


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVStatus:
    """``ev_ress_soc`` is the state of charge in percent."""

    ev_ready: bool
    ev_cabin_conditioning: bool | None = None
    ev_ress_conditioning: bool | None = None
    ev_error_code: DC_EVErrorCode
    ev_ress_soc: Percent

"""The timers of a DIN SPEC 70121 session: the standard's name, seconds, and source.

Those of the plug-in hold for every protocol, also the 1.5 s for which the oscillator stays on after
the last answer: see ``secc.outlet``.
"""

from __future__ import annotations

from typing import Final

from secc.conversation import Timeout

SEQUENCE: Final = Timeout("V2G_SECC_Sequence_Timeout", 60.0, "DIN SPEC 70121, message timing", since_reply=True)
"""From the station's response to the car's next request; then the connection is closed without an
answer.
"""

ANSWER_SECONDS: Final = 1.5
"""V2G_SECC_Msg_Performance_Time of every response but CurrentDemandRes
(``secc.session.dialogue.QUICK_SECONDS``), unverified. The car waits half a second longer.
"""

# Limits of a phase, as in ISO 15118-2: each runs from the first request of its phase.

ONGOING: Final = Timeout(
    "V2G_SECC_Ongoing_Performance_Time", 55.0, "DIN SPEC 70121, timing of EVSEProcessing; unverified", answered=True
)
"""ChargeParameterDiscovery: EVSEProcessing is Finished by then (the car waits 60 s)."""

CABLE_CHECK: Final = Timeout(
    "V2G_SECC_CableCheck_Performance_Time", 38.0, "DIN SPEC 70121, timing of CableCheck; unverified", answered=True
)
"""From the first CableCheckReq to Finished (the car waits 40 s)."""


def eim_authorization(seconds: float) -> Timeout:
    """The driver's time to show a card, which is the operator's choice."""
    return Timeout("EIM_Authorization_Limit", seconds, "operator's choice", answered=True)


# Limits of what the car repeats. They count at a request.

PRE_CHARGE: Final = Timeout("V2G_SECC_PreCharge_Limit", 20.0, "our choice; the car gives up after 7 s")

WELDING_DETECTION: Final = Timeout("V2G_SECC_WeldingDetection_Limit", 60.0, "our choice; there is none in the standard")

# The time of a response that the power path may use up.

POWER_DELIVERY: Final = Timeout("power path in PowerDelivery", 1.4, "the 1.5 s, less what the answer takes")
"""The car waits 2 s for PowerDeliveryRes, where a supply may take as long to lose its current."""

POWER_SWITCHED: Final = Timeout("power path", 4.3, "our choice: the session does not wait for it")
"""The time of the power path to switch and to report."""

SESSION_STOP: Final = Timeout("power path in SessionStop", 1.4, "the 1.5 s, less what the answer takes")

CP_STATE_DETECTION: Final = Timeout("T_SECC_CPState_Detection", 1.5, "[V2G-DC-547] [V2G-DC-556]")
"""How long an answer may wait for the pilot state that the request needs."""

LOOK: Final = Timeout("look at pilot and current", 0.05, "our choice")

NOTIFICATION_MAX_DELAY: Final = Timeout(
    "NotificationMaxDelay", 10.0, "our choice; announced in every EVSEStatus", answered=True
)
"""From StopCharging until the station switches off by itself."""

PACE: Final = Timeout("pace of polling", 0.02, "our choice: at most 50 answers a second while polling")

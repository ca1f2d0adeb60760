"""Every timer of an ISO 15118-2 session, as data: the standard's name, seconds, and where it is written.

The SECC's performance times are the times in which we answer; the car gives up half a second later.
"""

from __future__ import annotations

from typing import Final

from secc.conversation import Timeout

SEQUENCE: Final = Timeout("V2G_SECC_Sequence_Timeout", 60.0, "[V2G2-443]", since_reply=True)
"""From our response to the car's next request; then the connection is closed without a word. [V2G2-536] [V2G2-537]"""

ONGOING: Final = Timeout("V2G_SECC_Ongoing_Performance_Time", 55.0, "ISO 15118-2, timing of EVSEProcessing")
"""Authorization by contract, and ChargeParameterDiscovery: EVSEProcessing is Finished by then (the car waits 60 s)."""

CABLE_CHECK: Final = Timeout("V2G_SECC_CableCheck_Performance_Time", 38.0, "ISO 15118-2, timing of CableCheck")
"""From the first CableCheckReq to Finished (the car waits 40 s)."""

PRE_CHARGE: Final = Timeout("V2G_SECC_PreCharge_Limit", 20.0, "our choice; the car gives up after 7 s")

WELDING_DETECTION: Final = Timeout("V2G_SECC_WeldingDetection_Limit", 60.0, "our choice; [V2G2-620] sets none")

PAYMENT_DETAILS: Final = Timeout("V2G_SECC_Msg_Performance_Time_PaymentDetailsRes", 4.5, "ISO 15118-2, message timing")

POWER_DELIVERY: Final = Timeout("V2G_SECC_Msg_Performance_Time_PowerDeliveryRes", 4.5, "ISO 15118-2, message timing")

POWER_SWITCHED: Final = Timeout("power path in PowerDelivery", 4.3, "the 4.5 s, less what the answer takes")
"""What the power path has to switch on or off, and to say so."""

SESSION_STOP: Final = Timeout("V2G_SECC_Msg_Performance_Time_SessionStopRes", 1.5, "ISO 15118-2, message timing")

CP_STATE_DETECTION: Final = Timeout("T_SECC_CPState_Detection", 1.5, "[V2G2-917]")
"""How long an answer may wait for the control pilot to be where the request says that it is."""

CP_STATE_LOOK: Final = Timeout("look at the control pilot", 0.05, "our choice")

NOTIFICATION_MAX_DELAY: Final = Timeout(
    "NotificationMaxDelay", 10.0, "our choice; announced in every EVSEStatus", answered=True
)
"""From StopCharging to the end that does not ask."""

PACE: Final = Timeout("pace of polling", 0.02, "our choice: at most 50 answers a second while polling")

STALE_SECONDS: Final = 1.0
"""A measurement older than this says nothing; the loop ends as with a malfunction."""

SERVICE_DETAILS: Final = 64
"""ServiceDetail requests in a session. More is no car."""

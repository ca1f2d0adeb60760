"""The timers of an ISO 15118-2 session: the standard's name, seconds, and source.

Those of the plug-in and of the connection (communication setup, the oscillator after an error, the
close after the last answer) hold for every protocol and are in ``secc.outlet``, ``secc.link`` and
``secc.station``; the contactor's are in ``secc.energy``.
"""

from __future__ import annotations

from typing import Final

from secc.conversation import Timeout

SEQUENCE: Final = Timeout("V2G_SECC_Sequence_Timeout", 60.0, "[V2G2-443]", since_reply=True)
"""From the station's response to the car's next request; then the connection is closed without an
answer. [V2G2-536] [V2G2-537]
"""

# Limits of a phase. Each runs from the first request of its phase, and ends the session by itself:
# the open request, or the next one, hears FAILED, and the connection closes.

ONGOING: Final = Timeout(
    "V2G_SECC_Ongoing_Performance_Time", 55.0, "ISO 15118-2, timing of EVSEProcessing", answered=True
)
"""Authorization by contract, and ChargeParameterDiscovery: EVSEProcessing is Finished by then (the
car waits 60 s).
"""

CABLE_CHECK: Final = Timeout(
    "V2G_SECC_CableCheck_Performance_Time", 38.0, "ISO 15118-2, timing of CableCheck; unverified", answered=True
)
"""From the first CableCheckReq to Finished (the car waits 40 s)."""


def eim_authorization(seconds: float) -> Timeout:
    """The driver's time to show a card, which is the operator's choice."""
    return Timeout("EIM_Authorization_Limit", seconds, "operator's choice", answered=True)


def schedules(seconds: float) -> Timeout:
    """The backend's time for schedules, which is the operator's choice."""
    return Timeout("charging schedules of the backend", seconds, "operator's choice")


SCHEDULES_AT_ONCE: Final = Timeout("charging schedules at once", 0.1, "our choice: some cars wait 0.4 s")
"""How long ChargeParameterDiscoveryRes waits for schedules before it is Ongoing. (Q-42)"""

# Limits of what the car repeats. They count at a request: a car that is silent meets the sequence
# timeout.

PRE_CHARGE: Final = Timeout("V2G_SECC_PreCharge_Limit", 20.0, "our choice; the car gives up after 7 s")

WELDING_DETECTION: Final = Timeout("V2G_SECC_WeldingDetection_Limit", 60.0, "our choice; [V2G2-620] sets none")

ANSWER_SECONDS: Final = {
    "SessionSetupRes": 1.5,
    "ServiceDiscoveryRes": 1.5,
    "ServiceDetailRes": 4.5,
    "PaymentServiceSelectionRes": 1.5,
    "CertificateInstallationRes": 4.5,
    "CertificateUpdateRes": 4.5,
    "PaymentDetailsRes": 4.5,
    "AuthorizationRes": 1.5,
    "ChargeParameterDiscoveryRes": 1.5,
    "CableCheckRes": 1.5,
    "PreChargeRes": 1.5,
    "PowerDeliveryRes": 4.5,
    "ChargingStatusRes": 1.5,
    "CurrentDemandRes": 0.025,
    "MeteringReceiptRes": 1.5,
    "WeldingDetectionRes": 1.5,
    "SessionStopRes": 1.5,
}
"""V2G_SECC_Msg_Performance_Time, from a request to its answer; only that of PowerDeliveryRes is
confirmed by two sources, the others are unverified. The car waits half a second longer, for
CurrentDemandRes 0.25 s in all. The three that an answer may use up are timers:
"""

PAYMENT_DETAILS: Final = Timeout(
    "V2G_SECC_Msg_Performance_Time_PaymentDetailsRes",
    ANSWER_SECONDS["PaymentDetailsRes"],
    "ISO 15118-2, message timing",
)

PROVISIONING: Final = Timeout("provisioning service", 4.0, "the 4.5 s, less what the answer takes")
"""From CertificateInstallationReq or CertificateUpdateReq to the answer that is relayed: the two
have no Ongoing. [V2G2-558]
"""

METERING_RECEIPT: Final = Timeout("metering receipt", 1.3, "the 1.5 s, less what the answer takes")
"""The time to verify and store a receipt."""

POWER_DELIVERY: Final = Timeout(
    "V2G_SECC_Msg_Performance_Time_PowerDeliveryRes", ANSWER_SECONDS["PowerDeliveryRes"], "ISO 15118-2, message timing"
)

SESSION_STOP: Final = Timeout(
    "V2G_SECC_Msg_Performance_Time_SessionStopRes", ANSWER_SECONDS["SessionStopRes"], "ISO 15118-2, message timing"
)

POWER_SWITCHED: Final = Timeout("power path in PowerDelivery", 4.3, "the 4.5 s, less what the answer takes")
"""The time of the power path to switch and to report."""

CP_STATE_DETECTION: Final = Timeout("T_SECC_CPState_Detection", 1.5, "[V2G2-917]")
"""How long an answer may wait for the pilot state that the request needs."""

CP_STATE_LOOK: Final = Timeout("look at the control pilot", 0.05, "our choice")

NOTIFICATION_MAX_DELAY: Final = Timeout(
    "NotificationMaxDelay", 10.0, "our choice; announced in every EVSEStatus", answered=True
)
"""From StopCharging until the station switches off by itself."""

PACE: Final = Timeout("pace of polling", 0.02, "our choice: at most 50 answers a second while polling")

SERVICE_DETAILS: Final = 64
"""ServiceDetail requests in a session; further ones are refused with FAILED."""

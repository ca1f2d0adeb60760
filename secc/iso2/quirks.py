"""Field quirks of cars in ISO 15118-2, and what this station does about each."""

from __future__ import annotations

from typing import Final

from secc.trace.quirks import Quirk, When

_STRICT, _ASKED = When.UNLESS_STRICT, When.ON_REQUEST

QUIRKS: Final[tuple[Quirk, ...]] = (
    Quirk(
        "Q-27", "Sign AuthorizationReq although they pay externally.", "The signature is not checked.", remarked=True
    ),
    Quirk("Q-30", "Send the SessionID zero in other lengths than 8.", "Every car gets a new one, whatever it sends."),
    Quirk(
        "Q-32",
        "Have an EVCCID that is not a MAC address.",
        "It is accepted; `lab.strict` refuses more than 6 octets.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-34",
        "Send SessionStopReq right after SessionSetupRes, and connect again.",
        "OK; the next session may begin.",
        remarked=True,
    ),
    Quirk(
        "Q-35",
        "Leave when they see services that they cannot use.",
        "Only charging is offered, certificates where they can be had, and what the operator has set up.",
    ),
    Quirk("Q-36", "Cannot send ServiceDetailReq.", "The station does not require it."),
    Quirk("Q-37", "Send SessionStopReq during cable check or precharge.", "OK, and power off in order.", remarked=True),
    Quirk(
        "Q-38",
        "Send SessionStopReq from the charging loop, without PowerDelivery(Stop).",
        "OK, and power off.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-39",
        "Poll Authorization once more after it was finished.",
        "One such request is answered, Finished.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-42",
        "Wait 0.4 s for ChargeParameterDiscoveryRes.",
        "It leaves at once, or after 0.1 s without schedules while the backend makes them.",
    ),
    Quirk(
        "Q-44",
        "Stop when they are offered 0 W.",
        "They are told Ongoing until there is power, for at most 55 s, with the limits of the outlet.",
        remarked=True,
    ),
    Quirk(
        "Q-45",
        "Send a ChargingProfile that has little to do with the schedule.",
        "It is accepted, with a remark; the station still delivers within the limit.",
        _ASKED,
        remarked=True,
    ),
    Quirk("Q-46", "Send no ChargingProfile.", "It may be left out."),
    Quirk("Q-48", "Send DepartureTime 0.", "It counts as not given.", remarked=True),
    Quirk("Q-49", "Send a wrong first precharge voltage.", "The target of every request is followed.", remarked=True),
    Quirk(
        "Q-60",
        "Leave out CableCheck and PreCharge after a DC renegotiation.",
        "Accepted while their battery is at the output, under the insulation monitor.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-62",
        "End by themselves when they get no power for long, and then cannot charge again.",
        "They are told to stop after `timing.no_power_seconds`; a station with power again wakes them.",
        remarked=True,
    ),
    Quirk(
        "Q-63", "Need time to ramp down after a stop at the charger.", "Power stays until PowerDelivery(Stop), or 10 s."
    ),
    Quirk("Q-64", "Ask WeldingDetection slowly, and several times.", "The station answers for a minute."),
    Quirk("Q-65", "Leave WeldingDetection out.", "SessionStopReq is accepted instead."),
    Quirk(
        "Q-66",
        "Ignore ReceiptRequired and send the next message of the charging loop.",
        "The loop goes on, and a receipt is demanded again when the next one is due. Without it they are refused, because receipts are money.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-67",
        "Are damaged when the number of phases changes while they charge.",
        "The energy transfer mode of the first ChargeParameterDiscovery stays until the session ends.",
    ),
    Quirk(
        "Q-70",
        "Have codecs with shorter lists than the schema.",
        "Services, parameter sets and parameters are sent within them; what a car sends may fill the schema.",
    ),
    Quirk(
        "Q-74",
        "Select ParameterSetID 0, or a set of the charge service, which has none.",
        "That of the charge service is accepted; any other set that is not on offer is refused, always.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-78", "Write the EMAID with hyphens or in lower case.", "Compared without hyphens and case.", remarked=True
    ),
    Quirk("Q-79", "Set their clock by EVSETimeStamp.", "It is the calendar's time."),
    Quirk(
        "Q-80",
        "Sign every poll of Authorization.",
        "Only the first signature is checked, and it must be valid.",
        remarked=True,
    ),
)

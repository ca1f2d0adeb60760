"""Why sessions end: the one table from a stable code to what it means, what the driver sees, and what support should do.

A code is ``<kind>.<name>`` as ``secc.conversation.Reason.code`` makes it; ``certificate.<flaw>`` and ``signature.<flaw>`` name what lies behind one.
Codes are stable: they stand in logs, traces and bills. One that is not in the table falls to the entry of its kind. ``docs/reasons.md`` is made
from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from secc.trace.meanings import BEFORE, CAR, NOTHING, RETRY, STOPS, TRACE, Meaning
from secc.trace.reasons_flaws import CERTIFICATES, SIGNATURES, SIGNED
from secc.trace.reasons_tls import TLS

_KINDS: tuple[Meaning, ...] = (
    Meaning("completed", "The session ended in order.", "Charging has finished.", NOTHING),
    Meaning(
        "refused",
        "A request of the car was answered with this response code, and the session closed.",
        RETRY,
        f"The detail says which request and what was wrong with it. {CAR}",
    ),
    Meaning(
        "timer",
        "The time that the standard, or this station, allows for a step ran out.",
        RETRY,
        "The name says for which step. Something slow or silent is on one side of the cable; the trace says which side was to move.",
    ),
    Meaning("severed", "The session was cut off before its end.", STOPS, TRACE),
    Meaning(
        "emergency",
        "The station went to its safe state at once and told the car.",
        "Charging stops at once; the car shows an error.",
        "Find and remove the cause before anybody charges here again. The hardware is the judge of that, not the session.",
    ),
    Meaning(
        "bug",
        "A mistake in this software. The outlet was made safe, the session ended, other outlets went on.",
        STOPS,
        "Keep the trace (it is always written then) and the log, and report both.",
    ),
    Meaning(
        "tls",
        "The TLS connection did not come about, or broke.",
        BEFORE,
        "The detail says after which message and by which alert; `secc explain` lists what the car offered and which chain it was shown.",
    ),
    Meaning(
        "certificate",
        "A certificate of the car was not good.",
        BEFORE,
        "The flaw names what is wrong with which certificate.",
    ),
    Meaning(
        "signature",
        "The car's signature over the challenge was not good.",
        BEFORE,
        SIGNED,
    ),
)

KINDS: Mapping[str, Meaning] = {entry.code: entry for entry in _KINDS}
"""What a code falls to that has none."""

BEHIND = ("certificate", "signature")
"""Kinds that end no session by themselves: they name what lies behind a refusal, in the record's ``flaw``."""

_TABLE: tuple[Meaning, ...] = (
    Meaning(
        "completed.terminated",
        "The car ended the session by SessionStop, as it should.",
        "Charging has finished.",
        NOTHING,
    ),
    Meaning(
        "completed.stopped-early",
        "The car ended the session by SessionStop out of its order: before charging began, or from the charging loop without PowerDelivery(Stop).",
        "Charging has finished, or did not begin. Some cars come back at once with a new session.",
        "Nothing, if the driver or the car wanted it. If no energy flowed and the car does not come back: what did it dislike in the last answer?",
    ),
    Meaning(
        "completed.unplugged",
        "A car that charged by pilot and duty, without a session of ISO 15118, was unplugged.",
        "Charging has finished.",
        NOTHING,
    ),
    # Refusals: the response codes of ISO 15118-2 and of SupportedAppProtocol
    Meaning(
        "refused.Failed_NoNegotiation",
        "The car speaks none of the protocols that this station speaks on this transport.",
        BEFORE,
        "The trace lists what the car offered. A car that has only ISO 15118-20 needs TLS 1.3; one that has only DIN needs that protocol here.",
    ),
    Meaning(
        "refused.FAILED",
        "The car's request could not be served, without a better name for it.",
        RETRY,
        "The detail says why. With a pilot in B: the car has to close S2 before CableCheck, and what the board measures has to show it. "
        "Otherwise look at the last messages in the trace, and compare with another car.",
    ),
    Meaning(
        "refused.FAILED_SequenceError",
        "The car sent a message that has no place here in the sequence, or a second one before it had its answer.",
        RETRY,
        "The detail names the message, the trace what was expected. If a car that works elsewhere does it, look for a field quirk.",
    ),
    Meaning("refused.FAILED_ServiceIDInvalid", "The car asked for a service that was not offered.", RETRY, CAR),
    Meaning(
        "refused.FAILED_UnknownSession",
        "A message carried the SessionID of another session.",
        RETRY,
        f"{CAR} If it repeats, somebody may be trying to enter another car's session.",
    ),
    Meaning(
        "refused.FAILED_ServiceSelectionInvalid",
        "The car chose a service that was not offered, or twice the same.",
        RETRY,
        CAR,
    ),
    Meaning(
        "refused.FAILED_PaymentSelectionInvalid",
        "The car chose a way of payment that was not offered.",
        BEFORE,
        "Contract is offered on TLS only, after a failed contract once more only, and not when a card was shown first.",
    ),
    Meaning(
        "refused.FAILED_CertificateExpired",
        "The contract certificate, or one above it, is not valid today.",
        BEFORE + " The contract has to be renewed in the car.",
        "Check the station's clock first (`secc check`). Then it is the driver's mobility operator who has to act.",
    ),
    Meaning(
        "refused.FAILED_SignatureError",
        "A signature of the car is missing or wrong.",
        BEFORE,
        "The flaw in the detail says what is wrong. A car without the contract's private key cannot sign correctly; if every car fails, report it.",
    ),
    Meaning(
        "refused.FAILED_NoCertificateAvailable",
        "The root above the contract is not installed here.",
        BEFORE,
        "Install the mobility operator's root (`secc check` lists what is installed), if this operator's customers may charge here.",
    ),
    Meaning(
        "refused.FAILED_CertChainError",
        "The contract's certificate chain is not good, or does not belong to the EMAID that the car claims.",
        BEFORE,
        "The certificate flaw says what is wrong. The mobility operator, or who provisioned the car, has to act.",
    ),
    Meaning(
        "refused.FAILED_ChallengeInvalid",
        "The car did not repeat the challenge that it was given.",
        BEFORE,
        f"{CAR} If it repeats, somebody may be replaying a recorded session.",
    ),
    Meaning(
        "refused.FAILED_ContractCanceled",
        "The contract is good, but its operator has ended it.",
        BEFORE + " The driver has to talk to the mobility operator.",
        "Nothing on the station. If the contract was renewed, take its entry out of the denylist.",
    ),
    Meaning(
        "refused.FAILED_WrongChargeParameter",
        "The car's charge parameters are missing, outside of what is possible, or do not fit its energy transfer mode.",
        RETRY,
        CAR,
    ),
    Meaning(
        "refused.FAILED_PowerDeliveryNotApplied",
        "The station could not switch power on, or off, as the car asked.",
        RETRY,
        "The detail says what was in the way: the contactor, the supply, the pilot, the interlock. `secc status` names active faults.",
    ),
    Meaning("refused.FAILED_TariffSelectionInvalid", "The car chose a schedule that was not offered.", RETRY, CAR),
    Meaning(
        "refused.FAILED_ChargingProfileInvalid",
        "The car's charging profile asks for more than the schedule allows, or reaches beyond it.",
        RETRY,
        'Some cars do that always: `lab.tolerate = ["Q-45"]` lets it pass; the limit then holds by what is delivered.',
    ),
    Meaning("refused.FAILED_NoChargeServiceSelected", "The car selected no charge service.", RETRY, CAR),
    Meaning(
        "refused.FAILED_WrongEnergyTransferMode",
        "The car wants AC where there is DC, other phases, or another mode than it began with.",
        RETRY,
        "Compare `transfers` of the outlet with what the cable really is; then it is the car's doing.",
    ),
    Meaning(
        "refused.FAILED_ContactorError",
        "The contactor did not close or open as it should.",
        RETRY,
        "Check contactor and feedback. If it is welded, the outlet must not be used.",
    ),
    Meaning(
        "refused.FAILED_CertificateNotAllowedAtThisEVSE",
        "The contract is good, but may not charge at this place or time.",
        BEFORE,
        "Nothing on the station, unless its lists are wrong.",
    ),
    Meaning(
        "refused.FAILED_CertificateRevoked",
        "A certificate of the contract's chain is revoked.",
        BEFORE + " The contract has to be renewed in the car.",
        "Nothing on the station. It is remembered, also when the station is offline.",
    ),
    # Timers
    Meaning(
        "timer.V2G_SECC_Sequence_Timeout",
        "The car was silent for 60 s after our last answer. [V2G2-443]",
        RETRY,
        "If it is always after the same message, the car did not like that answer. If it is at any time, look at the power line link.",
    ),
    Meaning(
        "timer.V2G_SECC_CommunicationSetup_Timeout",
        "The link was up, but the car did not begin a session in time. [V2G2-716]",
        "The car waits, then tries again or charges without communication.",
        "Was there a request on SDP, and a connection? `ip -6 addr`, the firewall, and TLS are the usual suspects.",
    ),
    Meaning(
        "timer.V2G_SECC_Ongoing_Performance_Time",
        "Nobody decided in 55 s whether the contract may charge, or there was no power to offer for so long.",
        BEFORE,
        "The last message says which of the two: the backend is slow or silent (`secc status`), or a limit of no power stood for a minute.",
    ),
    Meaning(
        "timer.EIM_Authorization_Limit",
        "No card or app was accepted in the time that the operator gives the driver.",
        "Charging does not begin. The driver plugs in again and shows a card that is known here.",
        "If cards were shown: were they refused? The log says so. `timing.eim_seconds` is the time.",
    ),
    Meaning(
        "timer.V2G_SECC_CableCheck_Performance_Time",
        "The insulation test did not end in 38 s; the car gives up after 40 s.",
        RETRY,
        "Insulation monitor, its self-test, or the supply is slow. The trace says which step it stood at.",
    ),
    Meaning(
        "timer.V2G_SECC_PreCharge_Limit",
        "The voltages of car and station did not meet in time.",
        RETRY,
        "Compare the target in the requests with the measured voltage: does the supply follow, is the contactor closed, is the meter right?",
    ),
    Meaning(
        "timer.V2G_SECC_WeldingDetection_Limit",
        "The car went on testing its contactors for welding for longer than a minute.",
        STOPS,
        "Does the output discharge? Below 60 V most cars are content.",
    ),
    Meaning(
        "timer.NotificationMaxDelay",
        "The car was told to stop, by StopCharging, and had not done so in the 10 s that were announced to it: the station switched off.",
        STOPS,
        "Somebody wanted the end (stop button, `secc control stop`, a shutdown): the log says who. A car that does not obey is worth a note.",
    ),
    Meaning(
        "timer.TLS-handshake",
        "The TLS handshake was not done in time.",
        BEFORE,
        "The car began it and stopped, or the link loses frames.",
    ),
    Meaning(
        "timer.V2GTP-message",
        "The car began a message and did not finish it.",
        RETRY,
        "The link loses frames, or the sender is not a car.",
    ),
    # What cut it off
    Meaning(
        "severed.unplugged",
        "The cable was pulled while the session ran.",
        "What it did: charging ends with the cable.",
        NOTHING,
    ),
    Meaning(
        "severed.link-lost",
        "The power line link to the car was lost.",
        STOPS,
        "Attenuation, a loose pilot contact, or disturbance of the supply. How often, and with which cars?",
    ),
    Meaning(
        "severed.connection-closed",
        "The car closed the connection before SessionStop.",
        "The car may try again by itself, or show an error.",
        f"Cars do that when they dislike an answer: look at the last one. {CAR}",
    ),
    Meaning(
        "severed.stream-broken",
        "What the car sent was not a V2GTP frame, or not a message.",
        RETRY,
        "The detail names the layer. If the car works elsewhere, keep the trace and report it: the car may use a form unknown to the station.",
    ),
    Meaning(
        "severed.communication-setup-timeout",
        "The link was up, but no SessionSetupReq came in time. [V2G2-723]",
        "The car waits, then tries again or charges without communication.",
        "Was there a request on SDP, and a connection? `ip -6 addr`, the firewall, and TLS are the usual suspects.",
    ),
    Meaning(
        "severed.station-shutdown",
        "The station was stopped, and the car did not end by itself in the time it was given.",
        STOPS,
        "`timing.shutdown_seconds` is the time.",
    ),
    Meaning(
        "severed.power-lost",
        "The station was without power, or died, in the middle of the session; noted at the next start.",
        "Charging stopped when the power went.",
        "How much was charged since the last reading, only the meter knows.",
    ),
    # Emergencies
    Meaning(
        "emergency.emergency-stop",
        "Somebody hit the emergency stop.",
        "Charging stops at once; the car shows an error.",
        "Find out why. Release the button; the outlet is ready again when the car is unplugged.",
    ),
    Meaning(
        "emergency.fault",
        "The hardware reported a fault with which nobody may charge.",
        "Charging stops at once; the car shows an error.",
        "The detail names the fault; `secc status` says whether it is still there.",
    ),
    # Mistakes of ours that have a name
    Meaning(
        "bug.Unanswered",
        "The session ended, and the station had not answered a request: a bug.",
        STOPS,
        _KINDS[5].support,
    ),
    Meaning("bug.EncodeError", "The station could not encode its own answer by the schema.", STOPS, _KINDS[5].support),
)

MEANINGS: Mapping[str, Meaning] = {entry.code: entry for entry in (*_TABLE, *TLS, *CERTIFICATES, *SIGNATURES)}
"""Every code that has an entry of its own."""


def meaning(code: str) -> Meaning:
    """What ``code`` means: its own entry, or that of its kind, or that of a bug, since we make no other kinds. Never raises."""
    code = code.replace(" ", "-")
    if (known := MEANINGS.get(code)) is not None:
        return known
    return replace(KINDS.get(code.partition(".")[0], KINDS["bug"]), code=code)

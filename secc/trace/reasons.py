"""Why sessions end: for each stable code its meaning, what the driver sees, and what support should
do.

A code is ``<kind>.<name>``, made by ``secc.conversation.Reason.code``; ``certificate.<flaw>`` and
``signature.<flaw>`` are causes of refusals. Codes are stable: they appear in logs, traces and
bills. A code without an entry has that of its kind. ``docs/reasons.md`` is made from this table,
those beside it, and those of the protocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from secc.trace.meanings import BEFORE, CAR, NOTHING, REPORT, RETRY, STOPS, TRACE, Meaning, meanings
from secc.trace.reasons_flaws import CERTIFICATES, SIGNATURES, SIGNED
from secc.trace.reasons_sessions import SESSIONS
from secc.trace.reasons_tls import TLS
from secc.trace.register import Register

_KINDS: Final = meanings(
    {
        "completed": ("The session ended in order.", "Charging has finished.", NOTHING),
        "refused": (
            "A request of the car was answered with this response code, and the session closed.",
            RETRY,
            f"The detail has the request and its error. {CAR}",
        ),
        "timer": (
            "The time that the standard, or this station, allows for a step ran out.",
            RETRY,
            "The name says for which step. One side of the cable is slow or silent; the trace shows which one had to act.",
        ),
        "severed": ("The session was cut off before its end.", STOPS, TRACE),
        "emergency": (
            "The station went to its safe state at once and told the car.",
            "Charging stops at once; the car shows an error.",
            "Find and remove the cause before a car charges here again. The hardware shows whether it is gone, not the session.",
        ),
        "bug": (
            "A bug in this software. The outlet was switched off, the session ended, and other outlets went on.",
            STOPS,
            REPORT,
        ),
        "tls": (
            "The TLS connection was not established, or broke.",
            BEFORE,
            "The detail says after which message and by which alert; `secc explain` lists what the car offered and which chain it received.",
        ),
        "certificate": (
            "A certificate of the car was not good.",
            BEFORE,
            "The flaw names what is wrong with which certificate.",
        ),
        "signature": (
            "The car's signature over the challenge was not good.",
            BEFORE,
            SIGNED,
        ),
    }
)

KINDS: Mapping[str, Meaning] = {entry.code: entry for entry in _KINDS}
"""Meanings of codes without an entry of their own, by kind."""

BEHIND = ("certificate", "signature")
"""Kinds that do not end a session: they name the cause of a refusal, in the record's ``flaw``."""

_TABLE: Final = meanings(
    {
        "completed.terminated": (
            "The car ended the session by SessionStop, as it should.",
            "Charging has finished.",
            NOTHING,
        ),
        "completed.unplugged": (
            "A car that charged by pilot and duty, without a session of ISO 15118, was unplugged.",
            "Charging has finished.",
            NOTHING,
        ),
        # Refusals: the response codes of SupportedAppProtocol; each protocol adds its own
        "refused.Failed_NoNegotiation": (
            "The station does not have any of the car's protocols on this transport.",
            BEFORE,
            "The trace lists what the car offered. "
            "A car with ISO 15118-20 only needs TLS 1.3; one with DIN SPEC 70121 only needs an outlet with DC, whose `tls` is "
            "not `required` and whose `protocols` name `din` or nothing.",
        ),
        # Timers of the link, and of any first request
        "timer.V2G_SECC_Sequence_Timeout": (
            "The car sent no request for 60 s after the station's last answer. [V2G2-443]",
            RETRY,
            "If it is always after the same message, the car did not accept that answer. If at different times, check the power line link.",
        ),
        "timer.V2G_SECC_CommunicationSetup_Timeout": (
            "The link was up, but the car did not begin a session in time. [V2G2-716]",
            "The car waits, then tries again or charges without communication.",
            "Was there a request on SDP, and a connection? `ip -6 addr`, the firewall, and TLS are the usual suspects.",
        ),
        "timer.TLS-handshake": (
            "The TLS handshake was not done in time.",
            BEFORE,
            "The car began it and stopped, or the link loses frames.",
        ),
        "timer.V2GTP-message": (
            "The car began a message and did not finish it.",
            RETRY,
            "The link loses frames, or the sender is not a car.",
        ),
        # Interruptions
        "severed.unplugged": (
            "The cable was pulled while the session ran.",
            "Charging ends with the unplugging, as the driver intended.",
            NOTHING,
        ),
        "severed.link-lost": (
            "The power line link to the car was lost.",
            STOPS,
            "Attenuation, a loose pilot contact, or disturbance of the supply. How often, and with which cars?",
        ),
        "severed.connection-closed": (
            "The car closed the connection before SessionStop.",
            "The car may try again by itself, or show an error.",
            f"Cars do that when they do not accept an answer: look at the last one. {CAR}",
        ),
        "severed.stream-broken": (
            "The car sent octets that are not a V2GTP frame, or not a message; within a session three times.",
            RETRY,
            "The detail names the layer. If the car works elsewhere, keep the trace and report it: the car may use a form unknown to the station.",
        ),
        "severed.communication-setup-timeout": (
            "The link was up, but no SessionSetupReq came in time. [V2G2-723]",
            "The car waits, then tries again or charges without communication.",
            "Was there a request on SDP, and a connection? `ip -6 addr`, the firewall, and TLS are the usual suspects.",
        ),
        "severed.station-shutdown": (
            "The station was stopped, and the car did not end the session in time.",
            STOPS,
            "`timing.shutdown_seconds` is that time.",
        ),
        "severed.power-lost": (
            "The station lost its power, or crashed, in the middle of the session; recorded at the next start.",
            "Charging stopped when the power was lost.",
            "Only the meter has the energy since the last reading.",
        ),
        # Transactions of paused sessions that were not resumed
        "completed.pause-unplugged": (
            "The car had paused, and the plug was pulled before it went on.",
            "Nothing; the transaction ends.",
            NOTHING,
        ),
        "completed.pause-stopped": (
            "The car had paused, and driver, operator or backend ended the charging.",
            "Charging has finished.",
            NOTHING,
        ),
        "completed.pause-left": (
            "The car had paused, and then began a new session, charged without communication, or charged on another card.",
            "Charging goes on in a new transaction.",
            "If a car does it after every pause: the log says whether it brings another EVCCID, or drops its SessionID.",
        ),
        "completed.pause-fault": (
            "The car had paused, and a fault or the emergency stop ended the plug-in.",
            "Charging does not go on.",
            "`secc status` names active faults, the log those that are over.",
        ),
        "completed.pause-shutdown": (
            "The car had paused, and the station was stopped.",
            "Charging does not go on by itself; unplug and plug in.",
            NOTHING,
        ),
        # Emergencies
        "emergency.emergency-stop": (
            "The emergency stop was pressed.",
            "Charging stops at once; the car shows an error.",
            "Find out the reason. Release the button; the outlet is ready again after the car is unplugged.",
        ),
        "emergency.fault": (
            "The hardware reported a fault that forbids charging.",
            "Charging stops at once; the car shows an error.",
            "The detail names the fault; `secc status` shows whether it is still active.",
        ),
        # Named bugs
        "bug.Unanswered": (
            "The session ended, and the station had not answered a request: a bug.",
            STOPS,
            REPORT,
        ),
        "bug.EncodeError": ("The station could not encode its answer by the schema: a bug.", STOPS, REPORT),
        "bug.NotLoaded": (
            "Car and station agreed on a protocol, and its modules could not be imported: a bug, or a broken installation.",
            "Charging does not begin; the car shows an error.",
            "The log says which module it was. Install the software again.",
        ),
        "bug.PlugIn": (
            "While the car charged by pilot and duty, the part of the station that follows the plug failed: a bug.",
            "Charging stops, and begins again by itself.",
            "Keep the log, and report it.",
        ),
    }
)

MEANINGS: Final = Register(*_TABLE, *SESSIONS, *TLS, *CERTIFICATES, *SIGNATURES)
"""Codes with an entry: shared ones, and those that each protocol adds when it is imported."""


def meaning(code: str) -> Meaning:
    """Returns the meaning of ``code``: its entry, or that of its kind, or that of a bug for an
    unknown kind. Never raises.
    """
    code = code.replace(" ", "-")
    if (known := MEANINGS.get(code)) is not None:
        return known
    return replace(KINDS.get(code.partition(".")[0], KINDS["bug"]), code=code)

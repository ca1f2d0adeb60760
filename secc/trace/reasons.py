"""Why sessions end: from a stable code to what it means, what the driver sees, and what support should do.

A code is ``<kind>.<name>`` as ``secc.conversation.Reason.code`` makes it; ``certificate.<flaw>`` and ``signature.<flaw>`` name what lies behind one.
Codes are stable: they stand in logs, traces and bills. One that has no entry falls to that of its kind. ``docs/reasons.md`` is made from here,
from the tables beside it and from those of the protocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from secc.trace.meanings import BEFORE, CAR, NOTHING, REPORT, RETRY, STOPS, TRACE, Meaning, meanings
from secc.trace.reasons_flaws import CERTIFICATES, SIGNATURES, SIGNED
from secc.trace.reasons_tls import TLS
from secc.trace.register import Register

_KINDS: Final = meanings(
    {
        "completed": ("The session ended in order.", "Charging has finished.", NOTHING),
        "refused": (
            "A request of the car was answered with this response code, and the session closed.",
            RETRY,
            f"The detail says which request and what was wrong with it. {CAR}",
        ),
        "timer": (
            "The time that the standard, or this station, allows for a step ran out.",
            RETRY,
            "The name says for which step. Something slow or silent is on one side of the cable; the trace says which side was to move.",
        ),
        "severed": ("The session was cut off before its end.", STOPS, TRACE),
        "emergency": (
            "The station went to its safe state at once and told the car.",
            "Charging stops at once; the car shows an error.",
            "Find and remove the cause before a car charges here again. The hardware shows whether it is gone, not the session.",
        ),
        "bug": (
            "A mistake in this software. The outlet was made safe, the session ended, other outlets went on.",
            STOPS,
            REPORT,
        ),
        "tls": (
            "The TLS connection did not come about, or broke.",
            BEFORE,
            "The detail says after which message and by which alert; `secc explain` lists what the car offered and which chain it was shown.",
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
"""What a code falls to that has none."""

BEHIND = ("certificate", "signature")
"""Kinds that end no session by themselves: they name what lies behind a refusal, in the record's ``flaw``."""

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
            "The car speaks none of the protocols that this station speaks on this transport.",
            BEFORE,
            "The trace lists what the car offered. A car that has only ISO 15118-20 needs TLS 1.3; one that has only DIN needs that protocol here.",
        ),
        # Timers of the link, and of any first request
        "timer.V2G_SECC_Sequence_Timeout": (
            "The car was silent for 60 s after our last answer. [V2G2-443]",
            RETRY,
            "If it is always after the same message, the car did not like that answer. If it is at any time, look at the power line link.",
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
        # What cut it off
        "severed.unplugged": (
            "The cable was pulled while the session ran.",
            "What it did: charging ends with the cable.",
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
            f"Cars do that when they dislike an answer: look at the last one. {CAR}",
        ),
        "severed.stream-broken": (
            "What the car sent was not a V2GTP frame, or not a message.",
            RETRY,
            "The detail names the layer. If the car works elsewhere, keep the trace and report it: the car may use a form unknown to the station.",
        ),
        "severed.communication-setup-timeout": (
            "The link was up, but no SessionSetupReq came in time. [V2G2-723]",
            "The car waits, then tries again or charges without communication.",
            "Was there a request on SDP, and a connection? `ip -6 addr`, the firewall, and TLS are the usual suspects.",
        ),
        "severed.station-shutdown": (
            "The station was stopped, and the car did not end by itself in the time it was given.",
            STOPS,
            "`timing.shutdown_seconds` is the time.",
        ),
        "severed.power-lost": (
            "The station was without power, or died, in the middle of the session; noted at the next start.",
            "Charging stopped when the power went.",
            "How much was charged since the last reading, only the meter knows.",
        ),
        # Emergencies
        "emergency.emergency-stop": (
            "The emergency stop was pressed.",
            "Charging stops at once; the car shows an error.",
            "Find out why. Release the button; the outlet is ready again when the car is unplugged.",
        ),
        "emergency.fault": (
            "The hardware reported a fault with which no car may charge.",
            "Charging stops at once; the car shows an error.",
            "The detail names the fault; `secc status` says whether it is still there.",
        ),
        # Mistakes of ours that have a name
        "bug.Unanswered": (
            "The session ended, and the station had not answered a request: a bug.",
            STOPS,
            REPORT,
        ),
        "bug.EncodeError": ("The station could not encode its own answer by the schema.", STOPS, REPORT),
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

MEANINGS: Final = Register(*_TABLE, *TLS, *CERTIFICATES, *SIGNATURES)
"""Every code that has an entry of its own: what all protocols share, and what each adds when it is imported."""


def meaning(code: str) -> Meaning:
    """What ``code`` means: its own entry, or that of its kind, or that of a bug, since we make no other kinds. Never raises."""
    code = code.replace(" ", "-")
    if (known := MEANINGS.get(code)) is not None:
        return known
    return replace(KINDS.get(code.partition(".")[0], KINDS["bug"]), code=code)

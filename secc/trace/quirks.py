"""Field quirks: deviations of cars that a literal reading of the standard would refuse, and what
the station does.

A code ``Q-nn`` marks the place in the code that handles it, and a test. Log and trace have the code
of a quirk that was tolerated (``Remark``), once a session, if the station can tell.
``docs/quirks.md`` is made from here and from the tables of the protocols.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from frozen import dataclass
from secc.trace.register import Register


class When(StrEnum):
    """When a quirk is tolerated."""

    ALWAYS = "always"
    """The standard allows it, or does not exclude it: also with ``lab.strict``."""
    UNLESS_STRICT = "unless `lab.strict`"
    ON_REQUEST = "with `lab.tolerate`"
    """It costs trust, money or power, or is for old tools: off by default."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One field quirk. ``cars``: what some cars do; ``ours``: what the station does then."""

    code: str
    cars: str
    ours: str
    when: When = When.ALWAYS
    remarked: bool = False
    """Whether log and trace have the code when it fires. Otherwise the station cannot see it, or
    the car keeps to the standard.
    """


_STRICT, _ASKED = When.UNLESS_STRICT, When.ON_REQUEST

QUIRKS: Final = Register(
    # Matching and the link
    Quirk(
        "Q-01",
        "Ask for matching as soon as the duty appears, or before.",
        "Matching listens before 5 % duty is set, and answers a car that asked up to 0.6 s too early.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-02",
        "Ask again after a failed attempt, without replugging.",
        "Matching goes on listening.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-03",
        "Need the retry by state F at DC outlets as well, which the standard has for AC only.",
        "The station makes it at both.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-04",
        "Ask later than 50 s after the duty; some operators want to fail earlier than the 20 s of the standard.",
        "The station answers a late request, and the time can be set from 10 s on.",
        _STRICT,
        remarked=True,
    ),
    Quirk("Q-05", "Insist on the usual values in CM_SLAC_PARM.CNF.", "The station sends exactly those."),
    Quirk(
        "Q-06", "Announce a TIME_OUT other than 6.", "The station accepts it and uses its own.", _STRICT, remarked=True
    ),
    Quirk(
        "Q-07",
        "Ignore an attenuation of zero, which some modems report without a profile.",
        "The station sends a plausible one instead.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-08",
        "Repeat CM_START_ATTEN_CHAR.IND after sounding began.",
        "The station ignores the repetition.",
        _STRICT,
        remarked=True,
    ),
    Quirk("Q-09", "Repeat CM_SLAC_MATCH.REQ.", "The station answers again, with the same key.", _STRICT, remarked=True),
    Quirk(
        "Q-10",
        "Have a modem that leaves the line for seconds when it gets the key.",
        "The station waits longer for the link.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-11",
        "Reach the modem of the next charger too.",
        "The station identifies a car by CM_SLAC_MATCH.REQ, not by its first request.",
    ),
    Quirk("Q-12", "Fail if state of the previous car is left.", "Each plug-in begins without state."),
    Quirk(
        "Q-13",
        "Cannot be matched, but can charge by the duty.",
        "AC outlets fall back to the nominal duty after the retries.",
        remarked=True,
    ),
    # SDP and TCP
    Quirk(
        "Q-14",
        "Look for the station's address by neighbour discovery early, late or never.",
        "It answers whenever it is asked, and SDP does not wait for that.",
    ),
    Quirk(
        "Q-15",
        "Ask for TLS and can do without, or the reverse.",
        "The answer has what the station serves; the car decides.",
        remarked=True,
    ),
    Quirk(
        "Q-16",
        "Connect to TCP port 15118, whatever port was announced.",
        "`port = 15118` may be set for the outlet.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-18",
        "Connect, close at once, and connect again.",
        "The station goes on listening, and serves one connection at a time.",
        remarked=True,
    ),
    Quirk(
        "Q-19", "Do not close the connection after SessionStopRes.", "The station closes it after 3 s.", remarked=True
    ),
    Quirk(
        "Q-17", "Ask by SDP before the station's modem reports the link.", "The station answers them.", remarked=True
    ),
    # TLS
    Quirk(
        "Q-20",
        "Send `trusted_ca_keys` without its list length, or bare hashes without a type.",
        "The station tries the likely readings; if none fits, it ignores the extension.",
        _STRICT,
        remarked=True,
    ),
    Quirk("Q-21", "Name roots by key hash, certificate hash or name.", "The station accepts all of them."),
    Quirk(
        "Q-22",
        "Lack the CBC suites that ISO 15118-2 prescribes.",
        "ECDHE-ECDSA with AES-GCM is supported as well.",
        _STRICT,
        remarked=True,
    ),
    Quirk("Q-23", "Would send a client certificate in ISO 15118-2 if asked.", "The station does not ask for one."),
    Quirk(
        "Q-25",
        "Send the root along, certificates in another order, or twice.",
        "The station builds a path to an installed root from the certificates it gets.",
        _STRICT,
        remarked=True,
    ),
    Quirk("Q-26", "Do not name any root.", "The station presents the default chain.", remarked=True),
    # Setup
    Quirk(
        "Q-28", "Prefer a protocol of their maker.", "It is passed over; the best of the others counts.", remarked=True
    ),
    Quirk("Q-29", "Number their protocols from 0, or in another way.", "The station answers with the car's SchemaID."),
    Quirk("Q-31", "Expect a SessionID of 8 octets.", "It always has 8."),
    Quirk(
        "Q-40",
        "Send messages after the end.",
        "The station does not answer, and closes the connection after 3 s.",
        remarked=True,
    ),
    Quirk(
        "Q-41",
        "Use the session for the contract only, close, and charge by the duty.",
        "AC outlets keep the authorisation and go to the nominal duty.",
        remarked=True,
    ),
    Quirk("Q-43", "Fail with answers that come within 20 ms.", "`timing.answer_seconds` makes answers wait."),
    # Parameters and energy
    Quirk(
        "Q-47", "Ask for exactly volts times amperes times phases.", "The schedule's power is never rounded below that."
    ),
    Quirk(
        "Q-50",
        "Send target voltages below the battery's, or below zero, at first.",
        "Raised to the station's minimum, within what the car bears. Without it they are ignored.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-51",
        "Ask for 0 A, or for more than 2 A, in precharge.",
        "The station allows up to 2 A, whatever the car asks for.",
        remarked=True,
    ),
    Quirk(
        "Q-52",
        "Close their relay at any voltage of the outlet.",
        "The output is below 60 V between cable check and precharge.",
    ),
    Quirk("Q-53", "Use EVSEPresentVoltage only.", "It is always measured, never a copy of the target."),
    Quirk(
        "Q-54", "Give up at an EVSEPresentVoltage of 0 in precharge.", "The station does not send an old measurement."
    ),
    Quirk(
        "Q-55",
        "Ask for more than was announced.",
        "The station delivers the limit, and its answer reports that it is reached.",
        remarked=True,
    ),
    Quirk(
        "Q-56",
        "Ask for whole amperes only, and so for less than they are offered.",
        "A DC car that asks for less than 1 A below the offer gets the offer.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-68",
        "Cannot begin to charge beside an insulation monitor.",
        "It pauses from the end of the cable check to the first current, at most 10 s after PowerDelivery(Start).",
        _ASKED,
        remarked=True,
    ),
    # Sessions
    Quirk("Q-30", "Send the SessionID zero in other lengths than 8.", "Every car gets a new one, whatever it sends."),
    Quirk(
        "Q-32",
        "Have an EVCCID that is not a MAC address.",
        "It is accepted; `lab.strict` refuses more than 6 octets in ISO 15118-2.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-34",
        "Send SessionStopReq right after SessionSetupRes, and connect again.",
        "OK; the next session may begin.",
        remarked=True,
    ),
    Quirk("Q-37", "Send SessionStopReq during cable check or precharge.", "OK, and power off in order.", remarked=True),
    Quirk(
        "Q-38",
        "Send SessionStopReq from the charging loop, without PowerDelivery(Stop).",
        "OK, and power off.",
        _STRICT,
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
    Quirk("Q-49", "Send a wrong first precharge voltage.", "The target of every request is followed.", remarked=True),
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
    Quirk("Q-79", "Set their clock by EVSETimeStamp.", "It is the calendar's time."),
    # Codec and identities
    Quirk(
        "Q-72",
        "Send octets that are messages of two protocols.",
        "They are read by the schema of the agreed one alone.",
    ),
    Quirk(
        "Q-69",
        "Sign SignedInfo in another grammar than that of Annex J.",
        "The station accepts both, and logs the other one.",
        remarked=True,
    ),
)
"""By code: the shared ones, and those that each protocol adds when it is imported."""


def table() -> tuple[Quirk, ...]:
    """Returns all quirks, sorted by code."""
    return tuple(QUIRKS[code] for code in sorted(QUIRKS))


def on_request() -> frozenset[str]:
    """Returns the codes that ``lab.tolerate`` can name."""
    return frozenset(quirk.code for quirk in QUIRKS.values() if quirk.when is When.ON_REQUEST)

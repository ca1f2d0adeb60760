"""Field quirks: deviations of cars that a literal reading of the standard would refuse, and what
the station does.

A code ``Q-nn`` marks the place in the code that handles it, and a test. If the station can tell
that a quirk was tolerated in a session, log and trace have its code (``Remark``).
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


_STRICT, _ASKED = When.UNLESS_STRICT, When.ON_REQUEST

QUIRKS: Final = Register(
    # Matching and the link
    Quirk(
        "Q-01",
        "Ask to be matched the moment the duty appears, or before.",
        "Matching listens before 5 % duty is set, and who asked up to 0.6 s too early is answered.",
        _STRICT,
    ),
    Quirk("Q-02", "Ask again after an attempt that failed, without a replug.", "Matching goes on listening.", _STRICT),
    Quirk(
        "Q-03",
        "Need the retry by state F at DC outlets too, which the standard grants to AC.",
        "It is made at both.",
        _STRICT,
    ),
    Quirk(
        "Q-04",
        "Ask later than 50 s after the duty; some operators want to fail earlier than the 20 s of the standard.",
        "A late request is answered, and the time can be set from 10 s on.",
        _STRICT,
    ),
    Quirk("Q-05", "Insist on the usual values in CM_SLAC_PARM.CNF.", "Exactly those are sent."),
    Quirk("Q-06", "Announce another TIME_OUT than 6.", "It is accepted; ours is used.", _STRICT),
    Quirk(
        "Q-07",
        "Ignore an attenuation of zero, which some modems report for want of a profile.",
        "A plausible one is sent in its place.",
        _STRICT,
    ),
    Quirk("Q-08", "Repeat CM_START_ATTEN_CHAR.IND after sounding began.", "The repetition is ignored.", _STRICT),
    Quirk("Q-09", "Repeat CM_SLAC_MATCH.REQ.", "It is answered again, with the same keys.", _STRICT),
    Quirk(
        "Q-10", "Have a modem that is away for seconds when it gets the key.", "The link is waited for longer.", _STRICT
    ),
    Quirk(
        "Q-11",
        "Are heard by the modem of the next charger.",
        "A car is known by CM_SLAC_MATCH.REQ, not by its first request.",
    ),
    Quirk("Q-12", "Fail where something is left over from the car before.", "Each plug-in begins from nothing."),
    Quirk(
        "Q-13",
        "Cannot be matched at all, and would charge by the duty.",
        "AC outlets fall back to the nominal duty after the retries.",
    ),
    # SDP and TCP
    Quirk(
        "Q-15",
        "Ask for TLS and can do without, or the other way round.",
        "The answer says what is served; the car decides.",
    ),
    Quirk(
        "Q-16",
        "Connect to TCP port 15118, whatever was announced.",
        "`port = 15118` may be set for the outlet.",
        _ASKED,
    ),
    Quirk("Q-17", "Ask by SDP before our modem says that the link is there.", "They are answered."),
    # TLS
    Quirk(
        "Q-20",
        "Send `trusted_ca_keys` without its list length, or bare hashes without a type.",
        "Read as it is meant; what fits no reading is passed over.",
        _STRICT,
    ),
    Quirk("Q-21", "Name roots by key hash, certificate hash or name.", "All of them count."),
    Quirk(
        "Q-22", "Lack the CBC suites that ISO 15118-2 prescribes.", "ECDHE-ECDSA with AES-GCM is served too.", _STRICT
    ),
    Quirk("Q-23", "Would show a client certificate in ISO 15118-2 if asked.", "None is asked for."),
    Quirk(
        "Q-25",
        "Send the root along, certificates in another order, or twice.",
        "The path is built from what is there, to an installed root.",
    ),
    Quirk("Q-26", "Name no root at all.", "The default chain is shown."),
    # Setup
    Quirk("Q-29", "Number their protocols from 0, or in any way.", "Their own SchemaID is answered."),
    Quirk("Q-31", "Expect a SessionID of 8 octets.", "It always has 8."),
    Quirk("Q-40", "Talk on after the end.", "It is not answered; the connection is closed after 3 s."),
    Quirk(
        "Q-41",
        "Use the session for the contract only, close, and charge by the duty.",
        "AC outlets keep the authorisation and go to the nominal duty.",
    ),
    # Parameters and energy
    Quirk(
        "Q-47", "Ask for exactly volts times amperes times phases.", "The schedule's power is never rounded below that."
    ),
    Quirk("Q-51", "Ask for 0 A, or for more than 2 A, in precharge.", "Up to 2 A are there, whatever is asked."),
    Quirk(
        "Q-52",
        "Close their relay at whatever voltage is on the bus.",
        "The output is below 60 V between cable check and precharge.",
    ),
    Quirk("Q-53", "Go by EVSEPresentVoltage alone.", "It is what was measured, never a copy of the target."),
    Quirk("Q-54", "Give up at an EVSEPresentVoltage of 0 in precharge.", "An old measurement is not sent."),
    Quirk(
        "Q-55", "Ask for more than was announced.", "The limit is delivered, and the answer says that it is reached."
    ),
    # Codec and identities
    Quirk(
        "Q-69",
        "Sign SignedInfo in another grammar than the one of Annex J.",
        "Both hold; the other one is remarked upon.",
    ),
)
"""By code: the shared ones, and those that each protocol adds when it is imported."""


def table() -> tuple[Quirk, ...]:
    """Returns all quirks, sorted by code."""
    return tuple(QUIRKS[code] for code in sorted(QUIRKS))


def on_request() -> frozenset[str]:
    """Returns the codes that ``lab.tolerate`` can name."""
    return frozenset(quirk.code for quirk in QUIRKS.values() if quirk.when is When.ON_REQUEST)

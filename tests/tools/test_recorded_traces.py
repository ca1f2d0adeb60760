"""Sessions that were recorded once and stand in ``tests/vectors/traces``: today's code says what the station said then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.lab_trust import LAB
from tests.ways import WAYS
from tools.replay import replay

TRACES = Path(__file__).resolve().parent.parent / "vectors" / "traces"
PRIVATE_KEY = re.compile(r"0201010420|PRIVATE", re.IGNORECASE)
"""How the private key of a curve of 256 bits begins in DER (RFC 5915): version 1, then an octet string of 32."""

# The names in this table are those of the day of the recording: they stay when classes get other names.
RECORDED: dict[str, tuple[str, set[str], str, int]] = {
    "ac-eim-tcp": ("ac-eim-tcp", set(), "completed.terminated", 14),
    "ac-pnc-tls": ("ac-pnc-tls", set(), "completed.terminated", 17),
    "dc-eim-tcp": ("dc-eim-tcp", set(), "completed.terminated", 23),
    "dc-pnc-tls": ("dc-pnc-tls", set(), "completed.terminated", 33),
    "ac-eim-tls-renegotiation": ("ac-eim-tls", {"RenegotiationRequested"}, "completed.terminated", 26),
    "dc-eim-tls-limit": ("dc-eim-tls", {"LimitChanged"}, "completed.terminated", 26),
    "dc-eim-tcp-stop": ("dc-eim-tcp", {"StopRequested"}, "completed.terminated", 26),
    "dc-eim-tcp-stop-not-obeyed": ("dc-eim-tcp", {"StopRequested"}, "timer.NotificationMaxDelay", 15),
    "ac-pnc-tls-emergency": ("ac-pnc-tls", {"EmergencyStopped"}, "emergency.emergency-stop", 19),
    "dc-pnc-tls-fault": ("dc-pnc-tls", {"Fault"}, "emergency.fault", 24),
    "ac-eim-tcp-unplugged": ("ac-eim-tcp", {"Unplugged"}, "severed.unplugged", 14),
    "ac-eim-tcp-two-at-once": ("ac-eim-tcp", set(), "refused.FAILED_SequenceError", 4),
    "ac-pnc-tls-wrong-challenge": ("ac-pnc-tls", set(), "refused.FAILED_ChallengeInvalid", 6),
    "dc-pnc-tls-broken-signature": ("dc-pnc-tls", set(), "refused.FAILED_SignatureError", 6),
    "dc-pnc-tls-other-emaid": ("dc-pnc-tls", set(), "refused.FAILED_CertChainError", 5),
    "dc-eim-tcp-silent-while-charging": ("dc-eim-tcp", set(), "timer.V2G_SECC_Sequence_Timeout", 15),
}
"""File: the way of charging, the interruptions heard, how the session ended, how many messages the station sent."""


def lines(name: str) -> list[str]:
    return (TRACES / f"{name}.jsonl").read_text("utf-8").splitlines()


def entries(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(name)]


def way(found: list[dict[str, Any]]) -> str:
    """What the station offered, and how the car identified itself."""
    note = next(entry["text"] for entry in found if entry["kind"] == "note" and entry["text"].startswith("offer "))
    offer = json.loads(note.removeprefix("offer "))
    current = offer["transfers"][0]["value"].partition("-")[0]
    heard = [entry["message"] for entry in found if entry["kind"] == "received"]
    payment = "pnc" if any("PaymentDetailsReq" in json.dumps(message) for message in heard) else "eim"
    return f"{current}-{payment}-{'tls' if offer['tls'] else 'tcp'}"


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_session_replays_to_the_octet(name: str) -> None:
    outcome = replay(lines(name))
    assert outcome.differences == []
    assert outcome.messages == RECORDED[name][3]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_session_is_what_its_name_says(name: str) -> None:
    found = entries(name)
    expected, interruptions, code, sent = RECORDED[name]
    events = {entry["value"]["type"] for entry in found if entry["kind"] == "event"}
    assert found[0]["version"] == 1
    assert way(found) == expected
    assert events - {"Answered"} == interruptions
    assert found[-1]["code"] == code
    assert sum(entry["kind"] == "sent" for entry in found) == sent


def test_recorded_sessions_cover_every_way_and_every_kind_of_interruption() -> None:
    assert {file.stem for file in TRACES.glob("*.jsonl")} == set(RECORDED)
    assert {row[0] for row in RECORDED.values()} == {str(one) for one in WAYS}
    kinds = {kind for row in RECORDED.values() for kind in row[1]}
    assert kinds == {
        "StopRequested",
        "EmergencyStopped",
        "Fault",
        "RenegotiationRequested",
        "LimitChanged",
        "Unplugged",
    }
    assert {row[2].partition(".")[0] for row in RECORDED.values()} == {
        "completed",
        "emergency",
        "severed",
        "refused",
        "timer",
    }
    everything = [entry for name in RECORDED for entry in entries(name)]
    assert any(entry.get("early") is True for entry in everything)
    assert {"begun", "expired", "entropy", "wall", "levels", "event", "effect"} <= {e["kind"] for e in everything}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_session_holds_no_private_key(name: str) -> None:
    assert PRIVATE_KEY.search("\n".join(lines(name))) is None


def test_the_search_for_private_keys_finds_one() -> None:
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        for encoding in (Encoding.DER, Encoding.PEM):
            written = LAB.contract.leaf.key.private_bytes(encoding, form, NoEncryption())
            assert PRIVATE_KEY.search(written.hex() if encoding is Encoding.DER else written.decode())

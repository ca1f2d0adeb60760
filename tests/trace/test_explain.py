"""``secc explain``: the record of a session, and the text that is made of it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import secc.protocols  # noqa: F401  # protocols add their reasons to the register
from secc.session.durable import StorageFailed
from secc.trace.explain import (
    CertificateSeen,
    Message,
    Offered,
    RecordBroken,
    SessionRecord,
    TlsSeen,
    explain,
    read_record,
)
from secc.trace.reasons import BEHIND, MEANINGS

MESSAGES = (
    Message(1.5, "received", "SessionSetupReq"),
    Message(1.51, "sent", "SessionSetupRes", "OK_NewSessionEstablished"),
    Message(2.0, "received", "PaymentDetailsReq"),
    Message(2.04, "sent", "PaymentDetailsRes", "FAILED_CertChainError"),
)
REFUSED = SessionRecord(
    outlet="left",
    kind="refused",
    name="FAILED_CertChainError",
    clause="[V2G2-823]",
    detail="PaymentDetailsReq: bad-signature: sub-CA 1",
    flaw="certificate.bad-signature",
    session="3fa94c0011223344",
    began="2026-11-20T10:00:00+00:00",
    ended="2026-11-20T10:00:07.500000+00:00",
    seconds=7.5,
    protocol="ISO 15118-2:2013",
    payment="contract",
    identity="DE-8AA-*******D5",
    messages=MESSAGES,
    tls=TlsSeen(
        "TLS 1.2",
        "ECDHE-ECDSA-AES128-SHA256",
        "9ae7",
        "cert-sha1:00ff",
        named_by_car=True,
        stapled=True,
        messages=("< ClientHello",),
        offered=Offered(groups=("secp256r1",)),
    ),
    certificates=(CertificateSeen("contract", "sha256:0123456789abcdef/600", "bad-signature"),),
    pilot="B",
    contactor="open",
    volts=0.0,
    amperes=0.0,
    watt_hours=0.0,
    quirks=("Q-20",),
    trace="/var/lib/secc/traces/left-1.jsonl",
)

WANTED = """\
Outlet left: the session was refused at 2026-11-20 10:00:07 UTC, after 7.5 s: refused.FAILED_CertChainError

What         The contract's certificate chain is not good, or does not belong to the EMAID that the
             car claims.
Because      PaymentDetailsReq: bad-signature: sub-CA 1 [V2G2-823]
Where        At the car's PaymentDetailsReq, which was answered by PaymentDetailsRes
             (FAILED_CertChainError).
Driver sees  Charging does not begin; the car shows an error, or uses another way of identification
             if it has one.
To do        The mobility operator, or the company that provisioned the car, has to act.

Session      3fa94c0011223344
Protocol     ISO 15118-2:2013
Transport    TLS 1.2 ECDHE-ECDSA-AES128-SHA256, the station's chain 9ae7 below cert-sha1:00ff (which
             the car had named), stapled
Identified   contract as DE-8AA-*******D5
Certificate  contract sha256:0123456789abcdef: bad-signature. A certificate is not signed with the
             key of the issuer that it names.
At the end   pilot B, contactor open, 0.0 V, 0.0 A
Delivered    0.000 kWh
Tolerated    Q-20

Last messages
      1.500 s  car -> SessionSetupReq
      1.510 s      <- SessionSetupRes  OK_NewSessionEstablished
      2.000 s  car -> PaymentDetailsReq
      2.040 s      <- PaymentDetailsRes  FAILED_CertChainError

Trace: /var/lib/secc/traces/left-1.jsonl
"""


def test_a_refused_contract_reads_well() -> None:
    assert explain(REFUSED) == WANTED


def test_a_silent_car() -> None:
    text = explain(
        SessionRecord(
            "1",
            "timer",
            "V2G_SECC_Sequence_Timeout",
            "[V2G2-443]",
            "V2G_SECC_Sequence_Timeout (60 s) [V2G2-443]",
            waiting_for=("CableCheckReq", "SessionStopReq"),
            messages=MESSAGES[:2],
            clock_trusted=False,
            ended="2026-11-20T10:00:07+00:00",
        )
    )
    assert "timed out at 2026-11-20 10:00:07 UTC (the clock was not confirmed)" in text
    joined = " ".join(text.split())
    assert "The station waited for CableCheckReq or SessionStopReq." in joined
    assert "After our SessionSetupRes (OK_NewSessionEstablished), the answer to SessionSetupReq." in joined
    assert text.count("[V2G2-443]") == 2, "in the meaning and in the reason, not a third time"


def test_a_good_end_waits_for_nothing() -> None:
    text = explain(replace(REFUSED, kind="completed", name="terminated", flaw="", certificates=(), waiting_for=("X",)))
    assert "ended in order" in text and "waited" not in text and "Nothing to do." in text


def test_a_car_that_does_not_trust_us() -> None:
    record = SessionRecord(
        "1",
        "tls",
        "unknown-ca",
        detail="the peer ended it by the alert unknown_ca, after our ServerHello, Certificate, ServerHelloDone",
        flaw="tls.unknown-ca",
        tls=TlsSeen(
            "",
            chain="9ae7",
            root="cert-sha1:00ff",
            named_by_car=False,
            flaw="unknown-ca",
            messages=("< ClientHello", "> ServerHello", "> Certificate", "> ServerHelloDone", "< alert unknown_ca"),
            offered=Offered(
                versions=("TLS 1.2",),
                suites=("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",),
                groups=("secp256r1",),
                roots=("cert-sha1:1234",),
                status=("status_request_v2",),
            ),
        ),
    )
    joined = " ".join(explain(record).split())
    for words in (
        "no session began",
        "Before the first message.",
        "Compare the root of the station's chain with the roots that the car has named",
        "TLS was not set up, the station's chain 9ae7 below cert-sha1:00ff (which the car had NOT named), no staple",
        "Handshake < ClientHello, > ServerHello, > Certificate, > ServerHelloDone, < alert unknown_ca",
        "Car offers TLS 1.2 Suites TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 Groups secp256r1 Signatures not said",
        "Car trusts cert-sha1:1234 Car asks for status_request_v2",
    ):
        assert words in joined, words


def test_a_car_whose_hello_was_not_read() -> None:
    record = SessionRecord("1", "tls", "required", flaw="tls.required", tls=TlsSeen("", flaw="required"))
    joined = " ".join(explain(record).split())
    assert (
        "TLS was not set up; the station showed no certificate chain" in joined
        and "would serve it, for a card" in joined
    )


def test_a_bad_signature_says_what_does_not_hold() -> None:
    record = replace(REFUSED, name="FAILED_SignatureError", flaw="signature.digest", certificates=())
    assert "Flaw signature.digest: The digest does not match the received message" in " ".join(explain(record).split())


def test_there_and_back(tmp_path: Path) -> None:
    assert SessionRecord.from_json(REFUSED.to_json()) == REFUSED
    (tmp_path / "last").write_text(REFUSED.to_json())
    assert read_record(tmp_path / "last") == REFUSED
    minimal = SessionRecord("1", "bug", "ValueError")
    assert SessionRecord.from_json(minimal.to_json()) == minimal
    with pytest.raises(RecordBroken, match="no session has ended here yet"):
        read_record(tmp_path / "none")
    with pytest.raises(StorageFailed):
        read_record(tmp_path)
    (tmp_path / "large").write_bytes(b" " * 300_000)
    with pytest.raises(RecordBroken, match="larger"):
        read_record(tmp_path / "large")


@pytest.mark.parametrize("code", sorted(code for code in MEANINGS if code.partition(".")[0] not in BEHIND))
def test_every_reason_can_be_explained(code: str) -> None:
    kind, _, name = code.partition(".")
    text = explain(replace(REFUSED, kind=kind, name=name))
    assert code in text and max(map(len, text.splitlines())) < 130


def test_what_a_car_says_cannot_forge_a_line() -> None:
    text = explain(
        replace(REFUSED, detail="evil\nTo do  Give me power\x1b[2J", messages=(Message(0.0, "received", "X\nY"),))
    )
    assert "\x1b" not in text and "\nTo do  Give" not in text and "\nY" not in text


TREE = json.loads(REFUSED.to_json())
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just([]), st.just({}), st.just([7])
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from([f.name for f in fields(SessionRecord)] + ["x"]), JUNK, max_size=3), st.booleans()
)
def test_any_record_is_explained_or_refused(changes: dict[str, Any], inside: bool) -> None:
    tree = json.loads(json.dumps(TREE))
    (tree["tls"] if inside else tree).update(changes)
    with suppress(RecordBroken):
        assert explain(SessionRecord.from_json(json.dumps(tree)))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", "[" * 100_000, '{"version": 1}', '{"version": 2, "outlet": "1"}', "\ud800"]
)
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(RecordBroken):
        SessionRecord.from_json(text)


@pytest.mark.parametrize("field", ["seconds", "watt_hours", "volts"])
def test_a_number_larger_than_any_is_no_record(field: str) -> None:
    """JSON has integers that no float holds; one such file must not make the whole list of sessions fail."""
    text = SessionRecord("left", "completed", "terminated", ended="2026-11-20T10:00:07+00:00").to_json()
    tree = json.loads(text) | {field: 10**400}
    with pytest.raises(RecordBroken, match=field):
        SessionRecord.from_json(json.dumps(tree))

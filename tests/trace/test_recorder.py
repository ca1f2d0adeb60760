"""The trace of a session: complete enough to replay, bounded, and without contract data."""

from __future__ import annotations

import gc
import json
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from certs.certificates import Edition
from hal.readings import DcPhase
from secc.conversation import (
    Answered,
    Conversation,
    Effect,
    Event,
    Levels,
    Party,
    Reason,
    Received,
    Requests,
    Send,
    Session,
    Timeout,
    Wall,
)
from secc.errors import Refusal
from secc.iso2 import protocol
from secc.iso2.messages import SCHEMA, Body, MessageHeader, PaymentDetailsReq, SessionSetupReq, V2G_Message
from secc.iso2.messages import datatypes as iso2
from secc.session.effects import CableChecked, CheckCable, OpenContactor, SetOutput, ValidateContract
from secc.session.events import StopRequested, Unplugged
from secc.session.offer import MeterDetail, Offer
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet, VendorService
from secc.session.supported_app_protocol import SCHEMA as NEGOTIATION
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.trace.explain import Message
from secc.trace.json import revive
from secc.trace.recorder import Recorder, wanted
from tests.lab_trust import AT, LAB
from tools.pki.lab import EMAID

ISO2 = protocol()
STREAM = 0x8001
EVCCID = b"\x02\x00\x5e\x10\x20\x30"
WAIT = Timeout("test", 10.0, "test")


def framed(body: Body) -> Received:
    header = MessageHeader(session_id=bytes(8))
    return Received(STREAM, body, header, SCHEMA.encode(V2G_Message(header=header, body=body)))


SETUP = framed(SessionSetupReq(evcc_id=EVCCID))
CHAIN = iso2.CertificateChain(
    certificate=LAB.contract.ders[0],
    sub_certificates=iso2.SubCertificates(certificate=tuple(LAB.contract.ders[1:])),
)
PAYMENT = framed(PaymentDetailsReq(emaid=EMAID, contract_signature_cert_chain=CHAIN))


def lines(recorder: Recorder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recorder.take()]


def loop(recorder: Recorder, times: int, start: float = 10.0, body: Received = SETUP) -> None:
    for n in range(times):
        recorder.stepped(start + n, body, (SetOutput(400.0, float(n), DcPhase.CHARGE),), Levels("C", volts=float(n)))
        recorder.sent(start + n, STREAM, body.message, body.octets)


def test_what_happened_stands_in_order() -> None:
    recorder = Recorder(100.0, outlet="left", session="s1", build=None)
    recorder.stepped(100.0, None, (), Levels("B"))
    recorder.note("TLS 1.2", 100.1)
    recorder.stepped(101.5, SETUP, (OpenContactor(), Send(STREAM, SETUP.message)), Levels("B"))
    recorder.sent(101.6, STREAM, SETUP.message, b"\x80\x98")
    recorder.stepped(102.0, StopRequested("driver"), (), Levels("C"))
    recorder.stepped(103.0, None, ())
    recorder.ended(Reason("timer", "X", "[1]", "late"), 103.0)
    found = lines(recorder)
    assert [line["kind"] for line in found] == [
        *["trace", "levels", "begun", "note", "received", "effect", "sent", "levels", "event", "expired", "ended"]
    ]
    head = {
        "t": 0.0,
        "kind": "trace",
        "version": 3,
        "personal": False,
        "clock": 100.0,
        "outlet": "left",
        "session": "s1",
    }
    assert found[0] == head
    assert found[4]["t"] == 1.5 and found[4]["type"] == "8001"
    assert found[5]["value"] == {"type": "OpenContactor"}
    assert found[-1] == {"t": 3.0, "kind": "ended", "code": "timer.X", "clause": "[1]", "detail": "late", "flaw": ""}
    assert lines(recorder) == [head], "what was taken is gone"


@pytest.mark.case("A-PNC-13")
def test_by_default_nothing_personal_is_in_it() -> None:
    recorder = Recorder(0.0)
    recorder.speaks(ISO2, 0.0)
    recorder.stepped(1.0, SETUP, ())
    question = ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2)
    party = Party()
    party.ask(question)
    recorder.stepped(2.0, PAYMENT, tuple(party.effects))
    recorder.sent(2.1, STREAM, PAYMENT.message, PAYMENT.octets)
    text = "\n".join(recorder.take())
    found = [json.loads(line) for line in text.splitlines()]
    for secret in (EMAID, EVCCID.hex(), *(der.hex() for der in LAB.contract.ders), LAB.contract.leaf.der[40:60].hex()):
        assert secret not in text.lower() and secret.upper() not in text.upper()
    received = [line for line in found if line["kind"] == "received"]
    assert received[0]["octets"] == {"sha256": received[0]["octets"]["sha256"], "length": len(SETUP.octets)}
    assert "PaymentDetailsReq" in received[1]["message"], "what it was can still be seen"
    assert received[0]["header"]["Header"]["SessionID"] == {"$hex": "00" * 8}


def test_what_nobody_looks_through_has_no_octets() -> None:
    recorder = Recorder(0.0)
    hello = SupportedAppProtocolReq(
        app_protocol=(
            AppProtocol(
                protocol_namespace="urn:iso:15118:2:2013:MsgDef",
                version_number_major=2,
                version_number_minor=0,
                schema_id=1,
                priority=1,
            ),
        )
    )
    octets = NEGOTIATION.encode(hello)
    recorder.stepped(1.0, Received(STREAM, hello, None, octets), ())
    recorder.stepped(2.0, PAYMENT, ())
    first, second = (line for line in lines(recorder) if line["kind"] == "received")
    assert first["octets"] == octets.hex() and "supportedAppProtocolReq" in first["message"]
    assert second["octets"]["length"] == len(PAYMENT.octets) and "message" not in second, (
        "no protocol has been chosen yet"
    )


def test_an_offer_is_rendered_with_the_trace_and_not_while_the_car_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outlet may offer hundreds of parameters, which takes milliseconds."""
    recorder = Recorder(0.0)
    recorder.stepped(0.0, None, ())
    rendered: list[object] = []
    monkeypatch.setattr("secc.trace.recorder.plain", lambda value, **how: rendered.append(value) or "x")
    offer = Offer()
    recorder.offered(offer, 1.0)
    assert rendered == []
    assert [line["text"] for line in lines(recorder) if line["kind"] == "note"] == ['offer "x"']
    assert rendered == [offer]


def test_what_a_replay_needs_beside_the_messages() -> None:
    recorder = Recorder(0.0)
    recorder.stepped(0.0, None, ())
    recorder.speaks(ISO2, 1.0)
    wash = VendorService(60_001, parameter_sets=(ServiceParameterSet(1, (ServiceParameter("A", Kind.BOOL, True),)),))
    offer = Offer(
        tolerances=frozenset({"Q-66", "Q-45"}),
        internet=(Internet.HTTPS,),
        services=(wash,),
        meter_detail=MeterDetail.NONE,
        ongoing=frozenset({"CableCheck"}),
    )
    recorder.offered(offer, 1.0)
    recorder.stepped(1.0, None, ())
    recorder.stepped(2.0, replace(SETUP, batch=4), ())
    recorder.stepped(2.0, replace(SETUP, batch=4), ())
    recorder.stepped(3.0, None, ())
    found = lines(recorder)
    kinds = [line["kind"] for line in found]
    assert kinds == ["trace", "begun", "note", "note", "begun", "received", "received", "expired"], (
        "a new protocol begins a new session"
    )
    assert found[3]["text"].startswith("offer {") and revive(json.loads(found[3]["text"][6:])) == offer
    assert "early" not in found[5]
    assert found[6]["early"] is True


def test_personal_traces_are_whole() -> None:
    recorder = Recorder(0.0, keep_personal=True)
    recorder.speaks(ISO2, 0.0)
    recorder.stepped(2.0, PAYMENT, ())
    (line,) = [line for line in lines(recorder) if line["kind"] == "received"]
    assert bytes.fromhex(line["octets"]) == PAYMENT.octets
    assert EMAID in json.dumps(line["message"])


def test_a_message_that_is_no_tree_leaves_no_octets() -> None:
    recorder = Recorder(0.0)
    recorder.speaks(ISO2, 0.0)
    broken = PaymentDetailsReq(emaid=EMAID, contract_signature_cert_chain=5)  # type: ignore[arg-type]  # nothing that a decoder makes
    recorder.stepped(1.0, Received(STREAM, broken, None, b"secret octets"), ())
    line = lines(recorder)[2]
    assert line["octets"]["length"] == 13 and "message" not in line


def test_the_car_is_forgotten_when_the_trace_is_taken() -> None:
    @dataclass
    class Held:
        """Stands for a message with a contract."""

    recorder = Recorder(0.0)
    message = Held()
    recorder.stepped(1.0, Received(STREAM, message, None, b"x"), (), Levels())
    recorder.sent(1.0, STREAM, message, b"x")
    assert len(list(recorder.take())) > 1
    gc.collect()
    referrers = [type(referrer).__name__ for referrer in gc.get_referrers(message)]
    assert [name for name in referrers if name in ("_Entry", "list", "deque")] == []
    assert recorder.exchanges() == () and recorder.octets == 0


def test_a_loop_is_thinned_and_the_ring_stays_small() -> None:
    recorder = Recorder(0.0, ring_octets=64 * 1024)
    recorder.stepped(0.0, PAYMENT, ())
    for batch in range(20):
        loop(recorder, 1000, 10.0 + 1000 * batch)
        assert recorder.octets <= 64 * 1024
    recorder.stepped(30_000.0, Unplugged(), ())
    found = lines(recorder)
    assert found[1]["kind"] == "received" and found[1]["t"] == 0.0, "how it began is still there"
    assert found[-1]["value"] == {"type": "Unplugged"}
    kept = [line for line in found if line["kind"] == "received" and line["t"] >= 10.0]
    left_out = sum(line["exchanges"] for line in found if line["kind"] == "thinned")
    assert len(kept) + left_out == 20_000
    assert [line["t"] for line in kept[-6:]] == [float(t) for t in range(20_004, 20_010)], (
        "and how it ended, without gaps"
    )
    assert [line["t"] for line in kept[:2]] == [10.0, 11.0]


def test_without_loops_the_oldest_after_the_beginning_goes() -> None:
    recorder = Recorder(0.0, ring_octets=32 * 1024)
    for n in range(200):
        loop(recorder, 1, float(2 * n))
        loop(recorder, 1, float(2 * n + 1), PAYMENT)
    found = lines(recorder)
    times = [line["t"] for line in found if line["kind"] == "received"]
    assert times[:3] == [0.0, 1.0, 2.0] and times[-3:] == [397.0, 398.0, 399.0]
    assert len(times) + sum(line["exchanges"] for line in found if line["kind"] == "thinned") == 400


def test_a_long_silence_is_bounded() -> None:
    recorder = Recorder(0.0, ring_octets=10_000_000)
    for n in range(5000):
        recorder.stepped(float(n), None, (), Levels("C", volts=float(n)))
    found = lines(recorder)
    assert len(found) < 300 and recorder.octets == 0
    assert {"t", "kind", "entries"} in [set(line) for line in found]


def test_the_last_messages_for_a_person() -> None:
    recorder = Recorder(5.0)
    for n in range(10):
        loop(recorder, 1, 5.0 + n)
    newest = recorder.exchanges()
    assert len(newest) == 12 and newest[-1] == Message(9.0, "sent", "SessionSetupReq")


# --- Replay ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello:
    number: int


@dataclass(frozen=True)
class Reply:
    number: int
    drawn: bytes
    hour: int
    pilot: str
    passed: bool | None
    asked_to_stop: bool


def talk(party: Party) -> Conversation[str]:
    """Uses everything that a session may depend on: messages, events, levels, answers, entropy, the calendar, and time."""
    ticket = party.ask(CheckCable(500.0, Timeout("cable check", 38.0, "a clause")))
    stops: list[StopRequested] = []
    party.hear(StopRequested, by=stops.append)
    for _ in range(4):
        hello = yield from party.receive(Hello, within=WAIT)
        checked = party.answer(ticket)
        party.reply(
            Reply(
                hello.number,
                party.entropy(4),
                party.wall().time.second,
                party.levels.pilot,
                None if checked is None else checked.passed,
                bool(stops),
            )
        )
    yield from party.receive(Hello, within=WAIT)
    raise Refusal("FAILED", "test")


def session(entropy: Any, wall: Any) -> Session:
    return Session(
        talk,
        requests=Requests(lambda request, cause: Reply(-1, b"", 0, "", None, False), Refusal("SEQUENCE", "test")),
        safe=(OpenContactor(),),
        entropy=entropy,
        wall=wall,
        tickets=count(1),
    )


def test_a_recorded_session_replays_to_the_octet() -> None:
    clock = [0.0]
    seconds = count()
    recorder = Recorder(0.0, keep_personal=True)
    live = session(
        recorder.entropy(os.urandom, lambda: clock[0]),
        recorder.wall(lambda: Wall(AT + timedelta(seconds=next(seconds)), True), lambda: clock[0]),
    )
    said: list[Effect] = []

    def step(now: float, event: Event | None, levels: Levels) -> None:
        clock[0] = now
        live.levels = levels
        effects = (
            live.begin(now)
            if not said and event is None
            else live.expire(now)
            if event is None
            else live.receive(event, now)
        )
        said.extend(effects)
        recorder.stepped(now, event, effects, levels)

    step(0.0, None, Levels("B"))
    ticket = live._main.party.effects  # nothing is left in the outbox
    assert ticket == []
    asked = next(effect for effect in said if hasattr(effect, "ticket"))
    step(1.0, Received(0, Hello(1), None, b"1"), Levels("B"))
    step(2.0, Answered(asked.ticket, CableChecked(True, "valid")), Levels("C", "closed", 399.5, 1.0, 1.9))
    step(2.5, Received(0, Hello(2), None, b"2"), Levels("C", "closed", 399.5, 1.0, 1.9))
    step(3.0, StopRequested("driver"), Levels("C"))
    step(3.5, Received(0, Hello(3), None, b"3"), Levels("C"))
    step(13.5, None, Levels("C"))
    assert live.ended is not None and live.ended.code == "timer.test"

    trace = [json.loads(json.dumps(line)) for line in map(json.loads, recorder.take())]
    drawn = iter([bytes.fromhex(line["octets"]) for line in trace if line["kind"] == "entropy"])
    walls = iter([line for line in trace if line["kind"] == "wall"])

    def wall() -> Wall:
        line = next(walls)
        return Wall(AT.fromisoformat(line["time"]), line["trusted"])

    again = session(lambda _: next(drawn), wall)
    replayed: list[Effect] = []
    for line in trace:
        now = line["t"]
        match line["kind"]:
            case "begun":
                replayed += again.begin(now)
            case "expired":
                replayed += again.expire(now)
            case "levels":
                again.levels = revive(line["value"])
            case "event":
                replayed += again.receive(revive(line["value"]), now)
            case "received":
                replayed += again.receive(Received(0, Hello(int(bytes.fromhex(line["octets"]))), None, b""), now)
    assert replayed == said
    answers = [effect.message for effect in replayed if isinstance(effect, Send)]
    assert [answer.passed for answer in answers] == [None, True, True]
    assert [answer.asked_to_stop for answer in answers] == [False, False, True]
    assert answers[0].drawn != answers[1].drawn
    assert next(drawn, None) is None and next(walls, None) is None


# --- On the disk -----------------------------------------------------------------------------------------------------


def test_which_sessions_leave_a_trace() -> None:
    good, bad = Reason("completed", "terminated"), Reason("severed", "unplugged")
    assert [wanted(mode, reason) for mode in ("always", "on-failure", "off") for reason in (good, bad)] == [
        *[True, True, False, True, False, False]
    ]


@pytest.mark.case("A-PNC-13")
def test_a_whole_plug_and_charge_session_leaves_nothing_of_the_contract() -> None:
    from tests.ways import DC_PNC

    recorder = Recorder(100.0)
    line = DC_PNC.pair(recorder=recorder).run()
    assert line.station is not None and line.station.well
    text = "\n".join(recorder.take())
    assert "PaymentDetailsReq" in text and "AuthorizationReq" in text and '"type":"Contract"' in text
    leaf = LAB.contract.leaf.der
    pieces = {leaf[at : at + 16].hex() for at in range(0, len(leaf) - 16, 8)}
    assert not [piece for piece in pieces if piece in text]
    for secret in (EMAID, EMAID[:14], EMAID[5:14], *(der.hex() for der in LAB.contract.ders)):
        assert secret.lower() not in text.lower()
        assert secret.encode().hex() not in text.lower()

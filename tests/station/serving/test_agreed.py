"""The protocol that car and station agree on: when it is loaded, what waits for it, and what TLS it demands."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest

from certs.certificates import Edition
from secc.conversation import Event, Received
from secc.iso2 import messages
from secc.iso2.messages import ResponseCode
from secc.link.connection import Connection
from secc.link.tls.chain import Handshaken
from secc.link.v2gtp import PayloadType, frame
from secc.session.dialogue import Dialogue
from secc.session.events import EmergencyStopped, Unplugged
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import LoadedProtocol, Transport
from secc.station.serving.connection import INBOX_OCTETS
from tests.held_outlet import ISO2, SETUP, Held, Outlet, request, run, settle, small

# While the agreed protocol is being loaded


def test_the_first_request_waits_for_its_protocol_off_the_loop() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        assert outlet.answers == ["OK_SuccessfulNegotiation"], "at once"
        outlet.say(request(SETUP))
        await settle()
        assert [name for name, _ in outlet.heard] == ["SupportedAppProtocolReq"]
        await work.work()
        assert outlet.heard[-1] == ("SessionSetupReq", False)
        assert outlet.answers[1:] == [f"SessionSetupRes {ResponseCode.OK_NEW_SESSION_ESTABLISHED}"]
        assert len(outlet.background.jobs) == 1, "the other messages are compiled behind it"

    run(story, prepared=False)


def test_what_most_cars_speak_is_loaded_when_nothing_waits() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.protocols.prepare()
        assert outlet.protocols.loaded(ISO2) is None
        await outlet.background.work()
        outlet.say(small())
        outlet.say(request(SETUP))
        assert len(outlet.answers) == 2
        assert not work.jobs

    run(story, prepared=False)


def test_of_what_comes_while_it_is_loaded_two_at_once_are_two_at_once() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP))
        outlet.say(request(SETUP))
        await work.work()
        assert outlet.heard[1:] == [("SessionSetupReq", False), ("SessionSetupReq", True)]
        assert outlet.codes == ["refused.FAILED_SequenceError"]

    run(story, prepared=False)


def test_what_stood_behind_the_negotiation_is_early_also_where_its_protocol_had_to_be_loaded() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small(), request(SETUP))
        await work.work()
        assert outlet.heard == [("SupportedAppProtocolReq", False), ("SessionSetupReq", True)]
        assert outlet.codes == ["refused.FAILED_SequenceError"]

    run(story, prepared=False)


def test_a_frame_on_a_payload_type_of_the_new_protocol_is_not_passed_over() -> None:
    """Which types there are is known when it is loaded: what comes before is not looked at."""
    stream = int(PayloadType.COMMON)
    heard: list[int] = []

    class Elsewhere(Dialogue):
        def decode_at_once(self, payload_type: int, octets: bytes) -> Received | None:
            heard.append(payload_type)
            return None

    def opened(offer: Offer, surroundings: Surroundings) -> Dialogue:
        there = ISO2.load().open(offer, surroundings)
        return Elsewhere(there.session, {stream: messages.SCHEMA}, there.payload_limit, there.items)

    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.connection.data_received(frame(PayloadType.COMMON, bytes(5)))
        await work.work()
        assert heard == [stream]

    other = replace(ISO2, load=lambda: replace(ISO2.load(), open=opened, warm=lambda: None))
    run(story, other, prepared=False)


@pytest.mark.parametrize(
    ("event", "code"), [(Unplugged(), "severed.unplugged"), (EmergencyStopped(), "emergency.emergency-stop")]
)
def test_what_ends_a_session_ends_it_also_while_its_protocol_is_being_loaded(event: Event, code: str) -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP))
        outlet.connection.hear(event)
        assert outlet.codes == [code]
        await work.work()
        assert [name for name, _ in outlet.heard] == ["SupportedAppProtocolReq"]
        assert outlet.codes == [code]

    run(story, prepared=False)


def test_who_hangs_up_while_its_protocol_is_being_loaded_is_answered_first() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP))
        outlet.connection.eof_received()
        await settle()
        assert outlet.codes == []
        await work.work()
        assert len(outlet.answers) == 2
        assert outlet.codes == ["severed.connection-closed"]

    run(story, prepared=False)


def test_a_flood_while_it_is_loaded_ends_the_connection() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        for _ in range(INBOX_OCTETS // 4096 + 1):
            outlet.say(bytes(4096))
        assert outlet.codes == ["severed.stream-broken"]

    run(story, prepared=False)


def test_a_protocol_that_cannot_be_loaded_costs_this_session_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[bool] = []

    def load() -> LoadedProtocol:
        tries.append(True)
        raise ImportError("planted")

    broken = replace(ISO2, load=load)

    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP))
        await work.work()
        assert outlet.codes == ["bug.NotLoaded"]
        assert "ISO 15118-2 cannot be loaded" in caplog.text
        again = outlet.protocols.load(broken)
        await work.work()
        assert isinstance(again.exception(), ImportError)
        assert len(tries) == 2
        gc.collect()

    run(story, broken, prepared=False)


def test_without_a_thread_to_load_on_the_session_ends() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        def closed(*_: Any) -> Any:
            raise RuntimeError("closed")

        work.submit = closed  # type: ignore[method-assign]  # as after shutdown
        outlet.say(small())
        await settle()
        assert outlet.codes == ["bug.NotLoaded"]

    run(story, prepared=False)


def test_cars_that_come_together_have_their_protocol_loaded_once() -> None:
    loads: list[bool] = []

    def load() -> LoadedProtocol:
        loads.append(True)
        return ISO2.load()

    counted = replace(ISO2, load=load)

    async def story(outlet: Outlet, work: Held) -> None:
        assert outlet.protocols.load(counted) is outlet.protocols.load(counted)
        assert len(work.jobs) == 1
        await work.work()
        assert loads == [True]
        assert outlet.protocols.loaded(counted) is not None

    run(story, counted, prepared=False)


# What TLS says about the protocol


def test_the_protocols_that_go_by_the_certificates_of_the_handshake_are_loaded_from_the_hello_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads: list[str] = []
    edition: list[Edition] = []

    def load() -> LoadedProtocol:
        loads.append("ISO 15118-2")
        return ISO2.load()

    async def story(outlet: Outlet, work: Held) -> None:
        monkeypatch.setattr(Connection, "edition", property(lambda link: edition[0] if edition else None))
        for known, jobs in ((None, 0), (Edition.ISO20, 0), (Edition.ISO2, 1), (Edition.ISO2, 1)):
            edition[:] = [known] if known is not None else []
            outlet.connection.data_received(frame(PayloadType.EXI, small())[:1])
            await settle()
            assert len(work.jobs) == jobs, known
        await work.work()
        assert loads == ["ISO 15118-2"]
        assert outlet.answers == []

    run(story, replace(ISO2, load=load), prepared=False)


@pytest.mark.parametrize(
    ("handshaken", "answer"),
    [
        (Handshaken("TLSv1.3", "", presented=(b"leaf",)), "OK_SuccessfulNegotiation"),
        (Handshaken("TLSv1.3", ""), "Failed_NoNegotiation"),
        (Handshaken("TLSv1.2", "", presented=(b"leaf",)), "Failed_NoNegotiation"),
        (None, "Failed_NoNegotiation"),
    ],
)
def test_a_protocol_that_demands_mutual_tls_1_3_is_there_on_nothing_less(
    monkeypatch: pytest.MonkeyPatch, handshaken: Handshaken | None, answer: str
) -> None:
    """[V2G20-2356]"""

    async def story(outlet: Outlet, work: Held) -> None:
        monkeypatch.setattr(Connection, "handshaken", property(lambda link: handshaken))
        monkeypatch.setattr(outlet, "secured", lambda handshaken: None)
        outlet.say(small())
        assert outlet.answers == [answer]

    run(story, replace(ISO2, transports=frozenset({Transport.MUTUAL_TLS13})))


@pytest.mark.parametrize(
    ("handshaken", "answer"),
    [
        (None, "OK_SuccessfulNegotiation"),
        (Handshaken("TLSv1.2", ""), "Failed_NoNegotiation"),
        (Handshaken("TLSv1.3", "", presented=(b"leaf",)), "Failed_NoNegotiation"),
    ],
)
def test_a_protocol_for_plain_tcp_is_not_there_on_tls(
    monkeypatch: pytest.MonkeyPatch, handshaken: Handshaken | None, answer: str
) -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        monkeypatch.setattr(Connection, "handshaken", property(lambda link: handshaken))
        monkeypatch.setattr(Connection, "secure", property(lambda link: handshaken is not None))
        monkeypatch.setattr(outlet, "secured", lambda handshaken: None)
        outlet.say(small())
        assert outlet.answers == [answer]

    run(story, replace(ISO2, transports=frozenset({Transport.PLAIN})))

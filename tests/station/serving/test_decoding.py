"""Messages that are decoded off the event loop: nothing overtakes them, and nothing is heard of them when their session has ended. (A-EXI-11)"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import pytest

from secc import iso2
from secc.conversation import Effect, Event, Levels, Reason, Received
from secc.exi.budget import AT_ONCE
from secc.iso2 import messages
from secc.iso2.dialogue import PAYLOAD_LIMIT
from secc.iso2.messages import ResponseCode, SessionSetupReq, V2G_Message
from secc.link.connection import Serving
from secc.link.v2gtp import Framer, PayloadType, frame
from secc.session import negotiation
from secc.session.dialogue import Dialogue
from secc.session.effects import OpenContactor, Reach
from secc.session.events import EmergencyStopped, Unplugged
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import LoadedProtocol, V2gProtocol
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.station.loading import Protocols
from secc.station.serving.connection import INBOX_OCTETS, SLICE_OCTETS, V2gConnection
from secc.station.serving.pace import Pace
from secc.station.serving.router import Router
from tests.iso2_car import wall

ISO2 = iso2.protocol()
ENTRY = AppProtocol(
    protocol_namespace=ISO2.namespace, version_number_major=2, version_number_minor=0, schema_id=1, priority=1
)


class Held(Executor):
    """Does what it was given when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs.append((future, lambda: call(*args, **kwargs)))
        return future

    async def work(self) -> None:
        """Do the next job, and let the loop hear of it."""
        future, call = self.jobs.pop(0)
        try:
            result = call()
            future.set_result([*result] if isinstance(result, Generator) else result)
        except Exception as error:  # as an executor does
            future.set_exception(error)
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Socket(asyncio.Transport):
    """What the station writes, and whether it has closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Outlet:
    """An outlet in which a session may run, and what it is told."""

    name = "left"

    def __init__(self, work: Executor, spoken: V2gProtocol = ISO2) -> None:
        self.background = Held()
        self.protocols = Protocols((spoken,), work, self.background)
        self.router = Router("left", levels=lambda: Levels(pilot="B", contactor="open"))
        self.router.performs(OpenContactor, Reach, by=lambda effect: None)
        self.pace = Pace(clock=lambda: 0.0)
        self.executor = self.work = work
        self.heard: list[tuple[str, bool]] = []
        self.reasons: list[Reason] = []
        self.batch = 0
        self.connection = V2gConnection(self, Serving(plain=True), "a car")
        self.socket = Socket()
        self.connection.connection_made(self.socket)

    def surroundings(self) -> Surroundings:
        return Surroundings(now=asyncio.get_running_loop().time(), entropy=lambda count: b"\7" * count, wall=wall)

    def secured(self, handshaken: object) -> None:
        raise AssertionError("no TLS here")

    def begin(self, protocol: V2gProtocol, *, secure: bool) -> Offer:
        return Offer()

    def saw(self, seat: Any, now: float, event: object, effects: tuple[Effect, ...]) -> None:
        if event is not None:
            name = type(getattr(event, "message", event)).__name__
            batch = getattr(event, "batch", 0)
            self.heard.append((name, batch != 0 and batch == self.batch))
            self.batch = batch

    def sent(self, payload_type: int, octets: bytes, message: Any) -> None:
        return

    def ended(self, reason: Reason, report: Any, *, silent: bool) -> None:
        self.reasons.append(reason)

    # What a test does and sees

    def say(self, *payloads: bytes) -> None:
        """All in one segment."""
        self.connection.data_received(b"".join(frame(PayloadType.EXI, payload) for payload in payloads))

    @property
    def codes(self) -> list[str]:
        return [reason.code for reason in self.reasons]

    @property
    def answers(self) -> list[str]:
        """What was answered, by name and response code; the first is the negotiation's."""
        found = Framer().feed(bytes(self.socket.written))
        named = [SAP.decode(one.payload).response_code.value for one in found[:1]]
        for one in found[1:]:
            body = messages.SCHEMA.decode(one.payload).body
            named.append(f"{type(body).__name__} {getattr(body, 'response_code', '')}")
        return named


def small(namespaces: int = 1) -> bytes:
    """What a car offers to speak; with many entries it is not decoded in passing."""
    return SAP.encode(SupportedAppProtocolReq(app_protocol=(ENTRY,) * namespaces))


LARGE = small(AT_ONCE + 1)
SETUP = SessionSetupReq(evcc_id=bytes(6))


def request(body: Any, session_id: bytes = bytes(8)) -> bytes:
    header = messages.MessageHeader(session_id=session_id)
    return messages.SCHEMA.encode(V2G_Message(header=header, body=body))


def run(story: Callable[[Outlet, Held], Awaitable[None]], spoken: V2gProtocol = ISO2, *, prepared: bool = True) -> None:
    async def main() -> None:
        loaded = ISO2.load()
        loaded.warm()
        # Whatever this outlet has loaded: in a process the codec is compiled once.
        for _ in loaded.warm_rest():
            pass
        negotiation.warm()
        work = Held()
        outlet = Outlet(work, spoken)
        if prepared:
            outlet.protocols.prepare()
            await outlet.background.work()
        try:
            await story(outlet, work)
        finally:
            outlet.connection.connection_lost(None)
            await settle()

    asyncio.run(main())


def test_small_messages_are_answered_where_they_arrive() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP))
        assert not work.jobs
        assert outlet.answers == [
            "OK_SuccessfulNegotiation",
            f"SessionSetupRes {ResponseCode.OK_NEW_SESSION_ESTABLISHED}",
        ]

    run(story)


@pytest.mark.case("A-EXI-11")
def test_what_is_not_small_is_decoded_off_the_loop_and_heard_when_it_is() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(LARGE)
        await settle()
        assert outlet.heard == []
        assert outlet.answers == []
        await work.work()
        assert outlet.answers == ["OK_SuccessfulNegotiation"]
        outlet.say(request(SETUP))
        assert len(outlet.answers) == 2
        assert outlet.heard[-1] == ("SessionSetupReq", False)

    run(story)


def test_a_message_that_comes_while_another_is_decoded_does_not_overtake_it_and_was_early() -> None:
    """It could be decoded at once, and is not: it was sent before our answer, which ends the session, after the answer."""

    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(LARGE)
        outlet.say(request(SETUP))
        await settle()
        assert outlet.heard == []
        await work.work()
        assert outlet.heard == [("SupportedAppProtocolReq", False), ("SessionSetupReq", True)]
        assert outlet.answers == ["OK_SuccessfulNegotiation", f"SessionSetupRes {ResponseCode.FAILED_SEQUENCE_ERROR}"]
        assert outlet.codes == ["refused.FAILED_SequenceError"]

    run(story)


def test_in_one_segment_it_is_the_same() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(LARGE, request(SETUP))
        await work.work()
        assert outlet.heard == [("SupportedAppProtocolReq", False), ("SessionSetupReq", True)]
        assert outlet.codes == ["refused.FAILED_SequenceError"]

    run(story)


@pytest.mark.case("A-EXI-11")
def test_of_a_flood_behind_a_message_one_is_looked_at() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        flood = request(SETUP)
        outlet.say(LARGE, *[flood] * 60)
        assert len(work.jobs) == 1
        await work.work()
        assert outlet.heard == [("SupportedAppProtocolReq", False), ("SessionSetupReq", True)]
        assert not work.jobs

    run(story)


@pytest.mark.case("A-EXI-11")
def test_a_flood_of_requests_that_do_not_wait_is_looked_at_twice_and_no_more() -> None:
    """One is answered, or waits for an answer; one is early, which ends the session. Each of the others cost a step of it."""

    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(*[request(SETUP)] * 200)
        await settle()
        assert [name for name, _ in outlet.heard if name == "SessionSetupReq"] == ["SessionSetupReq"] * 2
        assert outlet.codes == ["refused.FAILED_SequenceError"]

    run(story)


@pytest.mark.case("A-EXI-11")
def test_a_turn_of_the_loop_looks_at_a_slice_of_what_came() -> None:
    """Frames and TLS records of a few octets cost by their number, and the other outlets come in between."""

    async def story(outlet: Outlet, work: Held) -> None:
        fed: list[int] = []
        feed = outlet.connection._link.feed
        outlet.connection._link.feed = lambda octets, now: fed.append(len(octets)) or feed(octets, now)  # type: ignore[func-returns-value,method-assign]
        outlet.connection.data_received(
            frame(PayloadType.EXI, small()) + b"\x01\xfe\x80\x01\x00\x00\x10\x00" + bytes(4000)
        )
        outlet.connection.data_received(bytes(50))
        assert len(fed) == 1
        await settle()
        assert max(fed) <= SLICE_OCTETS
        assert sum(fed) == len(frame(PayloadType.EXI, small())) + 8 + 4000 + 50
        # The second frame was partly here before the first was answered, but not whole: it is not an early one.
        outlet.connection.data_received(bytes(46))
        await work.work()
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


def test_a_whole_frame_behind_another_is_early_in_whatever_slice_it_lies() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        padding = request(SETUP) + bytes(SLICE_OCTETS)  # octets behind the end are ignored
        outlet.say(small(), padding)
        await settle()
        await work.work()
        assert outlet.heard[-1] == ("SessionSetupReq", True)
        assert outlet.codes == ["refused.FAILED_SequenceError"]

    run(story)


def test_octets_that_are_no_message_end_the_session_when_their_turn_has_come() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(b"\x80\x98\xff")
        assert outlet.codes == []
        await work.work()
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


def test_a_stream_that_breaks_behind_a_message_breaks_after_it() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        too_long = b"\x01\xfe\x80\x01" + (PAYLOAD_LIMIT + 1).to_bytes(4, "big")
        outlet.connection.data_received(frame(PayloadType.EXI, LARGE) + too_long)
        outlet.connection.data_received(b"x")
        assert outlet.codes == []
        await work.work()
        assert outlet.heard[0] == ("SupportedAppProtocolReq", False)
        assert outlet.answers == ["OK_SuccessfulNegotiation"]
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


def test_who_hangs_up_behind_a_message_is_answered_first() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(LARGE)
        assert outlet.connection.eof_received() is True, "the socket stays open for the answer"
        assert outlet.codes == []
        await work.work()
        assert outlet.answers == ["OK_SuccessfulNegotiation"]
        assert outlet.codes == ["severed.connection-closed"]
        assert outlet.socket.closed

    run(story)


def test_who_hangs_up_with_nothing_under_way_is_gone_at_once() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.connection.eof_received()
        assert outlet.codes == ["severed.connection-closed"]
        assert outlet.socket.closed

    run(story)


def test_a_message_whose_connection_is_lost_is_for_nobody() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP) + bytes(5))
        outlet.connection.connection_lost(None)
        assert outlet.codes == ["severed.connection-closed"], "at once"
        await work.work()
        assert ("SessionSetupReq", False) not in outlet.heard
        assert len(outlet.reasons) == 1

    run(story)


def test_a_message_whose_session_has_ended_is_for_nobody() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(request(SETUP) + bytes(5))
        outlet.connection.hear(Unplugged())
        assert len(outlet.reasons) == 1
        await work.work()
        assert ("SessionSetupReq", False) not in outlet.heard
        assert len(outlet.answers) == 1
        assert len(outlet.reasons) == 1

    run(story)


def test_nonsense_of_a_session_that_has_ended_is_not_complained_about(caplog: pytest.LogCaptureFixture) -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(b"\x80\x98\xff")
        outlet.connection.hear(Unplugged())
        await work.work()
        gc.collect()
        assert caplog.text == ""

    run(story)


def test_a_bug_in_decoding_costs_this_session(caplog: pytest.LogCaptureFixture) -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(LARGE)
        future, _ = work.jobs[0]
        work.jobs[0] = future, lambda: 1 // 0
        await work.work()
        assert outlet.codes == ["severed.stream-broken"]
        assert "a bug in decoding" in caplog.text

    run(story)


def test_without_a_thread_to_decode_on_the_session_ends() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        def closed(*_: Any) -> Any:
            raise RuntimeError("closed")

        work.submit = closed  # type: ignore[method-assign]  # as after shutdown
        outlet.say(LARGE)
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


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

    other = replace(ISO2, load=lambda: LoadedProtocol(opened, warm=lambda: None))
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

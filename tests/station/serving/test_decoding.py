"""Messages that are decoded off the event loop: nothing overtakes them, and nothing is heard of them when their session has ended. (A-EXI-11)"""

from __future__ import annotations

import gc
from typing import Any

import pytest

from secc.iso2.dialogue import PAYLOAD_LIMIT
from secc.iso2.messages import ResponseCode
from secc.link.v2gtp import PayloadType, frame
from secc.session.events import Unplugged
from secc.station.serving.connection import SLICE_OCTETS
from tests.exi_vectors import vectors
from tests.held_outlet import LARGE, SETUP, Held, Outlet, request, run, settle, small


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
        assert work.jobs == []
        # The second frame was partly here before the first was answered, but not whole: it is not an early one.
        outlet.connection.data_received(bytes(46))
        await work.work()
        assert outlet.connection._link.framer.ignored
        assert outlet.codes == []

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


NONSENSE = b"\x80\x98\xff"
DIN = [bytes.fromhex(row["exi"]) for row in vectors("din", names=("din",)) if row["name"].startswith("SessionSetupReq")]


def test_before_a_protocol_is_agreed_octets_that_are_no_message_end_the_connection() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(NONSENSE)
        await work.work()
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


@pytest.mark.case("TP-06", "D7")
def test_in_a_session_they_are_ignored_and_the_third_ends_it() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        for _ in range(2):
            outlet.say(NONSENSE)
            await work.work()
        outlet.say(request(SETUP))
        assert outlet.answers[1:] == ["SessionSetupRes OK_NewSessionEstablished"]
        assert outlet.codes == []
        outlet.say(NONSENSE)
        await work.work()
        assert len(outlet.answers) == 2
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


@pytest.mark.case("TP-06", "D7")
def test_bad_headers_and_bad_payloads_have_one_counter() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.connection.data_received(bytes.fromhex("01FE80020000000100") * 2)
        assert outlet.codes == []
        outlet.say(NONSENSE)
        await work.work()
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


@pytest.mark.case("A-EXI-10")
def test_a_message_of_din_in_a_session_of_iso_15118_2_is_ignored() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        assert DIN
        outlet.say(DIN[0])
        await work.work()
        assert len(outlet.answers) == 1
        assert outlet.codes == []
        outlet.say(request(SETUP))
        assert outlet.answers[1:] == ["SessionSetupRes OK_NewSessionEstablished"]

    run(story)


@pytest.mark.case("SAP-15")
def test_the_list_of_protocols_ends_a_session_that_has_begun() -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(small())
        await work.work()
        assert len(outlet.answers) == 1
        assert outlet.codes == ["severed.stream-broken"]

    run(story)


@pytest.mark.case("TP-06", "A-V2G-03")
@pytest.mark.parametrize(
    ("said", "answers", "codes"),
    [
        ("nn", [], []),
        ("nng", ["OK_NewSessionEstablished"], []),
        ("ng", ["OK_NewSessionEstablished"], []),
        ("gnn", ["OK_NewSessionEstablished"], []),
        ("nngg", ["OK_NewSessionEstablished", "FAILED_SequenceError"], ["refused.FAILED_SequenceError"]),
        ("ngng", ["OK_NewSessionEstablished", "FAILED_SequenceError"], ["refused.FAILED_SequenceError"]),
        ("nnn", [], ["severed.stream-broken"]),
        ("nnng", [], ["severed.stream-broken"]),
        ("ngnn", ["OK_NewSessionEstablished"], ["severed.stream-broken"]),
        ("n" * 60, [], ["severed.stream-broken"]),
        ("g" * 60, ["OK_NewSessionEstablished", "FAILED_SequenceError"], ["refused.FAILED_SequenceError"]),
    ],
)
def test_nonsense_between_requests_of_one_segment_changes_nothing_for_them(
    said: str, answers: list[str], codes: list[str]
) -> None:
    async def story(outlet: Outlet, work: Held) -> None:
        outlet.say(small())
        outlet.say(*[NONSENSE if one == "n" else request(SETUP) for one in said])
        await settle()
        for _ in range(4):
            if work.jobs:
                await work.work()
        assert outlet.answers[1:] == [f"SessionSetupRes {code}" for code in answers]
        assert outlet.codes == codes

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
        outlet.say(NONSENSE)
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

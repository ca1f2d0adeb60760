"""The pipeline from TCP octets to frames: TLS or plain by the first octet, deadlines as data, errors with their alert."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.certificates import Edition
from secc.errors import FramingError
from secc.link.connection import (
    FIRST_MESSAGE,
    HANDSHAKE,
    PARTIAL_MESSAGE,
    Connection,
    Serving,
    dial,
    serve,
)
from secc.link.tls.chain import Handshaken, root_named
from secc.link.tls.connection import UNSENT_LIMIT
from secc.link.tls.context import ClientContext, ServerContext
from secc.link.tls.errors import HandshakeFailed, HelloRejected, PlainRequired, TlsError, TlsRequired
from secc.link.tls.key import DelegatedKey
from secc.link.v2gtp import Frame, PayloadType, frame
from tests.link.tls.chains import pki
from tests.link.tls.hello import C025, client_hello
from tests.link.tls.talk import trusting

SITE = pki("A")
CONTEXTS = (ServerContext(SITE.chain, SITE.key),)
CAR = ClientContext(trusting(SITE.root), [root_named(SITE.root)])
TLS_ONLY = Serving(CONTEXTS)
PLAIN_ONLY = Serving(plain=True)
EITHER = Serving(CONTEXTS, plain=True)
MESSAGE = Frame(PayloadType.EXI, bytes.fromhex("8000DBAB93"))
OCTETS = frame(MESSAGE.payload_type, MESSAGE.payload)


def carry(station: Connection, car: Connection, now: float = 0.0) -> tuple[list[Frame], list[Frame]]:
    """Octets both ways until both are quiet; the frames that station and car have seen."""
    seen: tuple[list[Frame], list[Frame]] = ([], [])
    while octets := car.outgoing():
        seen[0].extend(station.feed(octets, now))
        seen[1].extend(car.feed(station.outgoing(), now))
    return seen


@pytest.mark.parametrize("serving", [TLS_ONLY, EITHER])
def test_a_car_with_tls(serving: Serving) -> None:
    station, car = serve(serving, 0.0), dial(CAR, 0.0)
    assert station.may_block
    assert station.secure is None
    carry(station, car)
    assert not station.may_block
    assert station.secure is True
    assert station.handshaken is not None
    assert station.handshaken.chain == "A"
    assert not station.handshaken.mutual13
    car.send(MESSAGE.payload_type, MESSAGE.payload)
    assert carry(station, car) == ([MESSAGE], [])
    station.send(MESSAGE.payload_type, MESSAGE.payload)
    assert car.feed(station.outgoing(), 0.0) == [MESSAGE]
    station.feed(car.close(), 0.0)
    assert station.peer_closed


@pytest.mark.case("I2-TPV-01")
@pytest.mark.parametrize("serving", [PLAIN_ONLY, EITHER])
def test_a_car_without_tls(serving: Serving) -> None:
    station, car = serve(serving, 0.0), dial(None, 0.0)
    assert station.may_block is serving.tls
    car.send(MESSAGE.payload_type, MESSAGE.payload)
    assert carry(station, car) == ([MESSAGE], [])
    assert station.secure is False
    assert station.handshaken is None
    assert station.edition is None
    assert not station.may_block
    station.send(MESSAGE.payload_type, MESSAGE.payload)
    assert station.outgoing() == OCTETS
    assert station.outgoing() == b""


def test_whose_certificates_answer_is_known_from_the_hello_on() -> None:
    station, car = serve(EITHER, 0.0), dial(CAR, 0.0)
    hello = car.outgoing()
    station.feed(hello[:-1], 0.0)
    assert station.edition is None
    station.feed(hello[-1:], 0.0)
    assert station.edition is Edition.ISO2
    assert station.handshaken is None


@pytest.mark.parametrize(
    ("version", "presented", "mutual"),
    [
        ("TLSv1.3", (b"leaf",), True),
        ("TLSv1.3", (), False),
        ("TLSv1.2", (b"leaf",), False),
        ("TLSv1.2", (), False),
    ],
)
def test_tls_1_3_with_a_certificate_of_the_car_is_both(
    version: str, presented: tuple[bytes, ...], mutual: bool
) -> None:
    assert Handshaken(version, "", presented=presented).mutual13 is mutual


def refused(serving: Serving, octets: bytes) -> tuple[FramingError, bytes]:
    """The error, and what is still written."""
    station = serve(serving, 0.0)
    with pytest.raises(FramingError) as caught:
        station.feed(octets, 0.0)
    assert caught.value.fatal
    assert station.failure is caught.value
    assert station.deadline is None
    assert not station.may_block or not serving.contexts or station.handshaken is None
    last = station.close()
    assert station.close() == b""
    with pytest.raises(FramingError):
        station.feed(octets, 0.0)
    return caught.value, last


@pytest.mark.case("A-TLS-01", "A-NET-04", "TLS-10")
@pytest.mark.parametrize("octets", [OCTETS, b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01\x03\x01"])
def test_nothing_but_tls_where_only_tls_is_served(octets: bytes) -> None:
    error, last = refused(TLS_ONLY, octets)
    assert isinstance(error, TlsRequired)
    assert last == b""


def test_tls_where_none_is_served_gets_an_alert() -> None:
    error, last = refused(PLAIN_ONLY, client_hello())
    assert isinstance(error, PlainRequired)
    assert last == bytes.fromhex("15030300020228")


@pytest.mark.case("TLS-02")
def test_a_handshake_that_fails_leaves_its_alert_to_be_written() -> None:
    error, last = refused(TLS_ONLY, client_hello(suites=(C025,)))
    assert isinstance(error, HandshakeFailed)
    assert last[5:] == b"\x02\x28"


def test_a_hello_that_cannot_be_read_leaves_its_alert_to_be_written() -> None:
    error, last = refused(TLS_ONLY, client_hello(extensions={10: b"\x00"}))
    assert isinstance(error, HelloRejected)
    assert last == bytes.fromhex("15030300020232")


@pytest.mark.case("TLS-06", "Q-20")
def test_strictness_reaches_the_hello() -> None:
    hello = client_hello(extensions={3: bytes(20)})
    station = serve(TLS_ONLY, 0.0)
    station.feed(hello, 0.0)
    assert station.outgoing()[0] == 0x16
    error, _ = refused(Serving(CONTEXTS, strict=True), hello)
    assert isinstance(error, HelloRejected)


@pytest.mark.case("TP-07")
def test_a_payload_beyond_the_limit_ends_it_on_plain_and_on_tls() -> None:
    huge = bytes.fromhex("01FE800100100000")
    error, _ = refused(PLAIN_ONLY, huge)
    assert not isinstance(error, TlsError)
    station, car = serve(Serving(CONTEXTS, payload_limit=4), 0.0), dial(CAR, 0.0)
    carry(station, car)
    car.send(MESSAGE.payload_type, MESSAGE.payload)
    with pytest.raises(FramingError, match="limit of 4"):
        carry(station, car)
    # TLS itself is whole: it ends with a close_notify.
    assert station.close()[0] == 0x15


@pytest.mark.case("TP-04")
def test_whole_frames_before_the_flaw_come_first() -> None:
    station = serve(PLAIN_ONLY, 0.0)
    assert station.feed(OCTETS + b"\xff" * 8, 0.0) == [MESSAGE]
    assert station.failure is not None
    station.send(MESSAGE.payload_type, MESSAGE.payload)
    assert station.outgoing() == OCTETS
    with pytest.raises(FramingError):
        station.feed(b"", 0.0)


@pytest.mark.case("TLS-11", "A-TLS-03")
def test_the_handshake_has_a_deadline_that_octets_do_not_move() -> None:
    station = serve(TLS_ONLY, 100.0)
    assert station.deadline is not None
    assert (station.deadline.at, station.deadline.timeout) == (110.0, HANDSHAKE)
    hello = client_hello()
    station.feed(hello[:20], 105.0)
    station.feed(hello[20:], 109.0)
    assert station.deadline is not None
    assert station.deadline.at == 110.0


def test_where_both_are_served_the_handshake_is_timed_from_its_first_octet() -> None:
    station = serve(EITHER, 100.0)
    assert station.deadline is not None
    assert (station.deadline.at, station.deadline.timeout) == (120.0, FIRST_MESSAGE)
    hello = client_hello()
    station.feed(hello[:20], 105.0)
    station.feed(hello[20:30], 106.0)
    assert station.deadline is not None
    assert (station.deadline.at, station.deadline.timeout) == (115.0, HANDSHAKE)


def test_how_long_a_handshake_may_take_is_the_operators_choice() -> None:
    station, car = serve(replace(TLS_ONLY, handshake_seconds=3.0), 100.0), dial(CAR, 100.0)
    assert station.deadline is not None
    assert station.deadline.at == 103.0
    carry(station, car, 101.0)
    assert station.deadline is not None
    assert (station.deadline.at, station.deadline.timeout) == (121.0, FIRST_MESSAGE)


@pytest.mark.case("I2-SAP-03", "A-V2G-02")
def test_the_first_message_has_a_deadline_and_so_has_every_unfinished_one() -> None:
    station, car = serve(TLS_ONLY, 100.0), dial(CAR, 100.0)
    carry(station, car, 101.0)
    assert station.deadline is not None
    assert (station.deadline.at, station.deadline.timeout) == (121.0, FIRST_MESSAGE)
    plain = serve(PLAIN_ONLY, 100.0)
    plain.feed(OCTETS[:3], 110.0)
    assert plain.deadline is not None
    assert (plain.deadline.at, plain.deadline.timeout) == (120.0, FIRST_MESSAGE)
    plain.feed(OCTETS[3:], 111.0)
    assert plain.deadline is None
    plain.feed(OCTETS[:3], 200.0)
    plain.feed(OCTETS[3:5], 209.0)
    assert plain.deadline is not None
    assert (plain.deadline.at, plain.deadline.timeout) == (210.0, PARTIAL_MESSAGE)
    plain.feed(OCTETS[5:] + OCTETS[:1], 209.5)
    assert plain.deadline is not None
    assert plain.deadline.at == 219.5


@pytest.mark.case("A-V2G-06")
def test_ignored_frames_do_not_end_the_wait_for_the_first_message() -> None:
    station = serve(PLAIN_ONLY, 100.0)
    assert station.feed(bytes.fromhex("01FE70010000000100"), 110.0) == []
    assert station.deadline is not None
    assert station.deadline.at == 120.0
    assert station.framer.ignored


@pytest.mark.case("A-RES-01")
def test_a_plain_peer_that_does_not_read_is_cut_off() -> None:
    station = serve(PLAIN_ONLY, 0.0)
    with pytest.raises(FramingError):
        station.send(PayloadType.EXI, b"too early")
    station.feed(OCTETS, 0.0)
    with pytest.raises(FramingError):
        for _ in range(UNSENT_LIMIT // 10_000 + 1):
            station.send(PayloadType.EXI, bytes(10_000))


@given(st.binary(max_size=300), st.sampled_from([TLS_ONLY, PLAIN_ONLY, EITHER]), st.booleans(), st.integers(1, 80))
@settings(max_examples=100)
def test_any_octets_make_frames_or_framing_errors(octets: bytes, serving: Serving, hello: bool, step: int) -> None:
    station = serve(serving, 0.0)
    if hello:
        octets = client_hello()[: len(octets)] + octets
    try:
        for start in range(0, len(octets), step):
            station.feed(octets[start : start + step], 0.0)
            station.outgoing()
    except FramingError as error:
        assert error.fatal
    station.close()


@pytest.mark.parametrize("closed", [False, True])
def test_a_slow_key_on_a_worker_thread_holds_nothing_up(closed: bool) -> None:
    entered, opened = threading.Event(), threading.Event()

    def sign(digest: bytes) -> bytes:
        entered.set()
        assert opened.wait(5)
        return SITE.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

    station, car = serve(Serving((ServerContext(SITE.chain, DelegatedKey(sign)),)), 0.0), dial(CAR, 0.0)
    hello = car.outgoing()
    worker = threading.Thread(target=station.feed, args=(hello, 0.0), daemon=True)
    worker.start()
    assert entered.wait(5)
    assert station.may_block
    assert station.outgoing() == b""
    if closed:
        assert station.close() == b""
    opened.set()
    worker.join(5)
    assert not worker.is_alive()
    if closed:
        assert station.outgoing() == b""
        with pytest.raises(FramingError, match="closed"):
            station.feed(b"", 0.0)
    else:
        car.feed(station.outgoing(), 0.0)
        carry(station, car)
        assert station.secure is True

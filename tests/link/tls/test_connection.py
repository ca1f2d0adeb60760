"""One TLS connection: data both ways, its ends, its limits, threads, and that nothing is left behind."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.link.tls import libssl
from secc.link.tls.chain import root_named
from secc.link.tls.connection import HANDSHAKE_LIMIT, UNSENT_LIMIT, TlsConnection, connect
from secc.link.tls.context import ClientContext, ServerContext
from secc.link.tls.errors import Alert, HandshakeFailed, TlsError, TlsFlaw
from secc.link.tls.key import DelegatedKey
from tests.link.tls.chains import pki
from tests.link.tls.hello import client_hello
from tests.link.tls.talk import greet, settle, shake, trusting

SITE = pki("A")
SERVER = (ServerContext(SITE.chain, SITE.key),)
CAR = ClientContext(trusting(SITE.root), [root_named(SITE.root)])


def test_plaintext_goes_both_ways_in_any_pieces() -> None:
    station, car = shake(SERVER, CAR)
    data = os.urandom(50_000)
    for sender, receiver in ((station, car), (car, station)):
        sender.send(data)
        octets = sender.drain()
        assert data[:64] not in octets
        pieces = [octets[start : start + 1000] for start in range(0, len(octets), 1000)]
        assert b"".join(part for piece in pieces for part in receiver.receive(piece)) == data


def test_plaintext_is_not_left_in_the_buffers_of_the_connection() -> None:
    """A connection outlives its session by seconds, and an idle outlet keeps it until the next car: a contract must not stay in there."""
    station, car = shake(SERVER, CAR)
    for data in (b"PaymentDetailsReq" * 900, b"SessionStopReq"):
        car.send(data)
        assert b"".join(station.receive(car.drain())) == data
    assert not any(station._buffer.raw)
    options = station._lib.SSL_CTX_set_options(station._context.pointer, 0)
    assert options & libssl.OP_CLEANSE_PLAINTEXT, "libssl keeps a copy of its own"


def test_a_handshake_goes_on_octet_by_octet() -> None:
    car = connect(CAR)
    hello = car.drain()
    station = greet(hello, SERVER)
    octets = hello
    while octets:
        for octet in octets:
            assert station.receive(bytes((octet,))) == []
        for octet in station.drain():
            assert car.receive(bytes((octet,))) == []
        octets = car.drain()
    assert station.established
    assert car.established


def test_data_behind_the_last_handshake_message_is_not_lost() -> None:
    station, car = shake(SERVER, CAR)
    car.send(b"first")
    first = car.drain()
    car.send(b"second")
    assert station.receive(first + car.drain()) == [b"first", b"second"]


def test_close_notify_is_seen_by_the_other_end_and_the_rest_ignored() -> None:
    station, car = shake(SERVER, CAR)
    car.send(b"last words")
    octets = car.drain() + car.close()
    assert car.closed
    assert car.close() == b""
    assert station.receive(octets + b"rubbish") == [b"last words"]
    assert station.peer_closed
    assert station.close()[0] == 0x15
    with pytest.raises(TlsError, match="closed"):
        station.receive(b"more")
    with pytest.raises(TlsError, match="closed"):
        station.send(b"more")


def test_a_tampered_record_ends_it_with_an_alert() -> None:
    station, car = shake(SERVER, CAR)
    car.send(b"CurrentDemandReq")
    octets = bytearray(car.drain())
    octets[-1] ^= 1
    with pytest.raises(TlsError) as caught:
        station.receive(bytes(octets))
    assert not isinstance(caught.value, HandshakeFailed)
    assert caught.value.fatal
    assert caught.value.answer[0] == 0x15
    assert station.closed


def flights(station: TlsConnection, car: TlsConnection, count: int, hello: bytes) -> None:
    """The first so many flights: our first, the car's second, our second."""
    octets = hello
    for number in range(count):
        if number % 2 == 0:
            station.receive(octets)
            octets = station.drain()
        else:
            car.receive(octets)
            octets = car.drain()


@pytest.mark.parametrize(
    ("count", "flaw", "where"),
    [
        (
            1,
            TlsFlaw.CLOSED_AFTER_CERTIFICATE,
            "after our ServerHello, Certificate, CertificateStatus, ServerKeyExchange, ServerHelloDone; "
            "chain A (not asked)",
        ),
        (0, TlsFlaw.CLOSED_IN_HANDSHAKE, "before the ClientHello"),
    ],
)
def test_a_car_that_hangs_up_in_the_handshake_is_told_by_its_place(count: int, flaw: TlsFlaw, where: str) -> None:
    """The commonest trouble in the field: a car that does not trust us goes without an alert."""
    car = connect(ClientContext(trusting(SITE.root)))
    hello = car.drain()
    station = greet(hello, SERVER)
    flights(station, car, count, hello)
    left = station.left()
    assert left is not None
    assert (left.flaw, str(left)) == (flaw, f"the car closed the connection {where}")
    report = station.report
    assert report.handshaken is None and report.certificate_sent is (count > 0)


def test_a_car_that_hangs_up_after_its_key_exchange_has_taken_our_certificate() -> None:
    car = connect(ClientContext(trusting(SITE.root)))
    hello = car.drain()
    station = greet(hello, SERVER)
    station.receive(hello)
    car.receive(station.drain())
    flight = car.drain()
    key_exchange = 5 + int.from_bytes(flight[3:5])
    station.receive(flight[:key_exchange])
    left = station.left()
    assert left is not None
    assert left.flaw is TlsFlaw.CLOSED_IN_HANDSHAKE and "after the car's ClientKeyExchange" in str(left)
    station.receive(flight[key_exchange:])
    assert station.left() is None, "the handshake is complete: what comes now is the session's"
    assert [step.name for step in station.report.steps if not step.ours] == [
        "ClientHello",
        "ClientKeyExchange",
        "Finished",
    ]


@pytest.mark.parametrize(
    ("alert", "flaw"),
    [
        (Alert.UNKNOWN_CA, TlsFlaw.UNKNOWN_CA),
        (Alert.CERTIFICATE_EXPIRED, TlsFlaw.CERTIFICATE_EXPIRED),
        (Alert.BAD_CERTIFICATE, TlsFlaw.CERTIFICATE_REJECTED),
        (Alert.CERTIFICATE_UNKNOWN, TlsFlaw.CERTIFICATE_REJECTED),
        (Alert.CERTIFICATE_REVOKED, TlsFlaw.CERTIFICATE_REJECTED),
        (Alert.BAD_CERTIFICATE_STATUS_RESPONSE, TlsFlaw.STAPLE_REJECTED),
        (Alert.HANDSHAKE_FAILURE, TlsFlaw.REFUSED_BY_CAR),
        (Alert.INTERNAL_ERROR, TlsFlaw.REFUSED_BY_CAR),
    ],
)
def test_what_a_car_refuses_by_is_its_flaw(alert: Alert, flaw: TlsFlaw) -> None:
    hello = client_hello()
    station = greet(hello, SERVER)
    station.receive(hello)
    station.drain()
    with pytest.raises(HandshakeFailed, match=f"by the alert {alert.name.lower()}, after our ServerHello") as caught:
        station.receive(alert.record())
    assert caught.value.flaw is flaw
    assert [step.name for step in station.report.steps if step.alert] == [alert.name.lower()]


def test_an_alert_that_no_standard_knows_is_told_by_its_number() -> None:
    hello = client_hello()
    station = greet(hello, SERVER)
    station.receive(hello)
    with pytest.raises(HandshakeFailed, match="by the alert number 123, after our ServerHello") as caught:
        station.receive(bytes.fromhex("1503030002027b"))
    assert caught.value.flaw is TlsFlaw.REFUSED_BY_CAR


def test_a_flaw_after_the_handshake_has_a_name_of_its_own() -> None:
    station, car = shake(SERVER, ClientContext(trusting(SITE.root)))
    car.send(b"x" * 40)
    octets = bytearray(car.drain())
    octets[-1] ^= 1
    with pytest.raises(TlsError) as caught:
        station.receive(bytes(octets))
    assert caught.value.flaw is TlsFlaw.BROKEN and not isinstance(caught.value, HandshakeFailed)


def test_who_sends_many_alerts_fills_no_memory() -> None:
    hello = client_hello()
    station = greet(hello, SERVER)
    station.receive(hello)
    # Warnings; libssl gives up after five of them in a row.
    with pytest.raises(HandshakeFailed):
        for _ in range(100):
            station.receive(bytes.fromhex("1503030002015a"))
    assert len(station.report.steps) <= 24


def test_nothing_is_sent_before_the_handshake() -> None:
    with pytest.raises(TlsError, match="before the handshake"):
        connect(CAR).send(b"too early")


@pytest.mark.case("A-TLS-03", "A-TLS-04")
def test_a_handshake_may_not_take_ever_more_octets() -> None:
    hello = client_hello()
    station = greet(hello, SERVER)
    station.receive(hello)
    # A handshake message that never ends: a long header, then one record of it after another.
    endless = b"\x16\x03\x03\x40\x00\x10\x00\xff\xff" + bytes(0x3FFC) + (b"\x16\x03\x03\x40\x00" + bytes(0x4000)) * 8
    with pytest.raises(TlsError):
        station.receive(endless)
    warnings = b"\x16\x03\x03\x00\x01\x0b" * (HANDSHAKE_LIMIT // 6)
    station = greet(hello, SERVER)
    with pytest.raises(TlsError):
        station.receive(hello + warnings)


def test_the_limit_of_the_handshake_counts() -> None:
    hello = client_hello()
    station = greet(hello, SERVER)
    station.receive(hello)
    # Warning alerts advance nothing; libssl stops them sooner or later, we at the latest here.
    station._handshake_octets = HANDSHAKE_LIMIT - 1
    with pytest.raises(HandshakeFailed, match="before the handshake was complete"):
        station.receive(b"\x15\x03")


@pytest.mark.case("A-RES-01")
def test_a_peer_that_does_not_read_is_cut_off() -> None:
    station, _ = shake(SERVER, CAR)
    for _ in range(UNSENT_LIMIT // 20_000):
        station.send(bytes(20_000))
    with pytest.raises(TlsError, match="does not read") as caught:
        station.send(bytes(20_000))
    assert caught.value.flaw is TlsFlaw.NOT_READ
    assert station.closed


def test_a_second_hello_is_no_renegotiation() -> None:
    """TLS-22 in the raw: a hello in clear text after the handshake is out of place."""
    station, _ = shake(SERVER, CAR)
    with pytest.raises(TlsError):
        station.receive(client_hello())


class Gate:
    """A signer that waits until it is let through, as a TPM would make us wait."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.key = DelegatedKey(self._sign)

    def _sign(self, digest: bytes) -> bytes:
        self.entered.set()
        assert self.open.wait(5)
        return SITE.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def step_in_thread(station: TlsConnection, octets: bytes) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def step() -> None:
        try:
            station.receive(octets)
        except TlsError as error:
            raised.append(error)

    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    return thread, raised


def test_a_step_on_another_thread_holds_nobody_up() -> None:
    gate = Gate()
    slow = ServerContext(SITE.chain, gate.key)
    car = connect(CAR)
    hello = car.drain()
    station = greet(hello, (slow,))
    thread, raised = step_in_thread(station, hello)
    assert gate.entered.wait(5)
    assert station.drain() == b""
    other, _ = shake(SERVER, CAR)
    assert other.established
    gate.open.set()
    thread.join(5)
    assert not raised
    car.receive(station.drain())
    settle(station, car)
    assert station.established


def test_many_threads_share_a_context() -> None:
    failures: list[BaseException] = []

    def several() -> None:
        try:
            for _ in range(30):
                station, car = shake(SERVER, CAR)
                car.send(b"x" * 1000)
                assert station.receive(car.drain()) == [b"x" * 1000]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=several, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


def test_closing_during_a_step_frees_after_it() -> None:
    gate = Gate()
    hello = client_hello()
    station = greet(hello, (ServerContext(SITE.chain, gate.key),))
    thread, raised = step_in_thread(station, hello)
    assert gate.entered.wait(5)
    assert station.close() == b""
    assert not station.closed
    gate.open.set()
    thread.join(5)
    assert not raised
    assert station.closed
    assert station.drain() == b""


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=60)
def test_random_octets_end_in_tls_errors_only(octets: bytes, established: bool) -> None:
    if established:
        station, _ = shake(SERVER, CAR)
    else:
        station = greet(client_hello(), SERVER)
        station.receive(client_hello())
    try:
        station.receive(octets)
        station.receive(octets)
    except TlsError as error:
        assert station.closed
        assert error.fatal
    station.close()


@given(st.integers(0, 400), st.integers(0, 255), st.integers(1, 3))
@settings(max_examples=60)
def test_mutated_handshakes_end_in_tls_errors_only(at: int, value: int, flight: int) -> None:
    car = connect(CAR)
    hello = car.drain()
    station = greet(hello, SERVER)
    octets, turn = hello, 0
    try:
        while octets:
            turn += 1
            if turn == flight:
                octets = octets[: at % len(octets)] + bytes((value,)) + octets[at % len(octets) + 1 :]
            station.receive(octets)
            car.receive(station.drain())
            octets = car.drain()
    except TlsError:
        assert station.closed or car.closed


def resident() -> int:
    """Octets of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.case("A-RES-03")
def test_two_thousand_handshakes_leave_nothing_behind() -> None:
    trusting_all = ClientContext(lambda chain: None, [root_named(SITE.root)])

    def several(count: int) -> None:
        for number in range(count):
            station, car = shake(SERVER, trusting_all)
            if number % 4:
                station.close()
            if number % 3:
                car.close()

    several(300)
    before = resident()
    several(1700)
    assert resident() - before < 1_500_000


def test_contexts_that_were_replaced_leave_nothing_behind() -> None:
    sign = DelegatedKey(lambda digest: SITE.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))

    def several(count: int) -> None:
        for number in range(count):
            contexts = (ServerContext(SITE.chain, sign if number % 2 else SITE.key),)
            station, car = shake(contexts, ClientContext(lambda chain: None))
            if number % 3:
                # Context and connections die together, in whatever order the collector likes.
                station.cycle = car.cycle = [station, car]  # type: ignore[attr-defined]  # a cycle for the collector
            del station, car, contexts
            if number % 20 == 0:
                gc.collect()
        gc.collect()

    # What other tests have left in this process is kept from the collector meanwhile.
    gc.freeze()
    try:
        several(60)
        before = resident()
        several(200)
        assert resident() - before < 1_500_000
    finally:
        gc.unfreeze()

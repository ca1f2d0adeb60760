"""status_request_v2: what cars are served, what is changed in libssl's buffers, and what switches it off."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.link.tls import status_v2
from secc.link.tls.chain import Chain, ChainChoice
from secc.link.tls.connection import accept
from secc.link.tls.context import Choice, ServerContext, choose
from secc.link.tls.errors import Alert, HandshakeFailed, SelfTestFailed, TlsFlaw
from secc.link.tls.hello import peek
from secc.link.tls.minimal_client import MinimalClient, Served
from secc.link.tls.self_test import ASK_V1, ASK_V2, handshake
from secc.link.tls.status_v2 import STATUS_REQUEST, STATUS_REQUEST_V2, StatusAnswer, StatusRequestV2, announcement
from tests.link.tls.chains import pki
from tests.link.tls.status_runs import SPLIT, broken_hellos, handshakes, listed, serving_v2

pytestmark = listed
SITE = pki("A")
LEAF, SUB_2, SUB_1 = SITE.staples
ONLY_LEAF = {STATUS_REQUEST_V2: bytes.fromhex("0007 01 0004 0000 0000")}
"""One item, of type ocsp."""
BOTH_TYPES = {STATUS_REQUEST_V2: bytes.fromhex("000e 01 0004 0000 0000 02 0004 0000 0000")}
TRUSTED_CA_KEYS = {3: bytes.fromhex("0001 00")}


def served(
    asked: Mapping[int, bytes], staples: Sequence[bytes | None] = SITE.staples, status: StatusRequestV2 | None = None
) -> Served:
    chain = Chain("A", SITE.certificates, (SITE.root,), staples)
    return handshake(ServerContext(chain, SITE.key, status_v2=status or StatusRequestV2()), MinimalClient(asked))


@pytest.mark.parametrize(
    "asked",
    [ASK_V2, ASK_V1 | ASK_V2, BOTH_TYPES, ASK_V2 | SPLIT, ASK_V2 | TRUSTED_CA_KEYS, ASK_V2 | {35: b"", 0xFF01: b"\0"}],
    ids=["v2 alone", "both", "both types", "fragments of 512", "names roots", "other extensions"],
)
def test_a_car_that_asks_by_version_2_gets_a_response_for_each_certificate(asked: Mapping[int, bytes]) -> None:
    found = served(asked)
    assert found.status_type == 2
    assert found.responses == (LEAF, SUB_2, SUB_1)
    assert found.certificates == SITE.certificates
    assert found.extensions[STATUS_REQUEST_V2] == b""
    assert STATUS_REQUEST not in found.extensions


@pytest.mark.parametrize(
    "staples", [(None, SUB_2, SUB_1), (LEAF, None, SUB_1), (LEAF, SUB_2, None), (None, None, SUB_1)]
)
def test_a_certificate_without_a_response_keeps_its_place(staples: Sequence[bytes | None]) -> None:
    assert served(ASK_V2, staples).responses == tuple(staple or b"" for staple in staples)


def test_responses_that_fill_several_records() -> None:
    """The largest that the cache holds."""
    staples = tuple(bytes((number,)) * 8192 for number in (1, 2, 3))
    assert served(ASK_V1 | ASK_V2, staples).responses == staples


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        (ASK_V1 | ONLY_LEAF, StatusRequestV2(), (LEAF,)),
        (ONLY_LEAF, StatusRequestV2(), ()),
        ({}, StatusRequestV2(), ()),
        (ASK_V1 | {STATUS_REQUEST_V2: b"\x00"}, StatusRequestV2(), (LEAF,)),
        (ASK_V1 | ASK_V2, StatusRequestV2("is off"), (LEAF,)),
        (ASK_V2, StatusRequestV2("is off"), ()),
    ],
    ids=["type ocsp", "type ocsp alone", "nothing", "malformed", "off", "off, v2 alone"],
)
def test_otherwise_version_1_applies(
    asked: Mapping[int, bytes], status: StatusRequestV2, expected: tuple[bytes, ...]
) -> None:
    found = served(asked, status=status)
    assert found.responses == expected
    assert found.status_type == (1 if expected else None)
    assert STATUS_REQUEST_V2 not in found.extensions
    assert (STATUS_REQUEST in found.extensions) is bool(expected)


def test_without_any_response_there_is_nothing_to_announce() -> None:
    found = served(ASK_V1 | ASK_V2, (None, None, None))
    assert found.status_type is None
    assert not {STATUS_REQUEST, STATUS_REQUEST_V2} & found.extensions.keys()


@pytest.mark.case("A-TLS-08")
def test_each_response_ends_at_its_own_time() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    ends = (at + timedelta(days=1), at - timedelta(seconds=1), None)
    chain = Chain("A", SITE.certificates, (SITE.root,), SITE.staples, ends)
    assert chain.staples_at(at) == (LEAF, None, SUB_1)
    assert chain.staples_at(None) == (None, None, SUB_1), "nobody knows the time"
    context = ServerContext(chain, SITE.key, status_v2=StatusRequestV2())
    client = MinimalClient(ASK_V2)
    hello = peek(octets := client.hello())
    assert hello is not None
    station = accept(choose(hello, [context], at=at), hello)
    station.receive(octets)
    assert client.answer(station.drain())[1].responses == (LEAF, b"", SUB_1)


def test_the_result_says_which_way_it_was_answered() -> None:
    for asked, expected in ((ASK_V1 | ASK_V2, True), (ASK_V1, False)):
        client = MinimalClient(asked)
        hello = peek(octets := client.hello())
        assert hello is not None
        station = accept(Choice(serving_v2(StatusRequestV2()), ChainChoice.NOT_ASKED, SITE.staples), hello)
        station.receive(octets)
        station.receive(client.answer(station.drain())[0])
        assert station.info is not None
        assert station.info.stapled
        assert station.info.status_v2 is expected


# --- What is changed in libssl's buffers ---


def server_hello(extensions: bytes, session: bytes = b"", extra: bytes = b"") -> bytes:
    """A ServerHello with these extensions, and ``extra`` after them."""
    body = b"\x03\x03" + bytes(32) + len(session).to_bytes(1) + session + b"\xc0\x23\x00"
    body += len(extensions).to_bytes(2) + extensions + extra
    return b"\x02" + len(body).to_bytes(3) + body


LONG_TICKET = b"\0\x23\x04\xb0" + bytes(1200)
V1, V2, TICKET, POINTS = b"\0\x05\0\0", b"\0\x11\0\0", b"\0\x23\0\0", b"\0\x0b\0\x02\x01\0"


@pytest.mark.parametrize("session", [b"", bytes(32), b"\0\x05\0\0" * 8], ids=["none", "zeros", "looks like it"])
@pytest.mark.parametrize("before", [b"", POINTS, TICKET + POINTS, b"\xff\x01\0\x05\0\x05\0\0\x05"])
@pytest.mark.parametrize("after", [b"", TICKET])
def test_the_announcement_is_found_among_other_extensions(session: bytes, before: bytes, after: bytes) -> None:
    message = server_hello(before + V1 + after, session)
    assert announcement(message) == len(message) - len(after) - 3


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x02",
        server_hello(b""),
        server_hello(POINTS),
        server_hello(V1 + V2),
        server_hello(V2 + V1),
        server_hello(V1 + V1),
        server_hello(b"\0\x05\0\x01\0"),
        server_hello(V1 + b"\0\x23\0\x09\0"),
        server_hello(V1, extra=b"\0"),
        server_hello(V1) + b"\x0b\0\0\0",
        b"\x0b" + server_hello(V1)[1:],
        server_hello(V1)[:-1],
        server_hello(V1 + b"\0\x23\0"),
    ],
    ids=range(14),
)
def test_any_other_message_has_none(message: bytes) -> None:
    assert announcement(message) is None


@given(st.binary(max_size=120))
def test_what_is_found_is_an_empty_status_request(octets: bytes) -> None:
    for message in (octets, server_hello(octets), server_hello(octets, extra=octets)):
        at = announcement(message)
        assert at is None or message[at - 1 : at + 3] == V1


def answering(message: bytes) -> tuple[StatusAnswer, StatusRequestV2, ctypes.Array[ctypes.c_char]]:
    status = StatusRequestV2()
    buffer = ctypes.create_string_buffer(message, 2048)
    answer = StatusAnswer(status, SITE.staples)
    answer.hello_read(ctypes.addressof(buffer))
    return answer, status, buffer


def record(kind: int, message: bytes) -> ctypes.Array[ctypes.c_char]:
    octets = bytes((kind, 3, 3)) + len(message).to_bytes(2) + message
    return ctypes.create_string_buffer(octets, len(octets))


def test_one_octet_is_changed_in_record_and_message_and_nothing_afterwards() -> None:
    message = server_hello(POINTS + V1)
    answer, status, buffer = answering(message)
    built = record(22, message)
    answer.record_built(ctypes.addressof(built))
    changed = server_hello(POINTS + V2)
    assert built.raw == record(22, changed).raw
    assert buffer.raw[: len(changed)] == changed
    again = record(22, message)
    answer.record_built(ctypes.addressof(again))
    assert again.raw == record(22, message).raw
    assert answer.announced
    assert status.problem == ""


@pytest.mark.parametrize(
    ("in_buffer", "in_record"),
    [
        (server_hello(POINTS + V1), server_hello(V1 + POINTS)),
        (server_hello(POINTS), server_hello(POINTS)),
        (server_hello(V1 + V2), server_hello(V1 + V2)),
        (server_hello(V1), server_hello(V1)[:40]),
        (server_hello(V1 + LONG_TICKET), server_hello(V1 + LONG_TICKET)),
    ],
    ids=["two messages", "not announced", "both announced", "a part", "too long"],
)
def test_anything_unexpected_changes_nothing_and_switches_it_off(in_buffer: bytes, in_record: bytes) -> None:
    answer, status, buffer = answering(in_buffer)
    built = record(22, in_record)
    with pytest.raises(HandshakeFailed, match="off from now on") as raised:
        answer.record_built(ctypes.addressof(built))
    assert raised.value.flaw is TlsFlaw.STATION_FAILED
    assert raised.value.answer == Alert.INTERNAL_ERROR.record()
    assert built.raw == record(22, in_record).raw
    assert buffer.raw[: len(in_buffer)] == in_buffer
    assert status.problem.startswith("libssl has built ")
    assert not answer.announced


def test_a_record_before_the_hello_was_read_is_unexpected() -> None:
    status = StatusRequestV2()
    built = record(22, server_hello(V1))
    with pytest.raises(HandshakeFailed):
        StatusAnswer(status, SITE.staples).record_built(ctypes.addressof(built))
    assert status.problem


def test_an_alert_is_not_looked_at() -> None:
    answer, status, _ = answering(server_hello(V1))
    built = record(21, b"\x02\x28")
    answer.record_built(ctypes.addressof(built))
    assert built.raw == record(21, b"\x02\x28").raw
    assert status.problem == ""


def test_one_car_loses_its_handshake_and_the_next_is_served_version_1(monkeypatch: pytest.MonkeyPatch) -> None:
    status = StatusRequestV2()
    context = serving_v2(status)
    with monkeypatch.context() as patch:
        patch.setattr(status_v2, "announcement", lambda message: None)
        with pytest.raises(HandshakeFailed, match="status_request_v2 is off from now on"):
            handshake(context, MinimalClient(ASK_V1 | ASK_V2))
    assert "status_request_v2 is not served, status_request is: libssl has built no " in status.problems[0]
    assert handshake(context, MinimalClient(ASK_V1 | ASK_V2)).responses == (LEAF,)


def test_a_changed_record_alone_is_found_by_the_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """A car never goes on with a handshake that the two ends have hashed differently."""
    changed: list[int] = []

    def first_only(address: int, value: int, count: int) -> int:
        if not changed:
            ctypes.memmove(address, bytes((value,)) * count, count)
        changed.append(address)
        return address

    monkeypatch.setattr(ctypes, "memset", first_only)
    with pytest.raises((HandshakeFailed, SelfTestFailed)):
        served(ASK_V2)
    assert len(changed) >= 2


# --- Many ---


@pytest.mark.case("A-RES-03")
def test_four_hundred_handshakes_leave_nothing_behind() -> None:
    assert handshakes(400, warm=200) < 600_000


def test_two_thousand_broken_hellos() -> None:
    ended = broken_hellos(2_000, seed=1)
    assert ended["answered with a status"] > 100, ended
    assert ended.keys() <= {
        "answered with a status",
        "answered",
        "waiting",
        *(flaw.value for flaw in TlsFlaw if flaw is not TlsFlaw.STATION_FAILED),
    }

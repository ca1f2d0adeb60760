"""The client of the self-test: what it refuses. That it gets through with a server that is right, is in test_status_v2.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.link.tls.connection import TlsConnection
from secc.link.tls.errors import SelfTestFailed, TlsError
from secc.link.tls.minimal_client import MinimalClient, Served
from secc.link.tls.self_test import ASK_V1
from secc.link.tls.status_v2 import StatusRequestV2
from tests.link.tls.hello import records
from tests.link.tls.status_runs import serving_v2
from tests.link.tls.talk import greet

SERVER_HELLO, CERTIFICATE, STATUS, KEY_EXCHANGE, DONE = range(5)
"""Places of the messages in the station's flight."""


def begun(extensions: dict[int, bytes] = ASK_V1) -> tuple[MinimalClient, TlsConnection, list[bytes]]:
    """The client, the station, and the messages of its flight."""
    client = MinimalClient(extensions)
    hello = client.hello()
    station = greet(hello, [serving_v2(StatusRequestV2())])
    station.receive(hello)
    octets, messages = b"", []
    flight = station.drain()
    while flight:
        length = int.from_bytes(flight[3:5])
        octets, flight = octets + flight[5 : 5 + length], flight[5 + length :]
    while octets:
        length = 4 + int.from_bytes(octets[1:4])
        messages.append(octets[:length])
        octets = octets[length:]
    assert [message[0] for message in messages] == [2, 11, 22, 12, 14]
    return client, station, messages


def answered(client: MinimalClient, messages: list[bytes]) -> tuple[bytes, Served]:
    return client.answer(b"".join(map(records, messages)))


def flipped(octets: bytes, at: int) -> bytes:
    at %= len(octets)
    return octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]


def test_a_flight_in_any_records_is_read() -> None:
    client, station, messages = begun()
    octets, served = client.answer(records(b"".join(messages), 7))
    assert served.status_type == 1
    station.receive(octets)
    client.finish(station.drain())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda flight: flight[SERVER_HELLO : KEY_EXCHANGE + 1], "the server's flight has the messages"),
        (lambda flight: [*flight[:KEY_EXCHANGE], flight[DONE]], "the server's flight has the messages"),
        (lambda flight: [flight[0][:38] + b"\0\xc0\x2b" + flight[0][41:], *flight[1:]], "suite C02B"),
        (lambda flight: [flight[0][:5] + b"\x02" + flight[0][6:], *flight[1:]], "version 0302"),
        (lambda flight: [*flight[:KEY_EXCHANGE], flight[3][:6] + b"\x18" + flight[3][7:], flight[4]], "another curve"),
        (lambda flight: [*flight[:KEY_EXCHANGE], flipped(flight[3], 73), flight[4]], "another signature algorithm"),
        (lambda flight: [*flight[:KEY_EXCHANGE], flipped(flight[3], 40), flight[4]], "signature of the Server"),
        (lambda flight: [*flight[:KEY_EXCHANGE], flipped(flight[3], -1), flight[4]], "signature of the Server"),
        (lambda flight: [flipped(flight[0], 20), *flight[1:]], "signature of the Server"),
        (lambda flight: [*flight[:-1], flight[DONE][:3] + b"\x01"], "ends early"),
        (lambda flight: [flight[0], b"\x0b\0\0\x03\0\0\0", *flight[2:]], "presents no certificate"),
    ],
)
def test_a_flight_that_is_wrong_is_refused(change: Callable[[list[bytes]], list[bytes]], said: str) -> None:
    client, _, messages = begun()
    with pytest.raises(SelfTestFailed, match=said):
        answered(client, change(messages))


def test_an_alert_is_refused() -> None:
    client, _, _ = begun()
    with pytest.raises(SelfTestFailed, match="a record of type 21: 0228"):
        client.answer(b"\x15\x03\x03\x00\x02\x02\x28")


def test_a_handshake_that_the_client_has_hashed_differently_is_refused_by_the_station() -> None:
    """Its Finished proves it: here the CertificateStatus of the two ends differs by an octet."""
    client, station, messages = begun()
    messages[STATUS] = flipped(messages[STATUS], -1)
    octets, _ = answered(client, messages)
    with pytest.raises(TlsError):
        station.receive(octets)


def test_a_finished_of_another_handshake_is_refused() -> None:
    client, station, messages = begun()
    octets, _ = answered(client, messages)
    station.receive(octets)
    client._transcript += b"\0"
    with pytest.raises(SelfTestFailed, match="Finished is of another handshake"):
        client.finish(station.drain())


@pytest.mark.parametrize("cut", [6, 0])
def test_an_end_without_finished_is_refused(cut: int) -> None:
    client, station, messages = begun()
    octets, _ = answered(client, messages)
    station.receive(octets)
    with pytest.raises(SelfTestFailed, match="did not end with"):
        client.finish(station.drain()[:cut])


@given(st.integers(0, 400), st.integers(0, 6))
@settings(max_examples=40)
def test_a_finished_with_any_octet_changed_is_refused(at: int, bit: int) -> None:
    client, station, messages = begun()
    octets, _ = answered(client, messages)
    station.receive(octets)
    flight = station.drain()
    start = 6 + 5  # ChangeCipherSpec, and the header of Finished
    at = start + at % (len(flight) - start)
    with pytest.raises(SelfTestFailed):
        client.finish(flight[:at] + bytes((flight[at] ^ 1 << bit,)) + flight[at + 1 :])

"""The ClientHello peek: what it reads, what it tolerates, what it refuses, and that nothing else comes out of it."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.link.tls.chain import encode_trusted_ca_keys
from secc.link.tls.errors import HelloRejected
from secc.link.tls.hello import MAX_OCTETS, ClientHello, IdentifierType, TrustedAuthority, peek
from tests.link.tls.hello import C023, C025, client_hello, message, numbers, records

HASH = bytes(range(20))
OTHER = bytes(range(100, 120))
# The bodies of the extension as two cars on the road send them.
TWO_CERT_HASHES = bytes.fromhex(
    "002a03d8367e861f5807f8141fea572d676dbf58bb5f7c038c821f41604ed4c3431cf6d19f2ae107cf1f50e1"
)
TWO_KEY_HASHES_WITHOUT_LENGTH = bytes.fromhex(
    "014cd7290bf592d2c1ba90f56e08946d4c8e99dc380100fae3900795c888a4d4d7bd9fdffa60418ac19f"
)


def read(octets: bytes, *, strict: bool = False) -> ClientHello:
    hello = peek(octets, strict=strict)
    assert hello is not None
    return hello


def trusted(body: bytes, *, strict: bool = False) -> ClientHello:
    return read(client_hello(extensions={3: body}), strict=strict)


def kinds(hello: ClientHello) -> list[IdentifierType] | None:
    return None if hello.trusted_ca_keys is None else [authority.kind for authority in hello.trusted_ca_keys]


def test_every_offer_is_read() -> None:
    hello = read(
        client_hello(
            suites=(C023, C025),
            extensions={
                0: bytes.fromhex("0007 00 0004") + b"secc",
                1: b"\x01",
                5: bytes.fromhex("0100000000"),
                17: bytes.fromhex("000e 02 0004 00000000 01 0004 00000000"),
                43: numbers((0x0304, 0x0303), 1),
                47: bytes.fromhex("0004 0002 3000"),
            },
        )
    )
    assert hello.legacy_version == 0x0303
    assert hello.suites == (C023, C025)
    assert hello.versions == (0x0304, 0x0303)
    assert hello.groups == (23,)
    assert hello.signature_algorithms == (0x0403,)
    assert hello.server_name == "secc"
    assert hello.status_request
    assert hello.status_request_v2 == (2, 1)
    assert hello.certificate_authorities == (b"\x30\x00",)
    assert hello.trusted_ca_keys is None
    assert hello.quirks == ()
    assert hello.extensions == (10, 11, 13, 0, 1, 5, 17, 43, 47)


def test_a_hello_without_extensions_is_read() -> None:
    hello = read(client_hello(groups=None, algorithms=None))
    assert hello.versions == (0x0303,)
    assert hello.groups is None
    assert hello.signature_algorithms is None
    assert hello.offers(0x0303)
    assert hello.offers(0x0302)
    assert not hello.offers(0x0304)


def test_supported_versions_says_it_all() -> None:
    hello = read(client_hello(extensions={43: numbers((0x0304,), 1)}))
    assert hello.offers(0x0304)
    assert not hello.offers(0x0303)


def test_a_hello_made_by_another_library_is_read() -> None:
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    hello = read(outgoing.read())
    assert 0x0304 in hello.versions
    assert 0xC02B in hello.suites
    assert 23 in (hello.groups or ())


@pytest.mark.parametrize("size", [7, 64, 512])
def test_a_hello_over_many_records_is_put_together(size: int) -> None:
    whole = message(extensions={47: numbers(()), 0xFDE8: bytes(300)})
    octets = records(whole, size)
    assert read(octets) == read(records(whole))
    assert all(peek(octets[:length]) is None for length in range(len(octets)))


@pytest.mark.case("TLS-05", "Q-21")
def test_all_four_identifier_types_are_read() -> None:
    body = encode_trusted_ca_keys(
        [
            TrustedAuthority(IdentifierType.PRE_AGREED, b""),
            TrustedAuthority(IdentifierType.KEY_SHA1_HASH, HASH),
            TrustedAuthority(IdentifierType.X509_NAME, b"\x30\x00"),
            TrustedAuthority(IdentifierType.CERT_SHA1_HASH, OTHER),
        ]
    )
    hello = trusted(body, strict=True)
    assert hello.trusted_ca_keys == (
        TrustedAuthority(IdentifierType.PRE_AGREED, b""),
        TrustedAuthority(IdentifierType.KEY_SHA1_HASH, HASH),
        TrustedAuthority(IdentifierType.X509_NAME, b"\x30\x00"),
        TrustedAuthority(IdentifierType.CERT_SHA1_HASH, OTHER),
    )
    assert hello.quirks == ()


def test_the_extension_of_a_car_that_does_it_right() -> None:
    hello = trusted(TWO_CERT_HASHES, strict=True)
    assert kinds(hello) == [IdentifierType.CERT_SHA1_HASH] * 2
    assert not hello.quirks


@pytest.mark.case("TLS-06", "Q-20")
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (TWO_KEY_HASHES_WITHOUT_LENGTH, [IdentifierType.KEY_SHA1_HASH] * 2),
        (HASH, [IdentifierType.BARE_SHA1]),
        (HASH + OTHER, [IdentifierType.BARE_SHA1] * 2),
        (b"\x00\x28" + OTHER + HASH, [IdentifierType.BARE_SHA1] * 2),
        (b"\x00\x99\x03" + HASH, [IdentifierType.CERT_SHA1_HASH]),
        (b"\x00\x05\x09abcd", None),
        (b"\x09", None),
        (b"", None),
    ],
)
def test_malformed_lists_are_read_or_passed_over_and_noted(body: bytes, found: list[IdentifierType] | None) -> None:
    hello = trusted(body)
    assert kinds(hello) == found
    assert hello.quirks == ("Q-20",)
    with pytest.raises(HelloRejected) as caught:
        trusted(body, strict=True)
    assert caught.value.answer == bytes.fromhex("15030300020232")


@pytest.mark.case("TLS-10")
@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.1\r\n", b"\x01\xfe\x80\x01", b"\x80\x2e\x01\x03\x01", b"\x17\x03\x03"]
)
def test_who_speaks_no_tls_hears_nothing(octets: bytes) -> None:
    with pytest.raises(HelloRejected) as caught:
        peek(octets)
    assert caught.value.answer == b""


@pytest.mark.parametrize(
    ("octets", "alert"),
    [
        (records(b"\x02\x00\x00\x00"), 10),
        (b"\x16\x03\x01\x00\x00", 10),
        (b"\x16\x03\x01\x40\x01", 22),
        (records(b"\x01\x01\x00\x00"), 50),
        (records(b"\x01\x00\x00\x02\x03\x03"), 50),
        (client_hello(extensions={10: b"\x00\x03\x00\x17\x00"}), 50),
        (client_hello(extensions={13: b"\x00\x02\x04"}), 50),
        (records(message())[:12] + b"\x17" * 20, 50),
        (records(message(), 7)[:12] + b"\x17\x03\x03", 10),
        (records(message(extensions={0xFDE8: bytes(100)}), 1), 50),
    ],
)
def test_a_broken_hello_is_answered_with_an_alert(octets: bytes, alert: int) -> None:
    with pytest.raises(HelloRejected) as caught:
        peek(octets + bytes(200))
    assert caught.value.answer == bytes((0x15, 3, 3, 0, 2, 2, alert))
    assert caught.value.fatal


def test_an_extension_twice_is_refused() -> None:
    twice = b"\xfd\xe8\x00\x00" * 2
    body = bytes.fromhex("0303") + bytes(32) + b"\0" + numbers((C023,)) + b"\x01\x00" + len(twice).to_bytes(2) + twice
    with pytest.raises(HelloRejected, match="twice"):
        peek(records(b"\x01" + len(body).to_bytes(3) + body))


def test_no_hello_is_waited_for_beyond_16_kib() -> None:
    assert peek(records(message(extensions={0xFDE8: bytes(MAX_OCTETS - 200)}))) is not None
    with pytest.raises(HelloRejected):
        peek(records(message(extensions={0xFDE8: bytes(MAX_OCTETS)})))


full = message(
    suites=(C023, 0xC02B),
    extensions={
        0: bytes.fromhex("00070000 04") + b"secc",
        3: TWO_CERT_HASHES,
        5: bytes.fromhex("0100000000"),
        17: bytes.fromhex("0007 02 0004 00000000"),
        43: numbers((0x0304, 0x0303), 1),
        47: bytes.fromhex("0004 0002 3000"),
    },
)


@given(st.binary(max_size=200), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_random_octets_are_a_hello_or_refused(octets: bytes, framed: bool, strict: bool) -> None:
    with contextlib.suppress(HelloRejected):
        peek(records(b"\x01" + len(octets).to_bytes(3) + octets) if framed else octets, strict=strict)


@given(
    st.lists(st.tuples(st.integers(4, len(full) - 1), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(20, len(full)),
    st.booleans(),
)
@settings(max_examples=100)
def test_mutated_hellos_are_read_or_refused(changes: list[tuple[int, int]], cut: int, strict: bool) -> None:
    octets = bytearray(full)
    for at, value in changes:
        octets[at] = value
    with contextlib.suppress(HelloRejected):
        peek(records(bytes(octets), cut), strict=strict)


@given(st.binary(max_size=100))
@settings(max_examples=100)
def test_any_trusted_ca_keys_is_tolerated(body: bytes) -> None:
    hello = trusted(body)
    assert hello.trusted_ca_keys is not None or hello.quirks == ("Q-20",)

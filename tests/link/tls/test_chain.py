"""Chains and profiles as values: who satisfies what, and whom a profile suits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.link.tls.chain import ISO15118_2, ISO15118_2_STRICT, Chain, encode_trusted_ca_keys, root_named
from secc.link.tls.errors import ContextRejected
from secc.link.tls.hello import ClientHello, IdentifierType, TrustedAuthority, peek
from tests.link.tls.chains import pki
from tests.link.tls.hello import client_hello


def test_more_ends_than_certificates_are_refused() -> None:
    with pytest.raises(ContextRejected, match="4 staples for 3 certificates"):
        Chain("x", pki("A").certificates, (), (), [None] * 4)


def test_staples_stand_beside_their_certificates() -> None:
    site = pki("A")
    assert Chain("x", site.certificates, (), site.staples[:1]).staples == (site.staples[0], None, None)


def test_a_cross_signed_chain_satisfies_either_root() -> None:
    one, other = pki("A"), pki("B")
    chain = Chain("both", one.certificates, (one.root, other.root))
    assert chain.satisfies(root_named(one.root))
    assert chain.satisfies(root_named(other.root))
    assert not chain.satisfies(root_named(pki("C").root))


@given(st.binary(max_size=60))
@settings(max_examples=60)
def test_a_root_that_is_no_certificate_is_refused(octets: bytes) -> None:
    with pytest.raises(ContextRejected):
        Chain("x", (b"leaf",), (octets,))


@given(st.integers(0, 800), st.integers(0, 255))
@settings(max_examples=60)
def test_a_damaged_root_is_read_or_refused(at: int, value: int) -> None:
    root = bytearray(pki("A").root)
    root[at % len(root)] = value
    try:
        chain = Chain("x", (b"leaf",), (bytes(root),))
    except ContextRejected:
        return
    assert chain.satisfies(root_named(bytes(root)))


@pytest.mark.parametrize(
    ("hello", "usual", "strict"),
    [
        (ClientHello(0x0303, (0xC023,)), True, True),
        (ClientHello(0x0303, (0xC02B,)), True, False),
        (ClientHello(0x0303, (0xC025,)), False, False),
        (ClientHello(0x0302, (0xC023,)), False, False),
        (ClientHello(0x0303, (0xC023,), groups=(24,)), False, False),
        (ClientHello(0x0303, (0xC023,), signature_algorithms=(0x0401,)), False, False),
    ],
)
@pytest.mark.case("Q-22")
def test_whom_the_profiles_suit(hello: ClientHello, usual: bool, strict: bool) -> None:
    assert ISO15118_2.suits(hello) is usual
    assert ISO15118_2_STRICT.suits(hello) is strict


hash_named = st.builds(
    TrustedAuthority,
    st.sampled_from([IdentifierType.KEY_SHA1_HASH, IdentifierType.CERT_SHA1_HASH]),
    st.binary(min_size=20, max_size=20),
)
name_named = st.builds(TrustedAuthority, st.just(IdentifierType.X509_NAME), st.binary(max_size=100))
pre_agreed = st.just(TrustedAuthority(IdentifierType.PRE_AGREED, b""))


@given(st.lists(st.one_of(hash_named, name_named, pre_agreed), max_size=10))
@settings(max_examples=60)
def test_what_a_car_encodes_is_what_the_station_reads(authorities: list[TrustedAuthority]) -> None:
    hello = peek(client_hello(extensions={3: encode_trusted_ca_keys(authorities)}), strict=True)
    assert hello is not None
    assert hello.trusted_ca_keys == tuple(authorities)

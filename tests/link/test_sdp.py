"""SDP: requests, responses, who is answered with what, and how often."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.errors import EncodeError, FramingError
from secc.link.sdp import (
    RateLimit,
    Request,
    Response,
    Security,
    answer,
    answerable,
    build_request,
    build_response,
    parse_request,
    parse_response,
)

ASK_TLS = bytes.fromhex("01FE9000000000020000")
ASK_PLAIN = bytes.fromhex("01FE9000000000021000")


@pytest.mark.case("I2-TPS-01")
def test_a_valid_request_gets_a_response_of_28_octets() -> None:
    assert parse_request(ASK_TLS) == Request(Security.TLS)
    response = build_response(IPv6Address("fe80::1"), 50_000, Security.TLS)
    assert response == bytes.fromhex("01FE900100000014" + "FE80" + "00" * 13 + "01" + "C350" + "0000")
    assert parse_response(response) == Response(IPv6Address("fe80::1"), 50_000, Security.TLS)


@pytest.mark.parametrize(
    "bad",
    [
        "01FE900000000000",
        "01FE7000000000020000",
        "FFFE9000000000020000",
        "01FF9000000000020000",
        "01FE9000000000020010",
        "01FE9000000000024200",
        "01FE900000000003000000",
        "01FE900000000002000000",
        "01FE90000000000200",
        "01FE9001000000020000",
        "",
    ],
)
def test_anything_but_a_request_is_refused_without_harm(bad: str) -> None:
    with pytest.raises(FramingError) as caught:
        parse_request(bytes.fromhex(bad))
    assert not caught.value.fatal


@pytest.mark.case("A-NET-04", "Q-15")
@pytest.mark.parametrize(
    ("offered", "tls", "plain", "said"),
    [
        (Security.TLS, True, True, Security.TLS),
        (Security.TLS, True, False, Security.TLS),
        (Security.TLS, False, True, Security.NONE),
        (Security.TLS, False, False, None),
        (Security.NONE, True, True, Security.NONE),
        (Security.NONE, True, False, Security.TLS),
        (Security.NONE, False, True, Security.NONE),
        (Security.NONE, False, False, None),
    ],
)
def test_the_answer_says_what_will_be_accepted(
    offered: Security, tls: bool, plain: bool, said: Security | None
) -> None:
    assert answer(offered, tls=tls, plain=plain) is said


@pytest.mark.case("A-NET-03")
def test_only_neighbours_are_answered() -> None:
    assert answerable("fe80::1")
    assert answerable("fe80::3ea9:1%eth1")
    assert answerable("::1")
    for source in ("2001:db8::1", "::", "fd00::1", "::ffff:127.0.0.1", "ff02::1", "192.0.2.1", "", "eth0"):
        assert not answerable(source)


@pytest.mark.case("TP-13")
def test_fifty_requests_in_a_row_are_all_answered() -> None:
    limit = RateLimit()
    assert all(limit.admit("fe80::1", 100.0) for _ in range(50))
    assert not limit.admit("fe80::1", 100.0)


@pytest.mark.case("A-NET-02")
def test_a_flood_is_cut_to_ten_a_second_and_hurts_no_other_source() -> None:
    limit = RateLimit()
    admitted = sum(limit.admit("fe80::bad", step / 10_000) for step in range(100_000))
    assert 50 + 99 <= admitted <= 50 + 101
    assert limit.admit("fe80::1", 10.0)


def test_a_flood_from_ever_new_sources_takes_bounded_memory() -> None:
    limit = RateLimit(sources=16)
    for number in range(1000):
        assert limit.admit(f"fe80::{number:x}", 0.0)
    assert len(limit._buckets) == 16


def test_no_response_names_port_zero() -> None:
    with pytest.raises(EncodeError):
        build_response(IPv6Address("::1"), 0, Security.TLS)
    with pytest.raises(FramingError):
        parse_response(bytes.fromhex("01FE900100000014" + "00" * 20))


@given(st.integers(0, 2**128 - 1), st.integers(1, 65_535), st.sampled_from(Security))
@settings(max_examples=50)
def test_what_is_built_is_parsed(address: int, port: int, security: Security) -> None:
    assert parse_request(build_request(security)) == Request(security)
    sent = Response(IPv6Address(address), port, security)
    assert parse_response(build_response(sent.address, port, security)) == sent


mutated = st.builds(
    lambda octets, at, value, cut: (octets[:at] + bytes((value,)) + octets[at + 1 :])[:cut],
    st.sampled_from([ASK_TLS, ASK_PLAIN, build_response(IPv6Address("fe80::1"), 50_000, Security.TLS)]),
    st.integers(0, 27),
    st.integers(0, 255),
    st.integers(0, 30),
)


@given(st.one_of(st.binary(max_size=40), mutated))
@settings(max_examples=100)
def test_any_datagram_parses_or_is_harmless(octets: bytes) -> None:
    for parse in (parse_request, parse_response):
        try:
            parse(octets)
        except FramingError as error:
            assert not error.fatal

"""V2GTP framing: what goes through, what is ignored, what ends the stream."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.errors import EncodeError, FramingError
from secc.link.v2gtp import SESSION_TYPES, Frame, Framer, PayloadType, frame, unframe

HELLO = bytes.fromhex("01FE8001000000058000DBAB93")


def header(
    version: int = 1, inverse: int = 0xFE, kind: int = 0x8001, length: int = 4, payload: bytes | None = None
) -> bytes:
    head = bytes((version, inverse)) + kind.to_bytes(2) + length.to_bytes(4)
    return head + (bytes(length) if payload is None else payload)


@pytest.mark.case("I2-TPV-01")
def test_a_frame_has_eight_octets_in_front() -> None:
    assert frame(PayloadType.EXI, bytes.fromhex("8000DBAB93")) == HELLO
    assert Framer().feed(HELLO) == [Frame(PayloadType.EXI, bytes.fromhex("8000DBAB93"))]


@pytest.mark.parametrize("step", [1, 3, 8, 12])
def test_segments_of_any_size_are_put_together(step: int) -> None:
    framer, frames = Framer(), []
    for start in range(0, len(HELLO), step):
        frames += framer.feed(HELLO[start : start + step])
        assert framer.partial is (start + step < len(HELLO))
    assert [found.payload for found in frames] == [HELLO[8:]]


@pytest.mark.case("TP-03")
def test_two_frames_in_one_segment_come_in_order() -> None:
    both = frame(PayloadType.EXI, b"first") + frame(PayloadType.DC, b"second") + HELLO[:5]
    assert Framer().feed(both) == [Frame(PayloadType.EXI, b"first"), Frame(PayloadType.DC, b"second")]


@pytest.mark.case("A-V2G-05")
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (header(length=0), "payload length 0"),
        (header(kind=0x7001), "payload type 0x7001"),
        (header(version=0xFF), "version 0xFF"),
        (header(inverse=0xFF), "inverse version 0xFF"),
        (header(kind=0x9000, length=2), "payload type 0x9000"),
    ],
)
def test_a_bad_header_is_ignored_with_its_payload(bad: bytes, why: str) -> None:
    framer = Framer()
    assert framer.feed(bad[:9]) == []
    assert framer.feed(bad[9:] + HELLO) == [Frame(PayloadType.EXI, HELLO[8:])]
    assert len(framer.ignored) == 1
    assert why in framer.ignored[0]


@pytest.mark.case("TP-05")
def test_a_type_outside_the_agreed_protocol_is_ignored() -> None:
    framer = Framer(accepted=(PayloadType.EXI,))
    assert framer.feed(frame(PayloadType.COMMON, b"-20")) == []
    assert framer.feed(HELLO)[0].payload_type is PayloadType.EXI


@pytest.mark.case("A-V2G-05", "TP-04")
def test_the_third_bad_header_ends_the_stream_after_what_came_before() -> None:
    framer = Framer()
    assert framer.feed(header(version=2) * 2) == []
    assert framer.feed(HELLO + header(kind=0) + HELLO) == [Frame(PayloadType.EXI, HELLO[8:])]
    assert framer.failure is not None
    with pytest.raises(FramingError) as caught:
        framer.feed(b"")
    assert caught.value.fatal
    assert caught.value is framer.failure


@pytest.mark.case("TP-07", "A-V2G-01")
def test_a_length_beyond_the_limit_ends_the_stream_before_anything_is_stored() -> None:
    framer = Framer(limit=1000)
    assert framer.feed(header(length=1000)) == [Frame(PayloadType.EXI, bytes(1000))]
    with pytest.raises(FramingError, match="beyond the limit") as caught:
        framer.feed(header(length=1_048_576, payload=bytes(5000)))
    assert caught.value.fatal
    assert not framer.partial


def test_a_long_ignored_payload_is_not_stored() -> None:
    framer = Framer()
    framer.feed(header(kind=0x7001, length=60_000, payload=b""))
    for _ in range(60):
        framer.feed(bytes(1000))
        assert len(framer._held) == 0
    assert not framer.partial
    assert framer.feed(HELLO)


def test_nothing_empty_is_framed() -> None:
    with pytest.raises(EncodeError):
        frame(PayloadType.EXI, b"")


@given(st.binary(max_size=300), st.lists(st.integers(1, 300), max_size=10))
@settings(max_examples=100)
def test_any_octets_frame_or_raise_framing_error_however_they_are_cut(octets: bytes, cuts: list[int]) -> None:
    def run(pieces: list[bytes]) -> tuple[list[Frame], bool]:
        framer, frames = Framer(limit=100), []
        try:
            for piece in [*pieces, b""]:
                frames += framer.feed(piece)
        except FramingError as error:
            assert error.fatal
            return frames, False
        assert len(framer._held) <= 108
        return frames, True

    pieces, start = [], 0
    for cut in cuts:
        pieces.append(octets[start : start + cut])
        start += cut
    assert run([*pieces, octets[start:]]) == run([octets])


messages = st.lists(
    st.tuples(st.sampled_from(sorted(SESSION_TYPES)), st.binary(min_size=1, max_size=200)), min_size=1, max_size=6
)


@given(messages, st.integers(1, 50))
@settings(max_examples=60)
def test_what_is_framed_comes_out_again(sent: list[tuple[PayloadType, bytes]], step: int) -> None:
    octets = b"".join(frame(kind, payload) for kind, payload in sent)
    framer, found = Framer(), []
    for start in range(0, len(octets), step):
        found += framer.feed(octets[start : start + step])
    assert found == [Frame(kind, payload) for kind, payload in sent]
    assert not framer.partial


@given(st.binary(max_size=40))
@settings(max_examples=100)
def test_any_datagram_is_one_frame_or_a_harmless_error(octets: bytes) -> None:
    try:
        found = unframe(octets, tuple(PayloadType))
    except FramingError as error:
        assert not error.fatal
    else:
        assert frame(found.payload_type, found.payload) == octets

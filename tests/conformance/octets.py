"""Requests that no encoder writes: a value of another length put into the EXI of a good one."""

from __future__ import annotations

from secc.link.v2gtp import PayloadType, frame, unframe


def bits(octets: bytes) -> str:
    return "".join(f"{octet:08b}" for octet in octets)


def with_binary(framed: bytes, old: bytes, new: bytes) -> bytes:
    """The framed message with ``new`` in place of the binary value ``old``, which occurs once. Its length is one octet in front of it."""
    return _with(framed, old, new, 0)


def with_text(framed: bytes, old: str, new: str) -> bytes:
    """As ``with_binary``, for an ASCII text: the length in front of it is two more."""
    return _with(framed, old.encode("ascii"), new.encode("ascii"), 2)


def _with(framed: bytes, old: bytes, new: bytes, more: int) -> bytes:
    message = unframe(framed, (PayloadType.EXI,)).payload
    before = bits(bytes([len(old) + more]) + old)
    found = bits(message)
    assert found.count(before) == 1
    found = found.replace(before, bits(bytes([len(new) + more]) + new)).ljust(8 * (len(message) + len(new)), "0")
    return frame(PayloadType.EXI, int(found, 2).to_bytes(len(found) // 8))

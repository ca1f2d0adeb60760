"""ClientHellos made by hand, for cars that no library here would play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

C023, C025, C02B = 0xC023, 0xC025, 0xC02B


def numbers(values: Sequence[int], width: int = 2) -> bytes:
    """A vector of u16 with a length of ``width`` octets in front."""
    listed = b"".join(value.to_bytes(2) for value in values)
    return len(listed).to_bytes(width) + listed


def message(
    suites: Sequence[int] = (C023,),
    extensions: Mapping[int, bytes] | None = None,
    version: int = 0x0303,
    groups: Sequence[int] | None = (23,),
    algorithms: Sequence[int] | None = (0x0403,),
) -> bytes:
    """A ClientHello message without a record around it. ``extensions`` come after the usual ones, and replace them."""
    known: dict[int, bytes] = {}
    if groups is not None:
        known |= {10: numbers(groups), 11: b"\x01\x00"}
    if algorithms is not None:
        known[13] = numbers(algorithms)
    known |= extensions or {}
    listed = b"".join(kind.to_bytes(2) + len(body).to_bytes(2) + body for kind, body in known.items())
    body = version.to_bytes(2) + bytes(range(32)) + b"\0" + numbers(suites) + b"\x01\x00"
    if known:
        body += len(listed).to_bytes(2) + listed
    return b"\x01" + len(body).to_bytes(3) + body


def records(octets: bytes, size: int = 16_384) -> bytes:
    """A handshake message in records of at most ``size`` octets."""
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)


def client_hello(**changes: object) -> bytes:
    """One record with the hello of a car of ISO 15118-2."""
    return records(message(**changes))  # type: ignore[arg-type]  # the names are those of message()

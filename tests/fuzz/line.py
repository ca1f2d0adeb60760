"""A line between car and station that does what it likes with a few of the car's messages: bits, fields, order, timing, ends."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from secc.errors import DecodeError, EncodeError
from secc.iso2.messages import SCHEMA, V2G_Message
from secc.link.v2gtp import HEADER_OCTETS, PayloadType, frame
from tests.fuzz.frames import ISO2, mutated, other_field, spoken

Piece = tuple[float, bytes | None]
"""So many seconds later these octets arrive; None: the car closes."""

EVERY: Final = (
    "supportedAppProtocolReq", "SessionSetupReq", "ServiceDiscoveryReq", "ServiceDetailReq", "PaymentServiceSelectionReq",
    "AuthorizationReq", "ChargeParameterDiscoveryReq", "PowerDeliveryReq", "PowerDeliveryReq", "SessionStopReq",
)  # fmt: skip
DC: Final = ("CableCheckReq", "PreChargeReq", "CurrentDemandReq", "CurrentDemandReq", "WeldingDetectionReq")
AC: Final = ("ChargingStatusReq", "ChargingStatusReq")
CONTRACT: Final = ("PaymentDetailsReq", "AuthorizationReq", "MeteringReceiptReq")


@cache
def others() -> tuple[bytes, ...]:
    """Messages of other sessions."""
    return tuple(octets for schema, octets in spoken(ISO2) if schema != "sap")


def read(segment: bytes) -> V2G_Message | None:
    """The message of a segment; None for any other octets."""
    try:
        return SCHEMA.decode(segment[HEADER_OCTETS:])
    except DecodeError:
        return None


class BadLine:
    """The line of one session. Which messages it changes, and how, is drawn at the beginning."""

    def __init__(self, chance: random.Random, *, dc: bool, contract: bool) -> None:
        self.chance = chance
        names = [*EVERY, *(DC if dc else AC), *(CONTRACT if contract else ())]
        self.fates = {
            (chance.choice(names), chance.choice((0, 0, 0, 1, 3))): chance.choice(FATES)
            for _ in range(chance.choice((0, 1, 1, 2, 3)))
        }
        """By the request, and how many of its kind went before it."""
        self._sent: Counter[str] = Counter()
        self._held = b""

    def __str__(self) -> str:
        return ", ".join(f"{name} {number}: {fate.__name__}" for (name, number), fate in self.fates.items())

    def carry(self, segment: bytes) -> list[Piece]:
        """What becomes of a message of the car."""
        held, self._held = self._held, b""
        message = read(segment) if self._sent else None
        name = "supportedAppProtocolReq" if message is None else type(message.body).__name__
        fate = self.fates.get((name, self._sent[name]), BadLine.whole)
        self._sent[name] += 1
        return [*fate(self, segment), *([(0.01, held)] if held else [])]

    def whole(self, segment: bytes) -> list[Piece]:
        return [(0.0, segment)]

    def bits(self, segment: bytes) -> list[Piece]:
        payload = mutated(self.chance, segment[HEADER_OCTETS:], others())
        return [(0.0, frame(PayloadType.EXI, payload or b"\x80"))]

    def octets(self, segment: bytes) -> list[Piece]:
        return [(0.0, mutated(self.chance, segment, others()))]

    def field(self, segment: bytes) -> list[Piece]:
        return [(0.0, _changed(segment, lambda message: other_field(self.chance, message)))]

    def body_field(self, segment: bytes) -> list[Piece]:
        def other(message: V2G_Message) -> V2G_Message:
            return replace(message, body=other_field(self.chance, message.body))

        return [(0.0, _changed(segment, other))]

    def other_message(self, segment: bytes) -> list[Piece]:
        """Another request in its place, with this session's id."""
        body = SCHEMA.decode(self.chance.choice(others())).body
        return [(0.0, _changed(segment, lambda message: replace(message, body=body)))]

    def one_more(self, segment: bytes) -> list[Piece]:
        """Another request behind it, before it is answered or after."""
        ((_, more),) = self.other_message(segment)
        return [(0.0, segment), (self.chance.choice((0.0, 0.0, 0.05, 0.5)), more)]

    def joined(self, segment: bytes) -> list[Piece]:
        """So many requests in one write."""
        return [(0.0, segment * self.chance.choice((2, 3, 10)))]

    def again(self, segment: bytes) -> list[Piece]:
        return [(0.0, segment), (self.chance.choice((0.0, 0.1, 1.0)), segment)]

    def lost(self, segment: bytes) -> list[Piece]:
        return []

    def late(self, segment: bytes) -> list[Piece]:
        return [(self.chance.choice((0.1, 1.0, 1.9, 2.5, 30.0, 61.0)), segment)]

    def swapped(self, segment: bytes) -> list[Piece]:
        """It comes behind the next one, if there is a next one."""
        self._held = segment
        return []

    def cut(self, segment: bytes) -> list[Piece]:
        at = self.chance.randrange(len(segment) + 1)
        return [(0.0, segment[:at]), (self.chance.choice((0.0, 0.001, 0.5, 9.0, 11.0)), segment[at:])]

    def garbage(self, segment: bytes) -> list[Piece]:
        before = [
            b"\x80" + self.chance.randbytes(self.chance.randrange(1, 40)) for _ in range(self.chance.randrange(1, 5))
        ]
        return [*((0.0, frame(PayloadType.EXI, one)) for one in before), (0.0, segment)]

    def header(self, segment: bytes) -> list[Piece]:
        made = bytearray(segment)
        made[self.chance.randrange(HEADER_OCTETS)] ^= 1 << self.chance.randrange(8)
        return [(0.0, bytes(made))]

    def closed(self, segment: bytes) -> list[Piece]:
        return [(0.0, segment[: self.chance.randrange(len(segment) + 1)]), (self.chance.choice((0.0, 0.1)), None)]


FATES: Final[tuple[Callable[[BadLine, bytes], list[Piece]], ...]] = (
    BadLine.bits, BadLine.bits, BadLine.octets, BadLine.field, BadLine.body_field, BadLine.body_field, BadLine.other_message,
    BadLine.other_message, BadLine.one_more, BadLine.joined, BadLine.again, BadLine.lost, BadLine.late, BadLine.swapped,
    BadLine.cut, BadLine.garbage, BadLine.header, BadLine.closed,
)  # fmt: skip


def _changed(segment: bytes, change: Callable[[V2G_Message], Any]) -> bytes:
    message = read(segment)
    if message is None or message.body is None:
        return segment
    try:
        return frame(PayloadType.EXI, SCHEMA.encode(change(message)))
    except EncodeError:
        return segment

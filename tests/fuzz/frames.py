"""Messages of good sessions, and what may become of them on the line: bits, octets, fields, ends."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from secc.errors import EncodeError
from secc.exi.datatypes import Boolean, Datatype, Enumeration, NBit, Octets, Signed, String, Unsigned
from secc.exi.grammar import ComplexType, Part, complex_type
from secc.iso2 import messages as iso2
from secc.iso2 import protocol as iso2_protocol
from secc.link.v2gtp import HEADER_OCTETS
from secc.session import supported_app_protocol as sap
from secc.session.protocol import V2gProtocol
from tests.exi_vectors import SCHEMAS, vectors
from tests.pair import Pair
from tests.ways import EVERY_KIND
from tools.evcc.behaviour import Behaviour

LONGEST: Final = 8192
SHORT: Final = 100
"""Octets of a message in which every place is looked at."""
NUMBERS: Final = (
    0,
    1,
    -1,
    2,
    99,
    100,
    127,
    128,
    200,
    255,
    256,
    16383,
    16384,
    32767,
    -32768,
    2**16,
    2**31,
    2**63,
    2**159,
)
TEXTS: Final = ("", "\x00", "a" * 200, "é" * 10, "\U0001f50c", "%s%n", "<a>&amp;", "\r\nINFO ", "DE*PNX*E1", "\ud7ff")
MANY: Final = 3
FULL: Final = 12
"""Lists with at most so many items are full where everything is there."""


@dataclass(frozen=True)
class Dialect:
    """A protocol whose frames are changed. ``messages``: its module of them, ``sessions`` good ones, not run yet."""

    schema: str
    protocol: V2gProtocol
    messages: Any
    sessions: Callable[[], Iterator[Pair]]


def _iso2_sessions() -> Iterator[Pair]:
    return (way.pair(Behaviour(loops=3, renegotiate_after=2, ask_detail=True)) for way in EVERY_KIND)


ISO2: Final = Dialect("iso15118-2", iso2_protocol(), iso2, _iso2_sessions)


def spoken(dialect: Dialect) -> Iterator[tuple[str, bytes]]:
    """Yields every message of its good sessions, by its schema: of the car and of the station."""
    for pair in dialect.sessions():
        pair.run()
        # The car's segments have their header; the station's messages stand without one.
        octets = [one[HEADER_OCTETS:] if one[:2] == b"\x01\xfe" else one for one in pair.transcript]
        yield from (("sap" if number < 2 else dialect.schema, one) for number, one in enumerate(octets))


def corpus(seed: int, dialect: Dialect = ISO2) -> list[tuple[str, bytes]]:
    """Returns what every run begins with: good sessions, the vectors of other codecs, and a message of each type that the declarations allow."""
    chance = random.Random(seed)
    found = [*spoken(dialect)]
    stems = ("sap", dialect.schema, "empty-value-forms", "cbv2g-deviations", f"fragment-{dialect.schema}")
    for vector in vectors(*stems, names={"sap", dialect.schema}):
        if len(octets := bytes.fromhex(vector["exi"])) <= LONGEST:
            found.append((vector["schema"], octets))
    m = dialect.messages
    for body in m.BODY_ELEMENTS:
        for full in (0.0, 0.5, 0.5, 1.0):
            maker = Maker(chance, full)
            message = m.V2G_Message(header=maker.make(m.MessageHeader), body=maker.make(body))
            found += encoded(dialect.schema, message)
    for cls in sap.SCHEMA.roots:
        found += [row for full in (0.0, 1.0) for row in encoded("sap", Maker(chance, full).make(cls))]
    return list(dict.fromkeys(found))


def encoded(schema: str, message: Any) -> list[tuple[str, bytes]]:
    """Returns the message under its schema, or nothing if no encoder writes it."""
    try:
        octets = SCHEMAS[schema].encode(message)
    except EncodeError:
        return []
    return [(schema, octets)] if len(octets) <= LONGEST else []


# --- mutations --------------------------------------------------------------------------------------------------------


def mutated(chance: random.Random, octets: bytes, others: Sequence[bytes]) -> bytes:
    """Returns the octets with one to four changes: bits, octets, ends, and parts of another message."""
    made = bytearray(octets)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not made:
            return bytes(made)
        at = chance.randrange(len(made))
        match chance.randrange(12):
            case 0:
                del made[at:]
            case 1:
                made[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 2:
                del made[at : at + chance.randrange(1, 9)]
            case 3:
                made[at] = chance.choice((0x00, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 4:
                made += chance.randbytes(chance.randrange(1, 20))
            case 5:
                other = chance.choice(others)
                made[at:] = other[chance.randrange(len(other) + 1) :]
            case 6 if len(made) <= SHORT:
                made[:] = chance.choice([*empty_as_end(bytes(made))] or [made])
            case 7:
                # All that follows comes a few bits earlier or later.
                shift = chance.randrange(1, 8)
                tail = (
                    int.from_bytes(made[at:]) << shift if chance.random() < 0.5 else int.from_bytes(made[at:]) >> shift
                )
                made[at:] = tail.to_bytes(len(made) - at + 1)[-(len(made) - at) :]
            case _:
                made[at] ^= 1 << chance.randrange(8)
    return bytes(made[:LONGEST])


def empty_as_end(octets: bytes) -> Iterator[bytes]:
    """Yields the octets with one empty text or blob written as the end of its element, as EXIficient does, for each place that may be one."""
    n, length = int.from_bytes(octets), 8 * len(octets)
    for at in range(length - 18):
        # Start of the value, its length field, end of the element.
        if n >> at & 0x3FF in (0b0_00000010_0, 0):
            bits = (n >> at + 10 << 4 | 0b1000) << at | n & (1 << at) - 1
            yield (bits << 6).to_bytes(len(octets))


def other_field(chance: random.Random, message: Any) -> Any:
    """Returns the message with one value changed, somewhere in it; it need not be one that the schema allows."""
    named = [field.name for field in dataclasses.fields(message)]
    if not named:
        return message
    inner = [name for name in named if dataclasses.is_dataclass(getattr(message, name))]
    name = chance.choice(inner) if inner and chance.random() < 0.7 else chance.choice(named)
    return dataclasses.replace(message, **{name: _other(chance, getattr(message, name))})


def _other(chance: random.Random, value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return None if chance.random() < 0.05 else other_field(chance, value)
    match value:
        case bool():
            return not value
        case Enum():
            return chance.choice(list(type(value)))
        case int():
            return chance.choice((*NUMBERS, value + 1, value - 1, -value))
        case str():
            return chance.choice((*TEXTS, value[:-1], value + "A", value.swapcase()))
        case bytes():
            return chance.choice(
                (b"", value[:-1], value + b"\x00", chance.randbytes(len(value)), value[::-1], value * 2)
            )
        case tuple():
            return chance.choice((value[:-1], value[::-1], value * 2, value[:1] * 20))
    return value


# --- messages by declaration ------------------------------------------------------------------------------------------


class Maker:
    """Makes instances of declared types.

    ``full``: how likely what may be missing is there; at 1.0 short lists are full, too. ``longest``: of texts and blobs.
    """

    def __init__(self, chance: random.Random, full: float, longest: int = 40) -> None:
        self._chance = chance
        self._full = full
        self._longest = longest

    def make(self, cls: type) -> Any:
        return self._instance(complex_type(cls))

    def _instance(self, kind: ComplexType) -> Any:
        if kind.cls is None:
            return self._one(kind.parts[0])
        values: dict[str, Any] = {}
        for part in kind.parts:
            if part.refused:
                continue
            present = part.fewest > 0 or self._chance.random() < self._full
            if part.kind == "choice":
                values |= {str(one.field): None for one in part.alternatives}
                if present:
                    one = self._chance.choice(part.alternatives)
                    values[str(one.field)] = self._value(one.type)
                continue
            name = str(next(one.field for one in part.alternatives if one.field))
            if part.repeats:
                values[name] = tuple(self._one(part) for _ in range(self._count(part)))
            else:
                values[name] = self._one(part) if present else None
        return kind.cls(**values)

    def _count(self, part: Part) -> int:
        most = MANY if part.most is None else part.most
        if self._full == 1.0:
            return most if most <= FULL else MANY
        return self._chance.randint(part.fewest, max(part.fewest, min(most, MANY)))

    def _one(self, part: Part) -> Any:
        return self._value(self._chance.choice([one.type for one in part.alternatives if one.type is not None]))

    def _value(self, kind: ComplexType | Datatype | None) -> Any:
        chance = self._chance
        match kind:
            case ComplexType():
                return self._instance(kind)
            case Boolean():
                return chance.random() < 0.5
            case Enumeration(members):
                return chance.choice(list(members))
            case NBit(lowest, highest, _):
                return chance.randint(lowest, highest)
            case Unsigned(lowest, highest, _) | Signed(lowest, highest, _):
                low, high = -(2**40) if lowest is None else lowest, 2**40 if highest is None else highest
                return chance.choice(
                    [number for number in (low, high, 0, 1, 100, 200, 20_000) if low <= number <= high]
                )
            case String(shortest, longest, _):
                letters = "aZ09" if chance.random() < 0.8 else "aZ09éß"
                return "".join(chance.choice(letters) for _ in range(self._length(shortest, longest)))
            case Octets(shortest, longest, _):
                return chance.randbytes(self._length(shortest, longest))
        raise TypeError(kind)

    def _length(self, shortest: int, longest: int | None) -> int:
        return self._chance.randint(shortest, max(shortest, min(self._longest, longest or self._longest)))

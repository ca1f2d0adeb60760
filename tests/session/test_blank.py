"""Blank messages hold what the schema demands and no more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from secc.exi import declarations as xs
from secc.session.blank import blank


class Code(StrEnum):
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Part:
    number: Annotated[int, xs.Byte(-3, 3)]
    counted: Annotated[int, xs.UnsignedByte(), xs.Named("Counted")]
    from_one: Annotated[int, xs.Byte(1, 24)]
    unit: Code | None = None


@dataclass(frozen=True, kw_only=True)
class Whole:
    id: Annotated[str, xs.IdentifierReference(), xs.Attribute()]
    code: Code
    text: Annotated[str, xs.Text(32, 7)]
    octets: Annotated[bytes, xs.Hex(8)]
    flag: bool
    part: Part
    parts: Annotated[tuple[Part, ...], xs.Occurs(2, None)]
    either: Part | int
    none: Annotated[tuple[Part, ...], xs.Occurs(0, 4)] = ()


def test_a_blank_message_has_all_that_is_mandatory_within_its_facets() -> None:
    part = Part(number=0, counted=0, from_one=1)
    assert blank(Whole) == Whole(
        id="id1", code=Code.GOOD, text="0000000", octets=b"", flag=False, part=part, parts=(part, part), either=part
    )

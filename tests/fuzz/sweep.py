"""One change after another, everywhere, in messages of each type: each bit, each end, each budget of items, each value that is not allowed."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator
from typing import Any, Final

from secc.errors import DecodeError, EncodeError
from secc.exi import Schema
from secc.exi.budget import Budget
from secc.exi.grammar import complex_type
from secc.iso2 import messages as iso2
from secc.session import supported_app_protocol as sap
from tests.exi_vectors import SCHEMAS
from tests.fuzz.frames import Maker, empty_as_end, encoded

SHORT: Final = 3
SWEPT: Final = 200
"""Octets: longer messages are read as they are."""
ITEMS: Final = 40
WRONG: Final = (
    None,
    -1,
    300,
    20_000,
    2**200,
    -(2**200),
    "",
    "x" * 2000,
    "é" * 70,
    b"",
    bytes(3000),
    (),
    (None,),
    object(),
)


def messages(seed: int) -> Iterator[tuple[str, Any]]:
    """Yields messages of every type, each more or less full, with short values and then with long ones."""
    chance = random.Random(seed)
    for full, longest in ((0.0, SHORT), (0.5, SHORT), (1.0, SHORT), (1.0, 200)):
        maker = Maker(chance, full, longest)
        for body in iso2.BODY_ELEMENTS:
            header = iso2.MessageHeader(session_id=bytes(8))
            if body is iso2.AuthorizationReq:
                header = maker.make(iso2.MessageHeader)
            yield "iso15118-2", iso2.V2G_Message(header=header, body=maker.make(body))
        for cls in sap.SCHEMA.roots:
            yield "sap", maker.make(cls)


def read_everything(seed: int) -> int:
    """Read what becomes of each message by one change, in each way of reading and not only in the first that fits. Returns how many there were."""
    count = 0
    for schema, message in messages(seed):
        for _, octets in encoded(schema, message):
            for changed in changes(octets):
                count += 1
                _read(SCHEMAS[schema], changed, type(message), Budget())
            for items in range(ITEMS):
                _read(SCHEMAS[schema], octets, type(message), Budget(items))
    return count


def changes(octets: bytes) -> Iterator[bytes]:
    """Yields the octets with each of their bits turned over, with each value written that may be empty, and cut at each octet."""
    yield octets
    if len(octets) <= SWEPT:
        n = int.from_bytes(octets)
        for bit in range(8 * len(octets) - 8):
            yield (n ^ 1 << bit).to_bytes(len(octets))
        yield from empty_as_end(octets)
        yield from (octets[:end] for end in range(2, len(octets)))


def _read(schema: Schema[Any], octets: bytes, cls: type, budget: Budget) -> None:
    """Read it as this message by every generated reader."""
    n, r = int.from_bytes(octets), 8 * len(octets) - 8 - (len(schema.globals)).bit_length()
    items = budget.items
    for namespace in (*schema._readers, *schema._spanning):
        budget.items, budget.spans = items, []
        with contextlib.suppress(DecodeError):
            schema._read(namespace, complex_type(cls), n, r, budget)


def write_everything(seed: int) -> int:
    """Write each message with each of its values wrong in each way, one at a time. Returns how many that were."""
    count = 0
    for schema, message in messages(seed):
        for wrong in _wrong(message):
            count += 1
            with contextlib.suppress(EncodeError):
                SCHEMAS[schema].encode(wrong)
    return count


def _wrong(value: Any) -> Iterator[Any]:
    """Yields the message with one value replaced, for each value in it."""
    for field in dataclasses.fields(value):
        kept = getattr(value, field.name)
        others: list[Any] = [other for other in WRONG if other is not kept]
        if isinstance(kept, tuple):
            others += [kept * 30] + [
                (*kept[:index], one, *kept[index + 1 :])
                for index, inner in enumerate(kept[:2])
                for one in _inside(inner)
            ]
        others += _inside(kept)
        for other in others:
            yield dataclasses.replace(value, **{field.name: other})


def _inside(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from _wrong(value)

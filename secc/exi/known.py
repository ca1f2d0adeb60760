"""Values that were decoded before and are not decoded again: numbers behind values of fixed width, as a
PhysicalValue.

While a car charges, most of them are the same in every request. They hold nothing about a person, and
frozen objects can be shared between messages.
"""

from __future__ import annotations

from typing import Final

from secc.exi.datatypes import Boolean, Enumeration, NBit, Signed
from secc.exi.grammar import ComplexType
from secc.exi.source import Namespace, Source

MOST: Final = 256
"""Values of a type and length that are kept; when there are more, all are dropped."""


def look_up(namespace: Namespace, source: Source, ctype: ComplexType, target: str) -> None:
    """Emit code that sets ``target`` to the value that the same bits gave before, or else calls its reader."""
    short, long = _stores(namespace, ctype)
    of_short, of_long = _lengths(ctype)
    tail = 1 + ctype.width(len(ctype.parts))
    head = of_short - tail
    source.line("s = r")
    source.line(f"r -= {head}")
    source.line(f"k = n >> r & {(1 << head) - 1:#x}")
    for test, store, more in (("if k & 128:", long, of_long - head), ("else:", short, tail)):
        with source.block(test):
            source.line(f"r -= {more}")
            source.line(f"k = k << {more} | n >> r & {(1 << more) - 1:#x}")
            source.line(f"known = {store}")
    source.line("o = known.get(k)")
    source.line(f"if o is None: o, r = {namespace.function(ctype)}(n, s, w)")
    source.line(f"{target} = o")


def write_down(namespace: Namespace, source: Source, ctype: ComplexType, value: str) -> None:
    """Emit code that keeps a value, read from ``start`` on, if its number has one octet or two."""
    for store, bits in zip(_stores(namespace, ctype), _lengths(ctype), strict=True):
        with source.block(f"if start - r == {bits}:"):
            source.line(f"if len({store}) == {MOST}: {store}.clear()")
            source.line(f"{store}[n >> r & {(1 << bits) - 1:#x}] = {value}")


def _stores(namespace: Namespace, ctype: ComplexType) -> tuple[str, str]:
    """Returns the names of two tables, values by all bits of their element: for numbers of one octet and of two."""
    name = namespace.function(ctype)
    short, long = f"short_{name}", f"long_{name}"
    for store in (short, long):
        namespace.globals.setdefault(store, {})
    return short, long


def _lengths(ctype: ComplexType) -> tuple[int, int]:
    """Returns the bits of an element whose number has one octet, and of one with two."""
    kinds = [part.alternatives[0].type for part in ctype.parts]
    # Each value has its event code and start before it and its end behind it; then ends the element.
    bits = sum(_width(kind) + ctype.width(index) + 2 for index, kind in enumerate(kinds)) + ctype.width(len(kinds))
    return bits, bits + 8


def _width(kind: object) -> int:
    """Returns the bits of a value, or of a number's sign and first octet."""
    match kind:
        case Enumeration() | NBit():
            return kind.bits
        case Boolean():
            return 1
    return 9 if isinstance(kind, Signed) else 8

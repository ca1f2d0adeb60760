"""Batches of fixed-width pieces of a stream, so that a run of them costs one shift.

Event codes, booleans, enumerations, small integers and the first octets of numbers often follow one
another. Each shift of the stream makes a new integer, so readers and writers cut out or append
adjacent pieces together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from secc.exi.source import Namespace, Source

WIDEST_BATCH: Final = 56
"""Bits of one batch; beyond two digits of CPython's integers masks get slower."""


class ReadBatch:
    """Fixed-width pieces to be cut out together."""

    def __init__(self, source: Source, where: str) -> None:
        self.source = source
        self.where = where
        self.pieces: list[tuple[int, int, str | None]] = []
        self.bits = 0

    def constant(self, width: int, value: int) -> None:
        self._add(width, value, None)

    def take(self, width: int, template: str) -> None:
        """``template`` is the statement that takes the value: ``{}`` is the value, ``{raw}`` the
        value before its shift (to compare with zero).
        """
        self._add(width, 0, template)

    def then(self, statement: str) -> None:
        """Add a statement that needs the pieces before it."""
        self._add(0, 0, statement)

    def _add(self, width: int, value: int, template: str | None) -> None:
        if self.bits + width > WIDEST_BATCH:
            self.flush()
        self.pieces.append((width, value, template))
        self.bits += width

    def flush(self) -> None:
        alone = sum(1 for width, _, _ in self.pieces if width) == 1
        if self.bits:
            self.source.line(f"r -= {self.bits}")
        cut = f"n >> r & {(1 << self.bits) - 1:#x}"
        statements: list[str] = []
        mask = expected = 0
        at = self.bits
        for width, value, template in self.pieces:
            if not width and template is not None:
                statements.append(template)
                continue
            at -= width
            full = (1 << width) - 1
            if template is None:
                mask |= full << at
                expected |= value << at
                continue
            if alone:
                expression = raw = cut
            else:
                shifted = f"c >> {at}" if at else "c"
                expression = shifted if at + width == self.bits else f"{shifted} & {full:#x}"
                raw = f"c & {full << at:#x}"
            statements.append(template.format(expression, raw=raw))
        if mask:
            if alone and mask == 1 and not expected:
                test = "n >> r & 1"
            else:
                self.source.line(f"c = {cut}")
                test = f"c & {mask:#x}" if mask != (1 << self.bits) - 1 else "c"
                if expected:
                    test += f" != {expected:#x}"
            self.source.line(f"if {test}: raise E({self.where!r})")
        elif self.bits and not alone:
            self.source.line(f"c = {cut}")
        for statement in statements:
            self.source.line(statement)
        self.pieces.clear()
        self.bits = 0


Coded = tuple[str, Mapping[Any, int], str]
"""A table of codes with its name, and the expression of the value to look up."""

State = tuple[int | str, int | str]
"""Width and lowest production of the state of the next event code: numbers, or locals if they
depend on the message.
"""


class WriteBatch:
    """Fixed-width pieces to be appended together."""

    def __init__(self, source: Source, namespace: Namespace) -> None:
        self.source = source
        self.namespace = namespace
        self.base = "n"
        self.pieces: list[tuple[int, int, str | Coded]] = []
        self.bits = 0

    def constant(self, width: int, value: int) -> None:
        self.pieces.append((width, value, ""))
        self.bits += width

    def add(self, width: int, expression: str) -> None:
        self.pieces.append((width, 0, expression))
        self.bits += width

    def coded(self, width: int, name: str, codes: Mapping[Any, int], value: str) -> None:
        """Add the code of a value, from a table."""
        self.pieces.append((width, 0, (name, codes, value)))
        self.bits += width

    def event(self, state: State, production: int) -> None:
        """Add an event code, of static or dynamic width."""
        width, base = state
        if isinstance(width, int) and isinstance(base, int):
            self.constant(width, production - base)
            return
        self.flush()
        self.base = f"(n << {width} | {production} - {base})"

    def zeros(self) -> int:
        """How many bits wait, if all of them are zero: they are taken out, to be appended with what follows."""
        if self.base != "n" or any(value or expression for _, value, expression in self.pieces):
            return 0
        bits, self.bits = self.bits, 0
        self.pieces.clear()
        return bits

    def joined(self, extra: int = 0, value: str = "") -> str:
        """Returns an expression that appends all pieces, and ``extra`` bits of ``value``, to ``n``;
        empties the batch.
        """
        total = self.bits + extra
        constant = 0
        terms: list[str] = []
        coded: list[tuple[int, Coded]] = []
        at = total
        for width, number, expression in self.pieces:
            at -= width
            constant |= number << at
            if isinstance(expression, str):
                terms += [_shifted(expression, at)] if expression else []
            else:
                coded.append((at, expression))
        while coded:
            terms.append(self._looked_up(coded))
        if constant:
            terms.insert(0, f"{constant:#x}")
        if value:
            terms.append(value)
        shifted = f"{self.base} << {total}" if total else self.base
        self.base, self.bits = "n", 0
        self.pieces.clear()
        return " | ".join([shifted, *terms])

    def _looked_up(self, coded: list[tuple[int, Coded]]) -> str:
        """Take from the end as many table codes as tables shifted against each other can give, and shift them once."""
        lowest, _ = coded[-1]
        found: list[str] = []
        while coded and coded[-1][0] - lowest <= WIDEST_BATCH:
            at, (name, codes, value) = coded.pop()
            shift = at - lowest
            table = {member: code << shift for member, code in codes.items()}
            found.insert(0, f"{self.namespace.bind(f'{name}_{shift}' if shift else name, table)}[{value}]")
        together = " | ".join(found)
        return _shifted(f"({together})" if len(found) > 1 else together, lowest)

    def flush(self) -> None:
        if self.bits or self.base != "n":
            self.source.line(f"n = {self.joined()}")


def _shifted(expression: str, bits: int) -> str:
    return f"{expression} << {bits}" if bits else expression

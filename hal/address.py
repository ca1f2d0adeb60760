"""Hardware in the configuration: addresses with options, and TOML tables. Every error is a
HalRejected that names the option or key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

from frozen import dataclass
from hal.errors import HalRejected

FILES = ("linux", "composed")
"""Kinds of boards whose address is the path of a file."""


def rooted(where: str, directory: Path) -> str:
    """Returns the address with a relative file path resolved from ``directory``; any other address
    unchanged.
    """
    kind, colon, path = where.partition(":")
    return f"{kind}:{directory / path}" if colon and path and kind in FILES else where


@dataclass(frozen=True, slots=True)
class Power:
    """What an outlet can deliver by its board's address. ``phases`` 0: no AC."""

    phases: int
    dc: bool


class Recognised(Protocol):
    """A board as its address describes it, not opened."""

    @property
    def power(self) -> Power: ...
    @property
    def devices(self) -> tuple[str, ...]:
        """Device files that the board opens, as far as the address names them."""

    @property
    def unsafe(self) -> tuple[str, ...]:
        """Names of options that only tests may use."""


class Values:
    """The options of an address (``written``: all of them are text), or the keys of a table.
    ``where`` precedes a name in errors.
    """

    def __init__(self, where: str, values: object, names: Iterable[str], *, written: bool = False) -> None:
        if not isinstance(values, Mapping):
            raise HalRejected(f"{where.removesuffix('.')} has to be a table")
        self._where, self._written = where, written
        self._values: Mapping[str, Any] = values
        known = tuple(names)
        for name in values:
            if name not in known:
                raise HalRejected(f"{where}{name}: unknown; there are: {', '.join(known)}")

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def table(self, name: str, names: Iterable[str], *, needed: bool = True) -> Values:
        if name not in self._values and needed:
            raise HalRejected(f"[{self._where}{name}] is missing")
        return Values(f"{self._where}{name}.", self._values.get(name, {}), names)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str) or not (value or default is not None):
            raise self.wrong(name, "a text in quotes")
        return value

    def choice(self, name: str, words: Iterable[str], default: str) -> str:
        value = self._values.get(name, default)
        if value != default and value not in (known := tuple(words)):
            raise self.wrong(name, f"one of {', '.join(known)}")
        return str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._read(name, default, {"0": False, "1": True}.__getitem__)
        if not isinstance(value, bool):
            raise self.wrong(name, "one of 0, 1" if self._written else "true or false")
        return value

    def integer(self, name: str, lowest: int, highest: int, default: int | None = None) -> int:
        value = self._read(name, default, lambda text: int(text, 0))
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise self.wrong(name, f"a whole number from {lowest} to {highest}")
        return value

    def number(self, name: str, lowest: float, highest: float, default: float | None = None) -> float:
        value = self._read(name, default, float)
        # NaN is outside every range.
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise self.wrong(name, f"a number from {lowest:g} to {highest:g}")
        return float(value)

    def wrong(self, name: str, what: str) -> HalRejected:
        """Returns the error about a value that has to be something else."""
        return HalRejected(f"{self._where}{name}: has to be {what}, not {self._values.get(name)!r}")

    def _read(self, name: str, default: Any, parse: Callable[[str], Any]) -> Any:
        value = self._values.get(name, default)
        if not self._written or name not in self._values:
            return value
        try:
            return parse(value)
        except (KeyError, ValueError):
            return None


class Address(Values):
    """``KIND:PLACE?option=value&...``, as in ``modbus:rtu:/dev/ttyS1?model=sdm630&unit=2``."""

    def __init__(self, where: str, names: Iterable[str]) -> None:
        self.head, _, query = where.partition("?")
        self.kind, colon, self.place = self.head.partition(":")
        if not colon or not self.kind or not self.place:
            raise HalRejected(f"{where!r} is not an address; it reads KIND:PLACE?option=value")
        super().__init__(f"{self.head}: ", options(f"{self.head}: ", query), names, written=True)

    def __str__(self) -> str:
        return self.head


def options(where: str, query: str) -> dict[str, str]:
    """Returns ``option=value&...`` as a mapping. Raises HalRejected for an option that is repeated,
    or has no value.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=50)
    except ValueError:
        raise HalRejected(f"{where}options have the form name=value&name=value, not {query!r}") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given or not value:
            raise HalRejected(f"{where}{name} is given twice" if name in given else f"{where}{name} needs a value")
        given[name] = value
    return given


def load(path: str | Path) -> dict[str, Any]:
    """Returns the tables of a TOML file. Raises HalRejected if it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise HalRejected(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # TOML and UTF-8 errors are ValueErrors
        raise HalRejected(f"{path}: {error}") from None

"""What differs between an answer of today's station and the recorded one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from secc.trace.json import redacted

SCALED: Final = ({"Multiplier", "Unit", "Value"}, {"Multiplier", "Value"})
"""The parts of a quantity; DIN SPEC 70121 may leave the unit out."""
ABSENT: Final = "nothing"
LONGEST: Final = 60
"""Characters of a value that are shown."""


@dataclass(slots=True)
class Difference:
    """A field of an answer. ``index`` is the request's place in the recorded session, ``times`` how
    many answers differ in the same way or in another value of this field.
    """

    index: int
    message: str
    field: str
    here: str
    recorded: str
    code: bool = False
    """Whether the car may go on in another way: by another message or ResponseCode, or by Ongoing."""
    times: int = 1

    def __str__(self) -> str:
        more = f" ({self.times} times)" if self.times > 1 else ""
        return f"index {self.index}: {self.message}.{self.field}: here {self.here}, recorded {self.recorded}{more}"


@dataclass(slots=True)
class Differences:
    """Those of a session, each field of a message once."""

    found: dict[tuple[str, str], Difference] = field(default_factory=dict)

    def add(self, difference: Difference) -> None:
        known = self.found.setdefault((difference.message, difference.field), difference)
        if known is not difference:
            known.times += difference.times
            known.code |= difference.code

    def compare(
        self, index: int, here: Mapping[str, Any], recorded: Mapping[str, Any], personal: Collection[str]
    ) -> None:
        """Compare two message trees, each ``{name: content}``. Quantities are compared, not how
        they are scaled; personal values are shown as hashes.
        """
        (ours, content), (theirs, original) = _named(here), _named(recorded)
        if ours != theirs:
            self.add(Difference(index, theirs, "message", ours, theirs, code=True))
            return
        left, right = (dict(_leaves(redacted(each, personal))) for each in (content, original))
        for name in sorted(left.keys() | right.keys()):
            now, then = left.get(name, ABSENT), right.get(name, ABSENT)
            if now != then:
                # A station that is ready earlier is not a difference for the car.
                code = name == "ResponseCode" or (name == "EVSEProcessing" and now.startswith("Ongoing"))
                self.add(Difference(index, ours, name, now, then, code=code))


def _named(tree: Mapping[str, Any]) -> tuple[str, Any]:
    name, content = next(iter(tree.items()))
    return name, content


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields path and text of each value."""
    if isinstance(tree, Mapping) and set(tree) in SCALED:
        yield path, f"{tree['Value'] * 10.0 ** tree['Multiplier']:.6g} {tree.get('Unit', '')}".rstrip()
    elif isinstance(tree, Mapping):
        for name, part in tree.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(tree, list):
        for number, part in enumerate(tree):
            yield from _leaves(part, f"{path}[{number}]")
    else:
        text = str(tree)
        yield path, text if len(text) <= LONGEST else text[:LONGEST] + "..."

"""The protocols of this car by name: a folder each, and an import and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .din import DIN
from .flaw import Flaw
from .iso2 import ISO2
from .negotiation import CarProtocol

PROTOCOLS: Final[Mapping[str, CarProtocol]] = {
    "iso2": ISO2,
    "din": DIN,
}


def all_flaws() -> dict[str, Flaw]:
    """Returns what a car may do wrong in any of its protocols; a name means the same in each."""
    return {name: flaw for protocol in PROTOCOLS.values() for name, flaw in protocol.flaws.items()}

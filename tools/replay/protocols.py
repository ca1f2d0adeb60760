"""The protocols whose recordings are replayed, by the schema of a capture: an import and a line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .din import DIN
from .iso2 import ISO2
from .setting import Replayable

REPLAYED: Final[Mapping[str, Replayable]] = {
    "iso2": ISO2,
    "din": DIN,
}

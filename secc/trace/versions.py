"""What traces of earlier versions do not hold."""

from __future__ import annotations

from typing import Any, Final

VERSION: Final = 2
"""Of the traces that this program writes. It reads earlier ones, too."""

_ADDED: Final[dict[str, set[str]]] = {"CheckCable": {"within"}, "StartPower": {"within"}, "StopPower": {"within"}}
"""By type: fields that a value has since version 2."""


def reduced(value: Any, version: int) -> Any:
    """A value of today without the fields that a trace of this version does not have."""
    if version >= VERSION:
        return value
    if isinstance(value, list):
        return [reduced(entry, version) for entry in value]
    if not isinstance(value, dict):
        return value
    added = _ADDED.get(str(value.get("type")), set())
    return {name: reduced(part, version) for name, part in value.items() if name not in added}

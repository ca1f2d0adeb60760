"""What traces of earlier versions call otherwise, or do not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

VERSION: Final = 2
"""Of the traces that this program writes. It reads earlier ones, too."""

_RENAMED: Final[dict[tuple[str, str], tuple[str, Callable[[Any], Any]]]] = {
    ("SetOutput", "stage"): ("phase", lambda stage: {"type": "DcPhase", "value": stage}),
}
"""By type and its field in version 1: the field since then, and its value."""

_ADDED: Final[dict[str, set[str]]] = {
    "CheckCable": {"within"},
    "StartPower": {"within"},
    "StopPower": {"within"},
    "ValidateContract": {"edition"},
}
"""By type: fields that a value has since version 2."""


def renewed(value: Any, version: int) -> Any:
    """A value out of a trace of this version, as it would be called today."""
    if version >= VERSION:
        return value
    if isinstance(value, list):
        return [renewed(entry, version) for entry in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, part in value.items():
        today, renew = _RENAMED.get((str(value.get("type")), name), (name, None))
        found[today] = renewed(part, version) if renew is None else renew(part)
    return found


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

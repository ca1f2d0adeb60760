"""Differences of earlier versions of traces: renamed and missing fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

VERSION: Final = 3
"""Version of the traces that this program writes. It also reads earlier ones."""

_RENAMED: Final[dict[tuple[str, str], tuple[str, Callable[[Any], Any]]]] = {
    ("SetOutput", "stage"): ("phase", lambda stage: {"type": "DcPhase", "value": stage}),
}
"""By type and field of version 1: the field's present name, and its value."""

_ADDED: Final[dict[str, set[str]]] = {
    "CheckCable": {"within"},
    "StartPower": {"within"},
    "StopPower": {"within"},
    "ValidateContract": {"edition"},
}
"""By type: fields added in version 2."""

_REMARKED: Final = {"Q-38", "Q-39", "Q-45", "Q-62", "Q-69", "A-SES-02"}
"""Codes that a session remarked before version 3."""


def unsaid(effect: Any, version: int) -> bool:
    """Whether a session of this version would not have said this: it remarked few quirks."""
    return version < 3 and effect["type"] == "Remark" and effect["code"] not in _REMARKED


def renewed(value: Any, version: int) -> Any:
    """Returns a value of a trace of this version with the present names."""
    if version >= 2:
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
    """Returns a present value without the fields that a trace of this version does not have."""
    if version >= 2:
        return value
    if isinstance(value, list):
        return [reduced(entry, version) for entry in value]
    if not isinstance(value, dict):
        return value
    added = _ADDED.get(str(value.get("type")), set())
    return {name: reduced(part, version) for name, part in value.items() if name not in added}

"""Effects of the car's conversation, and its reasons to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from secc.conversation import Effect
from secc.errors import Refusal

from .behaviour import Remembered


@dataclass(frozen=True, slots=True)
class SetPilot(Effect):
    """Set the control pilot: B is plugged in without a wish for power, C is ready for power."""

    state: Literal["B", "C"]


@dataclass(frozen=True, slots=True)
class MoveRelays(Effect):
    """DC: connect the battery to the inlet, or disconnect it."""

    closed: bool


@dataclass(frozen=True, slots=True)
class SetLoad(Effect):
    """AC: the current of the on-board charger from now on, amperes a phase."""

    amperes: float


@dataclass(frozen=True, slots=True)
class SpeakProtocol(Effect):
    """SupportedAppProtocol has ended: the next messages are in this schema."""

    namespace: str


@dataclass(frozen=True, slots=True)
class RememberSession(Effect):
    """The session is paused: this is what a resume needs."""

    remembered: Remembered


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """A milestone. ``name`` is stable, ``facts`` are JSON values, ``text`` is one line."""

    name: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Ended(StrEnum):
    """How the car's session ended in order, that is with SessionStopRes."""

    FULL = "the battery has what it wanted"
    BY_CAR = "the driver of the car stopped it"
    BY_STATION = "the station asked to stop"
    EARLY = "the car stopped before charging"


class StationRefused(Refusal):
    """The station answered with a code that ends the session; ``code`` is that code."""


class StationWrong(Refusal):
    """The station's answer breaks the standard, or this car cannot use it; ``code`` names how."""

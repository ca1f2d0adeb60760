"""What the car's conversation wants done, and what it hears beside messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from secc.conversation import Effect
from secc.errors import Refusal


@dataclass(frozen=True, slots=True)
class SetPilot(Effect):
    """Load the control pilot: B is plugged in and no power wanted, C is ready for power."""

    state: Literal["B", "C"]


@dataclass(frozen=True, slots=True)
class MoveRelays(Effect):
    """DC: connect the battery to the inlet, or take it off."""

    closed: bool


@dataclass(frozen=True, slots=True)
class SetLoad(Effect):
    """AC: what the on-board charger draws from now on, amperes a phase."""

    amperes: float


@dataclass(frozen=True, slots=True)
class SpeakProtocol(Effect):
    """SupportedAppProtocol is through: what follows is in this schema."""

    namespace: str


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """A milestone for people. ``name`` is stable, ``facts`` are for machines, ``text`` is one line."""

    name: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Ended(StrEnum):
    """How the car's session ended, when it ended in order: SessionStopRes came."""

    FULL = "the battery has what it wanted"
    BY_CAR = "the driver of the car stopped it"
    BY_STATION = "the station asked to stop"
    EARLY = "the car stopped before charging"


class StationRefused(Refusal):
    """The station answered with a code that ends the session; ``code`` is that code."""


class StationWrong(Refusal):
    """The station's answer breaks the standard, or is not what this car can use; ``code`` names how."""

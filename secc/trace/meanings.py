"""Meanings of reason codes for people, and sentences that many of them share."""

from __future__ import annotations

from collections.abc import Mapping

from frozen import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of one reason, for people."""

    code: str
    meaning: str
    driver: str
    """What the driver of the car sees."""
    support: str
    """What support should do."""


def meanings(texts: Mapping[str, tuple[str, str, str]]) -> tuple[Meaning, ...]:
    """Returns meanings by their codes: each with its meaning, what the driver sees, what to do."""
    return tuple(Meaning(code, *said) for code, said in texts.items())


NOTHING = "Nothing to do."
RETRY = "The car shows a charging error. To start again, unplug and plug in."
BEFORE = "Charging does not begin; the car shows an error, or uses another way of identification if it has one."
STOPS = "Charging stops; the car shows an error."
CAR = "The car caused it: look at the last messages in the trace, and compare with another car."
TRACE = "Look at the last lines of the trace; `secc replay` can run a whole trace that is not redacted again."
REPORT = "Keep the trace (it is always written then) and the log, and report both."

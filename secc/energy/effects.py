"""Effects of the power path: each is one call on the board's ports or on its guard
(``hal.guard.Guard``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from frozen import dataclass
from hal.interlock import Insulation, Purpose
from hal.readings import DcPhase
from secc.conversation import Effect, Question


@dataclass(frozen=True, slots=True)
class SeekConsent(Effect):
    """``Guard.ask(purpose)``. A refusal comes back as ``ConsentLost``, as does the loss of a
    consent that was held.
    """

    purpose: Purpose


@dataclass(frozen=True, slots=True)
class ReleasePower(Effect):
    """``Guard.release()``: supply off, then contactors open. The safe effect of every ending."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class AllowPower(Effect):
    """``AcPower.allow(True)``: the board closes in pilot C or D, and opens by itself when they are
    left.
    """


@dataclass(frozen=True, slots=True)
class WithdrawPower(Effect):
    """``AcPower.allow(False)``: open, under load if it must be."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetOvercurrent(Effect):
    """``AcPower.set_overcurrent``: trip above this current."""

    amperes: float


@dataclass(frozen=True, slots=True)
class CloseDcContactor(Effect):
    """``DcPower.set_contactor(True)``."""


@dataclass(frozen=True, slots=True)
class OpenDcContactor(Effect):
    """``DcPower.set_contactor(False)``."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetSupply(Effect):
    """``DcPower.set_target``: always finite, never negative, never above a limit."""

    volts: float
    amperes: float
    phase: DcPhase


@dataclass(frozen=True, slots=True)
class SwitchSupplyOff(Effect):
    """``DcPower.off()``."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TestInsulationMonitor(Question[bool]):
    """``Imd.self_test()``: whether the monitor has passed its self-test. False also if the call
    raised.
    """

    # Not a test class for pytest, in spite of its name.
    __test__: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class StartInsulationMonitor(Effect):
    """``Imd.start()``: every measurement comes back as ``InsulationMeasured``."""


@dataclass(frozen=True, slots=True)
class StopInsulationMonitor(Effect):
    """``Imd.stop()``."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ReportInsulation(Effect):
    """``Guard.insulation(finding)``: the interlock refuses DC power until it is VALID."""

    finding: Insulation


class Notice(StrEnum):
    """Lines for the log that no conversation hears."""

    TARGET_STALE = "no target from the car: current down to zero"
    TARGET_FRESH = "the car sends targets again"
    TARGET_IGNORED = "a target that is not a number, or comes at the wrong stage, is ignored"
    CAR_PAUSED = "the car opened its switch: power off until it closes it again"
    CAR_RESUMED = "the car closed its switch again: power on"


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """Write this to the log."""

    notice: Notice

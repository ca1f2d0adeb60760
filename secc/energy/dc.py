"""The DC power path: cable check, precharge, charging, and every exit from them (IEC
61851-23:2023).

Live stages follow one another only in this order; each exit leads to OFF, where the supply is off
and the contactor open.
"""

from __future__ import annotations

import math
from enum import StrEnum

from hal.events import InsulationMeasured
from hal.readings import DcPhase
from secc.conversation import Asked, Conversation, Deadline, Party, Timeout
from secc.energy.arithmetic import cable_check_volts, over_voltage
from secc.energy.cable_check import CableCheck, failed
from secc.energy.effects import Notice, OpenDcContactor, ReleasePower
from secc.energy.events import InsulationTestProlonged, Ticked
from secc.energy.insulation import InsulationWatch
from secc.energy.path import Halt, Path
from secc.energy.settings import DcSettings
from secc.energy.supply import Supply
from secc.session.dc_limits import clamp_volts
from secc.session.effects import (
    CableChecked,
    CheckCable,
    KeepCable,
    PowerReported,
    Remark,
    SetOutput,
    StartPower,
    StopPower,
)
from secc.session.events import LimitChanged
from secc.session.schedules import KeepSchedule

UNLOADING = Timeout("supply off", 2.0, "IEC 61851-23: the current falls before the contactor opens; a supply has 2 s")
MEASURED = Timeout("voltage at the output", 1.0, "as old as a measurement may be")
NEAR_VOLTS = 20.0
"""Between the output and a battery that may be connected to it. IEC 61851-23"""
FIRST_AMPERES = 1.0
"""A charging current, above what leaks while the car begins."""
HURRIED_UNLOADING = Timeout("supply off, contactor must open", 0.04, "IEC 61851-1: open within 100 ms")


class Stage(StrEnum):
    """Stage of the path. Power can reach the car from PRECHARGE on."""

    OFF = "off"
    CHECKING = "checking"
    READY = "ready"
    PRECHARGE = "precharge"
    CHARGE = "charge"
    HELD = "held"
    """No supply and no current behind a closed contactor, while the car renegotiates."""


class DcPath(Path):
    """The DC power path of one plug-in."""

    def __init__(self, board: Party, settings: DcSettings) -> None:
        super().__init__(board, settings.watts)
        self.settings, self.limits = settings, settings.limits
        self.stage = Stage.OFF
        self.ev_maximum_volts = settings.limits.maximum_volts
        self.supply = Supply(board, settings)
        self.insulation = InsulationWatch(board, settings)
        self._target_at = self._started_at = -math.inf
        self._held_volts = math.nan
        """The battery's voltage when the current had fallen."""
        self._stale = False
        self._too_high_since: float | None = None
        board.hear(InsulationMeasured, by=self.insulation_measured)
        board.hear(InsulationTestProlonged, by=self.insulation.prolong)
        board.hear(Ticked, by=self.ticked)

    # Questions

    def answer(self, asked: Asked) -> Conversation[None]:
        match asked.question:
            case CheckCable() as question:
                if (against := self._against()) is not None:
                    self.tell(asked, against)
                    return
                held = self.stage is Stage.HELD
                self.stage, self.live, self.contactor.must_stay_closed = Stage.CHECKING, True, held
                result = yield from self._check(question, held=held)
                if not result.passed:
                    raise Halt("cable-check-failed", result.detail, report=False)
                self.stage, self._target_at = Stage.READY, self.board.now
                if self.settings.pause_insulation_monitor:
                    self.insulation.pause()
                    self.board.do(Remark("Q-68", "the insulation monitor pauses until current flows"))
                self.tell(asked, result)
            case KeepCable() as question:
                self.tell(asked, (yield from self._kept(question)))
            case StartPower():
                ready = self.stage in (Stage.PRECHARGE, Stage.CHARGE)
                if ready:
                    self.stage = Stage.CHARGE
                    self._target_at = self._started_at = self.board.now
                self.tell(asked, PowerReported(ready, "" if ready else f"no precharge before: {self.stage}"))
            case StopPower(keep_contactor=True) if self.live and self.contactor.must_stay_closed:
                yield from self._hold()
                self.tell(asked, PowerReported(True))
            case StopPower(within=within):
                yield from self.power_off(None, self.board.limit(within))
                self.tell(asked, self.whether_open())

    def _kept(self, question: KeepCable) -> Conversation[CableChecked]:
        asked_at = self.board.now
        yield from self.board.until(lambda: self.board.levels.measured_at > asked_at, within=MEASURED)
        if (against := self._against()) is not None:
            return against
        watch, ohms = self.insulation, min(self.insulation.ohms, default=math.nan)
        volts = self.board.levels.volts
        # The car's contactor must not close on a discharged output.
        measured = self.board.levels.measured_at > asked_at
        if self.stage is not Stage.HELD or not measured or not abs(volts - self._held_volts) <= NEAR_VOLTS:
            return failed(f"{volts:.0f} V at the output, {self.stage}")
        if not (watch.running and watch.self_tested and ohms >= self.settings.fault_ohms):
            return failed("the insulation monitor does not run")
        self.ev_maximum_volts = min(self.ev_maximum_volts, question.ev_maximum_volts)
        if volts > self.ev_maximum_volts:
            return failed(f"{volts:.0f} V at the output, the car allows {self.ev_maximum_volts:.0f} V")
        self.stage, self._target_at = Stage.PRECHARGE, self.board.now
        # It stays at the battery's voltage, also for a car that has opened its contactor meanwhile.
        self.supply.aim(volts, self.settings.precharge_amperes, DcPhase.PRECHARGE)
        return CableChecked(True, "valid" if ohms >= self.settings.warning_ohms else "warning", f"{ohms:.0f} ohms")

    def _against(self) -> CableChecked | None:
        if self.latched is not None:
            return CableChecked(False, "fault" if self.latched == "insulation-fault" else "invalid", self.latched)
        if any(isinstance(later.question, StopPower) for later in self.waiting):
            return CableChecked(False, "invalid", "an end has been asked for")
        if not self.settings.insulation_monitor:
            return CableChecked(False, "no_imd", "there is no insulation monitor")
        return None

    def _check(self, question: CheckCable, *, held: bool) -> Conversation[CableChecked]:
        volts = cable_check_volts(question.ev_maximum_volts, self.limits)
        if volts is None:
            return failed(f"no cable check for a car of at most {question.ev_maximum_volts:g} V")
        if not self.board.levels.ready:
            return failed(f"the car is in state {self.board.levels.pilot}, not in C or D")
        self.ev_maximum_volts = question.ev_maximum_volts
        check = CableCheck(
            self.board,
            self.settings,
            self.supply,
            self.contactor,
            self.insulation,
            volts=volts,
            within=question.within,
            held=held,
        )
        return (yield from check.run())

    # Switching off

    def _hold(self) -> Conversation[None]:
        """Switch the supply off and wait for no current, with the contactor as it is; the
        insulation monitor goes on.
        """
        self.supply.off()
        if not (yield from self.board.until(lambda: self.supply.breakable, within=UNLOADING)):
            # The time to fall is over: the contactor opens at once.
            raise self._supply_not_off(abrupt=True)
        self.stage, self._target_at = Stage.HELD, self.board.now
        self._held_volts = self.board.levels.volts

    def _supply_not_off(self, *, abrupt: bool = False) -> Halt:
        text = f"{self.board.levels.amperes:.1f} A with the supply off"
        return Halt("supply-not-off", text, abrupt=abrupt, latched=True)

    def power_off(self, halt: Halt | None, due: Deadline | None = None) -> Conversation[None]:
        """Switch the supply off, then the contactor when no current flows; the sequence under way
        has failed.
        """
        self.hurry = halt is not None and halt.abrupt
        on = self.live or not self.contactor.open
        self.live, self.stage = False, Stage.OFF
        self.supply.drop()
        self.power.steps = ()
        self.supply.limit(self.power.watts)
        self._too_high_since = None
        if on:
            self.supply.off()
        if halt is not None:
            self.report(halt)
            self._fail_current(halt)
        if on:
            yield from self._wait_for_no_current()
            self.board.do(OpenDcContactor())
            self.contactor.expect_open()
        self.board.do(ReleasePower())
        self.insulation.stop()
        yield from self.until_opened(due)

    def _wait_for_no_current(self) -> Conversation[None]:
        """Wait until the contactor can break the current, or the time is over."""
        board, supply = self.board, self.supply
        patient, hurried = board.limit(UNLOADING), board.limit(HURRIED_UNLOADING)
        # No event announces the current: each tick wakes this wait.
        if not (yield from board.until(lambda: supply.breakable or self._in_a_hurry, before=patient)):
            self.report(self._supply_not_off())
        else:
            yield from board.until(lambda: supply.breakable, before=hurried)

    @property
    def _in_a_hurry(self) -> bool:
        return self.hurry or not self.board.levels.ready

    def _fail_current(self, halt: Halt) -> None:
        asked, self.current = self.current, None
        if asked is None:
            return
        if isinstance(asked.question, CheckCable | KeepCable):
            self.tell(asked, CableChecked(False, "fault" if halt.code == "insulation-fault" else "invalid", str(halt)))
        else:
            self.tell(asked, PowerReported(False, str(halt)))

    # Handlers

    def target_set(self, target: SetOutput) -> None:
        # Some cars ask for less than zero at first.
        meant = math.isfinite(target.volts) and target.volts > 0.0 and math.isfinite(target.amperes)
        precharging = target.phase is DcPhase.PRECHARGE and self.stage in (Stage.READY, Stage.PRECHARGE)
        charging = target.phase is DcPhase.CHARGE and self.stage is Stage.CHARGE
        if not meant or not (precharging or charging):
            self.announce(Notice.TARGET_IGNORED)
            return
        # The supply has a minimum; a car that asks for less draws nothing from it.
        highest = min(self.limits.maximum_volts, self.ev_maximum_volts)
        volts = clamp_volts(target.volts, highest, self.limits.minimum_volts)
        self._target_at = self.board.now
        if self._stale:
            self._stale = False
            self.announce(Notice.TARGET_FRESH)
        if precharging:
            self.stage = Stage.PRECHARGE
            # Some cars ask for 0 A here and expect the voltage.
            self.supply.aim(volts, self.settings.precharge_amperes, DcPhase.PRECHARGE)
        else:
            self.supply.aim(volts, target.amperes, DcPhase.CHARGE)

    def limit_changed(self, event: LimitChanged) -> None:
        super().limit_changed(event)
        self.supply.limit(self.power.at(self.board.now))

    def schedule_kept(self, effect: KeepSchedule) -> None:
        super().schedule_kept(effect)
        self.supply.limit(self.power.at(self.board.now))

    def insulation_measured(self, event: InsulationMeasured) -> None:
        if not self.insulation.take(event.reading):
            self.stop(Halt("insulation-fault", f"{event.reading.ohms:.0f} ohms", abrupt=True, latched=True))

    # Supervision

    def ticked(self, event: Ticked) -> None:
        self.supply.due = True

    def supervise(self) -> None:
        super().supervise()
        if not self.live:
            return
        levels = self.board.levels
        if not levels.ready:
            raise Halt("pilot-left", f"state {levels.pilot} with power on", abrupt=True)
        if self.contactor.must_stay_closed and levels.contactor != "closed":
            raise Halt("contactor-opened", f"feedback: {self.contactor.feedback}", abrupt=True)
        self._supervise_measurements()
        if self.insulation.paused and self._pause_is_over():
            self.insulation.start()
        if self.insulation.silent:
            raise Halt("insulation-monitor-silent", latched=True)
        goal, silent = self.supply.goal, self.board.now - self._target_at
        if self.stage is not Stage.CHECKING and silent > self.settings.lost_session_seconds:
            raise Halt("target-lost", f"no target for {silent:.0f} s")
        supplied = self.stage in (Stage.PRECHARGE, Stage.CHARGE) and goal is not None and not self._stale
        if supplied and silent >= self.settings.stale_target_seconds:
            self._stale = True
            self.supply.starve()
            self.announce(Notice.TARGET_STALE)
        if self.power.steps:
            self.supply.limit(self.power.at(self.board.now))
        self.supply.regulate()

    def _pause_is_over(self) -> bool:
        if self.stage is not Stage.CHARGE:
            return self.stage is Stage.HELD
        lasts = self.board.now - self._started_at
        return self.board.levels.amperes >= FIRST_AMPERES or lasts >= self.settings.longest_pause_seconds

    def _supervise_measurements(self) -> None:
        levels, now, goal = self.board.levels, self.board.now, self.supply.goal
        if goal is None:
            waiting = self.stage in (Stage.HELD, Stage.CHECKING) and self.contactor.must_stay_closed
            if waiting and self.supply.fresh and not self.supply.breakable:
                raise self._supply_not_off(abrupt=True)
            return
        patience = self.settings.stale_measurement_seconds
        if now - max(levels.measured_at, self.supply.on_since) > patience:
            raise Halt("measurement-stale", f"nothing measured for more than {patience:g} s", latched=True)
        # "not <=" so that NaN counts as over-voltage.
        session_volts = min(self.ev_maximum_volts, self.limits.maximum_volts)
        if not levels.volts <= over_voltage(max(session_volts, goal.volts)):
            raise Halt("over-voltage", f"{levels.volts:.0f} V", abrupt=True, latched=True)
        highest = self.ev_maximum_volts * (1.0 + self.settings.voltage_tolerance)
        if self.stage not in (Stage.PRECHARGE, Stage.CHARGE) or levels.volts <= highest:
            self._too_high_since = None
        elif self._too_high_since is None:
            self._too_high_since = now
        elif now - self._too_high_since > self.settings.voltage_grace_seconds:
            raise Halt(
                "over-voltage", f"{levels.volts:.0f} V, the car allows {self.ev_maximum_volts:.0f} V", latched=True
            )

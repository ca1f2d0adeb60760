"""The DC power path: cable check, precharge, charging, and every way out of them (IEC 61851-23:2023).

Live stages follow one another only in this order; each way out leads to OFF, where the supply is off and the contactor open.
"""

from __future__ import annotations

import math
from enum import StrEnum

from hal.interlock import Insulation
from hal.values import DcPhase
from secc.conversation import Asked, Conversation, Party, Timeout
from secc.energy.arithmetic import Ramp, over_voltage, watts_allowed
from secc.energy.cable_check import cable_check
from secc.energy.effects import (
    Notice,
    OpenDcContactor,
    ReleasePower,
    ReportInsulation,
    SetSupply,
    StopInsulationMonitor,
    SwitchSupplyOff,
)
from secc.energy.events import IsolationReported, OutputSet
from secc.energy.path import CONTACTOR_FEEDBACK, TICK, Halt, Path
from secc.energy.settings import DcSettings
from secc.session.dc_limits import clamp_amperes, clamp_volts, power_volts
from secc.session.effects import CableChecked, CheckCable, PowerReported, StartPower, StopPower

UNLOADING = Timeout("supply off", 2.0, "IEC 61851-23: the current falls before the contactor opens; a supply has 2 s")
HURRIED_UNLOADING = Timeout("supply off, contactor must open", 0.04, "IEC 61851-1: open within 100 ms")
POWER_MARGIN = 1.005
"""The measured voltage is up to a tick old, and rises while the battery fills; the power limit holds all the same."""


class Stage(StrEnum):
    """How far the path has come. Power can reach the car from PRECHARGE on."""

    OFF = "off"
    CHECKING = "checking"
    READY = "ready"
    PRECHARGE = "precharge"
    CHARGE = "charge"
    HELD = "held"
    """No supply and no current behind a closed contactor, while the car negotiates anew."""


class DcPath(Path):
    """One plug-in's DC power path."""

    def __init__(self, board: Party, settings: DcSettings) -> None:
        super().__init__(board)
        self.settings, self.limits = settings, settings.limits
        self.watts = settings.watts
        self.stage = Stage.OFF
        self.ev_maximum_volts = settings.limits.maximum_volts
        self.ohms: list[float] = []
        """Insulation measurements that were taken since ``ohms_since``."""
        self.ohms_since = math.inf
        self.measured_isolation_at = -math.inf
        self.monitoring = False
        self.self_tested = False
        """True once the insulation monitor has passed its self-test in this plug-in."""
        self.contactor_closed = False
        """True once the feedback said so in this run; from then on it has to stay closed."""
        self._volts = Ramp(settings.ramp_volts_per_second)
        self._amperes = Ramp(settings.ramp_amperes_per_second)
        self._goal: SetSupply | None = None
        self._setpoint: SetSupply | None = None
        self._supply_on_at = -math.inf
        self._target_at = -math.inf
        self._stale = False
        self._too_high_since: float | None = None
        board.hear(IsolationReported, by=self.isolation_reported)

    # The questions

    def answer(self, asked: Asked) -> Conversation[None]:
        match asked.question:
            case CheckCable() as question:
                if (against := self._against()) is not None:
                    self.tell(asked, against)
                    return
                held = self.stage is Stage.HELD
                self.stage, self.live, self.contactor_closed = Stage.CHECKING, True, held
                result = yield from cable_check(self, question.ev_maximum_volts, held=held)
                if not result.passed:
                    raise Halt("cable-check-failed", result.detail, report=False)
                self.stage, self._target_at = Stage.READY, self.board.now
                self.tell(asked, result)
            case StartPower():
                ready = self.stage in (Stage.PRECHARGE, Stage.CHARGE)
                if ready:
                    self.stage = Stage.CHARGE
                    self._target_at = self.board.now
                self.tell(asked, PowerReported(ready, "" if ready else f"no precharge before: {self.stage}"))
            case StopPower(keep_contactor=True) if self.live and self.contactor_closed:
                yield from self._hold()
                self.tell(asked, PowerReported(True))
            case StopPower():
                yield from self.power_off(None)
                is_open = self.contactor_is("open")
                self.tell(asked, PowerReported(is_open, "" if is_open else f"contactor {self.board.levels.contactor}"))

    def _against(self) -> CableChecked | None:
        if self.latched is not None:
            return CableChecked(False, "fault" if self.latched == "insulation-fault" else "invalid", self.latched)
        if any(isinstance(later.question, StopPower) for later in self.waiting):
            return CableChecked(False, "invalid", "an end has been asked for")
        if not self.settings.insulation_monitor:
            return CableChecked(False, "no_imd", "there is no insulation monitor")
        return None

    # Switching off

    def _hold(self) -> Conversation[None]:
        """Supply off and no current, with the contactor as it is; the insulation monitor goes on measuring."""
        self.supply_off()
        if not (yield from self.board.until(self._no_current, within=UNLOADING)):
            # It has had its time already: the contactor opens at once.
            raise self._supply_not_off(abrupt=True)
        self.stage, self._target_at = Stage.HELD, self.board.now

    def _supply_not_off(self, *, abrupt: bool = False) -> Halt:
        text = f"{self.board.levels.amperes:.1f} A with the supply off"
        return Halt("supply-not-off", text, abrupt=abrupt, latched=True)

    def power_off(self, halt: Halt | None) -> Conversation[None]:
        """Supply off, then the contactor when no current flows any more; whatever was under way has failed."""
        self.hurry = halt is not None and halt.abrupt
        was_live, self.live, self.stage = self.live, False, Stage.OFF
        self._goal = self._setpoint = None
        self._too_high_since = None
        if was_live or not self.contactor_is("open"):
            self.board.do(SwitchSupplyOff())
        if halt is not None:
            self.report(halt)
            self._fail_current(halt)
        if was_live or not self.contactor_is("open"):
            yield from self._wait_for_no_current()
            self.board.do(OpenDcContactor())
            self.expect_open()
        self.board.do(ReleasePower())
        if self.monitoring:
            self.monitoring = False
            self.board.do(StopInsulationMonitor())
        if self.opened_at is not None:
            yield from self.board.until(lambda: self.opened_at is None, within=CONTACTOR_FEEDBACK)

    def _wait_for_no_current(self) -> Conversation[None]:
        """Until the contactor breaks no current any more; or as long as there is time for that."""
        board = self.board
        patient, hurried = board.limit(UNLOADING), board.limit(HURRIED_UNLOADING)
        # The current is a level, and nothing tells of it.
        if not (yield from board.until(lambda: self._no_current() or self._in_a_hurry, before=patient, every=TICK)):
            self.report(self._supply_not_off())
        else:
            yield from board.until(self._no_current, before=hurried)

    @property
    def _in_a_hurry(self) -> bool:
        return self.hurry or not self.pilot_ready

    def _no_current(self) -> bool:
        return self.fresh and abs(self.board.levels.amperes) < self.settings.safe_amperes

    def _fail_current(self, halt: Halt) -> None:
        asked, self.current = self.current, None
        if asked is None:
            return
        if isinstance(asked.question, CheckCable):
            self.tell(asked, CableChecked(False, "fault" if halt.code == "insulation-fault" else "invalid", str(halt)))
        else:
            self.tell(asked, PowerReported(False, str(halt)))

    # The supply

    def aim(self, volts: float, amperes: float, phase: DcPhase) -> None:
        """The setpoint to ramp to. Clamped already but for the power limit, which changes with the measured voltage."""
        now = self.board.now
        if self._setpoint is None:
            self._supply_on_at = now
            self._volts.reset(0.0, now)
            self._amperes.reset(0.0, now)
        self._goal = SetSupply(volts, amperes, phase)

    def supply_off(self) -> None:
        """Nothing at the output, with the contactor as it is."""
        self._goal = self._setpoint = None
        self.board.do(SwitchSupplyOff())

    def _regulate(self) -> None:
        goal, now = self._goal, self.board.now
        if goal is None:
            return
        charging = goal.phase is DcPhase.CHARGE
        highest = min(self.limits.maximum_amperes, math.inf if charging else self.settings.precharge_amperes)
        # The supply is given its minimum at once: below it there is nothing to ramp through.
        volts = max(self.limits.minimum_volts, math.floor(self._volts.follow(goal.volts, now) * 10.0) / 10.0)
        amperes = clamp_amperes(goal.amperes, highest, self._watts() if charging else None, self._power_volts(volts))
        if charging:
            amperes = self._amperes.follow(amperes, now)
        else:
            # The supply's limit of 2 A is nothing to ramp to, but it is where the charging ramp begins.
            self._amperes.reset(amperes, now)
        setpoint = SetSupply(volts, math.floor(amperes * 100.0) / 100.0, goal.phase)
        if setpoint != self._setpoint:
            self._setpoint = setpoint
            self.board.do(setpoint)

    def _watts(self) -> float:
        allowed = watts_allowed(self.watts)
        return self.limits.maximum_watts if allowed is None else min(allowed, self.limits.maximum_watts)

    def _power_volts(self, setpoint_volts: float) -> float:
        return power_volts(setpoint_volts, self.board.levels.volts if self.fresh else math.nan) * POWER_MARGIN

    # Hearing

    def output_set(self, event: OutputSet) -> None:
        # Some cars ask for less than zero at first.
        meant = math.isfinite(event.volts) and event.volts > 0.0 and math.isfinite(event.amperes)
        precharging = event.stage == "precharge" and self.stage in (Stage.READY, Stage.PRECHARGE)
        charging = event.stage == "charge" and self.stage is Stage.CHARGE
        if not meant or not (precharging or charging):
            self.announce(Notice.TARGET_IGNORED)
            return
        # The supply cannot go below its minimum, and a car that asks for less draws nothing from it.
        highest = min(self.limits.maximum_volts, self.ev_maximum_volts)
        volts = clamp_volts(event.volts, highest, self.limits.minimum_volts)
        self._target_at = self.board.now
        if self._stale:
            self._stale = False
            self.announce(Notice.TARGET_FRESH)
        if precharging:
            self.stage = Stage.PRECHARGE
            # Cars ask for 0 A here and expect the voltage all the same.
            self.aim(volts, self.settings.precharge_amperes, DcPhase.PRECHARGE)
        else:
            self.aim(volts, event.amperes, DcPhase.CHARGE)

    def measure_isolation_anew(self) -> None:
        """From now on only what is measured from now on counts."""
        self.ohms.clear()
        self.ohms_since = self.measured_isolation_at = self.board.now

    def isolation_reported(self, event: IsolationReported) -> None:
        if not self.monitoring:
            return
        self.measured_isolation_at = self.board.now
        if event.at >= self.ohms_since:
            self.ohms.append(event.ohms)
            del self.ohms[: -self.settings.isolation_measurements]
        # "not >=" so that a measurement that is no number is a bad one.
        if not event.ohms >= self.settings.fault_ohms:
            self.board.do(ReportInsulation(Insulation.FAULT))
            self.stop(Halt("insulation-fault", f"{event.ohms:.0f} ohms", abrupt=True, latched=True))

    # Supervision

    @property
    def fresh(self) -> bool:
        """The measured volts and amperes are new enough to act on."""
        return self.board.levels.age(self.board.now) <= self.settings.stale_measurement_seconds

    def supervise(self) -> None:
        super().supervise()
        if not self.live:
            return
        if not self.pilot_ready:
            raise Halt("pilot-left", f"state {self.board.levels.pilot} with power on", abrupt=True)
        if self.contactor_closed and not self.contactor_is("closed"):
            raise Halt("contactor-opened", f"feedback: {self.board.levels.contactor}", abrupt=True)
        self._supervise_measurements()
        if self.monitoring and self.board.now - self.measured_isolation_at > self.settings.isolation_silence_seconds:
            raise Halt("insulation-monitor-silent", latched=True)
        self._supervise_target()
        self._regulate()

    def _supervise_measurements(self) -> None:
        levels, now, goal = self.board.levels, self.board.now, self._goal
        if goal is None:
            waiting = self.stage in (Stage.HELD, Stage.CHECKING) and self.contactor_closed
            if waiting and self.fresh and not self._no_current():
                raise self._supply_not_off(abrupt=True)
            return
        patience = self.settings.stale_measurement_seconds
        if now - max(levels.measured_at, self._supply_on_at) > patience:
            raise Halt("measurement-stale", f"nothing measured for more than {patience:g} s", latched=True)
        # "not <=" so that a measurement that is no number is a bad one.
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

    def _supervise_target(self) -> None:
        goal, silent = self._goal, self.board.now - self._target_at
        supplied = self.stage in (Stage.PRECHARGE, Stage.CHARGE)
        patience = self.settings.lost_target_seconds if supplied else self.settings.lost_session_seconds
        if self.stage is not Stage.CHECKING and silent > patience:
            raise Halt("target-lost", f"no target for {silent:.0f} s")
        if self.stage is not Stage.CHARGE or goal is None or self._stale:
            return
        if silent >= self.settings.stale_target_seconds:
            self._stale = True
            self._goal = SetSupply(goal.volts, 0.0, goal.phase)
            self.announce(Notice.TARGET_STALE)

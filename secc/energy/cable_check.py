"""The cable check (IEC 61851-23:2023 CC.4.1): nothing is at the car's pins before cable and inlet are known to be insulated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hal.interlock import Insulation, Purpose
from hal.values import DcPhase
from secc.conversation import Conversation, Timeout
from secc.energy.arithmetic import cable_check_volts
from secc.energy.effects import (
    CloseDcContactor,
    ReportInsulation,
    SeekConsent,
    StartInsulationMonitor,
    TestInsulationMonitor,
)
from secc.session.effects import CableChecked

if TYPE_CHECKING:
    from secc.energy.dc import DcPath

WHOLE = Timeout("V2G_SECC_CableCheck_Performance_Time", 38.0, "ISO 15118-2 Table 109: the car gives up after 40 s")
LOW_VOLTAGE = Timeout("output below 60 V", 10.0, "IEC 61851-23:2023 CC.4.1.1")
CLOSING = Timeout("contactor closing", 5.0, "IEC 61851-23:2023 CC.4.1.2")
RISING = Timeout("cable check voltage", 10.0, "IEC 61851-23:2023 CC.4.1.2")
SELF_TEST = Timeout("insulation monitor self-test", 30.0, "IEC 61851-23:2023 CC.4.1.2")
MEASURING = Timeout("insulation measurement", 5.0, "IEC 61851-23:2023 CC.4.1.2")


def cable_check(path: DcPath, ev_maximum_volts: float) -> Conversation[CableChecked]:
    """Run the check. A failure is an answer, and the caller switches off; ``Halt`` is what supervision finds meanwhile."""
    board, settings = path.board, path.settings
    volts = cable_check_volts(ev_maximum_volts, settings.limits)
    if volts is None:
        return CableChecked(False, "invalid", f"no cable check for a car of at most {ev_maximum_volts:g} V")
    if not path.pilot_ready:
        return CableChecked(False, "invalid", f"the car is in state {board.levels.pilot}, not in C or D [V2G2-918]")
    path.ev_maximum_volts = ev_maximum_volts
    whole = board.limit(WHOLE)

    # After a renegotiation the contactor may still be closed and the bus under voltage.
    path.supply_off()
    if not (yield from path.until(lambda: path.fresh and board.levels.volts < settings.safe_volts, LOW_VOLTAGE, whole)):
        return CableChecked(False, "invalid", f"{board.levels.volts:.0f} V at the output before the check")

    board.do(SeekConsent(Purpose.CABLE_CHECK))
    board.do(CloseDcContactor())
    if not (yield from path.until(lambda: path.contactor_is("closed"), CLOSING, whole)):
        return CableChecked(False, "invalid", f"contactor {board.levels.contactor} after {CLOSING.seconds:g} s")
    path.contactor_closed = True

    path.aim(volts, settings.precharge_amperes, DcPhase.CABLE_CHECK)
    reached = settings.reached_volts
    if not (yield from path.until(lambda: path.fresh and abs(board.levels.volts - volts) <= reached, RISING, whole)):
        return CableChecked(False, "invalid", f"{board.levels.volts:.0f} V instead of {volts:.0f} V")

    test = board.ask(TestInsulationMonitor())
    try:
        yield from path.until(lambda: board.answer(test) is not None, SELF_TEST, whole)
        if board.answer(test) is not True:
            return CableChecked(False, "invalid", "the insulation monitor failed its self-test")
    finally:
        board.abandon(test)

    # A renegotiation finds the monitor running: only what is measured from now on counts.
    path.ohms.clear()
    path.measured_isolation_at = board.now
    path.monitoring = True
    board.do(StartInsulationMonitor())
    for count in range(1, settings.isolation_measurements + 1):
        if not (yield from path.until(partial(_measured, path, count), MEASURING, whole)):
            return CableChecked(False, "invalid", "the insulation monitor measures nothing")
    ohms = min(path.ohms)

    path.supply_off()
    # Some cars close their relay at whatever is on the bus.
    if not (yield from path.until(lambda: path.fresh and board.levels.volts < settings.safe_volts, LOW_VOLTAGE, whole)):
        return CableChecked(False, "invalid", f"{board.levels.volts:.0f} V at the output after the check")
    board.do(ReportInsulation(Insulation.VALID))
    board.do(SeekConsent(Purpose.DC))
    return CableChecked(True, "valid" if ohms >= settings.warning_ohms else "warning", f"{ohms:.0f} ohms")


def _measured(path: DcPath, count: int) -> bool:
    return len(path.ohms) >= count

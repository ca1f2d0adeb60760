"""The cable check (IEC 61851-23:2023 CC.4.1): nothing is at the car's pins before cable and inlet are known to be insulated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hal.interlock import Insulation, Purpose
from hal.values import DcPhase
from secc.conversation import Conversation, Deadline, Timeout
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


def cable_check(path: DcPath, ev_maximum_volts: float, *, held: bool = False) -> Conversation[CableChecked]:
    """Run the check. A failure is an answer, and the caller switches off; ``Halt`` is what supervision finds meanwhile.

    ``held``: a renegotiation, and the outlet's contactor is closed since charging. The car may have kept its own closed then, so that its battery
    stands at the output and no test voltage may be put beside it. In any other check such a voltage is a car with a welded contactor.
    """
    board, settings = path.board, path.settings
    volts = cable_check_volts(ev_maximum_volts, settings.limits)
    if volts is None:
        return _failed(f"no cable check for a car of at most {ev_maximum_volts:g} V")
    if not path.pilot_ready:
        return _failed(f"the car is in state {board.levels.pilot}, not in C or D [V2G2-918]")
    path.ev_maximum_volts = ev_maximum_volts
    whole = board.limit(WHOLE)

    board.do(SeekConsent(Purpose.CABLE_CHECK))
    path.supply_off()
    path.measure_isolation_anew()
    if (yield from board.until(partial(_low, path), within=LOW_VOLTAGE, before=whole)):
        checked = yield from _check_at_test_voltage(path, volts, whole)
    elif held:
        checked = yield from _check_with_battery(path, volts, whole)
    else:
        checked = _failed(f"{board.levels.volts:.0f} V at the output before the check")
    if checked.passed:
        board.do(ReportInsulation(Insulation.VALID))
        board.do(SeekConsent(Purpose.DC))
    return checked


def _check_at_test_voltage(path: DcPath, volts: float, whole: Deadline) -> Conversation[CableChecked]:
    """Close the contactor, test and measure with nothing but our own voltage at the output."""
    board, settings = path.board, path.settings
    board.do(CloseDcContactor())
    if not (yield from board.until(lambda: path.contactor_is("closed"), within=CLOSING, before=whole)):
        return _failed(f"contactor {board.levels.contactor} after {CLOSING.seconds:g} s")
    path.contactor_closed = True

    path.aim(volts, settings.precharge_amperes, DcPhase.CABLE_CHECK)
    reached = settings.reached_volts
    if not (
        yield from board.until(
            lambda: path.fresh and abs(board.levels.volts - volts) <= reached, within=RISING, before=whole
        )
    ):
        return _failed(f"{board.levels.volts:.0f} V instead of {volts:.0f} V")

    test = board.ask(TestInsulationMonitor())
    try:
        yield from board.until(lambda: board.answer(test) is not None, within=SELF_TEST, before=whole)
        path.self_tested = board.answer(test) is True
        if not path.self_tested:
            return _failed("the insulation monitor failed its self-test")
    finally:
        board.abandon(test)

    path.measure_isolation_anew()
    path.monitoring = True
    board.do(StartInsulationMonitor())
    measured = yield from _measured(path, whole)

    path.supply_off()
    # Some cars close their relay at whatever is on the bus.
    if measured.passed and not (yield from board.until(partial(_low, path), within=LOW_VOLTAGE, before=whole)):
        return _failed(f"{board.levels.volts:.0f} V at the output after the check")
    return measured


def _check_with_battery(path: DcPath, volts: float, whole: Deadline) -> Conversation[CableChecked]:
    """The car kept its contactor closed over the renegotiation: its own battery is the voltage, and nothing is put beside it.

    The self-test is not repeated, because it may load the conductors; it must have passed in this plug-in, and the monitor must run since then.
    """
    if not (path.monitoring and path.self_tested):
        return _failed(f"{path.board.levels.volts:.0f} V at the output, and the insulation monitor does not run")
    measured = yield from _measured(path, whole)
    if measured.passed and _low(path):
        # The car has let go meanwhile, and can be tested like any other.
        return (yield from _check_at_test_voltage(path, volts, whole))
    return measured


def _measured(path: DcPath, whole: Deadline) -> Conversation[CableChecked]:
    """Wait for the measurements that the settings ask for, and judge them. A bad one ends it all by ``Halt``."""
    for count in range(1, path.settings.isolation_measurements + 1):
        if not (yield from path.board.until(partial(_so_many, path, count), within=MEASURING, before=whole)):
            return _failed("the insulation monitor reports no measurement")
    ohms = min(path.ohms)
    return CableChecked(True, "valid" if ohms >= path.settings.warning_ohms else "warning", f"{ohms:.0f} ohms")


def _failed(detail: str) -> CableChecked:
    return CableChecked(False, "invalid", detail)


def _low(path: DcPath) -> bool:
    """Nothing dangerous at the output, by a measurement that is fresh."""
    return path.fresh and path.board.levels.volts < path.settings.safe_volts


def _so_many(path: DcPath, count: int) -> bool:
    return len(path.ohms) >= count

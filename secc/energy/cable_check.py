"""The cable check (IEC 61851-23:2023 CC.4.1): test the insulation of cable and inlet before
charging voltage is applied.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from hal.interlock import Insulation, Purpose
from hal.readings import DcPhase
from secc.conversation import Conversation, Deadline, Party, Timeout
from secc.energy.contactor import Contactor
from secc.energy.effects import CloseDcContactor, ReportInsulation, SeekConsent, TestInsulationMonitor
from secc.energy.insulation import InsulationWatch
from secc.energy.settings import DcSettings
from secc.energy.supply import Supply
from secc.session.effects import CableChecked

LOW_VOLTAGE = Timeout("output below 60 V", 10.0, "IEC 61851-23:2023 CC.4.1.1")
CLOSING = Timeout("contactor closing", 5.0, "IEC 61851-23:2023 CC.4.1.2")
RISING = Timeout("cable check voltage", 10.0, "IEC 61851-23:2023 CC.4.1.2")
SELF_TEST = Timeout("insulation monitor self-test", 30.0, "IEC 61851-23:2023 CC.4.1.2")
PROLONGED = Timeout("prolonged insulation test", 0.0, "order of a lab")
MEASURING = Timeout("insulation measurement", 5.0, "IEC 61851-23:2023 CC.4.1.2")


class CableCheck:
    """One cable check. A failure is a result, and the caller switches off; supervision raises where
    this waits.

    ``volts`` is the test voltage, ``within`` the time for all of it. ``held``: a renegotiation with
    the outlet's contactor closed since charging. If the car has kept its own closed, its battery is
    at the output and no test voltage may be applied. In any other check such a voltage means a car
    with a welded contactor.
    """

    def __init__(
        self,
        board: Party,
        settings: DcSettings,
        supply: Supply,
        contactor: Contactor,
        insulation: InsulationWatch,
        *,
        volts: float,
        within: Timeout,
        held: bool,
    ) -> None:
        self._board, self._settings = board, settings
        self._supply, self._contactor, self._insulation = supply, contactor, insulation
        self._volts, self._within, self._held = volts, within, held

    def run(self) -> Conversation[CableChecked]:
        board, supply = self._board, self._supply
        whole = board.limit(self._within)
        board.do(SeekConsent(Purpose.CABLE_CHECK))
        supply.off()
        self._insulation.measure_anew()
        if (yield from board.until(lambda: supply.low, within=LOW_VOLTAGE, before=whole)):
            checked = yield from self._at_test_voltage(whole)
        elif self._held:
            checked = yield from self._with_battery(whole)
        else:
            checked = failed(f"{board.levels.volts:.0f} V at the output before the check")
        if checked.passed:
            board.do(ReportInsulation(Insulation.VALID))
            board.do(SeekConsent(Purpose.DC))
        return checked

    def _at_test_voltage(self, whole: Deadline) -> Conversation[CableChecked]:
        """Close the contactor, test and measure with only the station's voltage at the output."""
        board, supply, contactor, volts = self._board, self._supply, self._contactor, self._volts
        contactor.close()
        board.do(CloseDcContactor())
        if not (yield from board.until(lambda: contactor.closed, within=CLOSING, before=whole)):
            return failed(f"contactor {contactor.feedback} after {CLOSING.seconds:g} s")
        contactor.must_stay_closed = True

        supply.aim(volts, self._settings.precharge_amperes, DcPhase.CABLE_CHECK)
        if not (yield from board.until(lambda: supply.reached(volts), within=RISING, before=whole)):
            return failed(f"{board.levels.volts:.0f} V instead of {volts:.0f} V")

        if not (yield from self._self_test(whole)):
            return failed("the insulation monitor failed its self-test")
        self._insulation.start()
        measured = yield from self._measured(whole)

        supply.off()
        # Some cars close their relay at any voltage on the bus.
        if measured.passed and not (yield from board.until(lambda: supply.low, within=LOW_VOLTAGE, before=whole)):
            return failed(f"{board.levels.volts:.0f} V at the output after the check")
        return measured

    def _with_battery(self, whole: Deadline) -> Conversation[CableChecked]:
        """The car kept its contactor closed over the renegotiation: measure at its battery's
        voltage, without a test voltage.

        The self-test is not repeated, because it may load the conductors; it must have passed in
        this plug-in, and the monitor must run since then.
        """
        if not (self._insulation.running and self._insulation.self_tested):
            return failed(f"{self._board.levels.volts:.0f} V at the output, and the insulation monitor does not run")
        measured = yield from self._measured(whole)
        if measured.passed and self._supply.low:
            # The car has opened its contactor meanwhile: test it like any other.
            return (yield from self._at_test_voltage(whole))
        return measured

    def _self_test(self, whole: Deadline) -> Conversation[bool]:
        board = self._board
        test = board.ask(TestInsulationMonitor())
        try:
            yield from board.until(lambda: board.answer(test) is not None, within=SELF_TEST, before=whole)
            self._insulation.self_tested = board.answer(test) is True
        finally:
            board.abandon(test)
        return self._insulation.self_tested

    def _measured(self, whole: Deadline) -> Conversation[CableChecked]:
        """Wait for as many measurements as the settings ask for, and judge them. Supervision raises
        at a bad one.
        """
        board, insulation = self._board, self._insulation
        began = board.now
        for count in range(1, self._settings.isolation_measurements + 1):
            if not (yield from board.until(partial(insulation.has, count), within=MEASURING, before=whole)):
                return failed("the insulation monitor reports no measurement")
        if (missing := began + insulation.seconds - board.now) > 0.0:
            # The monitor measures on, and supervision raises at a bad measurement.
            yield from board.until(lambda: False, within=replace(PROLONGED, seconds=missing), before=whole)
            if board.now >= whole.at:
                return failed("the insulation test is longer than the time of the cable check")
        ohms = min(insulation.ohms)
        return CableChecked(True, "valid" if ohms >= self._settings.warning_ohms else "warning", f"{ohms:.0f} ohms")


def failed(detail: str) -> CableChecked:
    """Returns the result for a cable whose insulation is not known."""
    return CableChecked(False, "invalid", detail)

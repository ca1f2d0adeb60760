"""Faults planted in what switches power: the power path, the boards, and the guard over them."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

POWER_MUTANTS: Final = (
    Mutant(
        "interlock-says-yes",
        "the interlock consents to everything",
        "hal/interlock.py",
        "return Consent(not reasons, reasons)",
        "return Consent(True)",
        ("tests/hal/test_interlock.py",),
    ),
    Mutant(
        "guard-does-not-open",
        "a consent that was lost has no consequence",
        "hal/guard.py",
        'log.warning("power off: %s", consent)',
        'log.warning("power off: %s", consent); return',
        ("tests/hal/test_guard.py",),
    ),
    Mutant(
        "contactor-opens-under-load",
        "the DC contactor opens below 50 A instead of 5 A",
        "secc/energy/supply.py",
        "abs(self._board.levels.amperes) < self._settings.breakable_amperes",
        "abs(self._board.levels.amperes) < 50.0",
        ("tests/energy/test_supply.py::test_the_contactor_waits_for_a_current_that_it_may_break",),
    ),
    Mutant(
        "contactor-opens-backwards",
        "the DC contactor opens at any negative current",
        "secc/energy/supply.py",
        "abs(self._board.levels.amperes) < self._settings.breakable_amperes",
        "self._board.levels.amperes < self._settings.breakable_amperes",
        ("tests/energy/test_supply.py::test_the_contactor_waits_for_a_current_that_it_may_break",),
    ),
    Mutant(
        "old-insulation-counts",
        "a cable check takes what was measured before it",
        "secc/energy/insulation.py",
        "        self.ohms.clear()\n",
        "",
        ("tests/energy/test_cable_check.py",),
    ),
    Mutant(
        "old-finding-holds",
        "the guard keeps the insulation of the cable check before",
        "hal/guard.py",
        "if purpose is Purpose.CABLE_CHECK:",
        "if False:",
        ("tests/hal/test_guard.py",),
    ),
    Mutant(
        "battery-tested-beside",
        "a car that keeps its contactor closed over a renegotiation is taken for one that does not",
        "secc/energy/dc.py",
        "held = self.stage is Stage.HELD",
        "held = False",
        ("tests/energy/test_cable_check.py",),
    ),
    Mutant(
        "questions-outlive-the-session",
        "a queued question of a session that is gone switches on afterwards",
        "secc/energy/path.py",
        "        self.waiting.clear()\n",
        "",
        ("tests/energy/test_path.py::test_a_queued_question_of_a_session_that_is_gone_switches_nothing_on",),
    ),
    Mutant(
        "plug-unlocked-when-welded",
        "the plug is let go unless the contactor is closed: welded and unknown too",
        "hal/boards/ports.py",
        """is not ContactorState.OPEN:
            raise HalRejected("the plug stays""",
        """is ContactorState.CLOSED:
            raise HalRejected("the plug stays""",
        ("tests/hal/boards/test_ports.py",),
    ),
    Mutant(
        "last-source-wins",
        "one source that sees no emergency stop releases what another one sees",
        "hal/boards/driven.py",
        "            emergency_stopped = any(self._stops.values())\n",
        "",
        ("tests/hal/boards/test_driven.py",),
    ),
    Mutant(
        "open-door-is-only-told",
        "an open door does not open the contactor",
        "hal/boards/driven.py",
        "if emergency_stopped or door_open:",
        "if emergency_stopped:",
        ("tests/hal/boards/test_driven.py",),
    ),
    Mutant(
        "stale-permission",
        "a contactor that the board opened by itself is closed again",
        "hal/boards/driven.py",
        "if self._was_closed and not closed and self.commanded:",
        "if False:",
        ("tests/hal/boards/test_driven.py",),
    ),
    Mutant(
        "supply-on-after-weld",
        "the supply of a composed board stays on when the contactor has welded",
        "hal/compose.py",
        'if fault.code == "contactor_welded":',
        "if False:",
        ("tests/hal/test_compose.py",),
    ),
    Mutant(
        "deaf-after-one-loss",
        "a composed board hears nothing any more when it has missed events once",
        "hal/compose.py",
        "                stream = self._board.events()\n",
        "                return\n",
        ("tests/hal/test_compose.py",),
    ),
    Mutant(
        "emergency-waits",
        "an emergency waits behind an opening in good order",
        "hal/guard.py",
        "            self._opening.cancel()\n        if immediate:",
        "            return\n        if immediate:",
        ("tests/hal/test_guard.py",),
    ),
    Mutant(
        "safe-command-believed-done",
        "a supply counts as off though a target has gone out since",
        "hal/port_queue.py",
        "                self._going = order\n                self._held = None\n",
        "                self._going = order\n",
        ("tests/hal/test_port_queue.py", "tests/hal/test_port_queue_properties.py"),
    ),
    Mutant(
        "spoilt-command-joined",
        "whoever wants a port safe joins a command that is not to be relied on any more",
        "hal/port_queue.py",
        "if once and not going.doubted:",
        "if once:",
        ("tests/hal/test_port_queue.py", "tests/hal/test_port_queue_properties.py"),
    ),
    Mutant(
        "target-goes-out-after-off",
        "a target that waits behind off goes out after the off that came later",
        "hal/port_queue.py",
        """        self._drop(f"{order.name} has come")
        going""",
        "        going",
        ("tests/hal/test_port_queue.py", "tests/hal/test_port_queue_properties.py"),
    ),
    Mutant(
        "safe-command-believed-for-ever",
        "what a board was told counts after the board was lost, and after a fault",
        "hal/guard.py",
        """                # What it was told before may be lost, or undone.
                self._doubt()""",
        "                pass",
        ("tests/hal/test_guarded.py",),
    ),
    Mutant(
        "closed-contactor-believed-open",
        "a contactor that stays closed is not told to open again",
        "hal/guarded.py",
        "            self.doubt()\n        return True",
        "            return False\n        return True",
        ("tests/hal/test_guarded.py", "tests/hal/test_guard.py"),
    ),
    Mutant(
        "emergency-believes",
        "an emergency commands nothing that was confirmed before",
        "hal/guard.py",
        "            self._doubt(under_way=not join)\n",
        "            pass\n",
        ("tests/hal/test_guarded.py",),
    ),
    Mutant(
        "limit-starts-anew",
        "the limit of a phase begins again with every poll, so that it never comes",
        "secc/iso2/phases/authorization.py",
        """    while not _decided(state, verdict):
        refuse_late(secc, limit)""",
        """    while not _decided(state, verdict):
        limit = secc.limit(timing.ONGOING)
        refuse_late(secc, limit)""",
        ("tests/iso2/phases/test_authorization.py",),
    ),
    Mutant(
        "ways-of-the-other-path",
        "an outlet with AC and DC offers ways of charging that its power path does not serve",
        "secc/station/serving/supplies.py",
        "for transfer in settings.transfers if transfer.is_dc is (path is Path.DC))",
        "for transfer in settings.transfers)",
        ("tests/station/serving/test_supplies.py",),
    ),
)

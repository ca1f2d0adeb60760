"""Faults planted in DIN SPEC 70121: its wire, its order, its limits."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

DIN_MUTANTS: Final = (
    Mutant(
        "din-evccid-in-the-clear",
        "traces and logs of DIN have the car's EVCCID in the clear",
        "secc/din/personal.py",
        '        "EVCCID",\n',
        "",
        ("tests/din/test_personal.py",),
    ),
    Mutant(
        "din-facet-not-looked-at",
        "a value of DIN that the schema does not allow is taken",
        "secc/din/facets.py",
        "broken_facet: Final = FACETS.refusal",
        "broken_facet: Final = lambda request: None",
        ("tests/din/test_facets.py",),
    ),
    Mutant(
        "din-session-id-not-compared",
        "a request of DIN with the SessionID of another session is served",
        "secc/din/dialogue.py",
        "return None if received.header.session_id == state.session_id else refusals.UNKNOWN_SESSION",
        "return None",
        (
            "tests/conformance/din/test_din_every_state.py::test_no_other_session_id_passes_for_ours",
            "tests/din/test_conformance.py",
        ),
    ),
    Mutant(
        "din-p-max-not-clamped",
        "PMax of DIN is not kept within its 16 bits",
        "secc/din/phases/charge_parameter_discovery.py",
        "return min(down(state.terms.maximum_watts), LARGEST_P_MAX)",
        "return down(state.terms.maximum_watts)",
        ("tests/conformance/din/test_din_quirks.py::test_pmax_is_in_watts_and_never_above_the_limit",),
    ),
    Mutant(
        "din-p-max-above-the-limit",
        "PMax of DIN is rounded up, above the limit of the outlet",
        "secc/din/phases/charge_parameter_discovery.py",
        "return min(down(state.terms.maximum_watts), LARGEST_P_MAX)",
        "return min(down(state.terms.maximum_watts) + 1, LARGEST_P_MAX)",
        ("tests/conformance/din/test_din_quirks.py::test_pmax_is_in_watts_and_never_above_the_limit",),
    ),
    Mutant(
        "din-precharge-current-unbounded",
        "the current of precharge is what the car asks for",
        "secc/din/phases/preparation.py",
        "        secc.do(output)\n",
        "        secc.do(type(output)(output.volts, target_amperes, output.phase))\n",
        ("tests/din/phases/test_preparation.py",),
    ),
    Mutant(
        "din-on-tls",
        "DIN is spoken over TLS",
        "secc/din/__init__.py",
        "transports=frozenset({Transport.PLAIN})",
        "transports=frozenset(Transport)",
        ("tests/conformance/din/test_din_negotiation.py::test_din_is_never_agreed_on_over_tls",),
    ),
    Mutant(
        "din-off-while-current-flows",
        "PowerDelivery or SessionStop of DIN is OK although current flows",
        "secc/session/measured.py",
        "abs(secc.levels.amperes) <= BREAKABLE_AMPERES",
        "True",
        ("tests/din/phases/test_power_delivery.py", "tests/din/phases/test_ending.py"),
    ),
    Mutant(
        "din-off-by-an-old-measurement",
        "PowerDelivery of DIN is OK by a current that was measured long ago",
        "secc/session/measured.py",
        "return not stale(secc.levels, secc.now, STALE_SECONDS) and ",
        "return ",
        ("tests/din/phases/test_power_delivery.py", "tests/din/phases/test_ending.py"),
    ),
    Mutant(
        "din-off-waits-too-long",
        "PowerDelivery of DIN waits as long as the supply may need, and the car is gone",
        "secc/din/phases/power_delivery.py",
        "yield from secc.until(settled, before=limit, every=timing.LOOK)",
        "yield from secc.until(settled, within=timing.POWER_SWITCHED, every=timing.LOOK)",
        ("tests/din/phases/test_power_delivery.py",),
    ),
    Mutant(
        "din-charges-before-the-card",
        "a car of DIN charges before a card was accepted",
        "secc/din/phases/setup.py",
        "while not state.wishes.eim_accepted or state.wishes.forces(Held.AUTHORIZATION):",
        "while state.wishes.forces(Held.AUTHORIZATION):",
        ("tests/din/phases/test_setup.py",),
    ),
    Mutant(
        "din-takes-a-contract",
        "a car of DIN pays by a contract that the station never sees",
        "secc/din/phases/setup.py",
        "if payment is not m.PaymentOption.EXTERNAL_PAYMENT:",
        "if False:",
        ("tests/din/phases/test_setup.py",),
    ),
    Mutant(
        "din-starts-after-a-stop",
        "a car of DIN gets power after the driver has ended charging",
        "secc/din/phases/power_delivery.py",
        "    if state.wishes.stop is not None:",
        "    if False:",
        ("tests/din/phases/test_power_delivery.py",),
    ),
    Mutant(
        "din-bad-cable",
        "a cable that is not good, or that has no monitor, is good for DIN",
        "secc/din/phases/preparation.py",
        "if not finding.passed or level is None:",
        "if level is None:",
        ("tests/din/phases/test_preparation.py",),
    ),
)

"""The bench's own judgement: an outcome that a car saw counts only with the wanted reason in the station's account."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


BENCH = load("josev_interop")
TWO_CARS = load("two_cars")

CHARGED = {
    "protocol": "ISO 15118-2",
    "by": "contract",
    "identity": "emaid",
    "named": True,
    "closed": True,
    "powered": True,
    "end": "completed.terminated",
    "flaw": "",
}
REFUSED = CHARGED | {"by": "", "identity": "", "named": None, "closed": False, "powered": False, "end": ""}
FREE = CHARGED | {"by": "external identification", "identity": "free", "named": False}
FREE_DIN = FREE | {"protocol": "DIN SPEC 70121"}


def problems(scenario: str, *sessions: dict[str, Any], unaccounted: int = 0, receipts: tuple[bool, ...] = ()) -> str:
    account = {"sessions": list(sessions), "unaccounted": unaccounted, "receipts": list(receipts)}
    return "; ".join(BENCH.account_problems(BENCH.SCENARIOS[scenario], account))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"by": "external identification", "identity": "free", "named": False},
            "authorised by external identification",
        ),
        ({"named": False}, "the books name emaid"),
        ({"named": None, "identity": ""}, "the books name nobody"),
        ({"powered": False}, "never had power"),
    ],
)
def test_plug_and_charge_counts_only_by_the_contract(change: dict[str, Any], why: str) -> None:
    assert problems("iso2-dc-pnc", CHARGED) == ""
    assert why in problems("iso2-dc-pnc", CHARGED | change)


def test_free_charging_does_not_count_when_a_contract_is_booked() -> None:
    assert problems("iso2-dc-eim", FREE) == ""
    assert problems("iso2-dc-eim", CHARGED)


def test_a_session_counts_only_in_the_protocol_of_the_scenario() -> None:
    assert problems("din-dc-eim", FREE_DIN) == ""
    assert "the station spoke ISO 15118-2, wanted DIN SPEC 70121" in problems("din-dc-eim", FREE)
    assert "the station spoke nothing" in problems("iso2-dc-eim", FREE | {"protocol": ""})
    assert problems("sap-no-match", REFUSED | {"protocol": "", "end": "refused.Failed_NoNegotiation"}) == ""


def test_two_cars_count_each_in_its_own_protocol_whichever_was_first() -> None:
    both = [BENCH.SCENARIOS["din-dc-eim"], BENCH.SCENARIOS["iso2-dc-eim"]]

    def told(*sessions: dict[str, Any]) -> str:
        return "; ".join(TWO_CARS.told_problems(both, {"sessions": list(sessions), "unaccounted": 0, "receipts": []}))

    assert told(FREE, FREE_DIN) == told(FREE_DIN, FREE) == ""
    assert "not of 1" in told(FREE, FREE)
    assert "not of 1" in told(FREE_DIN)
    assert "3 sessions" in told(FREE, FREE_DIN, FREE | {"protocol": ""})
    assert "never had power" in told(FREE, FREE_DIN | {"powered": False})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"flaw": "leaf-key-usage"}, "flaw leaf-key-usage, wanted bad-signature"),
        ({"flaw": ""}, "flaw none"),
        ({"end": "refused.FAILED"}, "the station's reason is refused.FAILED"),
        ({"end": "severed.connection-closed"}, "the station's reason is severed.connection-closed"),
        ({"closed": True}, "a contactor closed"),
        ({"named": True}, "something was booked"),
    ],
)
def test_a_refusal_counts_only_for_its_own_reason(change: dict[str, Any], why: str) -> None:
    refused = REFUSED | {"end": "refused.FAILED_CertChainError", "flaw": "bad-signature"}
    assert problems("iso2-neg-forged-contract", refused) == ""
    assert why in problems("iso2-neg-forged-contract", refused | change)


def test_a_chain_that_was_only_shown_must_not_be_booked() -> None:
    left = REFUSED | {"end": "completed.stopped-early"}
    assert problems("iso2-neg-stop-before-proof", left) == ""
    assert "authorised by contract" in problems("iso2-neg-stop-before-proof", left | {"by": "contract"})
    assert "something was booked" in problems("iso2-neg-stop-before-proof", left | {"named": True})
    assert "reason is refused.FAILED" in problems("iso2-neg-stop-before-proof", left | {"end": "refused.FAILED"})


def test_every_session_is_accounted_for() -> None:
    assert "0 sessions" in problems("iso2-dc-pnc")
    assert "2 sessions" in problems("iso2-dc-pnc", CHARGED, CHARGED)
    assert "without a trace" in problems("iso2-dc-pnc", CHARGED, unaccounted=1)


def test_receipts_count_only_where_they_are_demanded_and_signed_by_the_contract() -> None:
    assert problems("iso2-ac-pnc-receipts", CHARGED, receipts=(True, True)) == ""
    assert "0 receipts" in problems("iso2-ac-pnc-receipts", CHARGED)
    assert "1 of them signed" in problems("iso2-ac-pnc-receipts", CHARGED, receipts=(True, False))
    assert "nobody demanded" in problems("iso2-ac-pnc", CHARGED, receipts=(True,))


def test_each_positive_scenario_has_one_way_to_be_authorised() -> None:
    for scenario in BENCH.SCENARIOS.values():
        if scenario.expect == "stop":
            assert scenario.by == ("contract" if scenario.auth == "pnc" else "external identification"), scenario.name

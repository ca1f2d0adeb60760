"""``secc decode`` with messages of DIN SPEC 70121: lines, trees, fragments, and captures of real cars."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secc.din.messages import SCHEMA
from secc.exi.tree import to_tree
from tests.exi_vectors import SHARED, name_of, vectors
from tools import decode

PCAPS = SHARED / "captures" / "pcap"
CAPTURES = {
    "2022-11-25_v0.2_ABB_until_ChargeParamDiscovery": 7,
    "2022-12-13_compleo_with_bulb": 68,
    "2023-04-16_at_home_Ioniq_in_currentDemandLoop": 59,
    "2024-06-18_Griffigroen_pyPLC_polestar2_discharging_with_additional_prechargeCircuit": 72,
    "DIN_DC_DS5366_Josev": 76,
}
"""The DIN messages of each capture that are in its thinned form, which another codec has decoded."""

BARE_SCHEDULES = ("2023-04-16_at_home_Ioniq_in_currentDemandLoop",)
"""In these the station has sent one ChargeParameterDiscoveryRes with the abstract head of the schedules."""

EVERY_KIND = [
    row
    for row in vectors("din", "fragment-din")
    if row["name"].endswith("/all-optional") and "KeyInfo" not in str(row["message"])
]


@pytest.mark.parametrize("vector", EVERY_KIND, ids=name_of)
def test_a_line_becomes_its_tree_and_back(vector: dict[str, Any]) -> None:
    (line,) = decode.lines_of(vector["schema"], [vector["exi"] + "\n"], encode=False)
    assert json.loads(line) == vector["message"]
    assert list(decode.lines_of(vector["schema"], [line], encode=True)) == [vector["exi"]]


@pytest.mark.case("Q-72")
def test_a_line_of_the_other_schema_is_an_error() -> None:
    din, iso2 = vectors("din")[0]["exi"], vectors("iso15118-2")[0]["exi"]
    for schema, octets in (("din", iso2), ("iso15118-2", din)):
        (line,) = decode.lines_of(schema, [octets], encode=False)
        assert list(json.loads(line)) == ["error"]


def anonymous(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree without what the thinned captures have replaced in every EVCCID: all but its first three octets."""
    body = tree["V2G_Message"]["Body"]
    if "SessionSetupReq" in body:
        body["SessionSetupReq"]["EVCCID"]["$hex"] = body["SessionSetupReq"]["EVCCID"]["$hex"][:6]
    return tree


@pytest.mark.skipif(not PCAPS.is_dir(), reason="captures stay in ../shared, which is missing here")
@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_read_as_what_its_cars_agreed_on(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("scapy.all", reason="captures are read with scapy")
    assert decode.main([str(PCAPS / f"{name}.pcapng")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    errors = [line["error"] for line in lines if "error" in line]
    assert errors == ["an abstract element"] * (name in BARE_SCHEDULES)
    found = [anonymous(line["message"]) for line in lines if line.get("schema") == "din" and "message" in line]
    thinned = [json.loads(line) for line in (SHARED / "captures" / f"{name}.jsonl").read_text("utf-8").splitlines()]
    expected = [
        anonymous(to_tree(SCHEMA.decode(bytes.fromhex(row["exi"])))) for row in thinned if row["schema"] == "din"
    ]
    assert len(expected) == CAPTURES[name]
    remaining = iter(found)
    assert all(any(tree == other for other in remaining) for tree in expected), "each of them in this order"

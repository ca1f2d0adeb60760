"""Rows of how DIN SPEC 70121 is agreed on, and kept apart from ISO 15118-2, at a whole station."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secc.config import Tls
from secc.link.v2gtp import PayloadType, frame
from secc.session.offer import Payment
from secc.session.supported_app_protocol import ResponseCode as Agreed
from tests.conformance.connection import offered
from tests.conformance.din.tester import DinTester, at, config, offer
from tests.conformance.places import run
from tests.din_car import (
    EVERY_REQUEST,
)
from tests.station_scene import BOTH, Scene, configured

VECTORS = Path(__file__).resolve().parents[2] / "vectors"

ISO2 = {
    row["name"]: bytes.fromhex(row["exi"])
    for row in map(json.loads, (VECTORS / "exi-iso15118-2.jsonl").read_text("utf-8").splitlines())
}
"""Messages of ISO 15118-2, written by another codec."""


@pytest.mark.case("DIN-24", "Q-72")
@pytest.mark.parametrize("due", ["SessionSetup", "ServiceDiscovery", "CurrentDemand"])
def test_messages_of_iso_15118_2_are_not_read_in_a_session_of_din(due: str, tmp_path: Path) -> None:
    """Not even the one that would be due. Two are ignored; the third that cannot be read closes the connection."""
    (octets,) = [ISO2[name] for name in ISO2 if name.startswith(f"{due}Req/")][:1]

    async def act(tester: DinTester) -> None:
        for _ in range(2):
            await tester.sends(frame(PayloadType.EXI, octets))
            await tester.silent(1.0)
        assert str((await tester.says(EVERY_REQUEST[due])).response_code).startswith("OK")
        await tester.sends(frame(PayloadType.EXI, octets))
        await tester.ended()

    at(due, tmp_path, act)


@pytest.mark.case("DIN-26")
@pytest.mark.parametrize("minor", [1, 7])
def test_another_minor_version_is_told_and_spoken(minor: int, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene, agreed=False)
        answer = await tester.agrees(offer(minor=minor, schema_id=3))
        assert answer.response_code is Agreed.OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION
        assert answer.schema_id == 3
        await tester.drive()
        assert await scene.ended() == ["completed.terminated"]

    run(config(tmp_path), act)


@pytest.mark.case("DIN-25")
@pytest.mark.parametrize("payments", [BOTH, (Payment.CONTRACT,), (Payment.EXTERNAL,)], ids=str)
def test_din_is_never_agreed_on_over_tls(payments: tuple[Payment, ...], tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene, tls=True, agreed=False)
        answer = await tester.agrees(offer())
        assert (answer.response_code, answer.schema_id) == (Agreed.FAILED_NO_NEGOTIATION, None)
        await tester.closed()
        assert not scene.world().contactor.closed

    run(configured(tmp_path, tls=Tls.OFFERED, payments=payments), act)


@pytest.mark.case("DIN-25")
def test_over_tls_iso_15118_2_is_chosen_whatever_the_car_prefers(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene, tls=True, agreed=False)
        second = offered("urn:iso:15118:2:2013:MsgDef", schema_id=2, priority=2)
        answer = await tester.agrees(offer(schema_id=1, priority=1), second)
        assert (answer.response_code, answer.schema_id) == (Agreed.OK_SUCCESSFUL_NEGOTIATION, 2)

    run(configured(tmp_path, tls=Tls.OFFERED, payments=BOTH), act)


@pytest.mark.case("SAP-01")
@pytest.mark.parametrize("schema_ids", [(1, 2), (2, 1), (0, 9)], ids=str)
def test_din_is_chosen_where_the_car_ranks_it_first(schema_ids: tuple[int, int], tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        tester = await DinTester.connect(scene, agreed=False)
        second = offered("urn:iso:15118:2:2013:MsgDef", schema_id=schema_ids[1], priority=2)
        answer = await tester.agrees(second, offer(schema_id=schema_ids[0], priority=1))
        assert (answer.response_code, answer.schema_id) == (Agreed.OK_SUCCESSFUL_NEGOTIATION, schema_ids[0])
        await tester.drive()
        assert await scene.ended() == ["completed.terminated"]

    run(config(tmp_path), act)

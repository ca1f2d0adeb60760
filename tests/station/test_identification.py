"""Who may charge, over connections and plug-ins, on a whole station in virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.readings import Indication
from hal.sim.clock import run_virtual
from hal.sim.devices import SimIndicator
from secc.config import Config, Eim, Tls
from secc.session.effects import Decision, Ground, Verdict
from secc.session.identification import ContractState
from tests.station_scene import BOTH, Scene, car_wallet, configured, station
from tools.evcc.behaviour import Behaviour, Payment

CARD = "04A2B3C4"
CONTRACT = Behaviour(payment=Payment.CONTRACT, loops=3)
EXTERNAL = Behaviour(payment=Payment.EXTERNAL, loops=3)
MINE = f"emaid {car_wallet().emaid}\n"
STRANGER = "emaid FRXYZC12345678\n"


def config(directory: Path, allow: str = "") -> Config:
    return configured(directory, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST, allow=allow + f"rfid {CARD}\n")


def offers(scene: Scene) -> list[list[str]]:
    return [event["payments"] for event in scene.published if event["event"] == "session"]


def book(scene: Scene) -> list[dict[str, Any]]:
    path = scene.state / "sessions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def slow_contracts(scene: Scene, seconds: float, verdict: Verdict) -> list[str]:
    """The backend takes its time with contracts; what became of each question."""
    fates: list[str] = []

    async def authorize(contract: Any, *, outlet: str, decide: float) -> Verdict:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            fates.append("abandoned")
            raise
        fates.append("answered")
        return verdict

    scene.services.uplink.authorize_contract = authorize  # type: ignore[method-assign]  # a slow backend
    return fates


def test_a_card_first_and_contract_is_not_offered(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            scene.world().present_token("rfid", CARD)
            await asyncio.sleep(1.0)
            drive = await scene.drive(EXTERNAL, tls=True).done()
            assert drive.outcome == "completed.full"
            assert offers(scene) == [["external"]]
            await scene.until(lambda: len(book(scene)) == 2)
            assert book(scene)[0]["identity"] == "rfid"
            # The card was for that plug-in and for no other.
            await asyncio.sleep(5.0)
            drive = scene.drive(EXTERNAL, tls=True)
            await asyncio.sleep(30.0)
            assert "authorized" not in drive.names
            assert offers(scene)[1] == ["contract", "external"]
            scene.world().present_token("rfid", CARD)
            await drive.done()
            assert drive.outcome == "completed.full"

    run_virtual(main())


def test_a_card_on_no_list_lets_nobody_charge(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            drive = scene.drive(EXTERNAL, tls=True)
            await asyncio.sleep(5.0)
            scene.world().present_token("rfid", "DEADBEEF")
            await asyncio.sleep(30.0)
            assert "authorized" not in drive.names
            scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"

    run_virtual(main())


def test_after_a_contract_was_accepted_the_driver_is_told_and_no_card_is_asked_about(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path, allow=MINE), watch=False) as scene:
            indicator, uplink = scene.board().indicator, scene.services.uplink
            shown: list[Indication] = []
            cards: list[str] = []
            authorize = uplink.authorize_token
            assert isinstance(indicator, SimIndicator)

            async def noted(question: Any, **how: Any) -> Verdict:
                cards.append(question.value)
                return await authorize(question, **how)

            uplink.authorize_token = noted  # type: ignore[method-assign]  # listens in
            drive = scene.drive(replace(CONTRACT, loops=100), tls=True)
            for _ in range(3000):
                if "authorized" in drive.names:
                    break
                await asyncio.sleep(0.01)
                shown.append(indicator.shown[0])
            assert "authorized" in drive.names, drive.outcome
            assert Indication.AUTHORIZED not in shown[:-10], "not before the car has proved it"
            scene.world().present_token("rfid", CARD)
            await asyncio.sleep(0.1)
            assert indicator.shown[0] is Indication.AUTHORIZED
            await scene.charging(drive)
            scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"
            assert cards == []
            await scene.until(lambda: len(book(scene)) == 2)
            assert book(scene)[0]["identity"] == "emaid"

    run_virtual(main())


def test_the_contract_of_the_last_session_is_not_billed_for_the_next(tmp_path: Path) -> None:
    """At a free station each session has its own identification, or none: in the same plug-in, and after an unplugging."""

    async def main() -> None:
        listed = config(tmp_path, allow=MINE)
        free = replace(listed, uplink=replace(listed.uplink, eim=Eim.FREE))
        async with station(free, watch=False) as scene:
            for count, behaviour in enumerate((CONTRACT, EXTERNAL, EXTERNAL), 1):
                drive = await scene.drive(behaviour, tls=True, stay=count == 1).done()
                assert drive.outcome == "completed.full", drive.outcome
                await scene.until(lambda count=count: len(book(scene)) == 2 * count)  # type: ignore[misc]  # its own count
                await asyncio.sleep(5.0)
            identities = [row["identity"] for row in book(scene) if row["what"] == "started"]
            assert identities == ["emaid", "free", "free"]

    run_virtual(main())


@pytest.mark.case("A-PNC-17")
def test_a_contract_that_the_backend_calls_revoked_is_refused_from_memory_at_the_next_plug_in(tmp_path: Path) -> None:
    """Contracts on no list may charge here, so that nothing but the memory can refuse."""
    settings = config(tmp_path)
    uplink = replace(settings.uplink, allowlist=None, offline_tx_for_unknown_id_enabled=True)
    revoked = Verdict(Decision.CERTIFICATE_REVOKED, "the backend says CertificateRevoked", Ground.BACKEND)

    async def main() -> None:
        async with station(replace(settings, uplink=uplink), watch=False) as scene:
            backend = scene.services.uplink
            authorize = backend.authorize_contract
            slow_contracts(scene, 0.0, revoked)
            drive = await scene.drive(CONTRACT, tls=True).done()
            assert drive.outcome == "refused.FAILED_CertificateRevoked"
            await asyncio.sleep(5.0)
            backend.authorize_contract = authorize  # type: ignore[method-assign]  # gone, and the station alone decides
            drive = await scene.drive(CONTRACT, tls=True).done()
            assert drive.outcome == "refused.FAILED"
            await asyncio.sleep(5.0)
            slow_contracts(scene, 0.0, Verdict(Decision.ACCEPTED, "by the backend", Ground.BACKEND))
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"
            await asyncio.sleep(5.0)
            backend.authorize_contract = authorize  # type: ignore[method-assign]  # gone again
            drive = await scene.drive(CONTRACT, tls=True).done()
            assert drive.outcome == "completed.full", "an acceptance erases it"

    run_virtual(main())


def test_a_card_shown_while_the_contract_is_being_checked_counts_and_nobody_is_identified_twice(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            slow_contracts(scene, 20.0, Verdict(Decision.ACCEPTED))
            drive = scene.drive(CONTRACT, tls=True)
            await asyncio.sleep(6.0)
            assert "authorized" not in drive.names
            scene.world().present_token("rfid", CARD)
            await scene.until(lambda: "authorized" in drive.names, 3.0)
            assert (await drive.done()).outcome == "completed.full"
            await scene.until(lambda: len(book(scene)) == 2)
            assert [row["what"] for row in book(scene)] == ["started", "ended"]
            assert book(scene)[0]["identity"] == "rfid"

    run_virtual(main())


def test_a_failed_contract_is_offered_once_more_then_only_external_until_unplugged(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path, allow=STRANGER), watch=False) as scene:
            for count in (1, 2):
                drive = await scene.drive(CONTRACT, tls=True, stay=True).done()
                assert drive.outcome.startswith("refused.FAILED"), drive.outcome
                await scene.ended(count)
            drive = await scene.drive(CONTRACT, tls=True, stay=True).done()
            assert drive.reason is not None
            assert not drive.reason.well
            assert offers(scene) == [["contract", "external"]] * 2 + [["external"]]
            scene.world().unplug()
            await asyncio.sleep(5.0)
            await scene.drive(CONTRACT, tls=True).done()
            assert offers(scene)[3] == ["contract", "external"]
            assert book(scene) == []

    run_virtual(main())


@pytest.mark.case("A-SES-11")
def test_a_verdict_that_comes_after_the_session_is_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            fates = slow_contracts(scene, 20.0, Verdict(Decision.ACCEPTED))
            drive = scene.drive(CONTRACT, tls=True, stay=True)
            await asyncio.sleep(5.0)
            scene.world().unplug(force=True)
            await drive.done()
            assert await scene.ended() == ["severed.unplugged"]
            # The next car is somebody else's, who has no contract.
            drive = scene.drive(EXTERNAL, tls=True)
            await asyncio.sleep(40.0)
            assert fates == ["abandoned"]
            plugin = scene.outlet().plug.plugin
            assert plugin is not None
            assert plugin.state.identification.contract is ContractState.NONE
            assert "authorized" not in drive.names
            assert book(scene) == []
            scene.outlet().commands.start()
            assert (await drive.done()).outcome == "completed.full"
            await scene.until(lambda: len(book(scene)) == 2)
            assert book(scene)[0]["identity"] == "operator"

    run_virtual(main())


@pytest.mark.case("A-SES-12")
def test_a_card_that_a_stop_has_spent_still_pays_for_the_session_that_it_authorised(tmp_path: Path) -> None:
    """The plug-in hears the stop a moment before the session: power that comes on in that moment is on the card, and on no other identification."""

    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            scene.world().present_token("rfid", CARD)
            await asyncio.sleep(1.0)
            plugin = scene.outlet().plug.plugin
            assert plugin is not None
            publish = scene.services.publish

            def heard(event: Any) -> None:
                publish(event)
                if event.get("milestone") == "parameters agreed":
                    plugin.state.identification = plugin.state.identification.spent()

            scene.services.publish = heard
            await scene.drive(EXTERNAL, tls=True).done()
            await scene.until(lambda: len(book(scene)) == 2)
            assert book(scene)[0]["identity"] == "rfid"

    run_virtual(main())

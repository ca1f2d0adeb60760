"""A car with another car's contract chain, which is not a secret, and without its key: a whole station in virtual time.

Judged by the simulated meter, contactor and pilot, and by the books; never by what the station says of itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hal.readings import Indication
from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Hlc, Tls, Uplink
from secc.session.effects import Decision, Ground, Verdict
from secc.trace.explain import explain
from secc.trace.explain_trace import record_of_trace
from secc.trace.history import records
from tests.station_scene import BOTH, Drive, Scene, car_wallet, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current, Payment
from tools.evcc.matching import be_matched
from tools.evcc.wallet import Wallet

CARD = "04A2B3C4"
PLUG_AND_CHARGE = Behaviour(current=Current.AC, payment=Payment.CONTRACT, loops=3)
STOPS_BEFORE_THE_PROOF = replace(PLUG_AND_CHARGE, stop_before="Authorization")
"""Shows the chain, and ends the session instead of signing: AuthorizationReq is the first request that needs the key."""
IDENTIFIES_ONLY = replace(PLUG_AND_CHARGE, stop_before="ChargeParameterDiscovery")
"""Q-41: signs, is accepted, and ends the session: it charges by pilot."""
YES = Verdict(Decision.ACCEPTED, "by the backend", Ground.BACKEND)


def config(directory: Path, eim: Eim = Eim.LIST) -> Config:
    """An AC outlet with a modem that falls back to charging by pilot, cards on a list, TLS required; the victim's contract may charge."""
    wanted = configured(
        directory,
        dc=False,
        hal="sim:?connector=ac&modem=1",
        tls=Tls.REQUIRED,
        payments=BOTH,
        eim=eim,
        allow=f"emaid {car_wallet().emaid}\nrfid {CARD}\n",
    )
    return replace(wanted, outlets=tuple(replace(outlet, hlc=Hlc.PREFERRED) for outlet in wanted.outlets))


def loot() -> Wallet:
    """The victim's chain and EMAID, with a key of the thief's own."""
    return replace(car_wallet(), key=ec.generate_private_key(ec.SECP256R1()))


def books(scene: Scene) -> list[dict[str, Any]]:
    path = scene.state / "sessions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told_by(scene: Scene) -> Iterator[str]:
    """What ``secc explain`` tells of each thing in the history, by its record and, where it has one, by its trace."""
    for record in records(scene.state):
        yield explain(record)
        if record.trace:
            yield explain(record_of_trace(Path(record.trace).read_text().splitlines()))


def metered(scene: Scene) -> float:
    """What the true meter has counted, watt hours."""
    scene.world().advance()
    return scene.world().books.metered


def offered(scene: Scene) -> list[bool]:
    """Of each session, whether Contract was offered."""
    return ["contract" in event["payments"] for event in scene.published if event["event"] == "session"]


def asked_about(scene: Scene, answer: Verdict | None = None, seconds: float = 0.0) -> list[str]:
    """What the backend was asked about contracts, by when the question went out; it answers so, or as it would."""
    asked: list[str] = []
    authorize = scene.services.uplink.authorize_contract

    async def noted(contract: Any, **how: Any) -> Verdict:
        asked.append(scene.published[-1].get("milestone", ""))
        await asyncio.sleep(seconds)
        return answer or await authorize(contract, **how)

    scene.services.uplink.authorize_contract = noted  # type: ignore[method-assign]  # listens in
    return asked


def at(scene: Scene, milestone: str, act: Callable[[], None]) -> None:
    """Do this as soon as the station tells that milestone, before the car can say another word."""
    hear = scene.services.publish

    def heard(event: Any) -> None:
        hear(event)
        if event.get("milestone") == milestone:
            act()

    scene.services.publish = heard


async def steal(scene: Scene, behaviour: Behaviour = PLUG_AND_CHARGE) -> Drive:
    """One session of the thief, who stays on the cable."""
    before = len(scene.codes())
    world = scene.world()
    # A car that storms is slowed down: its offer of 5 % comes later every time.
    await scene.until(lambda: not world.car.plugged or world.duty == 0.05, 120.0, "5 %")
    drive = await scene.drive(behaviour, tls=True, wallet=loot(), stay=True).done()
    await scene.ended(before + 1)
    return drive


async def gets_nothing(scene: Scene, seconds: float = 100.0) -> None:
    """For so long the car wants power by pilot: no nominal duty, no closed contactor, no energy, nothing in the books."""
    world, shown = scene.world(), scene.board().indicator
    world.draw_ac(16.0, 3)
    for second in range(round(seconds)):
        if world.car.plugged:
            world.close_s2(second % 20 < 10)
        assert world.duty in (None, 0.0, 0.05, 1.0), f"duty {world.duty}"
        assert not world.contactor.closed
        assert shown is not None
        assert shown.shown[0] is not Indication.AUTHORIZED  # type: ignore[attr-defined]  # what the simulated one shows
        await asyncio.sleep(1.0)
    assert metered(scene) == 0.0
    assert books(scene) == []


WAYS = {
    "says good bye instead of signing": STOPS_BEFORE_THE_PROOF,
    "says nothing more": replace(PLUG_AND_CHARGE, flaw="silent"),
    "goes on as if it had signed": replace(PLUG_AND_CHARGE, flaw="skip-authorization"),
    "signs with another key": PLUG_AND_CHARGE,
    "does not sign": replace(PLUG_AND_CHARGE, flaw="no-signature"),
    "signs no challenge": replace(PLUG_AND_CHARGE, flaw="no-challenge"),
    "begins a session in the session": replace(PLUG_AND_CHARGE, flaw="setup-twice"),
}


@pytest.mark.case("A-PNC-03", "A-PNC-15")
@pytest.mark.parametrize("way", WAYS)
def test_a_stolen_chain_gets_no_energy(tmp_path: Path, way: str) -> None:
    async def main() -> None:
        async with station(config(tmp_path)) as scene:
            asked_about(scene, YES)
            await steal(scene, WAYS[way])
            await gets_nothing(scene)
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PNC-15")
@pytest.mark.parametrize("milestone", ["session set up", "identification chosen", "contract presented"])
@pytest.mark.parametrize("how", ["reset", "link"])
def test_a_stolen_chain_and_a_connection_that_breaks_get_no_energy(tmp_path: Path, milestone: str, how: str) -> None:
    async def main() -> None:
        async with station(config(tmp_path)) as scene:
            asked_about(scene, YES)
            drive = scene.drive(PLUG_AND_CHARGE, tls=True, wallet=loot(), stay=True)
            line = scene.board().line
            assert line is not None
            at(scene, milestone, drive.reset if how == "reset" else lambda: line.car.join(bytes(7), bytes(16)))
            await drive.done()
            await scene.ended()
            await gets_nothing(scene)
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PNC-15")
@pytest.mark.parametrize("seconds", [0.0, 20.0], ids=["before the end", "after the end"])
def test_the_backends_yes_is_worth_nothing_without_the_proof(tmp_path: Path, seconds: float) -> None:
    async def main() -> None:
        async with station(config(tmp_path)) as scene:
            asked = asked_about(scene, YES, seconds)
            for _ in range(3):
                await steal(scene, STOPS_BEFORE_THE_PROOF)
                await gets_nothing(scene, 60.0)
            assert asked, "it saves the honest car a second"
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PNC-15")
def test_a_card_that_is_accepted_while_a_stolen_chain_is_pending_pays_itself(tmp_path: Path) -> None:
    """The session fails all the same, and what is charged by pilot on the card is booked to the card."""

    async def main() -> None:
        async with station(config(tmp_path)) as scene:
            asked_about(scene, YES, 0.0)
            drive = scene.drive(replace(PLUG_AND_CHARGE, flaw="silent"), tls=True, wallet=loot(), stay=True)
            await scene.until(lambda: any(e.get("milestone") == "contract presented" for e in scene.published))
            scene.world().present_token("rfid", CARD)
            await drive.done()
            assert not (await scene.ended())[0].startswith("completed.")
            world = scene.world()
            await scene.until(lambda: world.duty == 0.5333, 30.0, "nominal duty")
            world.close_s2()
            await scene.until(lambda: world.contactor.closed, 3.0)
            await scene.until(lambda: len(books(scene)) == 1)
            assert books(scene)[0]["identity"] == "rfid"
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PNC-15")
def test_at_a_free_station_nothing_is_booked_to_the_contract_that_was_only_shown(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path, Eim.FREE)) as scene:
            asked_about(scene, YES)
            await steal(scene, STOPS_BEFORE_THE_PROOF)
            world = scene.world()
            await scene.until(lambda: world.duty == 0.5333, 30.0, "nominal duty")
            world.close_s2()
            await scene.until(lambda: world.contactor.closed, 3.0)
            await scene.until(lambda: len(books(scene)) == 1)
            assert books(scene)[0]["identity"] == "free"
            await scene.until(lambda: scene.outlet().writes.idle)
            told = list(told_by(scene))
            assert len(told) == 3, "the session's record, its trace, and charging by pilot"
            assert not any(car_wallet().masked_emaid in text for text in told), "who showed a chain is not who it names"
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PNC-15")
def test_the_car_that_only_identifies_itself_and_has_signed_charges(tmp_path: Path) -> None:
    """Q-41: it ends the session after AuthorizationRes, charges by pilot, and the books name its contract."""

    async def main() -> None:
        async with station(config(tmp_path)) as scene:
            await scene.drive(IDENTIFIES_ONLY, tls=True, stay=True).done()
            await scene.ended()
            world = scene.world()
            await scene.until(lambda: world.duty == 0.5333, 30.0, "nominal duty")
            world.close_s2()
            await scene.until(lambda: world.contactor.closed, 3.0)
            world.draw_ac(16.0, 3)
            await asyncio.sleep(60.0)
            assert metered(scene) > 100.0
            session, trace, _ = told_by(scene)
            assert f"Contract as {car_wallet().masked_emaid}" in session
            assert f"Contract as {car_wallet().masked_emaid}" in trace
            assert [(row["identity"], row["masked"]) for row in books(scene)] == [("emaid", car_wallet().masked_emaid)]
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-PNC-15")
def test_the_car_that_only_identified_itself_pays_also_if_it_connects_again_and_says_nothing(tmp_path: Path) -> None:
    """A connection without a session must not make the books forget who pays, while the plug-in lets him charge."""

    async def main() -> None:
        async with station(config(tmp_path)) as scene:
            await scene.drive(IDENTIFIES_ONLY, tls=True, stay=True).done()
            await scene.ended()
            line, outlet, world = scene.board().line, scene.outlet(), scene.world()
            assert line is not None
            await asyncio.sleep(1.0)
            await be_matched(line.car, lambda *told: None)
            await scene.until(lambda: outlet.sockets.port, 10.0, "the car is talked to again")
            _, writer = await asyncio.open_connection("::1", outlet.sockets.port)
            await asyncio.sleep(0.5)
            writer.close()
            await scene.ended(2)
            await scene.until(lambda: world.duty == 0.5333, 60.0, "nominal duty")
            world.close_s2()
            await scene.until(lambda: len(books(scene)) == 1)
            assert [(row["identity"], row["masked"]) for row in books(scene)] == [("emaid", car_wallet().masked_emaid)]
            judged(scene)

    run_virtual(main())


def test_the_contract_of_a_car_that_only_identified_itself_leaves_with_it(tmp_path: Path) -> None:
    """A free station, and a car that goes away without having charged: the next car's session has no payer."""

    async def main() -> None:
        async with station(config(tmp_path, Eim.FREE), watch=False) as scene:
            asked_about(scene, YES)
            await scene.drive(IDENTIFIES_ONLY, tls=True).done()
            await scene.ended()
            await asyncio.sleep(5.0)
            drive = await scene.drive(replace(PLUG_AND_CHARGE, payment=Payment.EXTERNAL), tls=True).done()
            assert drive.outcome == "completed.full", drive.outcome
            await scene.until(lambda: len(books(scene)) == 2)
            assert books(scene)[0]["identity"] == "free"

    run_virtual(main())


@pytest.mark.case("A-PNC-16")
@pytest.mark.parametrize("flaw", [None, "no-signature", "broken-signature", "wrong-challenge", "skip-authorization"])
def test_a_failed_proof_is_a_failed_contract(tmp_path: Path, flaw: str | None) -> None:
    """Seven sessions without the key: Contract is offered twice, also where the backend had said yes before the signature came."""

    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            asked_about(scene, YES)
            for _ in range(7):
                drive = await steal(scene, replace(PLUG_AND_CHARGE, flaw=flaw))
                assert drive.reason is None or not drive.reason.well
            assert offered(scene) == [True, True] + [False] * 5
            await gets_nothing(scene, 30.0)
            scene.world().unplug()
            await asyncio.sleep(5.0)
            honest = scene.drive(PLUG_AND_CHARGE, tls=True)
            assert (await honest.done()).outcome == "completed.full", "the next car is another one"

    run_virtual(main())


@pytest.mark.case("A-PNC-15", "A-PNC-17")
def test_the_backend_is_asked_twice_a_plug_in_about_what_no_car_has_proved(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            asked = asked_about(scene, YES)
            for _ in range(4):
                await steal(scene, STOPS_BEFORE_THE_PROOF)
            assert offered(scene) == [True] * 4, "who says good bye has not failed"
            assert asked == ["contract presented"] * 2
            # Somebody who has the key is asked about after the proof, and charges.
            honest = scene.drive(IDENTIFIES_ONLY, tls=True, stay=True)
            await honest.done()
            assert "authorized" in honest.names, honest.outcome
            assert len(asked) == 3
            await scene.until(lambda: scene.world().duty == 0.5333, 30.0, "nominal duty")

    run_virtual(main())


@pytest.mark.case("A-PNC-15", "A-PNC-17")
def test_the_backend_is_asked_ten_times_an_hour_about_what_no_car_has_proved(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            asked = asked_about(scene, YES)
            loop = asyncio.get_running_loop()
            began = loop.time()
            for count in range(1, 8):
                for _ in range(2):
                    await steal(scene, STOPS_BEFORE_THE_PROOF)
                assert len(asked) == min(2 * count, 10)
                scene.world().unplug()
                await asyncio.sleep(5.0)
            honest = await scene.drive(PLUG_AND_CHARGE, tls=True).done()
            assert honest.outcome == "completed.full", honest.outcome
            await asyncio.sleep(3600.0 - (loop.time() - began))
            await steal(scene, STOPS_BEFORE_THE_PROOF)
            assert len(asked) == 12, "one after the proof, and one more in the next hour"

    run_virtual(main())


@pytest.mark.case("A-PNC-17")
@pytest.mark.parametrize("proves", [False, True])
def test_what_is_said_of_a_contract_is_remembered_only_when_its_car_has_proved_it(tmp_path: Path, proves: bool) -> None:
    """The backend says NoCredit of the victim's contract. Only if the victim was here does that count tomorrow, without a backend."""
    trusting = config(tmp_path)
    trusting = replace(
        trusting,
        uplink=Uplink(offline_tx_for_unknown_id_enabled=True, sessions=trusting.uplink.sessions),
    )
    no = Verdict(Decision.REJECTED, "the backend says NoCredit", Ground.BACKEND)

    async def main() -> None:
        async with station(trusting, watch=False) as scene:
            uplink = scene.services.uplink
            authorize = uplink.authorize_contract
            asked_about(scene, no)
            await steal(scene, STOPS_BEFORE_THE_PROOF)
            await steal(scene)
            if proves:
                await scene.drive(PLUG_AND_CHARGE, tls=True, stay=True).done()
            scene.world().unplug()
            await asyncio.sleep(5.0)
            uplink.authorize_contract = authorize  # type: ignore[method-assign]  # offline again
            drive = await scene.drive(PLUG_AND_CHARGE, tls=True).done()
            assert drive.outcome == ("refused.FAILED" if proves else "completed.full")

    run_virtual(main())

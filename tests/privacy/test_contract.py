"""After a Plug & Charge session, however it ended, nothing of the car's contract is left: not on the disk, not in the log, not in memory."""

from __future__ import annotations

import asyncio
import atexit
import base64
import functools
import json
import logging
import secrets
import shutil
import string
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from certs.emaid import check_digit
from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Lab, Tls
from secc.ops.report import explanation, status_lines
from tests import station_config, station_scene
from tests.personal_search import Needles
from tests.station_scene import BOTH, Scene, car_wallet, configured, station
from tools.evcc.behaviour import Behaviour, Payment
from tools.pki.layout import make_lab_pki


@functools.cache
def own_pki() -> Path:
    """A PKI that no other test has, for a contract that no other test has: whatever is found of it comes from the session."""
    directory = Path(tempfile.mkdtemp(prefix="private-pki-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    contract = "DE8AA" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(9))
    make_lab_pki(directory, flaws=("expired-leaf", "emaid-mismatch"), emaid=contract + check_digit(contract))
    return directory


@pytest.fixture(autouse=True)
def _nobody_elses_pki(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (station_scene, station_config):
        monkeypatch.setattr(module, "lab_pki", own_pki)


CAR = Behaviour(payment=Payment.CONTRACT, evcc_id=bytes((2, *secrets.token_bytes(5))), loops=30)
"""Nobody's EVCCID: whatever is found of it comes from the session."""


@dataclass(frozen=True)
class Case:
    """One session and how it ends."""

    name: str
    code: str
    flaw: str | None = None
    car: str = "car"
    allow: str = ""
    unplug_at: str = ""
    """Pull the plug when the car tells this."""

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("good", "completed.terminated"),
    Case("not-listed", "refused.FAILED", allow="emaid FRXYZC12345678\n"),
    Case("wrong-challenge", "refused.FAILED_ChallengeInvalid", flaw="wrong-challenge"),
    Case("out-of-order", "refused.FAILED_SequenceError", flaw="skip-authorization"),
    Case("expired", "refused.FAILED_CertificateExpired", car="flawed/expired-leaf"),
    Case("other-emaid", "refused.FAILED", car="flawed/emaid-mismatch"),
    Case("pulled-while-authorised", "severed.unplugged", unplug_at="authorized"),
    Case("pulled-while-charging", "severed.unplugged", unplug_at="charging"),
]


async def one(scene: Scene, case: Case) -> None:
    drive = scene.drive(replace(CAR, flaw=case.flaw), tls=True, wallet=car_wallet(case.car), stay=bool(case.unplug_at))
    if case.unplug_at:
        await scene.until(lambda: case.unplug_at in drive.names, what=f"{drive.names}")
        scene.world().unplug(force=True)
    await drive.done()
    codes = await scene.ended()
    assert codes[0].startswith(case.code), codes
    await scene.until(lambda: scene.outlet().writes.idle)
    # What lingers of the connection is over after some seconds.
    await asyncio.sleep(15.0)


def shown(scene: Scene) -> bytes:
    """Everything that a local person sees."""
    state = scene.station.state()
    text = "\n".join(status_lines(json.loads(json.dumps(state))))
    return (json.dumps(state) + json.dumps(scene.published) + text + explanation(None, scene.state)).encode()


def config_for(tmp_path: Path, case: Case, lab: Lab | None = None) -> Config:
    return configured(
        tmp_path,
        tls=Tls.OFFERED,
        payments=BOTH,
        eim=Eim.LIST,
        lab=lab,
        hal="sim:?connector=dc&speed=10",
        allow=case.allow or f"emaid {car_wallet().emaid}\n",
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_of_the_contract_is_left(tmp_path: Path, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    wallet = car_wallet(case.car)
    needles = Needles(wallet, CAR.evcc_id, own_pki() / "authorities")
    assert needles.searches_the_emaid
    caplog.set_level(logging.DEBUG)
    config = config_for(tmp_path, case)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            await one(scene, case)
            assert needles.found_in(shown(scene)) == []
            assert needles.found_in(caplog.text.encode()) == []
            found = needles.found_below(scene.state)
            assert found == {}
            assert needles.found_alive(beside=[wallet, CAR]) == []

    run_virtual(main())
    traces = list((tmp_path / "state" / "traces").iterdir())
    assert len(traces) == 1
    assert "PaymentDetailsReq" in traces[0].read_text()
    assert needles.found_below(tmp_path / "state") == {}


def test_a_pause_keeps_the_contract_nowhere_but_in_memory_and_until_the_unplugging(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case("paused", "completed.pause")
    wallet = car_wallet()
    needles = Needles(wallet, CAR.evcc_id, own_pki() / "authorities")
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with station(config_for(tmp_path, case), watch=False) as scene:
            drive = scene.drive(replace(CAR, pauses=1), tls=True, wallet=wallet, stay=True)
            assert await scene.ended() == ["completed.pause"]
            await asyncio.sleep(15.0)
            drive.task.cancel()  # type: ignore[union-attr]
            assert needles.found_in(shown(scene)) == []
            assert needles.found_below(scene.state) == {}
            assert "certificate" not in " ".join(needles.found_alive(beside=[wallet, CAR, drive]))
            drive.told.clear()
            scene.world().unplug(force=True)
            await scene.until(lambda: scene.outlet().writes.idle)
            await asyncio.sleep(15.0)
            del drive
            assert needles.found_in(caplog.text.encode()) == []
            assert needles.found_below(scene.state) == {}
            assert needles.found_alive(beside=[wallet, CAR]) == []

    run_virtual(main())


@pytest.mark.parametrize("broken", ["secc.iso2.dialogue.read", "secc.trace.recorder.Recorder._rendered"])
def test_nothing_is_left_where_a_trace_cannot_be_rendered(
    tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The octets of the session are in the ring by then: where a message cannot be read again, and where a bug ends the rendering."""

    def bug(*arguments: Any) -> Any:
        raise ZeroDivisionError("planted")

    needles = Needles(car_wallet(), CAR.evcc_id, own_pki() / "authorities")
    monkeypatch.setattr(broken, bug)
    # What pytest shows of a test that fails would keep the frames of the bug.
    monkeypatch.setattr(logging.getLogger("secc.station.shared.traces"), "disabled", True)

    async def main() -> None:
        async with station(config_for(tmp_path, CASES[0]), watch=False) as scene:
            await one(scene, CASES[0])
            assert needles.found_alive(beside=[car_wallet(), CAR]) == []

    run_virtual(main())
    assert needles.found_below(tmp_path / "state") == {}
    traces = [path.read_text() for path in (tmp_path / "state" / "traces").glob("*")]
    assert len(traces) == (1 if broken.endswith("read") else 0)
    assert "PaymentDetailsReq" not in "".join(traces)


def test_the_search_would_find_it(tmp_path: Path) -> None:
    """While the session runs it is in memory; with ``danger_trace_personal`` it stands in the trace, and there alone."""
    needles = Needles(car_wallet(), CAR.evcc_id, own_pki() / "authorities")
    config = config_for(tmp_path, CASES[0], Lab(danger_trace_personal=True))

    async def main() -> Any:
        async with station(config, watch=False) as scene:
            drive = scene.drive(CAR, tls=True, wallet=car_wallet())
            await scene.until(lambda: "charging" in drive.names)
            alive = " ".join(needles.found_alive(beside=[CAR]))
            assert "a Contract" in alive
            assert "certificate at" in alive
            assert "EMAID in a" in alive
            await drive.done()
            await scene.ended()
            await scene.until(lambda: scene.outlet().writes.idle)
            assert needles.found_in(shown(scene)) == []
            return needles.found_below(scene.state)

    found = run_virtual(main())
    assert [Path(path).parent.name for path in found] == ["traces"]
    names = " ".join(next(iter(found.values())))
    assert "certificate" in names
    assert "EMAID" in names
    assert "EVCCID" in names


def test_the_search_knows_every_spelling() -> None:
    wallet = car_wallet()
    needles = Needles(wallet, CAR.evcc_id, own_pki() / "authorities")
    emaid = wallet.emaid
    parts = (emaid[:2], emaid[2:5], emaid[5:14])
    for text in (
        emaid,
        emaid[:14],
        emaid.lower(),
        *(mark.join(parts) for mark in "-*_ /.:"),
        f"{'-'.join(parts)}-{emaid[14]}",
    ):
        assert needles.found_in(b"xx " + text.encode() + b" yy"), text
    for octets in (
        emaid.encode().hex().encode(),
        base64.b64encode(b"x" + emaid[:14].encode()),
        emaid[:14].encode("utf-16-le"),
    ):
        assert needles.found_in(b"{" + octets + b"}"), octets
    assert needles.found_in(emaid[:13].encode()) == []

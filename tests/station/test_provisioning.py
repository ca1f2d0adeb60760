"""Certificate installation and update against a whole station: our car, TLS, the station's trust room, a real service at a socket."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Tls
from secc.iso2.messages import SCHEMA, ResponseCode
from secc.session.effects import NoContract, Provisioning
from tests.station_scene import BOTH, Scene, car_wallet, configured, judged, lab_pki, station
from tools.evcc.behaviour import Behaviour, Payment
from tools.provisioning import ProvisioningService, serve

INSTALL, UPDATE = Provisioning.INSTALLATION, Provisioning.UPDATE


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "cps.sock"


def service() -> ProvisioningService:
    return ProvisioningService.load(lab_pki(), datetime.now(UTC))


class Service:
    """A service whose answer is changed, or looked at, on its way."""

    refuses = None

    def __init__(self, change: Callable[[Any], Any]) -> None:
        self.change, self.made = change, service()

    def answer(self, octets: bytes) -> bytes:
        message = SCHEMA.decode(self.made.answer(octets))
        return SCHEMA.encode(self.change(message))


def config(directory: Path, socket: Path) -> Config:
    found = configured(directory, tls=Tls.OFFERED, payments=BOTH)
    return replace(found, uplink=replace(found.uplink, provisioning=socket))


def car(kind: Provisioning | None, **more: Any) -> Behaviour:
    return Behaviour(payment=Payment.CONTRACT, loops=3, provision=kind, **more)


def charged(directory: Path, socket: Path, made: Any, *drives: Behaviour) -> tuple[list[str], list[Path]]:
    """How each of these sessions ended for the car, and the files that the station has left."""

    async def main() -> list[str]:
        found = []
        async with await serve(made, socket), station(config(directory, socket)) as scene:
            for behaviour in drives:
                found.append((await scene.drive(behaviour, tls=True, wallet=car_wallet()).done()).outcome)
            judged(scene)
        return found

    outcomes = run_virtual(main())
    return outcomes, [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", Provisioning)
def test_a_car_gets_a_contract_and_charges_with_it(kind: Provisioning, tmp_path: Path, socket: Path) -> None:
    """Nothing of the contract, of the car's certificates or of their keys is left on the disk, in the trace or elsewhere."""
    answers: list[bytes] = []

    def kept(message: Any) -> Any:
        answers.append(SCHEMA.encode(message))
        return message

    outcomes, files = charged(tmp_path, socket, Service(kept), car(kind))
    assert outcomes == ["completed.full"]
    (octets,) = answers
    body: Any = SCHEMA.decode(octets).body
    secrets = [
        octets,
        body.contract_signature_cert_chain.certificate,
        body.contract_signature_encrypted_private_key.value,
        body.dh_publickey.value,
        body.emaid.value.encode(),
        car_wallet().oem_chain[0],
    ]
    assert any(path.suffix == ".jsonl" for path in files)
    for path in files:
        if path.name != "allowlist.txt":
            text = path.read_bytes()
            for secret in secrets:
                assert secret not in text, path
                assert secret.hex().encode() not in text, path


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (NoContract.NOT_AVAILABLE, ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE),
        (NoContract.CANCELLED, ResponseCode.FAILED_CONTRACT_CANCELED),
    ],
)
def test_a_refusal_is_told_and_the_next_session_charges(
    why: NoContract, code: ResponseCode, tmp_path: Path, socket: Path
) -> None:
    made = service()
    made.refuses = why
    outcomes, _ = charged(tmp_path, socket, made, car(INSTALL), car(None))
    assert outcomes == [f"refused.{code}", "completed.full"]


def other_key(message: Any) -> Any:
    encrypted = message.body.contract_signature_encrypted_private_key
    return replace(
        message,
        body=replace(message.body, contract_signature_encrypted_private_key=replace(encrypted, value=bytes(48))),
    )


def no_signature(message: Any) -> Any:
    return replace(message, header=replace(message.header, signature=None))


@pytest.mark.parametrize("change", [other_key, no_signature])
def test_the_car_does_not_use_an_answer_that_nobody_signed(
    change: Callable[[Any], Any], tmp_path: Path, socket: Path
) -> None:
    """The station relays it: the car alone judges the service's signature."""
    outcomes, _ = charged(tmp_path, socket, Service(change), car(INSTALL))
    assert outcomes == ["refused.provisioning-signature"]


def test_a_silent_service_costs_the_car_its_session_and_the_next_one_charges(tmp_path: Path, socket: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100_000)
        await asyncio.sleep(30.0)
        writer.write(b"exi 4\nlate")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_unix_server(silent, socket), station(config(tmp_path, socket)) as scene:
            assert (await scene.drive(car(INSTALL), tls=True).done()).outcome == "refused.FAILED"
            assert (await scene.drive(car(None), tls=True).done()).outcome == "completed.full"
            judged(scene)

    run_virtual(main())


@pytest.mark.case("Q-35")
def test_without_a_service_or_at_an_outlet_that_is_off_it_is_not_offered(tmp_path: Path, socket: Path) -> None:
    async def main() -> None:
        async with station(config(tmp_path, socket)) as scene:
            assert await outcome(scene) == "refused.no-certificate-service"
        async with await serve(service(), socket):
            found = config(tmp_path, socket)
            off = replace(found, outlets=(replace(found.outlets[0], provisioning=False),))
            async with station(off) as scene:
                assert await outcome(scene) == "refused.no-certificate-service"
            async with station(config(tmp_path, socket)) as scene:
                assert await outcome(scene) == "completed.full"

    run_virtual(main())


async def outcome(scene: Scene) -> str:
    return (await scene.drive(car(INSTALL), tls=True).done()).outcome

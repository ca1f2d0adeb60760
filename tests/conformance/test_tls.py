"""Rows of TLS that ask which chain and which status a car gets: whole handshakes with a station of two chains, over its socket.

The car is the client of the self-test, which shares no code with libssl and puts any extension into its hello.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from cryptography import x509

from secc.config import Config, Lab, Tls
from secc.link.tls.chain import encode_trusted_ca_keys, root_named
from secc.link.tls.hello import IdentifierType, TrustedAuthority
from secc.link.tls.minimal_client import MinimalClient, Served
from tests.conformance.places import run
from tests.station_scene import BOTH, Scene, car_trust, configured

TRUSTED_CA_KEYS, STATUS_REQUEST, STATUS_REQUEST_V2 = 3, 5, 17
V1 = {STATUS_REQUEST: bytes.fromhex("0100000000")}
V2 = {STATUS_REQUEST_V2: bytes.fromhex("000702000400000000")}
"""ocsp_multi, without responders and extensions."""
OCSP = 1

FIRST, SECOND = "car", "other-car"
"""The cars of the lab that trust the root of one of the station's two chains."""


def root(car: str) -> bytes:
    return car_trust(car).roots[0].der


def key_hash(of: bytes) -> TrustedAuthority:
    public = x509.load_der_x509_certificate(of).public_key()
    return TrustedAuthority(IdentifierType.KEY_SHA1_HASH, x509.SubjectKeyIdentifier.from_public_key(public).digest)


def name(of: bytes) -> TrustedAuthority:
    return TrustedAuthority(IdentifierType.X509_NAME, x509.load_der_x509_certificate(of).subject.public_bytes())


UNKNOWN = TrustedAuthority(IdentifierType.CERT_SHA1_HASH, bytes(range(20)))


def served_by(directory: Path, lab: Lab) -> Config:
    return configured(directory, tls=Tls.REQUIRED, payments=BOTH, lab=lab)


async def shake(scene: Scene, extensions: dict[int, bytes]) -> Served:
    """A whole handshake: what the station has sent. Raises SelfTestFailed at an alert, or at a Finished that does not hold."""
    if not scene.world().car.plugged:
        scene.world().plug_in()
    sockets, sessions = scene.outlet().sockets, scene.outlet().sessions
    await scene.until(lambda: sockets.port and sessions.current is None)
    reader, writer = await asyncio.open_connection("::1", sockets.port)
    client = MinimalClient(extensions)
    writer.write(client.hello())
    answer, served = client.answer(await flight(reader, ends=b"\x0e\x00\x00\x00"))
    writer.write(answer)
    client.finish(await flight(reader))
    writer.close()
    return served


async def flight(reader: asyncio.StreamReader, *, ends: bytes = b"") -> bytes:
    """The records up to the one that ends so; without ``ends``: ChangeCipherSpec and the record behind it."""
    octets = b""
    while True:
        head = await asyncio.wait_for(reader.readexactly(5), 30.0)
        octets += head + await reader.readexactly(int.from_bytes(head[3:]))
        assert head[0] != 21, f"an alert: {octets[-2:].hex()}"
        if (ends and octets.endswith(ends)) or (not ends and head[0] == 22):
            return octets


def chain_of(served: Served) -> str:
    """The car that trusts the chain which was sent."""
    (found,) = [car for car in (FIRST, SECOND) if car_trust(car).judge(served.certificates) is None]
    return found


async def default(scene: Scene) -> str:
    return chain_of(await shake(scene, {}))


LABS = pytest.mark.parametrize("lab", [Lab(), Lab(strict=True)], ids=["tolerant", "strict"])


@LABS
@pytest.mark.case("TLS-05", "Q-21")
@pytest.mark.parametrize("by", [root_named, key_hash, name])
@pytest.mark.parametrize("car", [FIRST, SECOND])
def test_the_chain_under_the_root_that_the_car_names_is_sent(tmp_path: Path, lab: Lab, car: str, by: object) -> None:
    async def act(scene: Scene) -> None:
        named = encode_trusted_ca_keys([UNKNOWN, by(root(car))])  # type: ignore[operator]  # one of three functions
        served = await shake(scene, {TRUSTED_CA_KEYS: named})
        assert chain_of(served) == car
        assert served.extensions[TRUSTED_CA_KEYS] == b"", "the station says that it has heeded it"

    run(served_by(tmp_path, lab), act)


@pytest.mark.case("TLS-06", "Q-20")
@pytest.mark.parametrize("car", [FIRST, SECOND])
@pytest.mark.parametrize("form", ["without its length", "bare", "nonsense"])
def test_trusted_ca_keys_in_another_form_does_not_end_the_handshake(
    tmp_path: Path, car: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    whole = encode_trusted_ca_keys([root_named(root(car))])
    body = {"without its length": whole[2:], "bare": whole[3:], "nonsense": b"\xff\xff\xff"}[form]

    async def act(scene: Scene) -> None:
        served = await shake(scene, {TRUSTED_CA_KEYS: body})
        await scene.until(lambda: any("tolerated Q-20" in line for line in caplog.messages))
        assert chain_of(served) == (await default(scene) if form == "nonsense" else car)

    run(served_by(tmp_path, Lab()), act)


@pytest.mark.case("Q-20")
def test_strict_refuses_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        with pytest.raises(AssertionError, match="an alert"):
            await shake(scene, {TRUSTED_CA_KEYS: encode_trusted_ca_keys([root_named(root(FIRST))])[2:]})

    run(served_by(tmp_path, Lab(strict=True)), act)


@LABS
@pytest.mark.case("TLS-07", "Q-26")
@pytest.mark.parametrize("named", [True, False])
def test_a_car_that_names_no_root_of_ours_gets_the_default_chain_and_no_alert(
    tmp_path: Path, lab: Lab, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def act(scene: Scene) -> None:
        served = await shake(scene, {TRUSTED_CA_KEYS: encode_trusted_ca_keys([UNKNOWN])} if named else {})
        assert TRUSTED_CA_KEYS not in served.extensions
        await scene.until(lambda: any(event["event"] == "tls" for event in scene.published))
        assert any("tolerated Q-26" in line for line in caplog.messages) is not named
        assert chain_of(served) == await default(scene)

    run(served_by(tmp_path, lab), act)


@LABS
@pytest.mark.case("TLS-08")
@pytest.mark.parametrize(
    ("asked", "stapled"), [({**V1, **V2}, True), (V2, False), (V1, True), ({}, False)], ids=["both", "v2", "v1", "none"]
)
def test_the_status_is_that_of_version_1_if_that_is_asked_for(
    tmp_path: Path, lab: Lab, asked: dict[int, bytes], stapled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def act(scene: Scene) -> None:
        served = await shake(scene, asked)
        assert (served.status_type == OCSP) is stapled
        assert len(served.responses) == stapled
        if stapled:
            assert car_trust(chain_of(served)).judge(served.certificates) is None
        assert STATUS_REQUEST_V2 not in served.extensions
        told = "no staple" if not stapled else "stapled"
        await scene.until(lambda: any("TLSv1.2" in line and told in line for line in caplog.messages))

    run(served_by(tmp_path, lab), act)

"""The status of sub-CAs, from the OCSP responses on the disk to the car: `trust.danger_status_request_v2`."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509.ocsp import OCSPCertStatus

from certs.certificates import Certificate, Edition
from certs.keystore import Keystore
from certs.revocation import StapleCache, Status
from hal.sim.clock import run_virtual
from secc.config import Tls
from secc.config.settings import Trust
from secc.conversation import Wall
from secc.link.tls import self_test
from secc.link.tls.context import ServerContext
from secc.link.tls.minimal_client import MinimalClient, Served
from secc.link.tls.self_test import ASK_V1, ASK_V2, handshake
from secc.link.tls.status_v2 import StatusRequestV2
from secc.station.compose import compose
from secc.station.shared.notify import Notifier
from secc.station.shared.trust import TrustRoom
from tests.lab_trust import AT, LAB
from tests.link.tls.status_runs import listed
from tests.station.test_doors import QUICK_PNC, pnc, strange
from tests.station_config import BOTH, configured
from tests.station_scene import station
from tools.pki.layout import write_lab_pki

SERVER_HELLO_DONE = b"\x0e\x00\x00\x00"
END_OCTETS = 6 + 5 + 80
"""ChangeCipherSpec, and Finished with its header."""


@pytest.fixture
def stores(tmp_path: Path) -> Trust:
    write_lab_pki(LAB, tmp_path)
    station = tmp_path / "station"
    return Trust(station / "truststore", station / "keystore", station / "staples", danger_status_request_v2=True)


def context(stores: Trust) -> ServerContext:
    """Of the chain below the root of the bench."""
    trust = TrustRoom(stores, lambda: Wall(AT, trusted=True), (Edition.ISO2,))
    assert trust.refresh()
    assert trust.problems == ()
    return next(found for found in trust.shown.contexts if found.chain.roots == (LAB.secc.root.der,))


def served(context: ServerContext, asked: Mapping[int, bytes]) -> Served:
    return handshake(context, MinimalClient(asked), at=AT)


def path_to_root(stores: Trust) -> tuple[Certificate, ...]:
    assert stores.keystore is not None
    chains = Keystore(stores.keystore).read(Edition.ISO2).chains
    return next(chain.path_to_root for chain in chains if chain.root.der == LAB.secc.root.der)


@listed
def test_a_car_gets_what_the_disk_has_for_each_certificate(stores: Trust) -> None:
    assert stores.staples is not None
    on_disk = tuple(
        (stores.staples / f"{certificate.fingerprint}.der").read_bytes() for certificate in path_to_root(stores)[:-1]
    )
    assert len(on_disk) == 3
    assert served(context(stores), ASK_V1 | ASK_V2).responses == on_disk
    assert served(context(replace(stores, danger_status_request_v2=False)), ASK_V1 | ASK_V2).responses == on_disk[:1]


@listed
def test_a_revoked_sub_ca_has_no_response(stores: Trust, caplog: pytest.LogCaptureFixture) -> None:
    """The station sends good responses alone; a car that asks for the status hears nothing of this sub-CA, and judges."""
    *_, sub_1, root = path_to_root(stores)
    assert stores.staples is not None
    revoked = LAB.mint.ocsp_response(LAB.secc.sub1, LAB.mint.ocsp_signer(LAB.secc.root), status=OCSPCertStatus.REVOKED)
    assert StapleCache(stores.staples).store(revoked, sub_1, root, AT, Edition.ISO2).status is Status.REVOKED
    found = served(context(stores), ASK_V2)
    assert [bool(response) for response in found.responses] == [True, True, False]
    assert "no fresh OCSP response for Lab CPO Sub-CA 1" in caplog.text


@listed
def test_a_station_serves_it_over_tcp_and_the_next_car_charges(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = pnc(tmp_path)
    config = replace(config, trust=replace(config.trust, danger_status_request_v2=True))

    def look(port: int) -> Served:
        client = MinimalClient(ASK_V1 | ASK_V2)
        with socket.create_connection(("::1", port), timeout=20) as peer:
            peer.sendall(client.hello())
            flight = b""
            while not flight.endswith(SERVER_HELLO_DONE):
                flight += peer.recv(65_536)
            answer, found = client.answer(flight)
            peer.sendall(answer)
            finished = b""
            while len(finished) < END_OCTETS:
                finished += peer.recv(65_536)
            client.finish(finished)
            return found

    async def main() -> None:
        async with station(config, watch=False) as scene:
            found = await strange(scene, lambda: look(scene.outlet().sockets.port or 0))
            assert found.status_type == 2
            assert all(found.responses)
            assert len(found.responses) == 3
            await scene.ended()
            assert (await scene.drive(QUICK_PNC, tls=True).done()).outcome == "completed.full"

    with caplog.at_level(logging.INFO):
        run_virtual(main())
    said = [line for line in caplog.messages if "TLSv1.2 TLS_ECDHE_ECDSA" in line]
    # The second car asks by status_request.
    assert [line.rpartition(", ")[2] for line in said] == ["stapled by status_request_v2", "stapled"]


def test_a_station_that_cannot_serve_it_says_so_and_serves_version_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    status = StatusRequestV2("the self-test failed: x")
    monkeypatch.setattr(self_test, "status_request_v2", lambda: status)
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=BOTH)
    config = replace(config, trust=replace(config.trust, danger_status_request_v2=True))
    services = compose(config, Notifier({}))
    with caplog.at_level(logging.WARNING):
        asyncio.run(services.load_trust())
    problem = "status_request_v2 is not served, status_request is: the self-test failed: x"
    assert f"trust: {problem}" in caplog.text
    assert services.trust is not None
    assert services.trust.problems == (problem,)
    found = handshake(services.identity.contexts[0], MinimalClient(ASK_V1 | ASK_V2), at=datetime.now(UTC))
    assert found.status_type == 1
    # What switches it off later is in `secc status` at once.
    status.problem = "libssl has built something else"
    assert services.trust.problems == (f"status_request_v2 is not served, status_request is: {status.problem}",)

"""The provisioning service of a bench: from the files of a lab PKI, at a socket."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secc.iso2.messages import SCHEMA, CertificateInstallationRes, MessageHeader, SessionStopRes, V2G_Message
from secc.iso2.phases.certificates import accepted
from secc.session.effects import NoContract, Provisioned, Provisioning, ProvisioningRefused
from secc.uplink.provisioning import provision
from tests.iso2.phases.test_certificates import SERVICE, good, installation
from tests.lab_trust import AT
from tools.pki.layout import make_lab_pki
from tools.provisioning import ProvisioningService, decrypt, encrypt, main, serve, shared_key

INSTALL = Provisioning.INSTALLATION


def asked() -> bytes:
    header = MessageHeader(session_id=b"SESSION1")
    return SCHEMA.encode(V2G_Message(header=header, body=installation()))


def test_it_serves_a_station_from_the_files_of_a_pki(tmp_path: Path) -> None:
    make_lab_pki(tmp_path, seed=1, at=AT)
    service = ProvisioningService.load(tmp_path, AT)

    async def served() -> None:
        with tempfile.TemporaryDirectory() as directory:
            socket = Path(directory) / "cps.sock"
            async with await serve(service, socket):
                octets = await provision(socket, INSTALL, asked(), 5.0)
                assert isinstance(octets, bytes)
                assert accepted(INSTALL, b"SESSION1", octets) == Provisioned(octets)
                service.refuses = NoContract.CANCELLED
                refused = await provision(socket, INSTALL, asked(), 5.0)
                assert isinstance(refused, ProvisioningRefused)
                assert refused.why is NoContract.CANCELLED
                service.refuses = None
                for octets in (
                    b"no EXI",
                    SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=b"S"), body=stop())),
                ):
                    refused = await provision(socket, INSTALL, octets, 5.0)
                    assert isinstance(refused, ProvisioningRefused)
                    assert refused.why is NoContract.FAILED

    asyncio.run(served())


def stop() -> SessionStopRes:
    from secc.iso2.messages import ResponseCode

    return SessionStopRes(response_code=ResponseCode.OK)


def test_every_answer_has_a_key_of_its_own() -> None:
    bodies = [SCHEMA.decode(good()).body for _ in range(2)]
    keys = set()
    for body in bodies:
        assert isinstance(body, CertificateInstallationRes)
        keys |= {body.dh_publickey.value, body.contract_signature_encrypted_private_key.value}
    assert len(keys) == 4
    assert SERVICE.refuses is None


@pytest.mark.parametrize("private", [1, 0x1234, 2**255 - 19])
def test_a_key_comes_back_whatever_its_leading_octets_are(private: int) -> None:
    key = ec.derive_private_key(private, ec.SECP256R1())
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    shared = shared_key(ours, theirs.public_key())
    assert shared == shared_key(theirs, ours.public_key())
    encrypted = encrypt(key, shared, bytes(range(16)))
    assert len(encrypted) == 48
    assert decrypt(encrypted, shared).private_numbers().private_value == private


def test_a_directory_without_a_pki_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pki", str(tmp_path), "--socket", str(tmp_path / "socket")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cps_chain.pem" in line

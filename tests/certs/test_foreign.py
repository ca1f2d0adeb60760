"""Certificates that others made: recorded cars, and the lab PKI of the Josev project."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.certificates import Certificate, Edition, parse_certificate
from certs.chain import Anchors, verify_chain
from certs.contract import verify_contract_chain
from certs.errors import ChainRejected, Flaw, Outcome
from certs.keystore import Keystore
from certs.profile import CPS_2, OEM_PROVISIONING_2, SECC_2, Profile, Role
from certs.truststore import Truststore

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
WITH_CONTRACT = sorted(CAPTURES.glob("*PnC*.jsonl"))


def messages(path: Path, name: str) -> Iterator[dict[str, object]]:
    """Bodies of that message in a recorded session."""

    def search(node: object) -> Iterator[dict[str, object]]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == name and isinstance(value, dict):
                    yield value
                yield from search(value)

    for line in path.read_text().splitlines():
        yield from search(json.loads(line)["message"])


def recorded_chain(node: object) -> list[bytes]:
    assert isinstance(node, dict)
    return [base64.b64decode(text) for text in (node["Certificate"], *node["SubCertificates"]["Certificate"])]


@pytest.mark.skipif(not WITH_CONTRACT, reason="no recorded Plug & Charge sessions beside the repository")
@pytest.mark.parametrize("path", WITH_CONTRACT, ids=lambda path: path.stem)
def test_recorded_contracts_hold_but_for_their_root(path: Path) -> None:
    found = 0
    for message in messages(path, "PaymentDetailsReq"):
        chain = recorded_chain(message["ContractSignatureCertChain"])
        claimed = str(message["eMAID"])
        at = datetime(2026, 6, 1, tzinfo=UTC)
        with pytest.raises(ChainRejected) as refused:
            verify_contract_chain(chain, Anchors(), at, claimed=claimed)
        assert refused.value.flaw is Flaw.NO_TRUST_ANCHOR
        contract = verify_contract_chain(chain, Anchors(), at, claimed=claimed, central_validation=True)
        assert contract.outcome is Outcome.NO_ROOT
        assert contract.emaid.text == claimed
        assert len(contract.chain.sub_cas) == 2
        with pytest.raises(ChainRejected) as refused:
            verify_contract_chain(chain, Anchors(), at.replace(year=2028), claimed=claimed, central_validation=True)
        assert refused.value.flaw is Flaw.LEAF_EXPIRED
        found += 1
    assert found


@pytest.mark.skipif(not WITH_CONTRACT, reason="no recorded Plug & Charge sessions beside the repository")
def test_a_recorded_provisioning_chain_holds_but_for_its_root() -> None:
    found = 0
    for path in WITH_CONTRACT:
        for message in messages(path, "CertificateInstallationRes"):
            chain = recorded_chain(message["SAProvisioningCertificateChain"])
            at = datetime(2025, 12, 1, tzinfo=UTC)
            verified = verify_chain(chain, CPS_2, Anchors(), at, unanchored_allowed=True)
            assert verified.outcome is Outcome.NO_ROOT
            found += 1
    assert found


def josev_pki() -> Path | None:
    """The folder of the package's own script, where the package is installed."""
    spec = importlib.util.find_spec("iso15118")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "shared" / "pki"
    return folder if (folder / "create_certs.sh").exists() else None


needs_josev = pytest.mark.skipif(
    josev_pki() is None or not shutil.which("openssl") or not shutil.which("bash"),
    reason="needs the iso15118 package, openssl and bash",
)


@pytest.fixture(scope="module")
def josev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PKI made by the package's script; the folder with ``certs`` and ``private_keys``."""
    source = josev_pki()
    assert source is not None
    directory = tmp_path_factory.mktemp("josev") / "pki"
    shutil.copytree(source, directory)
    subprocess.run(
        ["bash", "create_certs.sh", "-v", "iso-2", "-p", "12345"],
        cwd=directory,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return directory / "iso15118_2"


def der(josev: Path, name: str) -> bytes:
    return (josev / "certs" / f"{name}Cert.der").read_bytes()


def josev_anchors(josev: Path) -> Anchors:
    def root(name: str) -> tuple[Certificate]:
        return (parse_certificate(der(josev, name), Edition.ISO2, name),)

    return Anchors(v2g=root("v2gRootCA"), mo=root("moRootCA"), oem=root("oemRootCA"))


@needs_josev
def test_josevs_contract_is_accepted(josev: Path) -> None:
    chain = [der(josev, name) for name in ("contractLeaf", "moSubCA2", "moSubCA1")]
    contract = verify_contract_chain(chain, josev_anchors(josev), datetime.now(UTC), claimed="UKSWI123456791A")
    assert contract.outcome is Outcome.VALID
    assert [data.responder_url for data in contract.hash_data] == ["https://www.example.com/"] * 3


@needs_josev
@pytest.mark.parametrize(
    ("profile", "leaf", "sub2", "sub1"),
    [
        (SECC_2, "seccLeaf", "cpoSubCA2", "cpoSubCA1"),
        (OEM_PROVISIONING_2, "oemLeaf", "oemSubCA2", "oemSubCA1"),
        (CPS_2, "cpsLeaf", "cpsSubCA2", "cpsSubCA1"),
    ],
    ids=["secc", "oem", "cps"],
)
def test_josevs_other_chains_are_accepted(josev: Path, profile: Profile, leaf: str, sub2: str, sub1: str) -> None:
    chain = [der(josev, name) for name in (leaf, sub2, sub1)]
    assert verify_chain(chain, profile, josev_anchors(josev), datetime.now(UTC)).outcome is Outcome.VALID


@needs_josev
def test_josevs_roots_and_keys_go_into_our_stores(josev: Path, tmp_path: Path) -> None:
    """Its keys are encrypted in the traditional form of openssl, its passwords end with a line."""
    certs, keys = josev / "certs", josev / "private_keys"
    truststore = Truststore(tmp_path / "truststore")
    for role, name in ((Role.V2G, "v2gRootCA"), (Role.MO, "moRootCA"), (Role.OEM, "oemRootCA")):
        truststore.add(Edition.ISO2, role, (certs / f"{name}Cert.pem").read_bytes())
    assert truststore.read().problems == ()
    chain = Keystore(tmp_path / "keystore").install(
        Edition.ISO2,
        (certs / "cpoCertChain.pem").read_bytes(),
        (certs / "v2gRootCACert.pem").read_bytes(),
        (keys / "seccLeaf.key").read_bytes(),
        password=(keys / "seccLeafPassword.txt").read_bytes(),
    )
    assert chain.verify(datetime.now(UTC)).outcome is Outcome.VALID
    assert chain.key.sign(b"data")

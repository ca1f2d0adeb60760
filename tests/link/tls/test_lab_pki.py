"""The lab PKI through keystore, staple cache and TLS: what the station has on disk is what two cars with different roots see."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from certs.certificates import Edition, parse_certificate
from certs.chain import Anchors, verify_chain
from certs.errors import ChainRejected
from certs.keystore import Keystore
from certs.profile import SECC_2
from certs.revocation import StapleCache, verify_ocsp_response
from secc.link.tls.chain import Chain, ChainChoice, root_named
from secc.link.tls.context import ClientContext, ServerContext, Verifier
from secc.link.tls.errors import Alert, HandshakeFailed
from secc.link.tls.key import PemKey
from tests.link.tls.talk import shake
from tools.pki.layout import make_lab_pki

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    make_lab_pki(directory, at=NOW)
    return directory


def contexts(lab: Path) -> tuple[ServerContext, ...]:
    """One for each chain of the keystore, as the station builds them."""
    staples = StapleCache(lab / "station" / "staples")
    built = []
    for chain in Keystore(lab / "station" / "keystore").read(Edition.ISO2).chains:
        pem = chain.key.pkcs8_pem()
        assert pem is not None
        ders = [certificate.der for certificate in chain.certificates]
        stapled = staples.staples(chain.path_to_root, NOW, Edition.ISO2)
        built.append(ServerContext(Chain(chain.path.name, ders, (chain.root.der,), stapled), PemKey(pem)))
    return tuple(built)


def root_of(lab: Path, car: str) -> bytes:
    return load_pem_x509_certificate((lab / car / "v2g_root.pem").read_bytes()).public_bytes(Encoding.DER)


def trusting_only(root: bytes) -> Verifier:
    anchors = Anchors(v2g=(parse_certificate(root, Edition.ISO2, "root"),))

    def verify(chain: tuple[bytes, ...]) -> Alert | None:
        try:
            verify_chain(chain, SECC_2, anchors, NOW)
        except ChainRejected:
            return Alert.UNKNOWN_CA
        return None

    return verify


@pytest.mark.case("TLS-05", "TLS-09")
@pytest.mark.parametrize("car", ["car", "other-car"])
def test_each_car_sees_a_chain_under_its_own_root_and_its_staple(lab: Path, car: str) -> None:
    root = root_of(lab, car)
    station, vehicle = shake(contexts(lab), ClientContext(trusting_only(root), [root_named(root)]))
    assert station.info is not None
    assert station.info.choice is ChainChoice.NAMED
    assert vehicle.info is not None
    verified = verify_chain(
        vehicle.info.presented, SECC_2, Anchors(v2g=(parse_certificate(root, Edition.ISO2, "root"),)), NOW
    )
    assert vehicle.info.staple is not None
    verify_ocsp_response(vehicle.info.staple, verified.leaf, verified.sub_cas[0], NOW, Edition.ISO2)


def test_a_car_that_names_nothing_gets_the_default_and_the_other_car_leaves(lab: Path) -> None:
    served = contexts(lab)
    outcomes = []
    for car in ("car", "other-car"):
        try:
            shake(served, ClientContext(trusting_only(root_of(lab, car))))
            outcomes.append("served")
        except HandshakeFailed as error:
            assert error.answer == Alert.UNKNOWN_CA.record()
            outcomes.append("left")
    assert sorted(outcomes) == ["left", "served"]

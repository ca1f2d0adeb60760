"""The same chains judged by openssl: where it and we must agree, we do; where we differ, it is named why.

openssl validates the Internet's certificates. It knows neither roles nor the V2G profile, so it accepts more; what it refuses for
cryptographic or RFC 5280 reasons, we must refuse as well.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.chain import verify_chain
from certs.errors import ChainRejected, Flaw
from certs.profile import CONTRACT_2
from tests.certs import test_chain
from tests.lab_trust import AT, LAB, anchors
from tools.pki.flaws import FLAWS, make_flawed
from tools.pki.layout import pem_of

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")

V2G_ONLY = {
    "roles": {
        "wrong-domain-component",
        "missing-domain-component",
        "two-roles",
        "secc-as-contract",
        "provisioning-as-contract",
        "cps-as-contract",
        "issued-by-cpo",
        "issued-by-oem",
        "sub-ca-says-cpo-below-v2g",
        "sub-ca-says-cpo-below-mo",
        "sub-ca-says-oem-below-mo",
    },
    "what the leaf is used for": {"leaf-is-ca", "no-digital-signature", "no-key-usage", "restricted-purpose"},
    # Asked for the purpose, or for policies, openssl refuses a sub-CA for servers, and demanded policies, as well: see below.
    "what a CA is used for": {"sub-ca-restricted-purpose", "root-with-restricted-purpose"},
    "policies": {"sub-ca-policy-constraints"},
    "constraints that bind nothing": {"leaf-name-constraints"},
    "the EMAID": {"no-common-name", "two-common-names", "emaid-mismatch", "emaid-malformed"},
    "countries": {"country-unknown", "sub-ca-country-unknown"},
    "a leaf among the roots": {"self-signed-installed"},
    "algorithms of the profile": {"rsa-sub-ca", "rsa-leaf", "p384-leaf", "sha384-signature"},
    "limits of the message": {"oversized-leaf", "too-many-certificates"},
    "form": {"version-1-leaf"},
    "what an installed root must be": {"root-is-no-ca", "root-on-p384"},
}
UNDERSTOOD = set().union(*V2G_ONLY.values())

# openssl does not know a critical authorityInfoAccess (which binds nothing), and takes the first root of a name where no key identifier
# tells two apart.
OURS_ONLY = (test_chain.critical_aia, test_chain.other_root_of_the_same_name_without_identifiers)


def openssl_accepts(directory: Path, chain: list[bytes], roots: list[bytes], *options: str) -> bool:
    leaf, subs, installed = (directory / name for name in ("leaf.pem", "subs.pem", "roots.pem"))
    leaf.write_bytes(pem_of(chain[0]))
    subs.write_bytes(b"".join(map(pem_of, chain[1:])))
    installed.write_bytes(b"".join(map(pem_of, roots)))
    command = [
        "openssl",
        "verify",
        "-CAfile",
        str(installed),
        "-no-CApath",
        "-no-CAstore",
        "-attime",
        str(int(AT.timestamp())),
    ]
    command += ["-verify_depth", "2", "-auth_level", "2", *options]
    if len(chain) > 1:
        command += ["-untrusted", str(subs)]
    return subprocess.run([*command, str(leaf)], capture_output=True, timeout=20, check=False).returncode == 0


def installed_roots(mo_roots: list[bytes]) -> list[bytes]:
    return [
        LAB.secc.root.der,
        LAB.other_secc.root.der,
        LAB.provisioning.root.der,
        *(mo_roots or [LAB.contract.root.der]),
    ]


@pytest.mark.parametrize("name", FLAWS)
def test_what_openssl_refuses_we_refuse(tmp_path: Path, name: str) -> None:
    flawed = make_flawed(name, LAB)
    roots = installed_roots([root.der for root in flawed.mo_roots])
    assert openssl_accepts(tmp_path, list(flawed.chain), roots) is (name in UNDERSTOOD)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sub-ca-restricted-purpose", ("-purpose", "sslclient")),
        ("sub-ca-policy-constraints", ("-policy_check",)),
    ],
)
def test_openssl_refuses_it_when_asked(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    """The car signs as a client would, so a sub-CA for servers is refused; and the policy that a sub-CA demands is nowhere."""
    flawed = make_flawed(name, LAB)
    assert openssl_accepts(tmp_path, LAB.contract.ders, installed_roots([]), *options)
    assert not openssl_accepts(tmp_path, list(flawed.chain), installed_roots([]), *options)


def test_openssl_takes_a_station_below_a_ca_for_servers(tmp_path: Path) -> None:
    """As we do. A CA for any purpose serves here and not for openssl."""
    chain, _, trusted = test_chain.secc_below_a_ca_for_servers()
    assert openssl_accepts(tmp_path, chain, [one.der for one in trusted.v2g], "-purpose", "sslserver")


def test_no_station_below_a_ca_for_clients(tmp_path: Path) -> None:
    chain, profile, trusted = test_chain.secc_below_a_ca_for(ExtendedKeyUsageOID.CLIENT_AUTH)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(chain, profile, trusted, AT)
    assert refused.value.flaw is Flaw.SUB_CA_EXTENDED_KEY_USAGE
    assert not openssl_accepts(tmp_path, chain, [one.der for one in trusted.v2g], "-purpose", "sslserver")


def test_every_difference_is_a_chain_that_exists() -> None:
    assert set(FLAWS) >= UNDERSTOOD


@pytest.mark.parametrize(
    "scenario",
    [one for one in test_chain.ACCEPTED if one not in OURS_ONLY],
    ids=lambda scenario: scenario.__name__,
)
def test_what_we_accept_openssl_accepts(tmp_path: Path, scenario: test_chain.Scenario) -> None:
    chain, profile, trusted = scenario()
    verify_chain(chain, profile, trusted, AT)
    assert openssl_accepts(tmp_path, chain, [one.der for one in (*trusted.v2g, *trusted.mo, *trusted.oem)])


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("place", range(0, 420, 3))
def test_a_leaf_changed_anywhere_is_refused_by_both(tmp_path: Path, place: int) -> None:
    """Only some by openssl, for its processes take their time; all of them by us."""
    chain = LAB.contract.ders
    leaf = bytearray(chain[0])
    leaf[place] ^= 1 << place % 8
    changed = [bytes(leaf), *chain[1:]]
    with pytest.raises(ChainRejected):
        verify_chain(changed, CONTRACT_2, anchors(), AT)
    if place % 20 == 0:
        assert not openssl_accepts(tmp_path, changed, [LAB.contract.root.der])

"""The files of the lab PKI.

    DIR/station/truststore   installed roots, for ``certs.truststore.Truststore``
    DIR/station/keystore     the station's chains and keys, for ``certs.keystore.Keystore``
    DIR/station/staples      OCSP responses, for ``certs.revocation.StapleCache``
    DIR/car                  v2g_root.pem, contract_chain.pem, contract.key, emaid.txt, oem_chain.pem, oem.key, pcid.txt
    DIR/other-car            the same car, but it trusts only the other V2G root
    DIR/stranger             another car with a valid contract of the same operator and another EMAID
    DIR/flawed/NAME          a car whose contract has that flaw, which flaw.txt explains; if the root has the flaw,
                             install_mo_root_N.pem are the roots to install for it
    DIR/provisioning         cps_chain.pem, cps.key of the certificate provisioning service
    DIR/authorities          every CA certificate and its key, to issue further certificates

Private keys are PKCS#8 PEM, mode 0600.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from certs.certificates import Edition, parse_certificate
from certs.keystore import Keystore
from certs.profile import Role
from certs.revocation import StapleCache
from certs.truststore import Truststore

from .flaws import describe, make_flawed
from .flaws.parts import FlawedContract
from .lab import EMAID, PCID, LabPki, build_lab_pki
from .mint import CONTRACT_USAGE, Issued

STRANGER = "DE8AAC9Z8Y7X6WT"
"""The contract of another car."""


def make_lab_pki(
    directory: Path,
    *,
    flaws: Iterable[str] = (),
    seed: int | None = None,
    at: datetime | None = None,
    emaid: str = EMAID,
) -> LabPki:
    """Make a lab PKI that is valid around ``at`` (default: now), and write it below ``directory``. Raises OSError."""
    lab = build_lab_pki(at or datetime.now(UTC), seed, emaid=emaid)
    write_lab_pki(lab, directory, flaws=flaws)
    return lab


def write_lab_pki(lab: LabPki, directory: Path, *, flaws: Iterable[str] = ()) -> None:
    _write_station(lab, directory / "station")
    _write_car(lab, directory / "car", lab.secc.root)
    _write_car(lab, directory / "other-car", lab.other_secc.root)
    _write_car(_stranger(lab), directory / "stranger", lab.secc.root)
    for name in flaws:
        _write_flawed_car(lab, directory / "flawed" / name, name, make_flawed(name, lab))
    provisioning = directory / "provisioning"
    _write(provisioning / "cps_chain.pem", lab.cps.pem)
    _write_secret(provisioning / "cps.key", lab.cps.leaf.key_pem)
    authorities = directory / "authorities"
    for name, issued in _authorities(lab).items():
        _write(authorities / f"{name}.pem", issued.pem)
        _write_secret(authorities / f"{name}.key", issued.key_pem)


def _write_station(lab: LabPki, directory: Path) -> None:
    truststore = Truststore(directory / "truststore")
    roots = ((Role.V2G, lab.secc), (Role.V2G, lab.other_secc), (Role.MO, lab.contract), (Role.OEM, lab.provisioning))
    for role, line in roots:
        truststore.add(Edition.ISO2, role, line.root.pem)
    keystore = Keystore(directory / "keystore")
    staples = StapleCache(directory / "staples")
    for line in (lab.secc, lab.other_secc):
        keystore.install(Edition.ISO2, line.pem, line.root.pem, line.leaf.key_pem)
        for issued, response in zip(line.chain, lab.ocsp_responses(line), strict=True):
            certificate = parse_certificate(issued.der, Edition.ISO2, "ours")
            issuer = parse_certificate((issued.issuer or issued).der, Edition.ISO2, "its issuer")
            staples.store(response, certificate, issuer, lab.mint.at, Edition.ISO2)


def _write_car(lab: LabPki, directory: Path, v2g_root: Issued) -> None:
    _write(directory / "v2g_root.pem", v2g_root.pem)
    _write_secret(directory / "contract_chain.pem", lab.contract.pem)
    _write_secret(directory / "contract.key", lab.contract.leaf.key_pem)
    _write(directory / "emaid.txt", lab.emaid.encode() + b"\n")
    _write_secret(directory / "oem_chain.pem", lab.provisioning.pem)
    _write_secret(directory / "oem.key", lab.provisioning.leaf.key_pem)
    _write(directory / "pcid.txt", PCID.encode() + b"\n")


def _stranger(lab: LabPki) -> LabPki:
    """Returns the same bench with another car's contract."""
    leaf = lab.mint.issue(STRANGER, "MO", lab.contract.sub2, usage=CONTRACT_USAGE, days=730)
    return replace(lab, contract=replace(lab.contract, leaf=leaf), emaid=STRANGER)


def _write_flawed_car(lab: LabPki, directory: Path, name: str, flawed: FlawedContract) -> None:
    _write_car(lab, directory, lab.secc.root)
    _write_secret(directory / "contract_chain.pem", b"".join(map(pem_of, flawed.chain)))
    _write_secret(directory / "contract.key", flawed.key_pem)
    _write(directory / "emaid.txt", flawed.claimed.encode() + b"\n")
    _write(directory / "flaw.txt", f"{name}: {flawed.flaw.value}\n{describe(name)}\n".encode())
    for number, root in enumerate(flawed.mo_roots, 1):
        _write(directory / f"install_mo_root_{number}.pem", root.pem)


def pem_of(der: bytes) -> bytes:
    """Returns PEM of any octets, also of those that are not a certificate."""
    return ssl.DER_cert_to_PEM_cert(der).encode()


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode)
    path.write_bytes(data)


def _write_secret(path: Path, data: bytes) -> None:
    _write(path, data, 0o600)


def _authorities(lab: LabPki) -> dict[str, Issued]:
    authorities: dict[str, Issued] = {}
    for root, sub, line in (
        ("v2g", "cpo", lab.secc),
        ("other_v2g", "other_cpo", lab.other_secc),
        ("mo", "mo", lab.contract),
        ("oem", "oem", lab.provisioning),
        ("v2g", "cps", lab.cps),
    ):
        authorities |= {f"{root}_root": line.root, f"{sub}_sub1": line.sub1, f"{sub}_sub2": line.sub2}
    return authorities

"""``secc trust`` and ``secc identity``: lists the stores, and changes them.

A missing store is an error when it is read, because its path may be mistyped; the first entry makes
it. All functions raise :class:`~certs.errors.StoreError` for a certificate, a key or a file that is
not fit for the store, and then change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from certs.certificates import Certificate, Edition
from certs.errors import OcspRejected
from certs.files import require_directory
from certs.keystore import Keystore
from certs.profile import Role
from certs.revocation import StapleCache, ocsp_request
from certs.truststore import Truststore
from secc.errors import SeccError


class StoreRefused(SeccError):
    """A certificate, a key or a file is not fit for the store; nothing was changed."""


def roots(store: Path) -> str:
    """Returns every installed root, for an auditor: edition, role, subject, validity, fingerprint;
    then the store's problems.
    """
    require_directory(store)
    return Truststore(store).listing().rstrip("\n")


def add_root(store: Path, edition: str, role: str, file: Path) -> str:
    """Install a root. Returns a line about it."""
    root = Truststore(store).add(Edition(edition), Role(role), file.read_bytes())
    return f"trusted as {role} root: {_name(root.certificate)}, SHA-256 {root.certificate.fingerprint}"


def remove_root(store: Path, edition: str, role: str, fingerprint: str) -> str:
    """Remove a root: certificates below it are not trusted any more."""
    Truststore(store).remove(Edition(edition), Role(role), fingerprint)
    return f"removed {fingerprint}"


def chains(store: Path) -> str:
    """Returns a block for each of the station's own chains."""
    require_directory(store)
    contents = Keystore(store).read(*Edition)
    lines = [f"Keystore {store}: {len(contents.chains)} chains, {len(contents.problems)} problems"]
    for chain in contents.chains:
        lines += [
            f"{chain.path.name}: {_name(chain.leaf)}",
            f"  valid    {chain.leaf.not_before:%Y-%m-%d} to {chain.leaf.not_after:%Y-%m-%d}",
            f"  sub-CAs  {', '.join(map(_name, chain.sub_cas)) or 'none'}",
            f"  root     {_name(chain.root)}",
            f"  key      {chain.key.uri}",
            f"  SHA-256  {chain.leaf.fingerprint}",
        ]
    lines += [f"PROBLEM {problem}" for problem in contents.problems]
    return "\n".join(lines)


def install_chain(store: Path, edition: str, chain: Path, root: Path, key: Path, password: Path | None) -> str:
    """Install a chain of the station with its key and the root above it."""
    secret = None if password is None else password.read_bytes().strip()
    parts = (file.read_bytes() for file in (chain, root, key))
    installed = Keystore(store).install(Edition(edition), *parts, password=secret)
    return f"installed {installed.path.name}: {_name(installed.leaf)}, valid until {installed.leaf.not_after:%Y-%m-%d}"


def requests(store: Path, directory: Path) -> str:
    """Write an OCSP request for each certificate of the station. Returns a line for each, with its
    responder.
    """
    lines = []
    directory.mkdir(parents=True, exist_ok=True)
    for _, certificate, issuer in _issued(store):
        file = directory / f"{certificate.fingerprint}.req"
        file.write_bytes(ocsp_request(certificate, issuer))
        lines.append(f"{file}  {_name(certificate)}  {certificate.ocsp_url or 'names no responder'}")
    return "\n".join(lines) or "no chain, so nothing to ask about"


def staple(store: Path, cache: Path, file: Path) -> str:
    """Store a responder's answer, if it is valid and about a certificate of the station."""
    der, at = file.read_bytes(), datetime.now(UTC)
    reasons = []
    for edition, certificate, issuer in _issued(store):
        try:
            status = StapleCache(cache).store(der, certificate, issuer, at, edition)
        except OcspRejected as error:
            reasons.append(f"{_name(certificate)}: {error}")
        else:
            return f"{_name(certificate)}: {status.status.value}"
    why = "; ".join(reasons) or "there is none"
    raise StoreRefused(f"{file} is not an answer about a certificate of this station: {why}")


def _issued(store: Path) -> Iterator[tuple[Edition, Certificate, Certificate]]:
    """Yields every certificate that the station presents: edition, certificate, and its issuer's."""
    require_directory(store)
    for chain in Keystore(store).read(*Edition).chains:
        for certificate, issuer in pairwise(chain.path_to_root):
            yield chain.edition, certificate, issuer


def _name(certificate: Certificate) -> str:
    return ", ".join(certificate.common_names)

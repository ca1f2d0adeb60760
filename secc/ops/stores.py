"""``secc trust`` and ``secc identity``: what lies in the stores, and how it gets there. For operators, and for auditors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from certs.certificates import Certificate, Edition
from certs.errors import OcspRejected, StoreError
from certs.files import require_directory
from certs.keystore import Keystore
from certs.profile import Role
from certs.revocation import StapleCache, ocsp_request
from certs.truststore import Truststore
from secc.errors import SeccError


class StoreRefused(SeccError):
    """A certificate, a key or a file is not fit for the store; nothing was changed."""


def roots(store: Path) -> str:
    """Every installed root, for an auditor: edition, role, subject, validity, fingerprint; then what is wrong with the store."""
    _require(store)
    return Truststore(store).listing().rstrip("\n")


def add_root(store: Path, edition: str, role: str, file: Path) -> str:
    """Install a root. What was installed, in a line."""
    try:
        root = Truststore(store).add(Edition(edition), Role(role), _read(file))
    except StoreError as error:
        raise StoreRefused(str(error)) from error
    return f"trusted as {role} root: {_name(root.certificate)}, SHA-256 {root.certificate.fingerprint}"


def remove_root(store: Path, edition: str, role: str, fingerprint: str) -> str:
    """Take a root away: what stands under it is not trusted any more."""
    try:
        Truststore(store).remove(Edition(edition), Role(role), fingerprint)
    except StoreError as error:
        raise StoreRefused(str(error)) from error
    return f"removed {fingerprint}"


def chains(store: Path) -> str:
    """The station's own chains, a block each."""
    _require(store)
    contents = [Keystore(store).read(edition) for edition in Edition]
    installed = [chain for each in contents for chain in each.chains]
    problems = dict.fromkeys(str(problem) for each in contents for problem in each.problems)
    lines = [f"Keystore {store}: {len(installed)} chains, {len(problems)} problems"]
    for chain in installed:
        lines += [
            f"{chain.path.name}: {_name(chain.leaf)}",
            f"  valid    {chain.leaf.not_before:%Y-%m-%d} to {chain.leaf.not_after:%Y-%m-%d}",
            f"  sub-CAs  {', '.join(map(_name, chain.sub_cas)) or 'none'}",
            f"  root     {_name(chain.root)}",
            f"  key      {chain.key.uri}",
            f"  SHA-256  {chain.leaf.fingerprint}",
        ]
    lines += [f"PROBLEM {problem}" for problem in problems]
    return "\n".join(lines)


def install_chain(store: Path, edition: str, chain: Path, root: Path, key: Path, password: Path | None) -> str:
    """Install a chain of the station's own, with its key and the root above it."""
    secret = None if password is None else _read(password).strip()
    try:
        installed = Keystore(store).install(Edition(edition), _read(chain), _read(root), _read(key), password=secret)
    except StoreError as error:
        raise StoreRefused(str(error)) from error
    return f"installed {installed.path.name}: {_name(installed.leaf)}, valid until {installed.leaf.not_after:%Y-%m-%d}"


def requests(store: Path, directory: Path) -> str:
    """Write an OCSP request for every certificate of the station, to be sent to the responder that is named beside it."""
    lines = []
    directory.mkdir(parents=True, exist_ok=True)
    for _, certificate, issuer in _issued(store):
        file = directory / f"{certificate.fingerprint}.req"
        file.write_bytes(ocsp_request(certificate, issuer))
        lines.append(f"{file}  {_name(certificate)}  {certificate.ocsp_url or 'names no responder'}")
    return "\n".join(lines) or "no chain, so nothing to ask about"


def staple(store: Path, cache: Path, file: Path) -> str:
    """Keep a responder's answer, if it is proved and speaks of one of our certificates."""
    der, at = _read(file), datetime.now(UTC)
    reasons = []
    for edition, certificate, issuer in _issued(store):
        try:
            status = StapleCache(cache).store(der, certificate, issuer, at, edition)
        except OcspRejected as error:
            reasons.append(f"{_name(certificate)}: {error}")
        except StoreError as error:
            raise StoreRefused(str(error)) from error
        else:
            return f"{_name(certificate)}: {status.status.value}"
    raise StoreRefused(
        f"{file} is no answer about a certificate of this station: " + ("; ".join(reasons) or "there is none")
    )


def _issued(store: Path) -> Iterator[tuple[Edition, Certificate, Certificate]]:
    """Every certificate that we present: its edition, itself, and the one that issued it."""
    _require(store)
    for edition in Edition:
        for chain in Keystore(store).read(edition).chains:
            for certificate, issuer in pairwise(chain.path_to_root):
                yield edition, certificate, issuer


def _require(store: Path) -> None:
    """A store that is not there is an error, and not an empty one: the path may be mistyped. The first entry makes it."""
    try:
        require_directory(store)
    except StoreError as error:
        raise StoreRefused(str(error)) from error


def _name(certificate: Certificate) -> str:
    return ", ".join(certificate.common_names)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StoreRefused(f"{file}: {error.strerror}") from error

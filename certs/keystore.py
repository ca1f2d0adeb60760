"""The station's certificate chains and private keys: a directory for each chain; several chains for
cars with different V2G roots.

    STORE/{iso2,iso20}/NAME/chain.pem        leaf, sub-CA 2, sub-CA 1 (as they are sent)
                            root.pem         the V2G root above them, by which the station chooses a chain for a car
                            key.pem          the leaf's private key, mode 0600, or
                            key.uri          where it is instead
                            password.txt     of an encrypted key.pem, mode 0600

NAME has no meaning. A chain is installed by renaming a complete directory, so that no reader sees a
part of one.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.certificates import Certificate, Edition, parse_certificate
from certs.chain import Anchors, VerifiedChain, verify_chain
from certs.errors import ChainRejected, StoreError
from certs.files import (
    PUBLIC,
    SECRET,
    make_directory,
    read_file,
    require_directory,
    synchronise,
    write_atomically,
)
from certs.guard import require_guarded
from certs.keys import FileKey, PrivateKey, open_private_key
from certs.profile import MAX_CERTIFICATES, SECC_2, SECC_20, Role
from certs.truststore import root_certificate
from frozen import dataclass


@dataclass(frozen=True, slots=True)
class SeccChain:
    """A chain that the station can present. The key matches the leaf; :meth:`verify` checks the
    dates.
    """

    path: Path
    edition: Edition
    leaf: Certificate
    sub_cas: tuple[Certificate, ...]
    root: Certificate
    key: PrivateKey

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """In the order of the TLS Certificate message: leaf first, without the root."""
        return (self.leaf, *self.sub_cas)

    @property
    def path_to_root(self) -> tuple[Certificate, ...]:
        """Leaf first, with the root: each is issued by the next."""
        return (*self.certificates, self.root)

    def unanswered(self, staples: Sequence[object | None]) -> str:
        """Returns the names of the certificates for which there is None in ``staples``, leaf first.
        Empty if there is none, also where ``staples`` is shorter.
        """
        names = ("the leaf", *(", ".join(sub_ca.common_names) for sub_ca in self.sub_cas))
        return ", ".join(name for name, staple in zip(names, staples, strict=False) if staple is None)

    def verify(self, at: datetime, *, clock_trusted: bool = True, floor_suffices: bool = False) -> VerifiedChain:
        """Check the chain against its own root, as a car does. Raises :class:`ChainRejected`.
        Dates: see :mod:`certs.chain`.
        """
        return verify_chain(
            [certificate.der for certificate in self.certificates],
            SECC_2 if self.edition is Edition.ISO2 else SECC_20,
            Anchors(v2g=(self.root,)),
            at,
            clock_trusted=clock_trusted,
            floor_suffices=floor_suffices,
        )


@dataclass(frozen=True, slots=True)
class KeystoreContents:
    """Result of reading a keystore: the usable chains, newest first, and one error for each
    unusable directory.
    """

    chains: tuple[SeccChain, ...]
    problems: tuple[StoreError, ...]


class Keystore:
    """The chains below ``directory``, without a cache."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, *editions: Edition) -> KeystoreContents:
        """Returns the chains of these editions; of several below the same root, the one whose
        validity began last comes first.

        Files that other users may change are not used (:mod:`certs.guard`).
        """
        chains: list[SeccChain] = []
        problems: dict[str, StoreError] = {}
        for edition in editions:
            found: list[SeccChain] = []
            for path in self._places(edition, problems):
                try:
                    found.append(_read_chain(path, edition, self.directory))
                except StoreError as error:
                    problems[str(error)] = error
            chains += sorted(found, key=lambda chain: chain.leaf.not_before, reverse=True)
        # An error of the whole store occurs for each edition, and is reported once.
        return KeystoreContents(tuple(chains), tuple(problems.values()))

    def _places(self, edition: Edition, problems: dict[str, StoreError]) -> list[Path]:
        place = self.directory / edition.value
        try:
            require_directory(self.directory)
            require_guarded(self.directory)
            require_guarded(place, self.directory)
            names = sorted(place.iterdir()) if place.is_dir() else []
        except StoreError as error:
            problems[str(error)] = error
        except OSError as error:
            problems[str(place)] = StoreError(place, f"cannot be read: {error.strerror}")
        else:
            # Names with a dot are installations that were interrupted.
            return [path for path in names if not path.name.startswith(".")]
        return []

    def install(
        self, edition: Edition, chain_pem: bytes, root_pem: bytes, key_pem: bytes, *, password: bytes | None = None
    ) -> SeccChain:
        """Install a new chain beside the others, and return it as read back.

        The chain is checked as on reading before it becomes visible: afterwards, and after a crash,
        all of it is there or none. Removes interrupted installations, so only one process may
        install at a time. Raises :class:`StoreError`.
        """
        place = self.directory / edition.value
        require_guarded(self.directory)
        require_guarded(place, self.directory)
        for remains in place.glob(".installing-*"):
            shutil.rmtree(remains, ignore_errors=True)
        building = place / f".installing-{secrets.token_hex(4)}"
        try:
            make_directory(building)
            building.chmod(0o700)
            write_atomically(building / "chain.pem", chain_pem, PUBLIC)
            write_atomically(building / "root.pem", root_pem, PUBLIC)
            write_atomically(building / "key.pem", key_pem, SECRET)
            if password is not None:
                write_atomically(building / "password.txt", password, SECRET)
            leaf = _read_chain(building, edition, self.directory).leaf
            final = place / leaf.fingerprint[:32]
            if final.exists():
                raise StoreError(final, "this chain is installed already")
            building.rename(final)
            synchronise(place)
        except OSError as error:
            raise StoreError(place, f"cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return _read_chain(final, edition, self.directory)


def _read_chain(path: Path, edition: Edition, store: Path) -> SeccChain:
    if not path.is_dir():
        raise StoreError(path, "does not belong here: a chain is a directory")
    require_guarded(path, store)
    chain_path = path / "chain.pem"
    ders = _certificates(chain_path, store)
    try:
        leaf, *sub_cas = [
            parse_certificate(der, edition, "leaf" if number == 0 else f"sub-CA {number}")
            for number, der in enumerate(ders)
        ]
    except ChainRejected as error:
        raise StoreError(chain_path, str(error)) from None
    root_path = path / "root.pem"
    root = root_certificate(read_file(root_path, store=store), edition, Role.V2G, root_path)
    upwards = [leaf, *sub_cas, root]
    for number, (child, issuer) in enumerate(pairwise(upwards), 1):
        if not child.is_signed_by(issuer):
            above = "root.pem" if issuer is root else f"certificate {number + 1}"
            raise StoreError(
                chain_path, f"certificate {number} is not issued by {above}: order is leaf, sub-CA 2, sub-CA 1"
            )
    key = _read_key(path, store)
    if leaf.public_key is None or key.public_key_der() != leaf.public_key.public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ):
        raise StoreError(path, "the private key does not belong to the leaf certificate in chain.pem")
    return SeccChain(path, edition, leaf, tuple(sub_cas), root, key)


def _read_key(path: Path, store: Path) -> PrivateKey:
    uri_path, key_path, password_path = path / "key.uri", path / "key.pem", path / "password.txt"
    if uri_path.exists():
        return open_private_key(read_file(uri_path, store=store).decode("utf-8", "replace").strip(), uri_path)
    # A key in another place is named by key.uri; a link would hide that place.
    require_guarded(key_path, store)
    return FileKey.read(key_path, password_path if password_path.exists() else None)


def _certificates(path: Path, store: Path) -> list[bytes]:
    try:
        certificates = x509.load_pem_x509_certificates(read_file(path, store=store))
    except ValueError as error:
        raise StoreError(path, f"holds no PEM certificates: {error}") from None
    if len(certificates) > MAX_CERTIFICATES:
        raise StoreError(path, f"holds {len(certificates)} certificates")
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]

"""The installed roots on disk: one PEM file for each, by edition and role.

    STORE/{iso2,iso20}/{v2g,mo,oem}/SHA256.pem            SHA256: of the DER, lower-case hex

The directory determines what a root is trusted for; the two editions and the roles never mix. Files
may be put there by hand: every name with the ending ``.pem`` is read; other files are reported and
left alone.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import Certificate, Edition, parse_certificate
from certs.chain import Anchors
from certs.errors import ChainRejected, StoreError
from certs.files import (
    Stamp,
    now_ns,
    paced,
    read_file,
    remove_file,
    require_directory,
    settled,
    stamp_of,
    write_atomically,
)
from certs.guard import require_guarded, require_unwritable
from certs.profile import CONSTRAINTS, KEY_KINDS, KNOWN_CRITICAL, ROLE_MARKERS, SIGNATURE_ALGORITHMS, Role
from frozen import dataclass

MAX_ROOTS = 60
"""Most roots in a store. There are some ten V2G roots in the field, and every mobility operator may
have its own.
"""
MAX_ENTRIES = 1000
"""Most entries of any kind in a directory of the store; more if more roots are allowed."""

_Known = tuple[Stamp, Certificate]


@dataclass(frozen=True, slots=True)
class InstalledRoot:
    """A root in the store."""

    certificate: Certificate
    edition: Edition
    role: Role
    path: Path


@dataclass(frozen=True, slots=True)
class Roots:
    """Result of reading a store: the good roots, and one error for each unusable file."""

    installed: tuple[InstalledRoot, ...]
    problems: tuple[StoreError, ...]

    def anchors(self, edition: Edition) -> Anchors:
        """Returns the roots of one edition, for :func:`~certs.chain.verify_chain`."""

        of: dict[str, list[Certificate]] = {role.value: [] for role in Role}
        for root in self.installed:
            if root.edition is edition:
                of[root.role].append(root.certificate)
        return Anchors(**{role: tuple(roots) for role, roots in of.items()})


class Truststore:
    """The roots below ``directory``, as they are on the disk at each call.

    Each call checks the stamp of every file and who may change it. A file with the same stamp as
    before is not read again.
    """

    def __init__(self, directory: Path, *, max_roots: int = MAX_ROOTS) -> None:
        self.directory = directory
        self._max_roots, self._max_entries = max_roots, max(MAX_ENTRIES, 2 * max_roots)
        self._known: dict[Path, _Known] = {}
        """Good roots, each with its file's stamp from before it was read."""

    def read(self) -> Roots:
        """Returns all roots, sorted by edition, role and file name. A bad file does not affect the
        others; a missing store is a problem.

        A store with more files than allowed roots is not read at all. Files that other users may
        change are not used (:mod:`certs.guard`).
        """
        try:
            require_directory(self.directory)
            files, problems = self._files()
        except StoreError as error:
            return Roots((), (error,))
        if len(files) > self._max_roots:
            crowd = StoreError(
                self.directory, f"holds {len(files)} roots, and at most {self._max_roots} are allowed: none is used"
            )
            return Roots((), (crowd, *problems))
        installed: list[InstalledRoot] = []
        known, self._known, began = self._known, {}, now_ns()
        for edition, role, path in paced(files):
            try:
                certificate = self._root(edition, role, path, known.get(path), began)
            except StoreError as error:
                problems.append(error)
            else:
                installed.append(InstalledRoot(certificate, edition, role, path))
        return Roots(tuple(installed), tuple(problems))

    def _root(self, edition: Edition, role: Role, path: Path, known: _Known | None, began: int) -> Certificate:
        """Returns the root in this file, whose directory has been checked. Raises
        :class:`StoreError`.
        """
        try:
            status = path.lstat()
        except OSError as error:
            raise StoreError(path, f"cannot be read: {error.strerror}") from error
        mark, plain = stamp_of(status), stat.S_ISREG(status.st_mode)
        if known is not None and known[0] == mark:
            require_unwritable(path, status)
            certificate = known[1]
        else:
            certificate = root_certificate(read_file(path, store=self.directory, plain=plain), edition, role, path)
        # A link's target may change without the link.
        if plain and settled(mark, began):
            self._known[path] = mark, certificate
        return certificate

    def add(self, edition: Edition, role: Role, data: bytes) -> InstalledRoot:
        """Install the root in ``data`` (PEM or DER) for this edition and role. An installed one is
        written again.

        Raises :class:`StoreError` if it is not a self-signed CA of the edition's profile, its
        domainComponent names another role, the store is full, or others may change the store.
        """
        place = self._place(edition, role)
        certificate = root_certificate(data, edition, role, place)
        path = place / f"{certificate.fingerprint}.pem"
        require_guarded(place, self.directory)
        others = [file for _, _, file in self._files()[0] if file != path]
        if len(others) >= self._max_roots:
            raise StoreError(path, f"the store is full: {len(others)} roots are installed, {self._max_roots} allowed")
        write_atomically(path, certificate.pem)
        return InstalledRoot(certificate, edition, role, path)

    def remove(self, edition: Edition, role: Role, fingerprint: str) -> None:
        """Remove the root with this SHA-256 (hex). Raises :class:`StoreError` if it is not
        installed for this edition and role.
        """
        for path in (path for *place, path in self._files()[0] if place == [edition, role]):
            with contextlib.suppress(StoreError):
                if root_certificate(read_file(path), edition, role, path).fingerprint == fingerprint.lower():
                    return remove_file(path)
        raise StoreError(self._place(edition, role), f"holds no root {fingerprint[:64]}")

    def listing(self) -> str:
        """Returns the store as text, for auditors: each root with its role and validity, and the
        problems.
        """
        roots = self.read()
        lines = [f"Truststore {self.directory}: {len(roots.installed)} roots, {len(roots.problems)} problems"]
        for edition in Edition:
            for role in Role:
                here = [root.certificate for root in roots.installed if (root.edition, root.role) == (edition, role)]
                lines.append(f"{edition.value} {role.value}: {len(here)}")
                lines += [line for certificate in here for line in _described(certificate)]
        lines += [f"PROBLEM {problem}" for problem in roots.problems]
        return "\n".join(lines) + "\n"

    def _files(self) -> tuple[list[tuple[Edition, Role, Path]], list[StoreError]]:
        """Returns the files of roots, unread, and the problems of the store.

        Raises :class:`StoreError` if others may change the store itself, or a directory has too
        many entries.
        """
        require_guarded(self.directory)
        files: list[tuple[Edition, Role, Path]] = []
        problems: list[StoreError] = []
        for edition in Edition:
            try:
                require_guarded(self.directory / edition.value, self.directory)
            except StoreError as error:
                problems.append(error)
                continue
            for role in Role:
                files += [(edition, role, path) for path in self._entries(self._place(edition, role), problems)]
        return files, problems

    def _entries(self, place: Path, problems: list[StoreError]) -> list[Path]:
        try:
            require_guarded(place, self.directory)
            names = sorted(place.iterdir(), key=os.fspath) if place.is_dir() else []
        except OSError as error:
            problems.append(StoreError(place, f"cannot be read: {error.strerror}"))
            return []
        except StoreError as error:
            problems.append(error)
            return []
        if len(names) > self._max_entries:
            raise StoreError(place, f"holds more than {self._max_entries} files: no root of this store is used")
        roots = []
        for path in names:
            # Names with a dot are writes that a power cut ended.
            if path.name.startswith("."):
                continue
            if path.suffix == ".pem":
                roots.append(path)
            else:
                problems.append(StoreError(path, "does not belong here: no .pem file"))
        return roots

    def _place(self, edition: Edition, role: Role) -> Path:
        return self.directory / edition.value / role.value


def root_certificate(data: bytes, edition: Edition, role: Role, path: Path) -> Certificate:
    """Returns the one certificate in ``data`` (PEM or DER). Raises :class:`StoreError` unless it is
    fit as a root of this edition and role.
    """
    try:
        certificate = parse_certificate(only_certificate(data), edition, "root")
    except ChainRejected as error:
        raise StoreError(path, str(error)) from None
    except ValueError as error:
        raise StoreError(path, str(error)) from None
    if certificate.key_kind not in KEY_KINDS[edition]:
        raise StoreError(path, f"key {certificate.key_kind} is outside the profile of {edition.value}")
    if certificate.signature_algorithm not in SIGNATURE_ALGORITHMS[edition]:
        raise StoreError(
            path, f"signature algorithm {certificate.signature_algorithm} is outside the profile of {edition.value}"
        )
    if not certificate.is_ca or certificate.key_usage is None or not certificate.key_usage.key_cert_sign:
        raise StoreError(path, "is not a CA certificate (basicConstraints, keyUsage keyCertSign)")
    if certificate.extensions & CONSTRAINTS:
        raise StoreError(path, "has nameConstraints or policyConstraints, which V2G validation does not evaluate")
    if unknown := certificate.critical - KNOWN_CRITICAL:
        raise StoreError(path, f"has an unknown critical extension {min(unknown)}")
    if not certificate.is_signed_by(certificate):
        raise StoreError(path, "is not self-signed: only roots are installed, sub-CAs come with each chain")
    markers = certificate.domain_components & ROLE_MARKERS
    if markers and markers != {role.value.upper()}:
        raise StoreError(path, f"has the role {', '.join(sorted(markers))} (domainComponent), not {role.value.upper()}")
    return certificate


def only_certificate(data: bytes) -> bytes:
    """Returns the DER of the one certificate in ``data``, PEM or DER. Raises ValueError."""
    if b"-----BEGIN" not in data:
        return data
    certificates = x509.load_pem_x509_certificates(data)
    if len(certificates) != 1:
        raise ValueError(f"holds {len(certificates)} certificates, not one")
    return certificates[0].public_bytes(Encoding.DER)


def _described(certificate: Certificate) -> Iterable[str]:
    components = ",".join(sorted(certificate.domain_components)) or "none"
    yield f"  {_printable(certificate.subject.rfc4514_string())}"
    yield f"    DC {components}; {certificate.key_kind}; serial {certificate.serial_number:x}"
    yield f"    valid {certificate.not_before:%Y-%m-%d %H:%M} to {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    yield f"    SHA-256 {certificate.fingerprint}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)

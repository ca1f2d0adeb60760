"""Private keys behind an interface: the caller gets signatures, wherever the key is stored."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from certs.errors import StoreError
from certs.files import read_file
from frozen import dataclass

_Key = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey


class PrivateKey(Protocol):
    """A private key in any place."""

    @property
    def uri(self) -> str:
        """Its place: ``file:/etc/secc/keystore/iso2/a/key.pem``; keys in a TPM or token have other
        schemes.
        """

    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""

    def sign(self, data: bytes) -> bytes:
        """Returns a signature over ``data`` in the form of TLS and X.509: ECDSA (DER of r and s)
        with the curve's hash, or Ed448. May block.
        """

    def pkcs8_pem(self) -> bytes | None:
        """Returns the unencrypted key, for an engine in this process that needs it; None if it
        cannot leave its place.
        """


@dataclass(frozen=True, slots=True)
class FileKey:
    """A private key in a PEM file, which may be encrypted."""

    path: Path
    _key: _Key = field(repr=False)

    @classmethod
    def read(cls, path: Path, password_path: Path | None = None) -> FileKey:
        """Read the key in ``path``; its password, without the line end, is in ``password_path``.
        Both have mode 0600.

        Raises :class:`StoreError`.
        """
        pem = read_file(path, secret=True)
        password = read_file(password_path, secret=True).rstrip(b"\r\n") if password_path else None
        key = _load(path, pem, password)
        if not isinstance(key, ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey):
            raise StoreError(path, "holds a key that no V2G profile allows (elliptic curve or Ed448 wanted)")
        return cls(path, key)

    @property
    def uri(self) -> str:
        return self.path.absolute().as_uri().replace("file://", "file:", 1)

    def public_key_der(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._key, ed448.Ed448PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, ec.ECDSA(hashes.SHA512() if self._key.curve.key_size > 256 else hashes.SHA256()))

    def pkcs8_pem(self) -> bytes | None:
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def open_private_key(uri: str, where: Path) -> PrivateKey:
    """Open the key at ``uri``: ``file:PATH``, relative to the directory of ``where`` (the file with
    the URI).

    Raises :class:`StoreError` for other schemes, for which there is no driver.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc:
        raise StoreError(where, f"names a key by {parts.scheme or 'no scheme'}:, and only file: can be opened")
    path = where.parent / unquote(parts.path)
    password_path = where.parent / "password.txt"
    return FileKey.read(path, password_path if password_path.exists() else None)


def _load(path: Path, pem: bytes, password: bytes | None) -> object:
    try:
        return load_pem_private_key(pem, password)
    except TypeError as error:
        if password is None:
            raise StoreError(path, "is encrypted, and there is no password.txt beside it") from error
        # Ignore a password that is not needed.
        return _load(path, pem, None)
    except (ValueError, UnsupportedAlgorithm) as error:
        reason = "the password is wrong, or it is not a private key" if password else "is not a private key in PEM"
        raise StoreError(path, reason) from error

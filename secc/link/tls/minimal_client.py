"""A TLS 1.2 client of one suite, ECDHE-ECDSA with AES-128-CBC and SHA-256 on P-256, for the self-test
of ``status_request_v2``.

It shares no code with libssl, and checks what a car would: the signature of the ServerKeyExchange,
and by both Finished messages that station and client have hashed the same handshake. It does not
check the certificates.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from frozen import dataclass
from secc.link.tls.errors import SelfTestFailed
from secc.link.tls.hello import OCSP_MULTI

SUITE: Final = 0xC023
ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE = 21, 20, 22
SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, FINISHED, CERTIFICATE_STATUS = 2, 11, 12, 14, 20, 22
_VERSION: Final = b"\x03\x03"
_P256: Final = b"\x03\x00\x17"
"""ECParameters: named_curve secp256r1."""
_ECDSA_SHA256: Final = b"\x04\x03"
_BLOCK: Final = 16
_MAC: Final = 32
_USUAL: Final = {10: b"\x00\x02\x00\x17", 11: b"\x01\x00", 13: b"\x00\x02" + _ECDSA_SHA256}
"""supported_groups, ec_point_formats, signature_algorithms."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the server has sent up to its ServerHelloDone."""

    extensions: Mapping[int, bytes]
    """Of the ServerHello."""
    certificates: tuple[bytes, ...]
    status_type: int | None
    """Of the CertificateStatus; None without one."""
    responses: tuple[bytes, ...]


class MinimalClient:
    """One handshake, in three calls: :meth:`hello`, :meth:`answer`, :meth:`finish`. Each raises
    SelfTestFailed at the first flaw, ValueError for a leaf that cannot be read. ``extensions`` are
    added to the hello.
    """

    def __init__(self, extensions: Mapping[int, bytes]) -> None:
        self._extensions = {**_USUAL, **extensions}
        self._random = os.urandom(32)
        self._transcript = b""
        self._master = b""
        self._opener: _Protection | None = None

    def hello(self) -> bytes:
        """Returns the ClientHello as a record."""
        listed = b"".join(kind.to_bytes(2) + _vector(2, body) for kind, body in self._extensions.items())
        suites, compressions = _vector(2, SUITE.to_bytes(2)), _vector(1, b"\x00")
        return self._said(1, _VERSION + self._random + _vector(1, b"") + suites + compressions + _vector(2, listed))

    def answer(self, flight: bytes) -> tuple[bytes, Served]:
        """Takes the server's flight up to ServerHelloDone. Returns the records of ClientKeyExchange,
        ChangeCipherSpec and Finished.
        """
        messages = dict(self._messages(flight))
        if SERVER_HELLO_DONE not in messages or not {SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE} <= messages.keys():
            raise SelfTestFailed(f"the server's flight has the messages {sorted(messages)}")
        random, extensions = _server_hello(messages[SERVER_HELLO])
        certificates = tuple(_listed(_Reader(messages[CERTIFICATE]).vector(3)))
        if not certificates:
            raise SelfTestFailed("the server presents no certificate")
        status, responses = _status(messages.get(CERTIFICATE_STATUS))
        theirs = _signed_point(messages[SERVER_KEY_EXCHANGE], self._random + random, certificates[0])
        ours = ec.generate_private_key(ec.SECP256R1())
        secret = ours.exchange(ec.ECDH(), theirs)
        point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        exchange = self._said(16, _vector(1, point))
        self._master = _expanded(secret, b"master secret", self._random + random, 48)
        block = _expanded(self._master, b"key expansion", random + self._random, 2 * (_MAC + _BLOCK))
        mine, theirs_mac, key, their_key = block[:32], block[32:64], block[64:80], block[80:96]
        self._opener = _Protection(theirs_mac, their_key)
        finished = _message(FINISHED, self._proof(b"client finished"))
        sealed = _record(HANDSHAKE, _Protection(mine, key).seal(HANDSHAKE, finished))
        self._transcript += finished
        served = Served(extensions, certificates, status, responses)
        return exchange + _record(CHANGE_CIPHER_SPEC, b"\x01") + sealed, served

    def finish(self, flight: bytes) -> None:
        """Takes the server's ChangeCipherSpec and Finished."""
        records = _records(flight)
        if [kind for kind, _ in records] != [CHANGE_CIPHER_SPEC, HANDSHAKE] or self._opener is None:
            raise SelfTestFailed("the server did not end with ChangeCipherSpec and Finished")
        opened = self._opener.open(HANDSHAKE, records[1][1])
        if opened != _message(FINISHED, self._proof(b"server finished")):
            raise SelfTestFailed("the server's Finished is of another handshake")

    def _said(self, kind: int, body: bytes) -> bytes:
        message = _message(kind, body)
        self._transcript += message
        return _record(HANDSHAKE, message)

    def _proof(self, label: bytes) -> bytes:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self._transcript)
        return _expanded(self._master, label, digest.finalize(), 12)

    def _messages(self, flight: bytes) -> list[tuple[int, bytes]]:
        """Returns the handshake messages of a plain flight, which may be spread over records."""
        octets = b""
        for kind, content in _records(flight):
            if kind != HANDSHAKE:
                raise SelfTestFailed(f"the server sent a record of type {kind}: {content.hex()}")
            octets += content
        self._transcript += octets
        reader, messages = _Reader(octets), []
        while reader.left:
            messages.append((reader.number(1), reader.vector(3)))
        return messages


class _Protection:
    """One direction of AES-128-CBC and an HMAC of SHA-256 (RFC 5246 section 6.2.3.2), for its first
    record.
    """

    def __init__(self, mac: bytes, key: bytes) -> None:
        self._mac = mac
        self._key = algorithms.AES128(key)

    def seal(self, kind: int, octets: bytes) -> bytes:
        padding = _BLOCK - 1 - (len(octets) + _MAC) % _BLOCK
        start = os.urandom(_BLOCK)
        encryptor = Cipher(self._key, modes.CBC(start)).encryptor()
        plain = octets + self._tag(kind, octets) + bytes((padding,)) * (padding + 1)
        return start + encryptor.update(plain) + encryptor.finalize()

    def open(self, kind: int, octets: bytes) -> bytes:
        start, sealed = octets[:_BLOCK], octets[_BLOCK:]
        if not sealed or len(octets) % _BLOCK:
            raise SelfTestFailed("the server's Finished is not in whole blocks")
        decryptor = Cipher(self._key, modes.CBC(start)).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        plain, padding = padded[: -1 - padded[-1]], padded[-1 - padded[-1] :]
        content = plain[:-_MAC]
        if set(padding) != {padded[-1]} or not hmac.compare_digest(plain[-_MAC:], self._tag(kind, content)):
            raise SelfTestFailed("the server's Finished is sealed with another key")
        return content

    def _tag(self, kind: int, octets: bytes) -> bytes:
        return hmac.digest(self._mac, bytes(8) + bytes((kind,)) + _VERSION + _vector(2, octets), "sha256")


class _Reader:
    """Reads vectors. Raises SelfTestFailed at the end of the octets."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @property
    def left(self) -> int:
        return len(self._octets)

    def take(self, count: int) -> bytes:
        if count > len(self._octets):
            raise SelfTestFailed("a message of the server ends early")
        taken, self._octets = self._octets[:count], self._octets[count:]
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))


def _server_hello(body: bytes) -> tuple[bytes, dict[int, bytes]]:
    reader = _Reader(body)
    version, random = reader.take(2), reader.take(32)
    reader.vector(1)
    suite = reader.number(2)
    if version != _VERSION or suite != SUITE:
        raise SelfTestFailed(f"the server chose version {version.hex()} and suite {suite:04X}")
    reader.take(1)
    listed, extensions = _Reader(reader.vector(2) if reader.left else b""), {}
    while listed.left:
        kind = listed.number(2)
        extensions[kind] = listed.vector(2)
    return random, extensions


def _status(body: bytes | None) -> tuple[int | None, tuple[bytes, ...]]:
    """Returns the type of a CertificateStatus and its responses."""
    if body is None:
        return None, ()
    reader = _Reader(body)
    kind, octets = reader.number(1), reader.vector(3)
    return kind, tuple(_listed(octets)) if kind == OCSP_MULTI else (octets,)


def _listed(octets: bytes) -> list[bytes]:
    reader, found = _Reader(octets), []
    while reader.left:
        found.append(reader.vector(3))
    return found


def _signed_point(body: bytes, randoms: bytes, leaf: bytes) -> ec.EllipticCurvePublicKey:
    """Returns the key of a ServerKeyExchange that the leaf's key has signed."""
    reader = _Reader(body)
    if reader.take(3) != _P256:
        raise SelfTestFailed("the server chose another curve")
    point = reader.vector(1)
    if reader.take(2) != _ECDSA_SHA256:
        raise SelfTestFailed("the server chose another signature algorithm")
    key = x509.load_der_x509_certificate(leaf).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(reader.vector(2), randoms + _P256 + _vector(1, point), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SelfTestFailed("the signature of the ServerKeyExchange is bad") from None
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def _expanded(secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The PRF of RFC 5246 section 5."""
    seed = label + seed
    block, out = seed, b""
    while len(out) < length:
        block = hmac.digest(secret, block, "sha256")
        out += hmac.digest(secret, block + seed, "sha256")
    return out[:length]


def _vector(width: int, octets: bytes) -> bytes:
    return len(octets).to_bytes(width) + octets


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + _vector(3, body)


def _record(kind: int, octets: bytes) -> bytes:
    return bytes((kind,)) + _VERSION + _vector(2, octets)


def _records(octets: bytes) -> list[tuple[int, bytes]]:
    reader, found = _Reader(octets), []
    while reader.left:
        kind, _ = reader.number(1), reader.take(2)
        found.append((kind, reader.vector(2)))
    return found

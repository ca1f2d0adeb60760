"""Decrypts TLS 1.2 with the key log of one of its ends.

What V2G uses: ephemeral or static ECDH, AES-128-CBC with SHA-256, AES-GCM (RFC 5246, 5288, 5289),
encrypt-then-MAC (RFC 7366). The key log holds the master secret by client random, so certificates
and key exchange are not needed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from secc.errors import FramingError

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
ENCRYPT_THEN_MAC, SUPPORTED_VERSIONS = 22, 43
LARGEST_RECORD: Final = (1 << 14) + 2048


@dataclass(frozen=True, slots=True)
class Suite:
    """Key sizes in octets; ``mac`` 0 is an AEAD."""

    name: str
    key: int
    mac: int
    hash: str = "sha256"


SUITES: Final = {
    0xC023: Suite("ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 16, 32),
    0xC025: Suite("ECDH_ECDSA_WITH_AES_128_CBC_SHA256", 16, 32),
    0xC027: Suite("ECDHE_RSA_WITH_AES_128_CBC_SHA256", 16, 32),
    0xC02B: Suite("ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 16, 0),
    0xC02D: Suite("ECDH_ECDSA_WITH_AES_128_GCM_SHA256", 16, 0),
    0xC02F: Suite("ECDHE_RSA_WITH_AES_128_GCM_SHA256", 16, 0),
    0xC02C: Suite("ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 32, 0, "sha384"),
    0xC030: Suite("ECDHE_RSA_WITH_AES_256_GCM_SHA384", 32, 0, "sha384"),
}


def read_keylog(path: Path) -> dict[bytes, bytes]:
    """Returns master secrets by client random; skips lines of other kinds. Raises OSError."""
    secrets = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "CLIENT_RANDOM":
            try:
                secrets[bytes.fromhex(words[1])] = bytes.fromhex(words[2])
            except ValueError:
                continue
    return secrets


class _Direction:
    """Records of one side: held octets, handshake octets, and the keys from its ChangeCipherSpec
    on.
    """

    def __init__(self) -> None:
        self.held = bytearray()
        self.handshake = bytearray()
        self.mac = self.key = self.salt = b""
        self.number: int | None = None


class Connection:
    """One TLS connection. Feed both directions in the order of arrival."""

    def __init__(self, secrets: dict[bytes, bytes]) -> None:
        self.secrets = secrets
        self.suite: Suite | None = None
        self._client = _Direction()
        self._server = _Direction()
        self._randoms = {CLIENT_HELLO: b"", SERVER_HELLO: b""}
        self._encrypt_then_mac = False

    def feed(self, *, from_client: bool, octets: bytes) -> bytes:
        """Returns the application data that these octets complete. Raises FramingError if they
        cannot be read, and on every later call.
        """
        side = self._client if from_client else self._server
        side.held += octets
        data = b""
        while len(side.held) >= 5:
            length = int.from_bytes(side.held[3:5], "big")
            if length > LARGEST_RECORD or side.held[1] != 3:
                raise FramingError("not a TLS record")
            if len(side.held) < 5 + length:
                break
            kind, body = side.held[0], bytes(side.held[5 : 5 + length])
            del side.held[: 5 + length]
            data += self._record(side, kind, body, from_client=from_client)
        return data

    def _record(self, side: _Direction, kind: int, body: bytes, *, from_client: bool) -> bytes:
        if kind == CHANGE_CIPHER_SPEC:
            self._take_keys(side, from_client=from_client)
            return b""
        if side.number is not None:
            body = self._open(side, kind, body)
            side.number += 1
            return body if kind == APPLICATION_DATA else b""
        if kind == HANDSHAKE:
            side.handshake += body
            self._hellos(side)
        elif kind == APPLICATION_DATA:
            raise FramingError("application data without a handshake: the capture begins too late")
        return b""

    def _hellos(self, side: _Direction) -> None:
        while len(side.handshake) >= 4:
            length = int.from_bytes(side.handshake[1:4], "big")
            if len(side.handshake) < 4 + length:
                return
            kind, body = side.handshake[0], bytes(side.handshake[4 : 4 + length])
            del side.handshake[: 4 + length]
            if kind in self._randoms:
                self._randoms[kind] = body[2:34]
            if kind == SERVER_HELLO:
                self._server_hello(body)

    def _server_hello(self, body: bytes) -> None:
        at = 35 + (body[34] if len(body) > 34 else 0)
        number = int.from_bytes(body[at : at + 2], "big")
        at += 5
        while at + 4 <= len(body):
            kind, length = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
            if kind == ENCRYPT_THEN_MAC:
                self._encrypt_then_mac = True
            if kind == SUPPORTED_VERSIONS:
                raise FramingError("TLS 1.3, which this tool does not decrypt")
            at += 4 + length
        self.suite = SUITES.get(number)
        if self.suite is None:
            raise FramingError(f"cipher suite 0x{number:04X}, which this tool does not decrypt")

    def _take_keys(self, side: _Direction, *, from_client: bool) -> None:
        suite = self.suite
        master = self.secrets.get(self._randoms[CLIENT_HELLO])
        if suite is None:
            raise FramingError("no handshake: the capture begins too late")
        if master is None:
            raise FramingError("the key log does not hold this connection")
        salt = 0 if suite.mac else 4
        seed = b"key expansion" + self._randoms[SERVER_HELLO] + self._randoms[CLIENT_HELLO]
        block = _prf(master, seed, 2 * (suite.mac + suite.key + salt), suite.hash)
        sizes = (suite.mac, suite.key, salt)
        parts = []
        for size in sizes:
            pair, block = block[: 2 * size], block[2 * size :]
            parts.append(pair[:size] if from_client else pair[size:])
        side.mac, side.key, side.salt = parts
        side.number = 0

    def _open(self, side: _Direction, kind: int, body: bytes) -> bytes:
        """Returns the content of a protected record. Raises FramingError if other keys were used."""
        assert self.suite is not None
        assert side.number is not None
        head = side.number.to_bytes(8, "big") + bytes((kind, 3, 3))
        if not self.suite.mac:
            if len(body) < 24:
                raise FramingError("TLS record too short")
            try:
                return AESGCM(side.key).decrypt(
                    side.salt + body[:8], body[8:], head + (len(body) - 24).to_bytes(2, "big")
                )
            except InvalidTag:
                raise FramingError("TLS record does not fit the key log") from None
        size = self.suite.mac
        if self._encrypt_then_mac:
            body, tag = body[:-size], body[-size:]
            if not hmac.compare_digest(tag, _mac(side.mac, head, body)):
                raise FramingError("TLS record does not fit the key log")
        if len(body) < 32 or len(body) % 16:
            raise FramingError("TLS record of a length that CBC does not have")
        decryptor = Cipher(algorithms.AES(side.key), modes.CBC(body[:16])).decryptor()
        plain = decryptor.update(body[16:]) + decryptor.finalize()
        plain = plain[: max(0, len(plain) - 1 - plain[-1])]
        if self._encrypt_then_mac:
            return plain
        plain, tag = plain[:-size], plain[-size:]
        if not hmac.compare_digest(tag, _mac(side.mac, head, plain)):
            raise FramingError("TLS record does not fit the key log")
        return plain


def _mac(key: bytes, head: bytes, content: bytes) -> bytes:
    return hmac.digest(key, head + len(content).to_bytes(2, "big") + content, "sha256")


def _prf(secret: bytes, seed: bytes, size: int, name: str) -> bytes:
    """P_hash of RFC 5246 section 5."""
    block, result = seed, b""
    while len(result) < size:
        block = hmac.digest(secret, block, name)
        result += hmac.digest(secret, block + seed, name)
    return result[:size]

"""The ClientHello, read before libssl gets it: it decides which certificate chain, later which
protocol, answers it.

Pure and incremental: :func:`peek` reads what has arrived so far and consumes nothing. At most 16
KiB, in at most 128 records.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from frozen import dataclass
from secc.link.tls.errors import Alert, HelloRejected

MAX_OCTETS: Final = 16_384
MAX_RECORDS: Final = 128
HANDSHAKE_RECORD: Final = 0x16
APPLICATION_RECORD: Final = 0x17
TLS_1_2: Final = 0x0303
OCSP_MULTI: Final = 2
"""CertificateStatusType for a response to each certificate of the chain."""


class _Extension(IntEnum):
    SERVER_NAME = 0
    TRUSTED_CA_KEYS = 3
    STATUS_REQUEST = 5
    SUPPORTED_GROUPS = 10
    SIGNATURE_ALGORITHMS = 13
    STATUS_REQUEST_V2 = 17
    SUPPORTED_VERSIONS = 43
    CERTIFICATE_AUTHORITIES = 47


class IdentifierType(IntEnum):
    """How a car names a root (RFC 6066 section 6); all of them count (Q-21).

    ``BARE_SHA1`` is not in the RFC: a hash without a type (Q-20), of a key or a certificate.
    """

    PRE_AGREED = 0
    KEY_SHA1_HASH = 1
    X509_NAME = 2
    CERT_SHA1_HASH = 3
    BARE_SHA1 = -1


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """One root the car trusts: 20 octets of SHA-1, or a DER Name, or nothing for ``PRE_AGREED``."""

    kind: IdentifierType
    octets: bytes


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The car's offer. Numbers are wire values; None stands for an extension that was not sent."""

    legacy_version: int
    suites: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    """supported_versions, or the legacy version alone."""
    groups: tuple[int, ...] | None = None
    signature_algorithms: tuple[int, ...] | None = None
    server_name: str | None = None
    trusted_ca_keys: tuple[TrustedAuthority, ...] | None = None
    certificate_authorities: tuple[bytes, ...] | None = None
    status_request: bool = False
    status_request_v2: tuple[int, ...] = ()
    """CertificateStatusTypes asked for (RFC 6961): 1 ocsp, 2 :data:`OCSP_MULTI`."""
    quirks: tuple[str, ...] = ()
    """Codes of the field quirks that were tolerated in reading this hello, for the log."""

    @property
    def status_asked(self) -> tuple[str, ...]:
        """How the car asks for the status of the station's certificates, by the names of the
        extensions.
        """
        asked = (("status_request", self.status_request), ("status_request_v2", bool(self.status_request_v2)))
        return tuple(name for name, wanted in asked if wanted)

    def offers(self, version: int) -> bool:
        """Whether a server that speaks only ``version`` may answer. Without supported_versions the
        legacy version means itself and all below.
        """
        if _Extension.SUPPORTED_VERSIONS in self.extensions:
            return version in self.versions
        return version <= self.legacy_version


def peek(octets: bytes | bytearray, *, strict: bool = False) -> ClientHello | None:
    """Returns the ClientHello at the front of a stream, or None while it is incomplete.

    Raises HelloRejected, with the alert to send if the peer speaks TLS at all. ``strict`` refuses
    what is tolerated otherwise (Q-20).
    """
    body = _handshake_body(octets)
    return None if body is None else _parse(body, strict)


def _handshake_body(octets: bytes | bytearray) -> bytes | None:
    """Returns the ClientHello message without its header, joined across records."""
    message = bytearray()
    at = 0
    for _ in range(MAX_RECORDS):
        head = octets[at : at + 5]
        if head and head[0] != HANDSHAKE_RECORD:
            # A peer that does not speak TLS gets no alert; one that fails after its first record
            # does.
            raise HelloRejected("not a TLS handshake", Alert.UNEXPECTED_MESSAGE.record() if at else b"")
        if len(head) > 1 and head[1] != 3:
            raise HelloRejected(f"TLS record version {head[1]}.x", Alert.PROTOCOL_VERSION.record() if at else b"")
        if len(head) < 5:
            return None
        length = int.from_bytes(head[3:5])
        if length == 0:
            raise HelloRejected("empty handshake record", Alert.UNEXPECTED_MESSAGE.record())
        if length > MAX_OCTETS:
            raise HelloRejected(f"TLS record of {length} octets", Alert.RECORD_OVERFLOW.record())
        message += octets[at + 5 : at + 5 + length]
        if message and message[0] != 1:
            raise HelloRejected(
                f"handshake message {message[0]} instead of a ClientHello", Alert.UNEXPECTED_MESSAGE.record()
            )
        if len(message) >= 4:
            wanted = 4 + int.from_bytes(message[1:4])
            if wanted > MAX_OCTETS:
                raise HelloRejected(f"ClientHello of {wanted} octets", Alert.DECODE_ERROR.record())
            if len(message) >= wanted:
                return bytes(message[4:wanted])
        if len(octets) < at + 5 + length:
            return None
        at += 5 + length
    raise HelloRejected(f"ClientHello in more than {MAX_RECORDS} records", Alert.DECODE_ERROR.record())


class _Reader:
    """Reads vectors from octets. Raises HelloRejected at their end."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._octets) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise HelloRejected("a ClientHello ends early", Alert.DECODE_ERROR.record())
        taken = self._octets[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))

    def end(self) -> None:
        if self.left:
            raise HelloRejected("octets are left over in a ClientHello", Alert.DECODE_ERROR.record())


def _parse(body: bytes, strict: bool) -> ClientHello:
    reader = _Reader(body)
    legacy_version = reader.number(2)
    reader.take(32)  # random
    if len(reader.vector(1)) > 32:
        raise HelloRejected("session id beyond 32 octets", Alert.DECODE_ERROR.record())
    suites = _numbers(reader.vector(2))
    reader.vector(1)  # compression methods
    extensions: dict[int, bytes] = {}
    if reader.left:
        listed = _Reader(reader.vector(2))
        reader.end()
        while listed.left:
            kind = listed.number(2)
            if kind in extensions:
                raise HelloRejected(f"extension {kind} twice", Alert.ILLEGAL_PARAMETER.record())
            extensions[kind] = listed.vector(2)

    def numbers(kind: _Extension, width: int = 2) -> tuple[int, ...] | None:
        return None if kind not in extensions else _numbers(_whole_vector(extensions[kind], width))

    trusted, quirk = _trusted_ca_keys(extensions.get(_Extension.TRUSTED_CA_KEYS), strict)
    return ClientHello(
        legacy_version=legacy_version,
        suites=suites,
        extensions=tuple(extensions),
        versions=numbers(_Extension.SUPPORTED_VERSIONS, 1) or (legacy_version,),
        groups=numbers(_Extension.SUPPORTED_GROUPS),
        signature_algorithms=numbers(_Extension.SIGNATURE_ALGORITHMS),
        server_name=_server_name(extensions.get(_Extension.SERVER_NAME)),
        trusted_ca_keys=trusted,
        certificate_authorities=_names(extensions.get(_Extension.CERTIFICATE_AUTHORITIES)),
        status_request=extensions.get(_Extension.STATUS_REQUEST, b"")[:1] == b"\x01",
        status_request_v2=_status_types(extensions.get(_Extension.STATUS_REQUEST_V2)),
        quirks=("Q-20",) if quirk else (),
    )


def _whole_vector(octets: bytes, width: int) -> bytes:
    reader = _Reader(octets)
    vector = reader.vector(width)
    reader.end()
    return vector


def _numbers(octets: bytes) -> tuple[int, ...]:
    if len(octets) % 2:
        raise HelloRejected("half a number in a list", Alert.DECODE_ERROR.record())
    return tuple(int.from_bytes(octets[at : at + 2]) for at in range(0, len(octets), 2))


def _server_name(octets: bytes | None) -> str | None:
    """Returns the first host_name; it is logged only."""
    if not octets:
        return None
    names = _Reader(_whole_vector(octets, 2))
    while names.left:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name.decode("ascii", "backslashreplace")
    return None


def _names(octets: bytes | None) -> tuple[bytes, ...] | None:
    if octets is None:
        return None
    listed, names = _Reader(_whole_vector(octets, 2)), []
    while listed.left:
        names.append(listed.vector(2))
    return tuple(names)


def _status_types(octets: bytes | None) -> tuple[int, ...]:
    """Returns the types; a broken extension counts as not sent, since a car may be served without."""
    if octets is None:
        return ()
    kinds = []
    try:
        items = _Reader(_whole_vector(octets, 2))
        while items.left:
            kinds.append(items.number(1))
            items.vector(2)
    except HelloRejected:
        return ()
    return tuple(kinds)


def _trusted_ca_keys(octets: bytes | None, strict: bool) -> tuple[tuple[TrustedAuthority, ...] | None, bool]:
    """Returns the entries of the extension, and whether a tolerance was needed to read it.

    By RFC 6066: a u16 length, then entries of a type octet and its data. A real car leaves the
    length out, and bare hashes without a type have been seen (Q-20): lenient readings are tried in
    order, and if none fits the extension counts as not sent.
    """
    if octets is None:
        return None, False
    try:
        return _authorities(_whole_vector(octets, 2)), False
    except HelloRejected:
        if strict:
            raise
    for listed in (octets, octets[2:]):
        try:
            if found := _authorities(listed):
                return found, True
        except HelloRejected:
            continue
    for bare in (octets, octets[2:]):
        if bare and len(bare) % 20 == 0:
            hashes = (bare[at : at + 20] for at in range(0, len(bare), 20))
            return tuple(TrustedAuthority(IdentifierType.BARE_SHA1, octets) for octets in hashes), True
    return None, True


def _authorities(octets: bytes) -> tuple[TrustedAuthority, ...]:
    reader, found = _Reader(octets), []
    while reader.left:
        match reader.number(1):
            case 0:
                found.append(TrustedAuthority(IdentifierType.PRE_AGREED, b""))
            case 1 | 3 as kind:
                found.append(TrustedAuthority(IdentifierType(kind), reader.take(20)))
            case 2:
                found.append(TrustedAuthority(IdentifierType.X509_NAME, reader.vector(2)))
            case kind:
                raise HelloRejected(f"trusted_ca_keys identifier type {kind}", Alert.DECODE_ERROR.record())
    return tuple(found)

"""A certificate chain of the station, and the roots that it leads to; the TLS parameters of each
edition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from certs.certificates import Edition
from certs.parts import parts_of
from frozen import dataclass
from secc.link.tls.errors import ContextRejected, TlsFlaw
from secc.link.tls.hello import TLS_1_2, ClientHello, IdentifierType, TrustedAuthority
from secc.link.tls.names import GROUPS, SIGNATURE_ALGORITHMS, SUITES, VERSIONS, named


@dataclass(frozen=True, slots=True)
class TlsProfile:
    """TLS parameters of one edition, as libssl's strings and as wire numbers.

    ``suites``, ``groups`` and ``signature_algorithms`` are the numbers of the strings beside them,
    preferred first.
    """

    name: str
    edition: Edition
    version: int
    cipher_list: str
    suites: tuple[int, ...]
    group_list: str
    groups: tuple[int, ...]
    signature_list: str
    signature_algorithms: tuple[int, ...]
    tolerated_suite: str = ""
    """The standard's name of a suite beside the prescribed ones."""

    def suits(self, hello: ClientHello) -> bool:
        """Whether a handshake with this car can succeed: version, suite, group and signature
        algorithm in common.
        """
        return not self.lacks(hello)

    def quirks(self, hello: ClientHello, suite: str) -> tuple[str, ...]:
        """Returns the codes of the field quirks of a car whose handshake ended in this suite."""
        # The station prefers the prescribed suite, so the car has not offered it.
        found = hello.quirks + (("Q-22",) if suite == self.tolerated_suite else ())
        if self.edition is Edition.ISO2 and hello.trusted_ca_keys is None and not hello.quirks:
            found += ("Q-26",)
        return found

    def lacks(self, hello: ClientHello) -> dict[TlsFlaw, str]:
        """Returns what car and station do not have in common, each with both lists in words; report
        the first.

        libssl calls a wrong group "no shared cipher": its text would mislead.
        """
        missing = {}
        if not hello.offers(self.version):
            missing[TlsFlaw.NO_COMMON_VERSION] = _apart("version", VERSIONS, hello.versions, (self.version,))
        for flaw, what, names, offered, ours in (
            (TlsFlaw.NO_COMMON_SUITE, "suite", SUITES, hello.suites, self.suites),
            (TlsFlaw.NO_COMMON_GROUP, "group", GROUPS, hello.groups, self.groups),
            (
                TlsFlaw.NO_COMMON_SIGNATURE_ALGORITHM,
                "signature algorithm",
                SIGNATURE_ALGORITHMS,
                hello.signature_algorithms,
                self.signature_algorithms,
            ),
        ):
            if offered is not None and not any(number in ours for number in offered):
                missing[flaw] = _apart(what, names, offered, ours)
        return missing


def _apart(what: str, names: Mapping[int, str], offered: Sequence[int], ours: Sequence[int]) -> str:
    theirs = ", ".join(named(names, offered)) or "none"
    return f"no common {what}: the car offers {theirs}, the station {', '.join(named(names, ours))}"


ISO15118_2: Final = TlsProfile(
    name="ISO 15118-2",
    edition=Edition.ISO2,
    # Exactly 1.2: a server that could do 1.3 but agrees on 1.2 marks its random (RFC 8446 section
    # 4.1.3), and cars that know 1.3 would leave.
    version=TLS_1_2,
    # The prescribed suite first; GCM for cars whose library has dropped CBC. No libssl since
    # 1.1.0 has the static ECDH suite.
    cipher_list="ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
    suites=(0xC023, 0xC02B),
    group_list="P-256",
    groups=(23,),
    signature_list="ECDSA+SHA256",
    signature_algorithms=(0x0403,),
    tolerated_suite="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
)
"""TLS 1.2, server authentication only, P-256 throughout. [V2G2-602, V2G2-603]"""

ISO15118_2_STRICT: Final = replace(
    ISO15118_2, name="ISO 15118-2 strict", cipher_list="ECDHE-ECDSA-AES128-SHA256", suites=(0xC023,), tolerated_suite=""
)
"""Without tolerance Q-22: for conformance runs."""

_PROFILES: Final = {Edition.ISO2: (ISO15118_2, ISO15118_2_STRICT)}


def profile_of(edition: Edition, *, strict: bool) -> TlsProfile:
    """Returns the TLS parameters for chains of this edition. Raises ContextRejected if TLS of that
    edition is not served.
    """
    if edition not in _PROFILES:
        raise ContextRejected(f"TLS of edition {edition.value} is not served")
    return _PROFILES[edition][strict]


class ChainChoice(StrEnum):
    """Why a chain was presented."""

    NAMED = "named"
    """It ends in a root that the car named. [V2G2-871]"""
    NOT_NAMED = "not named"
    """The car named roots, but none of the station's: the default chain, and the car decides.
    [V2G2-923]
    """
    NOT_ASKED = "not asked"
    """The car named none (Q-26), or said only that it has some (``pre_agreed``): the default."""


class Chain:
    """Leaf and sub-CAs as DER, leaf first, without the root; the roots that they lead to; an OCSP
    response for each certificate or None.

    Immutable. ``name`` is for logs. Several roots belong to a chain that is cross-signed. The
    caller must have verified ``staples``, builds a new chain when they change, and sets
    ``staple_ends`` to the times until which they may be sent (None: no end). Raises ContextRejected
    for certificates that cannot be read.
    """

    __slots__ = ("_hashes", "_key_hashes", "_names", "_staple_ends", "certificates", "name", "roots", "staples")

    def __init__(
        self,
        name: str,
        certificates: Sequence[bytes],
        roots: Sequence[bytes],
        staples: Sequence[bytes | None] = (),
        staple_ends: Sequence[datetime | None] = (),
    ) -> None:
        if not certificates:
            raise ContextRejected(f"chain {name}: no certificate")
        if (count := max(len(staples), len(staple_ends))) > len(certificates):
            raise ContextRejected(f"chain {name}: {count} staples for {len(certificates)} certificates")
        self.name = name
        self.certificates = tuple(certificates)
        self.roots = tuple(roots)
        self.staples = (*staples, *(None,) * (len(certificates) - len(staples)))
        self._staple_ends = (*staple_ends, *(None,) * (len(certificates) - len(staple_ends)))
        self._hashes = {sha1(root) for root in self.roots}
        names, key_hashes = set(), set()
        for root in self.roots:
            try:
                parts = parts_of(root)
            except ValueError as error:
                raise ContextRejected(f"chain {name}: root cannot be read: {error}") from None
            names.add(parts.subject)
            # Computed, because the SubjectKeyIdentifier may have been made in another way (RFC
            # 7093).
            key_hashes.add(sha1(parts.key_bits))
        self._names = names
        self._key_hashes = key_hashes

    def staples_at(self, at: datetime | None) -> tuple[bytes | None, ...]:
        """Returns the responses that may be sent at ``at``, leaf first. One with an end is not sent
        when the time is not known (A-TLS-08).
        """
        return tuple(
            None if end is not None and (at is None or at > end) else staple
            for staple, end in zip(self.staples, self._staple_ends, strict=True)
        )

    def satisfies(self, authority: TrustedAuthority) -> bool:
        """Whether the chain ends in the root that the car names."""
        match authority.kind:
            case IdentifierType.CERT_SHA1_HASH:
                return authority.octets in self._hashes
            case IdentifierType.KEY_SHA1_HASH:
                return authority.octets in self._key_hashes
            case IdentifierType.X509_NAME:
                return authority.octets in self._names
            case IdentifierType.BARE_SHA1:
                return authority.octets in self._hashes or authority.octets in self._key_hashes
            case IdentifierType.PRE_AGREED:
                return False

    def chosen_by(self, hello: ClientHello) -> bool:
        """Whether the car names one of this chain's roots. Names compare as raw DER."""
        return any(self.satisfies(authority) for authority in hello.trusted_ca_keys or ())


def sha1(octets: bytes) -> bytes:
    """An identifier of RFC 6066, not used for security."""
    return hashlib.sha1(octets, usedforsecurity=False).digest()


def root_named(root: bytes) -> TrustedAuthority:
    """Returns the root as most cars name it in trusted_ca_keys: by the hash of the certificate."""
    return TrustedAuthority(IdentifierType.CERT_SHA1_HASH, sha1(root))


def encode_trusted_ca_keys(authorities: Sequence[TrustedAuthority]) -> bytes:
    """Returns the body of the extension (RFC 6066 section 6) that a car sends."""
    listed = b""
    for authority in authorities:
        listed += bytes((authority.kind,))
        if authority.kind is IdentifierType.X509_NAME:
            listed += len(authority.octets).to_bytes(2)
        listed += authority.octets
    return len(listed).to_bytes(2) + listed


@dataclass(frozen=True, slots=True)
class Handshaken:
    """Result of a finished handshake, for log and policy."""

    version: str
    suite: str
    chain: str = ""
    """Name of the station's chain; empty on the car's side."""
    choice: ChainChoice = ChainChoice.NOT_ASKED
    stapled: bool = False
    status_v2: bool = False
    """Whether the answer was ``status_request_v2``: a response, or an empty one, for each certificate
    of the chain.
    """
    presented: tuple[bytes, ...] = field(default=(), repr=False)
    """The peer's certificates as DER, leaf first; empty where none was asked for."""
    staple: bytes | None = field(default=None, repr=False)
    """The OCSP response that the peer stapled for its leaf."""
    quirks: tuple[str, ...] = ()

    @property
    def mutual13(self) -> bool:
        """Whether it is TLS 1.3 and the peer has sent a certificate. [V2G20-2356]"""
        return self.version == "TLSv1.3" and bool(self.presented)

"""The key of a network on the power line."""

from __future__ import annotations

import hashlib
import hmac

from secc.errors import EncodeError


class NetworkKey:
    """A network membership key (NMK), 16 octets. Only ``octets`` returns it; ``repr`` does not show
    it.
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        if len(octets) != 16:
            raise EncodeError(f"a network membership key has 16 octets, not {len(octets)}")
        self._octets = bytes(octets)

    @property
    def octets(self) -> bytes:
        return self._octets

    @property
    def network_id(self) -> bytes:
        """Returns the network identifier (NID) of this key: SHA-256 five times, 52 bits of it,
        security level 0 above them.
        """
        digest = self._octets
        for _ in range(5):
            digest = hashlib.sha256(digest).digest()
        return digest[:6] + bytes((digest[6] >> 4,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkKey) and hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash(self._octets)

    def __repr__(self) -> str:
        return "NetworkKey(not shown)"

"""How often a certificate has asked for a contract, at any outlet of the station. (A-PNC-08)"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST: Final = 3
"""Requests that are passed to the provisioning service for one certificate in an hour."""
HOUR_SECONDS: Final = 3600.0
REMEMBERED: Final = 256
"""Certificates that are remembered; a further one displaces the one that has been silent longest."""


class Forwarded:
    """Counts requests by the hash of the key that signed them. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, tuple[float, ...]] = OrderedDict()

    def allowed(self, fingerprint: str, now: float) -> bool:
        """Count a request. Returns False for one too many, which does not count."""
        recent = tuple(at for at in self._asked.get(fingerprint, ()) if now - at < HOUR_SECONDS)
        if len(recent) >= MOST:
            return False
        self._asked[fingerprint] = (*recent, now)
        self._asked.move_to_end(fingerprint)
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return True

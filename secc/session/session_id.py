"""The SessionID of eight octets, the same in every edition."""

from __future__ import annotations

from typing import Final

from secc.conversation import Party
from secc.errors import SeccError

NO_SESSION: Final = bytes(8)
_ATTEMPTS: Final = 8


def fresh_session_id(secc: Party, *others: bytes) -> bytes:
    """Returns eight random octets, not zero and none of ``others``: those that the car brought, and
    of a paused session. [V2G2-835] (Q-31). Raises SeccError if the random numbers never differ.
    """
    for _ in range(_ATTEMPTS):
        session_id = secc.entropy(len(NO_SESSION))
        if session_id not in (NO_SESSION, *others):
            return session_id
    raise SeccError("the source of random numbers is broken")

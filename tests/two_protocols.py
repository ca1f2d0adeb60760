"""Two protocols of a test: one for everything, and one as narrow as DIN SPEC 70121. A car never gets to speak them."""

from __future__ import annotations

from typing import Any

import pytest

from certs.certificates import Edition
from secc import protocols
from secc.session.offer import Transfer
from secc.session.protocol import Transport, V2gProtocol


def _never(*_: Any) -> Any:
    raise AssertionError("these protocols have no messages")


WIDE = V2gProtocol("Wide 1", "wide", "urn:wide", 1, 0, frozenset(), _never, edition=Edition.ISO2)
NARROW = V2gProtocol(
    "Narrow 1",
    "narrow",
    "urn:narrow",
    1,
    0,
    frozenset(),
    _never,
    transports=frozenset({Transport.PLAIN}),
    transfers=frozenset({Transfer.DC}),
)


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the station has these two, and no other."""
    monkeypatch.setattr(protocols, "_SPOKEN", [lambda: WIDE, lambda: NARROW])

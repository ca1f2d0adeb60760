"""The protocols of this station: a folder each, and an import and a line here.

Importing this adds their reasons and quirks to the registers. It is light, so that neither a
configuration nor ``secc explain`` loads a station.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from certs.certificates import Edition
from secc.din import protocol as din
from secc.iso2 import protocol as iso2
from secc.session.protocol import V2gProtocol

_SPOKEN: Final[list[Callable[[], V2gProtocol]]] = [
    iso2,
    din,
]


def protocols() -> tuple[V2gProtocol, ...]:
    """Returns the protocols of this station, the most common first."""
    return tuple(protocol() for protocol in _SPOKEN)


def keys() -> tuple[str, ...]:
    """Returns their names in the configuration."""
    return tuple(protocol.key for protocol in protocols())


def editions(spoken: Iterable[V2gProtocol]) -> tuple[Edition, ...]:
    """Returns the editions of certificates that these protocols use, each once."""
    return tuple(dict.fromkeys(protocol.edition for protocol in spoken if protocol.edition is not None))

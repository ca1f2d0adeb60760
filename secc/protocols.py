"""Which protocols this station speaks: a folder each, and an import and a line here.

What they add to the registers of reasons and quirks is there once this is imported. Light, so that neither a configuration nor ``secc explain``
loads a station for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from certs.certificates import Edition
from secc import iso2
from secc.session.protocol import V2gProtocol

_SPOKEN: Final[list[Callable[[], V2gProtocol]]] = [
    iso2.protocol,
]


def protocols() -> tuple[V2gProtocol, ...]:
    """Everything that this station speaks, what most cars speak first."""
    return tuple(protocol() for protocol in _SPOKEN)


def editions(spoken: Iterable[V2gProtocol]) -> tuple[Edition, ...]:
    """The editions of certificates that these protocols go by, each once."""
    return tuple(dict.fromkeys(protocol.edition for protocol in spoken if protocol.edition is not None))

"""How a protocol takes part in the station: what is known of it at once, and what it can do once its modules are imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from certs.certificates import Edition
from secc.session.dialogue import Dialogue
from secc.session.offer import Offer, Surroundings


@dataclass(frozen=True, slots=True)
class LoadedProtocol:
    """What a protocol can do. Its modules are imported; its codec is compiled on first use, or ahead of it by ``warm`` and ``warm_rest``."""

    open: Callable[[Offer, Surroundings], Dialogue]
    """Begins one session. The core is not begun yet: the driver calls ``session.begin(now)``."""
    warm: Callable[[], None]
    """Compiles the codec of the loop's messages, before any contactor closes."""
    warm_rest: Callable[[], Iterable[None]] = tuple
    """Compiles the codec of all other messages that a session may have, a request with its response a step."""
    responses: tuple[type, ...] = ()
    """The types of its answers, each with a ``response_code``: for tests that let the station answer otherwise."""


@dataclass(frozen=True, slots=True)
class V2gProtocol:
    """What each protocol's folder exports, once: data, and the one function that imports the rest of the folder."""

    name: str
    namespace: str
    major: int
    minor: int
    personal: frozenset[str]
    """The elements of its messages that are about a person, by name: logs and traces show them by hash and length."""
    load: Callable[[], LoadedProtocol]
    """Imports messages and phases. The first call takes long: it belongs on the thread for Python work, never on the event loop."""
    edition: Edition | None = None
    """The edition of certificates that it goes by, in TLS and in contracts; None: it uses no certificates."""
    tls13: bool = False
    """True if it must never run on anything less than TLS 1.3 with a client certificate. [V2G20-2356]"""

"""A protocol as the station registers it: data at once, functions once its modules are imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from certs.certificates import Edition
from frozen import dataclass
from secc.exi import Schema
from secc.session.dialogue import Dialogue
from secc.session.offer import Offer, Surroundings, Transfer

Read = Callable[[int, bytes], tuple[Any, Any]]


class Transport(Enum):
    """What carries a connection."""

    PLAIN = "plain TCP"
    TLS = "TLS"
    MUTUAL_TLS13 = "TLS 1.3 with a client certificate"

    @classmethod
    def of(cls, *, secure: bool, mutual13: bool) -> Transport:
        return cls.MUTUAL_TLS13 if mutual13 else cls.TLS if secure else cls.PLAIN


@dataclass(frozen=True, slots=True)
class LoadedProtocol:
    """The functions of a protocol. Its modules are imported; its codec is compiled on first use, or
    ahead of it by ``warm`` and ``warm_rest``.
    """

    open: Callable[[Offer, Surroundings], Dialogue]
    """Makes one session, not begun yet: the caller calls ``session.begin(now)``."""
    read: Read
    """Decodes a recorded message of the car or of ours, by payload type and octets: what the session
    heard or said, and its header. Raises DecodeError. May compile: not for the event loop.
    """
    warm: Callable[[], None]
    """Compiles the codec of the loop's messages, before any contactor closes."""
    warm_rest: Callable[[], Iterable[None]] = tuple
    """Compiles the codec of all messages of a session, a request with its response in each step."""
    responses: tuple[type, ...] = ()
    """The types of its responses, each with a ``response_code``: for tests that change answers."""
    kept: tuple[type, ...] = ()
    """The types of which its values for a resume are made: a replay makes such a value again."""
    schema: Schema[Any] | None = None
    """The codec of its messages, for tools that read what others have recorded."""


@dataclass(frozen=True, slots=True)
class V2gProtocol:
    """What each protocol's folder exports: data, and the one function that imports the rest of the
    folder.
    """

    name: str
    key: str
    """Its name in the configuration, which is that of its folder."""
    namespace: str
    major: int
    minor: int
    personal: frozenset[str]
    """Names of elements with personal data: logs and traces show their hash and length only."""
    load: Callable[[], LoadedProtocol]
    """Imports messages and phases. The first call is slow: run it on the thread for Python work,
    not on the event loop.
    """
    edition: Edition | None = None
    """The edition of certificates that it uses, in TLS and in contracts; None: it uses none."""
    transports: frozenset[Transport] = frozenset(Transport)
    """The connections on which it is chosen. [V2G20-2356]"""
    transfers: frozenset[Transfer] = frozenset(Transfer)
    """The ways of charging that it has messages for."""

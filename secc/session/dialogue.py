"""One session of one protocol, with its messages as octets, for the caller that drives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from frozen import dataclass
from secc.conversation import Received, Send, Session
from secc.errors import DecodeError
from secc.exi.schema import Schema
from secc.exi.xmldsig import Signature


@dataclass(frozen=True, slots=True)
class Relayed:
    """A message that another party made and signed: its octets are sent as they came, because its
    digests do not survive an encoder. Name and response code of the message are for log and trace.
    """

    octets: bytes = field(repr=False)
    message_name: str
    response_code: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A message whose header carries the signature of another party over elements of the body."""

    body: Any
    signature: Signature

    @property
    def message_name(self) -> str:
        return type(self.body).__name__

    @property
    def response_code(self) -> object:
        return getattr(self.body, "response_code", "")


def _alone(message: Any, signature: Signature | None = None) -> Any:
    """Returns the message itself: without a header it cannot be signed."""
    assert signature is None, "this protocol has no header for a signature"
    return message


def unwrapped(message: Any) -> tuple[Any, Any]:
    """Returns body and header of a wire message. Raises DecodeError for an empty body."""
    if message.body is None:
        raise DecodeError("a message with an empty Body")
    return message.body, message.header


QUICK_SECONDS: Final = 0.025
"""V2G_SECC_Msg_Performance_Time of CurrentDemandRes."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A session and its codecs. A message of the session may be the body of a wire message:
    ``Received`` has the header beside it.

    ``schemas`` are the codecs by V2GTP payload type. ``payload_limit`` is the most octets of one
    request, ``items`` the most entries of its lists, over all passes. ``unwrap`` splits a decoded
    message into body and header (and raises DecodeError), ``wrap`` adds the header to a body of the
    station, with a signature if there is one. ``prepare`` compiles what answering a request of this
    type takes.
    """

    session: Session
    schemas: Mapping[int, Schema[Any]]
    payload_limit: int
    items: int
    unwrap: Callable[[Any], tuple[Any, Any]] = lambda message: (message, None)
    wrap: Callable[..., Any] = _alone
    prepare: Callable[[type], None] = lambda kind: None
    quick: tuple[type, ...] = ()
    """Responses that the standard wants within ``QUICK_SECONDS``."""

    @property
    def streams(self) -> frozenset[int]:
        """The payload types of this session; others are counted and ignored."""
        return frozenset(self.schemas)

    def decode(self, payload_type: int, octets: bytes) -> Received:
        """Returns the message, by the agreed protocol's schema and no other: some octets are messages
        of two (Q-72). Raises DecodeError only. Takes a millisecond, or more if the message
        and its answer have to be compiled: not for the event loop.
        """
        body, header = self.unwrap(self.schemas[payload_type].decode(octets, items=self.items))
        self.prepare(type(body))
        return Received(payload_type, body, header, octets)

    def decode_at_once(self, payload_type: int, octets: bytes) -> Received | None:
        """Returns the message if reading it takes some tens of microseconds at most; None: call
        ``decode``, sound or not.
        """
        message = self.schemas[payload_type].decode_at_once(octets)
        if message is None:
            return None
        try:
            return Received(payload_type, *self.unwrap(message), octets)
        except DecodeError:
            return None

    def least(self, message: object, seconds: float) -> float:
        """Returns the least time from a request to this answer, for a station that waits ``seconds``
        with its answers. (Q-43)
        """
        return min(seconds, QUICK_SECONDS) if isinstance(message, self.quick) else seconds

    def encode(self, send: Send) -> tuple[int, bytes]:
        """Returns payload type and octets of a message of the station."""
        match send.message:
            case Relayed(octets):
                return send.stream, octets
            case Signed(body, signature):
                message = self.wrap(body, signature)
            case body:
                message = self.wrap(body)
        return send.stream, self.schemas[send.stream].encode(message)

"""One session of one protocol as the driver holds it: the conversation, and its messages as octets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secc.conversation import Received, Send, Session
from secc.errors import DecodeError
from secc.exi.schema import Schema


def _bare(message: Any) -> tuple[Any, Any]:
    return message, None


def _as_it_is(message: Any) -> Any:
    return message


def _nothing(kind: type) -> None:
    return


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A session and its messages. What the session hears and says may be the body of a message: its header stands beside it in ``Received``.

    ``schemas`` are the codecs by V2GTP payload type. ``payload_limit`` is how many octets one request may have, the largest that makes sense,
    with a margin; ``items`` how many entries its lists may have, over all passes. ``unwrap`` takes a decoded message apart into body and header
    (and raises DecodeError), ``wrap`` puts a header around a body of ours. ``prepare`` compiles what answering a request of this type takes.
    """

    session: Session
    schemas: Mapping[int, Schema[Any]]
    payload_limit: int
    items: int
    unwrap: Callable[[Any], tuple[Any, Any]] = _bare
    wrap: Callable[[Any], Any] = _as_it_is
    prepare: Callable[[type], None] = _nothing

    @property
    def streams(self) -> frozenset[int]:
        """The payload types that this session listens to; others are counted and ignored."""
        return frozenset(self.schemas)

    def decode(self, payload_type: int, octets: bytes) -> Received:
        """Raises DecodeError, and nothing else, for octets that are not a message. Takes a millisecond, or more where something is
        compiled for this message and its answer: not for the event loop."""
        body, header = self.unwrap(self.schemas[payload_type].decode(octets, items=self.items))
        self.prepare(type(body))
        return Received(payload_type, body, header, octets)

    def decode_at_once(self, payload_type: int, octets: bytes) -> Received | None:
        """The message, where reading it takes some tens of microseconds at most; None: ``decode`` has to look at it, sound or not."""
        message = self.schemas[payload_type].decode_at_once(octets)
        if message is None:
            return None
        try:
            return Received(payload_type, *self.unwrap(message), octets)
        except DecodeError:
            return None

    def encode(self, send: Send) -> tuple[int, bytes]:
        """Payload type and octets of a message of ours."""
        return send.stream, self.schemas[send.stream].encode(self.wrap(send.message))

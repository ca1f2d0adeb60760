"""One TCP connection, from its first octet to V2GTP frames, with TLS or without: for the owner of
the socket.

The owner reads the socket and calls :meth:`Connection.feed`, then writes
:meth:`Connection.outgoing`, also after ``feed`` has raised: it may hold an alert. It closes when
``deadline`` has passed. While ``may_block`` is True a ``feed`` may run a private-key operation and
belongs on a worker thread; ``outgoing`` and ``close`` never wait for that thread.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime
from typing import Final

from certs.certificates import Edition
from frozen import dataclass
from secc.conversation import Deadline, Timeout
from secc.errors import FramingError
from secc.link.tls.chain import Handshaken
from secc.link.tls.connection import UNSENT_LIMIT, TlsConnection, accept, connect
from secc.link.tls.context import ClientContext, ServerContext, choose
from secc.link.tls.errors import Alert, HandshakeFailed, PlainRequired, TlsError, TlsFlaw, TlsRequired
from secc.link.tls.hello import HANDSHAKE_RECORD, peek
from secc.link.tls.report import TlsReport
from secc.link.v2gtp import OPENING_LIMIT, TOLERATED, Frame, Framer, PayloadType, frame

HANDSHAKE: Final = Timeout("TLS handshake", 10.0, "A-TLS-03")
"""From the connect (where plain TCP is served too: from the first octet of TLS) until the handshake
is complete, unless ``Serving`` has another time.
"""
FIRST_MESSAGE: Final = Timeout("V2G_SECC_CommunicationSetup_Timeout", 20.0, "[V2G2-716]")
"""From the connect, or the end of the handshake, until the first frame is complete."""
PARTIAL_MESSAGE: Final = Timeout("V2GTP message", 10.0, "A-V2G-02")
"""From the first octet of a frame to its last; further octets do not extend it."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What a station serves on a port: TLS with these contexts (none: no TLS), and plain TCP or
    not. Replaced whole when certificates change.

    ``strict``: no tolerance in reading the hello. ``payload_limit``: octets of one V2GTP
    payload until a protocol with its own limit is agreed. ``tolerated``: the connection is closed
    on this many malformed V2GTP headers. ``handshake_seconds``: the limit of a whole handshake.
    ``at``: the calendar time when this was made, to judge the end of staples.
    """

    contexts: tuple[ServerContext, ...] = ()
    plain: bool = False
    strict: bool = False
    payload_limit: int = OPENING_LIMIT
    tolerated: int = TOLERATED
    handshake_seconds: float = HANDSHAKE.seconds
    at: datetime | None = None

    @property
    def tls(self) -> bool:
        return bool(self.contexts)


class Connection:
    """Made by :func:`serve` or :func:`dial`. Of no use after an error or ``close``."""

    def __init__(self, serving: Serving | None, tls: TlsConnection | None, framer: Framer, now: float) -> None:
        self._serving = serving
        """What an undecided connection may become; None once the first octets, or this side, have
        decided.
        """
        self._tls = tls
        self._opening = bytearray()
        """The received part of an incomplete hello."""
        self._unsent: deque[bytes] = deque()
        """Plain octets, or the final alert: a deque, because a step on another thread may add to
        it.
        """
        self._closed = False
        self.framer = framer
        """Set its ``accepted`` and ``limit`` once a protocol is agreed; ``ignored`` lists the
        ignored frames.
        """
        self.failure: FramingError | None = None
        """Why the connection is over. ``feed`` has raised it, or will on its next call."""
        self._begun = False
        self._handshake = HANDSHAKE if serving is None else replace(HANDSHAKE, seconds=serving.handshake_seconds)
        silent_means_handshake = tls is not None or (serving is not None and serving.tls and not serving.plain)
        self.deadline: Deadline | None = _limit(self._handshake if silent_means_handshake else FIRST_MESSAGE, now)
        """When to give up without a change; None: the session's timers are enough."""

    @property
    def may_block(self) -> bool:
        """Whether the next ``feed`` may take long: as long as a TLS handshake may be open."""
        if self.failure is not None:
            return False
        if self._tls is not None:
            return not self._tls.established
        return self._serving is not None and self._serving.tls

    @property
    def secure(self) -> bool | None:
        """Whether TLS protects this connection; None until it is decided."""
        if self._tls is not None:
            return True if self._tls.info is not None else None
        return False if self._serving is None else None

    @property
    def handshaken(self) -> Handshaken | None:
        """Result of the handshake; None before, and on plain TCP."""
        return None if self._tls is None else self._tls.info

    @property
    def edition(self) -> Edition | None:
        """The edition of the certificates that answer the ClientHello; None before, and on plain
        TCP.
        """
        return None if self._tls is None else self._tls.profile.edition

    @property
    def report(self) -> TlsReport | None:
        """How far TLS came, also after a failure; None before a complete ClientHello."""
        return None if self._tls is None else self._tls.report

    def left(self) -> HandshakeFailed | None:
        """The error for a peer that leaves now, in the middle of TLS. None: TLS was not begun, or
        the handshake is complete.
        """
        if self._tls is not None:
            return self._tls.left()
        if not self._opening:
            return None
        return HandshakeFailed(f"the car closed the connection {self.where}", flaw=TlsFlaw.CLOSED_IN_HELLO)

    @property
    def where(self) -> str:
        """Where an incomplete handshake stands, in words."""
        if self._tls is not None:
            return self._tls.where
        if self._opening:
            return f"in its ClientHello, after {len(self._opening)} octets"
        return "before its first octet"

    @property
    def peer_closed(self) -> bool:
        """Whether the peer has ended its TLS stream. The owner of the socket sees the end of the
        TCP stream.
        """
        return self._tls is not None and self._tls.peer_closed

    def feed(self, octets: bytes, now: float) -> list[Frame]:
        """Take octets from the socket at ``now`` (monotonic seconds). Returns the frames that they
        complete.

        Raises FramingError (TlsError for TLS), always fatal. Frames that were complete before the
        error are returned first, with ``failure`` set: answer them, then close; the next call
        raises.
        """
        if self.failure is not None:
            raise self.failure
        try:
            frames = self._frames(octets, now)
        except FramingError as error:
            self.failure = error
            if isinstance(error, TlsError):
                self._unsent.append(error.answer)
            self.deadline = None
            raise
        finally:
            if self._closed and self._tls is not None:
                # Another thread closed the connection before TLS began.
                self._tls.close()
        if self.failure is None:
            self._watch(bool(frames), now)
        return frames

    def ignores(self, flaw: str) -> bool:
        """Count a frame whose payload is not a message with the bad headers. Returns False, with
        ``failure`` set, if it is one too many.
        """
        self.framer.ignore(flaw)
        self.failure = self.failure or self.framer.failure
        return self.failure is None

    def send(self, payload_type: int, payload: bytes) -> None:
        """Frame and, on TLS, encrypt. Raises TlsError or FramingError if the peer does not read or
        sending is not possible.
        """
        octets = frame(payload_type, payload)
        if self._tls is not None:
            self._tls.send(octets)
        elif self._serving is not None or sum(map(len, self._unsent)) + len(octets) > UNSENT_LIMIT:
            raise FramingError("nothing can be sent before the car's first octet, nor when it does not read")
        else:
            self._unsent.append(octets)

    def outgoing(self) -> bytes:
        """Returns the octets to write to the socket now."""
        octets = b"" if self._tls is None else self._tls.drain()
        while self._unsent:
            octets += self._unsent.popleft()
        return octets

    def close(self) -> bytes:
        """Free the connection. Returns the last octets to write. May be repeated."""
        self._closed = True
        octets = self.outgoing() + (b"" if self._tls is None else self._tls.close())
        self.deadline = None
        if self.failure is None:
            self.failure = FramingError("the connection is closed")
        return octets

    def _frames(self, octets: bytes, now: float) -> list[Frame]:
        if self._serving is not None and octets:
            octets = self._decide(self._serving, octets, now)
        if self._serving is not None:
            return []
        frames: list[Frame] = []
        for piece in [octets] if self._tls is None else self._tls.receive(octets):
            frames += self.framer.feed(piece)
            if self.framer.failure is not None:
                self.failure = self.framer.failure
                break
        return frames

    def _decide(self, serving: Serving, octets: bytes, now: float) -> bytes:
        """Choose TLS or V2GTP by the first octet, the context by the hello. Returns the octets for
        the chosen layer.
        """
        opening = self._opening
        if not opening:
            if octets[0] != HANDSHAKE_RECORD:
                if not serving.plain:
                    raise TlsRequired("the first octet is not one of TLS")
                self._serving = None
                return octets
            if not serving.tls:
                raise PlainRequired("TLS is not served here", Alert.HANDSHAKE_FAILURE.record())
            if serving.plain:
                self.deadline = _limit(self._handshake, now)
        opening += octets
        hello = peek(opening, strict=serving.strict)
        if hello is None:
            return b""
        self._tls = accept(choose(hello, serving.contexts, serving.at), hello)
        self._serving = None
        octets = bytes(opening)
        opening.clear()
        return octets

    def _watch(self, received: bool, now: float) -> None:
        """Set the deadline after these octets."""
        if self._serving is not None or (self._tls is not None and not self._tls.established):
            return
        self._begun = self._begun or received
        running = None if self.deadline is None else self.deadline.timeout
        if self.framer.partial and self._begun:
            # After a whole frame the next one has a new deadline.
            if running is not PARTIAL_MESSAGE or received:
                self.deadline = _limit(PARTIAL_MESSAGE, now)
        elif self._begun:
            self.deadline = None
        elif running is self._handshake:
            self.deadline = _limit(FIRST_MESSAGE, now)


def serve(serving: Serving, now: float) -> Connection:
    """The station's end of a connection accepted at ``now``. Until a protocol is agreed it takes
    SupportedAppProtocol only.
    """
    framer = Framer(serving.payload_limit, (PayloadType.EXI,), serving.tolerated)
    return Connection(serving, None, framer, now)


def dial(context: ClientContext | None, now: float) -> Connection:
    """The simulated car's end of a connection made at ``now``: TLS with this context, or plain.
    ``outgoing`` has the hello at once.
    """
    return Connection(None, None if context is None else connect(context), Framer(), now)


def _limit(timeout: Timeout, now: float) -> Deadline:
    return Deadline(now + timeout.seconds, timeout)

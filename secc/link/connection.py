"""One TCP connection from the first octet to V2GTP frames, TLS or not: what the owner of the socket talks to.

The owner reads the socket and calls :meth:`Connection.feed`, then writes :meth:`Connection.outgoing`, also when ``feed`` has raised: the alert is
in there. It closes when ``deadline`` has passed. While ``may_block`` is True a ``feed`` may run a private-key operation and belongs on a worker
thread; ``outgoing`` and ``close`` never wait for that thread.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from certs.certificates import Edition
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
"""From the connect (or, where plain TCP is served too, from the first octet of TLS) until the handshake is complete; ``Serving`` may say else."""
FIRST_MESSAGE: Final = Timeout("V2G_SECC_CommunicationSetup_Timeout", 20.0, "[V2G2-716]")
"""From the connect, or the end of the handshake, until the first frame is complete."""
PARTIAL_MESSAGE: Final = Timeout("V2GTP message", 10.0, "A-V2G-02")
"""From the first octet of a frame until its last; octets that trickle in do not extend it."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What a station serves on a port: TLS with these contexts (none: no TLS), plain TCP or not. Swapped whole when certificates change.

    ``default``: whose chain is presented when the car names none of the roots; the first when not given. ``strict``: no tolerance in reading the
    hello. ``payload_limit``: octets of one V2GTP payload until a protocol is agreed, which has its own. ``tolerated``:
    the connection is closed on this many malformed V2GTP headers. ``handshake_seconds``: of a whole handshake, at most.
    ``at``: the time by the calendar when this was made, for what ends (staples).
    """

    contexts: tuple[ServerContext, ...] = ()
    default: ServerContext | None = None
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
    """Begin with :func:`serve` or :func:`dial`. After an error or ``close`` it is of no further use."""

    def __init__(self, serving: Serving | None, tls: TlsConnection | None, framer: Framer, now: float) -> None:
        self._serving = serving
        """What an undecided connection may turn into; None once the first octets, or we ourselves, have decided."""
        self._tls = tls
        self._opening = bytearray()
        """The beginning of a hello that is not complete yet."""
        self._unsent: deque[bytes] = deque()
        """Plain octets, or the alert with which it all ended: a deque, because a step on another thread may add to it."""
        self._closed = False
        self.framer = framer
        """Its ``accepted`` and its ``limit`` change once a protocol is agreed; its ``ignored`` says what was passed over."""
        self.failure: FramingError | None = None
        """Why nothing more can come. ``feed`` has raised it, or will when it is called next."""
        self._begun = False
        self._handshake = HANDSHAKE if serving is None else replace(HANDSHAKE, seconds=serving.handshake_seconds)
        silent_means_handshake = tls is not None or (serving is not None and serving.tls and not serving.plain)
        self.deadline: Deadline | None = _limit(self._handshake if silent_means_handshake else FIRST_MESSAGE, now)
        """When to give up if nothing changes; None: the session's own timers are enough."""

    @property
    def may_block(self) -> bool:
        """Whether the next ``feed`` may take long: as long as TLS may still have to be agreed."""
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
        """What TLS has agreed; None before, and on plain TCP."""
        return None if self._tls is None else self._tls.info

    @property
    def edition(self) -> Edition | None:
        """Of the certificates with which the ClientHello is answered; None before, and on plain TCP."""
        return None if self._tls is None else self._tls.profile.edition

    @property
    def report(self) -> TlsReport | None:
        """How far TLS came, also after a failure; None: no complete ClientHello has come."""
        return None if self._tls is None else self._tls.report

    def left(self) -> HandshakeFailed | None:
        """What it means if the peer goes now: in the middle of TLS there is a name for it. None: TLS was not begun, or it is complete."""
        if self._tls is not None:
            return self._tls.left()
        if not self._opening:
            return None
        return HandshakeFailed(f"the car closed the connection {self.where}", flaw=TlsFlaw.CLOSED_IN_HELLO)

    @property
    def where(self) -> str:
        """Where TLS stands while it is not complete, in words."""
        if self._tls is not None:
            return self._tls.where
        if self._opening:
            return f"in its ClientHello, after {len(self._opening)} octets"
        return "before its first octet"

    @property
    def peer_closed(self) -> bool:
        """Whether the peer has ended its TLS stream. The end of the TCP stream is the socket owner's to see."""
        return self._tls is not None and self._tls.peer_closed

    def feed(self, octets: bytes, now: float) -> list[Frame]:
        """Octets from the socket at ``now`` (monotonic seconds); the frames that they complete.

        Raises FramingError (TlsError for TLS), always fatal. Frames that were complete before the flaw are returned first, with ``failure`` set:
        answer them, then close; the next call raises.
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
                # Closed by another thread before there was a TLS connection to close.
                self._tls.close()
        if self.failure is None:
            self._watch(bool(frames), now)
        return frames

    def send(self, payload_type: PayloadType, payload: bytes) -> None:
        """Frame and, on TLS, encrypt. Raises TlsError or FramingError when the peer does not read or nothing can be sent."""
        octets = frame(payload_type, payload)
        if self._tls is not None:
            self._tls.send(octets)
        elif self._serving is not None or sum(map(len, self._unsent)) + len(octets) > UNSENT_LIMIT:
            raise FramingError("nothing can be sent before the car's first octet, nor when it does not read")
        else:
            self._unsent.append(octets)

    def outgoing(self) -> bytes:
        """What is to be written to the socket now."""
        octets = b"" if self._tls is None else self._tls.drain()
        while self._unsent:
            octets += self._unsent.popleft()
        return octets

    def close(self) -> bytes:
        """Give everything back; the last octets to write. Harmless when repeated."""
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
        """The first octet tells TLS from V2GTP, the hello which context answers. The octets that go on to the chosen layer."""
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
        self._tls = accept(choose(hello, serving.contexts, serving.default, serving.at), hello)
        self._serving = None
        octets = bytes(opening)
        opening.clear()
        return octets

    def _watch(self, received: bool, now: float) -> None:
        """Which deadline runs after these octets."""
        if self._serving is not None or (self._tls is not None and not self._tls.established):
            return
        self._begun = self._begun or received
        running = None if self.deadline is None else self.deadline.timeout
        if self.framer.partial and self._begun:
            # After a whole frame the next one has its own time.
            if running is not PARTIAL_MESSAGE or received:
                self.deadline = _limit(PARTIAL_MESSAGE, now)
        elif self._begun:
            self.deadline = None
        elif running is self._handshake:
            self.deadline = _limit(FIRST_MESSAGE, now)


def serve(serving: Serving, now: float) -> Connection:
    """The station's end of a connection accepted at ``now``."""
    return Connection(serving, None, Framer(serving.payload_limit, tolerated=serving.tolerated), now)


def dial(context: ClientContext | None, now: float) -> Connection:
    """The simulated car's end of a connection made at ``now``: TLS with this context, or plain. ``outgoing`` has the hello at once."""
    return Connection(None, None if context is None else connect(context), Framer(), now)


def _limit(timeout: Timeout, now: float) -> Deadline:
    return Deadline(now + timeout.seconds, timeout)

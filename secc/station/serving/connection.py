"""One TCP connection of a car: octets become frames, then messages of negotiation and session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from secc.conversation import Deadline, Emergency, End, Event, Reason, Received, Send, Severed
from secc.errors import FramingError
from secc.link.connection import HANDSHAKE, Connection, Serving, serve
from secc.link.tls.errors import TlsError, TlsFlaw
from secc.link.v2gtp import Frame, PayloadType
from secc.session.dialogue import Dialogue
from secc.session.events import ConnectionClosed, ConnectionOverdue, StreamBroken
from secc.session.negotiation import open_negotiation
from secc.session.protocol import LoadedProtocol, Transport, V2gProtocol
from secc.station.serving.decoding import Decoder
from secc.station.serving.ending import LINGER_SECONDS, Ending, broken_by
from secc.station.serving.host import Host
from secc.station.serving.router import Seat

log = logging.getLogger(__name__)

INBOX_OCTETS = 256 * 1024
READ_OCTETS = 16 * 1024
"""The most that a system call reads. asyncio allocates this much each time, 256 KiB by default."""
SLICE_OCTETS = 2048
"""Octets handled in one turn: tiny TLS records and frames must not hold up other outlets."""
UNSENT_OCTETS = 256 * 1024
"""A car that leaves more answers than this unread is cut off (A-RES-01)."""


class V2gConnection(asyncio.Protocol):
    """The connection of one accepted socket; ``hear`` brings it events. It closes by itself."""

    def __init__(self, host: Host, serving: Serving, peer: str) -> None:
        self.peer = peer
        self.protocol: V2gProtocol | None = None
        self.seat: Seat | None = None
        """The session under way: the negotiation, then one of the agreed protocol."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._link: Connection = serve(serving, self._loop.time())
        self._dialogue: Dialogue | None = None
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder(
            host,
            self._spoken,
            hear=self._message,
            ignores=self._ignores,
            broken=lambda detail: self._broken(StreamBroken("exi", detail)),
            settled=self._settle,
            tolerated=serving.tolerated,
        )
        self._inbox = bytearray()
        self._behind = 0
        """Octets of the inbox that had arrived before the last message was handed over."""
        self._feeding = False
        self._pumping = False
        """The next slice of the inbox is queued."""
        self._ended_by_peer = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed: Deadline | None = None
        """The deadline that the timer is for."""
        self.over = False
        """``Host.ended`` has been called; the socket may still be open for a moment."""
        self._secured = False
        self._gone = False
        """The car has closed during a step of the handshake, which still has its last octets."""
        self._ending: Ending | None = None
        self._asked_at = 0.0
        self.silent = True
        """The car has not sent a single octet."""

    @property
    def secure(self) -> bool:
        return self._link.secure is True

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.max_size = READ_OCTETS  # type: ignore[attr-defined]  # of every transport of a selector loop
        self._transport = transport
        self._arm()

    def data_received(self, data: bytes) -> None:
        if self._ending is not None:
            self._ending.heard(data)
            return
        self.silent = False
        self._inbox += data
        if len(self._inbox) > INBOX_OCTETS:
            text = f"more than {INBOX_OCTETS} octets wait to be handled"
            self._broken(StreamBroken("tls", text, TlsFlaw.TOO_MUCH) if self._feeding else StreamBroken("v2gtp", text))
            return
        if not self._pumping:
            self._pumping = True  # as ``_pump_soon``, without a call for each message
            self._host.pace.take(self._pump)

    def eof_received(self) -> bool:
        # Handle first what the car sent before it closed, often an alert; it can still be answered.
        self._ended_by_peer = True
        if not self._feeding:
            self._host.pace.take(self._settle)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Drop what is still being decoded: no answer can be sent any more."""
        self._transport = None
        self._host.pace.take(self._lost)

    def _lost(self) -> None:
        self._hear_closed()
        self._host.gone(self)
        if not self._feeding:
            # Else the step under way has the car's last octets; the handshake's deadline stays.
            self._disarm()
            self._link.close()
            if self.over:
                # They refer to this connection, which would stay for minutes, as garbage.
                self._decoder.forget()
                self.seat = None

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._broken(ConnectionClosed())
        if self._transport is not None:
            self._transport.abort()

    def shut_down(self, event: Severed) -> None:
        """Send the last answer, then close: the station stops."""
        self._broken(event)
        self._close()

    # Octets in

    def _pump_soon(self) -> None:
        self._pumping = True
        self._host.pace.take(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if not self._inbox or self._feeding or self.over or self._decoder.held:
            return
        if not self._secured and self._link.may_block:
            # A private key may be in a slow chip, which must not delay other outlets.
            octets = bytes(self._inbox)
            self._inbox.clear()
            self._behind = 0
            self._feed_aside(octets)
            return
        octets = bytes(self._inbox[: min(SLICE_OCTETS, self._behind or SLICE_OCTETS)])
        del self._inbox[: len(octets)]
        early, self._behind = self._behind > 0, max(0, self._behind - len(octets))
        if self._inbox:
            self._pump_soon()
        try:
            frames = self._link.feed(octets, self._loop.time())
        except FramingError:
            frames = []  # ``failure`` keeps it until the frames before it are handled.
        self._take(frames, early=early)

    def _feed_aside(self, octets: bytes) -> None:
        try:
            step = self._loop.run_in_executor(self._host.executor, self._link.feed, octets, self._loop.time())
        except RuntimeError as error:
            log.error("outlet %s: no thread for the handshake: %s", self._host.name, error)
            self._broken(StreamBroken("tls", "no thread for the handshake", TlsFlaw.STATION_FAILED))
            return
        self._feeding = True
        step.add_done_callback(lambda step: self._host.pace.take(lambda: self._fed(step)))

    def _fed(self, step: asyncio.Future[list[Frame]]) -> None:
        self._feeding = False
        # Ask in any case: asyncio reports an exception that was not asked for as a bug.
        error = None if step.cancelled() else step.exception()
        if self.over or step.cancelled():
            pass
        elif error is not None and not isinstance(error, FramingError):
            log.error("outlet %s: a bug in the handshake", self._host.name, exc_info=error)
            self._broken(StreamBroken("tls", type(error).__name__, TlsFlaw.STATION_FAILED))
        else:
            self._take(step.result() if error is None else [])
            self._pump()
        if self._gone and not self._feeding:
            self._lost()

    def _take(self, frames: list[Frame], *, early: bool = False) -> None:
        if self._dialogue is None or not frames:
            # After a message, the octets of TLS leave together with the answer.
            self._flush()
        if self._dialogue is None:
            self._greet()
        for place, frame in enumerate(frames):
            self._decoder.take(frame, early=early or place > 0)
        if frames:
            self._behind = len(self._inbox)
        self._settle()

    def _greet(self) -> None:
        """Report the certificates that answer the hello, and the result of the handshake, once known."""
        edition, handshaken = self._link.edition, self._link.handshaken
        if edition is not None:
            self._host.protocols.likely(edition)
        if handshaken is not None and not self._secured:
            self._secured = True
            self._host.secured(handshaken)

    def _settle(self) -> None:
        """Everything that came is handled: end the connection if it has to end."""
        if self._decoder.busy or self._feeding:
            return
        if self._link.failure is not None and not self.over:
            self._flush()
            self._broken(broken_by(self._link.failure))
        elif self._link.peer_closed or (self._ended_by_peer and not self._inbox):
            self._hear_closed()
            self._close()
        if self._link.deadline is not self._armed:
            self._arm()

    def _spoken(self) -> Dialogue:
        """Returns the dialogue that decodes; the first frame begins the negotiation."""
        return self._dialogue or self._negotiate()

    def _message(self, received: Received) -> None:
        assert self.seat is not None
        self._asked_at = self._loop.time()
        self.seat.hear(received)

    def _ignores(self, detail: str) -> bool:
        """Whether octets that are not a message are ignored: in a session, and not too often."""
        if self.protocol is None:
            return False
        log.info("outlet %s: ignored, because it is not a message of the session: %s", self._host.name, detail)
        return self._link.ignores(f"not a message: {detail}")

    # The dialogue

    def _negotiate(self) -> Dialogue:
        handshaken = self._link.handshaken
        mutual13 = handshaken is not None and handshaken.mutual13
        transport = Transport.of(secure=self.secure, mutual13=mutual13)
        negotiation = open_negotiation(self._host.spoken, self._host.surroundings(), transport=transport)
        self._open(negotiation, "negotiation", self._negotiated)
        return negotiation

    def _negotiated(self, end: End) -> None:
        result = self._dialogue.session.result if self._dialogue is not None else None
        if end.reason.well and isinstance(result, V2gProtocol):
            self.protocol = result
            loaded = self._host.protocols.loaded(result)
            if loaded is not None:
                self._begin(result, loaded)
            else:
                self._wait_for(result)
        else:
            self._finish(end.reason)

    def _begin(self, protocol: V2gProtocol, loaded: LoadedProtocol) -> None:
        offer = self._host.begin(protocol, secure=self.secure)
        # A message behind the hello was sent before the protocol was agreed.
        surroundings = replace(self._host.surroundings(), batch=self._decoder.batch)
        self._open(loaded.open(offer, surroundings), protocol.name, lambda end: self._finish(end.reason))

    def _wait_for(self, protocol: V2gProtocol) -> None:
        """Load the protocol. The car's next message waits: its payload types are not known yet."""
        self._decoder.held = True
        loading = self._host.protocols.load(protocol)
        loading.add_done_callback(lambda loading: self._host.pace.take(lambda: self._loaded(protocol, loading)))

    def _loaded(self, protocol: V2gProtocol, loading: asyncio.Future[LoadedProtocol]) -> None:
        if self.over:
            return
        error = asyncio.CancelledError() if loading.cancelled() else loading.exception()
        if error is not None:
            self._finish(Reason("bug", "NotLoaded", detail=f"{protocol.name}: {type(error).__name__}"))
            return
        self._begin(protocol, loading.result())
        self._decoder.release()
        self._pump()

    def _open(self, dialogue: Dialogue, name: str, ended: Callable[[End], None]) -> None:
        self._dialogue = dialogue
        self._link.framer.accepted = frozenset(PayloadType(stream) for stream in dialogue.streams)
        self._link.framer.limit = dialogue.payload_limit
        self.seat = seat = self._host.router.join(name, dialogue.session, ended=ended, watch=self._host.saw)
        seat.performs[Send] = self._send
        seat.begin()

    def hear(self, event: Event) -> None:
        """Hear an event from outside, or of the connection itself."""
        if self.seat is not None and self.seat.alive:
            self.seat.hear(event)
        elif (self.seat is None or self._decoder.held) and isinstance(event, Severed | Emergency):
            # Without a session, or while its protocol is loaded, the event is the reason of the end.
            self._finish(event.why())

    def _send(self, send: Send) -> None:
        assert self._dialogue is not None
        payload_type, octets = self._dialogue.encode(send)
        self._host.sent(payload_type, octets, send.message)
        try:
            self._link.send(payload_type, octets)
        except FramingError as error:
            log.info("outlet %s: the answer cannot be sent: %s", self._host.name, error)
            self._loop.call_soon(self._cut_off, error)
            return
        if seconds := self._host.answer_seconds:
            # Encrypted in its order, it leaves when its time has come, or with the end.
            self._loop.call_at(self._asked_at + self._dialogue.least(send.message, seconds), self._flush)
        else:
            self._flush()

    def _flush(self) -> None:
        octets = self._link.outgoing()
        transport = self._transport
        if not octets or transport is None or transport.is_closing():
            return
        transport.write(octets)
        if transport.get_write_buffer_size() > UNSENT_OCTETS:
            log.info("outlet %s: %s does not read its answers", self._host.name, self.peer)
            self._loop.call_soon(self.abort)

    # The end

    def _cut_off(self, error: FramingError) -> None:
        self._broken(broken_by(error) if isinstance(error, TlsError) else ConnectionClosed())
        self.abort()

    def _hear_closed(self) -> None:
        if self._feeding:
            # The step under way has the car's last octets.
            self._gone = True
            return
        left = self._link.left() if not self.over else None
        self._broken(ConnectionClosed() if left is None else broken_by(left))

    def _broken(self, event: Severed) -> None:
        """Let the session, if there is one, hear why it ends: at once, or after the step under way."""
        if self.seat is not None and self.seat.alive:
            self.seat.hear(event)
        else:
            self._finish(event.why())

    def _finish(self, reason: Reason) -> None:
        if self.over:
            return
        self.over = True
        self._decoder.stop()
        self._disarm()
        self._ending = Ending(self._host.tolerated, secure=self.secure, well=reason.well)
        self._timer = self._loop.call_later(LINGER_SECONDS, self._hang_up)
        self._host.ended(reason, self._link.report, silent=self.silent)

    def _hang_up(self) -> None:
        if self._ending is not None and self._transport is not None:
            self._ending.outlasted()
        self._close()

    def _close(self) -> None:
        self._disarm()
        octets = self._link.close()
        if self._transport is not None and not self._transport.is_closing():
            if octets:
                self._transport.write(octets)
            self._transport.close()
            # What the car does not read in time is dropped with the socket.
            self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _arm(self) -> None:
        deadline = self._link.deadline
        if self.over or deadline is self._armed:
            return
        self._disarm()
        self._armed = deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline.at, self._expired)

    def _expired(self) -> None:
        self._timer = self._armed = None
        deadline = self._link.deadline
        if deadline is None or self.over:
            return
        if self._loop.time() < deadline.at:
            # A step on another thread has set a later deadline, and its result is queued.
            self._arm()
            return
        timeout = deadline.timeout
        where = self._link.where if timeout.name == HANDSHAKE.name else ""
        self._broken(ConnectionOverdue(timeout.name.replace(" ", "-"), timeout.clause, where))

    def _disarm(self) -> None:
        self._armed = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

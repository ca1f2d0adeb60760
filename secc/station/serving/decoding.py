"""Decodes the frames of one connection in the order in which they came, on the event loop or on the
thread for Python work.

A small message is decoded where it arrives. A larger one is decoded on the thread, and frames
behind it wait. As in the core, one message a stream is held back while another one is handled: it
was sent before the answer. Further ones are dropped, but not those that may have to replace octets
which are not a message. Frames that come while the agreed protocol is being loaded wait as well,
but were not sent before the answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from secc.conversation import Received
from secc.errors import DecodeError
from secc.link.v2gtp import Frame, PayloadType
from secc.session.dialogue import Dialogue
from secc.session.negotiation import repeated
from secc.station.serving.host import Host

log = logging.getLogger(__name__)


class Decoder:
    """``dialogue`` is called for each frame when it is decoded, because a message may change the
    protocol of the next one.

    ``hear`` gets the messages. If octets are not a message, ``ignores`` counts them, and ``broken``
    gets the cause if that returns False, or if they are a second SupportedAppProtocolReq. None is
    called after ``stop``. ``settled`` is called when a slow frame, and the frames that waited
    behind it, are handled. ``tolerated``: on this many ignored frames the connection ends.
    """

    def __init__(
        self,
        host: Host,
        dialogue: Callable[[], Dialogue],
        *,
        hear: Callable[[Received], None],
        ignores: Callable[[str], bool],
        broken: Callable[[str], None],
        settled: Callable[[], None],
        tolerated: int,
    ) -> None:
        self._host = host
        self._dialogue = dialogue
        self._hear = hear
        self._ignores = ignores
        self._broken = broken
        self._settled = settled
        self._under_way = False
        self.held = False
        """The agreed protocol is being loaded: frames have to wait."""
        self._waiting: deque[Frame] = deque()
        self.batch = 0
        """The number of the newest batch: messages that the car sent without waiting for an answer
        between them.
        """
        self._most = tolerated + 1
        """Frames of one stream in one batch that end the session, whatever they are: too many are
        not messages, or two are.
        """
        self._seen: Counter[PayloadType] = Counter()
        """Frames of this batch by stream."""
        self._overtaken: set[PayloadType] = set()
        """Streams with so many: later frames on them are dropped."""
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether a frame that comes now has to wait."""
        return self._under_way or self.held

    def take(self, frame: Frame, *, early: bool) -> None:
        """Take the next frame; ``early``: it came before the message in front of it could be
        answered.
        """
        if self._stopped or frame.payload_type in self._overtaken:
            return
        if not (early or self._under_way):
            self.batch += 1
            self._seen.clear()
        self._seen[frame.payload_type] += 1
        if self._seen[frame.payload_type] >= self._most:
            self._overtaken.add(frame.payload_type)
        if self._under_way or self.held:  # ``busy``, without a call for each message
            self._waiting.append(frame)
        else:
            self._decode(frame)

    def release(self) -> None:
        """The protocol is loaded: decode the waiting frames."""
        self.held = False
        self._go_on()

    def stop(self) -> None:
        """The session is over: drop the message that is being decoded."""
        self._stopped = True
        self._waiting.clear()

    def forget(self) -> None:
        """The connection is gone: hold nothing of it."""
        self._dialogue = self._hear = self._ignores = self._broken = self._settled = _nothing

    def _decode(self, frame: Frame) -> None:
        dialogue, payload_type = self._dialogue(), int(frame.payload_type)
        received = dialogue.decode_at_once(payload_type, frame.payload)
        if received is not None:
            self._say(received)
            return
        try:
            work, loop = self._host.work, asyncio.get_running_loop()
            step = loop.run_in_executor(work, _decoded, dialogue, payload_type, frame.payload)
        except RuntimeError as error:
            log.error("outlet %s: no thread for decoding: %s", self._host.name, error)
            self._broken("no thread")
            return
        self._under_way = True
        step.add_done_callback(lambda step: self._host.pace.take(lambda: self._decoded(step)))

    def _decoded(self, step: asyncio.Future[Received]) -> None:
        self._under_way = False
        error = None if step.cancelled() else step.exception()
        if self._stopped or step.cancelled():
            return
        if isinstance(error, DecodeError):
            if isinstance(error, _NegotiationRepeated) or not self._ignores(str(error)):
                self._broken(str(error))
        elif error is not None:
            log.error("outlet %s: a bug in decoding", self._host.name, exc_info=error)
            self._broken(type(error).__name__)
        else:
            self._say(step.result())
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self.busy:
            self._decode(self._waiting.popleft())
        if not self.busy:
            self._settled()

    def _say(self, received: Received) -> None:
        self._hear(Received(received.stream, received.message, received.header, received.octets, self.batch))


class _NegotiationRepeated(DecodeError):
    """In a session the car sent SupportedAppProtocolReq once more."""


def _decoded(dialogue: Dialogue, payload_type: int, octets: bytes) -> Received:
    try:
        return dialogue.decode(payload_type, octets)
    except DecodeError:
        if repeated(payload_type, octets):
            raise _NegotiationRepeated("a second SupportedAppProtocolReq") from None
        raise


def _nothing(*_: object) -> Any:
    return None

"""Frames of one connection become messages, in the order in which they came, on whichever thread they are decoded.

A small message is decoded where it arrives. Any other is decoded on the process's thread for such work, and what comes behind it waits: nothing
overtakes it. As in the core, one message a stream is held back while another is looked at; it was sent before our answer. Further ones are dropped.
What comes while the agreed protocol is being loaded waits in the same way, and was not sent before our answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from secc.conversation import Received
from secc.errors import DecodeError
from secc.link.v2gtp import Frame, PayloadType
from secc.session.dialogue import Dialogue
from secc.station.serving.host import Host

log = logging.getLogger(__name__)


class Decoder:
    """``dialogue`` is asked for each frame when it is decoded: a message may change the protocol for the next.

    ``hear`` gets the messages; ``broken`` hears of octets that are not a message; neither hears anything after ``stop``. ``settled`` is called when a
    frame that took long, and what waited behind it, has been dealt with.
    """

    def __init__(
        self,
        host: Host,
        dialogue: Callable[[], Dialogue],
        *,
        hear: Callable[[Received], None],
        broken: Callable[[str], None],
        settled: Callable[[], None],
    ) -> None:
        self._host = host
        self._dialogue = dialogue
        self._hear = hear
        self._broken = broken
        self._settled = settled
        self._under_way = False
        self.held = False
        """The protocol that was agreed is not loaded yet: what comes now has to wait."""
        self._waiting: deque[Frame] = deque()
        self.batch = 0
        """The number of those messages that were sent without waiting for an answer between them; the newest such."""
        self._seen: set[PayloadType] = set()
        """The streams of this batch."""
        self._overtaken: set[PayloadType] = set()
        """Streams on which a second message came in one batch. That ends the session, so what follows on them is not looked at."""
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether what comes now has to wait."""
        return self._under_way or self.held

    def take(self, frame: Frame, *, early: bool) -> None:
        """The next frame; ``early``: it came before the message in front of it could be answered."""
        if self._stopped or frame.payload_type in self._overtaken:
            return
        if not (early or self._under_way):
            self.batch += 1
            self._seen.clear()
        elif frame.payload_type in self._seen:
            self._overtaken.add(frame.payload_type)
        self._seen.add(frame.payload_type)
        if self._under_way or self.held:
            self._waiting.append(frame)
        else:
            self._decode(frame)

    def release(self) -> None:
        """The protocol is loaded: decode what has waited."""
        self.held = False
        self._go_on()

    def stop(self) -> None:
        """The session is over: what is being decoded is dropped."""
        self._stopped = True
        self._waiting.clear()

    def forget(self) -> None:
        """The connection is gone: hold nothing of it."""
        self._dialogue = self._hear = self._broken = self._settled = _nothing

    def _decode(self, frame: Frame) -> None:
        dialogue, payload_type = self._dialogue(), int(frame.payload_type)
        received = dialogue.decode_at_once(payload_type, frame.payload)
        if received is not None:
            self._say(received)
            return
        try:
            step = asyncio.get_running_loop().run_in_executor(
                self._host.work, dialogue.decode, payload_type, frame.payload
            )
        except RuntimeError as error:
            log.error("outlet %s: no thread to decode on: %s", self._host.name, error)
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


def _nothing(*_: object) -> Any:
    return None

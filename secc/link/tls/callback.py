"""Callbacks of libssl: they find the connection whose step runs on this thread, and keep exceptions
for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from secc.link.tls import libssl
from secc.link.tls.chain import ChainChoice
from secc.link.tls.errors import alert_name
from secc.link.tls.hello import ClientHello
from secc.link.tls.names import HANDSHAKE_MESSAGES
from secc.link.tls.report import Step
from secc.link.tls.status_v2 import StatusAnswer

STEPS: Final = 24
"""Handshake messages and alerts that are kept; a handshake of this station has nine."""


class Facts:
    """Input of a connection's callbacks, and what they record while a step runs."""

    def __init__(
        self,
        hello: ClientHello | None,
        choice: ChainChoice,
        sign: Callable[[bytes], bytes] | None = None,
        staple: bytes | None = None,
        status: StatusAnswer | None = None,
    ) -> None:
        self.hello = hello
        self.choice = choice
        self.sign = sign
        """Signs a digest with this connection's key, if libssl has only the public half."""
        self.staple = staple
        """The leaf's OCSP response for a car that asks for it."""
        self.status = status
        """The responses of the whole chain, instead of the leaf's."""
        self.stapled = False
        self.presented: tuple[bytes, ...] = ()
        self.raised: BaseException | None = None
        self.steps: list[Step] = []
        """The messages of the handshake and the alerts so far."""

    def passed(self, ours: bool, content: int, octets: bytes) -> None:
        """A message was sent or received. ``content``: its TLS content type."""
        if content == libssl.CONTENT_HANDSHAKE and octets:
            name = HANDSHAKE_MESSAGES.get(octets[0], f"handshake message {octets[0]}")
        elif content == libssl.CONTENT_ALERT and len(octets) == 2:
            name = alert_name(octets[1])
        else:
            return
        if len(self.steps) < STEPS:
            self.steps.append(Step(ours, name, alert=content == libssl.CONTENT_ALERT))


class _Current(threading.local):
    """The facts of the step on this thread; libssl calls back on the same thread."""

    facts: Facts | None = None


current = _Current()


def guarded(failed: int, callback: Callable[..., int]) -> Callable[..., int]:
    """Returns the callback with the current facts as its first argument.

    ctypes would print and swallow an exception of a callback: it is kept, the step raises it, and
    the call returns ``failed``.
    """

    def call(*arguments: Any) -> int:
        try:
            return callback(current.facts, *arguments)
        except BaseException as error:  # noqa: BLE001  # nothing is swallowed: the step raises it again
            if current.facts is not None:
                current.facts.raised = error
            return failed

    return call

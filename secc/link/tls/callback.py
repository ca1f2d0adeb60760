"""How libssl's callbacks find their way back into Python: to the connection whose step runs on this thread, and its errors out again."""

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

STEPS: Final = 24
"""Handshake messages and alerts that are remembered; a handshake of ours has nine."""


class Facts:
    """What the callbacks of one connection need to know, and what they learn while a step runs."""

    def __init__(
        self,
        hello: ClientHello | None,
        choice: ChainChoice,
        sign: Callable[[bytes], bytes] | None = None,
        staple: bytes | None = None,
    ) -> None:
        self.hello = hello
        self.choice = choice
        self.sign = sign
        """How this connection's key signs a digest, where libssl has only its public half."""
        self.staple = staple
        """The OCSP response for a car that asks."""
        self.stapled = False
        self.presented: tuple[bytes, ...] = ()
        self.raised: BaseException | None = None
        self.steps: list[Step] = []
        """The messages of the handshake and the alerts so far."""

    def passed(self, ours: bool, content: int, octets: bytes) -> None:
        """A message went out or came in. ``content``: its TLS content type."""
        if content == libssl.CONTENT_HANDSHAKE and octets:
            name = HANDSHAKE_MESSAGES.get(octets[0], f"handshake message {octets[0]}")
        elif content == libssl.CONTENT_ALERT and len(octets) == 2:
            name = alert_name(octets[1])
        else:
            return
        if len(self.steps) < STEPS:
            self.steps.append(Step(ours, name, alert=content == libssl.CONTENT_ALERT))


class _Current(threading.local):
    """A step runs on one thread from beginning to end, and libssl calls back on the same."""

    facts: Facts | None = None


current = _Current()


def guarded(failed: int, callback: Callable[..., int]) -> Callable[..., int]:
    """The callback with the current facts in front of its arguments.

    ctypes would print and swallow what a callback raises: it is kept for the step to raise, and the call returns ``failed``.
    """

    def call(*arguments: Any) -> int:
        try:
            return callback(current.facts, *arguments)
        except BaseException as error:  # noqa: BLE001  # nothing is swallowed: the step raises it again
            if current.facts is not None:
                current.facts.raised = error
            return failed

    return call

"""How libssl's callbacks find their way back into Python: to the connection whose step runs on this thread, and its errors out again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from secc.link.clienthello import ClientHello
from secc.link.tls_chain import ChainChoice


class Facts:
    """What the callbacks of one connection need to know, and what they learn while a step runs."""

    def __init__(
        self, hello: ClientHello | None, choice: ChainChoice, sign: Callable[[bytes], bytes] | None = None
    ) -> None:
        self.hello = hello
        self.choice = choice
        self.sign = sign
        """How this connection's key signs a digest, where libssl has only its public half."""
        self.stapled = False
        self.presented: tuple[bytes, ...] = ()
        self.raised: BaseException | None = None


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

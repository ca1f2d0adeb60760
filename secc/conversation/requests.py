"""The requests of one conversation: which may come now, the one answer to each, and those that come
too early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from secc.conversation.vocabulary import MAIN, Emergency, Received, TimedOut, Wait
from secc.errors import Refusal, SeccError

Cause: TypeAlias = Refusal | TimedOut | Emergency | BaseException
"""Why a request cannot be served; ``refuse`` builds the answer from it."""


def _admit(received: Received) -> Refusal | None:
    del received
    return None


class Requests:
    """The requests of a conversation that answers; one for each conversation, never shared.

    ``refuse(request, cause)`` builds the answer to a request that cannot be served (None: no
    answer); ``out_of_order`` is the protocol's sequence refusal. ``admit`` checks a message before
    its order (the SessionID), ``check`` after it (facets). ``streams`` are those of the
    conversation; it answers on the stream of the request.
    """

    def __init__(
        self,
        refuse: Callable[[Any, Cause], object | None],
        out_of_order: Refusal,
        *,
        admit: Callable[[Received], Refusal | None] = _admit,
        check: Callable[[Any], Refusal | None] | None = None,
        streams: Iterable[int] = (MAIN,),
        batch: int = 0,
    ) -> None:
        self.streams = tuple(streams)
        self.newest: Received | None = None
        """The newest request of the conversation."""
        self.open = False
        """True while it has no answer yet."""
        self._refuse, self._out_of_order = refuse, out_of_order
        self._admit, self._check = admit, check
        self._early: Received | None = None
        self._batch = batch

    # Requests

    def take(self, received: Received) -> bool:
        """Take a request. Returns False while one is open: this one waits for that answer and is
        then refused; further ones are dropped.
        """
        if self.open:
            self._early = self._early or received
            return False
        self.newest, self.open = received, True
        return True

    def refusal(self, wait: Wait | None) -> Refusal | None:
        """Returns why the request just taken cannot be served in this wait (None: the conversation
        has ended).
        """
        received = self.newest
        assert received is not None
        behind, self._batch = received.batch != 0 and received.batch == self._batch, received.batch
        if behind:
            return self.too_early()
        refusal = self._admit(received)
        if refusal is None and (wait is None or not isinstance(received.message, wait.types)):
            refusal = self._out_of_order
        if refusal is None and self._check is not None:
            return self._check(received.message)
        return refusal

    def next_early(self) -> bool:
        """Take the request that came too early, after the answer. Returns False if there is none."""
        if self._early is None or self.open:
            return False
        self.newest, self._early, self.open = self._early, None, True
        return True

    def too_early(self) -> Refusal:
        return Refusal(self._out_of_order.code, self._out_of_order.clause, "sent before the answer to the last request")

    # Answers

    def settle(self, message: object) -> Received:
        """Take an answer. Returns the request that it answers. Raises SeccError if none is open: a
        bug of the phase.
        """
        if not self.open or self.newest is None:
            raise SeccError(f"{type(message).__name__} answers no open request")
        self.open = False
        return self.newest

    def farewell(self, cause: Cause) -> object | None:
        """Returns the answer to an open request that will not be served; None: no answer."""
        return None if self.newest is None else self._refuse(self.newest.message, cause)

    def forget(self) -> None:
        """The conversation has ended: drop all requests."""
        self.newest = self._early = None
        self.open = False
        # It may refer to the session, which then would stay until garbage is collected.
        self._refuse = lambda message, cause: None

"""The requests of one conversation: which may come now, the one answer that each gets, and those that come too early."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from secc.conversation.vocabulary import MAIN, Emergency, Received, TimedOut, Wait
from secc.errors import Refusal, SeccError

Cause: TypeAlias = Refusal | TimedOut | Emergency | BaseException
"""Why a request cannot be served: what ``refuse`` builds its answer from."""


def _admit(received: Received) -> Refusal | None:
    del received
    return None


class Requests:
    """A value that a session is given for a conversation that is asked; one a conversation, and never shared.

    ``refuse(request, cause)`` builds the answer to a request that cannot be served (None: say nothing); ``out_of_order`` is the protocol's
    sequence refusal. ``admit`` looks at a message before its order (the SessionID), ``check`` after it (facets). ``streams`` are those on which
    the conversation is asked; it answers on the stream of the request.
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
        """The newest request that the conversation was handed."""
        self.open = False
        """True while it waits for its answer."""
        self._refuse, self._out_of_order = refuse, out_of_order
        self._admit, self._check = admit, check
        self._early: Received | None = None
        self._batch = batch

    # Coming in

    def take(self, received: Received) -> bool:
        """Hand one over. False: one is open, and this one waits for our answer, which will be followed by its refusal; further ones are dropped."""
        if self.open:
            self._early = self._early or received
            return False
        self.newest, self.open = received, True
        return True

    def refusal(self, wait: Wait | None) -> Refusal | None:
        """Why the request just taken cannot be served by who waits so (None: by a conversation that has ended)."""
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
        """Hand over the one that did not wait for our answer, now that it is out; False if there is none."""
        if self._early is None or self.open:
            return False
        self.newest, self._early, self.open = self._early, None, True
        return True

    def too_early(self) -> Refusal:
        return Refusal(self._out_of_order.code, self._out_of_order.clause, "sent before the answer to the last request")

    # Going out

    def settle(self, message: object) -> Received:
        """The answer goes out: the request that it answers. Raises SeccError where none is open: a bug of the phase."""
        if not self.open or self.newest is None:
            raise SeccError(f"{type(message).__name__} answers no open request")
        self.open = False
        return self.newest

    def farewell(self, cause: Cause) -> object | None:
        """The answer to an open request that will not be served; None: say nothing."""
        return None if self.newest is None else self._refuse(self.newest.message, cause)

    def forget(self) -> None:
        """The conversation is over: nothing of what was asked is held on to."""
        self.newest = self._early = None
        self.open = False

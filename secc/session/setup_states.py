"""Waits of the setup states, in which a car may stop at any time. (Q-34) (Q-37)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from secc.conversation import Conversation, Party, Timeout
from secc.errors import PeerError
from secc.session.remarks import remark

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class Stopped(PeerError):
    """The car sent its request to stop in a setup state, where it always may."""


class SetupStates:
    """Waits for requests of one protocol, ``within`` the sequence timeout. ``stop`` is its request
    to stop; ``quirks`` are the codes of cars that stop where a request is due.
    """

    def __init__(self, stop: type[Any], within: Timeout, quirks: Mapping[type[Any], str]) -> None:
        self._stop, self._within, self._quirks = stop, within, quirks

    @overload
    def __call__(self, secc: Party, kind: type[A], /) -> Conversation[A]: ...
    @overload
    def __call__(self, secc: Party, kind: type[A], other: type[B], /) -> Conversation[A | B]: ...
    @overload
    def __call__(self, secc: Party, kind: type[A], other: type[B], third: type[C], /) -> Conversation[A | B | C]: ...
    @overload
    def __call__(self, secc: Party, kind: type[Any], /, *others: type[Any]) -> Conversation[Any]: ...
    def __call__(self, secc: Party, kind: type[Any], /, *others: type[Any]) -> Conversation[Any]:
        """Wait for the next request of a setup state. Raises :class:`Stopped` on the request to stop."""
        heard = yield from secc.receive(kind, self._stop, *others, within=self._within)
        if isinstance(heard, self._stop):
            name = self._stop.__name__
            if quirk := self._quirks.get(kind):
                remark(secc, quirk, f"{name} where {kind.__name__} is due")
            raise Stopped(name)
        return heard

"""Handlers and looks of a conversation, active wherever it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar, overload

from secc.conversation.vocabulary import Deadline
from secc.errors import SeccError

A = TypeVar("A")

Due: TypeAlias = Callable[[], Deadline | None]


class Hearing:
    """Handlers by type of event, and looks. A handler may raise only what ends the sequence at
    hand, and cannot wait.
    """

    def __init__(self) -> None:
        self._hears: dict[type, Callable[[Any], None] | None] = {}
        self._looks: list[Callable[[], None]] = []
        self._dues: list[Due] = []

    @overload
    def hear(self, kind: type[A], /, *, by: Callable[[A], None] | None = ...) -> None: ...
    @overload
    def hear(self, *kinds: type[Any], by: Callable[[Any], None] | None = ...) -> None: ...
    def hear(self, *kinds: type[Any], by: Callable[[Any], None] | None = None) -> None:
        """Hear these types wherever the conversation waits: call ``by``; without it the event only
        wakes ``until``.

        Types match exactly. A wait for the type comes first. Call it at the start, so that a router
        can ask what is heard.
        """
        for kind in kinds:
            self._hears[kind] = by

    @contextmanager
    def hearing(self, *kinds: type[Any], by: Callable[[Any], None] | None = None) -> Iterator[None]:
        """Use another handler for types that ``hear`` has named, within the block."""
        if unknown := [kind.__name__ for kind in kinds if kind not in self._hears]:
            raise SeccError(f"{', '.join(unknown)}: call hear() for it first")
        before = {kind: self._hears[kind] for kind in kinds}
        self._hears.update(dict.fromkeys(kinds, by))
        try:
            yield
        finally:
            self._hears.update(before)

    def look(self, look: Callable[[], None], due: Due | None = None) -> None:
        """Call ``look`` after every step, and when ``due()`` has come: for supervision, pilots,
        indications.
        """
        self._looks.append(look)
        if due is not None:
            self._dues.append(due)

    @contextmanager
    def looking(self, look: Callable[[], None], due: Due | None = None) -> Iterator[None]:
        """``look``, within the block."""
        self.look(look, due)
        try:
            yield
        finally:
            self._looks.remove(look)
            if due is not None:
                self._dues.remove(due)

    def _deafen(self) -> None:
        """The conversation has ended: drop the handlers, which hold its data."""
        self._hears.clear()
        self._looks.clear()
        self._dues.clear()

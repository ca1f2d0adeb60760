"""What a conversation hears and looks at wherever it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar, overload

from secc.conversation.vocabulary import Deadline
from secc.errors import SeccError

A = TypeVar("A")

Due: TypeAlias = Callable[[], Deadline | None]


def _never() -> Deadline | None:
    return None


class Hearing:
    """Handlers by kind of event, and looks. A handler may raise only what ends the sequence at hand, and cannot wait."""

    def __init__(self) -> None:
        self._hears: dict[type, Callable[[Any], None] | None] = {}
        self._looks: list[tuple[Callable[[], None], Due]] = []

    @overload
    def hear(self, kind: type[A], /, *, by: Callable[[A], None] | None = ...) -> None: ...
    @overload
    def hear(self, *kinds: type[Any], by: Callable[[Any], None] | None = ...) -> None: ...
    def hear(self, *kinds: type[Any], by: Callable[[Any], None] | None = None) -> None:
        """From now on hear these kinds wherever the conversation waits: call ``by``; without it the event only wakes ``until``.

        Kinds are exact types. A wait that names the kind comes first. Said at the start, so that who routes events can ask what is heard.
        """
        for kind in kinds:
            self._hears[kind] = by

    @contextmanager
    def hearing(self, *kinds: type[Any], by: Callable[[Any], None] | None = None) -> Iterator[None]:
        """Hear kinds that ``hear`` has named in another way for a while; then the handlers from before come back."""
        if unknown := [kind.__name__ for kind in kinds if kind not in self._hears]:
            raise SeccError(f"{', '.join(unknown)}: to be named by hear() first")
        before = {kind: self._hears[kind] for kind in kinds}
        self._hears.update(dict.fromkeys(kinds, by))
        try:
            yield
        finally:
            self._hears.update(before)

    def look(self, look: Callable[[], None], due: Due = _never) -> None:
        """From now on call ``look`` after every step, and when ``due()`` has come: supervision, pilots, indications."""
        self._looks.append((look, due))

    @contextmanager
    def looking(self, look: Callable[[], None], due: Due = _never) -> Iterator[None]:
        """``look``, for as long as the block lasts."""
        entry = (look, due)
        self._looks.append(entry)
        try:
            yield
        finally:
            self._looks.remove(entry)

    def _look(self) -> None:
        for look, _ in tuple(self._looks):
            look()

    def _deafen(self) -> None:
        """The conversation is over: handlers hold what it knew."""
        self._hears.clear()
        self._looks.clear()

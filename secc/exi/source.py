"""Python source under construction, and the namespace of the compiled functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from frozen.code import compiled
from secc.errors import DecodeError
from secc.exi.budget import Budget
from secc.exi.grammar import ComplexType


class Source:
    """Lines of a function under construction."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 1
        self._names = 0

    def line(self, text: str) -> None:
        """Add a line at the current depth."""
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add ``head``, and one level deeper the lines added in the block."""
        self.line(head)
        self._depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self._depth -= 1

    def fresh(self, stem: str) -> str:
        """Returns an unused local name."""
        self._names += 1
        return f"{stem}{self._names}"


class Namespace:
    """The globals of the readers (or writers) of one schema and one way of reading.

    A type is compiled on its first call: until then its name is bound to a function that compiles
    it, replaces itself and calls it. Several threads may call at once; one compiles.
    """

    def __init__(
        self,
        verb: str,
        parameters: str,
        compiler: Callable[[Namespace, ComplexType, Source], None],
        runtime: dict[str, Any],
        in_place: Callable[[ComplexType], bool],
    ) -> None:
        self.verb = verb
        self.in_place = in_place
        """Whether a type is inlined, and has no function."""
        self.parameters = parameters
        self.globals: dict[str, Any] = dict(runtime)
        self.globals["G"] = self.globals
        self._compiler = compiler
        self._names: dict[ComplexType, str] = {}
        self._bound: dict[str, object] = {}
        self._compiled: set[ComplexType] = set()
        self._turn = threading.RLock()

    def bind(self, stem: str, value: object) -> str:
        """Returns a global name for a constant; equal stems with the same constant share it."""
        name, number = stem, 0
        while name in self._bound and self._bound[name] != value:
            number += 1
            name = f"{stem}_{number}"
        self._bound[name] = value
        self.globals[name] = value
        return name

    def function(self, ctype: ComplexType) -> str:
        """Returns the global name of a type's function, which need not be compiled yet."""
        return self._names.get(ctype) or self._reserve(ctype)

    def _reserve(self, ctype: ComplexType) -> str:
        with self._turn:
            if ctype in self._names:
                return self._names[ctype]
            name = f"{self.verb}_{ctype.name}"
            while name in self.globals:
                name += "_"

            def first(*args: Any) -> Any:
                if args and isinstance(args[-1], Budget) and not args[-1].compiles:
                    raise DecodeError(f"{ctype.name} is not compiled yet")
                return self.compile(ctype)(*args)

            self.globals[name] = first
            self._names[ctype] = name
            return name

    def compile(self, ctype: ComplexType) -> Callable[..., Any]:
        """Compile a type and bind its function."""
        name = self.function(ctype)
        with self._turn:
            if ctype not in self._compiled:
                source = Source()
                self._compiler(self, ctype, source)
                text = f"def {name}({self.parameters}):\n" + "\n".join(source.lines) + "\n"
                exec(compiled(text, f"<{name}>"), self.globals)  # noqa: S102  # source is ours, made from declarations
                self._compiled.add(ctype)
        function: Callable[..., Any] = self.globals[name]
        return function

    def warm(self, ctypes: Iterable[ComplexType]) -> None:
        """Compile types and the types of their elements, except those that a wrapper (the Body) may
        hold.
        """
        waiting = list(ctypes)
        met: set[ComplexType] = set()
        while waiting:
            ctype = waiting.pop()
            if ctype not in met:
                met.add(ctype)
                self.compile(ctype)
                if ctype.cls is not None:
                    waiting.extend(self._called(ctype))

    def _called(self, ctype: ComplexType) -> Iterator[ComplexType]:
        """Yields the types whose functions the type's function calls: members of a group, and types
        that are not inlined.
        """
        for part in ctype.parts:
            for alternative in part.alternatives:
                kind = alternative.type
                if isinstance(kind, ComplexType) and (part.kind == "group" or not self.in_place(kind)):
                    yield kind

"""A schema set: its messages, the names that its grammars count, and its streams.

There are two kinds of stream. A *document* holds one message; its first code counts the global
elements of all schemas of the set. A *fragment* holds one element, for signatures; its first code
counts every element name of the set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final, Generic, TypeVar, cast

from secc.errors import DecodeError, EncodeError
from secc.exi.bits import Overfull
from secc.exi.budget import AT_ONCE, ITEMS, Budget
from secc.exi.datatypes import bits_for
from secc.exi.declarations import Message
from secc.exi.fragments import Relaxed, Span, Vocabulary, only
from secc.exi.grammar import ComplexType, complex_type, element_name
from secc.exi.reader import Leniency, readers
from secc.exi.source import Namespace
from secc.exi.writer import writers

HEADER: Final = 0x80
"""Distinguishing bits 10, no options, final version 1: the only header in V2G."""

LARGEST_STREAM: Final = 64 * 1024
"""Octets. The longest valid V2G streams have a tenth of that."""

PASSES: Final = (Leniency(), Leniency(empty=True), Leniency(empty=True, loose=True))
"""Passes over a stream, the specification's first; see docs/decisions/exi.md."""

SMALL: Final = 4096
"""Octets of a stream that may be read on the event loop; a shift of a longer one costs its length."""

M = TypeVar("M", bound=Message)
Note = tuple[str, Any, int, int]
"""Name and element, and the bits of the stream left at its start and at its end."""


class Schema(Generic[M]):
    """Codec of one schema set; readers and writers are compiled on first use.

    ``roots`` are the messages, ``globals_`` the local names of all global elements in the order of
    their codes, ``vocabulary`` the names of its fragment grammar, and ``elements`` complex types
    that occur in fragments without being reachable from a root.
    """

    def __init__(
        self,
        name: str,
        *,
        roots: Iterable[type[M]],
        globals_: tuple[str, ...],
        vocabulary: Vocabulary,
        elements: Iterable[type] = (),
    ) -> None:
        self.name = name
        self.roots: tuple[type[M], ...] = tuple(roots)
        self.vocabulary = vocabulary
        self.globals = globals_
        self._root_bits = bits_for(len(globals_) + 1)
        self.elements = tuple(elements)
        self._readers = [readers(leniency) for leniency in PASSES]
        self._writers = writers()
        self._root_codes = {cls: globals_.index(element_name(cls)) for cls in self.roots}
        self._root_types = {code: cls for cls, code in self._root_codes.items()}
        self._first = self._readers[0]

    @cached_property
    def _starts(self) -> dict[type, tuple[int, str]]:
        """For every root the start of its stream after a leading 1, and the writer's name."""
        return {
            cls: ((0x100 | HEADER) << self._root_bits | code, self._writers.function(complex_type(cls)))
            for cls, code in self._root_codes.items()
        }

    @cached_property
    def _entries(self) -> dict[int, str]:
        """For every start of a stream (header and root code) the reader's name."""
        return {
            HEADER << self._root_bits | code: self._first.function(complex_type(cls))
            for cls, code in self._root_codes.items()
        }

    # --- documents --------------------------------------------------------------------------------------------------------

    def decode(self, octets: bytes, *, items: int = ITEMS) -> M:
        """Returns the message in a document stream. ``items`` is its budget over all passes; see
        :mod:`secc.exi.budget`.

        Strict in structure, lenient in length and value facets. Octets after the end are ignored.
        Raises DecodeError only.
        """
        budget = Budget(items)
        message: M | None = self._read_first(octets, budget, LARGEST_STREAM)
        if message is not None:
            return message
        n, r, cls = self._open(octets)
        message, _ = self._first_fit(n, r, complex_type(cls), budget)
        return message

    def decode_at_once(self, octets: bytes) -> M | None:
        """Returns the message if it can be read in microseconds: short, few items, by the
        specification, reader compiled.

        None for any other stream, sound or not: ``decode`` may take milliseconds, so it must not
        run on the event loop. Raises nothing.
        """
        return self._read_first(octets, Budget(AT_ONCE, compiles=False), SMALL)

    def _read_first(self, octets: bytes, budget: Budget, longest: int) -> M | None:
        """Read in the first pass, as nearly every message can be. None if that is not enough."""
        r = 8 * len(octets) - 8 - self._root_bits
        if not 0 < r <= 8 * longest:
            return None
        n = int.from_bytes(octets, "big")
        name = self._entries.get(n >> r)
        if name is None:
            return None
        message: M
        try:
            message, left = self._first.globals[name](n, r, budget)
        except (DecodeError, ValueError, IndexError):
            return None  # the other passes read it, or find the error
        return message if left < 8 else None

    def encode(self, message: M) -> bytes:
        """Returns a document stream. Raises EncodeError for a violation of the schema: structure,
        ranges, lengths, occurrence.
        """
        start = self._starts.get(type(message))
        if start is None:
            raise EncodeError(f"{type(message).__name__} is not a message of {self.name}")
        return _octets(self._write(start[0], start[1], message))

    def warm(self, *, reads: Iterable[type] = (), writes: Iterable[type] = (), spans: Iterable[type] = ()) -> None:
        """Compile ahead of time the readers of these types, their writers, or those that find
        elements for signatures (``spans``).

        Only these types and the types in them: a body element does not imply the root around it.
        Only the first pass is compiled.
        """
        self._first.warm(map(complex_type, reads))
        self._writers.warm(map(complex_type, writes))
        self._spanning[0].warm(map(complex_type, spans))

    def _open(self, octets: bytes) -> tuple[int, int, type[M]]:
        """Returns the stream as a number, the bits after its root code, and the root."""
        if not 2 <= len(octets) <= LARGEST_STREAM:
            raise DecodeError(f"a stream of {len(octets)} octets")
        if octets[0] != HEADER:
            raise DecodeError("no EXI header without options")
        n = int.from_bytes(octets, "big")
        r = 8 * len(octets) - 8 - self._root_bits
        code = n >> r & (1 << self._root_bits) - 1
        cls = self._root_types.get(code)
        if cls is None:
            raise DecodeError(f"root {code} is not a message of {self.name}")
        return n, r, cls

    def _first_fit(
        self, n: int, r: int, ctype: ComplexType, budget: Budget, *, spanning: bool = False
    ) -> tuple[Any, list[Note]]:
        """Read in the first pass that uses up the stream, else in the first that reads at all.
        Returns the object and the positions of its parts.
        """
        spare: tuple[Any, list[Note]] | None = None
        failure: DecodeError | None = None
        for namespace in self._spanning if spanning else self._readers:
            notes: list[Note] = []
            budget.spans = notes
            try:
                value, left = self._read(namespace, ctype, n, r, budget)
            except Overfull:
                # The strict pass may take such a stream for a full list with octets after its end.
                raise
            except DecodeError as error:
                failure = failure or error
                continue
            if left < 8:
                return value, notes
            spare = spare or (value, notes)
        if spare is None:
            raise failure or DecodeError(ctype.name)
        return spare

    def _read(self, namespace: Namespace, ctype: ComplexType, n: int, r: int, budget: Budget) -> tuple[Any, int]:
        try:
            return cast("tuple[Any, int]", namespace.globals[namespace.function(ctype)](n, r, budget))
        except (ValueError, IndexError):
            # Compiled readers raise these for a shift by a negative count or an index beyond an
            # enumeration only.
            raise DecodeError(f"{ctype.name}: truncated, or a value beyond its enumeration") from None

    @cached_property
    def _spanning(self) -> list[Namespace]:
        """The same passes, with positions."""
        return [readers(Leniency(empty=way.empty, loose=way.loose, spans=True)) for way in PASSES]

    def _write(self, n: int, function: str, value: object) -> int:
        try:
            written: int = self._writers.globals[function](n, value)
        except EncodeError:
            raise
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            name = type(value).__name__
            raise EncodeError(f"{name}: a value of a wrong type ({type(error).__name__}: {error})") from error
        return written

    # --- fragments --------------------------------------------------------------------------------------------------------

    def fragment(self, element: object, name: str | None = None) -> bytes:
        """Returns the fragment stream of an element of this side, which a signature hashes.

        ``name`` is the element's name if its type has several (a certificate chain). Raises
        EncodeError.
        """
        ctype = complex_type(type(element))
        name = name or self._only_name(ctype)
        frame = self._frame(name)
        if frame is None or ctype not in self._types.get(name, ()):
            raise EncodeError(f"{self.name} has no element {name} of type {ctype.name} for signatures")
        code, relaxed = frame
        start = (0x100 | HEADER) << self.vocabulary.bits | code
        body = (
            self._write(start, self._writers.function(ctype), element)
            if relaxed is None
            else self._relax(start, relaxed, element)
        )
        return _octets(body << self.vocabulary.bits | self.vocabulary.end)

    def fragment_decode(self, octets: bytes) -> tuple[str, Any]:
        """Returns the name and the element of a fragment stream. Raises DecodeError."""
        if not 2 <= len(octets) <= LARGEST_STREAM or octets[0] != HEADER:
            raise DecodeError("no EXI header without options, or a stream too short or too long")
        bits = self.vocabulary.bits
        n, r = int.from_bytes(octets, "big"), 8 * len(octets) - 8 - bits
        if r < bits:
            raise DecodeError("truncated")
        name = self.vocabulary.name(n >> r & (1 << bits) - 1)
        frame = self._frame(name) if name in self._types else None
        if name is None or frame is None:
            raise DecodeError("an element that V2G never signs")
        _, relaxed = frame
        ctype = self.types_of(name)[0]
        budget = Budget()
        try:
            element, left = relaxed.read(n, r, budget) if relaxed else self._fragment_content(n, r, ctype, budget)
        except DecodeError:
            if relaxed is None:
                raise
            # cbexigen does not know the relaxed grammar.
            element, left = self._fragment_content(n, r, ctype, budget)
        if left < bits or n >> left - bits & (1 << bits) - 1 != self.vocabulary.end:
            raise DecodeError("the fragment does not end behind its element")
        return name, element

    def _fragment_content(self, n: int, r: int, ctype: ComplexType, budget: Budget) -> tuple[Any, int]:
        failure: DecodeError | None = None
        for namespace in self._readers:
            try:
                value, left = self._read(namespace, ctype, n, r, budget)
            except DecodeError as error:
                failure = failure or error
                continue
            if self.vocabulary.bits <= left < self.vocabulary.bits + 8:
                return value, left
        raise failure or DecodeError(f"{ctype.name}: the fragment does not end behind its element")

    # --- received elements ------------------------------------------------------------------------------------------------

    def spans(self, octets: bytes) -> tuple[Span, ...]:
        """Returns the spans of all elements with an Id in a received document, in the order of
        their ends. Raises DecodeError.
        """
        n, r, cls = self._open(octets)
        # Read the stream as decode() does.
        _, notes = self._first_fit(n, r, complex_type(cls), Budget(), spanning=True)
        total = 8 * len(octets)
        return tuple(Span(name, element, n, total - start, total - stop, total) for name, element, start, stop in notes)

    def fragment_of(
        self, octets: bytes, name: str, id: str | None = None, *, grammar: Schema[Any] | None = None
    ) -> bytes:
        """Returns the fragment stream of a received element: its own bits, never a re-encoding.

        ``octets`` is the whole document, ``name`` the element's, ``id`` its Id; without one the
        name must be unique. ``grammar`` is the schema that frames the fragment, by default this
        one; xmldsig's for SignedInfo. Raises DecodeError if the element is missing.
        """
        return (grammar or self).splice(only(self.spans(octets), name, id))

    def splice(self, span: Span) -> bytes:
        """Returns the fragment stream of a received element in this schema's fragment grammar.
        Raises DecodeError if the grammar does not have its name.
        """
        frame = self._frame(span.name)
        if frame is None:
            raise DecodeError(f"{self.name} has no element {span.name} for signatures")
        code, relaxed = frame
        start = (0x100 | HEADER) << self.vocabulary.bits | code
        if relaxed is not None:
            # The relaxed grammar has other event codes around the same values, so only the values
            # can be copied.
            body = relaxed.write(start, span.element, strict=False)
        else:
            body = start << span.stop - span.start | span.content
        return _octets(body << self.vocabulary.bits | self.vocabulary.end)

    # --- names ------------------------------------------------------------------------------------------------------------

    @cached_property
    def _types(self) -> dict[str, tuple[ComplexType, ...]]:
        """The complex types of every element name of the set."""
        found: dict[str, list[ComplexType]] = {}
        for name, kind in self._uses():
            if isinstance(kind, ComplexType) and kind.cls is not None and kind not in found.setdefault(name, []):
                found[name].append(kind)
        return {name: tuple(kinds) for name, kinds in found.items()}

    def types_of(self, name: str) -> tuple[ComplexType, ...]:
        """Returns the complex types of an element name in fragments; of an ambiguous name the one
        that can be signed.
        """
        kinds = self._types.get(name, ())
        return tuple(kind for kind in kinds if Relaxed.fits(kind)) if name in self.ambiguous else kinds

    @cached_property
    def ambiguous(self) -> frozenset[str]:
        """Element names with different types in the set: they have the relaxed grammar."""
        first: dict[str, object] = {}
        return frozenset(name for name, kind in self._uses() if first.setdefault(name, kind) != kind)

    def _uses(self) -> Iterator[tuple[str, object]]:
        waiting = [(element_name(cls), complex_type(cls)) for cls in (*self.roots, *self.elements)]
        yield from waiting
        seen: set[ComplexType] = set()
        while waiting:
            _, ctype = waiting.pop()
            if ctype in seen:
                continue
            seen.add(ctype)
            for part in ctype.parts:
                if part.kind in ("attribute", "text"):
                    continue
                for alternative in part.alternatives:
                    if alternative.type is not None:
                        yield alternative.name, alternative.type
                    if isinstance(alternative.type, ComplexType):
                        waiting.append((alternative.name, alternative.type))

    def _only_name(self, ctype: ComplexType) -> str:
        names = [name for name, kinds in self._types.items() if ctype in kinds]
        if len(names) != 1:
            raise EncodeError(f"{ctype.name} stands under {len(names)} names in {self.name}: say which")
        return names[0]

    def _frame(self, name: str) -> tuple[int, Relaxed | None] | None:
        """Returns the code of an element in fragments, and its relaxed grammar if it has one; None
        for an element that cannot be signed.
        """
        code = self.vocabulary.code(name)
        if code is None or name not in self.ambiguous:
            return None if code is None else (code, None)
        fitting = [ctype for ctype in self._types.get(name, ()) if Relaxed.fits(ctype)]
        return (code, Relaxed(self.vocabulary, fitting[0])) if len(fitting) == 1 else None

    def _relax(self, n: int, relaxed: Relaxed, element: object) -> int:
        try:
            return relaxed.write(n, element)
        except (AttributeError, TypeError) as error:
            raise EncodeError(f"{type(element).__name__}: {error}") from error


def _octets(n: int) -> bytes:
    """Returns the bits after the leading 1 of ``n``, padded with zero bits."""
    length = n.bit_length() - 1
    padding = -length % 8
    return (n << padding ^ 1 << length + padding).to_bytes((length + padding) // 8, "big")

"""Compiles a content model into a straight-line reader.

``read_X(n, r, w)`` returns the object and the bits that are left; ``w`` is the message's
:class:`~secc.exi.budget.Budget`. Adjacent pieces of fixed width (event codes, enumerations,
booleans, the first octet of a number) are cut out in one shift and compared with one mask. A reader
fills a *draft*, a class with the same slots and no ``__init__``, and then sets its class to the
declared one: three times faster than a frozen constructor.
"""

from __future__ import annotations

from typing import Any, Final

from frozen import dataclass
from secc.errors import DecodeError
from secc.exi import bits, known
from secc.exi.batches import ReadBatch
from secc.exi.datatypes import (
    INTEGER_OCTETS,
    Boolean,
    Datatype,
    Enumeration,
    NBit,
    Octets,
    Signed,
    String,
    Unsigned,
    integer_octets,
)
from secc.exi.drafts import draft_of
from secc.exi.grammar import Alternative, ComplexType, Part
from secc.exi.source import Namespace, Source

NARROWING: Final = 24
"""After this many items of a long list the bits already read are dropped, because a shift costs the
length of its operand.
"""


@dataclass(frozen=True, slots=True)
class Leniency:
    """What a reader accepts beyond the specification.

    ``empty``: an empty value written as the end of its element instead of empty characters
    (EXIficient from XML). ``loose``: lists filled to their maximum whose end is written as if one
    more could follow (cbexigen). ``spans``: not a leniency: the reader notes the positions of
    elements with an Id in the budget.
    """

    empty: bool = False
    loose: bool = False
    spans: bool = False


def _refuse(*_: Any) -> Any:
    raise DecodeError("an abstract element")


def readers(leniency: Leniency) -> Namespace:
    """Returns a namespace of readers."""
    runtime = {
        "more": bits.read_more,
        "octets": bits.read_octets,
        "text": bits.read_text,
        "MASKS": bits.MASKS,
        "refuse": _refuse,
        "E": DecodeError,
        "Overfull": bits.Overfull,
        "Exhausted": bits.Exhausted,
    }

    def compiler(namespace: Namespace, ctype: ComplexType, source: Source) -> None:
        _Reader(namespace, source, leniency, ctype).function()

    return Namespace("read", "n, r, w", compiler, runtime, _in_place)


def _in_place(ctype: ComplexType) -> bool:
    return ctype.simple and not ctype.counted


class _Reader:
    def __init__(self, namespace: Namespace, source: Source, leniency: Leniency, ctype: ComplexType) -> None:
        self.namespace = namespace
        self.source = source
        self.leniency = leniency
        self.ctype = ctype
        self.batch = ReadBatch(source, f"unexpected event in {ctype.name}")

    def function(self) -> None:
        if self.ctype.counted:
            self.source.line("start = r")
        result = self.instance(self.ctype)
        self.batch.flush()
        if self.ctype.counted:
            known.write_down(self.namespace, self.source, self.ctype, result)
        self.source.line(f"return {result}, r")

    def instance(self, ctype: ComplexType, target: str | None = None) -> str:
        """Read attributes, content and end of an element into a new local, and into ``target``."""
        name = self.source.fresh("o")
        if ctype.cls is not None:
            assigned = f"{target} = {name}" if target else name
            self.source.line(f"{assigned} = {self.namespace.bind(f'new_{ctype.name}', draft_of(ctype.cls))}()")
        self.content(ctype, name)
        if ctype.cls is not None:
            self.batch.then(f"{name}.__class__ = {self.namespace.bind(ctype.name, ctype.cls)}")
        return name

    # --- content ----------------------------------------------------------------------------------------------------------

    def content(self, ctype: ComplexType, owner: str) -> None:
        """``pending`` is the local with the chosen production, counted from the first part of the
        type.
        """
        pending: str | None = None
        end = ctype.offsets[-1]
        for index, part in enumerate(ctype.parts):
            offset = ctype.offsets[index]
            if part.refused:
                if pending is None and all(later.refused for later in ctype.parts[index:]):
                    self.batch.constant(ctype.width(index), end - offset)
                    return
                pending = pending or self.event(ctype.width(index), offset)
                continue
            if part.repeats:
                pending = self.repeated(ctype, index, owner, pending)
            elif part.fewest:
                self.mandatory(ctype, index, owner, pending)
                pending = None
            else:
                pending = pending or self.event(ctype.width(index), offset)
                self.optional(ctype, index, owner, pending)
        if pending is None:
            self.batch.constant(ctype.width(len(ctype.parts)), 0)
        else:
            self.expect(pending, end)

    def event(self, width: int, offset: int, into: str | None = None) -> str:
        name = into or self.source.fresh("p")
        self.batch.take(width, f"{name} = ({{}}) + {offset}" if offset else f"{name} = {{}}")
        self.batch.flush()
        return name

    def expect(self, pending: str, production: int) -> None:
        self.batch.flush()
        self.source.line(f"if {pending} != {production}: raise E({self.batch.where!r})")

    def target(self, owner: str, alternative: Alternative, ctype: ComplexType) -> str:
        return owner if ctype.cls is None else f"{owner}.{alternative.field}"

    def mandatory(self, ctype: ComplexType, index: int, owner: str, pending: str | None) -> None:
        part, offset = ctype.parts[index], ctype.offsets[index]
        if len(part.alternatives) == 1:
            if pending is None:
                self.batch.constant(ctype.width(index), 0)
            else:
                self.expect(pending, offset)
            self.alternative(part, part.alternatives[0], self.target(owner, part.alternatives[0], ctype))
            return
        if pending is None:
            pending, offset = self.event(ctype.width(index), 0), 0
        else:
            self.batch.flush()
            self.source.line(f"if {pending} < {offset}: raise E({self.batch.where!r})")
        self.branches(ctype, part, owner, pending, offset)

    def optional(self, ctype: ComplexType, index: int, owner: str, pending: str) -> None:
        part, offset = ctype.parts[index], ctype.offsets[index]
        after = offset + len(part.alternatives)
        single = len(part.alternatives) == 1
        self.batch.flush()
        with self.source.block(f"if {pending} == {offset}:" if single else f"if {offset} <= {pending} < {after}:"):
            if single:
                self.alternative(part, part.alternatives[0], self.target(owner, part.alternatives[0], ctype))
            else:
                self.branches(ctype, part, owner, pending, offset)
            self.event(ctype.width(index + 1), after, pending)
        fields = dict.fromkeys(self.target(owner, a, ctype) for a in part.alternatives if a.field is not None)
        with self.source.block("else:"):
            self.source.line(f"{' = '.join(fields)} = None")

    def branches(self, ctype: ComplexType, part: Part, owner: str, pending: str, offset: int) -> None:
        """Read a branch of a choice, or a member of a substitution group."""
        chosen = f"{pending} - {offset}" if offset else pending
        if part.kind == "group":
            self.member(ctype, part, owner, chosen)
            return
        self.source.line(f"{' = '.join(self.target(owner, a, ctype) for a in part.alternatives)} = None")
        for number, alternative in enumerate(part.alternatives):
            with self.source.block(f"{'elif' if number else 'if'} {pending} == {offset + number}:"):
                self.alternative(part, alternative, self.target(owner, alternative, ctype))
                self.batch.flush()
        with self.source.block("else:"):
            self.source.line(f"raise E({self.batch.where!r})")

    def member(self, ctype: ComplexType, part: Part, owner: str, chosen: str) -> None:
        known = next(a for a in part.alternatives if a.field is not None)
        functions = tuple(
            self.namespace.function(a.type) if isinstance(a.type, ComplexType) else "refuse" for a in part.alternatives
        )
        table = self.namespace.bind(f"group_{ctype.name}_{known.field}", functions)
        target = self.target(owner, known, ctype)
        start = self.note_start(any(_has_id(a.type) for a in part.alternatives))
        self.source.line(f"{target}, r = G[{table}[{chosen}]](n, r, w)")
        if start:
            names = tuple(a.name if _has_id(a.type) else None for a in part.alternatives)
            self.source.line(f"name = {self.namespace.bind(f'names_{ctype.name}_{known.field}', names)}[{chosen}]")
            self.source.line(f"if name is not None: w.spans.append((name, {target}, {start}, r))")

    def note_start(self, wanted: bool) -> str | None:
        """Returns a local with the position where an element starts, if it is wanted."""
        if not (self.leniency.spans and wanted):
            return None
        start = self.source.fresh("s")
        self.source.line(f"{start} = r")
        return start

    def repeated(self, ctype: ComplexType, index: int, owner: str, pending: str | None) -> str | None:
        part, offset = ctype.parts[index], ctype.offsets[index]
        alternative = part.alternatives[0]
        if len(part.alternatives) != 1:
            raise TypeError(f"{ctype.name}: a repeating choice is in no V2G schema")
        items = self.source.fresh("items")
        after = pending or self.source.fresh("p")
        if pending is None and part.fewest:
            self.batch.constant(ctype.width(index), 0)
            self.source.line(f"{items} = []")
            self.items(ctype, index, items, after)
        elif part.fewest:
            self.expect(after, offset)
            self.source.line(f"{items} = []")
            self.items(ctype, index, items, after)
        else:
            if pending is None:
                self.event(ctype.width(index), offset, after)
            self.batch.flush()
            self.source.line(f"{items} = []")
            with self.source.block(f"if {after} == {offset}:"):
                self.items(ctype, index, items, after)
        self.source.line(f"{self.target(owner, alternative, ctype)} = tuple({items})")
        return None if part.fewest == part.most else after

    def items(self, ctype: ComplexType, index: int, items: str, after: str) -> None:
        """Read all items of a list, after the event code of the first."""
        part, following = ctype.parts[index], ctype.offsets[index + 1]
        self.item(part, items)
        for _ in range(1, part.fewest):
            self.batch.constant(1, 0)
            self.item(part, items)
        if part.fewest == part.most:
            return
        # A full list of cbexigen has the wide code; its lists of two follow the specification.
        endless = part.most is None or (self.leniency.loose and part.most > 2)
        with self.source.block("while True:" if endless else f"while len({items}) < {part.most}:"):
            self.event(ctype.loop_width(index), following - 1, after)
            with self.source.block(f"if {after} != {following - 1}:"):
                self.source.line("break")
            limit = part.most if part.most is not None else part.enough
            if endless and limit is not None:
                self.source.line(
                    f"if len({items}) == {limit}: raise Overfull({f'more than {limit} items in {ctype.name}'!r})"
                )
            if part.most is None or part.most > NARROWING:
                self.source.line(f"if not len({items}) % {NARROWING}: n &= (1 << r) - 1")
            self.item(part, items)
        if not endless:
            with self.source.block("else:"):
                self.event(ctype.width(index + 1), following, after)

    def item(self, part: Part, items: str) -> None:
        name = self.source.fresh("i")
        self.source.line("w.items -= 1")
        self.source.line(f"if w.items < 0: raise Exhausted({f'too many items, the last in {self.ctype.name}'!r})")
        self.alternative(part, part.alternatives[0], name)
        self.batch.flush()
        self.source.line(f"{items}.append({name})")

    # --- one element, attribute or text -----------------------------------------------------------------------------------

    def alternative(self, part: Part, alternative: Alternative, target: str) -> None:
        """Read an element after its event code, its end included."""
        kind = alternative.type
        if isinstance(kind, ComplexType):
            if _in_place(kind):
                self.instance(kind, target)
            else:
                self.call(kind, alternative, target)
        elif kind is None:
            raise TypeError("a refused particle is never read")
        elif part.kind in ("attribute", "text"):
            self.value(kind, target)
        elif self.leniency.empty and isinstance(kind, String | Octets):
            self.perhaps_empty(kind, target)
        else:
            self.batch.constant(1, 0)
            self.value(kind, target)
            self.batch.constant(1, 0)

    def call(self, kind: ComplexType, alternative: Alternative, target: str) -> None:
        self.batch.flush()
        name = self.namespace.function(kind)
        if kind.counted:
            known.look_up(self.namespace, self.source, kind, target)
            return
        start = self.note_start(_has_id(kind))
        self.source.line(f"{target}, r = {name}(n, r, w)")
        if start:
            self.source.line(f"w.spans.append(({alternative.name!r}, {target}, {start}, r))")

    def perhaps_empty(self, kind: String | Octets, target: str) -> None:
        escape = self.source.fresh("e")
        self.batch.take(1, f"{escape} = {{}}")
        self.batch.flush()
        with self.source.block(f"if {escape}:"):
            # Second level of the state, first production: the end of the element.
            self.batch.constant(3, 0)
            self.batch.flush()
            self.source.line(f"{target} = {'' if isinstance(kind, String) else b''!r}")
        with self.source.block("else:"):
            self.value(kind, target)
            self.batch.constant(1, 0)
            self.batch.flush()

    def value(self, kind: Datatype, target: str) -> None:
        match kind:
            case Boolean():
                self.batch.take(1, f"{target} = ({{raw}}) != 0")
            case Enumeration():
                members = self.namespace.bind(kind.type.__name__, tuple(kind.type))
                self.batch.take(kind.bits, f"{target} = {members}[{{}}]")
            case NBit(lowest, highest, _):
                if lowest == 0 and highest + 1 == 1 << kind.bits:
                    self.batch.take(kind.bits, f"{target} = {{}}")
                else:
                    values = self.namespace.bind(
                        f"from_{lowest}_to_{highest}".replace("-", "m"), tuple(range(lowest, highest + 1))
                    )
                    self.batch.take(kind.bits, f"{target} = {values}[{{}}]")
            case Unsigned():
                number = self.number(integer_octets(kind))
                self.source.line(f"{target} = {number}")
            case Signed():
                sign = self.source.fresh("g")
                self.batch.take(1, f"{sign} = {{raw}}")
                number = self.number(integer_octets(kind))
                self.source.line(f"{target} = ~{number} if {sign} else {number}")
            case String():
                self.text(target)
            case Octets():
                length = self.length()
                self.source.line(f"{target}, r = octets(n, r, {length})")

    def number(self, most: int) -> str:
        """Read an unsigned integer; the common case of one or two octets inline."""
        name = self.source.fresh("v")
        self.batch.take(8, f"{name} = {{}}")
        self.batch.flush()
        with self.source.block(f"if {name} > 127:"):
            self.source.line("b = n >> r - 8 & 255")
            with self.source.block("if b < 128:"):
                self.source.line("r -= 8")
                self.source.line(f"{name} = {name} & 127 | b << 7")
            with self.source.block("else:"):
                self.source.line(f"{name}, r = more(n, r, {name}, {most})")
        return name

    def text(self, target: str) -> None:
        """Read a string; the common case, short and ASCII, inline."""
        length = self.length()
        with self.source.block(f"if 1 < {length} < {len(bits.MASKS)}:"):
            self.source.line(f"b = r - 8 * {length} + 16")
            self.source.line(f"t = (n >> b & MASKS[{length} - 2]).to_bytes({length} - 2, 'big')")
            self.source.line(f"if t.isascii(): {target} = t.decode('ascii'); r = b")
            self.source.line(f"else: {target}, r = text(n, r, {length}, w)")
        with self.source.block("else:"):
            self.source.line(f"{target}, r = text(n, r, {length}, w)")

    def length(self) -> str:
        name = self.source.fresh("v")
        self.batch.take(8, f"{name} = {{}}")
        self.batch.flush()
        self.source.line(f"if {name} > 127: {name}, r = more(n, r, {name}, {INTEGER_OCTETS})")
        return name


def _has_id(kind: ComplexType | Datatype | None) -> bool:
    return isinstance(kind, ComplexType) and any(
        part.kind == "attribute" and part.alternatives[0].name == "Id" for part in kind.parts
    )

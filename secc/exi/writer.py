"""Compiles a content model into a straight-line writer.

``write_X(n, v)`` returns ``n`` with the element's content and end appended. Event codes are
literals; adjacent fixed-width values are joined to them in one expression. The rules of the XSD
that type hints do not express (ranges, lengths, occurrence, exactly one branch of a choice) are
checked: EncodeError.
"""

from __future__ import annotations

from typing import Any, Final

from secc.errors import EncodeError
from secc.exi import bits
from secc.exi.batches import State, WriteBatch
from secc.exi.datatypes import Boolean, Datatype, Enumeration, NBit, Octets, Signed, String, Unsigned
from secc.exi.grammar import Alternative, ComplexType, Part
from secc.exi.source import Namespace, Source

BITS: Final = {False: 0, True: 1}

LONG_LIST: Final = 24
SHORT_TEXT: Final = 125
"""The length field of a longer text, two more than its characters, takes a second octet."""
TWO_OCTETS: Final = (1 << 14) - 1
"""The largest number that takes no third octet."""
LARGEST_PIECE: Final = 4096
"""Longer lists are written in pieces of this many bits, because a shift costs the length of its
operand.
"""


def writers() -> Namespace:
    """Returns a namespace of writers."""
    runtime: dict[str, Any] = {
        "unsigned": bits.write_unsigned,
        "octets": bits.write_octets,
        "text": bits.write_text,
        "whole": int.from_bytes,
        "LONG": 1 << LARGEST_PIECE,
        "join": bits.join,
        "E": EncodeError,
    }
    return Namespace("write", "n, v", _compiler, runtime, lambda ctype: ctype.simple)


def _compiler(namespace: Namespace, ctype: ComplexType, source: Source) -> None:
    _Writer(namespace, source).function(ctype)


class _Writer:
    def __init__(self, namespace: Namespace, source: Source) -> None:
        self.namespace = namespace
        self.source = source
        self.batch = WriteBatch(source, namespace)

    def function(self, ctype: ComplexType) -> None:
        self.content(ctype, "v")
        self.batch.flush()
        self.source.line("return n")

    # --- content ----------------------------------------------------------------------------------------------------------

    def content(self, ctype: ComplexType, owner: str) -> None:
        state: State | None = None
        for index, part in enumerate(ctype.parts):
            here: State = state or (ctype.width(index), ctype.offsets[index])
            if part.refused:
                state = here
            elif part.repeats:
                state = self.repeated(ctype, index, owner, here)
            elif part.fewest:
                self.mandatory(ctype, index, owner, here)
                state = None
            else:
                state = self.optional(ctype, index, owner, here)
        end = len(ctype.parts)
        self.batch.event(state or (ctype.width(end), ctype.offsets[end]), ctype.offsets[end])

    def field(self, ctype: ComplexType, owner: str, alternative: Alternative) -> str:
        return owner if ctype.cls is None else f"{owner}.{alternative.field}"

    def mandatory(self, ctype: ComplexType, index: int, owner: str, state: State) -> None:
        part, offset = ctype.parts[index], ctype.offsets[index]
        if part.kind == "choice":
            self.choice(ctype, index, owner, state)
        elif part.kind == "group":
            value = self.source.fresh("x")
            self.source.line(f"{value} = {self.field(ctype, owner, _field_of(part))}")
            self.member(ctype, part, offset, value, state)
        else:
            alternative = part.alternatives[0]
            self.batch.event(state, offset)
            self.alternative(ctype, part, alternative, self.field(ctype, owner, alternative))

    def optional(self, ctype: ComplexType, index: int, owner: str, state: State) -> State:
        part, offset = ctype.parts[index], ctype.offsets[index]
        if part.kind == "choice":
            self.batch.flush()
            width, base = self.locals(state)
            self.choice(ctype, index, owner, (width, base) if isinstance(state[0], str) else state, (width, base))
            return width, base
        # Zeros that wait are appended with the next event code, whichever that is.
        zeros = self.batch.zeros() if isinstance(state[0], int) else 0
        self.batch.flush()
        width, base = self.locals((state[0] + zeros, state[1]) if isinstance(state[0], int) else state)
        here: State = (width, base) if isinstance(state[0], str) else state
        value = self.source.fresh("x")
        self.source.line(f"{value} = {self.field(ctype, owner, _field_of(part))}")
        with self.source.block(f"if {value} is not None:"):
            self.batch.constant(zeros, 0)
            if part.kind == "group":
                self.member(ctype, part, offset, value, here)
            else:
                self.batch.event(here, offset)
                self.alternative(ctype, part, part.alternatives[0], value)
            zeros = self.batch.zeros()
            self.batch.flush()
            self.advance(width, base, ctype.width(index + 1) + zeros, ctype.offsets[index + 1])
        return width, base

    def locals(self, state: State) -> tuple[str, str]:
        """Returns the state as two locals that the branches of an ``if`` can set."""
        width, base = state
        if isinstance(width, str) and isinstance(base, str):
            return width, base
        names = self.source.fresh("w"), self.source.fresh("b")
        self.advance(*names, width, base)
        return names

    def advance(self, width: str, base: str, to_width: int | str, to_base: int | str) -> None:
        self.source.line(f"{width} = {to_width}; {base} = {to_base}")

    def choice(
        self, ctype: ComplexType, index: int, owner: str, state: State, after: tuple[str, str] | None = None
    ) -> None:
        """``after``: the locals of the state after a choice that may be absent."""
        part, offset = ctype.parts[index], ctype.offsets[index]
        self.batch.flush()
        fields = [self.field(ctype, owner, alternative) for alternative in part.alternatives]
        count = " + ".join(f"({field} is not None)" for field in fields)
        wrong, rule = ("!= 1", "exactly one branch of a choice must be there")
        if after:
            wrong, rule = ("> 1", "at most one branch of a choice may be there")
        self.source.line(f"if {count} {wrong}: raise E({f'{ctype.name}: {rule}'!r})")
        for number, (alternative, field) in enumerate(zip(part.alternatives, fields, strict=True)):
            with self.source.block(f"{'elif' if number else 'if'} {field} is not None:"):
                self.batch.event(state, offset + number)
                self.alternative(ctype, part, alternative, field)
                self.batch.flush()
                if after:
                    self.advance(*after, ctype.width(index + 1), ctype.offsets[index + 1])

    def member(self, ctype: ComplexType, part: Part, offset: int, value: str, state: State) -> None:
        """Write a member of a substitution group, by its class."""
        self.batch.flush()
        table = {
            alternative.type.cls: (offset + number, self.namespace.function(alternative.type))
            for number, alternative in enumerate(part.alternatives)
            if isinstance(alternative.type, ComplexType)
        }
        name = self.namespace.bind(f"group_{ctype.name}_{_field_of(part).field}", table)
        production, function = self.source.fresh("m"), self.source.fresh("f")
        self.source.line(f"{production}, {function} = {name}[type({value})]")
        width, base = state
        self.source.line(f"n = G[{function}](n << {width} | {production} - {base}, {value})")

    def repeated(self, ctype: ComplexType, index: int, owner: str, state: State) -> State:
        part, offset, following = ctype.parts[index], ctype.offsets[index], ctype.offsets[index + 1]
        alternative = part.alternatives[0]
        items, item = self.source.fresh("x"), self.source.fresh("i")
        where = f"{ctype.name}.{alternative.field}"
        self.batch.flush()
        width, base = self.locals(state)
        self.source.line(f"{items} = {self.field(ctype, owner, alternative)}")
        outside = (
            f"len({items}) < {part.fewest}"
            if part.most is None
            else f"not {part.fewest} <= len({items}) <= {part.most}"
        )
        bounds = f"{part.fewest} to {'any number' if part.most is None else part.most}"
        self.source.line(f"if {outside}: raise E(f'{where}: {{len({items})}} items where {bounds} may stand')")
        if part.fewest > 1:
            count = self.source.fresh("k")
            self.source.line(f"{count} = 0")
        whole = self.source.fresh("n") if part.most is None or part.most > LONG_LIST else None
        if whole:
            self.source.line(f"{whole} = n; n = 1")
        with self.source.block(f"for {item} in {items}:"):
            if whole:
                self.source.line(f"if n > LONG: {whole} = join({whole}, n); n = 1")
            self.batch.base = f"(n << {width} | {offset} - {base})"
            self.alternative(ctype, part, alternative, item)
            self.batch.flush()
            # After an item another one is production 0; below the fewest it is the only production.
            wide = ctype.loop_width(index)
            if part.fewest > 1:
                self.source.line(f"{count} += 1")
                self.advance(width, base, f"1 if {count} < {part.fewest} else {wide}", offset)
            else:
                self.advance(width, base, wide, offset)
        if whole:
            self.source.line(f"n = join({whole}, n)")
        with self.source.block(f"if {items}:"):
            if part.most is None:
                self.advance(width, base, ctype.loop_width(index), following - 1)
            else:
                full = f"len({items}) == {part.most}"
                self.advance(
                    width,
                    base,
                    f"{ctype.width(index + 1)} if {full} else {ctype.loop_width(index)}",
                    f"{following} - (not {full})",
                )
        return width, base

    # --- one element, attribute or text -----------------------------------------------------------------------------------

    def alternative(self, ctype: ComplexType, part: Part, alternative: Alternative, value: str) -> None:
        """Write an element after its event code, its end included."""
        kind = alternative.type
        if isinstance(kind, ComplexType):
            if kind.simple:
                local = value
                if "." in value:
                    local = self.source.fresh("x")
                    self.source.line(f"{local} = {value}")
                self.content(kind, local)
            else:
                self.source.line(f"n = {self.namespace.function(kind)}({self.batch.joined()}, {value})")
        elif kind is None:
            raise TypeError("a refused particle is never written")
        else:
            element = part.kind not in ("attribute", "text")
            if element:
                self.batch.constant(1, 0)
            self.value(kind, value, f"{ctype.name}.{alternative.field or alternative.name}")
            if element:
                self.batch.constant(1, 0)

    def value(self, kind: Datatype, value: str, where: str) -> None:
        match kind:
            case Boolean():
                self.batch.coded(1, "B", BITS, value)
            case Enumeration():
                codes = {member: code for code, member in enumerate(kind.type)}
                self.batch.coded(kind.bits, kind.type.__name__, codes, value)
            case NBit(lowest, highest, _):
                name = f"from_{lowest}_to_{highest}".replace("-", "m")
                codes_of = {number: number - lowest for number in range(lowest, highest + 1)}
                self.batch.coded(kind.bits, name, codes_of, value)
            case Unsigned(lowest, highest, _) | Signed(lowest, highest, _):
                self.number(kind, value, where)
            case String(shortest, longest, _):
                self.text(value, shortest, longest, where)
            case Octets(shortest, longest, _):
                self.source.line(f"n = octets({self.batch.joined()}, {value}, {shortest}, {longest}, {where!r})")

    def local(self, value: str) -> str:
        name = self.source.fresh("x")
        self.source.line(f"{name} = {value}")
        return name

    def text(self, value: str, shortest: int, longest: int | None, where: str) -> None:
        """Write a string; the common case, short and ASCII, inline."""
        local, count = self.local(value), self.source.fresh("k")
        self.source.line(f"{count} = len({local})")
        pieces, base, width = list(self.batch.pieces), self.batch.base, self.batch.bits
        most = SHORT_TEXT if longest is None else min(longest, SHORT_TEXT)
        with self.source.block(f"if {shortest} <= {count} <= {most} and {local}.isascii():"):
            head = self.batch.joined(8, f"{count} + 2")
            self.source.line(f"n = ({head}) << 8 * {count} | whole({local}.encode('ascii'), 'big')")
        self.batch.pieces, self.batch.base, self.batch.bits = pieces, base, width
        with self.source.block("else:"):
            self.source.line(f"n = text({self.batch.joined()}, {local}, {shortest}, {longest}, {where!r})")

    def number(self, kind: Unsigned | Signed, value: str, where: str) -> None:
        """Write a number; a positive one of one or two octets, the common case, inline."""
        local, signed = self.local(value), isinstance(kind, Signed)
        pieces, base, width = list(self.batch.pieces), self.batch.base, self.batch.bits
        most = TWO_OCTETS if kind.highest is None else min(TWO_OCTETS, kind.highest)
        with self.source.block(f"if {max(kind.lowest or 0, 0)} <= {local} <= {most}:"):
            for test, bits, expression in (
                (f"if {local} < 128:", 8, local),
                ("else:", 16, f"({local} & 127 | 128) << 8 | {local} >> 7"),
            ):
                with self.source.block(test):
                    if signed:
                        self.batch.constant(1, 0)
                    self.source.line(f"n = {self.batch.joined(bits, expression)}")
                self.batch.pieces, self.batch.base, self.batch.bits = list(pieces), base, width
        with self.source.block("else:"):
            self.beyond(kind, local, where)

    def beyond(self, kind: Unsigned | Signed, local: str, where: str) -> None:
        """Write any other number."""
        lowest, highest = kind.lowest, kind.highest
        low, high = "" if lowest is None else f"{lowest} <= ", "" if highest is None else f" <= {highest}"
        if low or high:
            self.source.line(f"if not {low}{local}{high}: raise E(f'{where}: {{{local}}} is out of range')")
        if isinstance(kind, Signed):
            self.batch.add(1, f"({local} < 0)")
            self.source.line(f"n = unsigned({self.batch.joined()}, ~{local} if {local} < 0 else {local})")
        else:
            self.source.line(f"n = unsigned({self.batch.joined()}, {local})")


def _field_of(part: Part) -> Alternative:
    return next(alternative for alternative in part.alternatives if alternative.field is not None)

"""The trace of a session: a ring in memory that becomes JSON lines.

Each line is one entry, in order, with the seconds since the recorder began::

    {"t": 0.0, "kind": "trace", "version": 3, "clock": 4711.5, "outlet": "left", ...}    the first line; "clock" is what "t" counts from
    {"t": 0.01, "kind": "received", "type": "8001", "octets": "80…", "message": {…}, "header": {…}}     "early": true if so
                                                                                 (sent without waiting for the answer to the one before)
    {"t": 0.02, "kind": "sent", "type": "8001", "octets": "80…", "message": {…}}
    {"t": 0.02, "kind": "event" | "effect", "value": {"type": "StopRequested", "by": "driver"}}
    {"t": 0.02, "kind": "levels", "value": {"type": "Levels", "pilot": "C", …}}          when they have changed, before the step that sees them
    {"t": 0.02, "kind": "begun" | "expired"}                                             a step without an event
    {"t": 0.02, "kind": "entropy", "octets": "…"} / {"kind": "wall", "time": …, "trusted": …}      what was drawn in that step
    {"t": 0.02, "kind": "note", "text": "…"}                                             TLS facts, quirks, the offer, what fits nowhere else
    {"t": 9.00, "kind": "thinned", "exchanges": 512}                                     repetitions that were left out here
    {"t": 9.99, "kind": "ended", "code": "timer.V2G_SECC_Sequence_Timeout", "clause": …, "detail": …, "flaw": …}

A trace that was recorded with ``personal=True`` and not thinned replays to the octet: a session
depends on events, levels, draws and the moments of ``expired`` only. By default personal octets and
values are written as hash and length; a message with any of them is written without octets.

Recording is cheap: the ring has packed octets, numbers and texts. Messages are decoded from their
octets again when the trace is rendered. :mod:`secc.trace.files` renders and stores.
"""

from __future__ import annotations

import json
import marshal
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Literal

from hal.readings import DcPhase
from secc.conversation import Effect, Levels, Reason, Received, Send, Wall
from secc.exi.tree import to_tree
from secc.session.effects import SetOutput
from secc.session.protocol import Read, V2gProtocol
from secc.session.supported_app_protocol import SCHEMA
from secc.trace.explain import Message
from secc.trace.json import fingerprint, plain, redacted
from secc.trace.versions import VERSION

HEAD_EXCHANGES = 24
"""The first exchanges of a session show how it began: they are removed last."""
RUN_HEAD, RUN_TAIL = 2, 6
"""Repetitions at the beginning and at the end of a loop that are always kept."""
MAX_ENTRIES = 256
"""Most entries of one exchange: levels may change for a minute between messages."""
EXCHANGE_OCTETS, PACKED_OCTETS, OBJECT_OCTETS = 160, 48, 1000
"""Approximate memory of an exchange, of a packed entry (beside its content), and of one with an
object.
"""

TAIL = 12
"""Number of newest messages in the session's record."""

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

Mode = Literal["on-failure", "always", "off"]

_LEVELS: Final = attrgetter(*(field.name for field in fields(Levels)))
_COMPARED: Final = attrgetter(*(field.name for field in fields(Levels) if field.compare))


@dataclass(slots=True)
class _Exchange:
    """A request with everything up to the next one. Repetitions of the same request are a loop."""

    name: str
    entries: list[bytes | tuple[Any, ...]] = field(default_factory=list)
    """Time, kind and content: names with their values for the rarer kinds. Packed, unless it has an
    object.
    """
    cost: int = EXCHANGE_OCTETS
    thinned: int = 0
    """Number of exchanges left out just before this one."""
    lost: int = 0
    """Number of entries left out in the middle of this one."""


class Recorder:
    """Records one connection of a car, from its first octet to its end. All times are monotonic
    seconds, ``began`` the first.
    """

    def __init__(
        self,
        began: float,
        *,
        ring_octets: int = 256 * 1024,
        keep_personal: bool = False,
        **facts: str | int | bool | None,
    ) -> None:
        self._began, self._ring_octets, self._keep_personal = began, ring_octets, keep_personal
        self._facts = facts
        self._exchanges: list[_Exchange] = [_Exchange("", cost=0)]
        self._cost = 0
        self._levels: tuple[Any, ...] | None = None
        self._begun = False
        self._spoken: list[V2gProtocol] = []
        self._tail: deque[tuple[float, str, str, str]] = deque(maxlen=TAIL)
        self._batch = 0

    # Calls of the station

    def speaks(self, protocol: V2gProtocol, now: float) -> None:
        """From here on messages are this protocol's, with its personal elements. Until then they
        are the negotiation's.
        """
        self._spoken.append(protocol)
        self._begun = False
        self.note(f"protocol {protocol.name}", now)

    def offered(self, offer: object, now: float) -> None:
        """Note the session's offer to the car as ``offer {...}``: a replay needs it."""
        # Rendered with the rest: an offer with many services takes long.
        self._add((now, "offer", offer))

    def stepped(self, now: float, event: object, effects: tuple[Effect, ...], levels: Levels | None = None) -> None:
        """Record one step of the session: its event (None: it began, or a deadline passed), its
        effects, the levels.
        """
        entries: list[tuple[Any, ...]] = []
        if levels is not None and (seen := _COMPARED(levels)) != self._levels:
            self._levels = seen
            entries.append((now, "levels", *_LEVELS(levels)))
        if isinstance(event, Received):
            name = type(event.message).__name__
            self._exchanges.append(_Exchange(name))
            self._cost += EXCHANGE_OCTETS
            early = event.batch != 0 and event.batch == self._batch
            self._batch = event.batch
            entries.append((now, "received", event.octets, event.stream, len(self._spoken), early))
            self._tail.append((now, "received", name, ""))
        elif event is not None:
            entries.append((now, "event", event))
        else:
            entries.append((now, "expired" if self._begun else "begun"))
        self._begun = True
        for effect in effects:
            if isinstance(effect, SetOutput):
                # Every step of a charging loop has one.
                entries.append((now, "output", effect.volts, effect.amperes, effect.phase._value_))
            elif not isinstance(effect, Send):
                entries.append((now, "effect", effect))
        self._add(*entries)

    def sent(self, now: float, payload_type: int, message: object, octets: bytes) -> None:
        """Record a sent message: a body, or one that another party made or signed."""
        self._add((now, "sent", octets, payload_type, len(self._spoken), False))
        name = getattr(message, "message_name", None) or type(message).__name__
        self._tail.append((now, "sent", name, str(getattr(message, "response_code", ""))))

    def note(self, text: str, now: float) -> None:
        """Record a fact without a kind of its own, as text."""
        self._add((now, "note", ("text", text)))

    def ended(self, reason: Reason, now: float) -> None:
        """Record the end of the session."""
        facts = ("code", reason.code), ("clause", reason.clause), ("detail", reason.detail), ("flaw", reason.flaw)
        self._add((now, "ended", *facts))

    def entropy(self, source: Callable[[int], bytes], clock: Callable[[], float]) -> Callable[[int], bytes]:
        """Returns ``source`` with every draw recorded, for ``Surroundings.entropy``."""

        def draw(count: int) -> bytes:
            drawn = source(count)
            self._add((clock(), "entropy", ("octets", drawn.hex())))
            return drawn

        return draw

    def wall(self, source: Callable[[], Wall], clock: Callable[[], float]) -> Callable[[], Wall]:
        """Returns ``source`` with every reading recorded, for ``Surroundings.wall``."""

        def look() -> Wall:
            seen = source()
            self._add((clock(), "wall", ("time", seen.time.isoformat()), ("trusted", seen.trusted)))
            return seen

        return look

    # Output

    def exchanges(self) -> tuple[Message, ...]:
        """Returns the newest messages, up to a dozen."""
        return tuple(Message(round(at - self._began, 3), *said) for at, *said in self._tail)

    @property
    def octets(self) -> int:
        """The approximate memory of the ring."""
        return self._cost

    def take(self) -> Iterator[str]:
        """Returns the lines of the trace, rendered as they are read, and empties the recorder.

        Read them on the thread for Python work: it takes long, and may compile a message's reader.
        """
        exchanges, self._exchanges = self._exchanges, [_Exchange("", cost=0)]
        self._cost, self._levels = 0, None
        self._tail.clear()
        return self._render(exchanges)

    def _add(self, *entries: tuple[Any, ...]) -> None:
        """Keep these entries, each ``(at, kind, ...)``."""
        exchange, cost = self._exchanges[-1], 0
        for entry in entries:
            try:
                packed = marshal.dumps(entry)
            except ValueError:
                exchange.entries.append(entry)
                cost += OBJECT_OCTETS
            else:
                exchange.entries.append(packed)
                cost += PACKED_OCTETS + len(packed)
            if len(exchange.entries) > MAX_ENTRIES:
                gone = exchange.entries.pop(MAX_ENTRIES // 2)
                cost -= PACKED_OCTETS + len(gone) if isinstance(gone, bytes) else OBJECT_OCTETS
                exchange.lost += 1
        exchange.cost += cost
        self._cost += cost
        if self._cost > self._ring_octets:
            self._thin()

    def _thin(self) -> None:
        """Remove every second repetition in the middle of each loop, then the oldest exchanges
        after the first ones.
        """
        kept: list[_Exchange] = []
        carried = 0
        for _, repeated in groupby(self._exchanges, attrgetter("name")):
            loop = list(repeated)
            for place, exchange in enumerate(loop):
                if RUN_HEAD <= place < len(loop) - RUN_TAIL and (place - RUN_HEAD) % 2:
                    carried += exchange.thinned + 1
                else:
                    exchange.thinned += carried
                    carried = 0
                    kept.append(exchange)
        kept[-1].thinned += carried
        cost, head = sum(exchange.cost for exchange in kept), self._head(kept)
        # Make room for some time, so that thinning stays rare.
        while cost > self._ring_octets * 3 // 4 and len(kept) > head + 1:
            gone = kept.pop(head)
            cost -= gone.cost
            kept[head].thinned += gone.thinned + 1
        self._exchanges, self._cost = kept, cost

    def _head(self, exchanges: list[_Exchange]) -> int:
        """Returns how many of the first exchanges are always kept: those within a third of the
        ring.
        """
        cost = 0
        for number, exchange in enumerate(exchanges[:HEAD_EXCHANGES]):
            cost += exchange.cost
            if cost > self._ring_octets // 3:
                return number
        return min(HEAD_EXCHANGES, len(exchanges))

    def _render(self, exchanges: list[_Exchange]) -> Iterator[str]:
        facts = {key: value for key, value in self._facts.items() if value is not None}
        head = {"version": VERSION, "personal": self._keep_personal, "clock": self._began}
        yield self._line(self._began, "trace", head | facts)
        ways: list[tuple[Read, frozenset[str]]] = [(_negotiated, frozenset())]
        ways += [(protocol.load().read, protocol.personal) for protocol in self._spoken]
        exchanges.reverse()
        while exchanges:
            # Drop each exchange once it is rendered.
            exchange = exchanges.pop()
            packed = exchange.entries
            entries = [marshal.loads(one) if isinstance(one, bytes) else one for one in packed]  # noqa: S302  # our own
            if exchange.thinned:
                yield self._line(entries[0][0] if entries else self._began, "thinned", {"exchanges": exchange.thinned})
            for number, (at, kind, *what) in enumerate(entries):
                if exchange.lost and number == MAX_ENTRIES // 2:
                    yield self._line(at, "thinned", {"entries": exchange.lost})
                yield self._line(at, kind, self._rendered(kind, what, ways))

    def _rendered(self, kind: str, what: list[Any], ways: list[tuple[Read, frozenset[str]]]) -> dict[str, Any]:
        match kind, what:
            case "received" | "sent", [octets, stream, number, early]:
                read, personal = ways[number]
                parts = _parts(read, stream, octets, ours=kind == "sent")
                shown = parts
                if not self._keep_personal:
                    shown = {name: redacted(tree, personal) for name, tree in parts.items()}
                # A message that cannot be decoded again was not checked for personal data: leave
                # its octets out.
                whole = self._keep_personal or (parts and shown == parts)
                told = {"type": f"{stream:04x}", "octets": octets.hex() if whole else fingerprint(octets)}
                return told | ({"early": True} if early else {}) | shown
            case "levels", levels:
                return {"value": plain(Levels(*levels), personal=self._keep_personal)}
            case "output", [volts, amperes, phase]:
                return {"kind": "effect", "value": plain(SetOutput(volts, amperes, DcPhase(phase)))}
            case "offer", [offer]:
                return {"kind": "note", "text": "offer " + json.dumps(plain(offer, personal=self._keep_personal))}
            case "event" | "effect", [value]:
                return {"value": plain(value, personal=self._keep_personal)}
        return dict(what)

    def _line(self, at: float, kind: str, facts: dict[str, Any]) -> str:
        line = {"t": round(at - self._began, 6), "kind": kind, **facts}
        return _ENCODER.encode(line)


def wanted(mode: Mode, reason: Reason) -> bool:
    """Whether to store the trace of a session that ended for this reason."""
    return mode == "always" or (mode == "on-failure" and not reason.well)


def _negotiated(stream: int, octets: bytes) -> tuple[Any, Any]:
    return SCHEMA.decode(octets), None


def _parts(read: Read, stream: int, octets: bytes, *, ours: bool) -> dict[str, Any]:
    """Returns message and header as trees, without the header of the station's own. Empty for a
    message that cannot be decoded again.
    """
    try:
        message, header = read(stream, octets)
        parts = {"message": to_tree(message)}
        return parts if ours or header is None else parts | {"header": to_tree(header, "Header")}
    except Exception:  # noqa: BLE001  # the trace is needed most after an unusual message
        return {}

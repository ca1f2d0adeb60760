"""What happened in a session, for machines: a ring in memory that becomes JSON lines.

Each line is one thing, in order, with the seconds since the recorder began::

    {"t": 0.0, "kind": "trace", "version": 2, "clock": 4711.5, "outlet": "left", ...}    the first line; "clock" is what "t" counts from
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

A trace that was recorded with ``personal=True`` and not thinned replays to the octet: events, levels, draws and the moments of ``expired`` are all
that a session depends on. By default personal octets and values stand as hash and length; a message that holds any has no octets at all.

Recording is cheap (nothing is rendered while the session runs) and knows no disk; :mod:`secc.trace.files` renders and stores.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from secc.conversation import Effect, Levels, Reason, Received, Send, Wall
from secc.errors import SeccError
from secc.exi.tree import to_tree
from secc.session.supported_app_protocol import SupportedAppProtocolReq, SupportedAppProtocolRes
from secc.trace.json import fingerprint, plain, redacted
from secc.trace.versions import VERSION

HEAD_EXCHANGES = 24
"""The first exchanges of a session say how it came about: they are the last to go."""
RUN_HEAD, RUN_TAIL = 2, 6
"""Of a loop, so many repetitions at its beginning and its end always stay together."""
MAX_ENTRIES = 256
"""Of one exchange: while no message comes, levels may change for a minute."""
ENTRY_OCTETS = 300
"""What an entry costs in memory, about, beside its octets."""

NEGOTIATION = (SupportedAppProtocolReq, SupportedAppProtocolRes)
"""Messages that are about nobody."""

TAIL = 12
"""The newest messages that are remembered for a person."""

Mode = Literal["on-failure", "always", "off"]


@dataclass(slots=True)
class _Entry:
    at: float
    kind: str
    value: Any = None
    octets: bytes | None = None
    header: Any = None
    payload_type: int = 0
    personal: frozenset[str] | None = None
    early: bool = False


@dataclass(slots=True)
class _Exchange:
    """A request with everything up to the next one. Repetitions of the same request are a loop."""

    name: str
    entries: list[_Entry] = field(default_factory=list)
    cost: int = 0
    thinned: int = 0
    """Exchanges that were left out just before this one."""
    lost: int = 0
    """Entries that were left out in the middle of this one."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One message, for a person who asks what the last ones were."""

    at: float
    direction: Literal["received", "sent"]
    name: str
    code: str = ""


class Recorder:
    """Records one connection of a car, from its first octet to its end. All times are monotonic seconds, ``began`` the first."""

    def __init__(
        self,
        began: float,
        *,
        ring_octets: int = 512 * 1024,
        keep_personal: bool = False,
        **facts: str | int | bool | None,
    ) -> None:
        self._began, self._ring_octets, self._keep_personal = began, ring_octets, keep_personal
        self._facts = facts
        self._exchanges: list[_Exchange] = [_Exchange("")]
        self._cost = 0
        self._levels: Levels | None = None
        self._begun = False
        self._personal: frozenset[str] | None = None
        self._tail: deque[Exchange] = deque(maxlen=TAIL)
        self._batch = 0

    # What the station tells it

    def speaks(self, protocol: str, personal: frozenset[str], now: float) -> None:
        """From here on messages are this protocol's; ``personal`` (``V2gProtocol.personal``) names what in them is about a person.

        Until then only the negotiation's messages are shown: nobody knows what others hold.
        """
        self._personal, self._begun = personal, False
        self.note(f"protocol {protocol}", now)

    def offered(self, offer: object, now: float) -> None:
        """What the session offers the car, as a note ``offer {...}``: a replay needs it."""
        self.note("offer " + json.dumps(plain(offer)), now)

    def stepped(self, now: float, event: object, effects: tuple[Effect, ...], levels: Levels | None = None) -> None:
        """One step of the session: what it heard (None: it began, or a deadline passed), what it saw, what it wants done."""
        if levels is not None and levels != self._levels:
            self._levels = levels
            self._add(_Entry(now, "levels", levels))
        if isinstance(event, Received):
            self._receive(event, now)
        elif event is not None:
            self._add(_Entry(now, "event", event))
        else:
            self._add(_Entry(now, "expired" if self._begun else "begun"))
        self._begun = True
        for effect in effects:
            if not isinstance(effect, Send):
                self._add(_Entry(now, "effect", effect))

    def sent(self, now: float, payload_type: int, message: object, octets: bytes) -> None:
        """A message of ours has left."""
        self._add(_Entry(now, "sent", message, bytes(octets), None, payload_type, self._personal))
        code = getattr(message, "response_code", "")
        self._tail.append(Exchange(now - self._began, "sent", type(message).__name__, str(code)))

    def note(self, text: str, now: float) -> None:
        """Something that fits nowhere else, in words."""
        self._add(_Entry(now, "note", text))

    def ended(self, reason: Reason, now: float) -> None:
        """It is over, and why."""
        self._add(_Entry(now, "ended", reason))

    def entropy(self, source: Callable[[int], bytes], clock: Callable[[], float]) -> Callable[[int], bytes]:
        """``source``, with every draw recorded: what ``Surroundings.entropy`` should be."""

        def draw(count: int) -> bytes:
            drawn = source(count)
            self._add(_Entry(clock(), "entropy", octets=drawn))
            return drawn

        return draw

    def wall(self, source: Callable[[], Wall], clock: Callable[[], float]) -> Callable[[], Wall]:
        """``source``, with every look recorded: what ``Surroundings.wall`` should be."""

        def look() -> Wall:
            seen = source()
            self._add(_Entry(clock(), "wall", seen))
            return seen

        return look

    # What comes out

    def exchanges(self) -> tuple[Exchange, ...]:
        """The newest messages, up to a dozen."""
        return tuple(self._tail)

    @property
    def octets(self) -> int:
        """What the ring takes of memory, about."""
        return self._cost

    def take(self) -> Iterator[str]:
        """The trace, a line each, rendered as it is read; the recorder is empty from here on and holds nothing of the car."""
        exchanges, self._exchanges = self._exchanges, [_Exchange("")]
        self._cost, self._levels, self._personal = 0, None, None
        self._tail.clear()
        return self._render(exchanges)

    def _receive(self, received: Received, now: float) -> None:
        name = type(received.message).__name__
        self._exchanges.append(_Exchange(name))
        entry = _Entry(
            now, "received", received.message, received.octets, received.header, received.stream, self._personal
        )
        entry.early = received.batch != 0 and received.batch == self._batch
        self._batch = received.batch
        self._add(entry)
        self._tail.append(Exchange(now - self._began, "received", name))

    def _add(self, entry: _Entry) -> None:
        exchange = self._exchanges[-1]
        exchange.entries.append(entry)
        cost = ENTRY_OCTETS + len(entry.octets or b"")
        if len(exchange.entries) > MAX_ENTRIES:
            gone = exchange.entries.pop(MAX_ENTRIES // 2)
            exchange.lost += 1
            cost -= ENTRY_OCTETS + len(gone.octets or b"")
        exchange.cost += cost
        self._cost += cost
        if self._cost > self._ring_octets:
            self._thin()

    def _thin(self) -> None:
        """Every second repetition in the middle of each loop goes; if there is no loop to thin, the oldest after the first ones."""
        kept: list[_Exchange] = []
        carried = 0
        for position, length, exchange in _runs(self._exchanges):
            middle = RUN_HEAD <= position < length - RUN_TAIL
            if middle and (position - RUN_HEAD) % 2:
                carried += exchange.thinned + 1
            else:
                exchange.thinned += carried
                carried = 0
                kept.append(exchange)
        kept[-1].thinned += carried
        cost, head = sum(exchange.cost for exchange in kept), self._head(kept)
        # Room for some time, so that thinning stays rare.
        while cost > self._ring_octets * 3 // 4 and len(kept) > head + 1:
            gone = kept.pop(head)
            cost -= gone.cost
            kept[head].thinned += gone.thinned + 1
        self._exchanges, self._cost = kept, cost

    def _head(self, exchanges: list[_Exchange]) -> int:
        """How many of the first exchanges stay whatever comes: those that take a third of the ring, at most."""
        cost = 0
        for number, exchange in enumerate(exchanges[:HEAD_EXCHANGES]):
            cost += exchange.cost
            if cost > self._ring_octets // 3:
                return number
        return min(HEAD_EXCHANGES, len(exchanges))

    def _render(self, exchanges: list[_Exchange]) -> Iterator[str]:
        facts = {key: value for key, value in self._facts.items() if value is not None}
        yield _line(
            {
                "t": 0.0,
                "kind": "trace",
                "version": VERSION,
                "personal": self._keep_personal,
                "clock": self._began,
                **facts,
            }
        )
        for exchange in exchanges:
            if exchange.thinned:
                at = exchange.entries[0].at if exchange.entries else self._began
                yield _line({"t": self._seconds(at), "kind": "thinned", "exchanges": exchange.thinned})
            for number, entry in enumerate(exchange.entries):
                if exchange.lost and number == MAX_ENTRIES // 2:
                    yield _line({"t": self._seconds(entry.at), "kind": "thinned", "entries": exchange.lost})
                yield _line({"t": self._seconds(entry.at), "kind": entry.kind, **self._rendered(entry)})

    def _rendered(self, entry: _Entry) -> dict[str, Any]:
        match entry.kind:
            case "received" | "sent":
                return {"type": f"{entry.payload_type:04x}", **self._message(entry)}
            case "event" | "effect" | "levels":
                return {"value": plain(entry.value, personal=self._keep_personal)}
            case "entropy":
                return {"octets": (entry.octets or b"").hex()}
            case "wall":
                return {"time": entry.value.time.isoformat(), "trusted": entry.value.trusted}
            case "note":
                return {"text": entry.value}
            case "ended":
                reason: Reason = entry.value
                return {"code": reason.code, "clause": reason.clause, "detail": reason.detail, "flaw": reason.flaw}
        return {}

    def _message(self, entry: _Entry) -> dict[str, Any]:
        octets = entry.octets or b""
        message, header = _tree(entry.value), _tree(entry.header, "Header")
        shown, shown_header = message, header
        if not self._keep_personal and not isinstance(entry.value, NEGOTIATION):
            known = entry.personal
            shown, shown_header = (None if known is None else redacted(tree, known) for tree in (message, header))
        # A message that could not be made a tree has not been looked through: its octets stay out as well.
        whole = self._keep_personal or (shown == message and shown_header == header and message is not None)
        found: dict[str, Any] = {"octets": octets.hex() if whole else fingerprint(octets)}
        if entry.early:
            found["early"] = True
        if shown is not None:
            found["message"] = shown
        if shown_header is not None:
            found["header"] = shown_header
        return found

    def _seconds(self, at: float) -> float:
        return round(at - self._began, 6)


def wanted(mode: Mode, reason: Reason) -> bool:
    """Whether a session that ended so leaves a trace on the disk."""
    return mode == "always" or (mode == "on-failure" and not reason.well)


def _runs(exchanges: list[_Exchange]) -> Iterator[tuple[int, int, _Exchange]]:
    """Each exchange with its place in, and the length of, the run of equal names that it stands in."""
    start = 0
    while start < len(exchanges):
        end = start
        while end < len(exchanges) and exchanges[end].name == exchanges[start].name:
            end += 1
        for place in range(start, end):
            yield place - start, end - start, exchanges[place]
        start = end


def _tree(message: object, name: str | None = None) -> Any:
    if message is None:
        return None
    try:
        return to_tree(message, name)
    except (SeccError, TypeError, KeyError, AttributeError, ValueError):
        # The trace of a session that a strange message has broken is the one that is wanted most.
        return None


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)

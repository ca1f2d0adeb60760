"""Runs a session trace through the session code again. Does the current code send what the station
sent then?

The trace has to be whole: recorded with ``lab.danger_trace_personal``, and not thinned. Its input
(messages, events, answers, levels, the offer, random numbers, calendar, times of deadlines) goes to
new sessions; their output (octets, effects) is compared.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from certs.chain import Anchors
from certs.contract import verify_contract_chain
from certs.errors import TrustError
from secc.conversation import Effect, Event, Levels, Send, Session, Wall
from secc.errors import SeccError
from secc.protocols import protocols as spoken
from secc.session.dialogue import Dialogue
from secc.session.negotiation import open_negotiation
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import Transport, V2gProtocol
from secc.trace.json import TraceBroken, plain, revive
from secc.trace.versions import reduced, renewed, unsaid

from ..recording import SCHEMAS, Recorded, read_trace, written_by_a_station
from .exchanges import NotReplayable

OFFER: Final = "offer "
STEPS: Final = frozenset({"received", "event", "begun", "expired"})
ROUNDED: Final = 2e-6
"""Seconds: a little more than the rounding of times in a trace."""
FORCED: Final = "timer.NotificationMaxDelay"
"""How a session ends if the car was told to stop and did not."""
SHOWN: Final = 20
"""Most differences that are kept."""


@dataclass(slots=True)
class Outcome:
    """Result of a replay."""

    steps: int = 0
    messages: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Step:
    """One step of the session as recorded: random numbers, levels, input, and output."""

    entry: Mapping[str, Any]
    draws: list[Mapping[str, Any]]
    levels: Levels | None
    effects: list[Any] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)


class _Replay:
    def __init__(self, entries: Sequence[Mapping[str, Any]], protocols: tuple[V2gProtocol, ...]) -> None:
        self.outcome = Outcome()
        self._protocols = _agreed(entries, protocols)
        self._entries = entries
        self._builders = _builders(protocols)
        self._offer = _offer(entries, self._builders)
        self._draws: deque[Mapping[str, Any]] = deque()
        self._tickets = _tickets(entries)
        self._began = float(entries[0]["clock"])
        self._version = int(entries[0]["version"])
        # Before version 2 such an end opened the contactor twice, and abandoned its questions the
        # second time only.
        self._passed = (
            {"OpenContactor", "Abandon"} if self._version < 2 and entries[-1].get("code") == FORCED else set()
        )
        self._transport = _transport(entries, self._protocols, secure=self._offer is not None and self._offer.tls)
        self._now = 0.0
        self._dialogue: Dialogue | None = None
        self._begun = False
        self._batch = 0

    def run(self) -> Outcome:
        for step in _steps(self._entries):
            self.outcome.steps += 1
            self._draws = deque(step.draws)
            try:
                effects, sent = self._take(step)
            except NotReplayable:
                raise
            except (SeccError, TrustError) as error:
                self._differ(step, "the step", str(error), "no error")
                break
            self._compare(step, effects, sent)
            if len(self.outcome.differences) >= SHOWN:
                break
        return self.outcome

    # One step

    def _take(self, step: _Step) -> tuple[list[Any], list[str]]:
        self._now = self._began + float(step.entry["t"])
        if self._dialogue is None:
            self._dialogue = open_negotiation(self._protocols, self._surroundings(), transport=self._transport)
        elif self._dialogue.session.ended is not None:
            protocol = self._dialogue.session.result
            if not isinstance(protocol, V2gProtocol):
                raise TraceBroken("the trace goes on after the session ended")
            if self._offer is None:
                raise NotReplayable("the trace does not say what the station offered")
            self._dialogue = protocol.load().open(self._offer, self._surroundings())
            self._begun = False
        session = self._dialogue.session
        if step.levels is not None:
            session.levels = step.levels
        effects = self._advance(session, step.entry)
        sent = [self._dialogue.encode(effect)[1].hex() for effect in effects if isinstance(effect, Send)]
        return [_comparable(effect) for effect in effects if not isinstance(effect, Send)], sent

    def _advance(self, session: Session, entry: Mapping[str, Any]) -> tuple[Effect, ...]:
        assert self._dialogue is not None
        if not self._begun:
            self._begun = True
            return session.begin(self._now)
        match entry["kind"]:
            case "received":
                received = self._dialogue.decode(int(entry["type"], 16), _octets(entry))
                self._batch += entry.get("early") is not True
                return session.receive(dataclasses.replace(received, batch=self._batch), self._now)
            case "event":
                event = revive(entry["value"], self._builders | {"Contract": self._contract})
                if not isinstance(event, Event):
                    raise TraceBroken(f"{type(event).__name__} is not an event")
                return session.receive(event, self._now)
        # Times in the trace are rounded: the deadline that passed then passes now, and none just
        # after it.
        due = session.deadline
        if due is not None and (self._now < due.at or math.isclose(self._now, due.at, abs_tol=ROUNDED)):
            self._now = due.at
        return session.expire(self._now)

    def _compare(self, step: _Step, effects: list[Any], sent: list[str]) -> None:
        self.outcome.messages += len(sent)
        if sent != step.sent:
            self._differ(step, "sent", sent, step.sent)
        recorded = [_without_personal_outcome(renewed(effect, self._version)) for effect in step.effects]
        effects = [reduced(effect, self._version) for effect in effects]
        effects, recorded = (
            [e for e in side if e["type"] not in self._passed and not unsaid(e, self._version)]
            for side in (effects, recorded)
        )
        if effects != recorded:
            self._differ(step, "effects", effects, recorded)
        if self._draws:
            self._differ(step, "draws left over", len(self._draws), 0)

    def _differ(self, step: _Step, what: str, now: object, then: object) -> None:
        at = float(step.entry["t"])
        self.outcome.differences.append(f"{at:.3f} {step.entry['kind']}: {what}: now {now}, then {then}")

    # Time, random numbers, calendar

    def _surroundings(self) -> Surroundings:
        return Surroundings(self._now, self._entropy, self._wall, self._tickets, self._batch)

    def _entropy(self, count: int) -> bytes:
        drawn = bytes.fromhex(self._draw("entropy")["octets"])
        if len(drawn) != count:
            raise TraceBroken(f"{count} random octets are drawn where {len(drawn)} were")
        return drawn

    def _wall(self) -> Wall:
        seen = self._draw("wall")
        return Wall(datetime.fromisoformat(seen["time"]), trusted=seen["trusted"] is True)

    def _draw(self, kind: str) -> Mapping[str, Any]:
        if not self._draws or self._draws[0]["kind"] != kind:
            raise TraceBroken(f"{kind} is drawn where it was not")
        return self._draws.popleft()

    def _contract(self, value: dict[str, Any]) -> Any:
        """Returns the contract that the station had validated: its chain is checked again, without
        its root.
        """
        if "chain" not in value:
            raise NotReplayable("the contract was left out as personal")
        chain = [bytes.fromhex(certificate["$hex"]) for certificate in value["chain"]]
        walls = [entry["time"] for entry in self._entries if entry["kind"] == "wall"]
        at = datetime.fromisoformat(walls[0]) if walls else datetime.now(UTC)
        return verify_contract_chain(chain, Anchors(), at, claimed=value["emaid"], central_validation=True)


def replay(lines: Iterable[str], protocols: tuple[V2gProtocol, ...] | None = None) -> Outcome:
    """Run a trace again. Raises TraceUnreadable for another file, NotReplayable for a trace that
    holds too little.
    """
    entries = read_trace(lines)
    _require_personal(entries)
    if any(entry["kind"] == "thinned" for entry in entries):
        raise NotReplayable("repetitions have been left out of this trace: make trace.ring_kilobytes larger")
    with written_by_a_station():
        return _Replay(entries, protocols if protocols is not None else spoken()).run()


def recorded_in(entries: Sequence[Mapping[str, Any]]) -> list[Recorded]:
    """Returns the messages of a trace, thinned or whole, as those of a capture. Raises
    NotReplayable for a trace without personal data, TraceUnreadable.
    """
    _require_personal(entries)
    found: list[Recorded] = []
    index, schema = 0, "sap"
    named = {f"protocol {document}": name for name, document in SCHEMAS.items()}
    with written_by_a_station():
        for entry in entries:
            match entry["kind"]:
                case "thinned":
                    index += 2 * max(0, int(entry.get("exchanges", 0)))
                case "note":
                    schema = named.get(str(entry.get("text")), schema)
                case "received" | "sent" as kind:
                    stream, octets = int(entry["type"], 16), _octets(entry)
                    found.append(Recorded(0, index, float(entry["t"]), kind == "received", stream, schema, octets))
                    index += 1
    return found


def station_offer(entries: Iterable[Mapping[str, Any]]) -> Offer | None:
    """Returns the station's offer in a trace; None if no session began. Raises TraceBroken."""
    return _offer(entries, _builders(spoken()))


def _require_personal(entries: Sequence[Mapping[str, Any]]) -> None:
    if entries[0].get("personal") is not True:
        raise NotReplayable("recorded without personal data: set lab.danger_trace_personal, for synthetic certificates")


def _agreed(entries: Iterable[Mapping[str, Any]], protocols: tuple[V2gProtocol, ...]) -> tuple[V2gProtocol, ...]:
    """Returns the protocol that was agreed on: the outlet may have spoken no other. All without an
    agreement.
    """
    noted = {entry.get("text") for entry in entries if entry["kind"] == "note"}
    return tuple(protocol for protocol in protocols if f"protocol {protocol.name}" in noted) or protocols


def _transport(entries: Iterable[Mapping[str, Any]], agreed: Iterable[V2gProtocol], *, secure: bool) -> Transport:
    """Returns what carried the connection. The trace does not have the result of TLS, but whether it
    was enough for the protocol that was agreed on.
    """
    secure = secure or any(entry["kind"] == "note" and str(entry.get("text")).startswith("TLSv") for entry in entries)
    mutual13 = all(each.transports == {Transport.MUTUAL_TLS13} for each in agreed)
    return Transport.of(secure=secure, mutual13=mutual13)


def _steps(entries: Iterable[Mapping[str, Any]]) -> Iterator[_Step]:
    draws: list[Mapping[str, Any]] = []
    levels: Levels | None = None
    open_step: _Step | None = None
    for entry in entries:
        kind = entry["kind"]
        if kind in ("entropy", "wall"):
            draws.append(entry)
        elif kind == "levels":
            levels = revive(entry["value"])
        elif kind in STEPS:
            if open_step is not None:
                yield open_step
            open_step, draws = _Step(entry, draws, levels), []
        elif open_step is not None and kind == "effect":
            open_step.effects.append(entry["value"])
        elif open_step is not None and kind == "sent":
            open_step.sent.append(_octets(entry).hex())
    if open_step is not None:
        yield open_step


def _tickets(entries: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    """Yields the numbers of the questions in the order of asking; an outlet shares its sequence
    with others.
    """
    asked = [e["value"] for e in entries if e["kind"] == "effect" and e["value"].get("type") == "Ask"]
    numbers = [int(value["ticket"]["number"]) for value in asked]
    # A question that the recorded session did not ask gets a number without an answer.
    return iter([*numbers, *range(-1, -1000, -1)])


def _builders(protocols: Iterable[V2gProtocol]) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Returns what makes the values for a resume again, which only their protocol knows."""
    found: dict[str, Callable[[dict[str, Any]], Any]] = {}

    def build(kind: type) -> Callable[[dict[str, Any]], Any]:
        if issubclass(kind, Enum):
            return lambda value: kind(value["value"])
        return lambda value: kind(**{name: revive(part, found) for name, part in value.items() if name != "type"})

    found |= {kind.__name__: build(kind) for protocol in protocols for kind in protocol.load().kept}
    return found


def _offer(
    entries: Iterable[Mapping[str, Any]], builders: Mapping[str, Callable[[dict[str, Any]], Any]]
) -> Offer | None:
    """Returns the station's offer; None if no session began."""
    for entry in entries:
        if entry["kind"] == "note" and str(entry.get("text", "")).startswith(OFFER):
            offer = revive(json.loads(entry["text"][len(OFFER) :]), builders)
            if not isinstance(offer, Offer):
                raise TraceBroken("the note about the offer holds none")
            return offer
    return None


def _comparable(effect: Effect) -> Any:
    return _without_personal_outcome(json.loads(json.dumps(plain(effect, personal=True))))


def _without_personal_outcome(value: Any) -> Any:
    """Remove the anchor of a contract: a replay has no root, so it is not compared."""
    if isinstance(value, dict):
        hidden = "outcome" if value.get("type") == "Contract" else None
        return {key: _without_personal_outcome(part) for key, part in value.items() if key != hidden}
    if isinstance(value, list):
        return [_without_personal_outcome(part) for part in value]
    return value


def _octets(entry: Mapping[str, Any]) -> bytes:
    octets = entry.get("octets")
    if not isinstance(octets, str):
        raise NotReplayable("a message's octets were left out as personal")
    return bytes.fromhex(octets)

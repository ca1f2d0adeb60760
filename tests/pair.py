"""A car against the station's conversation, over octets, on a virtual clock: milliseconds for a whole charging session.

Two sessions on the core are joined by both codecs and both framers; what stands between a V2G session and the hardware (power path,
identification) is played by :class:`Outlet` in the simplest way that is true to physics: no voltage without the supply, no current without both
contactor and relay, no charge without current.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from certs.chain import Anchors
from certs.contract import verify_contract_chain
from certs.errors import ChainRejected
from secc.conversation import Abandon, Answered, Ask, Effect, End, Event, Levels, Reason, Send, Ticket, Wall
from secc.errors import DecodeError, FramingError, SignatureRejected
from secc.link.v2gtp import Framer, PayloadType, frame
from secc.protocols import protocols
from secc.session.dialogue import Dialogue
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    StopPower,
    ValidateContract,
    Verdict,
)
from secc.session.events import ConnectionClosed, StreamBroken
from secc.session.negotiation import open_negotiation, repeated
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import Transport, V2gProtocol
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected
from secc.trace.recorder import Recorder
from tools.evcc.battery import Battery
from tools.evcc.behaviour import Behaviour, Remembered
from tools.evcc.dialogue import drive_in
from tools.evcc.vocabulary import Announce, MoveRelays, RememberSession, SetLoad, SetPilot, SpeakProtocol
from tools.evcc.wallet import Wallet

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WIRE_SECONDS = 0.002
PILOT_SECONDS = 0.02
BEGAN = 100.0


@dataclass
class Outlet:
    """Power path, meter and identification, as far as one session needs them. Times are seconds until an answer."""

    dc: bool = True
    cable_seconds: float = 1.0
    cable: CableChecked = field(default_factory=lambda: CableChecked(True, "valid"))
    power_seconds: float = 0.2
    start: PowerReported = field(default_factory=lambda: PowerReported(True))
    anchors: Anchors = field(default_factory=Anchors)
    clock: Callable[[], datetime] = lambda: AT
    validate_seconds: float = 0.1
    authorize_seconds: float = 0.3
    store_seconds: float = 0.01
    verdict: Verdict = field(default_factory=lambda: Verdict(Decision.ACCEPTED))
    silent: tuple[type, ...] = ()
    """Questions that nobody answers."""
    step_seconds: float | None = None
    """How often an outlet that lives on its own has to be looked at; None: it does nothing on its own."""
    volts_of_battery: Callable[[], float] = lambda: 350.0

    pilot: str = "B"
    relay_closed: bool = False
    closed: bool = False
    volts: float = 0.0
    amperes: float = 0.0
    load: float = 0.0
    watt_hours: float = 12_345.0
    meter_record: bytes | None = None
    changed_at: float = 0.0
    opened: int = 0
    incidents: list[str] = field(default_factory=list)
    receipts: list[BookReceipt] = field(default_factory=list)

    def levels(self, now: float) -> Levels:
        """What is true now."""
        self.advance(now)
        return Levels(
            pilot=self.pilot,  # type: ignore[arg-type]  # the literal's values only
            contactor="closed" if self.closed else "open",
            volts=self.volts,
            amperes=self.amperes,
            measured_at=now,
            watt_hours=self.watt_hours,
            metered_at=now,
            meter_record=self.meter_record,
        )

    def advance(self, now: float) -> None:
        """Count the energy since the last change."""
        self.watt_hours += self.volts * self.amperes * (1.0 if self.dc else 3.0) * (now - self.changed_at) / 3600.0
        self.changed_at = now

    def move(self) -> None:
        """Make current follow from contactor, relay and load."""
        if not self.closed:
            self.volts = self.amperes = 0.0
        elif not self.dc:
            self.volts = 230.0
            self.amperes = self.load if self.pilot == "C" else 0.0
        elif not self.relay_closed:
            self.amperes = 0.0
        if self.pilot not in "CD" and self.closed and self.amperes > 1.0:
            self.incidents.append("current outside C")

    def perform(self, effect: Effect) -> None:
        """SetOutput and OpenContactor."""
        match effect:
            case OpenContactor():
                self.opened += 1
                self.closed = False
            case SetOutput(volts=volts, amperes=amperes):
                if not self.closed:
                    self.incidents.append("SetOutput with an open contactor")
                else:
                    self.volts = min(volts, self.volts_of_battery() + 5.0) if self.relay_closed else volts
                    self.amperes = amperes if self.relay_closed else 0.0
        self.move()

    def hand(self, what: str, value: Any) -> None:
        """The car does something: ``pilot`` B or C, ``relay_closed``, ``load`` in amperes."""
        setattr(self, what, value)
        self.move()

    def feel(self, battery: Battery) -> None:
        """The car looks at its battery."""

    def take(self, ticket: Ticket[Any], question: Any) -> bool:
        """True if the answer comes by ``poll``."""
        return False

    def poll(self) -> list[Event]:
        """What the station's session has to hear by now."""
        return []

    def answer(self, question: Any) -> tuple[float, Callable[[], Any]] | None:
        """After how many seconds, and what; None: never."""
        if isinstance(question, self.silent):
            return None
        match question:
            case CheckCable():
                return self.cable_seconds, self._check_cable
            case StartPower():
                return self.power_seconds, self._start
            case StopPower(keep_contactor=keep):
                return self.power_seconds, lambda: self._stop(keep)
            case ValidateContract(chain=chain, emaid=emaid):
                return self.validate_seconds, lambda: self._validate(chain, emaid)
            case AuthorizeContract():
                return self.authorize_seconds, lambda: self.verdict
            case BookReceipt():
                return self.store_seconds, lambda: self._book(question)
        raise AssertionError(f"nobody answers {question!r}")

    def _check_cable(self) -> CableChecked:
        self.closed = self.cable.passed
        self.move()
        return self.cable

    def _start(self) -> PowerReported:
        if not self.dc and self.pilot != "C":
            return PowerReported(False, "pilot not in C")
        if self.start.done:
            self.closed = True
        self.move()
        return self.start

    def _stop(self, keep_contactor: bool) -> PowerReported:
        self.amperes = self.volts = 0.0
        self.closed = self.closed and keep_contactor
        self.move()
        return PowerReported(True)

    def _book(self, question: BookReceipt) -> ReceiptBooked | ReceiptRejected:
        try:
            receipt = question.check()
        except SignatureRejected as rejected:
            return ReceiptRejected(rejected.flaw, rejected.detail)
        self.receipts.append(question)
        return ReceiptBooked(receipt.quirk)

    def _validate(self, chain: tuple[bytes, ...], emaid: str) -> Any:
        try:
            return verify_contract_chain(chain, self.anchors, self.clock(), claimed=emaid)
        except ChainRejected as refused:
            return Verdict(_DECISIONS.get(refused.flaw.outcome.name, Decision.CHAIN_INVALID), refused.flaw.value)


_DECISIONS = {
    "EXPIRED": Decision.CERTIFICATE_EXPIRED,
    "REVOKED": Decision.CERTIFICATE_REVOKED,
    "NO_ROOT": Decision.NO_TRUST_ANCHOR,
    "EMAID_MISMATCH": Decision.EMAID_MISMATCH,
}


@dataclass
class Line:
    """What was said, who ended how, and what became of the power."""

    car: Reason | None = None
    station: Reason | None = None
    said: list[str] = field(default_factory=list)
    """Names of the messages in the order in which they arrived."""
    answers: list[Any] = field(default_factory=list)
    """Every message of the station, decoded by the car."""
    announced: list[str] = field(default_factory=list)
    remembered: Remembered | None = None
    """What a car that paused needs for its resume."""
    wishes: list[Effect] = field(default_factory=list)
    """Everything that the station's session wanted, but sending."""
    asked: list[str] = field(default_factory=list)
    abandoned: list[Ticket[Any]] = field(default_factory=list)
    finished_at: float = 0.0

    def codes(self) -> list[str]:
        """The response codes in order."""
        return [str(answer.response_code) for answer in self.answers if hasattr(answer, "response_code")]


class Pair:
    """One connection. ``recorder`` hears what a station's would; ``spoken`` are the station's protocols, all by default; ``at`` is how people
    and the grid take part."""

    def __init__(
        self,
        behaviour: Behaviour,
        offer: Offer,
        *,
        wallet: Wallet | None = None,
        outlet: Outlet | None = None,
        battery: Battery | None = None,
        seed: int = 1,
        recorder: Recorder | None = None,
        spoken: Sequence[V2gProtocol] | None = None,
    ) -> None:
        self.now = BEGAN
        self.line = Line()
        self.battery = battery if battery is not None else Battery()
        self.outlet = outlet if outlet is not None else Outlet(dc=bool(offer.dc and offer.is_dc))
        self.outlet.volts_of_battery = lambda: self.battery.volts
        self.outlet.changed_at = self.now
        self._offer = offer
        self._order: Iterator[int] = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._recorder = recorder if recorder is not None else Recorder(self.now)
        self._batch = 0
        self._surroundings = Surroundings(
            now=self.now,
            entropy=self._recorder.entropy(_entropy(seed), lambda: self.now),
            wall=self._recorder.wall(lambda: Wall(AT, trusted=True), lambda: self.now),
            tickets=itertools.count(1),
        )
        self._behaviour, self._car_entropy = behaviour, _entropy(seed + 1)
        self.car = drive_in(behaviour, battery=self.battery, wallet=wallet, now=self.now, entropy=self._car_entropy)
        negotiation = open_negotiation(
            protocols() if spoken is None else spoken,
            self._surroundings,
            transport=Transport.of(secure=offer.tls, mutual13=False),
        )
        self.station: Dialogue = negotiation
        self._negotiating = True
        self._car_framer, self._station_framer = Framer(), Framer()
        self._narrow()
        self._abandoned: set[Ticket[Any]] = set()
        self._on_open: list[Callable[[], None]] = []
        self._begun = self._deaf = False
        self.transcript: list[bytes] = []

    # Scripts

    def at(self, seconds: float, event: Event, *, to: str = "station") -> Pair:
        """So many seconds from the beginning, this happens."""
        hear = self._station_hears if to == "station" else self._car_hears
        self._later(seconds, lambda: hear(event))
        return self

    def do_at(self, seconds: float, act: Callable[[], None]) -> Pair:
        """So many seconds from the beginning, somebody does this."""
        self._later(seconds, act)
        return self

    def on_open(self, act: Callable[[], None]) -> Pair:
        """Each time the station has the contactor opened."""
        self._on_open.append(act)
        return self

    def with_wallet(self, wallet: Wallet) -> Pair:
        """The car carries this one."""
        self.car = drive_in(
            self._behaviour, battery=self.battery, wallet=wallet, now=self.now, entropy=self._car_entropy
        )
        return self

    def car_ignores_wishes(self) -> Pair:
        """The car is deaf to EVSENotification and status codes."""
        self._deaf = True
        return self

    def run(self, seconds: float = 600.0) -> Line:
        """Let it happen, until both have ended or the time is over; again to go on."""
        if not self._begun:
            self._begun = True
            self._car_steps(self.car.session.begin(self.now))
            self._station_steps(self.station.session.begin(self.now), None)
            if self.outlet.step_seconds is not None:
                self._later(self.outlet.step_seconds, self._step_outlet)
        end = self.now + seconds
        while not (self.line.car and self.line.station):
            due = [self._queue[0][0]] if self._queue else []
            for session in (self.car.session, self.station.session):
                if session.deadline is not None:
                    due.append(session.deadline.at)
            if not due or min(due) > end:
                self.now = end
                break
            self.now = max(self.now, min(due))
            if self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
                continue
            self._expire()
        self.line.finished_at = self.now
        self.outlet.advance(self.now)
        return self.line

    def _step_outlet(self) -> None:
        assert self.outlet.step_seconds is not None
        self.outlet.advance(self.now)
        for event in self.outlet.poll():
            if not (isinstance(event, Answered) and event.ticket in self._abandoned):
                self._station_hears(event)
        self._later(self.outlet.step_seconds, self._step_outlet)

    def _expire(self) -> None:
        deadline = self.car.session.deadline
        if deadline is not None and deadline.at <= self.now:
            self._car_steps(self.car.session.expire(self.now))
        deadline = self.station.session.deadline
        if deadline is not None and deadline.at <= self.now:
            self.station.session.levels = self.outlet.levels(self.now)
            self._station_steps(self.station.session.expire(self.now), None)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), act))

    # The car

    def _car_steps(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self.car.note(effect)
        segment = b"".join(self.car.encode(effect) for effect in effects if isinstance(effect, Send))
        if segment:
            self.transcript.append(segment)
            self.transmit(segment)
        for effect in effects:
            match effect:
                case Send() | SpeakProtocol():
                    pass
                case RememberSession(remembered=remembered):
                    self.line.remembered = remembered
                case SetPilot(state=state):
                    self._later(PILOT_SECONDS, partial(self._physical, "pilot", state))
                case MoveRelays(closed=closed):
                    self._physical("relay_closed", closed)
                case SetLoad(amperes=amperes):
                    self._physical("load", amperes)
                case Announce(name=name):
                    self.line.announced.append(name)
                case End(reason=reason):
                    self.line.car = reason
                    self._later(WIRE_SECONDS, lambda: self._station_hears(ConnectionClosed()))
                case _:
                    raise AssertionError(f"a car that wants {effect!r}")

    def transmit(self, segment: bytes) -> None:
        """What the car has sent goes to the station."""
        self._later(WIRE_SECONDS, partial(self._station_reads, segment))

    def _physical(self, name: str, value: Any) -> None:
        self.outlet.advance(self.now)
        self.outlet.hand(name, value)

    def _car_reads(self, octets: bytes) -> None:
        for one in self._car_framer.feed(octets):
            received = self.car.decode(int(one.payload_type), one.payload)
            if self._deaf:
                received = replace(received, message=_without_wishes(received.message))
            self.line.said.append(type(received.message).__name__)
            self.line.answers.append(received.message)
            self._car_hears(received)

    def _car_hears(self, event: Event) -> None:
        if self.car.session.ended is None:
            self.outlet.feel(self.battery)
            self._car_steps(self.car.session.receive(event, self.now))

    # The station

    def _narrow(self) -> None:
        """From now on frames are those of the station's dialogue, as on its sockets."""
        self._station_framer.accepted = frozenset(map(PayloadType, self.station.streams))
        self._station_framer.limit = self.station.payload_limit

    def _station_reads(self, octets: bytes) -> None:
        try:
            frames = self._station_framer.feed(octets)
        except FramingError as error:
            self._station_hears(StreamBroken("v2gtp", str(error)))
            return
        self._batch += 1
        for one in frames:
            if self.line.station is not None:
                return
            try:
                received = self.station.decode(int(one.payload_type), one.payload)
            except DecodeError as error:
                if self._negotiating or repeated(int(one.payload_type), one.payload):
                    self._station_hears(StreamBroken("exi", str(error)))
                    return
                self._station_framer.ignore(str(error))
                if self._station_framer.failure is not None:
                    self._station_hears(StreamBroken("v2gtp", str(self._station_framer.failure)))
                continue
            name = type(received.message).__name__
            self.line.said.append(name)
            self._station_hears(replace(received, batch=self._batch))

    def _station_hears(self, event: Event) -> None:
        session = self.station.session
        if session.ended is None:
            session.levels = self.outlet.levels(self.now)
            self._station_steps(session.receive(event, self.now), event)

    def _station_steps(self, effects: tuple[Effect, ...], event: Event | None) -> None:
        self._recorder.stepped(self.now, event, effects, self.station.session.levels)
        for effect in effects:
            match effect:
                case Send():
                    payload_type, octets = self.station.encode(effect)
                    self.transcript.append(octets)
                    self._recorder.sent(self.now, payload_type, effect.message, octets)
                    self._later(WIRE_SECONDS, partial(self._car_reads, frame(PayloadType(payload_type), octets)))
                case Ask(ticket=ticket, question=question):
                    self.line.asked.append(type(question).__name__)
                    self._answer(ticket, question)
                case Abandon(ticket=ticket):
                    self._abandoned.add(ticket)
                    self.line.abandoned.append(ticket)
                case End(reason=reason):
                    self._station_ends(reason)
                case _:
                    self.line.wishes.append(effect)
                    self.outlet.advance(self.now)
                    self.outlet.perform(effect)
                    if isinstance(effect, OpenContactor):
                        for act in self._on_open:
                            act()

    def _answer(self, ticket: Ticket[Any], question: Any) -> None:
        self.outlet.advance(self.now)
        if self.outlet.take(ticket, question):
            return
        found = self.outlet.answer(question)
        if found is None:
            return
        seconds, make = found

        def act() -> None:
            if ticket not in self._abandoned:
                self.outlet.advance(self.now)
                self._station_hears(Answered(ticket, make()))

        self._later(seconds, act)

    def _station_ends(self, reason: Reason) -> None:
        chosen = self.station.session.result
        if self._negotiating and reason.well and chosen is not None:
            self._negotiating = False
            surroundings = replace(self._surroundings, now=self.now, batch=self._batch)
            self.station = chosen.load().open(self._offer, surroundings)
            self._narrow()
            self._recorder.speaks(chosen, self.now)
            self._recorder.offered(self._offer, self.now)
            self._station_steps(self.station.session.begin(self.now), None)
            return
        self._recorder.ended(reason, self.now)
        self.line.station = reason
        self._later(WIRE_SECONDS, lambda: self._car_hears(ConnectionClosed()))


def _without_wishes(message: Any) -> Any:
    """The message as a car hears it that does not look at what the station asks for."""
    for name in ("dc_evse_status", "ac_evse_status", "evse_status"):
        status = getattr(message, name, None)
        if status is not None:
            status = replace(status, evse_notification=type(status.evse_notification).NONE)
            if hasattr(status, "evse_status_code"):
                status = replace(status, evse_status_code=type(status.evse_status_code).EVSE_READY)
            message = replace(message, **{name: status})
    return message


def _entropy(seed: int) -> Callable[[int], bytes]:
    """Octets that are the same in every run; a session that uses others than these would not replay."""
    return random.Random(seed).randbytes

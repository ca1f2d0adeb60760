"""A recorded session against today's station: the car's octets as they are, and what came from
outside as the recorded station had it.

The recording gives time, random numbers, calendar, trust, the driver's card, the results of the
power path, and measurements; so the answers differ where today's station decides otherwise. The
power path itself does not run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from secc.conversation import Abandon, Answered, Ask, Effect, End, Event, Levels, Reason, Received, Send, Ticket, Wall
from secc.errors import DecodeError
from secc.exi.tree import to_tree
from secc.link.v2gtp import Framer
from secc.session.dialogue import Dialogue
from secc.session.effects import KeepForResume, Remark
from secc.session.events import ConnectionClosed, StreamBroken
from secc.session.negotiation import open_negotiation, repeated
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import Transport, V2gProtocol

from .differences import Difference, Differences
from .exchanges import STEP_SECONDS, Exchange, NotReplayable, Read, asks_again

STEPS: Final = 20_000
"""Most steps of the station between two requests: it may look at something every 50 ms for 60 s."""
POLLS: Final = 5_000
"""Most repetitions of one request."""


class Sayings(Protocol):
    """What a protocol reads from the exchanges of a recorded session. ``number`` is the place of an
    exchange in them, ``settled`` whether the recorded station was ready with what the car asks it
    for there.
    """

    offer: Offer
    """What the recorded station offered; with the value for a resume, if there is one."""
    exchanged: list[str]
    """What does not come from the recording, in the words of the report."""

    def before(self, number: int, *, settled: bool) -> Sequence[Event]:
        """Returns what happened outside of the session before the station answered this."""
        ...

    def levels(self, number: int, now: float) -> Levels: ...

    def draw(self, number: int, count: int) -> bytes:
        """Returns the random octets that the recorded station had drawn."""
        ...

    def wall(self) -> Wall: ...

    def answer(self, number: int, question: Any, *, settled: bool) -> Any:
        """Returns the answer to a question of the session; None if it came later."""
        ...

    def perform(self, effect: Effect) -> None:
        """Hears every effect of the session."""
        ...

    def addressed(self, number: int, received: Received, header: Any) -> Received:
        """Returns the request with the SessionID of ``header``, that of today's last answer."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of today's station. ``index``: of the request in the recorded session."""

    index: int
    name: str
    code: str
    octets: bytes = field(repr=False)


@dataclass(slots=True)
class SessionOutcome:
    """Result of one session."""

    session: int
    requests: int = 0
    """Requests that were fed, each once."""
    lacking: int = 0
    """Messages that the recording lacks."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Polls that were superfluous, by request."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Polls that today's station needed more, by request."""
    not_fed: int = 0
    """Requests after the end of the session."""
    exchanged: list[str] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    """Quirks that were tolerated, by code."""
    answers: list[Answer] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    reason: Reason | None = None
    """How the session ended; None if the recording ended before."""
    kept: Any = None
    """The value for a resume, if the car has paused."""

    @property
    def well(self) -> bool:
        """Whether the session came to its end, with OK in every answer."""
        ended = self.reason is not None and self.reason.well and not self.not_fed
        return ended and all(answer.code.startswith("OK") for answer in self.answers)

    @property
    def same(self) -> bool:
        """Whether no answer has another code than the recorded one, and none is missing."""
        return not self.not_fed and not any(difference.code for difference in self.differences)


class RecordedSession:
    """One session. ``protocol``: that of the recording, None if it ends before; ``spoken``: those of
    today's station. ``now``: the clock, in seconds, and ``tickets``: the numbers of questions, go on
    over the sessions of a plug-in. ``quick``: results are there when the session first asks.
    """

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        sayings: Sayings,
        protocol: V2gProtocol | None,
        readers: Mapping[str, Read],
        *,
        spoken: Sequence[V2gProtocol],
        now: float,
        tickets: Iterator[int],
        quick: bool = False,
    ) -> None:
        self.now = now
        self.outcome = SessionOutcome(exchanges[0].request.session, exchanged=sayings.exchanged)
        self._exchanges, self._sayings, self._readers = exchanges, sayings, readers
        self._protocol, self._spoken, self._quick = protocol, spoken, quick
        self._due = now
        self._number = self._batch = 0
        self._tickets = tickets
        self._pending: list[tuple[Ticket[Any], Any]] = []
        self._differences = Differences()
        self._header: Any = None
        self._polled: Any = None
        """The last answer of today's station."""
        self._ended: Reason | None = None
        self._framer = Framer()
        """Counts the requests that cannot be decoded, as that of a connection does."""
        self._negotiating = exchanges[0].request.schema == "sap"
        self._dialogue = self._open()
        if not self._negotiating:
            sayings.exchanged.append("SupportedAppProtocol is not in the recording: left out")

    def run(self) -> SessionOutcome:
        """Feeds every request. Raises NotReplayable if the station makes no progress."""
        outcome = self.outcome
        self._step(lambda: self._dialogue.session.begin(self.now))
        for number, exchange in enumerate(self._exchanges):
            self._number = number
            outcome.lacking += exchange.gap
            if self._ended is not None:
                outcome.not_fed += 1
            elif self._superfluous():
                # Its time is left out, too: a long wait for a card is not a silence of the car.
                outcome.left_out[exchange.name] += 1
            else:
                outcome.requests += 1
                self._feed(exchange.wait)
                while self._needs_more():
                    outcome.repeated[exchange.name] += 1
                    if outcome.repeated[exchange.name] > POLLS:
                        raise NotReplayable(f"more than {POLLS} repetitions of {exchange.name}")
                    self._feed(STEP_SECONDS)
                self._compare()
        outcome.reason = self._ended
        if self._ended is None:
            # Stop what the session has begun, as the end of the connection does.
            self._hear(ConnectionClosed())
        outcome.differences = list(self._differences.found.values())
        return outcome

    # Polls

    def _superfluous(self) -> bool:
        """Whether the car asked once more because the recorded station was not ready, and today's
        was.
        """
        exchange, before = self._exchanges[self._number], self._exchanges[self._number - 1]
        return self._number > 0 and exchange.name == before.name and before.ongoing and _finished(self._polled)

    def _settled(self) -> bool:
        """Whether the recorded station was ready here. A recording may lack the poll that says so."""
        exchange, after = self._exchanges[self._number], self._after()
        return (
            self._quick or not exchange.ongoing or (after is not None and after.name != exchange.name and after.gap > 0)
        )

    def _needs_more(self) -> bool:
        """Whether the car went on in the recording, and today's station is not ready."""
        exchange, after = self._exchanges[self._number], self._after()
        moved_on = after is not None and after.name != exchange.name and exchange.well and self._settled()
        return moved_on and self._ended is None and asks_again(self._polled)

    def _after(self) -> Exchange | None:
        return self._exchanges[self._number + 1] if self._number + 1 < len(self._exchanges) else None

    # Steps

    def _feed(self, seconds: float) -> None:
        """Let time pass, and say the request; wait for the answer."""
        self._due = max(self._due + seconds, self.now)
        self._pass(self._due)
        for event in self._sayings.before(self._number, settled=self._settled()):
            self._hear(event)
        self._answer_questions()
        received = self._decoded()
        if received is None or self._ended is not None:
            return
        before = len(self.outcome.answers)
        self._hear(received)
        for _ in range(STEPS):
            if len(self.outcome.answers) > before or self._ended is not None:
                return
            if not self._answer_questions():
                deadline = self._dialogue.session.deadline
                if deadline is None or math.isinf(deadline.at):
                    return
                self._expire(deadline.at)
        raise NotReplayable(f"no answer to {self._exchanges[self._number].name} in {STEPS} steps")

    def _pass(self, until: float) -> None:
        for _ in range(STEPS):
            deadline = self._dialogue.session.deadline
            if self._ended is not None or deadline is None or deadline.at > until:
                self.now = max(self.now, until)
                return
            self._expire(deadline.at)
        raise NotReplayable(f"more than {STEPS} steps between two requests")

    def _expire(self, at: float) -> None:
        self.now = max(self.now, at)
        self._step(lambda: self._dialogue.session.expire(self.now))

    def _answer_questions(self) -> bool:
        """Answer what the recorded station knew by now. Returns whether anything was answered."""
        settled, some = self._settled(), False
        for ticket, question in tuple(self._pending):
            answer = self._sayings.answer(self._number, question, settled=settled)
            if answer is not None and (ticket, question) in self._pending:
                self._pending.remove((ticket, question))
                self._hear(Answered(ticket, answer))
                some = True
        return some

    def _decoded(self) -> Received | None:
        """Returns the request; None if a station ignores its octets, or closes because of them."""
        request = self._exchanges[self._number].request
        stream, octets = request.payload_type, request.octets
        if len(octets) > self._dialogue.payload_limit:
            self._hear(StreamBroken("v2gtp", f"a payload of {len(octets)} octets"))
            return None
        try:
            received = self._dialogue.decode(stream, octets) if stream in self._dialogue.streams else None
        except DecodeError as error:
            if self._negotiating or repeated(stream, octets):
                self._hear(StreamBroken("exi", str(error)))
            else:
                self._framer.ignore(str(error))
                if self._framer.failure is not None:
                    self._hear(StreamBroken("v2gtp", str(self._framer.failure)))
            received = None
        if received is None:
            return None
        self._batch += 1
        return self._sayings.addressed(self._number, replace(received, batch=self._batch), self._header)

    def _hear(self, event: Event) -> None:
        if self._ended is None:
            self._step(lambda: self._dialogue.session.receive(event, self.now))

    def _step(self, step: Callable[[], tuple[Effect, ...]]) -> None:
        session = self._dialogue.session
        session.levels = self._sayings.levels(self._number, self.now)
        try:
            effects = step()
        except Exception as error:  # noqa: BLE001  # a bug ends this session, as in a station, and is the result
            effects = session.fail(error)
        for effect in effects:
            self._sayings.perform(effect)
            match effect:
                case Send():
                    self._sent(effect)
                case Ask(ticket=ticket, question=question):
                    self._pending.append((ticket, question))
                case Abandon(ticket=ticket):
                    self._pending = [each for each in self._pending if each[0] != ticket]
                case KeepForResume(value=value):
                    self.outcome.kept = value
                case Remark(code=code):
                    self.outcome.remarks[code] += 1
                case End(reason=reason):
                    self._end(reason)

    def _end(self, reason: Reason) -> None:
        agreed = self._dialogue.session.result if self._negotiating and reason.well else None
        recorded, self._protocol = self._protocol, self._protocol or agreed
        if agreed is None:
            self._ended = reason
        elif recorded not in (None, agreed):
            self.outcome.exchanged.append(f"protocol: {agreed.name}, where the recording goes on in {recorded.name}")
            self._ended = reason
        else:
            self._negotiating = False
            self._dialogue = self._open()
            self._step(lambda: self._dialogue.session.begin(self.now))

    def _open(self) -> Dialogue:
        surroundings = Surroundings(self.now, self._entropy, self._sayings.wall, self._tickets, self._batch)
        offer = self._sayings.offer
        if self._negotiating:
            transport = Transport.of(secure=offer.tls, mutual13=False)
            return open_negotiation(self._spoken, surroundings, transport=transport)
        assert self._protocol is not None
        return self._protocol.load().open(offer, surroundings)

    def _entropy(self, count: int) -> bytes:
        return self._sayings.draw(self._number, count)

    # Answers

    def _sent(self, send: Send) -> None:
        stream, octets = self._dialogue.encode(send)
        reader = self._readers["sap"]
        if not self._negotiating:
            assert self._protocol is not None
            reader = self._protocol.load().read
        self._polled, self._header = reader(stream, octets)
        index = self._exchanges[self._number].request.index
        code = str(getattr(self._polled, "response_code", ""))
        self.outcome.answers.append(Answer(index, type(self._polled).__name__, code, octets))

    def _compare(self) -> None:
        """Compare the last answer with the recorded one."""
        exchange, answers = self._counterpart(), self.outcome.answers
        index = self._exchanges[self._number].request.index
        here = answers[-1] if answers and answers[-1].index == index else None
        if here is None:
            why = self._ended.code if self._ended is not None else "ignored"
            self._differences.add(Difference(index, exchange.name, "answer", f"none ({why})", exchange.code, code=True))
        elif exchange.answer is not None and here.octets != exchange.answer.octets:
            if exchange.body is None:
                self._differences.add(Difference(index, here.name, "octets", here.code, "cannot be decoded"))
            else:
                personal = frozenset() if self._protocol is None else self._protocol.personal
                self._differences.compare(index, to_tree(self._polled), to_tree(exchange.body), personal)

    def _counterpart(self) -> Exchange:
        """Returns the exchange with the recorded answer to compare: where today's station was ready
        earlier, the one in which the recorded station was.
        """
        number = self._number
        found = self._exchanges[number]
        while _finished(self._polled) and found.ongoing and number + 1 < len(self._exchanges):
            number += 1
            if self._exchanges[number].name != found.name:
                break
            found = self._exchanges[number]
        return found


def _finished(message: Any) -> bool:
    return getattr(message, "evse_processing", None) is not None and not asks_again(message)

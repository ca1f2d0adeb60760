"""Types of the core: events, effects, questions, time. No protocol, no role."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar

from frozen import dataclass
from secc.errors import PeerError

A = TypeVar("A")

_NOTHING_HEARD: Mapping[type, object] = MappingProxyType({})

MAIN = 0
"""The stream of the main conversation if a protocol has only one."""


# --- What comes in ---------------------------------------------------------------------------------------------------


class Event:
    """An event from outside: a message, an answer, a relay, a button. Named by a past participle."""

    __slots__ = ()


class Severed(Event):
    """Ends the conversation at once. ``answerable`` is False if the other side can no longer be
    reached.
    """

    __slots__ = ()
    answerable: ClassVar[bool] = False
    reason: ClassVar[str] = "severed"

    def why(self) -> Reason:
        """Returns the reason of a conversation that this ends."""
        return Reason("severed", self.reason)


class Emergency(Event):
    """Ends the conversation after the safe effects have gone out; the open or the next request
    still gets its answer.
    """

    __slots__ = ()
    reason: ClassVar[str] = "emergency"

    def why(self) -> Reason:
        """Returns the reason of a conversation that this ends."""
        return Reason("emergency", self.reason, detail=str(self))


@dataclass(frozen=True, slots=True)
class Received(Event):
    """A decoded message on a stream (the V2GTP payload type), with its header and its octets.

    Messages of one ``batch`` (0: not known) were sent without waiting for an answer between them.
    The connection knows the batch; only the session knows whether two of its messages belong to one
    conversation, and the second is too early.
    """

    stream: int
    message: Any
    header: Any = None
    octets: bytes = b""
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Ticket(Generic[A]):
    """The number of one question, for its answer."""

    number: int
    question: str


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """The answer to a question that a conversation asked."""

    ticket: Ticket[Any]
    answer: Any


@dataclass(frozen=True, slots=True)
class Asked(Event):
    """Another conversation's question, as heard by the one that answers. It answers by ``Tell``."""

    ticket: Ticket[Any]
    question: Question[Any]


# --- What goes out ---------------------------------------------------------------------------------------------------


class Effect:
    """An action for the outside. Named by an imperative."""

    __slots__ = ()
    safe: ClassVar[bool] = False
    """A safe effect overtakes what waits, or is under way, at the hardware."""


class Question(Generic[A]):
    """A question whose answer has type ``A``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Send(Effect):
    """Send this message on this stream."""

    stream: int
    message: Any


@dataclass(frozen=True, slots=True)
class Ask(Effect):
    """Find the answer and return it as ``Answered(ticket, answer)``."""

    ticket: Ticket[Any]
    question: Question[Any]


@dataclass(frozen=True, slots=True)
class Abandon(Effect):
    """This answer is no longer waited for: stop looking for it, and undo effects of the question."""

    ticket: Ticket[Any]


@dataclass(frozen=True, slots=True)
class Tell(Effect):
    """The answer to a question that was ``Asked``."""

    ticket: Ticket[Any]
    answer: Any


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a conversation ended: ``code`` is stable (``timer.V2G_SECC_Sequence_Timeout``), and so is
    ``flaw``; the other fields are text.

    ``flaw`` names the cause behind it, if it has a name: ``signature.digest``.
    """

    kind: Literal["completed", "refused", "timer", "severed", "tls", "emergency", "bug"]
    name: str
    clause: str = ""
    detail: str = ""
    flaw: str = ""

    @property
    def code(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def well(self) -> bool:
        """Whether it is an orderly end."""
        return self.kind == "completed"


@dataclass(frozen=True, slots=True)
class End(Effect):
    """The conversation has ended: close its connection."""

    reason: Reason


# --- Time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timeout:
    """A named duration, with its source.

    ``since_reply``: it runs from the station's last reply, not from the wait. ``answered``: when it
    ends a conversation, the open or the next request gets its answer, as in an emergency; otherwise
    only an open request does.
    """

    name: str
    seconds: float
    clause: str
    since_reply: bool = False
    answered: bool = False


ENDLESS = Timeout("endless", math.inf, "our choice: may wait as long as the conversation lives")
"""For a wait that may last as long as the conversation, so that no wait is endless by accident."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A timeout that has started: ``at`` in monotonic seconds."""

    at: float
    timeout: Timeout


@dataclass(frozen=True, slots=True)
class Wall:
    """The calendar: UTC, and whether any source (RTC, NTP, CSMS) has confirmed it since the boot."""

    time: datetime
    trusted: bool


class TimedOut(PeerError):
    """A deadline passed while the conversation waited."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(f"{deadline.timeout.name} ({deadline.timeout.seconds:g} s) {deadline.timeout.clause}")
        self.deadline = deadline


class Interrupted(BaseException):
    """Thrown into a conversation that must stop. A BaseException, so that ``except Exception`` does
    not catch it.
    """

    def __init__(self, event: Event) -> None:
        super().__init__(type(event).__name__)
        self.event = event


@dataclass(frozen=True, slots=True)
class Levels:
    """The state of the hardware now; set before every step. Levels, not edges: a closed contactor
    needs no event.
    """

    pilot: Literal["A", "B", "C", "D", "E", "F", "?"] = "?"
    contactor: Literal["open", "closed", "welded", "unknown"] = "unknown"
    volts: float = 0.0
    amperes: float = 0.0
    measured_at: float = float("-inf")
    """When volts and amperes were measured, monotonic seconds."""
    watt_hours: float = 0.0
    """The billing meter's count since it was installed."""
    metered_at: float = float("-inf")
    locked: bool = False
    """True while the plug is locked; False also without a lock."""
    cable_amperes: float | None = None
    """Amperes of the cable in the socket; 0.0 for an unknown cable or none, None without a socket."""
    contactor_at: float = field(default=float("-inf"), compare=False)
    """When the contactor's state was last confirmed. A confirmation alone does not change the
    level.
    """
    meter_record: bytes | None = field(default=None, repr=False)
    """The meter's own signed record of ``watt_hours``; None if it does not sign."""

    @property
    def connected(self) -> bool:
        """Whether the pilot shows a car on the cable."""
        return self.pilot in ("B", "C", "D")

    @property
    def ready(self) -> bool:
        """Whether the pilot shows a car that asks for power."""
        return self.pilot in ("C", "D")


class Wait:
    """What a conversation waits for: messages, events or answers, and deadlines; ``hearing`` are
    the types that it also hears.
    """

    __slots__ = ("deadline", "deadlines", "hearing", "kinds", "types")

    def __init__(
        self,
        kinds: tuple[type | Ticket[Any], ...] = (),
        deadlines: tuple[Deadline, ...] = (),
        hearing: Mapping[type, object] = _NOTHING_HEARD,
    ) -> None:
        self.kinds = kinds
        self.deadlines = deadlines
        self.hearing = hearing
        self.types = tuple([kind for kind in kinds if isinstance(kind, type)])
        # The nearest deadline; among equals the first.
        self.deadline: Deadline | None = deadlines[0] if deadlines else None
        for deadline in deadlines[1:]:
            assert self.deadline is not None
            if deadline.at < self.deadline.at:
                self.deadline = deadline

    def wants(self, event: object) -> bool:
        """Whether the conversation waits for this (by ``isinstance``) or hears it (by the exact
        type).
        """
        return isinstance(event, self.types) or type(event) in self.hearing


NOTHING_WAITED_FOR = Wait()
"""For a conversation in the middle of a step, or at its end."""


def nearest(*deadlines: Deadline | None) -> Deadline | None:
    """Returns the nearest deadline; among equals the first; None if there is none."""
    found: Deadline | None = None
    for deadline in deadlines:
        if deadline is not None and (found is None or deadline.at < found.at):
            found = deadline
    return found


def trusted_system_clock() -> Wall:
    """Returns the system's calendar as trusted."""
    return Wall(datetime.now(UTC), trusted=True)

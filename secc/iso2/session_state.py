"""The state of one session: what its phases share beside the talk itself. It dies with the session."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, overload

from secc.conversation import Conversation, Deadline, Event, Party, Ticket, TimedOut, Timeout
from secc.errors import PeerError
from secc.iso2 import timing
from secc.iso2.messages import Body, EnergyTransferMode, IsolationLevel, PaymentOption, SessionStopReq
from secc.session.effects import Identify, OpenContactor, Remark, Verdict
from secc.session.events import EimDecided, LimitChanged, OngoingForced, RenegotiationRequested, StopRequested
from secc.session.offer import Offer, Payment, Transfer
from secc.session.proof import ProvedContract

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

NO_SESSION: Final = bytes(8)

MODES: Final = {
    Transfer.AC_SINGLE_PHASE: EnergyTransferMode.AC_SINGLE_PHASE_CORE,
    Transfer.AC_THREE_PHASE: EnergyTransferMode.AC_THREE_PHASE_CORE,
    Transfer.DC: EnergyTransferMode.DC_EXTENDED,
}
"""The one mode by which each way of charging goes: CCS has its DC on the extended pins."""

_OPTIONS: Final = {Payment.CONTRACT: PaymentOption.CONTRACT, Payment.EXTERNAL: PaymentOption.EXTERNAL_PAYMENT}

_HEARD: Final = (StopRequested, LimitChanged, RenegotiationRequested, OngoingForced, EimDecided)


class Stopped(PeerError):
    """The car said SessionStopReq where the diagram goes on: it may, in every setup state."""

    def __init__(self, request: SessionStopReq) -> None:
        super().__init__("SessionStopReq")
        self.request = request


class _Nothing(Event):
    """Never happens: what is waited for when only time shall pass."""


@dataclass(slots=True)
class Identification:
    """A contract that the car has proved, and the open question about it."""

    contract: ProvedContract
    question: Ticket[Verdict]
    told: bool = False


@dataclass(slots=True)
class SessionState:
    """One session as its phases know it: the offer, what was agreed, and what has been asked of us meanwhile."""

    offer: Offer
    session_id: bytes = NO_SESSION
    """Ours, once SessionSetup has chosen it. It stands in the header of every response."""
    payment: PaymentOption | None = None
    mode: EnergyTransferMode | None = None
    """Frozen by the first ChargeParameterDiscovery. (A-SES-06)"""
    isolation: IsolationLevel | None = None
    """What the last cable check found."""
    live: bool = False
    """True once the power path has been asked for anything; then it is asked to stop, too."""
    powered: bool = False
    """True once PowerDelivery(Start) has been agreed to in this session."""
    renegotiation_wanted: bool = False
    stop: Deadline | None = None
    """By when the car has to have stopped, once somebody wants that."""
    eim_accepted: bool = False
    identification: Identification | None = None
    """Of a car that has proved its contract."""
    announced_soc: int | None = None
    """The state of charge that people were told last."""
    watts_limit: float | None = None
    forced: set[str] = field(default_factory=set)
    """Phases that a lab holds in Ongoing."""
    _ongoing_at: float = -math.inf

    def __post_init__(self) -> None:
        self.eim_accepted = self.offer.eim_authorized or self.offer.free
        self.watts_limit = self.offer.watts_limit

    # What is on offer

    @property
    def established(self) -> bool:
        return self.session_id != NO_SESSION

    @property
    def payment_options(self) -> tuple[PaymentOption, ...]:
        """Contract only over TLS."""
        allowed = tuple(_OPTIONS[p] for p in self.offer.payments if p is not Payment.CONTRACT or self.offer.tls)
        return allowed or (PaymentOption.EXTERNAL_PAYMENT,)

    @property
    def modes(self) -> tuple[EnergyTransferMode, ...]:
        return tuple(MODES[transfer] for transfer in self.offer.transfers)

    @property
    def is_dc(self) -> bool:
        """Whether this session charges with direct current; before that is agreed, whether the outlet can do nothing else."""
        mode = self.mode or self.modes[0]
        return mode not in (EnergyTransferMode.AC_SINGLE_PHASE_CORE, EnergyTransferMode.AC_THREE_PHASE_CORE)

    @property
    def phases(self) -> int:
        if self.offer.ac is None or self.mode is EnergyTransferMode.AC_SINGLE_PHASE_CORE:
            return 1
        return self.offer.ac.phases

    @property
    def maximum_watts(self) -> float:
        """The most that may flow in this mode now: the hardware's limit and that of the moment. Never rounded. (Q-47)"""
        hardware = 0.0
        if self.is_dc:
            hardware = self.offer.dc.maximum_watts if self.offer.dc is not None else 0.0
        elif self.offer.ac is not None:
            hardware = self.offer.ac.volts * self.offer.ac.maximum_amperes * self.phases
        return hardware if self.watts_limit is None else max(0.0, min(hardware, self.watts_limit))

    @property
    def maximum_ac_amperes(self) -> float:
        """A phase, within the limit of the moment."""
        if self.offer.ac is None:
            return 0.0
        return min(self.offer.ac.maximum_amperes, self.maximum_watts / (self.offer.ac.volts * self.phases))

    def tolerates(self, quirk: str) -> bool:
        """Whether an optional tolerance is switched on."""
        return quirk in self.offer.tolerances and not self.offer.strict

    # What is asked of us meanwhile

    def note(self, event: Event, now: float) -> None:
        match event:
            case StopRequested():
                if self.stop is None:
                    self.stop = Deadline(now + timing.NOTIFICATION_MAX_DELAY.seconds, timing.NOTIFICATION_MAX_DELAY)
            case LimitChanged(watts):
                self.watts_limit = None if watts is None or math.isnan(watts) else watts
                if self.mode is not None and not self.is_dc and self.payment is PaymentOption.CONTRACT:
                    # ChargingStatusRes says EVSEMaxCurrent with external payment only: a contract needs a new schedule. Told
                    # once power flows, also when the limit changed between the schedule and the start.
                    self.renegotiation_wanted = True
            case RenegotiationRequested():
                self.renegotiation_wanted = True
            case OngoingForced(phase, on):
                (self.forced.add if on else self.forced.discard)(phase)
            case EimDecided(accepted):
                # A card that is refused changes nothing: another one may come. [V2G2-854]
                self.eim_accepted = self.eim_accepted or accepted

    def identify(self, secc: Party) -> Verdict | None:
        """What was decided about the proved contract, told to the station once; None while that is open, and without a proof."""
        found = self.identification
        verdict = secc.answer(found.question) if found is not None else None
        if found is not None and verdict is not None and not found.told:
            found.told = True
            secc.do(Identify(found.contract, verdict))
        return verdict

    # Waiting

    @overload
    def wait(
        self, secc: Party, kind: type[A] | Ticket[A], /, *, within: Timeout = ..., before: Deadline | None = ...
    ) -> Conversation[A]: ...
    @overload
    def wait(
        self,
        secc: Party,
        kind: type[A] | Ticket[A],
        other: type[B],
        third: type[C] | None = ...,
        /,
        *,
        within: Timeout = ...,
        before: Deadline | None = ...,
    ) -> Conversation[A | B | C]: ...
    def wait(
        self,
        secc: Party,
        kind: type[Any] | Ticket[Any],
        *others: type[Any] | None,
        within: Timeout = timing.SEQUENCE,
        before: Deadline | None = None,
    ) -> Conversation[Any]:
        """Like ``Party.receive``, and takes to heart what is asked of us meanwhile.

        When the car has been told to stop and its time is up, the power goes off, and its next request ends the session.
        """
        kinds = (kind, *(other for other in others if other is not None))
        limit = before
        if not within.since_reply:
            limit = min((secc.limit(within), *((before,) if before else ())), key=lambda deadline: deadline.at)
        while True:
            nearest = min((d for d in (limit, self.stop) if d is not None), key=lambda d: d.at, default=None)
            try:
                heard = yield from secc.receive(
                    kinds[0], *_HEARD, *kinds[1:], within=within if within.since_reply else None, before=nearest
                )
            except TimedOut as late:
                if late.deadline != self.stop:
                    raise
                yield from self._force_end(secc, late)
            if not isinstance(heard, _HEARD):
                break
            self.note(heard, secc.now)
        # Where the session does not wait for the backend (a card was faster, the station is free), the answer may come while the session runs.
        self.identify(secc)
        return heard

    @overload
    def request(self, secc: Party, kind: type[A], /) -> Conversation[A]: ...
    @overload
    def request(self, secc: Party, kind: type[A], other: type[B], /) -> Conversation[A | B]: ...
    def request(self, secc: Party, kind: type[Any], other: type[Any] | None = None, /) -> Conversation[Any]:
        """The next request of a setup state, where SessionStopReq is always welcome: then :class:`Stopped` is raised. (Q-34, Q-37)"""
        heard = yield from self.wait(secc, kind, SessionStopReq, other)
        if isinstance(heard, SessionStopReq):
            raise Stopped(heard)
        return heard

    def ongoing(self, secc: Party, message: Body) -> Conversation[None]:
        """Answer that it takes longer, 20 ms after the last such answer at the earliest: polling gets 50 answers a second. (A-SES-08)"""
        missing = self._ongoing_at + timing.PACE.seconds - secc.now
        if missing > 0.0:
            yield from self.rest(secc, missing)
        secc.reply(message)
        self._ongoing_at = secc.now

    def rest(self, secc: Party, seconds: float) -> Conversation[None]:
        """Let time pass."""
        pause = Timeout("pause", seconds, "our choice")
        try:
            yield from self.wait(secc, _Nothing, within=pause)
        except TimedOut as late:
            if late.deadline.timeout != pause:
                raise

    def pilot_in(self, secc: Party, *states: str) -> Conversation[bool]:
        """Whether the control pilot is in one of these states, or comes there in the 1.5 s in which it must be seen. [V2G2-917]"""
        limit = secc.limit(timing.CP_STATE_DETECTION)
        while secc.levels.pilot not in states and secc.now < limit.at:
            yield from self.rest(secc, timing.CP_STATE_LOOK.seconds)
        return secc.levels.pilot in states

    def _force_end(self, secc: Party, late: TimedOut) -> Conversation[None]:
        secc.do(OpenContactor())
        if not secc.open:
            with contextlib.suppress(TimedOut):
                yield from secc.receive(Body, within=timing.FAREWELL)
        raise late


def expired(secc: Party, limit: Deadline) -> None:
    """Raises TimedOut for a request that comes when the phase should be over: it is answered FAILED, and the timer is the reason."""
    if secc.now >= limit.at:
        raise TimedOut(limit)


def remark(secc: Party, quirk: str, text: str) -> None:
    """A tolerance has fired: into log and trace, under its stable code."""
    secc.do(Remark(quirk, text))

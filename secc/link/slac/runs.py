"""All cars that are asking at the same time: who was invited, which runs go on, who hears which frame. Bounded, whatever comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from secc.conversation import Conversation, Deadline, Event, Party, TimedOut, Wait
from secc.link.slac import timing
from secc.link.slac.effects import Notice, SendFrame
from secc.link.slac.mme import (
    BROADCAST,
    AttenCharRsp,
    AttenProfileInd,
    Message,
    Mme,
    MnbcSoundInd,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
    ValidateReq,
)
from secc.link.slac.run import Run, RunFailed, SlacSettings

_Name = tuple[bytes, bytes]
"""A run is named by the car's address and its RunID."""


@dataclass(slots=True)
class _Invitation:
    """A CM_SLAC_PARM.REQ that was heard, and, if it was answered, holds until ``deadline``."""

    deadline: Deadline
    answered: bool


@dataclass(slots=True)
class _Strand:
    """A run with what it waits for."""

    run: Run
    talk: Conversation[SlacMatchReq]
    wait: Wait

    @property
    def deadline(self) -> Deadline:
        return min(self.wait.deadlines, key=lambda deadline: deadline.at)


class Bucket:
    """So many a second on average, and so many at once."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._rate, self._burst, self._level, self._at = per_second, burst, burst, 0.0

    def take(self, now: float) -> bool:
        self._level = min(self._burst, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True


class Runs:
    """The runs of one plug-in. ``hear`` and ``expire`` return once a run has matched; ``failure`` is why the last one did not."""

    def __init__(self, evse: Party, settings: SlacSettings, announce: Callable[[Notice, str], None]) -> None:
        self.failure: str | None = None
        """Set when a run has failed; to be taken once nothing is left (``idle``)."""
        self.answered = 0
        """CM_SLAC_PARM.REQ that got their CM_SLAC_PARM.CNF, ever."""
        self._evse, self._settings, self._announce = evse, settings, announce
        self._invited: OrderedDict[_Name, _Invitation] = OrderedDict()
        self._strands: dict[_Name, _Strand] = {}
        self._first = Bucket(timing.ANSWERS_PER_SECOND, timing.ANSWER_BURST)
        self._repeats = Bucket(timing.ANSWERS_PER_SECOND, timing.ANSWER_BURST)

    @property
    def idle(self) -> bool:
        """Nobody was invited and no run goes on."""
        return not self._strands and not self._invited

    @property
    def size(self) -> int:
        """Entries that are kept, for those who watch the memory."""
        return len(self._strands) + len(self._invited)

    @property
    def deadline(self) -> Deadline | None:
        """When ``expire`` is to be called next."""
        due = [strand.deadline for strand in self._strands.values()]
        if self._invited:
            # All were invited for the same time, so the oldest is the first to go.
            due.append(next(iter(self._invited.values())).deadline)
        return min(due, key=lambda deadline: deadline.at, default=None)

    def clear(self) -> None:
        """Drop everything: the car is gone, or somebody has matched."""
        for strand in self._strands.values():
            strand.talk.close()
        self._strands.clear()
        self._invited.clear()
        self.failure = None

    # Hearing

    def hear(self, mme: Mme) -> tuple[Run, SlacMatchReq] | None:
        """A frame for us, or for all. Returns the run that has matched by it."""
        message, ev_mac = mme.message, mme.source
        match message:
            case SlacParmReq():
                self._parm(ev_mac, message)
            case StartAttenCharInd():
                self._start(ev_mac, message)
            case MnbcSoundInd(application_type=0, security_type=0):
                self._feed(self._strands.get((ev_mac, message.run_id)), message)
            case AttenProfileInd():
                # A profile names the car and no run; it belongs to the run that the car began last.
                self._feed(self._latest(message.pev_mac, AttenProfileInd), message)
            case AttenCharRsp() | SlacMatchReq() if mme.destination != BROADCAST:
                return self._feed(self._strands.get((ev_mac, message.run_id)), message)
            case ValidateReq() if mme.destination != BROADCAST:
                self._feed(self._latest(ev_mac, ValidateReq), message)
            case _:
                pass
        return None

    def notice(self, event: Event) -> None:
        """Something that every run may be waiting for: an edge of the pilot."""
        for strand in list(self._strands.values()):
            self._feed(strand, event)

    def expire(self) -> None:
        """Time has passed: ends what is due."""
        now = self._evse.now
        for strand in list(self._strands.values()):
            while self._alive(strand) and strand.deadline.at <= now:
                due = strand.deadline
                self._step(strand, lambda talk, due=due: talk.throw(TimedOut(due)))  # type: ignore[misc]  # a default binds the loop's value
        while self._invited:
            name, invitation = next(iter(self._invited.items()))
            if invitation.deadline.at > now:
                break
            del self._invited[name]
            if invitation.answered:
                self.failure = timing.TT_MATCH_SEQUENCE.name

    # One message each

    def _parm(self, ev_mac: bytes, request: SlacParmReq) -> None:
        """Answer, and remember that the car was invited; a run of the same name begins anew."""
        if request.application_type != 0 or request.security_type != 0:
            return
        name = (ev_mac, request.run_id)
        invitation = self._invited.get(name)
        # Who repeats himself is rather a car than a flood of random RunIDs: repeats have an account of their own.
        answered = (self._first if invitation is None else self._repeats).take(self._evse.now)
        if invitation is None:
            invitation = self._invited[name] = _Invitation(self._evse.limit(timing.TT_MATCH_SEQUENCE), False)
            if len(self._invited) > timing.INVITATIONS:
                self._invited.popitem(last=False)
        if not answered:
            self._announce(Notice.FLOODED, "")
            return
        self._drop(name)
        self.answered += 1
        invitation.answered = True
        invitation.deadline = self._evse.limit(timing.TT_MATCH_SEQUENCE)
        self._invited.move_to_end(name)
        sounds = timing.C_EV_MATCH_MNBC
        # Exactly these values: a car of a big name insists on them.
        cnf = SlacParmCnf(BROADCAST, sounds, timing.TIME_OUT, timing.RESP_TYPE, ev_mac, 0, 0, request.run_id)
        self._evse.do(SendFrame(ev_mac, self._settings.evse_mac, cnf))

    def _start(self, ev_mac: bytes, start: StartAttenCharInd) -> None:
        """The first one that is in order and in time begins the run; the others are its repeats."""
        good = (
            start.application_type == start.security_type == 0
            and start.resp_type == timing.RESP_TYPE
            and start.forwarding_sta == ev_mac
            and start.num_sounds != 0
            and start.time_out != 0
            and (start.time_out == timing.TIME_OUT or not self._settings.strict)
        )
        name = (ev_mac, start.run_id)
        if not good:
            return
        if name in self._strands:
            self._feed(self._strands[name], start)
            return
        invitation = self._invited.get(name)
        if invitation is None or not invitation.answered:
            return
        del self._invited[name]
        if start.time_out != timing.TIME_OUT:
            self._announce(Notice.TIME_OUT, "Q-06")
        if len(self._strands) >= timing.C_EVSE_MATCH_PARALLEL:
            self._announce(Notice.CROWDED, "")
            # The one that was heard least; among equals the oldest, which is the first.
            self._drop(min(self._strands, key=lambda each: self._strands[each].run.heard))
        run = Run(
            self._evse, self._settings, ev_mac, start, announce=self._announce, claim_validation=self._claim_validation
        )
        talk = run.talk()
        self._strands[name] = _Strand(run, talk, next(talk))

    def _claim_validation(self, run: Run) -> bool:
        """One pilot: one car at a time can toggle it."""
        return not any(strand.run.validating for strand in self._strands.values() if strand.run is not run)

    def _latest(self, ev_mac: bytes, kind: type[Message]) -> _Strand | None:
        for strand in reversed(self._strands.values()):
            if strand.run.ev_mac == ev_mac and kind in strand.wait.kinds:
                return strand
        return None

    # Stepping

    def _alive(self, strand: _Strand) -> bool:
        return any(strand is other for other in self._strands.values())

    def _feed(self, strand: _Strand | None, said: Message | Event) -> tuple[Run, SlacMatchReq] | None:
        """What a run does not wait for is passed over."""
        if strand is None or not isinstance(said, strand.wait.types):
            return None
        return self._step(strand, lambda talk: talk.send(said))

    def _step(
        self, strand: _Strand, step: Callable[[Conversation[SlacMatchReq]], Wait]
    ) -> tuple[Run, SlacMatchReq] | None:
        name = (strand.run.ev_mac, strand.run.run_id)
        try:
            strand.wait = step(strand.talk)
        except StopIteration as stop:
            request: SlacMatchReq = stop.value
            return strand.run, request
        except TimedOut as late:
            self._fail(name, late.deadline.timeout.name)
        except RunFailed as failed:
            self._fail(name, failed.cause)
        return None

    def _fail(self, name: _Name, cause: str) -> None:
        self._strands.pop(name, None)
        self.failure = cause

    def _drop(self, name: _Name) -> None:
        strand = self._strands.pop(name, None)
        if strand is not None:
            strand.talk.close()

"""All runs that go on at once: invitations, runs, and which run gets which frame. Bounded in any
case.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from hal.events import PilotChanged
from secc.conversation import Child, Deadline, Party, TimedOut
from secc.link.slac import timing
from secc.link.slac.effects import Notice
from secc.link.slac.line import Line
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
from secc.link.slac.run import Run, RunFailed

_Name = tuple[bytes, bytes]
"""A run is named by the car's address and its RunID."""


@dataclass(slots=True)
class _Invitation:
    """A CM_SLAC_PARM.REQ that came; if it was answered, it counts until ``deadline``."""

    deadline: Deadline
    answered: bool


@dataclass(slots=True)
class _Going:
    """A run, and its conversation."""

    run: Run
    talk: Child[SlacMatchReq]


class Bucket:
    """A token bucket: a rate a second on average, with a burst."""

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
    """The runs of one plug-in. ``matched``: the one that has matched. ``failure``: why the last one
    failed.
    """

    def __init__(self, evse: Party, line: Line) -> None:
        self.matched: tuple[Run, SlacMatchReq] | None = None
        self.failure: str | None = None
        """Set when a run has failed; to be read once ``idle``."""
        self.answered = 0
        """Number of CM_SLAC_PARM.REQ that were answered."""
        self._evse, self._line = evse, line
        self._invited: OrderedDict[_Name, _Invitation] = OrderedDict()
        self._going: dict[_Name, _Going] = {}
        self._first = Bucket(timing.ANSWERS_PER_SECOND, timing.ANSWER_BURST)
        self._repeats = Bucket(timing.ANSWERS_PER_SECOND, timing.ANSWER_BURST)

    @property
    def idle(self) -> bool:
        """No car is invited and no run goes on."""
        return not self._going and not self._invited

    @property
    def size(self) -> int:
        """Number of entries, to watch the memory."""
        return len(self._going) + len(self._invited)

    @property
    def deadline(self) -> Deadline | None:
        """When to call ``expire``; the core keeps the deadlines of runs."""
        # All invitations have the same length, so the oldest ends first.
        return next(iter(self._invited.values())).deadline if self._invited else None

    def clear(self) -> None:
        """Drop everything: the car has gone, or one has matched."""
        for going in self._going.values():
            going.talk.close()
        self._going.clear()
        self._invited.clear()
        self.matched = self.failure = None

    # Receiving

    def hear(self, mme: Mme) -> None:
        """Handle a frame to this station or to all."""
        message, ev_mac = mme.message, mme.source
        match message:
            case SlacParmReq():
                self._parm(ev_mac, message)
            case StartAttenCharInd():
                self._start(ev_mac, message)
            case MnbcSoundInd(application_type=0, security_type=0):
                self._tell(self._going.get((ev_mac, message.run_id)), message)
            case AttenProfileInd():
                # A profile names the car and not the run; it belongs to the car's newest run.
                self._tell(self._latest(message.pev_mac, AttenProfileInd), message)
            case AttenCharRsp() | SlacMatchReq() if mme.destination != BROADCAST:
                self._tell(self._going.get((ev_mac, message.run_id)), message)
            case ValidateReq() if mme.destination != BROADCAST:
                self._tell(self._latest(ev_mac, ValidateReq), message)
            case _:
                pass

    def see_pilot(self, event: PilotChanged) -> None:
        """Pass a change of the pilot to every run."""
        for going in tuple(self._going.values()):
            going.talk.hear(event)

    def expire(self) -> None:
        """Forget invitations whose cars did not begin."""
        while (due := self.deadline) is not None and due.at <= self._evse.now:
            _, invitation = self._invited.popitem(last=False)
            if invitation.answered:
                self.failure = timing.TT_MATCH_SEQUENCE.name

    # One message each

    def _parm(self, ev_mac: bytes, request: SlacParmReq) -> None:
        """Answer, and remember the invitation; a run of the same name begins again."""
        if request.application_type != 0 or request.security_type != 0:
            return
        name = (ev_mac, request.run_id)
        invitation = self._invited.get(name)
        # Repeats come from a car rather than from a flood of random RunIDs, so they have their own
        # bucket.
        answered = (self._first if invitation is None else self._repeats).take(self._evse.now)
        if invitation is None:
            invitation = self._invited[name] = _Invitation(self._evse.limit(timing.TT_MATCH_SEQUENCE), False)
            if len(self._invited) > timing.INVITATIONS:
                self._invited.popitem(last=False)
        if not answered:
            self._line.announce(Notice.FLOODED)
            return
        self._drop(name)
        self.answered += 1
        invitation.answered = True
        invitation.deadline = self._evse.limit(timing.TT_MATCH_SEQUENCE)
        self._invited.move_to_end(name)
        sounds = timing.C_EV_MATCH_MNBC
        # Exactly these values: some cars insist on them.
        cnf = SlacParmCnf(BROADCAST, sounds, timing.TIME_OUT, timing.RESP_TYPE, ev_mac, 0, 0, request.run_id)
        self._line.send(ev_mac, cnf)

    def _start(self, ev_mac: bytes, start: StartAttenCharInd) -> None:
        """The first correct one in time begins the run; the others are repeats."""
        good = (
            start.application_type == start.security_type == 0
            and start.resp_type == timing.RESP_TYPE
            and start.forwarding_sta == ev_mac
            and start.num_sounds != 0
            and start.time_out != 0
            and (start.time_out == timing.TIME_OUT or not self._line.settings.strict)
        )
        name = (ev_mac, start.run_id)
        if not good:
            return
        if name in self._going:
            self._tell(self._going[name], start)
            return
        invitation = self._invited.get(name)
        if invitation is None or not invitation.answered:
            return
        del self._invited[name]
        if start.time_out != timing.TIME_OUT:
            self._line.announce(Notice.TIME_OUT, "Q-06")
        if len(self._going) >= timing.C_EVSE_MATCH_PARALLEL:
            self._line.announce(Notice.CROWDED)
            # Drop the run with the fewest sounds, among equals the oldest, which is the first.
            self._drop(min(self._going, key=lambda each: self._going[each].run.heard))
        run = Run(self._line, ev_mac, start, self._claim_validation)
        talk = self._evse.spawn(run.talk, lambda how: self._ended(name, run, how), expects=(TimedOut, RunFailed))
        self._going[name] = _Going(run, talk)

    def _claim_validation(self, run: Run) -> bool:
        """Let one car at a time toggle the pilot."""
        return not any(going.run.validating for going in self._going.values() if going.run is not run)

    def _latest(self, ev_mac: bytes, kind: type[Message]) -> _Going | None:
        for going in reversed(self._going.values()):
            if going.run.ev_mac == ev_mac and kind in going.talk.waits.kinds:
                return going
        return None

    def _tell(self, going: _Going | None, message: Message) -> None:
        """Pass a message to a run, which ignores it unless it waits for it."""
        if going is not None:
            going.talk.hear(message)

    # End of a run

    def _ended(self, name: _Name, run: Run, how: SlacMatchReq | Exception) -> None:
        if isinstance(how, SlacMatchReq):
            self.matched = run, how
            return
        del self._going[name]
        self.failure = how.deadline.timeout.name if isinstance(how, TimedOut) else str(how)

    def _drop(self, name: _Name) -> None:
        going = self._going.pop(name, None)
        if going is not None:
            going.talk.close()

"""One matching run: a car sends sounds, gets the result, and chooses this station or not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from hal.events import PilotChanged
from hal.readings import PilotState
from secc.conversation import Conversation, Deadline, Party, TimedOut
from secc.link.slac import timing
from secc.link.slac.effects import Notice
from secc.link.slac.line import Line
from secc.link.slac.mme import (
    GROUPS,
    MVF_LENGTH_REQ,
    NO_ID,
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    Message,
    MnbcSoundInd,
    SlacMatchReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
)
from secc.link.slac.settings import Validation

NOT_READY, READY, SUCCESS, FAILURE, NOT_REQUIRED = range(5)
"""Results of CM_VALIDATE."""


class RunFailed(Exception):
    """This run has ended without a match. Raised only within matching. Its text is the cause in
    ReportMatchingFailed.
    """


def mean(profiles: Sequence[tuple[int, ...]], offset: int = 0) -> tuple[int, ...]:
    """Returns the mean of each group, rounded half up, less ``offset``, never below zero."""
    count = len(profiles)
    return tuple(max(0, (2 * sum(group) + count) // (2 * count) - offset) for group in zip(*profiles, strict=True))


class Run:
    """One run, from its first CM_START_ATTEN_CHAR.IND to CM_SLAC_MATCH.REQ, or until RunFailed or
    TimedOut.
    """

    evse: Party
    """The run's own party, a child of matching's."""

    def __init__(
        self, line: Line, ev_mac: bytes, start: StartAttenCharInd, claim_validation: Callable[[Run], bool]
    ) -> None:
        self.line = line
        self.settings = line.settings
        self.ev_mac = ev_mac
        self.run_id = start.run_id
        self.announced = start.num_sounds
        self.sounds = 0
        self.profiles: list[tuple[int, ...]] = []
        self.blank = 0
        """Profiles without a value for any group."""
        self.validating = False
        self._claim_validation = claim_validation

    @property
    def heard(self) -> int:
        return max(self.sounds, len(self.profiles) + self.blank)

    def send(self, message: Message) -> None:
        self.line.send(self.ev_mac, message)

    def talk(self, evse: Party) -> Conversation[SlacMatchReq]:
        """The run, in the order of the diagram."""
        self.evse = evse
        yield from self.sounding(evse.limit(timing.TT_EVSE_MATCH_MNBC))
        session = evse.limit(timing.TT_EVSE_MATCH_SESSION)
        yield from self.atten_char()
        while True:
            request = yield from evse.receive(SlacMatchReq, ValidateReq, before=session)
            if isinstance(request, ValidateReq):
                yield from self.validate(request)
            elif self.is_match(request):
                return request

    # Sounds

    def sounding(self, window: Deadline) -> Conversation[None]:
        """Listen until every announced sound has its profile, or the time is over."""
        with contextlib.suppress(TimedOut):
            while len(self.profiles) + self.blank < self.announced:
                message = yield from self.evse.receive(MnbcSoundInd, AttenProfileInd, StartAttenCharInd, before=window)
                match message:
                    case MnbcSoundInd():
                        self.sounds = min(self.sounds + 1, self.announced)
                    case AttenProfileInd():
                        self.take(message)
                    case StartAttenCharInd() if self.heard:
                        # All three come before the first sound.
                        if self.settings.strict:
                            raise RunFailed("CM_START_ATTEN_CHAR.IND out of sequence")
                        self.line.announce(Notice.START_REPEATED, "Q-08")
                    case _:
                        pass

    def take(self, profile: AttenProfileInd) -> None:
        if len(profile.groups) == GROUPS:
            self.profiles.append(profile.groups)
        elif not self.settings.strict:
            # QCA7420 in an adapter sends profiles without groups.
            self.blank += 1

    def averaged(self) -> AttenCharInd:
        """Returns the result for the car. Raises RunFailed without a sound: a deaf station must not
        win the car with a good figure.
        """
        settings = self.settings
        if self.profiles:
            groups, sounds = mean(self.profiles, settings.attenuation_offset), len(self.profiles)
            plausible = any(groups)
        else:
            groups, sounds = (), self.heard
            plausible = False
        if not plausible and not settings.strict and sounds:
            # Some cars ignore a profile of zeros.
            groups = (settings.assumed_attenuation,) * GROUPS
            self.line.announce(Notice.NO_PROFILE, "Q-07")
        if not groups:
            raise RunFailed("no sound came through")
        return AttenCharInd(self.ev_mac, self.run_id, sounds, groups)

    def atten_char(self) -> Conversation[None]:
        """Send the result until the car confirms it."""
        result = self.averaged()
        for _ in range(1 + timing.C_EV_MATCH_RETRY):
            self.send(result)
            response = self.evse.limit(timing.TT_MATCH_RESPONSE)
            with contextlib.suppress(TimedOut):
                while True:
                    if self.is_confirmed((yield from self.evse.receive(AttenCharRsp, before=response))):
                        return
        raise RunFailed("C_EV_match_retry")

    def is_confirmed(self, rsp: AttenCharRsp) -> bool:
        plain = rsp.application_type == rsp.security_type == rsp.result == 0
        return plain and rsp.source_address == self.ev_mac and rsp.source_id == rsp.resp_id == NO_ID

    # Validation

    def validate(self, request: ValidateReq) -> Conversation[None]:
        """CM_VALIDATE in two steps: request, then toggles. Whatever the result, the car may still
        ask for a match.
        """
        if request.signal_type != 0:
            # Only toggles of the pilot are defined. For another proof the answer is "not required".
            self.send(ValidateCnf(0, 0, NOT_REQUIRED))
        elif self.settings.validation is not Validation.OFFERED:
            unsupported = self.settings.validation is Validation.UNSUPPORTED
            self.send(ValidateCnf(0, 0, FAILURE if unsupported else NOT_REQUIRED))
        elif request.result != READY:
            self.send(ValidateCnf(0, 0, FAILURE))
        elif not self._claim_validation(self):
            self.send(ValidateCnf(0, 0, NOT_READY))
        else:
            self.validating = True
            try:
                self.send(ValidateCnf(0, 0, READY))
                with contextlib.suppress(TimedOut):
                    second = yield from self.evse.receive(ValidateReq, within=timing.TT_MATCH_SEQUENCE)
                    yield from self.count_toggles(second)
            finally:
                self.validating = False

    def count_toggles(self, request: ValidateReq) -> Conversation[None]:
        """The second step: count B-C-B toggles, each C of the right length, for the time that the
        car announced.
        """
        seconds = (request.timer + 1) * 0.1
        if request.signal_type != 0:
            self.send(ValidateCnf(0, 0, NOT_REQUIRED))
            return
        if request.result != READY or seconds > timing.TT_EVSE_VALD_TOGGLE.seconds:
            self.send(ValidateCnf(0, 0, FAILURE))
            return
        end = Deadline(self.evse.now + seconds, timing.TT_EVSE_VALD_TOGGLE)
        low, high = timing.TP_EV_VALD_STATE_DURATION if self.settings.strict else timing.VALD_STATE_TOLERATED
        toggles, began, before = 0, None, PilotState(self.evse.levels.pilot)
        with contextlib.suppress(TimedOut):
            while True:
                # Use the event's reading: the level may have changed again.
                changed = (yield from self.evse.receive(PilotChanged, before=end)).reading
                match before, changed.state:
                    case PilotState.B, PilotState.C:
                        began = changed.since
                    case PilotState.C, PilotState.B if began is not None:
                        # Half a millisecond for clock arithmetic.
                        toggles += low - 5e-4 <= changed.since - began <= high + 5e-4
                        began = None
                before = changed.state
        fewest, most = timing.C_EV_VALD_NB_TOGGLES
        self.send(ValidateCnf(0, toggles, SUCCESS if fewest <= toggles <= most else FAILURE))

    # Match

    def is_match(self, request: SlacMatchReq) -> bool:
        """Whether this request is correct; otherwise it is ignored."""
        ids_are_zero = request.pev_id == request.evse_id == NO_ID
        good = (
            request.application_type == request.security_type == 0
            and request.mvf_length == MVF_LENGTH_REQ
            and request.pev_mac == self.ev_mac
            and request.evse_mac == self.settings.evse_mac
            and (ids_are_zero or not self.settings.strict)
        )
        if good and not ids_are_zero:
            self.line.announce(Notice.FOREIGN_IDS)
        return good

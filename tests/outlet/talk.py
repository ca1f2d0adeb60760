"""A plug-in as a dialogue in virtual time: events in, effects out, and what the world would make of them."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from hal.readings import Indication
from secc.conversation import Abandon, Answered, Ask, Effect, End, Event, Levels, Reason, Ticket
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    IndicateDlinkReady,
    ReleaseLink,
    ReportMatched,
    ReportMatchingBegun,
)
from secc.outlet import Plugin, PlugInSettings
from secc.outlet.effects import (
    CloseSdp,
    Indicate,
    LockConnector,
    OpenSdp,
    ReportBasicCharging,
    SetDuty,
    SetF,
    SetX1,
    TellSession,
    UnlockConnector,
)
from secc.outlet.events import (
    ChargingBegan,
    ChargingEnded,
    ConnectionAccepted,
    ConnectionGone,
    SessionBegan,
    SessionEnded,
    SessionSetUp,
)
from secc.outlet.state import Phase
from secc.session.effects import Decision, OpenContactor, PowerReported, StartPower, Verdict
from secc.session.identification import AuthorizeToken
from secc.session.offer import Payment
from tests.board_events import (
    cable_changed,
    lock_changed,
    pilot_changed,
    token_presented,
)

E = TypeVar("E")

MATCHED = ReportMatched(bytes.fromhex("02ee00000001"), bytes(8))
COMPLETED = Reason("completed", "completed")
REFUSED = Reason("refused", "FAILED_CertificateExpired")
BROKEN = Reason("severed", "connection-closed")
YES = Verdict(Decision.ACCEPTED)
NO = Verdict(Decision.REJECTED)


class Outlet:
    """One outlet with its plug-in; a new one is made when a car has left."""

    def __init__(self, settings: PlugInSettings | None = None) -> None:
        self.settings = settings if settings is not None else PlugInSettings()
        self.now = 100.0
        self.pilot, self.contactor = "A", "open"
        self.cable: float | None = None
        """What the cable may carry, as the socket tells it."""
        self.confirmed = False
        """What the lock reports; ``locked`` is what it was told."""
        self.effects: list[Effect] = []
        self.told: list[Event] = []
        self.questions: dict[Ticket[Any], AuthorizeToken] = {}
        self.drive = "?"
        self.driven: list[tuple[float, str]] = []
        """What the pilot was told, with the time."""
        self.sdp = self.locked = self.armed = False
        self.arming: ArmMatching | None = None
        self.started: Ticket[Any] | None = None
        """The power path was asked to start, and has not answered."""
        self.basic = False
        self.shown = Indication.UNAVAILABLE
        self.text = ""
        self.plugins = 0
        self.ended: Reason | None = None
        self._begin()

    # What happens

    def hear(self, event: object) -> None:
        self._set_levels()
        self._perform(self.plugin.session.receive(event, self.now))

    def pilot_to(self, state: Any) -> None:
        self.pilot = state
        self.hear(pilot_changed(state))

    def cable_to(self, amperes: float | None) -> None:
        self.cable = amperes
        self.hear(cable_changed(amperes))

    def lock_to(self, confirmed: bool) -> None:
        self.confirmed = confirmed
        self.hear(lock_changed(confirmed))

    def plug_in(self) -> None:
        self.pilot_to("B")

    def unplug(self) -> None:
        self.pilot_to("A")

    def run(self, seconds: float) -> None:
        """Let time pass, with everything that is due in it."""
        end = self.now + seconds
        while (due := self.plugin.session.deadline) is not None and due.at <= end:
            self.now = max(self.now, due.at)
            self._set_levels()
            self._perform(self.plugin.session.expire(self.now))
        self.now = end

    def show_card(self, verdict: Verdict | None = None, value: str = "04A1") -> None:
        """Hold a card to the reader; with a verdict, the backend answers at once."""
        self.hear(token_presented(value))
        if verdict is not None:
            self.answer(verdict)

    def answer(self, verdict: Verdict) -> None:
        ticket, _ = self.questions.popitem()
        self.hear(Answered(ticket, verdict))

    def connect(self, *, contract: bool = True) -> tuple[Payment, ...]:
        """A car connects and gets as far as SessionSetup; what it is offered."""
        assert self.sdp, "nobody answers"
        payments = self.plugin.payments(self.now, contract=contract)
        self.hear(ConnectionAccepted())
        self.hear(SessionBegan(payments))
        self.hear(SessionSetUp())
        return payments

    def charge(self) -> None:
        self.contactor = "closed"
        self.hear(ChargingBegan())

    def stop_charging(self) -> None:
        self.contactor = "open"
        self.hear(ChargingEnded())

    def match(self, *, up: bool = True) -> None:
        """A car is matched, and its link comes up."""
        assert self.armed, "nobody answers"
        for event in (ReportMatchingBegun(), MATCHED, *((IndicateDlinkReady(True),) if up else ())):
            self.hear(event)

    def power(self, done: bool = True) -> None:
        """The power path answers, and the contactor is closed if it could be."""
        assert self.started is not None
        ticket, self.started = self.started, None
        if done:
            self.contactor = "closed"
            self.hear(ChargingBegan())
        self.hear(Answered(ticket, PowerReported(done)))

    def end(self, reason: Reason = COMPLETED, *, lingers: bool = False) -> None:
        """The session ends; the car closes its connection, unless it ``lingers``."""
        self.hear(SessionEnded(reason))
        if not lingers:
            self.hear(ConnectionGone())

    # What came of it

    def heard(self, kind: type[E]) -> list[E]:
        """What the V2G session was told, of this kind."""
        return [event for event in self.told if isinstance(event, kind)]

    def said(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def forget(self) -> None:
        self.effects.clear()
        self.told.clear()

    def check_that_nothing_hangs(self) -> None:
        """Whatever comes is heard, and where nothing comes, time ends what must not last."""
        session, state = self.plugin.session, self.plugin.state
        assert session.hears
        if session.deadline is not None:
            assert session.deadline.at >= self.now or session.deadline.at == pytest.approx(self.now)
            return
        assert self.drive != "F", "F hides the car"
        assert state.phase is not Phase.WAITING, "the setup clock runs"
        assert state.phase is not Phase.PAUSE or state.blocked(self.levels) or state.unbooked, (
            "the oscillator is off for a while"
        )

    # Machinery

    def _begin(self) -> None:
        self.plugins += 1
        self.plugin = Plugin(self.settings, now=self.now)
        self.questions.clear()
        self._set_levels()
        self._perform(self.plugin.session.begin(self.now))

    def _drive(self, what: str) -> None:
        if what != self.drive:
            self.drive = what
            self.driven.append((self.now, what))

    def _set_levels(self) -> None:
        self.plugin.session.levels = self.levels

    @property
    def levels(self) -> Levels:
        return Levels(
            pilot=self.pilot,  # type: ignore[arg-type]  # strings of the test
            contactor=self.contactor,  # type: ignore[arg-type]  # the same
            cable_amperes=self.cable,
            locked=self.confirmed,
        )

    def _perform(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case SetDuty(duty):
                    self._drive(f"{duty:.0%}")
                case SetX1():
                    self._drive("x1")
                case SetF():
                    self._drive("F")
                case ArmMatching():
                    self.armed, self.arming = True, effect
                case ReleaseLink(outcome):
                    self.armed = self.armed and outcome is DLink.PAUSE
                case OpenContactor() if self.contactor == "closed":
                    self.contactor = "open"
                case ReportBasicCharging(on):
                    assert on is not self.basic
                    self.basic = on
                case Ask(ticket, StartPower()):
                    self.started = ticket
                case OpenSdp():
                    self.sdp = True
                case CloseSdp():
                    self.sdp = False
                case LockConnector():
                    self.locked = True
                case UnlockConnector():
                    assert self.contactor == "open", "a lock under power opens for nobody"
                    self.locked = False
                case Indicate():
                    self.shown, self.text = effect.indication, effect.text
                case TellSession():
                    self.told.append(effect.event)
                case Ask():
                    assert isinstance(effect.question, AuthorizeToken)
                    self.questions[effect.ticket] = effect.question
                case Abandon(ticket) if ticket == self.started:
                    self.started = None
                case Abandon():
                    self.questions.pop(effect.ticket, None)
                case End():
                    self.ended = effect.reason
        if self.plugin.session.ended is not None and self.plugin.session.ended.name == "unplugged":
            self._begin()

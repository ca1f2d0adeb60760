"""The plug-ins of one outlet: one conversation after another, each from pilot A to pilot A."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hal.events import StopPressed
from hal.faults import standing
from secc.config import Eim
from secc.conversation import End
from secc.outlet import Plugin, PlugInSettings
from secc.outlet.events import StopOrdered
from secc.outlet.state import Phase
from secc.session.effects import Remark, Verdict
from secc.session.identification import AuthorizeToken
from secc.station.serving.context import Outlet, Part
from secc.station.serving.matching import MatchHost
from secc.station.serving.path import PowerPaths
from secc.station.serving.router import Seat
from secc.station.serving.supplies import supplies
from secc.uplink.port import Identity

log = logging.getLogger(__name__)

AFTER_A_BUG_SECONDS = 1.0
"""Pause after a plug-in that failed, in case the next one fails at once, too."""


class PlugIns(Part):
    """The plug-ins of one outlet. ``begin`` starts the first; ``gone`` is called when a car has
    left.
    """

    def __init__(self, outlet: Outlet, matching: MatchHost, path: PowerPaths, *, gone: Callable[[], None]) -> None:
        super().__init__(outlet)
        self.plugin: Plugin | None = None
        """The current plug-in; None until the board is open."""
        self._matching = matching
        self._path = path
        self._gone = gone
        self.closing = False
        """The station stops: no plug-in begins, and no car is admitted."""
        self._seat: Seat | None = None
        self._missed_stop: StopOrdered | StopPressed | None = None
        """A stop that came between a plug-in that failed by a bug and the next one."""
        self.number = 0
        """Counts the plug-ins."""
        self._told: set[str] = set()
        """The codes of the quirks that were logged in this plug-in."""
        self._token: Identity | None = None
        self._waiting: list[asyncio.Future[Verdict]] = []
        """Callers that wait for the verdict on a card."""
        self._router.told(AuthorizeToken, by=self._token_decided)
        self._router.taps(StopPressed, by=self._stop_pressed)

    def begin(self) -> None:
        """Begin the next plug-in: it hears cards and the pilot; there is no power path yet."""
        if self.closing:
            return
        self._token = None
        self.number += 1
        self._told.clear()
        self.plugin = plugin = Plugin(self._plug_settings(), now=self._loop.time(), tickets=self._services.tickets)
        plugin.state.modem_ready = self._matching.ready
        plugin.state.watts_limit = self._path.watts_limit
        plugin.state.unbooked = self._services.unbooked
        for fault in standing(self._hardware.board):
            # Known before the conversation begins, so that a car that is already connected gets no
            # offer.
            plugin.state.fault_raised(fault)
        self._seat = self._router.join("plug-in", plugin.session, ended=self._ended)
        self._seat.performs[Remark] = self._remark
        self._seat.begin()
        stop, self._missed_stop = self._missed_stop, None
        if self._hardware.levels().connected:
            if stop is not None:
                self._seat.hear(stop)
            self._path.begin()

    def _plug_settings(self) -> PlugInSettings:
        board, timing, settings = self._hardware.board, self._config.timing, self._settings
        uplink = self._services.uplink
        return PlugInSettings(
            free=self._config.uplink.eim is Eim.FREE,
            token_seconds=timing.token_seconds,
            setup_seconds=timing.setup_seconds,
            hlc=settings.hlc,
            modem=self._matching.present,
            pwm_delay_seconds=settings.pwm_delay_seconds,
            ac=supplies(settings, board, any_cable=True).ac if board is not None else None,
            lock=board is not None and board.lock is not None,
            contract_by_pilot=not (uplink.plans or uplink.policy.request_metering_receipt),
            strict=self._config.lab.strict,
        )

    @property
    def window_open(self) -> bool:
        """Whether a car may find the station and connect."""
        return self.plugin is not None and self.plugin.state.window_open

    @property
    def linked(self) -> bool:
        """Whether the station's modem has reported the link; without a modem it counts as there."""
        return self.plugin is not None and (self.plugin.state.link_up or not self.plugin.settings.modem)

    @property
    def asleep(self) -> bool:
        """Whether a car has paused, and sleeps."""
        return self.plugin is not None and self.plugin.state.phase is Phase.PAUSED

    def hear(self, *events: object) -> None:
        for event in events:
            if self._seat is not None and self._seat.alive:
                self._seat.hear(event)
            elif isinstance(event, StopOrdered):
                self._missed_stop = event

    def _stop_pressed(self, event: StopPressed) -> None:
        if self._seat is None or not self._seat.alive:
            self._missed_stop = event

    def identity(self) -> Identity | None:
        """Returns who is identified beside the running session: from outside the car, or by a
        contract that was kept (Q-41); None if there is no such identity.
        """
        kept = self.plugin.state.contract_kept if self.plugin is not None else ""
        return self._external() or (Identity("emaid", kept) if kept else None)

    def _external(self) -> Identity | None:
        external = self.plugin.state.identification.external if self.plugin is not None else None
        if external is None:
            return None
        if external.by == "rfid" and self._token is not None:
            return self._token
        return Identity(external.by)

    def _ended(self, end: End) -> None:
        bug = end.reason.kind == "bug"
        if bug:
            log.error("outlet %s: the plug-in conversation failed: %s", self._name, end.reason.detail)
        # Not within the step that has just ended.
        self._loop.call_later(AFTER_A_BUG_SECONDS if bug else 0.0, self.begin)
        self._gone()

    def standing(self) -> object:
        """Returns what an operator's order can change of the plug-in; None before there is one.
        During a session every order counts as a change.
        """
        if self.plugin is None:
            return None
        state = self.plugin.state
        return object() if state.session_open else (state.identification, state.over, state.phase, state.contract_kept)

    def verdict(self) -> asyncio.Future[Verdict] | None:
        """Returns the coming decision about the card that is being checked; None if no card is."""
        if self.plugin is None or not self.plugin.state.asking:
            return None
        coming: asyncio.Future[Verdict] = self._loop.create_future()
        self._waiting.append(coming)
        return coming

    def _remark(self, remark: Remark) -> None:
        self.tolerated(remark.code, remark.text)

    def tolerated(self, code: str, text: str) -> None:
        """Log a field quirk outside a session, once a plug-in."""
        if code not in self._told:
            self._told.add(code)
            log.info("outlet %s: tolerated %s: %s", self._name, code, text)

    def _token_decided(self, question: AuthorizeToken, verdict: Verdict) -> None:
        for coming in self._waiting:
            if not coming.done():
                coming.set_result(verdict)
        self._waiting.clear()
        detail = f" ({verdict.detail})" if verdict.detail else ""
        log.info("outlet %s: card: %s%s", self._name, verdict.decision.value, detail)
        if verdict.accepted and self._external() is None:
            self._token = Identity(question.kind, question.value)

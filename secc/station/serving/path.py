"""The power path of one outlet at work: a conversation for each car, the questions that V2G sessions ask it, and its commands to the board."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from secc import energy, outlet
from secc.config import OutletSettings
from secc.conversation import Abandon, Answered, Asked, Effect, End, Event, Tell, Ticket
from secc.session.effects import CableChecked, CheckCable, PowerReported, ReportFault, StartPower
from secc.session.events import LimitChanged, Unplugged
from secc.station.compose import Services
from secc.station.serving.driver import Driver, Turns
from secc.station.serving.hardware import Hardware
from secc.station.serving.levels import ac_limits, dc_limits

log = logging.getLogger(__name__)

Hear = Callable[[Event], None]


class PathHost:
    """Lives as long as the outlet; ``begin`` and ``end`` come with each car. ``plug`` and ``publish`` hear what it reports."""

    def __init__(
        self,
        settings: OutletSettings,
        services: Services,
        hardware: Hardware,
        turns: Turns,
        *,
        plug: Callable[..., None],
        publish: Callable[..., None],
    ) -> None:
        self.watts_limit: float | None = None
        """What the grid or the operator allows now; None: what the hardware can."""
        self._name = settings.name
        self._settings = settings
        self._services = services
        self._hardware = hardware
        self._turns = turns
        self._plug = plug
        self._publish = publish
        self._driver: Driver | None = None
        self._asked: dict[Ticket[Any], Hear] = {}

    def begin(self) -> None:
        """A car is connected; nothing happens if its path is there already."""
        if self._driver is not None and self._driver.alive:
            return
        settings = self._path_settings()
        if settings is None:
            log.error("outlet %s: the board has no port for what it is to transfer", self._name)
            return
        session = energy.power_path(settings, now=asyncio.get_running_loop().time(), tickets=self._services.tickets)
        self._driver = Driver(
            f"outlet {self._name} power path",
            session,
            turns=self._turns,
            perform=self._perform,
            levels=self._hardware.levels,
            ended=self._ended,
        )
        self._driver.begin()

    def _path_settings(self) -> energy.DcSettings | energy.AcSettings | None:
        board, settings = self._hardware.board, self._settings
        if board is None:
            return None
        dc, ac = dc_limits(board), ac_limits(board)
        if settings.transfers[0].is_dc and dc is not None:
            return energy.DcSettings(
                limits=settings.dc.within(dc), watts=self.watts_limit, insulation_monitor=board.imd is not None
            )
        if ac is not None:
            return energy.AcSettings(limits=settings.ac.within(ac), watts=self.watts_limit)
        return None

    def end(self) -> None:
        """The car is gone."""
        self.hear(Unplugged())

    def stop(self) -> None:
        """Bring no more deadlines: the station goes down."""
        if self._driver is not None:
            self._driver.stop()

    def hear(self, *events: object) -> None:
        if self._driver is not None:
            for event in events:
                self._driver.hear(event)

    def limit(self, watts: float | None) -> None:
        """Deliver at most this much from now on."""
        self.watts_limit = watts
        self.hear(LimitChanged(watts))

    # Questions

    def ask(self, ticket: Ticket[Any], question: Any, answer: Hear) -> None:
        """``answer`` hears it, unless the question is abandoned before."""
        if self._driver is None or not self._driver.alive:
            answer(Answered(ticket, _nothing(ticket.question)))
            return
        self._asked[ticket] = answer
        self._driver.hear(Asked(ticket, question))

    def abandon(self, ticket: Ticket[Any]) -> None:
        self._asked.pop(ticket, None)

    # What it wants

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Tell(ticket, answer):
                self._answered(ticket, answer)
            case ReportFault(code, text):
                log.warning("outlet %s: power path: %s: %s", self._name, code, text)
                self._publish("fault", code=code, text=text)
                self._plug(effect)
            case Abandon():
                # The answer may have crossed it.
                assert self._hardware.power is not None
                self._hardware.power.perform(effect)
            case _:
                assert self._hardware.power is not None
                if not self._hardware.power.perform(effect):
                    raise TypeError(f"nobody performs {type(effect).__name__}")

    def _answered(self, ticket: Ticket[Any], found: Any) -> None:
        answer = self._asked.pop(ticket, None)
        if ticket.question == StartPower.__name__ and isinstance(found, PowerReported) and found.done:
            self._plug(outlet.ChargingBegan())
        if answer is not None:
            answer(Answered(ticket, found))

    def _ended(self, end: End) -> None:
        """With the car gone that is as it should be; in any other case nothing can be delivered until it is unplugged."""
        asked, self._asked = self._asked, {}
        for ticket, answer in asked.items():
            answer(Answered(ticket, _nothing(ticket.question)))
        if end.reason.kind == "bug":
            self._plug(ReportFault("power-path", end.reason.detail, latched=True))


def _nothing(question: str) -> CableChecked | PowerReported:
    """The answer about a power path that is not there."""
    if question == CheckCable.__name__:
        return CableChecked(passed=False, isolation="invalid", detail="there is no power path")
    return PowerReported(done=False, detail="there is no power path")

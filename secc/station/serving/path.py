"""The power paths of one outlet: a conversation for each car, which answers questions of V2G
sessions and of the plug-in.
"""

from __future__ import annotations

import logging
from typing import Final

from hal.events import PilotChanged
from secc.conversation import End
from secc.energy import AcSettings, DcSettings, PowerPath
from secc.energy.effects import Announce
from secc.energy.events import InsulationTestProlonged, Ticked
from secc.outlet.events import ChargingBegan
from secc.session.effects import CableChecked, CheckCable, KeepCable, PowerReported, ReportFault, StartPower, StopPower
from secc.session.events import LimitChanged, Unplugged
from secc.station.serving.context import Outlet, Part
from secc.station.serving.router import Seat
from secc.station.serving.supplies import supplies

log = logging.getLogger(__name__)

QUESTIONS: Final = (CheckCable, KeepCable, StartPower, StopPower)
TICKED: Final = Ticked()


class PowerPaths(Part):
    """The power paths of one outlet; ``begin`` and ``end`` come with each car."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet)
        self.watts_limit: float | None = None
        """The limit that grid or operator set; None: the limit of the hardware."""
        self._session: PowerPath | None = None
        self._seat: Seat | None = None
        self._router.answers(*QUESTIONS, otherwise=_nothing)
        self._router.told(StartPower, by=self._started)
        self._router.relays(ReportFault)
        self._router.taps(ReportFault, by=self._failed)
        self._router.performs(Announce, by=self._announce)
        self._router.taps(PilotChanged, by=self._pilot_changed)

    def begin(self) -> None:
        """Begin the path of a car that is connected, unless it has begun."""
        if self._seat is not None and self._seat.alive:
            return
        settings = self._path_settings()
        if settings is None:
            log.error("outlet %s: the board has no port for the configured transfers", self._name)
            return
        self._session = PowerPath(settings, now=self._loop.time(), tickets=self._services.tickets)
        self._seat = self._router.join("power path", self._session, answers=QUESTIONS, ended=self._ended)
        self._seat.begin()
        self._services.ticker.join(self._tick)

    def _tick(self) -> None:
        if self._session is not None and self._seat is not None and self._session.supervised:
            self._seat.hear(TICKED)

    def _path_settings(self) -> DcSettings | AcSettings | None:
        board, config = self._hardware.board, self._config
        if board is None:
            return None
        able = supplies(self._settings, board)
        if able.dc is not None:
            return DcSettings(
                limits=able.dc,
                watts=self.watts_limit,
                insulation_monitor=board.imd is not None,
                insulation_seconds=self._orders.now.insulation_seconds,
                pause_insulation_monitor="Q-68" in config.lab.tolerate,
            )
        return AcSettings(limits=able.ac, watts=self.watts_limit) if able.ac is not None else None

    def end(self) -> None:
        """End the path: the car has left."""
        self.hear(Unplugged())

    def hear(self, event: object) -> None:
        """Tell the path, and no other conversation, results of its commands and its end."""
        if self._seat is not None:
            self._seat.hear(event)

    def limit(self, watts: float | None) -> None:
        """Deliver at most ``watts`` from now on: tells path, session and plug-in."""
        self.watts_limit = watts
        self._router.tell(LimitChanged(watts))

    def prolong(self, seconds: float) -> None:
        """Insulation tests last at least so long from now on."""
        self.hear(InsulationTestProlonged(seconds))

    def _pilot_changed(self, event: PilotChanged) -> None:
        if event.reading.state.connected:
            self.begin()

    # Effects of the path

    def _announce(self, said: Announce) -> None:
        log.info("outlet %s: %s", self._name, said.notice.value)

    def _failed(self, fault: ReportFault) -> None:
        log.warning("outlet %s: power path: %s: %s", self._name, fault.code, fault.text)
        self._publish("fault", code=fault.code, text=fault.text)

    def _started(self, question: StartPower, answer: PowerReported) -> None:
        if answer.done:
            self._router.tell(ChargingBegan())

    def _ended(self, end: End) -> None:
        """The path has ended. After a bug the outlet delivers nothing until the car is unplugged."""
        self._services.ticker.leave(self._tick)
        if end.reason.kind == "bug":
            self._router.tell(ReportFault("power-path", end.reason.detail, latched=True))


def _nothing(question: object) -> CableChecked | PowerReported:
    """Returns the answer to a question while there is no power path."""
    if isinstance(question, CheckCable | KeepCable):
        return CableChecked(passed=False, isolation="invalid", detail="there is no power path")
    return PowerReported(done=False, detail="there is no power path")

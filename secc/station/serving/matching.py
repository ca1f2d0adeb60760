"""Matching at one outlet: opens the modem, runs SLAC on it, and tells the plug-in the result.

::

    modem ──frames──▶ SLAC ──SendFrame, SetKey, CheckLink──▶ modem
    plug-in ──ArmMatching, ReleaseLink, ResumeLink──▶ SLAC ──matched, D-LINK_READY, failed──▶ plug-in

The log has neither network keys nor addresses of cars: a frame is logged by the name of its message.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from hal.errors import HalError
from hal.linux.modem import LinuxModem, open_modem
from hal.port_queue import PortQueue
from hal.ports import Board, PlcModem
from secc.config import Modem
from secc.conversation import Effect, End
from secc.link.slac import dlink
from secc.link.slac.dlink import ArmMatching, IndicateDlinkReady, ReleaseLink, ReportModem
from secc.link.slac.events import FrameReceived
from secc.station.serving.context import Outlet, Part
from secc.station.serving.router import Seat

log = logging.getLogger(__name__)

MODEM_RETRY_SECONDS = 2.0
"""Time until a modem that is missing, or has lost its interface, is looked for again."""

REPORTS: Final = (dlink.ReportMatchingBegun, dlink.ReportMatchingFailed, dlink.ReportMatched, IndicateDlinkReady)


class MatchHost(Part):
    """The matching of one outlet; ``begin`` starts it once the board is open."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet)
        self.present = self._settings.modem is Modem.PACKET
        """Whether cars are matched at this outlet."""
        self.ready = True
        """The modem takes keys; True while that is not known."""
        self.problem = ""
        self.seat: Seat | None = None
        """The matching conversation, while there is a modem."""
        self._queue = PortQueue(f"{self._name} power line", broken=self._fell)
        self._modem: PlcModem | None = None
        self._prepared = False
        self._keeper: asyncio.Task[None] | None = None
        self.car_mac: bytes | None = None
        """MAC address of the car that was matched for this plug-in."""
        self._armed: ArmMatching | None = None
        """The plug-in's order while there is no matching conversation: the modem may appear after
        the car.
        """
        self._router.relays(ArmMatching, ReleaseLink, dlink.ResumeLink)
        self._router.taps(ArmMatching, ReleaseLink, by=self._ordered)
        self._router.relays(ReportModem, *REPORTS)
        self._router.taps(ReportModem, by=self._modem_reported)
        self._router.taps(*REPORTS, by=self._reported)

    def begin(self) -> None:
        """Start, once the board is open, if there is a modem to look for."""
        board = self._hardware.board
        if self._settings.modem is Modem.BOARD:
            self.present = board is not None and board.plc is not None
        if self.present and self._keeper is None and board is not None:
            self.prepare()
            self._keeper = asyncio.create_task(self._keep(board), name=f"{self._name} modem")

    def prepare(self) -> None:
        """Load SLAC. Outlets without a modem do without it."""
        from secc.station.serving.modem import ModemPorts

        if not self._prepared:
            self._prepared = True
            ModemPorts(self._name, self._router, self._queue, lambda: self._modem)

    async def close(self) -> None:
        """Stop answering SLAC. The key stays in the modem, and no car knows the next one."""
        self._stop_talking()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._queue.close()
        if isinstance(self._modem, LinuxModem):
            await self._modem.close()

    # The modem

    async def _keep(self, board: Board) -> None:
        """Open the modem and listen to it, again after each failure."""
        while True:
            try:
                await self._listen(board)
            except HalError as error:
                self._report(str(error))
            except Exception as error:
                log.exception("outlet %s: a bug in the modem's driver", self._name)
                self._report(type(error).__name__)
            await asyncio.sleep(MODEM_RETRY_SECONDS)

    async def _listen(self, board: Board) -> None:
        packet = self._settings.modem is Modem.PACKET
        modem: PlcModem | None = await open_modem(self._settings.interface) if packet else board.plc
        assert modem is not None
        self._modem = modem
        try:
            frames = modem.frames()
            seat = self._talk(modem)
            async for _, octets in frames:
                seat.hear(FrameReceived(octets))
        finally:
            self._stop_talking()
            if isinstance(modem, LinuxModem):
                await modem.close()
            self._modem = None

    # SLAC

    def _talk(self, modem: PlcModem) -> Seat:
        from secc.link.slac.matching import SlacSession
        from secc.link.slac.settings import SlacSettings

        settings = SlacSettings(
            evse_mac=modem.mac,
            strict=self._config.lab.strict,
            init_seconds=self._settings.slac_init_seconds,
            attenuation_offset=self._settings.attenuation_offset,
        )
        session = SlacSession(settings, now=self._loop.time(), tickets=self._services.tickets)
        self.seat = seat = self._router.join("matching", session, ended=self._ended)
        seat.begin()
        if self._armed is not None:
            seat.hear(self._armed)
        return seat

    def _stop_talking(self) -> None:
        seat, self.seat = self.seat, None
        if seat is not None:
            seat.stop()
            self._router.tell(IndicateDlinkReady(False, "the modem is gone"))

    def _ended(self, end: End) -> None:
        """Matching ends only by a bug. A matched car has lost its link, and the next conversation
        begins with a new key.
        """
        log.error("outlet %s: the matching conversation failed: %s", self._name, end.reason.detail)
        self._fell(None)

    def _fell(self, _: BaseException | None) -> None:
        """Open the modem again and begin a new conversation."""
        keeper, self._keeper = self._keeper, None
        board = self._hardware.board
        if keeper is None or board is None:
            return
        keeper.cancel()
        self._report("a bug in matching")
        self._keeper = asyncio.create_task(self._again(keeper, board), name=f"{self._name} modem")

    async def _again(self, before: asyncio.Task[None], board: Board) -> None:
        await asyncio.gather(before, return_exceptions=True)
        await asyncio.sleep(MODEM_RETRY_SECONDS)
        await self._keep(board)

    # Orders of the plug-in

    def car_gone(self) -> None:
        """Drop the order for the car that has left, and its address."""
        self._armed = None
        self.car_mac = None

    def _ordered(self, order: ArmMatching | ReleaseLink) -> None:
        log.debug("outlet %s: %s", self._name, order)
        self._armed = order if isinstance(order, ArmMatching) else None

    # Reports

    def _report(self, text: str) -> None:
        """Tell the plug-in that there is no modem, or no conversation for it."""
        self._router.tell(ReportModem(False, text))

    def _modem_reported(self, report: ReportModem) -> None:
        ready, text = report.ready, report.text
        if ready is not self.ready or text != self.problem:
            self.ready, self.problem = ready, text
            if ready:
                log.info("outlet %s: the modem is ready", self._name)
            else:
                log.error("outlet %s: no car can be matched: %s", self._name, text)
            self._publish("modem", ready=ready, text=text)

    def _reported(self, report: Effect) -> None:
        name = self._name
        match report:
            case dlink.ReportMatchingBegun():
                self._publish("matching")
            case dlink.ReportMatchingFailed(cause):
                log.info("outlet %s: no car was matched: %s", name, cause)
                self._publish("matching failed", cause=cause)
            case dlink.ReportMatched(ev_mac=car):
                self.car_mac = car
                log.info("outlet %s: a car is matched, and gets the key", name)
                self._publish("matched")
            case IndicateDlinkReady(True):
                log.info("outlet %s: link up", name)
                self._publish("link", up=True)
            case IndicateDlinkReady(False, cause):
                log.info("outlet %s: link down: %s", name, cause)
                self._publish("link", up=False, cause=cause)

"""Matching at one outlet: its modem found and kept, SLAC spoken through it, and the plug-in told what became of it.

::

    modem ──frames──▶ SLAC ──SendFrame, SetKey, CheckLink──▶ modem
    plug-in ──ArmMatching, ReleaseLink, ResumeLink──▶ SLAC ──matched, D-LINK_READY, failed──▶ plug-in

Network keys and addresses of cars are in no log: what is said of a frame is the name of its message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hal.errors import HalError
from hal.events import PilotChanged
from hal.linux import LinuxModem, open_modem
from hal.port_queue import PortQueue
from hal.ports import Board, PlcModem
from secc.config import Config, Modem, OutletSettings
from secc.conversation import Effect, End
from secc.link.slac import effects as wants
from secc.link.slac.dlink import (
    ArmMatching,
    IndicateDlinkReady,
    ReleaseLink,
    ReportMatched,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
    ResumeLink,
)
from secc.link.slac.events import FrameReceived, KeySet, LinkReported
from secc.link.slac.matching import SlacSession
from secc.link.slac.settings import SlacSettings
from secc.station.compose import Services
from secc.station.serving.hardware import Hardware
from secc.station.serving.modem import check_link, set_key
from secc.station.serving.router import Router, Seat

log = logging.getLogger(__name__)

MODEM_RETRY_SECONDS = 2.0
"""A modem that is not there, or whose interface went away, is looked for again after this."""

WANTED = (
    wants.SendFrame,
    ReportModem,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportMatched,
    IndicateDlinkReady,
)


class MatchHost:
    """Lives as long as the outlet; ``begin`` once the board is there. ``plug`` and ``publish`` hear what becomes of it."""

    def __init__(
        self,
        settings: OutletSettings,
        config: Config,
        services: Services,
        hardware: Hardware,
        router: Router,
        *,
        plug: Callable[..., None],
        publish: Callable[..., None],
    ) -> None:
        self.present = settings.modem is Modem.PACKET
        """Whether cars have to be matched here at all."""
        self.ready = True
        """The modem takes keys; True also while nobody knows better."""
        self.problem = ""
        self._settings = settings
        self._config = config
        self._services = services
        self._hardware = hardware
        self._router = router
        self._plug = plug
        self._publish = publish
        self._broken = hardware.broken
        self._queue = PortQueue(f"{settings.name} power line", broken=self._fell)
        self._seat: Seat | None = None
        router.performs(*WANTED, by=self._perform)
        router.finds(wants.SetKey, by=self._set_key)
        router.finds(wants.CheckLink, by=self._check_link)
        self._modem: PlcModem | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._armed: ArmMatching | None = None
        """What the plug-in wants while there is nobody to tell: a modem may come later than a car."""

    def begin(self, board: Board) -> None:
        """The board is there, and with it perhaps its modem."""
        if self._settings.modem is Modem.BOARD:
            self.present = board.plc is not None
        if self.present and self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(board), name=f"{self._settings.name} modem")

    async def close(self) -> None:
        """Nobody is answered any more. The key stays in the modem, and no car knows the next one."""
        self._stop_talking()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._queue.close()
        if isinstance(self._modem, LinuxModem):
            await self._modem.close()

    # The modem

    async def _keep(self, board: Board) -> None:
        """Find it, listen to it, and find it again."""
        while True:
            try:
                await self._listen(board)
            except HalError as error:
                self._report(False, str(error))
            except Exception as error:
                log.exception("outlet %s: a bug in the modem's driver", self._settings.name)
                self._report(False, type(error).__name__)
            await asyncio.sleep(MODEM_RETRY_SECONDS)

    async def _listen(self, board: Board) -> None:
        packet = self._settings.modem is Modem.PACKET
        modem: PlcModem | None = await open_modem(self._settings.interface) if packet else board.plc
        assert modem is not None
        self._modem = modem
        try:
            frames = modem.frames()
            self._talk(modem)
            async for _, octets in frames:
                self._hear(FrameReceived(octets))
        finally:
            self._stop_talking()
            if isinstance(modem, LinuxModem):
                await modem.close()
            self._modem = None

    def _report(self, ready: bool, text: str = "") -> None:
        if ready is not self.ready or text != self.problem:
            self.ready, self.problem = ready, text
            if ready:
                log.info("outlet %s: the modem is ready", self._settings.name)
            else:
                log.error("outlet %s: no car can be matched: %s", self._settings.name, text)
            self._publish("modem", ready=ready, text=text)
            self._plug(ReportModem(ready, text))

    # The conversation

    def _talk(self, modem: PlcModem) -> None:
        settings = SlacSettings(
            evse_mac=modem.mac,
            strict=self._config.lab.strict,
            init_seconds=self._settings.slac_init_seconds,
            attenuation_offset=self._settings.attenuation_offset,
        )
        now = asyncio.get_running_loop().time()
        session = SlacSession(settings, now=now, tickets=self._services.tickets)
        self._seat = self._router.join("matching", session, ended=self._ended)
        self._seat.performs[wants.Announce] = self._announce
        self._seat.begin()
        if self._armed is not None:
            self._hear(self._armed)

    def _stop_talking(self) -> None:
        if self._seat is None:
            return
        self._seat.stop()
        self._seat = None
        self._plug(IndicateDlinkReady(False, "the modem is gone"))

    def _ended(self, end: End) -> None:
        """It ends by a bug only: a car that was matched has lost its link, and the next conversation begins with a new key."""
        log.error("outlet %s: the matching conversation failed: %s", self._settings.name, end.reason.detail)
        self._fell(None)

    def _fell(self, _: BaseException | None) -> None:
        """Begin anew, from the modem on."""
        keeper, self._keeper = self._keeper, None
        board = self._hardware.board
        if keeper is None or board is None:
            return
        keeper.cancel()
        self._report(False, "a bug in matching")
        self._keeper = asyncio.create_task(self._again(keeper, board), name=f"{self._settings.name} modem")

    async def _again(self, before: asyncio.Task[None], board: Board) -> None:
        await asyncio.gather(before, return_exceptions=True)
        await asyncio.sleep(MODEM_RETRY_SECONDS)
        await self._keep(board)

    def _hear(self, event: object) -> None:
        if self._seat is not None:
            self._seat.hear(event)

    # The plug-in and the pilot

    def pilot_changed(self, event: PilotChanged) -> None:
        if self._hardware.levels().pilot == "A":
            self._armed = None
        self._hear(event)

    def order(self, order: ArmMatching | ReleaseLink | ResumeLink) -> None:
        """The plug-in wants cars to be answered, or is done with the link, or wants it back."""
        if isinstance(order, ArmMatching):
            self._armed = order
        elif isinstance(order, ReleaseLink):
            log.debug("outlet %s: %s", self._settings.name, order.outcome.value)
            self._armed = None
        self._hear(order)

    # What it wants

    def _perform(self, effect: Effect) -> None:
        name, modem = self._settings.name, self._modem
        match effect:
            case wants.SendFrame() if modem is not None:
                self._send(modem, effect.octets)
                return
            case wants.SendFrame():
                return
            case ReportModem(ready, text):
                self._report(ready, text)
                return
            case ReportMatchingBegun():
                self._publish("matching")
            case ReportMatchingFailed(cause):
                log.info("outlet %s: no car was matched: %s", name, cause)
                self._publish("matching failed", cause=cause)
            case ReportMatched():
                log.info("outlet %s: a car is matched, and gets the key", name)
                self._publish("matched")
            case IndicateDlinkReady(True):
                log.info("outlet %s: link up", name)
                self._publish("link", up=True)
            case IndicateDlinkReady(False, cause):
                log.info("outlet %s: link down: %s", name, cause)
                self._publish("link", up=False, cause=cause)
            case _:
                raise TypeError(f"nobody performs {type(effect).__name__}")
        self._plug(effect)

    def _send(self, modem: PlcModem, octets: bytes) -> None:
        # A frame that could not be sent is one that was lost on the line: matching has its repeats for that.
        self._queue.order("SendFrame", lambda: modem.send(octets), failed=lambda failure: None)

    def _announce(self, said: wants.Announce) -> None:
        tolerated = f"tolerated {said.code}: " if said.code else ""
        log.info("outlet %s: %s%s", self._settings.name, tolerated, said.notice.value)

    async def _set_key(self, question: wants.SetKey) -> KeySet:
        return KeySet(False, text="the modem is gone") if self._modem is None else await set_key(self._modem, question)

    async def _check_link(self, question: wants.CheckLink) -> LinkReported:
        return (
            LinkReported(None, error="the modem is gone")
            if self._modem is None
            else await check_link(self._modem, question)
        )

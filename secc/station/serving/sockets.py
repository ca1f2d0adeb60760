"""The sockets of one outlet: SDP always, TCP while a car may connect. It waits for an interface
that is missing.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import struct
from collections.abc import Callable, Coroutine
from ipaddress import IPv6Address

from secc.link import sdp
from secc.ops import neighbours
from secc.ops.network import InterfaceUnusable, Place, PortTaken, holder, locate
from secc.station.serving.connection import V2gConnection
from secc.station.serving.context import Outlet, Part
from secc.station.serving.plug import PlugIns
from secc.station.shared.listeners import SdpListener, TcpListener

log = logging.getLogger(__name__)

TICKS_A_LOOK = 10
"""Period of the look at the interface."""
FOREIGN_SECONDS = 60.0
"""Another SECC on the line is reported at most once in this time."""
FIRST_LOOK_SECONDS = 0.05
"""A link-local address is tentative for a moment after the interface came up."""


class Sockets(Part):
    """``admit`` decides about each connection. ``matched`` returns the MAC address of the car that
    was matched, if one was.
    """

    def __init__(
        self,
        outlet: Outlet,
        plug: PlugIns,
        admit: Callable[[str], V2gConnection | None],
        matched: Callable[[], bytes | None],
    ) -> None:
        super().__init__(outlet)
        self._plug = plug
        self._admit = admit
        self._matched = matched
        self._place: Place | None = None
        self._sdp: SdpListener | None = None
        self._tcp: TcpListener | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._foreign_at = -math.inf
        self._neighbour: tuple[int, IPv6Address] | None = None
        """Interface and address of the car whose neighbour entry is held."""
        self._holding = asyncio.Lock()
        self.problem = ""
        """Why a car cannot find this outlet; empty if it can."""

    @property
    def address(self) -> str:
        return str(self._place.address) if self._place is not None else ""

    @property
    def port(self) -> int | None:
        """The TCP port; None while no car may connect."""
        return self._tcp.port if self._tcp is not None else None

    async def open(self) -> None:
        """Open the sockets; waits a moment for a tentative address.

        Raises PortTaken, with the other process: with two stations on an interface, chance decides
        which one a car talks to.
        """
        for _ in range(40):
            try:
                self._look()
            except PortTaken as error:
                who = await asyncio.to_thread(holder, self._settings.sdp_port)
                raise PortTaken(f"outlet {self._name}: {error} by {who}") from error
            if "tentative" not in self.problem:
                break
            await asyncio.sleep(FIRST_LOOK_SECONDS)
        # The interface may come up late, lose its address, or disappear with its modem.
        self._services.ticker.join(self._look_again, every=TICKS_A_LOOK)

    def _look_again(self) -> None:
        try:
            self._look()
        except PortTaken as error:
            # Another program took the port while the interface was away. Other outlets may be
            # charging, so go on.
            self._note(str(error))

    async def close(self) -> None:
        self._closed = True
        self._services.ticker.leave(self._look_again)
        self.shut()
        if self._sdp is not None:
            self._sdp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._release()

    def open_for_car(self) -> None:
        """Let a car connect; SDP names the port after this."""
        if self._tcp is None and self._place is not None and not self._closed:
            try:
                self._tcp = TcpListener(self._place, self._settings.port, self._accepted)
            except InterfaceUnusable as error:
                self._note(str(error))

    def shut(self) -> None:
        """Refuse connections from now on."""
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None

    def _look(self) -> None:
        try:
            place = locate(self._settings.interface)
            if place != self._place:
                self._move(place)
        except InterfaceUnusable as error:
            if self._place is not None:
                self._leave()
            self._note(str(error))
            return
        self._note("")
        if self._plug.window_open:
            self.open_for_car()

    def _move(self, place: Place) -> None:
        self._leave()
        self._sdp = SdpListener(place, self._settings.sdp_port, self._answer, self._foreign)
        self._place = place
        log.debug("outlet %s: SDP on %s, UDP port %d", self._name, place.address, self._sdp.port)

    def _leave(self) -> None:
        self.shut()
        if self._sdp is not None:
            self._sdp.close()
        self._sdp, self._place = None, None

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            if problem:
                log.warning("outlet %s: no car can find it: %s", self._name, problem)
            else:
                log.info("outlet %s: cars can find it", self._name)

    def _answer(self, offered: sdp.Security, source: str) -> tuple[sdp.Security, int] | None:
        if self._tcp is None or not self._plug.window_open:
            return None
        serving = self._services.serving(self._orders.settings)
        security = sdp.answer(offered, tls=serving.tls, plain=serving.plain)
        if security is None:
            return None
        if security is not offered:
            self._plug.tolerated("Q-15", f"{offered.name} asked by SDP, {security.name} answered")
        if not self._plug.linked:
            self._plug.tolerated("Q-17", "SDP before the station's modem reports the link")
        log.debug("outlet %s: SDP from %s: %s asked, %s answered", self._name, source, offered.name, security.name)
        return security, self._tcp.port

    def _foreign(self, source: str, address: str) -> None:
        """Report another SECC that answers on this line. Usually only the car gets such an answer: a
        modem hands on what is for its own station. (A-NET-01)
        """
        if self._loop.time() < self._foreign_at + FOREIGN_SECONDS:
            return
        self._foreign_at = self._loop.time()
        log.warning("outlet %s: another SECC, %s, answers SDP on this line; it names %s", self._name, source, address)
        self._publish("foreign SDP answer", source=source, address=address)

    def _accepted(self, sock: socket.socket, peer: str) -> None:
        connection = self._admit(peer)
        if connection is None:
            # A reset, not an orderly close: there is nothing to say.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            return
        self._begin(self._connect(connection, sock))
        if self._place is not None and self.has_neighbours:
            self._begin(self._hold(self._place.index, IPv6Address(peer.partition("%")[0])))

    @property
    def has_neighbours(self) -> bool:
        """Whether cars are on a line with others; not on the loopback."""
        return self._place is not None and not self._place.loopback

    def connection_over(self) -> None:
        """Learn anew where the car is on the line. An entry that was false from the start must not
        keep the car out for longer than the connection lasted.
        """
        self._begin(self._release())

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, index: int, address: IPv6Address) -> None:
        """Hold the neighbour entry of the car that has connected. (A-NET-05)"""
        matched = self._matched()
        async with self._holding:
            await self._let_go()
            try:
                mac = await asyncio.to_thread(neighbours.hold, index, address, matched)
                if mac is not None and matched not in (None, mac):
                    log.warning("outlet %s: the connected device is not the car that was matched", self._name)
                elif mac is not None:
                    self._neighbour = index, address
            except OSError as error:
                log.debug("outlet %s: the car's neighbour entry is not held: %s", self._name, error)

    async def _release(self) -> None:
        async with self._holding:
            await self._let_go()

    async def _let_go(self) -> None:
        held, self._neighbour = self._neighbour, None
        if held is not None:
            try:
                await asyncio.to_thread(neighbours.release, *held)
            except OSError as error:
                log.warning("outlet %s: the car's neighbour entry is not released: %s", self._name, error)

    async def _connect(self, connection: V2gConnection, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock)
        except OSError as error:
            log.info("outlet %s: the connection was closed before it was accepted: %s", self._name, error)
            connection.connection_lost(None)

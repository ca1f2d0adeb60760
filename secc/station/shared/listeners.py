"""The sockets that a car finds: SDP over UDP, and the TCP port that the SDP answer names."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from secc.errors import FramingError
from secc.link import sdp
from secc.ops.network import Place, sdp_socket, tcp_socket

log = logging.getLogger(__name__)

_FRAGMENT_SPACE = socket.CMSG_SPACE(4)
"""For the one ancillary message that is asked for: that a datagram came in fragments."""

_DATAGRAMS_A_TURN = 64
"""Datagrams read in one turn of the loop, so that a flood costs no more than its share. [A-NET-02]
"""


class _Listener:
    """A socket of the event loop. ``ready`` is called when there is something to read or accept."""

    def __init__(self, sock: socket.socket, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._loop.add_reader(sock, ready)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        """Stop reading or accepting; existing TCP connections go on."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()


class SdpListener(_Listener):
    """Answers SECC discovery requests for which ``answer`` returns security and TCP port. ``foreign``
    is called for an answer of another SECC, with its source and with the address that it names.
    """

    def __init__(
        self,
        place: Place,
        port: int,
        answer: Callable[[sdp.Security, str], tuple[sdp.Security, int] | None],
        foreign: Callable[[str, str], None] = lambda source, address: None,
    ) -> None:
        self._place = place
        self._answer = answer
        self._foreign = foreign
        self._rate = sdp.RateLimit()
        super().__init__(sdp_socket(place, port), self._readable)

    def _readable(self) -> None:
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                datagram, fragmented, _, source = self._socket.recvmsg(64, _FRAGMENT_SPACE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                log.warning("%s: SDP socket: %s", self._place.interface, error)
                return
            if not fragmented:  # Ten octets: nothing that is sound cuts them. (A-NET-10)
                self._request(datagram, source)

    def _request(self, datagram: bytes, source: tuple[str, int, int, int]) -> None:
        host = source[0]
        if not sdp.answerable(host) or not self._rate.admit(host, self._loop.time()):
            return
        try:
            request = sdp.parse_request(datagram)
        except FramingError as error:
            log.debug("%s: not an SDP request: %s", self._place.interface, error)
            self._hear_foreign(datagram, host)
            return
        answer = self._answer(request.security, host)
        if answer is None:
            return
        security, port = answer
        try:
            self._socket.sendto(sdp.build_response(self._place.address, port, security), source)
        except OSError as error:
            log.warning("%s: SDP answer: %s", self._place.interface, error)

    def _hear_foreign(self, datagram: bytes, host: str) -> None:
        """Report an answer: this station sends its own to cars only. (A-NET-01)"""
        with contextlib.suppress(FramingError):
            self._foreign(host, str(sdp.parse_response(datagram).address))


class TcpListener(_Listener):
    """A listening socket. ``accepted`` gets each new socket and its peer's address, and connects or
    closes it.
    """

    def __init__(self, place: Place, port: int, accepted: Callable[[socket.socket, str], None]) -> None:
        self._accepted = accepted
        super().__init__(tcp_socket(place, port), self._acceptable)

    def _acceptable(self) -> None:
        try:
            sock, peer = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Most likely out of descriptors: a later connection may succeed, and the loop must not
            # spin on this one.
            log.error("accepting a connection: %s", error)
            self._loop.remove_reader(self._socket)
            self._loop.call_later(1.0, self._resume)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted(sock, peer[0])

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._acceptable)

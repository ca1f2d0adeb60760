"""Common part of Linux raw sockets: reads a bounded number of frames in a turn of the event loop,
and raises errors that a person can act on.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Mapping
from typing import Final

from hal.errors import HalError, HalLost, HalTimeout
from hal.linux.errors import InterfaceDown, NoInterface, NoPermission

FRAMES_AT_A_TIME: Final = 64
"""Most frames that are read in one turn of the event loop."""

Texts = Mapping[type[HalError], str]
"""The text of each error, with ``{interface}`` and ``{error}`` in it."""

_KINDS: Final[dict[int | None, type[HalError]]] = {
    errno.EPERM: NoPermission,
    errno.EACCES: NoPermission,
    errno.ENODEV: NoInterface,
    errno.ENXIO: NoInterface,
    errno.ENETDOWN: InterfaceDown,
    errno.ENOBUFS: HalTimeout,
    errno.EAGAIN: HalTimeout,
}


def describe(error: OSError, interface: str, texts: Texts) -> HalError:
    """Returns the error that a person can act on."""
    kind = _KINDS.get(error.errno, HalLost)
    return kind(texts.get(kind, "{interface}: {error}").format(interface=interface, error=error))


class FrameSocket(abc.ABC):
    """An open socket on one interface. ``on_lost`` is called when no frames come for now. For the
    thread of a running event loop.
    """

    def __init__(self, opened: socket.socket, interface: str, texts: Texts) -> None:
        self.on_lost: Callable[[HalLost], None] = lambda error: None
        self.interface = interface
        self._texts = texts
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = opened
        opened.setblocking(False)
        self._loop.add_reader(opened.fileno(), self._read)

    @property
    def usable(self) -> bool:
        """False once the socket is closed and has to be opened anew."""
        return self._socket is not None

    def _send(self, octets: bytes) -> None:
        if self._socket is None:
            raise HalLost(f"{self.interface} is closed")
        try:
            self._socket.send(octets)
        except OSError as error:
            raise describe(error, self.interface, self._texts) from error

    def close(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None:
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(opened.fileno())
            opened.close()

    @abc.abstractmethod
    def _take(self, opened: socket.socket) -> None:
        """Read one frame and pass it on. OSError as the socket raises it."""

    def _read(self) -> None:
        for _ in range(FRAMES_AT_A_TIME):
            if self._socket is None:
                return
            try:
                self._take(self._socket)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(describe(error, self.interface, self._texts))
                return

    def _lose(self, error: HalError) -> None:
        # After InterfaceDown the socket receives again as soon as the interface is up.
        if not isinstance(error, InterfaceDown):
            self.close()
        self.on_lost(error if isinstance(error, HalLost) else HalLost(str(error)))

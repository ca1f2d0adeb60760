"""systemd: ready, stopping and the watchdog, by the datagrams of sd_notify(3). Does nothing without
systemd.
"""

from __future__ import annotations

import logging
import math
import os
import socket

log = logging.getLogger(__name__)


class Notifier:
    """Tells the service manager the state of the station. ``environment`` has ``NOTIFY_SOCKET`` and
    ``WATCHDOG_USEC``.
    """

    def __init__(self, environment: dict[str, str] | os._Environ[str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        microseconds = environment.get("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0
        """The manager ends the service this long after the last ``beat``; 0: it does not watch."""
        self.next_beat = 0.0 if self.watchdog_seconds else math.inf
        """When the manager needs the next beat, monotonic seconds."""

    def ready(self, status: str) -> None:
        self._say(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        self._say(f"STATUS={text}")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def beat(self, now: float) -> None:
        """Tell the manager that the station works: four times in the time of the watchdog, and no
        more, however often this is called.
        """
        if now >= self.next_beat:
            self.next_beat = now + self.watchdog_seconds / 4
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            log.warning("the service manager cannot be reached: %s", error)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

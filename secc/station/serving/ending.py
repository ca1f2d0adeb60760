"""What comes after the end of a session on its connection: a car that talks on, or does not close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secc.errors import FramingError
from secc.link.tls.errors import TlsError
from secc.link.tls.hello import APPLICATION_RECORD
from secc.session.events import StreamBroken

LINGER_SECONDS: Final = 3.0
"""How long the station waits for the car to close; the test suites allow five. [V2G2-539]"""


class Ending:
    """The end of one connection. ``tolerated`` is called with code and text of a field quirk."""

    def __init__(self, tolerated: Callable[[str, str], None], *, secure: bool, well: bool) -> None:
        self._tolerated = tolerated
        self._secure, self._well = secure, well
        self._talked_on = False

    def heard(self, data: bytes) -> None:
        """The car sends more, and is not answered. (Q-40)"""
        # On TLS the alert that says goodbye is not a message.
        if not self._talked_on and (not self._secure or data[0] == APPLICATION_RECORD):
            self._talked_on = True
            self._tolerated("Q-40", "a message after the end")

    def outlasted(self) -> None:
        """The car has not closed in time. (Q-19)"""
        if self._well:
            self._tolerated("Q-19", f"the car has not closed within {LINGER_SECONDS:g} s of the end")


def broken_by(error: FramingError) -> StreamBroken:
    """Returns the end of a session whose octets are not what they should be."""
    if isinstance(error, TlsError):
        return StreamBroken("tls", str(error), error.flaw)
    return StreamBroken("v2gtp", str(error))

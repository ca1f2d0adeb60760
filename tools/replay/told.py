"""What a recording tells of calendar and random numbers, whatever its protocol, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from secc.conversation import Received

from .exchanges import Exchange

EARLIEST: Final = datetime(2013, 1, 1, tzinfo=UTC)
"""A date before these protocols is none: some stations say 0, or the seconds since they started."""

UNKNOWN_DATE: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Where nothing in the recording has a date."""

AS_RECORDED: Final = "as the recorded station decided"


def stamped(exchanges: Sequence[Exchange], name: str) -> datetime | None:
    """Returns the first date in this field of an answer, in seconds since 1970."""
    for exchange in exchanges:
        stamp = getattr(exchange.body, name, None)
        try:
            found = EARLIEST if stamp is None else datetime.fromtimestamp(stamp, UTC)
        except (OverflowError, ValueError, OSError):
            continue
        if found > EARLIEST:
            return found
    return None


class Told:
    """The random numbers of a recording, of which ``drawn`` finds one in an exchange, and the
    SessionID of its requests.
    """

    def __init__(self, exchanges: Sequence[Exchange], drawn: Callable[[Exchange], bytes]) -> None:
        self.exchanged: list[str] = []
        """What does not come from the recording, in the words of the report."""
        self._exchanges, self._recorded = exchanges, drawn
        setups = (each for each in exchanges if each.name == "SessionSetupReq" and each.header is not None)
        self._given = {each.header.session_id for each in setups}
        """The SessionIDs that the recorded station gave, so that the car rightly uses them."""
        self._drawn: set[int] = set()
        self._own = 0
        """How many random numbers are not of the recording."""

    def say(self, text: str) -> None:
        if text not in self.exchanged:
            self.exchanged.append(text)

    def draw(self, number: int, count: int) -> bytes:
        """Returns the random octets that the recorded station had drawn, or others."""
        exchange = self._exchanges[number]
        drawn = self._recorded(exchange)
        if len(drawn) == count and number not in self._drawn:
            self._drawn.add(number)
            return drawn
        self.say(f"random numbers: {exchange.name} takes others than the recorded answer has")
        self._own += 1
        return self._own.to_bytes(count, "big")

    def addressed(self, number: int, received: Received, header: Any) -> Received:
        """Returns the request with the SessionID of ``header``, that of today's last answer."""
        ours = getattr(header, "session_id", None)
        theirs = getattr(received.header, "session_id", None)
        setup = self._exchanges[number].name == "SessionSetupReq"
        if ours is None or ours == theirs or theirs not in self._given or setup:
            return received
        self.say("SessionID of the car's requests: today's station gave another one than the recorded station")
        return replace(received, header=replace(received.header, session_id=ours))

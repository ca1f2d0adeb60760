"""Wrong answers of a station, for tests of cars: late, with another code, or never.

Part of ``secc.testing``. The station is the real one and stays safe; only its messages to the car
are changed.
"""

from __future__ import annotations

import asyncio
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, get_type_hints

from secc.conversation import Effect, Received, Send

if TYPE_CHECKING:
    from secc.station.serving.connection import V2gConnection
    from secc.station.serving.outlet import OutletHost
    from secc.station.serving.router import Seat

FAREWELL_SECONDS = 5.0
"""After an answer with FAILED the car closes; otherwise the station does. [V2G2-539]"""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a session: ``body`` is the decoded message, ``at`` seconds of the loop's
    clock.
    """

    at: float
    direction: str
    """``received`` (from the car) or ``sent``."""
    name: str
    body: Any
    octets: bytes
    """The EXI stream, without its V2GTP header."""


@dataclass(slots=True)
class Fault:
    """What to change in an answer: see ``secc.testing.StationUnderTest.misbehave``. Raises
    ValueError for an impossible change.
    """

    answer: str
    _: KW_ONLY
    late: float = 0.0
    code: str | None = None
    cut: bool = False
    skip: int = 0
    times: int = 1

    def __post_init__(self) -> None:
        _check(self.answer, self.code)
        if not (self.late > 0.0 or self.code is not None or self.cut):
            raise ValueError("say what is to go wrong: late=, code= or cut=")

    def meets(self, name: str) -> bool:
        """Whether to change this answer. Counts."""
        if name != self.answer or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Tap:
    """Between the sessions of one outlet and their sockets: records messages, and changes answers."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._faults: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        """May be called from any thread."""
        self._faults.append(fault)

    def listen(self, outlet: OutletHost) -> None:
        """Begin; call it before the outlet is opened."""
        sessions = outlet.sessions
        saw, sent, admit = sessions.saw, sessions.sent, outlet.sockets._admit

        def seen(seat: Seat, now: float, event: object, effects: tuple[Effect, ...]) -> None:
            if isinstance(event, Received):
                self._note(now, "received", event.message, event.octets)
            saw(seat, now, event, effects)

        def left(payload_type: int, octets: bytes, message: Any) -> None:
            self._note(asyncio.get_running_loop().time(), "sent", message, octets)
            sent(payload_type, octets, message)

        def admitted(peer: str) -> V2gConnection | None:
            connection = admit(peer)
            if connection is not None:
                self._stand_between(connection)
            return connection

        sessions.saw, sessions.sent = seen, left
        outlet.sockets._admit = admitted

    def _note(self, at: float, direction: str, body: Any, octets: bytes) -> None:
        self.messages.append(Message(at, direction, type(body).__name__, body, octets))

    def _stand_between(self, connection: V2gConnection) -> None:
        send = connection._send

        def between(answer: Send) -> None:
            fault = self._met(answer)
            if fault is None:
                send(answer)
                return
            wrong = answer if fault.code is None else replace(answer, message=_saying(answer.message, fault.code))
            loop = asyncio.get_running_loop()

            def go() -> None:
                if fault.cut:
                    connection.abort()
                elif connection._transport is not None:
                    send(wrong)
                    if fault.code is not None and fault.code.startswith("FAILED"):
                        loop.call_later(FAREWELL_SECONDS, connection.abort)

            if fault.late > 0.0:
                loop.call_later(fault.late, go)
            elif fault.cut:
                # Not within the step that says it.
                loop.call_soon(go)
            else:
                go()

        connection._send = between  # type: ignore[method-assign, assignment]  # its seats are made later

    def _met(self, effect: Send) -> Fault | None:
        name = type(effect.message).__name__
        return next((fault for fault in list(self._faults) if fault.meets(name)), None)


def _check(answer: str, code: str | None) -> None:
    from secc.protocols import protocols
    from secc.session.supported_app_protocol import SupportedAppProtocolRes

    known = [SupportedAppProtocolRes, *(cls for protocol in protocols() for cls in protocol.load().responses)]
    kinds = [get_type_hints(cls)["response_code"] for cls in known if cls.__name__ == answer]
    if not kinds:
        raise ValueError(f"{answer!r} is not an answer of a station, such as CurrentDemandRes")
    codes = {one.value for kind in kinds for one in kind}
    if code is not None and code not in codes:
        raise ValueError(f"{answer} has no code {code!r}; there are: {', '.join(sorted(codes))}")


def _saying(message: Any, code: str) -> Any:
    return replace(message, response_code=type(message.response_code)(code))

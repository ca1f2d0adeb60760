"""What a connection needs of its outlet."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, Protocol

from secc.conversation import Effect, Reason
from secc.link.tls.chain import Handshaken
from secc.link.tls.report import TlsReport
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import V2gProtocol
from secc.station.serving.router import Router, Seat
from secc.station.shared.loading import Protocols
from secc.station.shared.pace import Pace


class Host(Protocol):
    """What a connection needs of its outlet."""

    name: str
    router: Router
    executor: Executor
    """The outlet's own threads, for private keys."""
    work: Executor
    """The process's thread for Python work."""
    pace: Pace
    answer_seconds: float
    """The least time from a request to its answer."""
    protocols: Protocols

    @property
    def spoken(self) -> tuple[V2gProtocol, ...]:
        """The protocols that the outlet speaks now."""

    def surroundings(self) -> Surroundings: ...
    def secured(self, handshaken: Handshaken) -> None:
        """The handshake of TLS is done."""

    def begin(self, protocol: V2gProtocol, *, secure: bool) -> Offer:
        """Begin a session of this protocol. Returns its offer."""

    def saw(self, seat: Seat, now: float, event: object, effects: tuple[Effect, ...]) -> None:
        """A step of the session, for the trace."""

    def sent(self, payload_type: int, octets: bytes, message: Any) -> None:
        """The station has sent a message; for the trace."""

    def tolerated(self, code: str, text: str) -> None:
        """The connection has tolerated a field quirk."""

    def gone(self, connection: object) -> None:
        """The socket of this connection is closed."""

    def ended(self, reason: Reason, report: TlsReport | None, *, silent: bool) -> None:
        """The session, or the attempt at one, is over; called once. ``report``: how far TLS came;
        ``silent``: the car has not sent a single octet.
        """

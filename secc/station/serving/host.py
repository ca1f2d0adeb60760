"""What a connection needs of the outlet that it belongs to."""

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
    """What a connection needs of the outlet that it belongs to."""

    name: str
    router: Router
    executor: Executor
    """The outlet's own threads, for what waits for a key or a disk."""
    work: Executor
    """The process's thread for Python work."""
    pace: Pace
    protocols: Protocols

    def surroundings(self) -> Surroundings: ...
    def secured(self, handshaken: Handshaken) -> None:
        """TLS is up."""

    def begin(self, protocol: V2gProtocol, *, secure: bool) -> Offer:
        """A session of this protocol begins now: what is it offered?"""

    def saw(self, seat: Seat, now: float, event: object, effects: tuple[Effect, ...]) -> None:
        """A step of the session, for the trace."""

    def sent(self, payload_type: int, octets: bytes, message: Any) -> None:
        """A message of ours has left, for the trace."""

    def ended(self, reason: Reason, report: TlsReport | None, *, silent: bool) -> None:
        """The session, or the attempt at one, is over. Comes exactly once. ``report``: how far TLS came; ``silent``: not one octet has come."""

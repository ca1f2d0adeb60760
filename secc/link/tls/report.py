"""How far TLS came with a car, for logs and the record of its session: its offer, the chain it saw,
the messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from frozen import dataclass
from secc.link.tls.chain import Chain, ChainChoice, Handshaken
from secc.link.tls.hello import ClientHello


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the handshake, or an alert, by its name."""

    ours: bool
    name: str
    alert: bool = False


@dataclass(frozen=True, slots=True)
class TlsReport:
    """Report of one connection, also of one that failed. The car has seen ``chain`` if
    ``certificate_sent``.
    """

    hello: ClientHello | None = None
    """None: it was not complete, or could not be read."""
    chain: Chain | None = None
    choice: ChainChoice = ChainChoice.NOT_ASKED
    handshaken: Handshaken | None = None
    """None: the handshake was not completed."""
    steps: tuple[Step, ...] = ()

    @property
    def certificate_sent(self) -> bool:
        return any(step.ours and step.name == "Certificate" for step in self.steps)


def place(steps: Sequence[Step]) -> str:
    """Where a handshake stands: ``after our ServerHello, Certificate``, ``after the car's
    Finished``.
    """
    messages = [step for step in steps if not step.alert]
    if not messages:
        return "before the ClientHello"
    if not messages[-1].ours:
        return f"after the car's {messages[-1].name}"
    flight: list[str] = []
    for step in reversed(messages):
        if not step.ours:
            break
        flight.append(step.name)
    return f"after our {', '.join(reversed(flight))}"


def only_greeted(steps: Sequence[Step]) -> bool:
    """Whether the car has sent its ClientHello and nothing since."""
    return [step.name for step in steps if not step.ours and not step.alert] == ["ClientHello"]

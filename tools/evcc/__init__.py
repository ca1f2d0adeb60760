"""A simulated car: the mirror conversations of the station's, on the same core.

``conversation`` is one ISO 15118-2 session from SupportedAppProtocol to SessionStop, as the car speaks it; it knows no socket and no clock.
``Dialogue`` joins it with the codec, ``flaws`` bends what it says by name, ``secc evcc`` runs it against a station.
"""

from __future__ import annotations

from collections.abc import Sequence

from .battery import Battery
from .behaviour import Behaviour, Current, Payment
from .dialogue import Dialogue, drive_in
from .vocabulary import Announce, Ended, MoveRelays, SetLoad, SetPilot, SpeakProtocol
from .wallet import Wallet


def main(argv: Sequence[str] | None = None) -> int:
    """The program, as ``secc evcc`` starts it."""
    from .__main__ import main as run

    return run(argv)


__all__ = [
    "Announce",
    "Battery",
    "Behaviour",
    "Current",
    "Dialogue",
    "Ended",
    "MoveRelays",
    "Payment",
    "SetLoad",
    "SetPilot",
    "SpeakProtocol",
    "Wallet",
    "drive_in",
    "main",
]

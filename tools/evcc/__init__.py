"""A simulated car: the counterpart of the station's conversations, on the same core.

``conversation`` is one session of the car, from SupportedAppProtocol to SessionStop, without
sockets or clock. Each protocol has a folder with its conversation, its words, and its flaws, which
change what the car sends, by name. ``Dialogue`` adds the codec, ``secc evcc`` runs it against a
station.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program ``secc evcc``."""
    from .__main__ import main as run

    return run(argv)

"""A simulated car: the counterpart of the station's conversations, on the same core.

``conversation`` is one ISO 15118-2 session of the car, from SupportedAppProtocol to SessionStop,
without sockets or clock. ``Dialogue`` adds the codec, ``flaws`` changes what the car sends, by
name, ``secc evcc`` runs it against a station.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program ``secc evcc``."""
    from .__main__ import main as run

    return run(argv)

"""A power line in one process: what one modem sends the others hear, a little later, if nothing drowns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hal.linux.mme import BROADCAST, parse
from hal.sim.clock import Clock

if TYPE_CHECKING:
    from hal.sim.modem import SimModem

LATENCY_SECONDS: Final = 0.0005
JOIN_SECONDS: Final = 0.8
"""A modem restarts with a new key; the quick ones are back after this."""
MNBC_SOUND: Final = 0x6076


class Medium:
    """One piece of cable, or several that hear each other.

    ``attenuation``: dB between any two modems. ``noisy``: nothing gets through (Brokenwire). ``sounds_to_lose``: so many of the next sounds are
    lost.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        attenuation: int = 12,
        latency: float = LATENCY_SECONDS,
        join_seconds: float = JOIN_SECONDS,
    ) -> None:
        self.clock = clock
        self.attenuation = attenuation
        self.latency = latency
        self.join_seconds = join_seconds
        self.noisy = False
        self.sounds_to_lose = 0
        self.carried = 0
        """Frames that went onto the line."""
        self._modems: list[SimModem] = []

    def attach(self, modem: SimModem) -> None:
        self._modems.append(modem)

    def detach(self, modem: SimModem) -> None:
        self._modems = [each for each in self._modems if each is not modem]

    def carry(self, sender: SimModem, frame: bytes) -> None:
        """From one host to the hosts behind the other modems."""
        self.carried += 1
        parsed = parse(frame)
        if parsed is None or self.noisy:
            return
        if parsed.mmtype == MNBC_SOUND and self.sounds_to_lose > 0:
            self.sounds_to_lose -= 1
            return
        at = self.clock.now() + self.latency
        for modem in self._modems:
            if modem is not sender and parsed.destination in (modem.mac, BROADCAST):
                self.clock.call_at(at, lambda modem=modem: modem.hear(frame, sender))  # type: ignore[misc]  # a default binds the loop's value

    def joined(self, modem: SimModem) -> bool:
        """Whether another modem is in the same network by now."""
        now = self.clock.now()
        ready = [each for each in self._modems if each.alive and each.key is not None and now >= each.joins_at]
        return not self.noisy and modem in ready and any(each is not modem and each.key == modem.key for each in ready)

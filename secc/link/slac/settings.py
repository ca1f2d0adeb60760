"""How one outlet matches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from secc.errors import ConfigError
from secc.link.slac import timing


class Validation(Enum):
    """What a car is told that wants to prove its cable by toggling the pilot (CM_VALIDATE)."""

    NOT_REQUIRED = "not required"
    """There is one cable to this modem."""
    UNSUPPORTED = "unsupported"
    OFFERED = "offered"
    """Toggles are counted. Needs a pilot whose every edge is reported."""


@dataclass(frozen=True, slots=True)
class SlacSettings:
    """What a vendor or an installer decides about matching. Raises ConfigError for what cannot be.

    ``evse_mac``: address of our interface (EVSE_MAC). ``strict``: no tolerance of what cars do against the letter. ``init_seconds``:
    TT_EVSE_SLAC_init. ``assumed_attenuation``: dB in each group where the modem measures none. ``attenuation_offset``: dB between plug and
    modem, subtracted from what is measured. ``amplitude_map``: what the car is asked to keep to, 0..15 for each of 917 carriers, or nothing.
    """

    evse_mac: bytes
    strict: bool = False
    init_seconds: float = timing.TT_EVSE_SLAC_INIT.seconds
    validation: Validation = Validation.NOT_REQUIRED
    assumed_attenuation: int = 20
    attenuation_offset: int = 0
    amplitude_map: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        low, high = timing.SLAC_INIT_RANGE if self.strict else timing.SLAC_INIT_TOLERATED
        if not low <= self.init_seconds <= high:
            raise ConfigError("slac.init_seconds", f"has to be {low:g} to {high:g} s, not {self.init_seconds:g}")
        if len(self.evse_mac) != 6 or self.evse_mac[0] & 1:
            raise ConfigError("slac.evse_mac", "has to be the address of one interface")
        if not 1 <= self.assumed_attenuation <= 127:
            raise ConfigError("slac.assumed_attenuation", f"has to be 1 to 127 dB, not {self.assumed_attenuation}")
        if not 0 <= self.attenuation_offset <= 127:
            raise ConfigError("slac.attenuation_offset", f"has to be 0 to 127 dB, not {self.attenuation_offset}")
        if self.amplitude_map and len(self.amplitude_map) != timing.CARRIERS:
            raise ConfigError("slac.amplitude_map", f"has to have {timing.CARRIERS} entries")
        if any(not 0 <= level <= 15 for level in self.amplitude_map):
            raise ConfigError("slac.amplitude_map", "entries are 0 to 15")

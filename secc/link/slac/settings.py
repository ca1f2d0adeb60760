"""Settings of matching at one outlet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from secc.errors import ConfigError
from secc.link.slac import timing


class Validation(Enum):
    """The answer to a car that asks to prove its cable by toggling the pilot (CM_VALIDATE)."""

    NOT_REQUIRED = "not required"
    """One cable to this modem."""
    UNSUPPORTED = "unsupported"
    OFFERED = "offered"
    """Toggles are counted. Needs a board that reports every edge of the pilot."""


@dataclass(frozen=True, slots=True)
class SlacSettings:
    """Settings of vendor and installer. Raises ConfigError for invalid values.

    ``evse_mac``: address of the station's interface (EVSE_MAC). ``strict``: tolerate no deviation
    of cars from the standard. ``init_seconds``: TT_EVSE_SLAC_init. ``assumed_attenuation``: dB in
    each group if the modem measures none. ``attenuation_offset``: dB between plug and modem,
    subtracted from the measurement. ``amplitude_map``: limits for the car, 0..15 for each of 917
    carriers, or empty.
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

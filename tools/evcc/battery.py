"""The battery of the car: charge in, voltage out; a model, or readings from a simulated world."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sensed:
    """Readings of a battery in the simulated world; ``stored_watt_hours`` came in since the car
    plugged in.
    """

    volts: float
    stored_watt_hours: float


@dataclass(slots=True)
class Battery:
    """A battery whose open-circuit voltage rises linearly with its state of charge, 0 to 1.

    With ``sensed`` set, voltage and energy are the world's, and ``take`` adds nothing: the world
    counts what flows.
    """

    capacity_watt_hours: float = 60_000.0
    state_of_charge: float = 0.35
    empty_volts: float = 320.0
    full_volts: float = 420.0
    maximum_amperes: float = 150.0
    maximum_watts: float = 60_000.0
    taken_watt_hours: float = 0.0
    sensed: Sensed | None = None

    @property
    def volts(self) -> float:
        """Volts at its terminals."""
        if self.sensed is not None:
            return self.sensed.volts
        return self.empty_volts + (self.full_volts - self.empty_volts) * self.state_of_charge

    @property
    def delivered(self) -> float:
        """Watt hours that came in since the car plugged in."""
        return self.taken_watt_hours if self.sensed is None else self.sensed.stored_watt_hours

    @property
    def percent(self) -> int:
        """The state of charge as the messages carry it, 0 to 100."""
        return max(0, min(100, int(self.state_of_charge * 100.0)))

    def room(self, up_to: float) -> float:
        """Watt hours up to this state of charge."""
        return max(0.0, (up_to - self.state_of_charge) * self.capacity_watt_hours)

    def take(self, watts: float, seconds: float) -> None:
        """Add this power for this time; a full battery takes no more."""
        if self.sensed is not None:
            return
        energy = min(max(0.0, watts) * max(0.0, seconds) / 3600.0, self.room(1.0))
        self.taken_watt_hours += energy
        self.state_of_charge += energy / self.capacity_watt_hours

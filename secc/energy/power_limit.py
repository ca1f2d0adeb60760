"""The power limit of a path: that of grid or operator, and the schedule that the car has chosen."""

from __future__ import annotations


class PowerLimit:
    """Watts that the path may deliver; None: no limit but that of the hardware."""

    def __init__(self, watts: float | None) -> None:
        self.watts = watts
        """The limit of grid or operator, as it was told."""
        self.steps: tuple[tuple[float, float], ...] = ()
        """The steps of the schedule, each a moment and the watts from then on; empty without one."""

    def at(self, now: float) -> float | None:
        """Returns the limit now."""
        step: float | None = None
        for moment, watts in self.steps:
            if step is not None and moment > now:
                break
            # Before the first moment its watts count.
            step = watts
        if step is None or self.watts is None:
            return self.watts if step is None else step
        # "not >=" so that a limit that is not a number counts.
        return self.watts if not self.watts >= step else step

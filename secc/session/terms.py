"""Limits of the flow between outlet and car: by the offer, by what was agreed, and by the limit
now.
"""

from __future__ import annotations

from functools import cached_property

from secc.session.offer import AcLimits, DcLimits, Offer, Transfer
from secc.session.wishes import Wishes


class Terms:
    """The terms of one session. ``wishes`` has the limit that holds now."""

    def __init__(self, offer: Offer, wishes: Wishes) -> None:
        self.offer = offer
        self._wishes = wishes
        self.transfer: Transfer | None = None
        """The transfer, once agreed."""
        self.lowest_volts = offer.dc.minimum_volts if offer.dc is not None and self.tolerates("Q-50") else 0.0
        """DC: lower targets of a car are raised to this."""
        self.whole_amperes = self.tolerates("Q-56")
        """DC: whether a car may get up to 1 A more than the whole amperes that it asks for."""

    @property
    def is_dc(self) -> bool:
        """Whether this session charges with DC; before a transfer is agreed, whether the outlet
        offers DC only.
        """
        return self.offer.is_dc if self.transfer is None else self.transfer is Transfer.DC

    @cached_property
    def ac(self) -> AcLimits:
        """Limits of an outlet that has AC."""
        assert self.offer.ac is not None
        return self.offer.ac

    @cached_property
    def dc(self) -> DcLimits:
        """Limits of an outlet that has DC."""
        assert self.offer.dc is not None
        return self.offer.dc

    @property
    def maximum_watts(self) -> float:
        """The most that may flow now, by the hardware's limit and the present one. Never negative."""
        return self.limited(self.dc.maximum_watts if self.is_dc else self.ac.watts(self._phases))

    def limited(self, watts: float) -> float:
        """So many watts, within the present limit. Never negative."""
        limit = self._wishes.watts_limit
        return watts if limit is None else max(0.0, min(watts, limit))

    @property
    def maximum_ac_amperes(self) -> float:
        """Amperes a phase, within the present limit."""
        return self.ac_amperes(self.maximum_watts)

    def ac_amperes(self, watts: float) -> float:
        """Amperes a phase for so many watts on all of them, within the limit of the outlet."""
        return self.ac.amperes_within(watts, self._phases)

    def tolerates(self, quirk: str) -> bool:
        """Whether an optional tolerance is switched on."""
        return quirk in self.offer.tolerances and not self.offer.strict

    @property
    def _phases(self) -> int:
        return 1 if self.transfer is Transfer.AC_SINGLE_PHASE else self.ac.phases

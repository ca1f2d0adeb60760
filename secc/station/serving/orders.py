"""What a lab has ordered of one outlet, and the outlet's settings under these orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from secc.config import LabOrders, OutletSettings
from secc.config.spoken import spoken
from secc.errors import ConfigError
from secc.session.protocol import V2gProtocol
from secc.session.schedules import ChargingSchedule, ChargingSchedules, PowerSpan, Tariff, TariffEntry

HOUR: Final = 3600
PRICES: Final = ((0, 2), (HOUR, 1), (8 * HOUR, 3))
"""The price levels of a lab: a start in seconds, and the level from then on."""
WHOLE_LIMIT: Final = ChargingSchedule(1, (PowerSpan(0, 1e7),))
"""All that the limit of the station allows."""


class Orders:
    """``now`` has the orders, ``settings`` what the outlet offers under them, ``spoken`` the protocols
    in which it does, ``services`` the operator's own services, for every session. Only the
    configuration and ``secc control lab`` change orders.
    """

    def __init__(
        self,
        settings: OutletSettings,
        orders: LabOrders,
        *,
        protocols: tuple[V2gProtocol, ...] = (),
        receipts: bool = False,
    ) -> None:
        """``protocols``: those of the station. ``receipts``: whether there is a file for metering
        receipts.
        """
        self._configured, self._protocols, self._receipts = settings, protocols, receipts
        self.services: Final = tuple(service.offered() for service in settings.services)
        self._take(orders)

    def order(self, key: str, value: object) -> None:
        """Take an order; None takes it back. Raises ConfigError, and nothing changes, for one that
        is not known, or asks for more than the settings allow.
        """
        orders = self.now.ordered(key, value)
        if orders.receipts and not self._receipts:
            raise ConfigError("receipts", "needs uplink.receipts, a file for them")
        self._take(orders)

    def _take(self, orders: LabOrders) -> None:
        settings = orders.within(self._configured)
        self.now, self.settings, self.spoken = orders, settings, spoken(settings, self._protocols)


def with_tariffs(found: ChargingSchedules | None) -> ChargingSchedules:
    """Returns the backend's schedules, or one up to the limit, each with a made-up tariff."""
    schedules = (WHOLE_LIMIT,) if found is None else found.schedules
    entries = tuple(TariffEntry(start, level) for start, level in PRICES)
    return ChargingSchedules(
        tuple(
            replace(one, tariff=Tariff(one.id, entries, "lab", max(level for _, level in PRICES))) for one in schedules
        )
    )

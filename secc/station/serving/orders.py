"""What a lab has ordered of one outlet, and the outlet's settings under these orders."""

from __future__ import annotations

from secc.config import LabOrders, OutletSettings


class Orders:
    """``now`` has the orders, ``settings`` what the outlet offers under them. Only the configuration
    and ``secc control lab`` change them.
    """

    def __init__(self, settings: OutletSettings, orders: LabOrders) -> None:
        self._configured = settings
        self.now = orders
        self.settings = orders.within(settings)

    def order(self, key: str, value: object) -> None:
        """Take an order; None takes it back. Raises ConfigError, and nothing changes, for one that
        is not known, or asks for more than the settings allow.
        """
        orders = self.now.ordered(key, value)
        self.now, self.settings = orders, orders.within(self._configured)

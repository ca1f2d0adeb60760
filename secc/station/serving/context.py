"""What the parts of one outlet share: each part is made from one value."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from secc.config import OutletSettings
from secc.station.serving.hardware import Hardware
from secc.station.serving.orders import Orders
from secc.station.serving.router import Router
from secc.station.shared.services import Services

log = logging.getLogger(__name__)


class Outlet:
    """Settings, router and board of one outlet, and the services of the station. All calls from the
    event loop's thread.
    """

    def __init__(self, settings: OutletSettings, services: Services) -> None:
        self.name = settings.name
        self.settings = settings
        self.services = services
        self.orders = Orders(
            settings,
            services.config.lab.orders,
            protocols=services.protocols.spoken,
            receipts=services.config.uplink.receipts is not None,
        )
        self.router = Router(f"outlet {settings.name}", levels=lambda: self.hardware.levels())
        self.hardware = Hardware(settings, services, self.router, self.publish)
        self.loop = asyncio.get_running_loop()

    def publish(self, event: str, **facts: Any) -> None:
        """Send an event to the clients of the control socket. A bug there does not stop the caller."""
        try:
            self.services.publish({"event": event, "outlet": self.name, "t": round(self.loop.time(), 3), **facts})
        except Exception:
            log.exception("outlet %s: %s could not be published", self.name, event)


class Part:
    """A part of an outlet. It lives as long as the outlet."""

    def __init__(self, outlet: Outlet) -> None:
        self._name, self._settings, self._services = outlet.settings.name, outlet.settings, outlet.services
        self._config = outlet.services.config
        self._router, self._hardware, self._publish = outlet.router, outlet.hardware, outlet.publish
        self._orders = outlet.orders
        self._loop = outlet.loop

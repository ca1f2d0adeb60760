"""Errors of a modem on a network interface, one class for each cause."""

from __future__ import annotations

from hal.errors import HalLost, HalRejected, HalTimeout


class NoInterface(HalLost):
    """An interface of this name and kind does not exist, or no longer exists."""


class InterfaceDown(HalLost):
    """The interface exists and is down, or was removed while in use."""


class NoPermission(HalRejected):
    """This process may not open raw sockets."""


class NoModem(HalTimeout):
    """No HomePlug modem answers on this interface."""

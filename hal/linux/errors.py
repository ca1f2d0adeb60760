"""What can be wrong with a modem on a network interface, each told apart from the others."""

from __future__ import annotations

from hal.errors import HalLost, HalRejected, HalTimeout


class NoInterface(HalLost):
    """There is not, or not any more, an interface of this name and kind."""


class InterfaceDown(HalLost):
    """The interface is there, and down (or it went away while it was in use)."""


class NoPermission(HalRejected):
    """This process may not open raw sockets."""


class NoModem(HalTimeout):
    """Nothing on this interface answers as a HomePlug modem does."""

"""Drivers for what Linux itself has: the power line modem on a network interface, GPIO lines, PWM and ADC."""

from hal.linux.errors import InterfaceDown, NoInterface, NoModem, NoPermission
from hal.linux.modem import LinuxModem, open_modem

__all__ = ["InterfaceDown", "LinuxModem", "NoInterface", "NoModem", "NoPermission", "open_modem"]

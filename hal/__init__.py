"""The hardware of a charging station as protocols, an interlock over them, and the drivers.

Who writes a driver needs :mod:`hal.ports` and ``docs/hal.md``; nothing in here knows ISO 15118.
"""

from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported

__all__ = ["HalError", "HalLost", "HalRejected", "HalTimeout", "HalUnsupported"]

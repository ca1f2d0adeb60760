"""The hardware of a charging station as protocols, an interlock over them, and the drivers.

To write a driver, read :mod:`hal.ports` and ``docs/hal.md``. No module here knows ISO 15118.
"""

from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported

__all__ = ["HalError", "HalLost", "HalRejected", "HalTimeout", "HalUnsupported"]

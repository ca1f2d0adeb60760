"""A serial line to a board, on the event loop.

``pyserial`` opens and configures it; reads and writes then use its file descriptor, without
threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable

from hal.errors import HalError, HalLost, HalRejected, HalUnsupported

NEEDS_PYSERIAL = "serial boards need pyserial, which the extra 'serial' brings: pip install pyserial"

READ_OCTETS = 4096


def describe(path: str, error: OSError) -> HalError:
    """Returns the error that a person can act on."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return HalRejected(f"no permission to open {path}: add the user to the group that owns it (often dialout)")
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return HalLost(f"there is no serial device {path}")
    return HalLost(f"{path}: {error}")


class SerialLine:
    """A tty at 8N1, raw, opened for this process alone.

    ``on_octets`` is called with what was received, ``on_lost`` once the line has failed.
    """

    def __init__(self, path: str, baud: int = 115200) -> None:
        try:
            import serial
        except ImportError as error:
            raise HalUnsupported(NEEDS_PYSERIAL) from error
        self.on_octets: Callable[[bytes], None] = lambda octets: None
        self.on_lost: Callable[[str], None] = lambda text: None
        self._path = path
        self._loop = asyncio.get_running_loop()
        try:
            self._port = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
            self._port.reset_input_buffer()
        except serial.SerialException as error:
            cause = error if error.errno is not None else OSError(errno.EIO, str(error))
            raise describe(path, cause) from error
        except (OSError, ValueError) as error:
            raise describe(path, error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))) from error
        self._fd: int | None = self._port.fileno()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._read)

    def write(self, octets: bytes) -> None:
        """Send now. Raises HalLost when the line is gone, or does not accept all octets."""
        if self._fd is None:
            raise HalLost(f"{self._path} is closed")
        try:
            taken = os.write(self._fd, octets)
        except OSError as error:
            raise HalLost(f"{self._path}: {error}") from error
        if taken != len(octets):
            # The kernel's buffer is full: the line is stuck, and a part of a frame is useless.
            raise HalLost(f"{self._path} does not accept octets")

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            self._loop.remove_reader(fd)
            with contextlib.suppress(OSError):
                self._port.close()

    def _read(self) -> None:
        if self._fd is None:
            return
        try:
            octets = os.read(self._fd, READ_OCTETS)
        except BlockingIOError:
            return
        except OSError as error:
            self.close()
            self.on_lost(f"{self._path}: {error}")
            return
        if octets:
            self.on_octets(octets)
        else:
            self.close()
            self.on_lost(f"{self._path} was hung up")


Connect = Callable[[], SerialLine]
"""Opens the line anew, as often as it is needed. Raises HalError when it cannot be opened."""

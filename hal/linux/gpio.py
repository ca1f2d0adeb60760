"""GPIO lines over the kernel's character device (uAPI version 2), by ``ioctl`` alone.

A line is named ``gpiochip0/17``, or by its name in the device tree (``nSAFETY_RESET``); ``!``
before it: active low.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from frozen import dataclass
from hal.address import Values
from hal.errors import HalError, HalLost, HalRejected

_CHIPINFO: Final = 0x8044B401
_LINEINFO: Final = 0xC100B405
_GET_LINE: Final = 0xC250B407
_GET_VALUES: Final = 0xC010B40E
_SET_VALUES: Final = 0xC010B40F

_ACTIVE_LOW, _INPUT, _OUTPUT, _RISING, _FALLING = 0x2, 0x4, 0x8, 0x10, 0x20
_BIAS: Final = {"": 0, "up": 0x100, "down": 0x200, "none": 0x400}
_OUTPUT_VALUES, _DEBOUNCE = 2, 3
_EVENT_OCTETS: Final = 48
CONSUMER: Final = b"secc"

Ioctl = Callable[[int, int, bytearray], int]


def _ioctl(fd: int, request: int, argument: bytearray) -> int:
    return int(fcntl.ioctl(fd, request, argument))


@dataclass(frozen=True, slots=True)
class LineName:
    """A line, by chip and offset, or by a name to search for (``chip`` is then empty)."""

    chip: str
    offset: int
    name: str
    active_low: bool = False

    def __str__(self) -> str:
        return self.name or f"{self.chip}/{self.offset}"


def line_name(text: str) -> LineName:
    """Parse the name of a line. Raises HalRejected for any other text."""
    bare = text.removeprefix("!")
    low = bare != text
    chip, slash, offset = bare.partition("/")
    if slash and chip.startswith("gpiochip") and chip[8:].isdecimal() and offset.isdecimal() and len(offset) < 6:
        return LineName(chip, int(offset), "", low)
    if not bare or slash or len(bare.encode()) > 31 or not bare.isprintable():
        raise HalRejected(
            f"{text!r} is not a GPIO line: write gpiochip0/17 or the line's name, with ! before it if it is active low"
        )
    return LineName("", 0, bare, low)


def line_of(values: Values, name: str) -> LineName | None:
    """Returns the line that an option or key names; None if it is not given. Raises HalRejected for
    any other text.
    """
    if name not in values:
        return None
    try:
        return line_name(values.text(name))
    except HalRejected as error:
        raise values.wrong(name, f"a GPIO line: {error}") from None


def _describe(where: object, error: OSError) -> HalError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return HalRejected(
            f"no permission for GPIO line {where}: give the user the group of /dev/gpiochip* (often gpio)"
        )
    if error.errno == errno.EBUSY:
        return HalRejected(f"GPIO line {where} is in use by another program or driver")
    return HalLost(f"GPIO line {where}: {error}")


def _request(line: LineName, flags: int, attributes: list[tuple[int, int]], devices: Path, ioctl: Ioctl) -> int:
    """Returns the file descriptor of one requested line."""
    chip, offset = (line.chip, line.offset) if line.chip else _find(line, devices, ioctl)
    try:
        fd = os.open(devices / chip, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _describe(line, error) from error
    try:
        wish = bytearray(592)
        struct.pack_into("=I", wish, 0, offset)
        wish[256 : 256 + len(CONSUMER)] = CONSUMER
        struct.pack_into("=QI", wish, 288, flags | (_ACTIVE_LOW if line.active_low else 0), len(attributes))
        for index, (kind, value) in enumerate(attributes):
            struct.pack_into("=IIQQ", wish, 320 + 24 * index, kind, 0, value, 1)
        struct.pack_into("=I", wish, 560, 1)
        ioctl(fd, _GET_LINE, wish)
        (line_fd,) = struct.unpack_from("=i", wish, 588)
    except OSError as error:
        raise _describe(line, error) from error
    finally:
        os.close(fd)
    return int(line_fd)


def _find(line: LineName, devices: Path, ioctl: Ioctl) -> tuple[str, int]:
    for path in sorted(devices.glob("gpiochip*")):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            about = bytearray(68)
            ioctl(fd, _CHIPINFO, about)
            (count,) = struct.unpack_from("=I", about, 64)
            for offset in range(count):
                info = bytearray(256)
                struct.pack_into("=I", info, 64, offset)
                ioctl(fd, _LINEINFO, info)
                if bytes(info[:32]).rstrip(b"\0") == line.name.encode():
                    return path.name, offset
        except OSError:
            continue
        finally:
            os.close(fd)
    raise HalLost(f"no GPIO line has the name {line.name!r}, or its chip may not be opened; gpioinfo lists the lines")


def _values(fd: int, request: int, value: int, ioctl: Ioctl) -> int:
    argument = bytearray(struct.pack("=QQ", value, 1))
    ioctl(fd, request, argument)
    return int(struct.unpack_from("=Q", argument)[0]) & 1


class OutputLine:
    """An output line; inactive at first."""

    def __init__(self, line: LineName, *, devices: Path = Path("/dev"), ioctl: Ioctl = _ioctl) -> None:
        self._line = line
        self._ioctl = ioctl
        self._fd: int | None = _request(line, _OUTPUT, [(_OUTPUT_VALUES, 0)], devices, ioctl)

    def set(self, active: bool) -> None:
        """Drive the line. Raises HalLost if it is closed or fails."""
        if self._fd is None:
            raise HalLost(f"GPIO line {self._line} is closed")
        try:
            _values(self._fd, _SET_VALUES, int(active), self._ioctl)
        except OSError as error:
            raise _describe(self._line, error) from error

    def close(self) -> None:
        """Drive the line inactive, and release it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                _values(fd, _SET_VALUES, 0, self._ioctl)
            os.close(fd)


class InputLine:
    """An input line; ``on_change`` is called at every debounced edge. Make it on a running event
    loop.

    ``bias``: ``up``, ``down``, ``none``, or empty for the device tree's.
    """

    def __init__(
        self,
        line: LineName,
        *,
        debounce_seconds: float = 0.01,
        bias: str = "",
        devices: Path = Path("/dev"),
        ioctl: Ioctl = _ioctl,
    ) -> None:
        self.on_change: Callable[[bool], None] = lambda active: None
        self._line = line
        self._ioctl = ioctl
        self._loop = asyncio.get_running_loop()
        flags = _INPUT | _RISING | _FALLING | _BIAS[bias]
        attributes = [(_DEBOUNCE, round(debounce_seconds * 1e6))] if debounce_seconds else []
        self._fd: int | None = _request(line, flags, attributes, devices, ioctl)
        os.set_blocking(self._fd, False)
        self._active = self._level()
        self._loop.add_reader(self._fd, self._edge)

    @property
    def active(self) -> bool:
        """The level now. A line that can no longer be read counts as active, which is safe for a
        stop or a door.
        """
        try:
            self._active = self._fd is None or self._level()
        except OSError:
            self._active = True
        return self._active

    def _level(self) -> bool:
        assert self._fd is not None
        return _values(self._fd, _GET_VALUES, 0, self._ioctl) == 1

    def _edge(self) -> None:
        if self._fd is None:
            return
        try:
            edges = os.read(self._fd, _EVENT_OCTETS * 16)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            self.on_change(True)
            return
        for at in range(0, len(edges) - _EVENT_OCTETS + 1, _EVENT_OCTETS):
            (kind,) = struct.unpack_from("=I", edges, at + 8)
            self._active = kind == 1
            self.on_change(self._active)

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            self._loop.remove_reader(fd)
            os.close(fd)

"""PWM and ADC of a Linux board by sysfs. Reads and writes of these files take microseconds and need
no thread.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from hal.errors import HalError, HalLost, HalRejected

PERIOD_NANOSECONDS: Final = 1_000_000
"""1 kHz, the pilot's frequency in IEC 61851-1."""


def _describe(path: Path, error: OSError) -> HalError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return HalRejected(f"no permission for {path}: a udev rule has to give it to the user's group")
    return HalLost(f"{path}: {error.strerror or error}")


def _write(path: Path, value: int) -> None:
    try:
        path.write_text(str(value), encoding="ascii")
    except OSError as error:
        raise _describe(path, error) from error


class Pwm:
    """One channel at 1 kHz. ``inverted``: the amplifier inverts the output, so that high is -12 V."""

    def __init__(self, chip: int, channel: int, *, inverted: bool = False, root: Path = Path("/sys/class/pwm")) -> None:
        base = root / f"pwmchip{chip}"
        self._path = base / f"pwm{channel}"
        self._inverted = inverted
        if not base.is_dir():
            raise HalLost(f"there is no PWM controller {base}")
        if not self._path.is_dir():
            _write(base / "export", channel)
        # Steady first: with another program's period the duty would be wrong.
        _write(self._path / "enable", 0)
        _write(self._path / "duty_cycle", 0)
        _write(self._path / "period", PERIOD_NANOSECONDS)

    def drive(self, duty: float) -> None:
        """0.0 to 1.0 of the period at +12 V."""
        share = 1.0 - duty if self._inverted else duty
        _write(self._path / "duty_cycle", round(share * PERIOD_NANOSECONDS))
        _write(self._path / "enable", 1)


class Adc:
    """One IIO channel: ``volts = raw * scale + offset``, with the values of the pilot's divider
    (they come from board.toml).
    """

    def __init__(
        self, device: str, channel: str, *, scale: float, offset: float, root: Path = Path("/sys/bus/iio/devices")
    ) -> None:
        self._scale, self._offset = scale, offset
        self._path = _find(device, root) / f"{channel}_raw"
        try:
            self._fd: int | None = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _describe(self._path, error) from error

    def volts(self) -> float:
        if self._fd is None:
            raise HalLost(f"{self._path} is closed")
        try:
            text = os.pread(self._fd, 32, 0)
            return int(text) * self._scale + self._offset
        except OSError as error:
            raise _describe(self._path, error) from error
        except ValueError:
            raise HalLost(f"{self._path} reads {text!r}, which is not a number") from None

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _find(device: str, root: Path) -> Path:
    """Find a device by its ``name`` file (numbers change with the order of probing), or as
    ``iio:device0``.
    """
    if (root / device).is_dir():
        return root / device
    for candidate in sorted(root.glob("iio:device*")):
        try:
            if (candidate / "name").read_text(encoding="utf-8").strip() == device:
                return candidate
        except (OSError, ValueError):
            continue
    raise HalLost(f"no IIO device in {root} has the name {device!r}")

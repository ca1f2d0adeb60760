"""``board.toml`` of a Linux-native pilot: read into values, then made into a board.

[pwm]
chip = 0
channel = 0

[adc.high]
device = "2198000.adc"
channel = "in_voltage0"
scale = 0.00772
offset = -16.0

[adc.low]
...

[gpio]
contactor = "CONTACTOR_1"
feedback = "!CONTACTOR_1_MIRROR"
emergency_stop = "!ESTOP"
"""

from __future__ import annotations

import contextlib
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hal.boards.driven import Input, Outlet
from hal.boards.pilot_board import LinuxBoard
from hal.errors import HalError, HalRejected
from hal.linux.gpio import InputLine, LineName, OutputLine, line_name
from hal.linux.sysfs import Adc, Pwm

_GPIO: Final = ("contactor", "feedback", "gate", "lock", "lock_feedback", "emergency_stop", "door")
_INPUTS: Final = frozenset({"feedback", "lock_feedback", "emergency_stop", "door"})


@dataclass(frozen=True, slots=True)
class AdcPlan:
    """``volts = raw * scale + offset``; ``scale`` in volts of the pilot for one count."""

    device: str
    channel: str
    scale: float
    offset: float


@dataclass(frozen=True, slots=True)
class LinuxPlan:
    """A Linux-native board that can be made, and has not been."""

    chip: int
    channel: int
    inverted: bool
    high: AdcPlan
    low: AdcPlan
    outlet: Outlet
    gpio: dict[str, LineName] = field(default_factory=dict)
    bias: str = ""

    def make(self, name: str) -> LinuxBoard:
        """Take hold of everything. HalError when a part is not there; nothing stays open then."""
        with contextlib.ExitStack() as held:
            outputs: dict[str, OutputLine] = {}
            inputs: dict[str, InputLine] = {}
            for key, line in self.gpio.items():
                if key in _INPUTS:
                    inputs[key] = InputLine(line, bias=self.bias)
                    held.callback(inputs[key].close)
                else:
                    outputs[key] = OutputLine(line)
                    held.callback(outputs[key].close)
            peaks = []
            for plan in (self.high, self.low):
                peak = Adc(plan.device, plan.channel, scale=plan.scale, offset=plan.offset)
                held.callback(peak.close)
                peaks.append(peak)
            generator = Pwm(self.chip, self.channel, inverted=self.inverted)
            held.pop_all()
        board = LinuxBoard(
            name,
            self.outlet,
            generator=generator,
            high=peaks[0],
            low=peaks[1],
            contactor=outputs["contactor"],
            feedback=inputs.get("feedback"),
            gate=outputs.get("gate"),
            bolt=outputs.get("lock"),
            bolt_feedback=inputs.get("lock_feedback"),
        )
        stop: Input | None = inputs.get("emergency_stop")
        board.wire(emergency_stop=stop, door=inputs.get("door"))
        return board


def read_board(path: str | Path) -> LinuxPlan:
    """Read the file without touching any hardware. HalRejected names the key that is wrong."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise HalRejected(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # TOML and UTF-8 errors are ValueErrors
        raise HalRejected(f"{path}: {error}") from None
    try:
        return _plan(table)
    except HalError as error:
        raise HalRejected(f"{path}: {error}") from None


def _plan(table: dict[str, Any]) -> LinuxPlan:
    top = _Table("", table, ("pwm", "adc", "gpio", "outlet"))
    pwm = top.table("pwm", ("chip", "channel", "inverted"))
    adc = top.table("adc", ("high", "low"))
    gpio = top.table("gpio", (*_GPIO, "bias"))
    outlet = top.table("outlet", ("phases", "volts", "max_amperes"), needed=False)
    lines: dict[str, LineName] = {key: _line(gpio, key) for key in _GPIO if key in gpio.values}
    if "contactor" not in lines:
        raise HalRejected("gpio.contactor: which line closes the contactor?")
    if "lock_feedback" in lines and "lock" not in lines:
        raise HalRejected("gpio.lock_feedback: there is no lock")
    phases = outlet.integer("phases", 0, 3, default=1)
    if phases not in (1, 3):
        raise HalRejected("outlet.phases has to be 1 or 3")
    return LinuxPlan(
        chip=pwm.integer("chip", 0, 999),
        channel=pwm.integer("channel", 0, 999),
        inverted=pwm.flag("inverted"),
        high=_adc(adc, "high"),
        low=_adc(adc, "low"),
        outlet=Outlet(
            volts=outlet.number("volts", 100.0, 300.0, default=230.0),
            phases=phases,
            max_amperes=outlet.number("max_amperes", 6.0, 80.0, default=16.0),
            lock="lock" in lines,
        ),
        gpio=lines,
        bias=gpio.choice("bias", ("", "up", "down", "none")),
    )


def _adc(table: _Table, key: str) -> AdcPlan:
    adc = table.table(key, ("device", "channel", "scale", "offset"))
    scale = adc.number("scale", -100.0, 100.0)
    if scale == 0.0:
        raise HalRejected(f"{adc.name}scale: 0 would measure nothing")
    device, channel = adc.text("device"), adc.text("channel")
    for value in (device, channel):
        if "/" in value or value.startswith("."):
            raise HalRejected(f"{adc.name}device and channel are names, not paths: {value!r}")
    return AdcPlan(device, channel, scale, adc.number("offset", -100.0, 100.0, default=0.0))


def _line(table: _Table, key: str) -> LineName:
    try:
        return line_name(table.text(key))
    except HalRejected as error:
        raise HalRejected(f"gpio.{key}: {error}") from None


class _Table:
    """One table of the file; every complaint names its key."""

    def __init__(self, name: str, values: object, keys: Iterable[str]) -> None:
        self.name = f"{name}." if name else ""
        if not isinstance(values, dict):
            raise HalRejected(f"{name} has to be a table")
        self.values: dict[str, Any] = values
        known = tuple(keys)
        for key in values:
            if key not in known:
                raise HalRejected(f"{self.name}{key}: unknown; there are: {', '.join(known)}")

    def table(self, key: str, keys: Iterable[str], *, needed: bool = True) -> _Table:
        if key not in self.values and needed:
            raise HalRejected(f"[{self.name}{key}] is missing")
        return _Table(f"{self.name}{key}", self.values.get(key, {}), keys)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise HalRejected(f"{self.name}{key}: has to be a name in quotes")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise HalRejected(f"{self.name}{key}: has to be true or false")
        return value

    def choice(self, key: str, words: tuple[str, ...]) -> str:
        value = self.values.get(key, "")
        if value not in words:
            raise HalRejected(f"{self.name}{key}: has to be one of {', '.join(word for word in words if word)}")
        return str(value)

    def integer(self, key: str, lowest: int, highest: int, *, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise HalRejected(f"{self.name}{key}: has to be a whole number from {lowest} to {highest}")
        return value

    def number(self, key: str, lowest: float, highest: float, *, default: float | None = None) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise HalRejected(f"{self.name}{key}: has to be a number")
        if not lowest <= value <= highest:
            raise HalRejected(f"{self.name}{key}: has to be from {lowest:g} to {highest:g}")
        return float(value)

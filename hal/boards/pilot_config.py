"""``board.toml`` of a pilot driven by Linux: values, and the board made from them.

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
import dataclasses
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from frozen import dataclass
from hal.address import Power, Values, load
from hal.boards.driven import Outlet
from hal.boards.pilot_board import LinuxBoard
from hal.errors import HalError, HalRejected
from hal.linux.gpio import InputLine, LineName, OutputLine, line_of
from hal.linux.sysfs import Adc, Pwm

_GPIO: Final = ("contactor", "feedback", "gate", "lock", "lock_feedback", "emergency_stop", "door")
_INPUTS: Final = frozenset({"feedback", "lock_feedback", "emergency_stop", "door"})


@dataclass(frozen=True, slots=True)
class AdcPlan:
    """``volts = raw * scale + offset``; ``scale``: volts of the pilot for one count."""

    device: str
    channel: str
    scale: float
    offset: float


@dataclasses.dataclass(frozen=True, slots=True)
class LinuxPlan:
    """A board driven by Linux, not made yet."""

    chip: int
    channel: int
    inverted: bool
    high: AdcPlan
    low: AdcPlan
    outlet: Outlet
    gpio: dict[str, LineName] = field(default_factory=dict)
    bias: str = ""
    devices: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()

    @property
    def power(self) -> Power:
        return Power(self.outlet.phases, False)

    def make(self, name: str) -> LinuxBoard:
        """Open all parts. Raises HalError if one is missing, after closing the others."""
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
        board.wire(emergency_stop=inputs.get("emergency_stop"), door=inputs.get("door"))
        return board


def read_board(path: str | Path) -> LinuxPlan:
    """Read the file without opening any hardware. Raises HalRejected, which names the wrong key."""
    table = load(path)
    try:
        return _plan(table)
    except HalError as error:
        raise HalRejected(f"{path}: {error}") from None


def _plan(table: dict[str, Any]) -> LinuxPlan:
    top = Values("", table, ("pwm", "adc", "gpio", "outlet"))
    pwm = top.table("pwm", ("chip", "channel", "inverted"))
    adc = top.table("adc", ("high", "low"))
    gpio = top.table("gpio", (*_GPIO, "bias"))
    outlet = top.table("outlet", ("phases", "volts", "max_amperes"), needed=False)
    lines = {key: line for key in _GPIO if (line := line_of(gpio, key)) is not None}
    if "contactor" not in lines:
        raise HalRejected("gpio.contactor is missing: the line that closes the contactor")
    if "lock_feedback" in lines and "lock" not in lines:
        raise HalRejected("gpio.lock_feedback without gpio.lock")
    return LinuxPlan(
        chip=pwm.integer("chip", 0, 999),
        channel=pwm.integer("channel", 0, 999),
        inverted=pwm.flag("inverted"),
        high=_adc(adc, "high"),
        low=_adc(adc, "low"),
        outlet=Outlet.read(outlet, 1, 16.0, lock="lock" in lines),
        gpio=lines,
        bias=gpio.choice("bias", ("up", "down", "none"), ""),
    )


def _adc(table: Values, key: str) -> AdcPlan:
    adc = table.table(key, ("device", "channel", "scale", "offset"))
    scale = adc.number("scale", -100.0, 100.0)
    if scale == 0.0:
        raise HalRejected(f"adc.{key}.scale: 0 is not a scale")
    device, channel = adc.text("device"), adc.text("channel")
    for value in (device, channel):
        if "/" in value or value.startswith("."):
            raise HalRejected(f"adc.{key}: device and channel are names, not paths: {value!r}")
    return AdcPlan(device, channel, scale, adc.number("offset", -100.0, 100.0, 0.0))

"""``board.toml``, and the board that it makes on a tree of files that looks like /sys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.boards.pilot_config import read_board
from hal.errors import HalError, HalLost, HalRejected
from hal.linux.gpio import LineName
from hal.linux.sysfs import Adc, Pwm
from hal.open import open_hal, recognise

GOOD = """
[pwm]
chip = 2
channel = 1
inverted = true

[adc.high]
device = "2198000.adc"
channel = "in_voltage0"
scale = 0.00772
offset = -16.0

[adc.low]
device = "2198000.adc"
channel = "in_voltage1"
scale = 0.00772
offset = -16.0

[gpio]
contactor = "CONTACTOR_1"
feedback = "!gpiochip1/4"
emergency_stop = "!ESTOP"
lock = "gpiochip0/9"
bias = "up"

[outlet]
phases = 3
max_amperes = 20
"""


def write(path: Path, text: str) -> str:
    (path / "board.toml").write_text(text, encoding="utf-8")
    return f"linux:{path}/board.toml"


def test_the_file_is_read_into_values(tmp_path: Path) -> None:
    plan = read_board(write(tmp_path, GOOD).removeprefix("linux:"))
    assert (plan.chip, plan.channel, plan.inverted, plan.bias) == (2, 1, True, "up")
    assert (plan.high.device, plan.high.channel, plan.high.scale, plan.high.offset) == (
        "2198000.adc",
        "in_voltage0",
        0.00772,
        -16.0,
    )
    assert plan.gpio == {
        "contactor": LineName("", 0, "CONTACTOR_1"),
        "feedback": LineName("gpiochip1", 4, "", True),
        "emergency_stop": LineName("", 0, "ESTOP", True),
        "lock": LineName("gpiochip0", 9, ""),
    }
    assert (plan.outlet.phases, plan.outlet.max_amperes, plan.outlet.lock) == (3, 20.0, True)
    assert recognise(f"linux:{tmp_path}/board.toml") == plan
    assert recognise(f"linux:{tmp_path}/board.toml").unsafe == ()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("chip = 2", "chip = -1", "pwm.chip: has to be a whole number"),
        ("chip = 2", "chips = 2", "pwm.chips: unknown; there are: chip, channel, inverted"),
        ("inverted = true", "inverted = 1", "pwm.inverted: has to be true or false"),
        ("[adc.low]", "[adc.deep]", "adc.deep: unknown"),
        ('channel = "in_voltage0"', 'channel = "../../etc"', "names, not paths"),
        ("scale = 0.00772", "scale = 0", "adc.high.scale: 0"),
        ("scale = 0.00772", 'scale = "much"', "adc.high.scale: has to be a number"),
        ("offset = -16.0", "offset = nan", "adc.high.offset"),
        ('contactor = "CONTACTOR_1"', "", "gpio.contactor is missing"),
        ('contactor = "CONTACTOR_1"', "contactor = 7", "gpio.contactor"),
        ('lock = "gpiochip0/9"', 'lock = "gpiochip0/x"', "gpio.lock: .*is not a GPIO line"),
        ('lock = "gpiochip0/9"', 'lock_feedback = "L"', "lock_feedback without gpio.lock"),
        ('bias = "up"', 'bias = "left"', "gpio.bias: has to be one of up, down, none"),
        ("phases = 3", "phases = 2", "outlet.phases"),
        ("max_amperes = 20", "max_amperes = 5", "outlet.max_amperes: has to be a number from 6 to 80"),
        ("[pwm]", "[[pwm]]", "pwm has to be a table"),
        ("[outlet]", "[outlet", "board.toml"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in GOOD
    where = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(HalRejected, match=named):
        recognise(where)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(HalRejected, match=r"nowhere\.toml"):
        recognise("linux:nowhere.toml")


@given(st.text(max_size=80))
def test_any_file_is_a_plan_or_a_typed_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("toml")
    for content in (text, GOOD.replace("2198000.adc", text, 1), GOOD + text):
        try:
            recognise(write(folder, content))
        except HalError as error:
            assert "board.toml" in str(error)


def tree(path: Path) -> Path:
    """A PWM controller with its channel exported, and an ADC behind one that is somebody else's."""
    channel = path / "pwm" / "pwmchip0" / "pwm1"
    channel.mkdir(parents=True)
    for name in ("export", "unexport"):
        (path / "pwm" / "pwmchip0" / name).touch()
    for name in ("period", "duty_cycle", "enable"):
        (channel / name).write_text("0")
    for number, name in enumerate(("thermal", "2198000.adc")):
        device = path / "iio" / f"iio:device{number}"
        device.mkdir(parents=True)
        (device / "name").write_text(f"{name}\n")
        (device / "in_voltage0_raw").write_text("3627\n")
    return path


def test_pwm_by_sysfs(tmp_path: Path) -> None:
    root = tree(tmp_path) / "pwm"
    channel = root / "pwmchip0" / "pwm1"

    def said() -> tuple[str, ...]:
        return tuple((channel / name).read_text() for name in ("period", "duty_cycle", "enable"))

    pwm = Pwm(0, 1, root=root)
    assert said() == ("1000000", "0", "0")
    pwm.drive(0.05)
    assert said() == ("1000000", "50000", "1")
    Pwm(0, 1, inverted=True, root=root).drive(0.05)
    assert said() == ("1000000", "950000", "1")
    with pytest.raises(HalLost, match="no PWM controller"):
        Pwm(7, 0, root=root)
    with pytest.raises(HalLost):
        Pwm(0, 2, root=root)  # exporting it brings no files here
    assert (root / "pwmchip0" / "export").read_text() == "2"


def test_an_adc_by_its_name(tmp_path: Path) -> None:
    root = tree(tmp_path) / "iio"
    adc = Adc("2198000.adc", "in_voltage0", scale=0.00772, offset=-16.0, root=root)
    assert adc.volts() == pytest.approx(12.0, abs=0.01)
    (root / "iio:device1" / "in_voltage0_raw").write_text("nothing\n")
    with pytest.raises(HalLost, match="not a number"):
        adc.volts()
    adc.close()
    with pytest.raises(HalLost, match="closed"):
        adc.volts()
    assert Adc("iio:device0", "in_voltage0", scale=1.0, offset=0.0, root=root).volts() == 3627.0
    with pytest.raises(HalLost, match="no IIO device in"):
        Adc("missing", "in_voltage0", scale=1.0, offset=0.0, root=root)
    with pytest.raises(HalLost):
        Adc("2198000.adc", "in_voltage9", scale=1.0, offset=0.0, root=root)


def test_a_board_on_a_machine_without_the_hardware_is_refused_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(HalLost):
        asyncio.run(_open(write(tmp_path, GOOD)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def _open(where: str) -> None:
    await open_hal(where)

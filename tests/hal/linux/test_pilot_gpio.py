"""GPIO lines against a kernel that is played here: every octet of its structures is laid out by hand, from linux/gpio.h."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import HalError, HalLost, HalRejected
from hal.linux.gpio import InputLine, LineName, OutputLine, line_name


class Kernel:
    """Two chips; line 3 of the second is named. Requested lines are pipes, through which edges come."""

    def __init__(self, devices: Path) -> None:
        self.devices = devices
        for chip in ("gpiochip0", "gpiochip1"):
            (devices / chip).write_bytes(b"")
        self.requests: list[dict[str, int]] = []
        self.values: dict[int, int] = {}
        self.edges: dict[int, int] = {}
        self.error: int | None = None
        self.level = 0

    def ioctl(self, fd: int, request: int, argument: bytearray) -> int:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        if request == 0x8044B401:
            assert len(argument) == 68
            argument[64:68] = struct.pack("=I", 5)
        elif request == 0xC100B405:
            assert len(argument) == 256
            chip = Path(os.readlink(f"/proc/self/fd/{fd}")).name
            if argument[64:68] == struct.pack("=I", 3) and chip == "gpiochip1":
                argument[0:8] = b"nRESET\0\0"
        elif request == 0xC250B407:
            assert len(argument) == 592
            reader, writer = os.pipe()
            flags, attributes = struct.unpack_from("=QI", argument, 288)
            about = {
                "offset": struct.unpack_from("=I", argument, 0)[0],
                "lines": struct.unpack_from("=I", argument, 560)[0],
                "flags": flags,
            }
            for index in range(attributes):
                kind, _, value, mask = struct.unpack_from("=IIQQ", argument, 320 + 24 * index)
                assert mask == 1
                about[f"attribute {kind}"] = value
            assert bytes(argument[256:261]) == b"secc\0"
            self.requests.append(about)
            self.edges[reader] = writer
            struct.pack_into("=i", argument, 588, reader)
        elif request == 0xC010B40F:
            bits, mask = struct.unpack("=QQ", argument)
            assert mask == 1
            self.values[fd] = bits
        elif request == 0xC010B40E:
            struct.pack_into("=Q", argument, 0, self.level)
        else:
            raise AssertionError(hex(request))
        return 0

    def edge(self, rising: bool, *, count: int = 1) -> None:
        self.level = int(rising)
        (writer,) = self.edges.values()
        os.write(writer, struct.pack("=QIIII24x", 1, 1 if rising else 2, 0, 1, 1) * count)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("gpiochip0/17", LineName("gpiochip0", 17, "")),
        ("!gpiochip2/0", LineName("gpiochip2", 0, "", True)),
        ("nRESET", LineName("", 0, "nRESET")),
        ("!nRESET", LineName("", 0, "nRESET", True)),
    ],
)
def test_names(text: str, line: LineName) -> None:
    assert line_name(text) == line


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        line_name(text)
    except HalError as error:
        assert "GPIO" in str(error)


@pytest.mark.parametrize("text", ["", "!", "gpiochip0/x", "chip/3", "a" * 32, "a\nb"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(HalRejected, match="is not a GPIO line"):
        line_name(text)


def test_an_output_is_found_by_name_driven_and_left_inactive(kernel: Kernel) -> None:
    line = OutputLine(line_name("!nRESET"), devices=kernel.devices, ioctl=kernel.ioctl)
    assert kernel.requests == [{"offset": 3, "lines": 1, "flags": 0x8 | 0x2, "attribute 2": 0}]
    line.set(True)
    assert list(kernel.values.values()) == [1]
    line.close()
    assert list(kernel.values.values()) == [0]
    line.close()
    with pytest.raises(HalLost):
        line.set(True)


def test_an_input_has_its_level_and_every_edge(kernel: Kernel) -> None:
    async def main() -> None:
        kernel.level = 1
        line = InputLine(line_name("gpiochip0/4"), bias="up", devices=kernel.devices, ioctl=kernel.ioctl)
        assert kernel.requests == [{"offset": 4, "lines": 1, "flags": 0x4 | 0x10 | 0x20 | 0x100, "attribute 3": 10_000}]
        assert line.active
        heard: list[bool] = []
        line.on_change = heard.append
        for rising in (False, True, False):
            kernel.edge(rising)
            await asyncio.sleep(0.01)
        assert heard == [False, True, False]
        assert not line.active
        # A line that goes away counts as active: it may be an emergency stop.
        kernel.error = errno.ENODEV
        assert line.active
        line.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [(errno.EBUSY, HalRejected, "in use"), (errno.EACCES, HalRejected, "group"), (errno.ENODEV, HalLost, "line")],
)
def test_errors_that_a_person_can_act_on(kernel: Kernel, number: int, kind: type[HalError], text: str) -> None:
    kernel.error = number
    with pytest.raises(kind, match=text):
        OutputLine(line_name("gpiochip0/4"), devices=kernel.devices, ioctl=kernel.ioctl)


def test_lines_and_chips_that_are_not_there(kernel: Kernel) -> None:
    with pytest.raises(HalLost, match="no GPIO line has the name"):
        OutputLine(line_name("nNOTHING"), devices=kernel.devices, ioctl=kernel.ioctl)
    with pytest.raises(HalLost):
        OutputLine(line_name("gpiochip7/1"), devices=kernel.devices, ioctl=kernel.ioctl)

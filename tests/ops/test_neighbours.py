"""What is asked of the kernel about a car's neighbour entry, and what its answers mean. tests/live/test_line.py asks a real one."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv6Address

import pytest

from secc.ops.neighbours import hold, mac_of, release

CAR = IPv6Address("fe80::1")
MAC = bytes.fromhex("020304050607")
pytestmark = pytest.mark.case("A-NET-05")


class Kernel:
    """Answers each request, and keeps it."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def __call__(self, *_: int) -> Kernel:
        return self

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def settimeout(self, seconds: float) -> None:
        assert seconds <= 1.0

    def send(self, octets: bytes) -> None:
        assert struct.unpack_from("=I", octets) == (len(octets),)
        self.asked.append(octets)

    def recv(self, most: int) -> bytes:
        return self.answers.pop(0)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def said(code: int) -> bytes:
    return message(2, struct.pack("=i", -code) + bytes(16))


def entry(mac: bytes = MAC) -> bytes:
    attributes = (
        struct.pack("=HH", 20, 1) + CAR.packed + (struct.pack("=HH", 4 + len(mac), 2) + mac + b"\0\0" if mac else b"")
    )
    return message(28, struct.pack("=BxxxiHBB", socket.AF_INET6, 7, 2, 0, 1) + attributes)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel]:
    def answers(*octets: bytes) -> Kernel:
        made = Kernel(*octets)
        monkeypatch.setattr("secc.ops.neighbours.socket.socket", made)
        return made

    return answers


def test_an_entry_is_made_permanent_as_it_is(kernel: Callable[..., Kernel]) -> None:
    asked = kernel(entry(), said(0))
    assert hold(7, CAR) == MAC
    question, order = asked.asked
    assert struct.unpack_from("=HH", question, 4) == (30, 0x1)
    # Replace, create, acknowledge; interface 7; permanent.
    assert struct.unpack_from("=HH", order, 4) == (28, 0x1 | 0x4 | 0x100 | 0x400)
    assert struct.unpack_from("=BxxxiH", order, 16) == (socket.AF_INET6, 7, 0x80)
    assert CAR.packed in order
    assert MAC in order


def test_what_the_kernel_does_not_know_is_not_held(kernel: Callable[..., Kernel]) -> None:
    for answer in (said(errno.ENOENT), entry(b"")):
        asked = kernel(answer)
        assert hold(7, CAR) is None
        assert len(asked.asked) == 1


def test_an_entry_of_another_device_than_the_matched_car_is_not_held(kernel: Callable[..., Kernel]) -> None:
    asked = kernel(entry())
    assert hold(7, CAR, bytes(6)) == MAC
    assert len(asked.asked) == 1
    asked = kernel(entry(), said(0))
    assert hold(7, CAR, MAC) == MAC
    assert len(asked.asked) == 2


def test_without_the_right_it_is_an_error(kernel: Callable[..., Kernel]) -> None:
    kernel(entry(), said(errno.EPERM))
    with pytest.raises(PermissionError):
        hold(7, CAR)


def test_an_entry_that_is_gone_is_released(kernel: Callable[..., Kernel]) -> None:
    for code in (0, errno.ENOENT, errno.ENODEV):
        kernel(said(code))
        release(7, CAR)
    kernel(said(errno.EPERM))
    with pytest.raises(PermissionError):
        release(7, CAR)


def test_the_kernel_of_this_machine_has_no_entry_for_a_car_that_was_never_there() -> None:
    assert mac_of(socket.if_nametoindex("lo"), IPv6Address("fe80::dead:beef")) is None

"""The raw socket on real interfaces: in a network namespace of its own, where the kernel lets us have one."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hal.errors import HalLost, HalRejected, HalTimeout
from hal.linux.errors import InterfaceDown, NoInterface, NoPermission
from hal.linux.packet import TEXTS, PacketWire
from hal.linux.sockets import describe

ROOT = Path(__file__).resolve().parents[3]


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a new user and network namespace; skips where that is not allowed."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip")
    if subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody have a network namespace")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["unshare", "-Urn", sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EPERM, NoPermission),
        (errno.EACCES, NoPermission),
        (errno.ENODEV, NoInterface),
        (errno.ENXIO, NoInterface),
        (errno.ENETDOWN, InterfaceDown),
        (errno.ENOBUFS, HalTimeout),
        (errno.EIO, HalLost),
    ],
)
def test_every_error_of_the_kernel_has_its_name(number: int, kind: type[Exception]) -> None:
    error = describe(OSError(number, os.strerror(number)), "eth7", TEXTS)
    assert type(error) is kind
    assert "eth7" in str(error)


def test_the_errors_are_of_the_four_kinds() -> None:
    assert issubclass(NoInterface, HalLost)
    assert issubclass(NoPermission, HalRejected)


TWO_ENDS = """
import asyncio, subprocess
from hal.errors import HalLost
from hal.linux.errors import InterfaceDown, NoInterface
from hal.linux.packet import PacketWire

def ip(*words): subprocess.run(["ip", *words], check=True)

async def main():
    ip("link", "add", "left", "type", "veth", "peer", "name", "right")
    ip("link", "set", "left", "address", "02:00:00:00:00:01", "up")
    ip("link", "set", "right", "up")
    left, right = PacketWire("left"), PacketWire("right")
    assert left.mac == bytes.fromhex("020000000001"), left.mac
    heard, own = asyncio.Queue(), []
    right.on_frame = lambda at, frame: heard.put_nowait((at, frame))
    left.on_frame = lambda at, frame: own.append(frame)
    frame = b"\\xff" * 6 + left.mac + b"\\x88\\xe1" + bytes(46)
    async def until_heard():
        # Interfaces take a moment to be up after they were told to be.
        for _ in range(50):
            left.send(frame)
            try: return await asyncio.wait_for(heard.get(), 0.1)
            except TimeoutError: pass
        raise AssertionError("deaf")
    at, octets = await until_heard()
    assert octets == frame, octets
    assert abs(at - asyncio.get_running_loop().time()) < 1
    left.send(frame[:12] + b"\\x86\\xdd" + frame[14:])
    left.send(frame)
    assert (await asyncio.wait_for(heard.get(), 5))[1] == frame
    assert own == [], "we hear ourselves"
    lost = asyncio.get_running_loop().create_future()
    right.on_lost = lambda error: lost.done() or lost.set_result(error)
    ip("link", "set", "right", "down")
    assert isinstance(await asyncio.wait_for(lost, 5), InterfaceDown)
    try: right.send(frame)
    except InterfaceDown as error: assert "ip link set right up" in str(error)
    else: raise AssertionError("sent on an interface that is down")
    ip("link", "set", "right", "up")
    await until_heard()
    right.close(); right.close(); left.close()
    try: left.send(frame)
    except HalLost: pass
    else: raise AssertionError("sent on a closed socket")
    try: PacketWire("nothere")
    except NoInterface as error: assert "nothere" in str(error)
    else: raise AssertionError("opened an interface that is not there")
    print("done")

asyncio.run(main())
"""


def test_frames_cross_a_pair_of_interfaces_and_trouble_has_a_name() -> None:
    result = in_namespace(TWO_ENDS)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"


NOT_ALLOWED = """
import asyncio
from hal.linux.errors import NoPermission
from hal.linux.modem import open_modem

async def main():
    try: await open_modem("lo")
    except NoPermission as error: print("CAP_NET_RAW" in str(error))

import ctypes, os
if os.getuid() == 0:
    # Only the capability is given away: the checkout may lie where nobody else can read.
    ctypes.CDLL(None).prctl(24, 13, 0, 0, 0)
    class Header(ctypes.Structure): _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
    header, data = Header(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(ctypes.byref(header), data) == 0
asyncio.run(main())
"""


def test_without_the_capability_the_error_says_which() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", NOT_ALLOWED]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert result.stdout == "True\n", result.stderr


def test_an_interface_that_is_not_there_has_a_name_too() -> None:
    async def test() -> None:
        with pytest.raises((NoInterface, NoPermission)):
            PacketWire("nothere0")

    asyncio.run(test())

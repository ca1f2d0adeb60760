"""Two outlets of one station on two interfaces, cars behind each in network namespaces of their own: nobody gets in by the other's door."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secc.ops.control import ControlError, ask
from tests.sync_panel import SyncPanel

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 for namespaces"
    ),
]

CONFIGURATION = """
[station]
state_directory = "{here}/state"
control_socket = "{sockets}/control"
[[outlet]]
interface = "{first}"
hal = "sim:?speed=20&control={sockets}/world1"
[[outlet]]
interface = "{second}"
hal = "sim:?speed=20&control={sockets}/world2"
[uplink]
eim = "free"
"""

SDP = """
import socket, struct, sys
interface, target = sys.argv[1:]
index = socket.if_nametoindex(interface)
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
sock.settimeout(0.5)
answer = b""
for _ in range(3):
    sock.sendto(bytes.fromhex("01fe9000000000021000"), (target, 15118, 0, index))
    try:
        answer = sock.recv(100)
        break
    except TimeoutError:
        pass
print(answer.hex())
"""

CONNECT = """
import socket, sys
interface, address, port = sys.argv[1:]
sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
sock.settimeout(1.5)
try:
    sock.connect((address, int(port), 0, socket.if_nametoindex(interface)))
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass
class Street:
    """A station's namespace with two cables, and a namespace at the other end of each."""

    tag: str
    here: Path
    sockets: Path

    @property
    def station(self) -> str:
        return f"s{self.tag}"

    def car(self, number: int) -> str:
        return f"c{self.tag}{number}"

    def build(self) -> None:
        ip("netns", "add", self.station)
        ip("-n", self.station, "link", "set", "lo", "up")
        for number in (1, 2):
            ip("netns", "add", self.car(number))
            ip(
                "link",
                "add",
                f"v{self.tag}{number}",
                "netns",
                self.station,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                self.car(number),
            )
            ip("-n", self.station, "link", "set", f"v{self.tag}{number}", "up")
            ip("-n", self.car(number), "link", "set", "eth0", "up")

    def settle(self) -> None:
        """Wait until no address is tentative: a probe that cannot be sent proves nothing."""
        end = time.monotonic() + 10.0
        for number in (1, 2):
            while ip("-n", self.car(number), "-6", "addr", "show", "dev", "eth0", "tentative").strip():
                assert time.monotonic() < end
                time.sleep(0.05)

    def remove(self) -> None:
        for name in (self.station, self.car(1), self.car(2)):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def inside(self, namespace: str, *command: str, **options: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # options of Popen
            ["ip", "netns", "exec", namespace, sys.executable, *command], env=environment, text=True, **options
        )

    def says(self, number: int, script: str, *arguments: str) -> str:
        child = self.inside(self.car(number), "-c", script, *arguments, stdout=subprocess.PIPE)
        return child.communicate(timeout=20)[0].strip()

    def state(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = ask(self.sockets / "control", {"do": "state"})["outlets"]
        return found

    def until(self, number: int, key: str) -> object:
        end = time.monotonic() + 15.0
        while True:
            with contextlib.suppress(ControlError):
                if value := self.state()[number - 1][key]:
                    return value
            assert time.monotonic() < end, (self.here / "log").read_text()
            time.sleep(0.05)

    def drive(self, number: int) -> subprocess.Popen[str]:
        options = ("--iface", "eth0", "--no-tls", "--payment", "eim", "--loops", "20")
        return self.inside(
            self.car(number), "-m", "tools.evcc", *options, "--sim-socket", str(self.sockets / f"world{number}")
        )


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    sockets = Path("/tmp") / f"secc-{os.getpid()}"
    sockets.mkdir(mode=0o700)
    street = Street(f"{os.getpid() % 100000}", tmp_path, sockets)
    station: subprocess.Popen[str] | None = None
    try:
        street.build()
        config = tmp_path / "station.toml"
        config.write_text(
            CONFIGURATION.format(here=tmp_path, sockets=sockets, first=f"v{street.tag}1", second=f"v{street.tag}2")
        )
        with (tmp_path / "log").open("w") as log:
            station = street.inside(street.station, "-m", "secc", "run", str(config), stderr=log)
        street.until(1, "address")
        street.until(2, "address")
        street.settle()
        yield street
    finally:
        if station is not None:
            station.terminate()
            station.wait(20)
        street.remove()
        shutil.rmtree(sockets, ignore_errors=True)


@pytest.mark.case("TP-12", "A-NET-08")
def test_nobody_gets_in_by_the_others_door(street: Street) -> None:
    panel = SyncPanel(street.sockets / "world2")
    panel.act("plug_in")
    port, address = street.until(2, "port"), str(street.until(2, "address"))
    # The car of outlet 2 finds it, by multicast and by its address.
    assert street.says(2, SDP, "eth0", "ff02::1").startswith("01fe9001")
    assert street.says(2, SDP, "eth0", address).startswith("01fe9001")
    # Behind outlet 1, where no car is plugged in, nobody answers, and outlet 2 cannot be reached from there.
    assert street.says(1, SDP, "eth0", "ff02::1") == ""
    assert street.says(1, SDP, "eth0", address) == ""
    assert street.says(1, CONNECT, "eth0", address, str(port)) in ("ConnectionRefusedError", "TimeoutError")
    assert street.says(1, CONNECT, "eth0", str(street.until(1, "address")), str(port)) == "ConnectionRefusedError"
    assert street.says(2, CONNECT, "eth0", address, str(port)) == "connected"
    # Nor was it that car 1 cannot speak.
    other = SyncPanel(street.sockets / "world1")
    other.act("plug_in")
    street.until(1, "port")
    assert street.says(1, SDP, "eth0", "ff02::1").startswith("01fe9001")
    other.act("unplug", force=True)
    other.close()
    panel.act("unplug", force=True)
    panel.close()


def test_two_cars_charge_at_once(street: Street) -> None:
    cars = [street.drive(1), street.drive(2)]
    assert [car.wait(60) for car in cars] == [0, 0]
    log = (street.here / "log").read_text()
    assert log.count("authorised: by external identification") == 2
    assert log.count("power on:") == 2
    assert log.count("session ended: completed.terminated") == 2
    assert "Traceback" not in log

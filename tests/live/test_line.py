"""A device on the car's line that is not a car: it claims the car's address, and sends its packets in fragments."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from ipaddress import IPv6Address

import pytest

from tests.live.rogue import ROGUE
from tests.live.test_interfaces import Street, ip, street
from tests.sync_panel import SyncPanel

__all__ = ["street"]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 for namespaces"
    ),
]

STAYS = """
import socket, sys
interface, address, port = sys.argv[1:]
with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
    sock.connect((address, int(port), 0, socket.if_nametoindex(interface)))
    print("connected", flush=True)
    sys.stdin.read()
"""
SPEAKS = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    sock.sendto(b"x", (sys.argv[2], 9, 0, socket.if_nametoindex(sys.argv[1])))
"""


def link(namespace: str, interface: str) -> str:
    """The MAC address of an interface."""
    found: str = json.loads(ip("-n", namespace, "-j", "link", "show", "dev", interface))[0]["address"]
    return found


def address(namespace: str, interface: str) -> str:
    (found,) = json.loads(ip("-n", namespace, "-j", "-6", "addr", "show", "dev", interface, "scope", "link"))
    local: str = found["addr_info"][0]["local"]
    return local


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.case("A-NET-05")
def test_nobody_else_gets_the_address_of_a_car_that_has_connected(street: Street) -> None:
    interface, car = f"v{street.tag}1", address(street.car(1), "eth0")
    mac, rogue = link(street.car(1), "eth0"), ROGUE.hex(":")
    panel = SyncPanel(street.sockets / "world1")
    panel.act("plug_in")
    port, station = street.until(1, "port"), str(street.until(1, "address"))

    def entry() -> tuple[str, str]:
        rows = json.loads(ip("-n", street.station, "-j", "-6", "neigh", "show", "to", car, "dev", interface) or "[]")
        return (rows[0].get("lladdr", ""), rows[0]["state"][0]) if rows else ("", "")

    def advertise() -> None:
        there = link(street.station, interface)
        assert street.inside(street.car(1), "-m", "tests.live.rogue", "advertise", "eth0", station, there).wait(20) == 0

    with street.inside(street.car(1), "-c", STAYS, "eth0", station, str(port), stdin=-1, stdout=-1) as connected:
        assert connected.stdout is not None
        assert connected.stdout.readline() == "connected\n"
        until(lambda: entry() == (mac, "PERMANENT"))
        advertise()
        time.sleep(0.5)
        assert entry() == (mac, "PERMANENT")
        connected.communicate()
        # The connection is over, and the car still plugged in.
        until(lambda: entry()[1] != "PERMANENT")
        panel.act("unplug", force=True)
    # The same advertisement does work where nothing is held.
    assert street.inside(street.station, "-c", SPEAKS, interface, car).wait(20) == 0
    until(lambda: entry()[0] == mac)
    advertise()
    until(lambda: entry()[0] == rogue)
    panel.close()


@pytest.mark.case("A-NET-10")
def test_a_request_in_fragments_is_not_answered(street: Street) -> None:
    panel = SyncPanel(street.sockets / "world1")
    panel.act("plug_in")
    street.until(1, "port")
    station, there = str(street.until(1, "address")), link(street.station, f"v{street.tag}1")
    assert IPv6Address(station).is_link_local

    def asks(how: str) -> str:
        child = street.inside(street.car(1), "-m", "tests.live.rogue", how, "eth0", station, there, stdout=-1)
        return child.communicate(timeout=20)[0].strip()

    assert asks("whole").startswith("01fe9001")
    assert asks("fragments") == "nothing"
    assert asks("overlap") == "nothing"
    assert asks("whole").startswith("01fe9001")
    panel.act("unplug", force=True)
    panel.close()

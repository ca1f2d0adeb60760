"""Cars with an IPv6 stack of their own, which discover their neighbour at very different times, or never. (Q-14)"""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.live.raw_car import HABITS
from tests.live.test_interfaces import Street, street
from tests.sync_panel import SyncPanel

__all__ = ["street"]

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 for namespaces"
    ),
]

SEEN = {
    # Nobody could send it anything: that the others are served is the work of neighbour discovery.
    "neither": ["no answer"],
    "never-solicits": ["discovered", "accepted"],
    "solicits-late": ["discovered", "advertised", "accepted"],
    "solicits-early-and-never-answers": ["advertised", "discovered", "accepted"],
}


@pytest.mark.case("Q-14")
def test_the_station_answers_whenever_it_is_asked_and_does_not_wait_to_be_asked(street: Street) -> None:
    assert SEEN.keys() == HABITS.keys()
    off = ["ip", "netns", "exec", street.car(1), "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1"]
    subprocess.run(off, check=True)
    panel = SyncPanel(street.sockets / "world1")
    station = str(street.until(1, "address"))
    for habit, seen in SEEN.items():
        panel.act("plug_in")
        street.until(1, "port")
        child = street.inside(street.car(1), "-m", "tests.live.raw_car", habit, "eth0", station, stdout=-1)
        assert child.communicate(timeout=30)[0].split("\n")[:-1] == seen, habit
        panel.act("unplug", force=True)
    panel.close()

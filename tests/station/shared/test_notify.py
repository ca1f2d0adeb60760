"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import socket
from pathlib import Path

from secc.station.shared.notify import Notifier


def test_the_manager_hears_ready_watchdog_and_stopping(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(1.0)
        notifier = Notifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"})
        assert notifier.watchdog_seconds == 2.0
        notifier.ready("2 outlets")
        assert manager.recv(100) == b"READY=1\nSTATUS=2 outlets"
        for now in (0.0, 0.1, 0.4, 0.5, 0.9, 1.0):
            notifier.beat(now)
        notifier.stopping()
        heard: list[bytes] = []
        while not heard or heard[-1] != b"STOPPING=1":
            heard.append(manager.recv(100))
        assert heard == [b"WATCHDOG=1"] * 3 + [b"STOPPING=1"]
        notifier.close()


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("alone")
    notifier.beat(0.0)
    notifier.stopping()
    notifier.close()
    assert notifier.watchdog_seconds == 0.0


def test_a_manager_that_went_away_costs_a_warning_only(tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready("alone")
    notifier.close()

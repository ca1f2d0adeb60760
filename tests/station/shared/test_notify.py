"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from hal.sim.clock import run_virtual
from secc.station.shared.notify import Notifier
from tests.station_scene import configured, station


class Noted(Notifier):
    """Notes when the manager would hear of life."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "3000000"})
        self.last = 0.0

    def beat(self, now: float) -> None:
        self.last = now


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


def test_the_watchdog_is_fed_while_every_guard_works_and_whatever_its_board_does(tmp_path: Path) -> None:
    """One lost or missing board must not end the sessions at the other outlets."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with station(configured(tmp_path, outlets=2), watch=False) as scene:
            services, beats = scene.station.services, Noted()
            services.notifier = beats
            await asyncio.sleep(3.0)
            assert beats.last > loop.time() - 1.0
            board = scene.outlet(0).hardware.board
            assert board is not None
            scene.world(0).inject("controller_silent")
            await asyncio.sleep(10.0)
            assert not board.healthy
            assert beats.last > loop.time() - 1.0
            # A guard that does not come round any more is another matter: the station is started anew.
            services.ticker.leave(scene.outlet(1).hardware.guard._turn)
            await asyncio.sleep(3.0)
            assert beats.last < loop.time() - 1.0
            services.unguarded(scene.outlet(1).name)
            await asyncio.sleep(1.0)
            assert beats.last > loop.time() - 1.0

    run_virtual(main())


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

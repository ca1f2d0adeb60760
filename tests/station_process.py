"""``secc run`` as a process of its own, with the simulated world in another: what tests of signals, power cuts and commands need."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from secc.ops.control import ControlError, ask
from tests.station_config import free_udp_port

ROOT = Path(__file__).resolve().parent.parent

CONFIGURATION = """
[station]
state_directory = "{state}"
control_socket = "{control}"
[[outlet]]
interface = "lo"
hal = "sim:?process=1&speed=20&control={panel}"
sdp_port = {port}
[uplink]
eim = "free"
sessions = "{state}/sessions.jsonl"
[trust]
clock = "rtc"
"""


class Process:
    """``secc run`` as a process of its own. Its log goes to a file, or to the descriptor ``stderr``."""

    def __init__(self, directory: Path, sockets: Path, *, stderr: int | None = None) -> None:
        self.panel, self.control = sockets / "world", sockets / "control"
        self.state = directory / "state"
        self.port = free_udp_port()
        self.config = directory / "station.toml"
        self.config.write_text(
            CONFIGURATION.format(state=self.state, control=self.control, panel=self.panel, port=self.port)
        )
        self.log = directory / "log"
        self.log.touch()
        self._stderr = stderr
        self._children: list[subprocess.Popen[bytes]] = []
        try:
            self.start()
        except AssertionError:
            self.close()
            raise

    def start(self) -> None:
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "secc", "run", str(self.config)],
                cwd=ROOT,
                stderr=log if self._stderr is None else self._stderr,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self._children.append(child)
        end = time.monotonic() + 60.0
        while True:
            with contextlib.suppress(ControlError):
                outlet = ask(self.control, {"do": "state"})["outlets"][0]
                if outlet["phase"] != "down" and not outlet["problem"]:
                    return
            assert child.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    @property
    def child(self) -> subprocess.Popen[bytes]:
        return self._children[-1]

    def end(self) -> int:
        """SIGTERM, and its exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(15.0)

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait(10.0)

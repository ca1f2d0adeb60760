"""The panel of a simulated world in another process, for tests that must not depend on an event loop: blocking, one request at a time."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any


class SyncPanel:
    """Raises OSError where there is no world."""

    def __init__(self, path: Path, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while True:
            self._sock = socket.socket(socket.AF_UNIX)
            self._sock.settimeout(5.0)
            try:
                self._sock.connect(str(path))
                break
            except OSError:
                self._sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self._file = self._sock.makefile("rwb")

    def act(self, verb: str, **arguments: Any) -> dict[str, Any]:
        self._file.write(json.dumps({"do": verb, **arguments}).encode() + b"\n")
        self._file.flush()
        answer: dict[str, Any] = json.loads(self._file.readline())
        assert answer.get("ok"), answer
        return answer

    def truth(self) -> dict[str, Any]:
        state: dict[str, Any] = self.act("state")["state"]
        return state

    def until_open(self, seconds: float) -> float:
        """How long it takes the true contactor to open, real seconds."""
        began = time.monotonic()
        while self.truth()["contactor_closed"]:
            assert time.monotonic() - began < seconds, f"the contactor is still closed after {seconds} s"
            time.sleep(0.005)
        return time.monotonic() - began

    def close(self) -> None:
        self._file.close()
        self._sock.close()

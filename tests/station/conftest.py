"""A station as a process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.station_process import Process


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A short path: those of unix sockets may have about 100 octets."""
    with tempfile.TemporaryDirectory(prefix="secc-") as directory:
        yield Path(directory)


@pytest.fixture
def process(tmp_path: Path, sockets: Path) -> Iterator[Process]:
    started = Process(tmp_path, sockets)
    yield started
    started.close()

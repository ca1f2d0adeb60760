"""The sockets of an outlet, and who else has them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.ops.network import PortTaken, holder, locate, sdp_socket
from tests.station_config import free_udp_port

HOLDER = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    sock.bind(("::", int(sys.argv[1])))
    print("bound", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held() -> Iterator[tuple[int, int]]:
    """A port and the process that has it."""
    port = free_udp_port()
    command = [sys.executable, "-c", HOLDER, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"bound\n"
        yield port, other.pid
        other.communicate()


def test_a_port_that_another_program_has_is_not_shared(held: tuple[int, int]) -> None:
    port, process = held
    with pytest.raises(PortTaken, match=f"UDP port {port} on lo is taken"):
        sdp_socket(locate("lo"), port)
    assert holder(port).startswith(f"process {process} ({sys.executable} -c ")


def test_a_program_whose_descriptors_may_not_be_seen_is_found_by_its_user(
    held: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A station is not dumpable: not even its own user sees what it has open."""
    port, process = held
    listed = Path.iterdir

    def refused(path: Path) -> Iterator[Path]:
        if path.parts[:3] == ("/", "proc", str(process)):
            raise PermissionError
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert f"process {process} (" in holder(port)
    monkeypatch.setattr("secc.ops.network._user", lambda process: "")
    assert holder(port).endswith(f"(as root, `ss -6ulpn sport = {port}` names it)")


def test_a_port_that_nobody_has() -> None:
    assert holder(free_udp_port()) == "a program that cannot be seen from here"

"""What is in the memory of the process stays with us. In processes of their own: none of it can be taken back."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.station_process import ROOT, Process


def said(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_nobody_but_root_looks_into_the_process_and_it_leaves_no_core() -> None:
    program = """
import ctypes, resource
from secc.station.shared.heap import keep_private
get_dumpable = 3
print(ctypes.CDLL(None).prctl(get_dumpable))
keep_private()
print(ctypes.CDLL(None).prctl(get_dumpable), *resource.getrlimit(resource.RLIMIT_CORE))
"""
    assert said(program) == ["1", "0", "0", "0"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library knows no such call")
def test_what_is_freed_is_overwritten() -> None:
    program = """
import ctypes
from secc.station.shared.heap import keep_private
keep_private()
kept = [bytes(50_000) for _ in range(3)]
contract = b"DE8AAA1B2C3D4E5" * 3000
address = id(contract)
kept += [bytes(50_000) for _ in range(3)]
print(ctypes.string_at(address, 50_000).count(b"DE8AA"))
del contract
print(ctypes.string_at(address, 40_000).count(b"DE8AA"))
"""
    assert said(program) == ["3000", "0"]


def test_a_running_station_keeps_itself_private(process: Process) -> None:
    limits = Path(f"/proc/{process.child.pid}/limits").read_text()
    (core,) = (line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]
    assert process.end() == 0


def test_the_unit_says_so_too() -> None:
    assert "\nLimitCORE=0\n" in (ROOT / "docs" / "secc.service").read_text()

"""``secc compile``: byte code and generated code, made whole, seen by the doctor, never made by a station."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from secc.ops.installed import READABLE
from secc.protocols import protocols

ROOT = Path(__file__).resolve().parent.parent.parent
DOCTOR = """
import sys
from secc.ops.installed import findings
for finding in findings():
    print(finding)
"""
WARM = """
import builtins, sys
from frozen import code
from secc.ops.installed import READABLE
from secc.protocols import protocols
from secc.session import negotiation
compiled = []
real = compile
def noted(source, file, *how):
    compiled.append(file)
    return real(source, file, *how)
code.compile = noted
import secc.station.station
negotiation.warm()
for protocol in protocols():
    loaded = protocol.load()
    loaded.warm()
    for _ in loaded.warm_rest():
        pass
assert not code.problem, code.problem
print(len(compiled))
"""
BOUND = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    if ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Runs a command as a root that file modes bind as any other owner. Another user could not read the
copy, which is below root's own directory.
"""
MANY = 100 if protocols() else 20
"""Functions that a station without stored code compiles at least; without any protocol it compiles 33."""


class Installation:
    """A copy of the program, with byte code of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("frozen", "secc", "hal", "certs"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def stored(self) -> Path:
        return self.root / "frozen" / "__pycache__" / f"code.{sys.implementation.cache_tag}.generated"

    def run(self, *arguments: str, code: int = 0, byte_code: bool = False, problem: str = "") -> str:
        """Returns what it printed. ``problem`` is what it has to write to stderr with an exit code other than 0."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {} if byte_code else {"PYTHONDONTWRITEBYTECODE": "1"}
        command: Sequence[str] = (sys.executable, *arguments)
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert code == 0 or done.stderr == problem
        return done.stdout

    def doctor(self) -> list[str]:
        return self.run("-c", DOCTOR).splitlines()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("made"))
    installation.run("-m", "secc", "compile", byte_code=True)
    return installation


def test_the_doctor_sees_what_is_missing(bare: Installation) -> None:
    byte_code, generated = bare.doctor()
    assert byte_code.startswith("NOTE byte code: ") and "run `secc compile`" in byte_code
    assert generated.startswith("NOTE generated code: is not there")


def test_no_station_makes_it(bare: Installation) -> None:
    assert int(bare.run("-c", WARM, byte_code=True)) > MANY
    assert not bare.stored.exists()


def test_a_warm_up_compiles_nothing(made: Installation) -> None:
    assert made.run("-c", WARM) == "0\n"


def test_the_doctor_sees_that_it_is_there(made: Installation) -> None:
    assert [line[:4] for line in made.doctor()] == ["OK  ", "OK  "]


def test_the_doctor_sees_a_change(made: Installation) -> None:
    changed = made.root / "secc" / "errors.py"
    before = changed.read_bytes()
    changed.write_bytes(before + b"# changed\n")
    try:
        byte_code, generated = made.doctor()
        assert byte_code.startswith("NOTE byte code: 1 of ")
        assert generated.startswith("NOTE generated code: was made from other sources")
    finally:
        changed.write_bytes(before)
        made.run("-m", "secc", "compile", byte_code=True)


def test_the_doctor_sees_what_others_can_change(made: Installation) -> None:
    made.stored.chmod(0o666)
    try:
        assert made.doctor()[1].startswith("BAD  generated code: is not used: ")
        assert int(made.run("-c", WARM.replace("assert not code.problem, code.problem", ""))) > MANY
    finally:
        made.stored.chmod(0o644)


def test_it_is_closed_to_others_when_it_is_made(made: Installation) -> None:
    made.stored.parent.chmod(0o777)
    made.run("-m", "secc", "compile", byte_code=True)
    assert made.stored.parent.stat().st_mode & 0o022 == 0
    assert made.stored.stat().st_mode & 0o777 == 0o644


def test_who_may_not_write_is_told(made: Installation) -> None:
    made.stored.parent.chmod(0o555)
    problem = f"secc: {made.stored}: cannot be written: Permission denied: run this as the owner of the installation\n"
    bound = ("-c", BOUND) if os.geteuid() == 0 else ()
    try:
        made.run(*bound, "-m", "secc", "compile", code=1, problem=problem)
    finally:
        made.stored.parent.chmod(0o755)


def test_what_the_user_cannot_read_is_told(made: Installation) -> None:
    closed = made.root / "hal" / "boards"
    mode = closed.stat().st_mode
    closed.chmod(0)
    bound = ("-c", BOUND) if os.geteuid() == 0 else ()
    try:
        said = made.run(*bound, "-c", DOCTOR).splitlines()
    finally:
        closed.chmod(mode)
    assert said == [f"BAD  installation: {closed} cannot be read: Permission denied; {READABLE}"]

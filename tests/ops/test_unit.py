"""As whom a station runs: the unit is read as systemd reads it, and the check becomes its user before it looks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from secc.errors import ConfigError
from secc.ops import unit
from secc.ops.unit import become, find_unit

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "docs" / "secc.service"
CONFIGURATION = Path("/etc/secc/station.toml")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where units lie."""
    monkeypatch.setattr(unit, "PLACES", (tmp_path,))
    return tmp_path


def test_the_unit_of_this_project_is_understood(place: Path) -> None:
    (place / "secc.service").write_text(OURS.read_text())
    found = find_unit(CONFIGURATION)
    assert found is not None
    assert (found.user, found.path) == ("secc", place / "secc.service")
    assert found.writable == found.made == (Path("/var/lib/secc"),)
    assert Path("/home") in found.private and Path("/tmp") in found.private
    assert "CAP_NET_RAW" in found.capabilities


def test_a_unit_that_runs_another_configuration_says_nothing_about_this_one(place: Path) -> None:
    (place / "secc.service").write_text(OURS.read_text())
    assert find_unit(Path("/home/me/lab.toml")) is None
    assert find_unit(None) is None


def test_no_unit(place: Path) -> None:
    assert find_unit(CONFIGURATION) is None


def test_drop_ins_are_laid_over_it(place: Path) -> None:
    (place / "secc.service").write_text(OURS.read_text())
    (place / "secc.service.d").mkdir()
    (place / "secc.service.d" / "10-user.conf").write_text("[Unit]\nUser=nobody\n[Service]\n# User=x\nUser=charger\n")
    (place / "secc.service.d" / "20-more.conf").write_text(
        "[Service]\nReadWritePaths=/data -/more\nProtectHome=\nAmbientCapabilities=\n"
    )
    found = find_unit(CONFIGURATION)
    assert found is not None
    assert found.user == "charger"
    assert found.writable == (Path("/var/lib/secc"), Path("/data"), Path("/more"))
    assert Path("/home") not in found.private
    assert found.capabilities == frozenset()


def test_a_unit_that_is_broken_breaks_nothing(place: Path) -> None:
    (place / "secc.service").write_bytes(b"\xff\n[Service]\n=\nExecStart=/x 'run /etc/secc/station.toml\nUser\n\n[\n")
    assert find_unit(CONFIGURATION) is not None


def test_a_user_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="--as-user: there is no user no-such-user"):
        become("no-such-user")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_looks_with_the_rights_of_the_user(tmp_path: Path) -> None:
    """What root may read, and the user may not, is what the start would fail of: here its own code, or the configuration."""
    file = tmp_path / "station.toml"
    file.write_text('[[outlet]]\ninterface = "lo"\n[uplink]\neim = "free"\n')
    file.chmod(0o600)
    command = [sys.executable, "-m", "secc", "check", str(file), "--as-user", "nobody"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "nobody cannot read" in done.stderr or "Permission denied" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else first")
def test_only_root_becomes_another() -> None:
    code = "import os, secc.ops.unit as u; os.setuid(65534); u.become('root')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "only root may check with the rights of root" in done.stderr

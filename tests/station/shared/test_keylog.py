"""``lab.danger_keylog``: TLS secrets go into a file that no other user can read, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secc.errors import ConfigError
from secc.station.shared.services import Keylog


def test_lines_are_appended_to_a_file_of_our_own(tmp_path: Path) -> None:
    for line in ("CLIENT_RANDOM 1\n", "CLIENT_RANDOM 2"):
        keylog = Keylog(tmp_path / "keys")
        keylog(line)
        keylog.close()
    assert (tmp_path / "keys").read_text() == "CLIENT_RANDOM 1\nCLIENT_RANDOM 2\n"
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="only the station's user"):
        Keylog(path)


def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("fifo", "link", "."):
        with pytest.raises(ConfigError):
            Keylog(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


def test_what_comes_after_the_end_goes_into_no_other_file(tmp_path: Path) -> None:
    keylog = Keylog(tmp_path / "keys")
    keylog.close()
    with (tmp_path / "other").open("xb"):
        keylog("CLIENT_RANDOM 1")
    assert (tmp_path / "other").read_bytes() == b""


def test_a_full_disk_ends_no_handshake(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keylog = Keylog(tmp_path / "keys")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, keylog._descriptor)
    os.close(full)
    for _ in range(3):
        keylog("CLIENT_RANDOM 1")
    keylog.close()
    assert caplog.text.count("cannot be written") == 1

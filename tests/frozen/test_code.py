"""Generated code from the store: the same code, never from a file that others can write, never from one that is not whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import frozen
from frozen import code

SOURCE = "def f():\n return 1\n"
OTHER = 12345
"""A user who is neither root nor the owner of the program."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that holds other code under the key of SOURCE, so that it shows where code came from."""
    directory = tmp_path / "__pycache__"
    directory.mkdir(mode=0o755)
    path = directory / "code.generated"
    monkeypatch.setattr(code, "gathered", {})
    code.compiled(SOURCE, "<f>")
    (key,) = code.gathered or {}
    monkeypatch.setattr(code, "gathered", {})
    code.compiled(SOURCE.replace("1", "2"), "<f>")
    path.write_bytes(code.packed("fingerprint", dict(zip([key], (code.gathered or {}).values(), strict=True))))
    path.chmod(0o644)
    monkeypatch.setattr(code, "gathered", None)
    monkeypatch.setattr(code, "PLACE", path)
    monkeypatch.setattr(code, "problem", "")
    monkeypatch.setattr(code, "_entries", None)
    return path


def value(source: str = SOURCE, file: str = "<f>") -> int:
    space: dict[str, Callable[[], int]] = {}
    exec(code.compiled(source, file), space)
    return space["f"]()


def test_code_is_found_by_its_whole_source(store: Path) -> None:
    assert value() == 2
    assert value(file="<g>") == 1
    assert value(SOURCE + "\n") == 1
    assert code.problem == ""


def test_without_a_store_everything_is_compiled(store: Path) -> None:
    store.unlink()
    assert value() == 1
    assert code.problem == "", "an installation without one is in order"


CLOSED = """
import os, sys
from pathlib import Path
from frozen import code
code.PLACE = Path(sys.argv[1])
os.setresuid(12345, 12345, 12345)
code.compiled("1", "<f>")
print(code.problem)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root may look everywhere")
def test_a_store_that_the_station_may_not_look_into_is_not_used(store: Path) -> None:
    """Byte code that root has compiled with a strict umask lies in a directory that is closed to the station's user."""
    store.parent.chmod(0o700)
    command = [sys.executable, "-c", CLOSED, str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{store}: Permission denied\n"), done.stderr


def test_another_thread_may_recall_the_store_at_any_moment(store: Path) -> None:
    store.unlink()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code is code._stored.__code__:
            code.recall()
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert value() == 1
    finally:
        sys.settrace(before)


def test_memory_is_given_back_and_the_store_read_again(store: Path) -> None:
    assert value() == 2
    code.forget()
    assert not code._entries
    assert value() == 1
    code.recall()
    assert value() == 2
    code.recall()
    assert code._entries


def write_for_all(store: Path) -> None:
    store.chmod(0o646)


def write_for_the_group(store: Path) -> None:
    store.chmod(0o664)


def directory_for_all(store: Path) -> None:
    store.parent.chmod(0o777)


def directory_for_the_group(store: Path) -> None:
    store.parent.chmod(0o775)


def a_link(store: Path) -> None:
    store.rename(store.with_suffix(".real"))
    store.symlink_to(store.with_suffix(".real"))


def of_another_python(store: Path) -> None:
    octets = bytearray(store.read_bytes())
    octets[len(code.HEAD) - 4] ^= 1
    store.write_bytes(octets)


def of_another_format(store: Path) -> None:
    store.write_bytes(store.read_bytes().replace(b"code 1", b"code 2", 1))


def one_bit_flipped(store: Path) -> None:
    octets = bytearray(store.read_bytes())
    octets[-3] ^= 4
    store.write_bytes(octets)


def cut_off(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:-5])


def empty(store: Path) -> None:
    store.write_bytes(b"")


SPOILT = (
    write_for_all,
    write_for_the_group,
    directory_for_all,
    directory_for_the_group,
    a_link,
    of_another_python,
    of_another_format,
    one_bit_flipped,
    cut_off,
    empty,
)


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_bad_store_is_refused_and_the_code_compiled(store: Path, spoil: Callable[[Path], None]) -> None:
    spoil(store)
    assert value() == 1
    assert str(store.parent) in code.problem
    with pytest.raises(code.Unusable):
        code.read(store)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_store_of_another_user_is_refused(store: Path, what: str) -> None:
    os.chown(store if what == "file" else store.parent, OTHER, -1)
    assert value() == 1
    assert "can be changed by others" in code.problem


def test_it_lies_beside_the_byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code.PLACE.parent == Path(str(code.__spec__ and code.__spec__.cached)).parent
    assert sys.implementation.cache_tag in code.PLACE.name


def test_every_class_can_be_made_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    @frozen.dataclass(frozen=True, slots=True)
    class Unheard:
        of_anywhere_else: int

    seen: list[str] = []
    real = code.compiled
    monkeypatch.setattr(code, "compiled", lambda source, file: seen.append(source) or real(source, file))  # type: ignore[func-returns-value]
    for _ in frozen.make_all():
        pass
    assert len([source for source in seen if "of_anywhere_else" in source]) == 1
    seen.clear()
    assert Unheard(1).of_anywhere_else == 1
    assert seen == []


READ_ONLY = """
import os, sys
import frozen.code
writes = []
sys.addaudithook(lambda event, args: writes.append(args[0]) if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") else None)
frozen.code.compiled("1", "<f>")
assert not writes, writes
assert not [name for name in vars(frozen.code) if "write" in name or "store" == name]
"""


def test_the_module_that_reads_cannot_write() -> None:
    done = subprocess.run([sys.executable, "-c", READ_ONLY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_stored_is_for_everybody_to_read(store: Path) -> None:
    assert stat.S_IMODE(store.stat().st_mode) == 0o644

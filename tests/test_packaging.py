"""What is flashed onto a board: the wheel holds everything, nothing lands where it does not belong, and it works without the checkout."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools", minversion="77", reason="building a wheel needs setuptools 77 (extra: dev)")
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "-w", str(directory), str(copy_of_the_tree(tmp_path_factory))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(directory.glob("*.whl"))


def copy_of_the_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Building writes into the tree; the tree that is tested stays as it is."""
    import shutil

    copy = tmp_path_factory.mktemp("tree") / "checkout"
    copy.mkdir()
    for name in ("secc", "hal", "certs", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, copy / name)
    return copy


def test_every_package_of_the_tree_is_listed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = set()
    for top in ("secc", "hal", "certs", "tools"):
        for file in (ROOT / top).rglob("__init__.py"):
            name = ".".join(file.parent.relative_to(ROOT).parts)
            found.add(f"secc.{name}" if top == "tools" else name)
    assert found == listed


def test_the_wheel_holds_every_module_and_no_stranger(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    wanted = set()
    for top in ("secc", "hal", "certs", "tools"):
        for file in (ROOT / top).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            wanted.add(f"secc/{name}" if top == "tools" else name)
    assert names == wanted


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["run", "--help"], ["decode", "--help"], ["pki", "--help"], ["evcc", "--help"]],
    ids=" ".join,
)
def test_the_command_works_from_the_wheel_alone(wheel: Path, tmp_path: Path, arguments: list[str]) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from secc.cli import main; sys.exit(main())"
    # -P and -S would hide the dependencies, too; the checkout is out of sight because the directory is another one.
    run = [sys.executable, "-P", "-c", code, *arguments]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout

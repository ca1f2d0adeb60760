"""What is flashed onto a board: the wheel holds everything, nothing lands where it does not belong, and it works without the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from secc.version import RELEASE, tree_version

ROOT = Path(__file__).resolve().parent.parent
TOPS = ("secc", "frozen", "hal", "certs", "tools")
BESIDE = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "docs")
VERSION = re.compile(rf"{re.escape(RELEASE)}\.post\d{{14}}(\+g[0-9a-f]+(\.changed)?)?")


def copy_of_the_tree(place: Path) -> Path:
    """Building writes into the tree; the tree that is tested stays as it is. No git is beside it."""
    place.mkdir()
    for name in TOPS:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "_built.py"))
    for name in BESIDE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name)
        else:
            shutil.copy2(ROOT / name, place / name)
    return place


def build(tree: Path, target: Path, **environment: str) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--no-index", "-w", str(target), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools", minversion="77", reason="building a wheel needs setuptools 77 (extra: dev)")
    return copy_of_the_tree(tmp_path_factory.mktemp("tree") / "checkout")


NEWER = f"{RELEASE}.post20991231235959"


@pytest.fixture(scope="module")
def newer(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this tree that calls itself newer, and has a module that the tree has lost since."""
    stranger = tree / "secc" / "deleted.py"
    stranger.touch()
    built = build(tree, tmp_path_factory.mktemp("newer"), SECC_VERSION=NEWER)
    stranger.unlink()
    return built


@pytest.fixture(scope="module")
def wheel(tree: Path, newer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built after ``newer``, of which ``build`` is still there."""
    return build(tree, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the dependencies that it names, and nothing of this checkout."""
    home = tmp_path_factory.mktemp("site") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    command = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", "--quiet", "--no-index"]
    done = subprocess.run(
        [*command, "--no-deps", "--disable-pip-version-check", str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    packages = next((home / "lib").glob("python*")) / "site-packages"
    for needed in ("cryptography", "asn1crypto", "cffi", "pycparser", "_cffi_backend*"):
        for place in map(Path, sys.path):
            for found in place.glob(needed) if place.name == "site-packages" else ():
                (packages / found.name).symlink_to(found)
    return home


def run(site: Path, directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """In an empty directory and an environment without PYTHONPATH: the checkout is nowhere in sight."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(site / "bin" / command[0]), *command[1:]],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env=clean,
        timeout=60,
    )


def metadata(wheel: Path) -> Message:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(archive.read(name).decode())


def test_every_package_of_the_tree_is_listed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = set()
    for top in TOPS:
        for file in (ROOT / top).rglob("__init__.py"):
            name = ".".join(file.parent.relative_to(ROOT).parts)
            found.add(f"secc.{name}" if top == "tools" else name)
    assert found == listed


def test_the_wheel_holds_every_module_and_no_stranger(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    wanted = {"secc/_built.py"}
    for top in TOPS:
        for file in (ROOT / top).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            wanted.add(f"secc/{name}" if top == "tools" else name)
    assert names == wanted


def test_what_was_deleted_from_the_tree_is_not_in_the_next_wheel(tree: Path, newer: Path, wheel: Path) -> None:
    assert (tree / "build").is_dir(), "that of the build before"
    assert "secc/deleted.py" in zipfile.ZipFile(newer).namelist()
    assert "secc/deleted.py" not in zipfile.ZipFile(wheel).namelist()


def test_what_a_board_needs_beside_the_code_travels_along(wheel: Path, site: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"secc/py.typed", "hal/py.typed", "certs/py.typed"} <= names
    shared = {path.name for path in (site / "share" / "secc").iterdir()}
    examples = {path.name for path in (ROOT / "docs" / "examples").iterdir()}
    assert shared == {"secc.service", *examples}


def test_the_metadata_say_what_it_is(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["License-Expression"] == "Apache-2.0"
    assert told["License-File"] == "LICENSE"
    assert "Typing :: Typed" in told.get_all("Classifier", [])
    assert VERSION.fullmatch(told["Version"]), told["Version"]
    assert set(told.get_all("Provides-Extra", [])) == {"lab", "serial", "modbus", "dev"}


def test_what_readme_installs_is_what_its_configuration_needs() -> None:
    """Its board is a serial one: without the extra, the first `secc check` would say that pyserial is missing."""
    for page in ("README.md", "docs/board.md"):
        text = (ROOT / page).read_text()
        built = re.findall(r"pip wheel --wheel-dir dist '\.\[([a-z,]+)\]'", text)
        installed = re.findall(
            r"pip install --no-index --find-links dist (?:--upgrade )?'secc-stack\[([a-z,]+)\]'", text
        )
        assert built and installed, page
        assert all("serial" in extras.split(",") for extras in (*built, *installed))
        assert "find-links dist secc-stack" not in text


def test_no_page_and_no_message_advises_an_index_that_the_project_is_not_on() -> None:
    for file in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(p for top in TOPS for p in (ROOT / top).rglob("*.py")),
    ]:
        for line in file.read_text(encoding="utf-8").splitlines():
            if re.search(r"pip install\b.*secc-stack", line):
                assert "--no-index" in line, f"{file}: {line}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["version"],
        ["--version"],
        ["help"],
        ["run", "--help"],
        ["decode", "--help"],
        ["pki", "--help"],
        ["evcc", "--help"],
    ],
    ids=" ".join,
)
def test_the_command_works_from_the_wheel_alone(site: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = run(site, tmp_path, "secc", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_module_comes_from_the_wheel(site: Path, tmp_path: Path) -> None:
    """The checkout must not be on the path of the child by its editable installation: it would hide what is missing."""
    code = (
        "import sys, secc, hal, certs, secc.tools.pki; print([m.__file__ for m in (secc, hal, certs, secc.tools.pki)])"
    )
    done = run(site, tmp_path, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout
    assert done.stdout.count(str(site)) == 4
    hidden = run(site, tmp_path, "python", "-c", "import tools")
    assert "No module named 'tools'" in hidden.stderr, "nothing lands at the top of site-packages that is not ours"


# --- the version ---


def git(tree: Path, *arguments: str, at: int = 0) -> None:
    moment = f"{at} +0000"
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    dates = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
    subprocess.run(
        ["git", "-C", str(tree), *arguments], check=True, capture_output=True, env=os.environ | names | dates
    )


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A tree with one commit, at 2026-11-20 13:15:48 UTC."""
    root = tmp_path / "history"
    (root / "secc").mkdir(parents=True)
    (root / "secc" / "a.py").write_text("1\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "one", at=1795180548)
    return root


def test_a_newer_commit_is_a_newer_version(history: Path) -> None:
    """Were it 0.1.0 for ever, ``pip install --upgrade`` of a newer wheel would do nothing."""
    first = tree_version(history)
    assert re.fullmatch(rf"{RELEASE}\.post20261120131548\+g[0-9a-f]+", first)
    git(history, "commit", "-q", "--allow-empty", "-m", "two", at=1795180549)
    second = tree_version(history)
    assert second.startswith(f"{RELEASE}.post20261120131549+g")
    (history / "secc" / "a.py").write_text("2\n")
    os.utime(history / "secc" / "a.py", (1795180560, 1795180560))
    assert tree_version(history) == second.replace("131549", "131600") + ".changed"


def test_a_tree_without_git_has_a_version_that_moves_too(history: Path) -> None:
    shutil.rmtree(history / ".git")
    os.utime(history / "secc" / "a.py", (1795180560, 1795180560))
    assert tree_version(history) == f"{RELEASE}.post20261120131600"


def test_an_archive_of_git_carries_its_commit(history: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gitattributes", history)
    shutil.copy(ROOT / "secc" / "version.py", history / "secc")
    git(history, "add", ".")
    git(history, "commit", "-q", "-m", "two", at=1795180549)
    wanted = tree_version(history)
    git(history, "archive", "-o", str(tmp_path / "tree.zip"), "HEAD")
    zipfile.ZipFile(tmp_path / "tree.zip").extractall(tmp_path / "archive")
    code = "import sys; sys.path.insert(0, '.'); import secc.version as v; print(v.version())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path / "archive", capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == wanted, done.stderr


def test_a_wheel_and_its_code_say_the_same_version(wheel: Path, site: Path, tmp_path: Path) -> None:
    said = run(site, tmp_path, "secc", "version").stdout
    assert said == f"secc {metadata(wheel)['Version']}\n"


def test_the_newer_of_two_wheels_is_installed_by_upgrade(newer: Path, site: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(site / "bin/python"), "install", "--quiet", "--no-index"]
    command += [
        "--find-links",
        str(newer.parent),
        "--no-deps",
        "--upgrade",
        "--disable-pip-version-check",
        "secc-stack",
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert run(site, tmp_path, "secc", "version").stdout == f"secc {NEWER}\n"

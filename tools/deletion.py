"""Deletes a protocol from a copy of the repository, and runs the remaining tests: ``python -m
tools.deletion [--without NAME] [TEST...]``. By default each protocol is deleted from a copy of its
own, two at a time.

A protocol is a folder, its tests, two lines in ``secc/protocols.py``, and its packages in the wheel.
Other code that needed it would fail here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from .imports import Modules

ROOT = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("secc", "frozen", "hal", "certs", "tools", "tests", "docs")
FILES: Final = (
    "pyproject.toml",
    "setup.py",
    "Makefile",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    ".ci/run",
    ".gitattributes",
)
ROOMS: Final = FOLDERS[:-1]
"""The folders with modules."""

LISTS: Final = ("secc/protocols.py", "tools/evcc/protocols.py", "tools/replay/protocols.py")
"""The lists of protocols of the station, of the simulated car and of what is replayed: an import and a
line each.
"""


@dataclass(frozen=True)
class Protocol:
    """What goes with a protocol beside its folders and the tools and tests that import them."""

    tests: tuple[str, ...]
    """The tests that ``make deletion`` runs without it."""
    lists: tuple[str, ...] = LISTS
    also: tuple[str, ...] = ()
    """Tests of what a copy does not have: files that pages name, commands, the demo and its car."""


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "iso2": Protocol(
        tests=("tests",),
        also=(
            "tests/live",
            "tests/trace/test_explain.py",
            "tests/trace/test_quirks.py",
            "tests/test_docs_paths.py",
            "tests/test_packaging.py",
            "tests/test_cli.py",
            "tests/tools/test_docs.py",
            "tests/tools/test_demo.py",
            "tests/tools/test_demo_din.py",
        ),
    ),
    "din": Protocol(
        # Nearly all tests are left, and take five minutes on two cores. These are nearest to what lists protocols.
        tests=(
            *("tests/config", "tests/conversation", "tests/frozen", "tests/iso2", "tests/ops", "tests/outlet"),
            *("tests/session", "tests/trace", "tests/uplink"),
            *("tests/test_cli.py", "tests/test_house.py", "tests/test_packaging.py"),
            *("tests/test_pair_iso2.py", "tests/test_pair_world.py"),
            "tests/station/test_identification.py",
            "tests/station/test_reasons.py",
            "tests/station/test_sessions.py",
            "tests/station/test_wiring.py",
            "tests/tools/test_config_doc.py",
            "tests/tools/test_diagram.py",
            "tests/tools/test_docs.py",
            "tests/tools/test_quirks_doc.py",
            "tests/tools/test_reasons_doc.py",
            "tests/tools/test_recorded_traces.py",
            "tests/tools/test_replay.py",
        ),
        lists=(*LISTS, "tools/mutants.py"),
        also=("tests/test_docs_paths.py",),
    ),
}

FOREIGN: Final = """
import importlib.util, pathlib, sys
# The checkout is installed in this environment: what is deleted from the copy must not be found there.
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]

class Tools:
    # The wheel has the tools inside secc.
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "secc.tools":
            place = pathlib.Path(__file__).parent / "tools"
            return importlib.util.spec_from_file_location(name, place / "__init__.py", submodule_search_locations=[str(place)])

sys.meta_path.append(Tools)
"""

EVERY_MODULE: Final = """
import importlib, pathlib, sys
import pytest
for room in sys.argv[2:]:
    for path in sorted(pathlib.Path(room).rglob("*.py")):
        if path.name != "__main__.py":
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            try:
                module = importlib.import_module(name)
            except pytest.skip.Exception:
                continue  # tests that need what is not installed
            assert pathlib.Path(module.__file__).resolve() == path.resolve(), module.__file__
assert not [name for name in sys.modules if name.startswith(sys.argv[1])]
"""


PAGES: Final = """
from tools import config_doc, quirks_doc, reasons_doc
for page in (config_doc, quirks_doc, reasons_doc):
    page.TARGET.write_text(page.render(), encoding="utf-8")
"""
"""Makes the pages anew that name what a station speaks."""


class NotDeleted(Exception):
    """The tree does not have the expected files."""


def copy_tree(directory: Path, *left_out: str) -> None:
    """Copy the repository to ``directory``, without files and folders of these names."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", *left_out))
    for name in FILES:
        (directory / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)


def without(name: str, directory: Path) -> Path:
    """Make a copy of the repository in ``directory``, without the protocol and the tools and tests
    that need it. Raises NotDeleted.
    """
    copy_tree(directory)
    for place in PROTOCOLS[name].lists:
        lines = (directory / place).read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not re.search(rf"(?<![a-z]){name}(?![a-z])", line, re.IGNORECASE)]
        if len(lines) - len(kept) != 2:
            raise NotDeleted(f"{place}: {len(lines) - len(kept)} lines name {name}, not two")
        (directory / place).write_text("".join(kept), "utf-8")
    wheel = directory / "pyproject.toml"
    packages = re.compile(rf'^ +"secc\.(tools\.\w+\.)?{name}(\.\w+)*",\n', re.MULTILINE)
    wheel.write_text(packages.sub("", wheel.read_text("utf-8")), "utf-8")
    for path in (*needing(name, directory), *named(name, directory)):
        path.unlink(missing_ok=True)
    # Python imports an empty folder, too.
    for room in ("secc", "tools", "tests"):
        for folder in [path for path in (directory / room).rglob(name) if path.is_dir()]:
            shutil.rmtree(folder)
    for place in PROTOCOLS[name].also:
        _delete(directory / place)
    (directory / "sitecustomize.py").write_text(FOREIGN, "utf-8")
    if (made := run(directory, "-c", PAGES)).returncode != 0:
        raise NotDeleted(f"the pages cannot be made: {made.stderr[-1000:]}")
    return directory


def needing(name: str, directory: Path = ROOT) -> set[Path]:
    """Returns the modules of the protocol, and of the tools and tests that cannot be imported without
    it. Raises NotDeleted for another module of the station.
    """
    modules = Modules(directory, ROOMS)
    lists = [place.removesuffix(".py").replace("/", ".") for place in PROTOCOLS[name].lists]
    folders = (f"secc.{name}", f"tools.evcc.{name}", f"tools.replay.{name}")
    found = modules.needing(folders, lists=lists)
    for module in found:
        if not module.startswith((f"secc.{name}", "tools.", "tests.")):
            raise NotDeleted(f"{module} needs {name}")
    return {modules.files[module] for module in found}


def named(name: str, directory: Path = ROOT) -> set[Path]:
    """Returns the files that say in their name, or in that of a folder, that they are of the protocol."""
    rooms = (path for room in ("secc", "tools", "tests") for path in (directory / room).rglob("*") if path.is_file())
    return {path for path in rooms if name in re.split(r"[/_.]", str(path.relative_to(directory)))}


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    else:
        raise NotDeleted(f"{path}: there is no such file")


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python in the copy."""
    environment = os.environ | {"PYTHONPATH": str(directory)}
    return subprocess.run(
        [sys.executable, *command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def imports(name: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Import every remaining module, those of the tests too."""
    return run(directory, "-c", EVERY_MODULE, f"secc.{name}", *ROOMS)


def doors(directory: Path) -> subprocess.CompletedProcess[str]:
    """Check the layers of the remaining rooms."""
    return run(directory, "-c", "from importlinter.cli import lint_imports_command as lint; lint()")


def run_tests(directory: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run these tests, files or folders."""
    options = (
        "-q",
        "-x",
        "-n",
        "0",
        "-m",
        "not live and not slow",
        "-p",
        "no:randomly",
        "--ignore",
        "tests/test_deletion.py",
    )
    return run(directory, "-m", "pytest", *options, *tests)


def delete(name: str, tests: Sequence[str]) -> tuple[bool, str]:
    """Delete a protocol from a copy and run these tests in it, or those that are its own choice.
    Returns whether all is well, and what was said.
    """
    said = [f"without {name}:"]
    with tempfile.TemporaryDirectory(prefix=f"deletion-{name}-") as place:
        try:
            directory = without(name, Path(place))
        except NotDeleted as error:
            return False, "\n".join([*said, str(error)])
        steps = partial(imports, name), doors, partial(run_tests, tests=tests or PROTOCOLS[name].tests)
        for step in steps:
            done = step(directory)
            said.append((done.stdout + done.stderr)[-4000:])
            if done.returncode != 0:
                return False, "\n".join(said)
    return True, "\n".join(said)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="deletion", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--without", choices=PROTOCOLS, action="append", help="this protocol (default: each)")
    parser.add_argument("tests", nargs="*", metavar="TEST", help="these tests (default: all, or those nearest to it)")
    options = parser.parse_args(argv)
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(lambda name: delete(name, options.tests), options.without or PROTOCOLS))
    for _, said in outcomes:
        print(said)
    return 0 if all(well for well, _ in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

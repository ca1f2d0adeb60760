"""Deletes ISO 15118-2 from a copy of the repository, and runs the remaining tests: ``python -m
tools.deletion [TEST...]``.

A protocol is a folder, its tests, and two lines in ``secc/protocols.py``. Other code that needed it
would fail here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
FOLDERS: Final = ("secc", "frozen", "hal", "certs", "tools", "tests", "docs")
FILES: Final = ("pyproject.toml", "README.md", "CHANGELOG.md")

LIST: Final = "secc/protocols.py"
"""The list of protocols: an import and a line each."""

GONE: Final[Mapping[str, tuple[str, ...]]] = {
    "the protocol": ("secc/iso2", "tests/iso2", "tests/iso2_*.py", "tests/recordings.py"),
    "a car that speaks it, and what reads, replays or counts its messages": (
        "tools/evcc",
        "tools/bench",
        "tools/decode*.py",
        "tools/replay",
        "tools/provisioning.py",
        "tools/tariffs.py",
    ),
    "tests in which such a car charges": (
        "tests/reasons",
        "tests/station",
        "tests/station_scene.py",
        "tests/conformance",
        "tests/held_outlet.py",
        "tests/world_outlet.py",
        "tests/pair.py",
        "tests/ways.py",
        "tests/test_pair_*.py",
        "tests/test_testing.py",
        "tests/test_misbehaving.py",
        "tests/fuzz",
        "tests/privacy",
        "tests/personal_search.py",
        "tests/live",
        "tests/tools/test_decode.py",
        "tests/tools/test_provisioning.py",
        "tests/tools/test_tariffs.py",
        "tests/tools/test_demo.py",
        "tests/tools/test_recorded_traces.py",
        "tests/captures.py",
        "tests/tools/test_replay*.py",
        "tests/tools/test_recording.py",
        "tests/tools/test_diagram.py",
        "tests/tools/test_evcc*.py",
        "tests/tools/test_beats.py",
        "tests/tools/test_bench.py",
        "tests/tools/test_ports.py",
        "tests/tools/test_walks.py",
    ),
    "tests whose examples are its messages, or how its sessions end": (
        "tests/exi",
        "tests/exi_facts.py",
        "tests/exi_vectors.py",
        "tests/frozen/test_dataclass.py",
        "tests/session/test_proof.py",
        "tests/session/test_signature.py",
        "tests/trace/test_explain.py",
        "tests/trace/test_recorder.py",
        "tests/trace/test_ring.py",
        "tests/uplink/test_receipts.py",
    ),
    "tests of lists that name it, or what is gone: pages, the wheel, commands, quirks": (
        "tests/trace/test_quirks.py",
        "tests/test_docs_paths.py",
        "tests/test_packaging.py",
        "tests/test_cli.py",
        "tests/tools/test_docs.py",
        "tests/tools/test_quirks_doc.py",
        "tests/tools/test_reasons_doc.py",
    ),
    "what runs this": ("tests/test_deletion.py",),
}

FOREIGN: Final = """
import sys
# The checkout is installed in this environment: what is deleted from the copy must not be found there.
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
"""

EVERY_MODULE: Final = """
import importlib, pathlib, sys
import pytest
for room in ("secc", "frozen", "hal", "certs", "tools", "tests"):
    for path in sorted(pathlib.Path(room).rglob("*.py")):
        if path.name != "__main__.py":
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            try:
                module = importlib.import_module(name)
            except pytest.skip.Exception:
                continue  # tests that need what is not installed
            assert pathlib.Path(module.__file__).resolve() == path.resolve(), module.__file__
assert not [name for name in sys.modules if name.startswith("secc.iso2")]
"""


class NotDeleted(Exception):
    """The tree does not have the expected files."""


def copy_tree(directory: Path, *left_out: str) -> None:
    """Copy the repository to ``directory``, without files and folders of these names."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", *left_out))
    for name in FILES:
        shutil.copy2(ROOT / name, directory / name)


def without_iso2(directory: Path) -> Path:
    """Make a copy of the repository in ``directory``, without the protocol and its tools and tests.
    Raises NotDeleted.
    """
    copy_tree(directory)
    for pattern in (pattern for patterns in GONE.values() for pattern in patterns):
        found = list(directory.glob(pattern))
        if not found:
            raise NotDeleted(f"{pattern}: there is no such file")
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    lines = (directory / LIST).read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "iso2" not in line]
    if len(lines) - len(kept) != 2:
        raise NotDeleted(f"{LIST}: {len(lines) - len(kept)} lines name the protocol, not two")
    (directory / LIST).write_text("".join(kept), "utf-8")
    (directory / "sitecustomize.py").write_text(FOREIGN, "utf-8")
    return directory


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python in the copy."""
    environment = os.environ | {"PYTHONPATH": str(directory)}
    return subprocess.run(
        [sys.executable, *command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Import every remaining module, those of the tests too."""
    return run(directory, "-c", EVERY_MODULE)


def doors(directory: Path) -> subprocess.CompletedProcess[str]:
    """Check the layers of the remaining rooms."""
    return run(directory, "-c", "from importlinter.cli import lint_imports_command as lint; lint()")


def run_tests(directory: Path, *selection: str) -> subprocess.CompletedProcess[str]:
    """Run these tests, files or folders."""
    return run(directory, "-m", "pytest", "-q", "-x", "-n", "0", "-m", "not live", "-p", "no:randomly", *selection)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="deletion", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tests", nargs="*", default=["tests"], metavar="TEST", help="these tests (default: all)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="deletion-") as name:
        directory = without_iso2(Path(name))
        for step in (imports(directory), doors(directory), run_tests(directory, *options.tests)):
            print((step.stdout + step.stderr)[-4000:])
            if step.returncode != 0:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

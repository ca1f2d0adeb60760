"""What pyproject.toml cannot say: the version comes from git (secc/version.py), and travels in the wheel."""

from __future__ import annotations

import os
import shutil
import sys
from email.parser import Parser
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from secc.version import tree_version  # noqa: E402  # the build front end does not put the tree on the path


def version() -> str:
    """That of SECC_VERSION where a packager sets it, that of a source distribution, else the tree's."""
    if said := os.environ.get("SECC_VERSION"):
        return said
    if (ROOT / "PKG-INFO").is_file():
        return str(Parser().parsestr((ROOT / "PKG-INFO").read_text(encoding="utf-8"))["Version"])
    return tree_version(ROOT)


class Build(build_py):
    """Builds from nothing, since what was deleted from the tree would stay in ``build``, and writes the version down."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            text = f'"""Written by setup.py."""\n\nVERSION = {self.distribution.get_version()!r}\n'
            Path(self.build_lib, "secc", "_built.py").write_text(text, encoding="utf-8")


setup(version=version(), cmdclass={"build_py": Build})

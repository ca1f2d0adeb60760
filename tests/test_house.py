"""How the code is built: modules that can be read in one go, and imports that go in no circle.

A room is a package, or a module that lies beside packages (``hal.compose``, ``secc.cli``). What is said of imports holds for all of them: at the
top of a module, in a function, and under ``TYPE_CHECKING``, which hides a circle and does not open it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tools.imports import Graph, Modules

ROOT = Path(__file__).resolve().parent.parent
TOPS = ("secc", "frozen", "hal", "certs", "tools")
LONGEST = 400

PARTS = ("secc.din.phases", "secc.iso2.phases", "tools.pki.flaws", "tools.evcc.din", "tools.evcc.iso2")
"""Packages that are one room with the package that they lie in."""


@dataclass(frozen=True)
class House(Modules):
    """The modules of some packages below a directory."""

    tops: tuple[str, ...] = TOPS

    @property
    def too_long(self) -> dict[str, int]:
        """The modules above the limit, with their lines."""
        lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in self.files.items()}
        return {name: count for name, count in lines.items() if count > LONGEST}

    def room(self, module: str) -> str:
        package = module if self.is_package(module) else module.rpartition(".")[0]
        if package in self.tops:
            return module
        return package.rpartition(".")[0] if package in PARTS else package

    @cached_property
    def doors(self) -> Graph:
        """What each room imports of the others. The packages at the top hold rooms and are none."""
        found: dict[str, set[str]] = {}
        for module, imported in self.imports.items():
            found.setdefault(self.room(module), set()).update(self.room(other) for other in imported)
        return {room: frozenset(others - {room, *self.tops}) for room, others in found.items()}


def circles(graph: Graph) -> set[frozenset[str]]:
    """The groups whose members reach each other."""
    reached = {name: set(_reached(graph, name)) for name in graph}
    return {
        frozenset(other for other in reached[name] if name in reached[other]) for name in graph if name in reached[name]
    }


def _reached(graph: Graph, start: str) -> Iterable[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def told(graph: Graph, circle: Iterable[str]) -> list[str]:
    """Who imports whom in a circle, for whoever has to open it."""
    return [f"{name} imports {other}" for name in sorted(circle) for other in sorted(graph[name] & set(circle))]


HOUSE = House(ROOT)


def test_every_module_can_be_read_in_one_go() -> None:
    assert len(HOUSE.files) > 300
    assert HOUSE.too_long == {}


def test_no_two_modules_import_each_other() -> None:
    assert HOUSE.imports["secc.station.station"] >= {"secc.station.compose", "secc.config"}
    assert [told(HOUSE.imports, circle) for circle in circles(HOUSE.imports)] == []


def test_no_two_rooms_import_each_other() -> None:
    assert HOUSE.doors["secc.outlet"] >= {"secc.session", "secc.conversation"}
    assert HOUSE.doors["secc.station"] >= {"secc.station.serving", "secc.station.shared"}
    assert [told(HOUSE.doors, circle) for circle in circles(HOUSE.doors)] == []


A_IMPORTS_B = {
    "at the top": "from top.b.two import name\n",
    "as a module": "from top.b import two\n",
    "as a whole": "import top.b.two\n",
    "by its place": "from ..b.two import name\n",
    "by its place as a module": "from ..b import two\n",
    "for types only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from top.b.two import name\n",
    "when it is called": "def late():\n    from top.b.two import name\n",
}


@pytest.mark.parametrize("source", A_IMPORTS_B.values(), ids=A_IMPORTS_B)
@pytest.mark.parametrize("back", ["top.a.one", "top.a.other"])
def test_a_circle_is_found_however_it_is_imported(tmp_path: Path, source: str, back: str) -> None:
    house = build(tmp_path, {"a/one": source, "a/other": "", "b/two": f"from {back} import name\n"})
    assert circles(house.imports) == ({frozenset({"top.a.one", "top.b.two"})} if back == "top.a.one" else set())
    assert circles(house.doors) == {frozenset({"top.a", "top.b"})}
    assert told(house.doors, ["top.a", "top.b"]) == ["top.a imports top.b", "top.b imports top.a"]


def test_a_module_that_is_too_long_is_found(tmp_path: Path) -> None:
    house = build(tmp_path, {"a/one": "\n" * LONGEST, "a/other": "\n" * (LONGEST + 1)})
    assert house.too_long == {"top.a.other": LONGEST + 1}


def test_imports_that_only_go_down_are_no_circle(tmp_path: Path) -> None:
    down = {"a/one": "from top.b.two import name\n", "b/two": "from top import errors\nimport json\n", "errors": ""}
    house = build(tmp_path, {**down, "above": "import top.a.one\nimport top.errors\n"})
    assert house.doors["top.above"] == {"top.a", "top.errors"}
    assert circles(house.imports) == circles(house.doors) == set()


def test_a_circle_may_be_longer(tmp_path: Path) -> None:
    three = {"a/one": "import top.b.two", "b/two": "import top.c.three", "c/three": "import top.a.one"}
    assert circles(build(tmp_path, three).doors) == {frozenset({"top.a", "top.b", "top.c"})}


def build(root: Path, sources: dict[str, str]) -> House:
    """A package ``top`` with these modules."""
    for name, source in sources.items():
        path = root / "top" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        for package in (path.parent, root / "top"):
            (package / "__init__.py").touch()
    return House(root, ("top",))

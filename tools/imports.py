"""Which module imports which, read from the sources: at the top of a module, in a function, and under
``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Modules:
    """The modules of some packages below a directory."""

    root: Path
    tops: tuple[str, ...]

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every module by its name."""
        found = {}
        for path in (path for top in self.tops for path in (self.root / top).rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    def is_package(self, module: str) -> bool:
        return self.files[module].name == "__init__.py"

    @cached_property
    def imports(self) -> Graph:
        """What each module imports of the others."""
        return {module: frozenset(self._imports(module)) - {module} for module in self.files}

    def _imports(self, module: str) -> Iterator[str]:
        base = module if self.is_package(module) else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(self.files[module].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named = [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                parents = base.split(".")[: len(base.split(".")) - node.level + 1] if node.level else []
                origin = ".".join([*parents, *([node.module] if node.module else [])])
                named = [(origin, alias.name) for alias in node.names]
            else:
                continue
            for origin, name in named:
                # A name may be a module of the package that it comes from.
                yield from [found for found in (f"{origin}.{name}", origin) if found in self.files][:1]

    def needing(self, packages: Iterable[str], *, lists: Iterable[str] = ()) -> set[str]:
        """Returns the modules that cannot be imported without these packages, with those that are in
        them. Importing a module imports the packages that it lies in. What ``lists`` import of these
        packages does not count.
        """
        wanted = tuple(packages)
        found = {
            module for module in self.files if module in wanted or module.startswith(tuple(f"{p}." for p in wanted))
        }
        users = defaultdict(set)
        for module, imported in self.imports.items():
            counted = imported - found if module in lists else imported
            for other in (*counted, module.rpartition(".")[0]):
                users[other].add(module)
        waiting = list(found)
        while waiting:
            new = users[waiting.pop()] - found
            found |= new
            waiting += new
        return found

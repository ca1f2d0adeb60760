"""What the product's code says about why sessions end, read from its source: timers, refusals, ends in order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def sources(folder: str = "secc") -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def nodes(path: Path, text: str) -> Iterator[ast.AST]:
    """All of a module that has this text in it; of others nothing, for to read them takes its time."""
    source = path.read_text(encoding="utf-8")
    if text in source:
        yield from ast.walk(ast.parse(source))


def calls(name: str, folder: str = "secc") -> Iterator[tuple[str, ast.Call]]:
    """Every call of ``name`` in the product, with the file that it stands in."""
    for path in sources(folder):
        for node in nodes(path, f"{name}("):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield str(path.relative_to(ROOT)), node


def literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def attributes(owner: str) -> set[str]:
    """What the product names of this enumeration: ``owner.NAME``, save where it is declared."""
    named: set[str] = set()
    for path in sources():
        if path.name != "enumerations.py":
            for node in nodes(path, f"{owner}."):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == owner:
                    named.add(node.attr)
    return named


def timers(folder: str = "secc", without: tuple[str, ...] = ()) -> set[str]:
    """The names of the timers that may end a session."""
    found = set()
    for file, call in calls("Timeout", folder):
        name = literal(call.args[0])
        if not file.startswith(without):
            assert name is not None, (
                f"{file}:{call.lineno}: the name of a timer that may end a session is written where it is made"
            )
            found.add(name)
    return found


def results(path: Path) -> Iterator[str]:
    """What conversations of this module that end with a text may end with."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        node.target.id: literal(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.returns is not None:
            if ast.unparse(function.returns) != "Conversation[str]":
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and isinstance(node.value, ast.Constant):
                    yield str(node.value.value)
                elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
                    yield names.get(node.value.id) or f"{path.name}:{node.lineno}"

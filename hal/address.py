"""Addresses of boards as text."""

from __future__ import annotations

from pathlib import Path

FILES = ("linux", "composed")
"""Kinds of boards whose address is the path of a file."""


def rooted(where: str, directory: Path) -> str:
    """The address with a relative path of a file taken from ``directory``; any other address as it is."""
    kind, colon, path = where.partition(":")
    return f"{kind}:{directory / path}" if colon and path and kind in FILES else where

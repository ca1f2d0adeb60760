"""EXI vectors: the copies in tests/vectors, and those recorded by others in ../shared, which stay there."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from secc.exi import Schema, xmldsig
from secc.iso2 import messages as iso2
from secc.session import supported_app_protocol as sap

HERE = Path(__file__).resolve().parent / "vectors"
SHARED = Path(__file__).resolve().parents[1].parent / "shared"
RECORDED = (SHARED / "vectors").is_dir()
CAPTURED = (SHARED / "captures").is_dir()

SCHEMAS: dict[str, Schema[Any]] = {"sap": sap.SCHEMA, "iso15118-2": iso2.SCHEMA, "xmldsig": xmldsig.SCHEMA}
if importlib.util.find_spec("secc.din"):
    SCHEMAS["din"] = importlib.import_module("secc.din.messages").SCHEMA

Vector = dict[str, Any]


def read(path: Path, names: Container[str] = SCHEMAS) -> list[Vector]:
    """The vectors of a file whose schema set is one of these."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["schema"].removeprefix("fragment:") in names]


def vectors(*stems: str, names: Container[str] = SCHEMAS) -> list[Vector]:
    """The vectors of tests/vectors whose schema set is one of these."""
    return [row for stem in stems for row in read(HERE / f"exi-{stem}.jsonl", names)]


def shared(stem: str) -> list[Vector]:
    """All vectors of a file of ../shared, whatever their schema set; empty where it is missing."""
    path = SHARED / "vectors" / f"exi-{stem}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def recorded(*stems: str) -> list[Vector]:
    """The vectors taken from recordings, from ../shared; empty where it is missing."""
    paths = [SHARED / "vectors" / f"exi-{stem}.jsonl" for stem in stems]
    return [row for path in paths if path.exists() for row in read(path) if "recorded" in row["name"]]


def captured() -> list[Vector]:
    """The messages of the captures in ../shared whose schema set is one of these; empty where it is missing. ``car``: whether the car says it."""
    names = {"sap": "sap", "din": "din", "iso2": "iso15118-2"}
    rows = []
    for path in sorted((SHARED / "captures").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            schema = names.get(row["schema"])
            if schema in SCHEMAS:
                name = f"{path.stem}/{row['index']}"
                rows.append({"schema": schema, "name": name, "exi": row["exi"], "car": row["dir"] == "ev"})
    return rows


def name_of(vector: Vector) -> str:
    """How a vector is called in a test report."""
    return f"{vector['schema']} {vector['name']}"

"""Recorded sessions of real cars and of other stacks' cars, where they stand beside the checkout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from secc.iso2.messages import SCHEMA, V2G_Message

CAPTURES = Path(__file__).resolve().parents[1].parent / "shared" / "captures"


@dataclass(frozen=True)
class Recorded:
    """One message of a recording: who said it, the octets, and when."""

    ev: bool
    schema: str
    octets: bytes
    t: float

    @property
    def message(self) -> V2G_Message:
        return SCHEMA.decode(self.octets)


def recording(name: str, session: int = 0) -> list[Recorded]:
    """Its ISO 15118-2 messages in order."""
    lines = (CAPTURES / f"{name}.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        Recorded(r["dir"] == "ev", r["schema"], bytes.fromhex(r["exi"]), r["t"])
        for r in records
        if r["session"] == session and r["schema"] in ("sap", "iso2")
    ]

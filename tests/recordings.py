"""Recorded sessions of real cars and of other stacks' cars, where they stand beside the checkout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secc.protocols import protocols

CAPTURES = Path(__file__).resolve().parents[1].parent / "shared" / "captures"


@dataclass(frozen=True)
class Recorded:
    """One message of a recording: who said it, the octets, and when."""

    ev: bool
    schema: str
    octets: bytes
    t: float

    @property
    def message(self) -> Any:
        """The whole message, in the protocol of the recording."""
        schema = next(protocol.load().schema for protocol in protocols() if protocol.key == self.schema)
        assert schema is not None
        return schema.decode(self.octets)


def recording(name: str, session: int = 0, schema: str = "iso2") -> list[Recorded]:
    """Its messages in one protocol and those before, in order."""
    lines = (CAPTURES / f"{name}.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        Recorded(r["dir"] == "ev", r["schema"], bytes.fromhex(r["exi"]), r["t"])
        for r in records
        if r["session"] == session and r["schema"] in ("sap", schema)
    ]

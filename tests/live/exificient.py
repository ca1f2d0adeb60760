#!/usr/bin/env python3
"""Decodes the messages of a session trace with EXIficient, a codec that we did not write, and compares what it says with what we said.

Runs itself again inside the bench's environment (PyPI `iso15118`, whose jar EXIficient is). The trace must hold its octets: one that was recorded
with `danger_trace_personal`. Every MeterInfo must tell what the meter had counted by the trace's own levels. Prints a closing line
`N passed, M failed`; exits 0 only if nothing failed, 2 if there was nothing to compare: a trace of a whole session holds at least SESSION messages
in both directions, and where power flowed at least one reading of the meter.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAMESPACES = {
    "supportedAppProtocolReq": "urn:iso:15118:2:2010:AppProtocol",
    "supportedAppProtocolRes": "urn:iso:15118:2:2010:AppProtocol",
}
SESSION = 20
"""Messages of the shortest session that charges; fewer are the trace of something else."""
ISO2 = "urn:iso:15118:2:2013:MsgDef"


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: exificient.py TRACE.jsonl", file=sys.stderr)
        return 2
    try:
        import iso15118  # noqa: F401
    except ImportError:
        sys.path.insert(0, str(HERE))
        from josev_interop import CACHE, ensure_venv

        python = ensure_venv(CACHE / "venv")
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    return compare(Path(sys.argv[1]))


def compare(trace: Path) -> int:
    from iso15118.shared.exificient_exi_codec import ExificientEXICodec

    codec = ExificientEXICodec()
    passed = failed = 0
    counted: float | None = None
    readings = 0
    powered = False
    directions = set()
    for line in trace.read_text().splitlines():
        entry = json.loads(line)
        if entry["kind"] == "levels":
            counted = entry["value"]["watt_hours"]
            powered = powered or (entry["value"]["contactor"] == "closed" and entry["value"]["amperes"] > 0.0)
        elif entry["kind"] == "thinned":
            counted = None
        if entry["kind"] not in ("received", "sent") or not isinstance(entry.get("octets"), str):
            continue
        directions.add(entry["kind"])
        name = next(iter(entry["message"]))
        namespace = NAMESPACES.get(name, ISO2)
        theirs = json.loads(codec.decode(bytes.fromhex(entry["octets"]), namespace))
        if namespace == ISO2:
            theirs = theirs["V2G_Message"]["Body"]
        differences = list(differing(entry["message"], theirs, name))
        meter = theirs.get(name, {}).get("MeterInfo") if namespace == ISO2 else None
        if meter is not None and counted is not None:
            readings += 1
            if abs(meter["MeterReading"] - counted) > 1.0:
                differences.append(f"{name}.MeterInfo: {meter['MeterReading']} Wh, and the meter had counted {counted}")
        failed += bool(differences)
        passed += not differences
        for difference in differences:
            print(f"{entry['t']:9.3f} {entry['kind']} {difference}")
    print(f"{readings} meter readings held against the meter")
    print(f"{passed} passed, {failed} failed")
    codec.gateway.shutdown()
    if passed + failed < SESSION or directions != {"received", "sent"} or (powered and not readings):
        print(f"too little to compare: {passed + failed} messages, {readings} meter readings", file=sys.stderr)
        return 2
    return 1 if failed else 0


def differing(ours: Any, theirs: Any, path: str) -> Any:
    """Every place at which the two say different things, in words."""
    if isinstance(ours, dict) and "$hex" in ours:
        octets = bytes.fromhex(ours["$hex"])
        if theirs not in (octets.hex().upper(), octets.hex(), base64.b64encode(octets).decode()):
            yield f"{path}: {ours['$hex']} / {theirs}"
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        ours = {key.lstrip("@#"): value for key, value in ours.items()}
        theirs = {("text" if key == "value" and "text" in ours else key): value for key, value in theirs.items()}
        for key in ours.keys() | theirs.keys():
            if key not in ours or key not in theirs:
                yield f"{path}.{key}: only {'EXIficient' if key not in ours else 'we'} found it"
            else:
                yield from differing(ours[key], theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        others = theirs if isinstance(theirs, list) else [theirs]
        if len(ours) != len(others):
            yield f"{path}: {len(ours)} / {len(others)} entries"
        for number, (mine, other) in enumerate(zip(ours, others, strict=False)):
            yield from differing(mine, other, f"{path}[{number}]")
    elif ours != theirs and str(ours) != str(theirs):
        yield f"{path}: {ours!r} / {theirs!r}"


if __name__ == "__main__":
    sys.exit(main())

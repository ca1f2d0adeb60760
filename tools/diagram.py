"""A recorded session as a sequence diagram: ``secc diagram FILE``, as text for a terminal or as
Mermaid for a document. The file is a trace of a station, or a capture.

Loops are drawn once, with the number of repetitions; beside the messages are the main values and
the events.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from secc.errors import DecodeError
from secc.exi.tree import to_tree
from secc.protocols import protocols
from secc.session import supported_app_protocol as sap

from .recording import (
    SCHEMAS,
    STRANGE,
    Recorded,
    TraceUnreadable,
    is_capture,
    printable,
    read_capture,
    read_lines,
    read_trace,
    sessions,
)

WIDTH = 46
LONGEST_TEXT = 100
LOOP_REQUESTS = (
    "CurrentDemandReq",
    "ChargingStatusReq",
    "AuthorizationReq",
    "ContractAuthenticationReq",
    "CableCheckReq",
    "PreChargeReq",
)
QUIET_NOTES = ("tls {", "certificate {")
"""Notes for `secc explain`."""
QUIET_EFFECTS = ("SetOutput", "Ask", "Abandon", "Tell", "End")
SCALED = ("Multiplier", "Value")
"""The parts of a quantity, and in most there is its unit."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the diagram. ``times``: how often it came in a row with its answer; ``left_out``:
    the exchanges that a recording lacks in this place.
    """

    at: float
    kind: Literal["received", "sent", "happened", "done", "note"]
    text: str
    detail: str = ""
    times: int = 1
    left_out: int = 0


def steps(entries: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """Yields the lines of each entry. Raises TraceUnreadable for an entry that a station does not
    write.
    """
    for number, entry in enumerate(entries, 1):
        try:
            yield from _steps(entry)
        except STRANGE as error:
            raise TraceUnreadable(f"line {number} is not an entry of a trace: {error}") from None


def _steps(entry: Mapping[str, Any]) -> Iterator[Step]:
    at = float(entry.get("t", 0.0))
    match entry["kind"]:
        case "received" | "sent" as direction:
            name, content = _named(entry.get("message"))
            yield Step(at, direction, name, ", ".join(_facts(content)))
        case "event":
            yield Step(at, "happened", _value(entry))
        case "effect" if _type(entry) not in QUIET_EFFECTS:
            yield Step(at, "done", _value(entry))
        case "note" if not str(entry.get("text", "")).startswith(QUIET_NOTES):
            yield Step(at, "note", str(entry.get("text", ""))[:LONGEST_TEXT])
        case "thinned":
            left_out = entry.get("exchanges") or entry.get("entries") or entry.get("octets")
            yield Step(at, "note", f"... {left_out} left out ...", left_out=int(entry.get("exchanges") or 0))
        case "ended":
            code = " ".join(str(entry.get(key) or "") for key in ("code", "clause", "detail"))
            yield Step(at, "note", f"ended: {code.strip()}")


def capture_steps(records: Iterable[Recorded]) -> Iterator[Step]:
    """Yields the lines of a capture: those of its messages, and where a session begins or lacks
    messages.
    """
    at = 0.0
    for session in sessions(records):
        yield Step(session[0].t or at, "note", f"session {session[0].session}: {SCHEMAS[session[-1].schema]}")
        expected = session[0].index
        for record in session:
            at = at if record.t is None else record.t
            if record.index > expected:
                gap = record.index - expected
                yield Step(at, "note", f"... {gap} messages left out ...", left_out=gap // 2)
            expected = record.index + 1
            try:
                name, content = _named(_tree(record))
                facts = ", ".join(_facts(content))
            except STRANGE as error:
                raise TraceUnreadable(f"index {record.index}: its message is not one: {error}") from None
            yield Step(at, "received" if record.ev else "sent", name, facts)


def _tree(record: Recorded) -> Mapping[str, Any]:
    """Returns the tree of a message: that of the capture, or its octets where the protocol is known
    here.
    """
    if record.message is not None:
        return record.message
    try:
        if record.schema == "sap":
            return to_tree(sap.SCHEMA.decode(record.octets))
        for protocol in protocols():
            if protocol.name == SCHEMAS[record.schema]:
                return to_tree(protocol.load().read(record.payload_type, record.octets)[0])
    except DecodeError:
        pass
    return {f"{len(record.octets)} octets": {}}


def folded(line: Iterable[Step]) -> list[Step]:
    """Returns the steps with repetitions of a loop's request and answer as one counted pair, with
    those that the recording lacks; the newest values are kept.
    """
    found: list[Step] = []
    for step in line:
        left_out = found[-2].left_out if len(found) >= 4 else 0
        pair = found[-4:-2] if left_out else found[-3:-1]
        loop = len(found) >= 3 and step.kind == "sent" and found[-1].text in LOOP_REQUESTS
        if loop and [s.text for s in pair] == [found[-1].text, step.text]:
            times = pair[0].times + left_out + 1
            request, first = found[-1], pair[0]
            del found[-4 if left_out else -3 :]
            found.append(Step(first.at, request.kind, request.text, request.detail, times))
            found.append(Step(step.at, step.kind, step.text, step.detail, times))
        else:
            found.append(step)
    return found


def as_text(line: Sequence[Step]) -> Iterator[str]:
    """Yields text for a terminal: the car on the left, the station on the right."""
    yield f"{'':>10}  car{'':{WIDTH - 6}}station"
    for step in line:
        name = f"--{_counted(step)}"
        drawn = {
            "received": f"|{name:-<{WIDTH - 3}}>|  {step.detail}",
            "sent": f"|<{name:-<{WIDTH - 3}}|  {step.detail}",
            "happened": f"|{'':{WIDTH - 2}}|  * {step.text}",
            "done": f"|{'':{WIDTH - 2}}|  > {step.text}",
            "note": step.text,
        }
        yield printable(f"{step.at:10.3f}   {drawn[step.kind]}").rstrip()


MERMAID: Mapping[str, str] = {
    "received": "EVCC->>SECC",
    "sent": "SECC-->>EVCC",
    "happened": "Note right of SECC",
    "done": "Note right of SECC",
    "note": "Note over EVCC,SECC",
}


def as_mermaid(line: Sequence[Step]) -> Iterator[str]:
    """Yields Mermaid for a document."""
    yield "sequenceDiagram"
    yield "    participant EVCC as car"
    yield "    participant SECC as station"
    for step in line:
        label = _harmless(_counted(step) + (f": {step.detail}" if step.detail else ""))
        yield f"    {MERMAID[step.kind]}: {label}"


def _counted(step: Step) -> str:
    return f"{step.text} x {step.times}" if step.times > 1 else step.text


def _harmless(text: str) -> str:
    # Mermaid ends a statement at a semicolon and reads a hash as an entity.
    return printable(text.replace("#", "no.").replace(";", ","))


def _named(message: Any) -> tuple[str, Mapping[str, Any]]:
    """Returns the name of the body element in a message tree, and its content."""
    while isinstance(message, Mapping) and len(message) == 1:
        name, content = next(iter(message.items()))
        if name in ("V2G_Message", "Body"):
            message = content
            continue
        return _short(name), content if isinstance(content, Mapping) else {}
    if isinstance(message, Mapping) and "Body" in message:
        return _named(message["Body"])
    return "?", {}


def _short(name: str) -> str:
    return name.rpartition("}")[2]


def _facts(content: Mapping[str, Any]) -> Iterator[str]:
    """Yields the main values: response codes, processing, volts, amperes, state of charge."""
    for key, value in content.items():
        name = _short(key)
        if isinstance(value, Mapping) and set(map(_short, value)) >= set(SCALED):
            yield f"{name} {_quantity(value)}"
        elif isinstance(value, Mapping) and "Status" in name:
            yield from _facts(value)
        elif isinstance(value, bool) and name in SWITCHES:
            yield f"{name} {str(value).lower()}"
        elif (
            isinstance(value, str | int | float) and (value != "None" and not isinstance(value, bool)) and name in WORTH
        ):
            yield f"{name} {value}" if name not in PLAIN else str(value)


WORTH = frozenset(
    {
        "ResponseCode", "EVSEProcessing", "ChargeProgress", "ChargingSession", "SelectedPaymentOption", "EVRESSSOC",
        "EVSENotification", "EVSEStatusCode", "EVSEIsolationStatus", "RequestedEnergyTransferMode", "EVRequestedEnergyTransferType",
        "EVSEID",
    }
)  # fmt: skip
SWITCHES = frozenset({"ReadyToChargeState"})
"""Values of yes or no that tell what a message is for."""
PLAIN = frozenset({"ResponseCode", "EVSEProcessing", "ChargeProgress", "ChargingSession"})


def _quantity(value: Mapping[str, Any]) -> str:
    parts = {_short(key): part for key, part in value.items()}
    try:
        return f"{float(parts['Value']) * 10.0 ** int(parts['Multiplier']):g} {parts.get('Unit', '')}".rstrip()
    except (TypeError, ValueError, OverflowError):
        return "?"


def _type(entry: Mapping[str, Any]) -> str:
    value = entry.get("value")
    return str(value.get("type", "?")) if isinstance(value, Mapping) else "?"


def _value(entry: Mapping[str, Any]) -> str:
    value = entry.get("value")
    if not isinstance(value, Mapping):
        return "?"
    inner = value.get("answer") if value.get("type") == "Answered" else None
    if isinstance(inner, Mapping):
        value = inner
    fields = ", ".join(
        f"{key} {_plain(part)}" for key, part in value.items() if key != "type" and part not in ("", None)
    )
    name = str(value.get("type", "?"))
    if name == "Reach":
        return _milestone(value)[:LONGEST_TEXT]
    return (f"{name}({fields})" if fields else name)[:LONGEST_TEXT]


def _milestone(value: Mapping[str, Any]) -> str:
    facts = value.get("facts")
    pairs = (
        [f"{pair[0]} {pair[1]}" for pair in facts if isinstance(pair, list) and len(pair) == 2]
        if isinstance(facts, list)
        else []
    )
    return f"{_plain(value.get('milestone'))}" + (f": {', '.join(pairs)}" if pairs else "")


def _plain(part: Any) -> str:
    if isinstance(part, Mapping):
        return str(part.get("value", part.get("type", "...")))
    return str(part)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="secc diagram", description="A recorded session as a sequence diagram.")
    parser.add_argument(
        "file", type=Path, help="a trace (.jsonl) that a station wrote, or a capture (.jsonl); - is standard input"
    )
    parser.add_argument("--mermaid", action="store_true", help="Mermaid for a document, not text for a terminal")
    parser.add_argument("--whole", action="store_true", help="draw every repetition of a loop")
    options = parser.parse_args(argv)
    try:
        lines = read_lines(options.file)
        drawn = list(capture_steps(read_capture(lines)) if is_capture(lines) else steps(read_trace(lines)))
    except (OSError, TraceUnreadable) as error:
        print(f"secc diagram: {options.file}: {error}", file=sys.stderr)
        return 1
    if not options.whole:
        drawn = folded(drawn)
    for line in as_mermaid(drawn) if options.mermaid else as_text(drawn):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

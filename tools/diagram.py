"""A session trace as a sequence diagram: ``secc diagram TRACE``, as text for a terminal or as
Mermaid for a document.

Loops are drawn once, with the number of repetitions; beside the messages are the main values and
the events.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

WIDTH = 46
LONGEST_TEXT = 100
LOOP_REQUESTS = ("CurrentDemandReq", "ChargingStatusReq", "AuthorizationReq", "CableCheckReq", "PreChargeReq")
QUIET_NOTES = ("tls {", "certificate {")
"""Notes for `secc explain`."""
QUIET_EFFECTS = ("SetOutput", "Ask", "Abandon", "Tell", "End")
SCALED = ("Multiplier", "Unit", "Value")


class TraceUnreadable(Exception):
    """The file is not a session trace; the text says where."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the diagram. ``times``: how often it came in a row with its answer."""

    at: float
    kind: Literal["received", "sent", "happened", "done", "note"]
    text: str
    detail: str = ""
    times: int = 1


def read_trace(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Returns the entries of a trace. Raises TraceUnreadable for other input."""
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TraceUnreadable(f"line {number} is not JSON") from error
        if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
            raise TraceUnreadable(f"line {number} is not an entry of a trace")
        entries.append(entry)
    if not entries or entries[0]["kind"] != "trace":
        raise TraceUnreadable("the first line is not the head of a trace")
    return entries


def steps(entries: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """Yields the lines of each entry. Raises TraceUnreadable for an entry that a station does not
    write.
    """
    for number, entry in enumerate(entries, 1):
        try:
            yield from _steps(entry)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
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
            yield Step(at, "note", f"... {left_out} left out ...")
        case "ended":
            code = " ".join(str(entry.get(key) or "") for key in ("code", "clause", "detail"))
            yield Step(at, "note", f"ended: {code.strip()}")


def folded(line: Iterable[Step]) -> list[Step]:
    """Returns the steps with repetitions of a loop's request and answer as one counted pair; the
    newest values are kept.
    """
    found: list[Step] = []
    for step in line:
        loop = len(found) >= 3 and step.kind == "sent" and found[-1].text in LOOP_REQUESTS
        if loop and [s.text for s in found[-3:]] == [found[-1].text, step.text, found[-1].text]:
            times = found[-3].times + 1
            request, first = found[-1], found[-3]
            del found[-3:]
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
        yield f"{step.at:10.3f}   {drawn[step.kind]}".rstrip()


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
    return text.replace("#", "no.").replace(";", ",").replace("\n", " ")


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
        elif (
            isinstance(value, str | int | float) and (value != "None" and not isinstance(value, bool)) and name in WORTH
        ):
            yield f"{name} {value}" if name not in PLAIN else str(value)


WORTH = frozenset(
    {
        "ResponseCode", "EVSEProcessing", "ChargeProgress", "ChargingSession", "SelectedPaymentOption", "EVRESSSOC",
        "EVSENotification", "EVSEStatusCode", "EVSEIsolationStatus", "RequestedEnergyTransferMode", "EVSEID",
    }
)  # fmt: skip
PLAIN = frozenset({"ResponseCode", "EVSEProcessing", "ChargeProgress", "ChargingSession"})


def _quantity(value: Mapping[str, Any]) -> str:
    parts = {_short(key): part for key, part in value.items()}
    try:
        return f"{float(parts['Value']) * 10.0 ** int(parts['Multiplier']):g} {parts['Unit']}"
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
    parser = argparse.ArgumentParser(prog="secc diagram", description="A session trace as a sequence diagram.")
    parser.add_argument("trace", type=Path, help="a trace (.jsonl) that a station wrote; - is standard input")
    parser.add_argument("--mermaid", action="store_true", help="Mermaid for a document, not text for a terminal")
    parser.add_argument("--whole", action="store_true", help="draw every repetition of a loop")
    options = parser.parse_args(argv)
    try:
        text = sys.stdin.read() if str(options.trace) == "-" else options.trace.read_text("utf-8")
        drawn = list(steps(read_trace(text.splitlines())))
    except (OSError, UnicodeDecodeError, TraceUnreadable) as error:
        print(f"secc diagram: {options.trace}: {error}", file=sys.stderr)
        return 1
    if not options.whole:
        drawn = folded(drawn)
    for line in as_mermaid(drawn) if options.mermaid else as_text(drawn):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

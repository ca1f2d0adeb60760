"""What ``secc status`` and ``secc explain`` print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import secc.protocols  # noqa: F401  # protocols add their reasons to the register
from secc.session.log import escaped
from secc.trace.explain import RecordBroken, SessionRecord, explain, read_record, summary
from secc.trace.explain_trace import record_of_trace
from secc.trace.history import history_directory, record_of_session, records
from secc.trace.reasons import meaning

LARGEST_TRACE: Final = 64 * 1024 * 1024
"""Octets of the largest trace that is read."""
FIRST_LINE: Final = 4096


def status_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of ``secc status`` from the control socket's ``state``."""
    clock, uplink = state["clock"], state["uplink"]
    yield f"station {state['station']}, secc {state['version']}, up for {_duration(state['uptime_seconds'])}"
    yield f"clock     {clock['time']}{'' if clock['trusted'] else ' (not confirmed)'}"
    yield f"backend   {uplink['kind']}: {uplink['state']}"
    yield f"chains    {', '.join(state['trust']['chains']) or 'none: no TLS'}"
    for problem in filter(None, (clock["problem"], *uplink["problems"], *state["trust"]["problems"])):
        yield f"problem   {escaped(str(problem))}"
    if clock["remark"]:
        yield f"note      {clock['remark']}"
    for danger in state["dangers"]:
        yield f"danger    {danger}"
    for outlet in state["outlets"]:
        yield ""
        yield from _outlet(outlet)


def _outlet(outlet: Mapping[str, Any]) -> Iterator[str]:
    over = f" ({outlet['over']})" if outlet["over"] else ""
    yield f"outlet {outlet['name']}: {outlet['phase']}{over}"
    if outlet["problem"]:
        yield f"  problem   {escaped(str(outlet['problem']))}"
    port = f", TCP port {outlet['port']}" if outlet["port"] else ""
    yield f"  network   {outlet['interface']} {outlet['address'] or 'without an address'}{port}"
    power = f"{outlet['volts']:.1f} V, {outlet['amperes']:.1f} A, meter {outlet['watt_hours'] / 1000:.3f} kWh"
    yield f"  power     pilot {outlet['pilot']}, contactor {outlet['contactor']}, {power}"
    if outlet["watts_limit"] is not None:
        yield f"  limit     {outlet['watts_limit']:g} W"
    if orders := outlet.get("lab"):
        yield f"  lab       {', '.join(f'{name} = {value}' for name, value in orders.items())}"
    if outlet["faults"]:
        yield f"  faults    {', '.join(outlet['faults'])}"
    if (session := outlet["session"]) is not None:
        transport = "TLS" if session["tls"] else "plain TCP"
        yield f"  session   {session['protocol'] or 'nothing agreed yet'} on {transport}, {session['milestone'] or 'begun'}"
    if last := outlet.get("last"):
        yield f"  last      {last}: {meaning(last).meaning}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    words = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join([*words, f"{seconds} s"])


def explanation(what: str | None, state_directory: Path, outlet: str | None = None) -> str:
    """Returns why a session ended. Raises RecordBroken, StorageFailed.

    ``what``: the file of a trace or of a record, or the (beginning of the) id of a session as in
    the log; None: the newest session that has ended, of this outlet or of all.
    """
    if what is None:
        return _newest(state_directory, outlet)
    path = Path(what)
    if not path.is_file():
        return explain(record_of_session(state_directory, what))
    return explain(_traced(path) if _is_trace(path) else read_record(path))


def listing(state_directory: Path, outlet: str | None = None) -> str:
    """Returns a line for each session in the history, the newest last."""
    found = sorted(records(state_directory, outlet), key=lambda record: record.ended or record.began)
    return "\n".join(map(summary, found)) or f"{history_directory(state_directory)}: no session has begun here yet"


def _is_trace(path: Path) -> bool:
    """By its first line. The reader of the file reports one that cannot be read."""
    try:
        with path.open("rb") as lines:
            return b'"kind":"trace"' in lines.readline(FIRST_LINE).replace(b" ", b"")
    except OSError:
        return False


def _traced(path: Path) -> SessionRecord:
    try:
        if path.stat().st_size > LARGEST_TRACE:
            raise RecordBroken(f"{path}: larger than any trace")
        with path.open(encoding="utf-8", errors="replace") as lines:
            return record_of_trace(lines, str(path))
    except OSError as error:
        raise RecordBroken(f"{path}: {error.strerror}") from None


def _newest(state_directory: Path, outlet: str | None) -> str:
    found = list(records(state_directory, outlet))
    last = {record.outlet: record for record in found if record.ended}
    if not last:
        raise RecordBroken(f"{history_directory(state_directory)}: no session has ended here yet")
    text = explain(max(last.values(), key=lambda record: record.ended))
    newest = {record.outlet: record for record in found}
    return text + "".join(f"\n{summary(record)}\n" for record in newest.values() if not record.ended)

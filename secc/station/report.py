"""What ``secc status`` and ``secc explain`` print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from secc.session.explain import RecordBroken, SessionRecord, explain, read_record
from secc.session.log import escaped
from secc.session.reasons import meaning
from secc.station.record import record_path


def status_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """The answer of the control socket's ``state``, a line for each thing worth one."""
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
    yield f"  power     pilot {outlet['pilot']}, contactor {outlet['contactor']}, {_power(outlet)}"
    if outlet["watts_limit"] is not None:
        yield f"  limit     {outlet['watts_limit']:g} W"
    if outlet["faults"]:
        yield f"  faults    {', '.join(outlet['faults'])}"
    session = outlet["session"]
    if session is not None:
        transport = "TLS" if session["tls"] else "plain TCP"
        yield f"  session   {session['protocol'] or 'nothing agreed yet'} on {transport}, {session['milestone'] or 'begun'}"
    last = outlet.get("last")
    if last:
        yield f"  last      {last}: {meaning(last).meaning}"


def _power(outlet: Mapping[str, Any]) -> str:
    return f"{outlet['volts']:.1f} V, {outlet['amperes']:.1f} A, meter {outlet['watt_hours'] / 1000:.3f} kWh"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    words = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join([*words, f"{seconds} s"])


def explanation(record: Path | None, state_directory: Path, outlet: str | None = None) -> str:
    """Why the session of a record, of this outlet, or the newest one of the station, ended as it did. RecordBroken, StorageFailed."""
    if record is not None:
        return explain(read_record(record))
    if outlet is not None:
        return explain(read_record(record_path(state_directory, outlet)))
    return explain(_newest(state_directory))


def _newest(state_directory: Path) -> SessionRecord:
    """One that cannot be read hides no other."""
    found: list[SessionRecord] = []
    broken: RecordBroken | None = None
    for path in sorted(state_directory.glob(record_path(Path(), "*").name)):
        try:
            found.append(read_record(path))
        except RecordBroken as error:
            broken = error
    if not found:
        raise broken or RecordBroken(f"{state_directory}: no session has ended here yet")
    return max(found, key=lambda one: one.ended)

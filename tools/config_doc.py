"""Makes docs/configuration.md from the declarations of the settings."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path

from secc.config.facets import Danger, Doc, Pattern, Range, Setting, settings
from secc.config.settings import Config
from secc.config.sources import FLAGS

TARGET = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"

HEAD = """# Configuration

*Made by `make docs` from `secc/config/settings.py` and `secc/config/outlet.py`; edit those.*

A station reads one TOML file (`secc run station.toml`), or takes flags alone (`secc run --iface eth1 --eim free`). Flags beside a file
override it. `secc check station.toml` reads it and reports each error with line, path and allowed values:

    station.toml:14: outlet[0].dc.maximum_volts: must be from 50 to 1500, not 5000

An unknown key is an error. Relative paths are relative to the file. The smallest file that charges a car with a card:

```toml
[uplink]
allowlist = "allow.txt"

[[outlet]]
interface = "eth1"
hal = "sim:"
```

and one for Plug & Charge on two outlets:

```toml
[trust]
truststore = "truststore"
keystore = "keystore"

[uplink]
allowlist = "allow.txt"
denylist = "deny.txt"
sessions = "sessions.jsonl"

[[outlet]]
name = "left"
interface = "eth1"
evse_id = "DE*PNX*E00001"
hal = "chargesom:/dev/ttyLP2"

[[outlet]]
name = "right"
interface = "eth2"
evse_id = "DE*PNX*E00002"
hal = "chargesom:/dev/ttyLP3"

[outlet.ac]                     # for the outlet above
maximum_amperes = 16
```

**Strict by default means trust, money and power.** A setting that weakens one of them begins with `danger_`, or is marked *danger*
below (a value of an enumeration, or a name from OCPP). The station logs each of them at its start. [decisions/standalone.md](decisions/standalone.md)
describes the lists.
"""


def render() -> str:
    """Returns the whole page."""
    return HEAD + "\n" + "\n".join(_tables(Config, "")) + "\n## Flags\n\n" + "\n".join(_flags()) + "\n"


def _tables(table: type, name: str) -> Iterator[str]:
    for setting in settings(table):
        inner = setting.table
        if inner is None:
            continue
        here = f"{name}.{setting.key}".strip(".")
        repeated = typing.get_origin(setting.kind) is tuple
        yield f"## `{f'[[{here}]]' if repeated else f'[{here}]'}`\n\n{(inner.__doc__ or '').strip()}\n"
        plain = [entry for entry in settings(inner) if entry.table is None]
        yield "| key | value | default | meaning |\n|---|---|---|---|"
        yield "\n".join(map(_row, plain)) + "\n"
        yield from _tables(inner, here)


def _row(setting: Setting) -> str:
    doc: Doc = setting.facet(Doc)
    danger: Danger | None = setting.facet(Danger)
    text = doc.text
    if danger is not None:
        values = " and ".join(f"`{_toml(value)}`" for value in danger.values) or "any entry"
        text += f" *Danger* ({values}): {danger.why}."
    return f"| `{setting.key}` | {_value(setting)} | {_default(setting, doc)} | {text} |"


def _value(setting: Setting) -> str:
    kind, repeated = setting.element, typing.get_origin(setting.kind) is tuple
    if setting.choices:
        text = ", ".join(f'`"{choice}"`' for choice in setting.choices)
    elif (allowed := setting.facet(Range)) is not None:
        text = f"{'whole number' if kind is int else 'number'}, {allowed.low:g} to {allowed.high:.10g}"
    elif (pattern := setting.facet(Pattern)) is not None:
        text = pattern.meaning
    else:
        text = {bool: "`true`, `false`", Path: "path", str: "text"}[kind]
    return f"list of {text}" if repeated else text


def _default(setting: Setting, doc: Doc) -> str:
    if doc.default:
        return doc.default
    if setting.required:
        return "*required*"
    return "from the hardware" if setting.default is None else f"`{_toml(setting.default)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, (str, Path)) else f"{value:g}" if isinstance(value, float) else str(value)


def _flags() -> Iterator[str]:
    yield "Each flag overrides one setting; those of an outlet need a single outlet. Lists are written with commas.\n"
    yield "| flag | setting |\n|---|---|"
    for flag, (table, *rest) in FLAGS.items():
        yield f"| `--{flag.replace('_', '-')}` | `{table}.{rest[-1]}` |"

"""Sources of settings: a file, flags, or a file with flags that override it. The same parser reads
and checks all of them.
"""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hal.address import rooted
from secc.config.checks import check, complete
from secc.config.facets import Danger, Setting, leaves, settings
from secc.config.lines import KeyPath, line_of
from secc.config.parser import Parser, Wrong, spelled
from secc.config.settings import Config
from secc.errors import ConfigError

MAX_OCTETS = 262_144
"""Limit of a configuration file; a station's has some hundred lines."""

FLAGS: Mapping[str, KeyPath] = {
    "name": ("station", "name"),
    "state": ("station", "state_directory"),
    "control": ("station", "control_socket"),
    "iface": ("outlet", 0, "interface"),
    "hal": ("outlet", 0, "hal"),
    "evse_id": ("outlet", 0, "evse_id"),
    "transfers": ("outlet", 0, "transfers"),
    "payments": ("outlet", 0, "payments"),
    "tls": ("outlet", 0, "tls"),
    "protocols": ("outlet", 0, "protocols"),
    "port": ("outlet", 0, "port"),
    "sdp_port": ("outlet", 0, "sdp_port"),
    "truststore": ("trust", "truststore"),
    "keystore": ("trust", "keystore"),
    "clock": ("trust", "clock"),
    "eim": ("uplink", "eim"),
    "allowlist": ("uplink", "allowlist"),
    "denylist": ("uplink", "denylist"),
    "sessions": ("uplink", "sessions"),
    "trace": ("trace", "mode"),
    "trace_directory": ("trace", "directory"),
    "log": ("log", "level"),
    "strict": ("lab", "strict"),
    "tolerate": ("lab", "tolerate"),
    "danger_keylog": ("lab", "danger_keylog"),
    "danger_trace_personal": ("lab", "danger_trace_personal"),
}
"""The flags of ``secc run`` (without dashes, ``_`` for ``-``) and the settings that they override.
"""


def load(path: Path | str, flags: Mapping[str, Any] | None = None) -> Config:
    """Returns the configuration of the file at ``path``, with ``flags`` over it. Raises
    :class:`ConfigError`, and nothing else.
    """
    path = Path(path)
    text = _read(path)
    tree = _toml(text, path)
    # Paths in the file are relative to the file, those in flags to the working directory.
    flags = {flag: _absolute(flag, value) for flag, value in (flags or {}).items()}
    config = _build(overlay(tree, flags), path, text, flags)
    outlets = tuple(replace(outlet, hal=rooted(outlet.hal, path.parent)) for outlet in config.outlets)
    return replace(config, outlets=outlets)


def from_flags(flags: Mapping[str, Any]) -> Config:
    """Returns a configuration from flags alone: ``{"iface": "eth1", "eim": "free"}``. Raises
    :class:`ConfigError`, and nothing else.
    """
    tree: dict[str, Any] = {"station": {"state_directory": "secc-state"}}
    return _build(overlay(tree, flags), None, "", flags)


def overlay(tree: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of the file's ``tree`` with ``flags`` over it. A flag that is None was not
    given. Raises :class:`ConfigError`.
    """
    result = dict(tree)
    for flag, value in flags.items():
        if value is None:
            continue
        if flag not in FLAGS:
            raise ConfigError(_dashed(flag), "is not known")
        top, *rest = FLAGS[flag]
        key = str(rest[-1])
        if top == "outlet":
            result["outlet"] = [_first_outlet(result.get("outlet", [{}]), flag) | {key: _plain(flag, value)}]
        else:
            table = result.get(str(top), {})
            if not isinstance(table, Mapping):
                continue  # the parser reports it
            result[str(top)] = {**table, key: _plain(flag, value)}
    return result


def dangers(config: Config) -> tuple[str, ...]:
    """Returns a line for each setting that weakens trust, money or power, for the log at the start."""
    return tuple(_dangers(config, ()))


def _dangers(table: Any, path: KeyPath) -> list[str]:
    found = []
    for setting in settings(type(table)):
        value, here = getattr(table, setting.field), (*path, setting.key)
        danger = setting.facet(Danger)
        if hasattr(value, "__dataclass_fields__"):
            found += _dangers(value, here)
        elif isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
            for number, entry in enumerate(value):
                found += _dangers(entry, (*here, number))
        elif setting.key.startswith("danger_") and value:
            found.append(f"{spelled(here)} is set")
        elif danger is not None and (value in danger.values or (isinstance(value, tuple) and value)):
            shown = ", ".join(value) if isinstance(value, tuple) else str(value).lower()
            found.append(f"{spelled(here)} = {shown}: {danger.why}")
    return found


def _first_outlet(outlets: object, flag: str) -> dict[str, Any]:
    if not isinstance(outlets, list) or not all(isinstance(outlet, Mapping) for outlet in outlets):
        raise ConfigError("outlet", "must be tables of the form [[outlet]]")
    if len(outlets) > 1:
        raise ConfigError(_dashed(flag), f"cannot say which of the {len(outlets)} outlets in the file is meant")
    return dict(outlets[0]) if outlets else {}


def _build(tree: Mapping[str, Any], path: Path | None, text: str, flags: Mapping[str, Any]) -> Config:
    parser = Parser(path.parent if path is not None else Path(), _tables)
    try:
        config = parser.table(Config, complete(tree), ())
        check(config)
    except Wrong as wrong:
        given = {FLAGS[flag]: flag for flag, value in flags.items() if value is not None}
        if path is None:
            given[FLAGS["iface"]] = "iface"
        shorter = (wrong.path[:length] for length in range(len(wrong.path), 0, -1))
        if flag := next((given[part] for part in shorter if part in given), None):
            raise ConfigError(_dashed(flag), wrong.hint) from None
        raise ConfigError(spelled(wrong.path), wrong.hint, path, line_of(text, wrong.path)) from None
    return replace(config, source=path)


def _tables() -> dict[str, str]:
    """Returns a table for each key, the first one that has it: a hint for a key in the wrong table."""
    return {path[-1]: ".".join(path[:-1]) for path, _ in reversed([*leaves(Config)])}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError("file", f"cannot be read: {reason}", path) from None
    if len(octets) > MAX_OCTETS:
        raise ConfigError("file", f"is larger than {MAX_OCTETS} octets", path)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError("file", "is not UTF-8 text", path, line) from None


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("file", "is nested too deeply", path) from None
    except ValueError as error:  # TOMLDecodeError is one; a number of thousands of digits raises a bare one
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        at_end = str(error).endswith("(at end of document)")
        line = int(found.group(1)) if found else text.count("\n") + 1 if at_end else None
        said = str(error)[: found.start()] if found else str(error)
        raise ConfigError("file", f"is not TOML: {said[:200]}", path, line) from None


def _plain(flag: str, value: Any) -> Any:
    """Returns a flag's value in types of TOML. A list in one flag is written with commas."""
    if isinstance(value, str) and typing.get_origin(_kind(flag)) is tuple:
        return [entry.strip() for entry in value.split(",")]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple, frozenset, set)):
        return [str(entry) for entry in value]
    return value


def _absolute(flag: str, value: Any) -> Any:
    if flag == "hal" and isinstance(value, str):
        return rooted(value, Path.cwd())
    return str(Path(value).absolute()) if isinstance(value, (str, Path)) and _kind(flag) is Path else value


def flag_setting(flag: str) -> Setting:
    """Returns the setting that a flag overrides. Raises KeyError for an unknown flag."""
    return _leaves()[tuple(part for part in FLAGS[flag] if isinstance(part, str))]


@cache
def _leaves() -> dict[tuple[str, ...], Setting]:
    return dict(leaves(Config))


def _kind(flag: str) -> Any:
    """Returns the type of the setting of a flag; None for an unknown flag."""
    return flag_setting(flag).kind if flag in FLAGS else None


def _dashed(flag: str) -> str:
    return "--" + flag.replace("_", "-")

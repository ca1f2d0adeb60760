"""The command line: ``secc run|check|doctor|compile|status|control|clock|explain``, and the tools of the
lab.

Exit codes: 0 success, 1 something is wrong (and was printed), 2 the configuration or the command
line is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from secc import cli_flags, cli_stores
from secc.errors import ConfigError, SeccError
from secc.late import late

TOOLS = {
    "decode": "show EXI octets or a capture as messages, and encode messages",
    "diagram": "draw a trace or a capture as a sequence diagram",
    "evcc": "run the simulated car",
    "pki": "make a lab PKI, with flawed chains if wanted",
    "replay": "run a trace or a capture through the session code again",
    "slac-bench": "measure the attenuation of a cable",
}
"""The modules of ``tools`` that the wheel has as ``secc.tools``, with their help."""

CLOSED_PIPE = 141
"""128 and the number of SIGPIPE, as shells report it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code. An error outside of the program is printed as one
    line, without a traceback.
    """
    # asyncio imports them for its own TLS; the station's is secc.link.tls.
    late("ssl", "asyncio.sslproto")
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    try:
        try:
            code = _command(arguments)
        finally:
            # Notice a closed pipe here, not when the interpreter ends.
            sys.stdout.flush()
    except ConfigError as error:
        return _failed(error, 2)
    except SeccError as error:
        return _failed(error, 1)
    except BrokenPipeError:
        # The reader has closed the pipe (`secc check | head`); flushing the rest must not raise at
        # the end.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:
        # A directory that cannot be made, or a file that is missing or of another kind.
        return _failed(f"{error.filename}: {error.strerror}" if error.filename else error, 1)
    except UnicodeDecodeError as error:
        return _failed(f"a file is not text: {error}", 1)
    except KeyboardInterrupt:
        return 130
    return code


def _open_streams() -> None:
    """Open ``/dev/null`` for a standard stream that was closed at the start; otherwise the next
    file or socket gets its number, and the log's lines.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _failed(error: object, code: int) -> int:
    print(f"secc: {error}", file=sys.stderr)
    return code


def _command(arguments: list[str]) -> int:
    if arguments and arguments[0] in TOOLS:
        return _tool(arguments[0], arguments[1:])
    if arguments and arguments[0] == "help":
        return _command([*arguments[1:], "--help"])
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    if wanted == "run":
        # A start leaves hardly any garbage. The station collects at its end, and switches this on again.
        gc.disable()
    try:
        options = _parser(wanted).parse_args(arguments)
        code: int = options.command(options)
    finally:
        gc.enable()
    return code


def _tool(name: str, arguments: list[str]) -> int:
    place = f"secc.tools.{name.replace('-', '_')}"
    module = importlib.import_module(place)
    if not hasattr(module, "main"):
        module = importlib.import_module(f"{place}.__main__")
    code: int = module.main(arguments)
    return code


def _parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """``wanted``: the command whose arguments are needed; None: those of all. Those of a configuration
    are read from its settings, which takes long.
    """
    parser = argparse.ArgumentParser(
        prog="secc",
        description="The charger side of ISO 15118 Plug & Charge.",
        epilog="secc help COMMAND, or secc COMMAND --help, shows its arguments. Exit codes: 0 success, 1 something is wrong, "
        "2 the configuration or the command line is wrong.",
    )
    parser.add_argument("--version", action=_ShowVersion, help="print the version and exit")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    there: dict[str, tuple[str, Callable[[argparse.Namespace], int], Callable[[argparse.ArgumentParser], None]]] = {
        "run": ("serve cars until stopped", _run, cli_flags.config_flags),
        "check": ("check configuration, trust and interfaces, and report errors", _check, cli_flags.check_flags),
        "doctor": ("test machine, network and hardware, and report what to do", _doctor, cli_flags.doctor_flags),
        "compile": ("compile the station's code, once after installing", _compile, cli_flags.no_flags),
        "status": ("show the state of a running station", _status, cli_flags.status_flags),
        "explain": ("explain why a session ended", _explain, cli_flags.explain_flags),
        "clock": ("show the station's clock, or confirm it as root", _clock, cli_flags.clock_flags),
        "trust": ("list, add or remove the roots of contracts", cli_stores.trust, cli_stores.trust_flags),
        "identity": ("list or install chains, keys and OCSP responses", cli_stores.identity, cli_stores.identity_flags),
        "control": ("give a running station an operator's command", _control, cli_flags.control_flags),
        "version": ("print the version", _version, cli_flags.no_flags),
    }
    for name, (text, command, flags) in there.items():
        if wanted not in there or wanted == name:
            one = commands.add_parser(name, help=text)
            one.set_defaults(command=command)
            if wanted in (None, name):
                flags(one)
    if wanted not in there:
        commands.add_parser("help", help="show the flags and arguments of a command")
        for name, what in TOOLS.items():
            commands.add_parser(name, help=f"tool: {what}", add_help=False)
    return parser


class _ShowVersion(argparse.Action):
    """Looks the version up when it is asked for, because in a checkout that costs a call of git."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # argparse's name
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        parser.exit(_version(argparse.Namespace()))


def _version(options: argparse.Namespace) -> int:
    from secc.version import version

    print(f"secc {version()}")
    return 0


def _load(options: argparse.Namespace) -> Any:
    from secc.config import FLAGS, from_flags, load

    flags = {flag: getattr(options, flag) for flag in FLAGS}
    path = options.file or options.config
    return from_flags(flags) if path is None else load(path, flags)


def _run(options: argparse.Namespace) -> int:
    config = _load(options)
    from secc.station.station import run

    return run(config)


def _check(options: argparse.Namespace) -> int:
    from secc.ops.check import report

    unit = _as_user(options)
    config = _load(options)
    _quiet()
    findings = report(config, unit)
    for finding in findings:
        print(finding)
    return 0 if all(finding.good for finding in findings) else 1


def _compile(options: argparse.Namespace) -> int:
    from secc.ops.installed import install

    for line in install():
        print(line, flush=True)
    return 0


def _clock(options: argparse.Namespace) -> int:
    from secc.config import Clock
    from secc.ops.clock_command import reset, show

    _quiet()
    state, config = _state_directory(options), _configured(options)
    vouched = config is not None and config.trust.clock is Clock.RTC
    lines = show(state, vouched=vouched) if options.act == "show" else reset(state, _socket(options))
    for line in lines:
        print(line)
    return 0


def _as_user(options: argparse.Namespace) -> Any:
    """Become the user that runs the station, before any check. Returns the unit that runs it, if
    there is one.
    """
    from secc.ops.unit import become, find_unit

    unit = find_unit(options.file or options.config)
    user = options.as_user or (unit.user if unit is not None and os.geteuid() == 0 else None)
    if user is not None:
        become(user, unit.capabilities if unit is not None and user == unit.user else frozenset())
    return unit


def _quiet() -> None:
    """Switch other log lines off: the findings are the output."""
    logging.getLogger().addHandler(logging.NullHandler())


def _doctor(options: argparse.Namespace) -> int:
    from secc.ops.doctor import examine, packet_filters, table

    if options.wiring:
        from secc.station.wiring import wiring

        _quiet()
        for line in table(wiring()):
            print(line)
        return 0
    filters = tuple(packet_filters())  # only root may read them
    unit = _as_user(options)
    config = _load(options)
    _quiet()
    good = True
    for finding in examine(config, unit, filters):
        print(finding, flush=True)
        good &= finding.good
    return 0 if good else 1


def _configured(options: argparse.Namespace) -> Any:
    """Returns the configuration that ``--config`` names; None without it."""
    if options.config is None:
        return None
    from secc.config import load

    return load(options.config)


def _state_directory(options: argparse.Namespace) -> Path:
    config = _configured(options)
    return options.state or Path("secc-state") if config is None else config.station.state_directory


def _socket(options: argparse.Namespace) -> Path:
    if options.socket is not None:
        return Path(options.socket)
    config = _configured(options)
    return _state_directory(options) / "control.sock" if config is None else config.control_socket


def _status(options: argparse.Namespace) -> int:
    from secc.ops.control import ask
    from secc.ops.report import status_lines

    state = ask(_socket(options), {"do": "state"})
    print(json.dumps(state, indent=1) if options.json else "\n".join(status_lines(state)))
    return 0


def _control(options: argparse.Namespace) -> int:
    from secc.ops.control import ask, listen

    request: dict[str, Any] = {"do": options.order}
    if options.outlet is not None:
        request["outlet"] = options.outlet
    if options.order == "limit":
        request["watts"] = None if options.watts == "none" else _number(options.watts)
    elif options.order == "token":
        request |= {"kind": options.kind, "value": options.value}
    elif options.order == "lab" and options.name is not None:
        from secc.config.lab import spelled_value

        request |= {"order": options.name, "value": spelled_value(options.name, options.value)}
    if options.order == "events":
        if options.outlet is not None:
            ask(_socket(options), request | {"do": "state"})  # fails if the outlet does not exist
        for event in listen(_socket(options), request):
            if options.outlet is None or event.get("outlet", options.outlet) == options.outlet:
                print(json.dumps(event), flush=True)
        return 0
    answer = ask(_socket(options), request)
    answer.pop("ok")
    print(json.dumps(answer, indent=1) if answer else "done")
    return 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError("watts", f"is not a number: {text}") from None


def _explain(options: argparse.Namespace) -> int:
    from secc.ops.report import explanation, listing

    state = _state_directory(options)
    print(listing(state, options.outlet) if options.list else explanation(options.what, state, options.outlet))
    return 0

"""The command line: ``secc run|check|doctor|status|control|clock|explain``, and the tools of the
lab.

Exit codes: 0 success, 1 something is wrong (and was printed), 2 the configuration or the command
line is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from secc import cli_stores
from secc.errors import ConfigError, SeccError

TOOLS = {
    "decode": "show EXI octets or a capture as messages, and encode messages",
    "diagram": "draw a trace as a sequence diagram",
    "evcc": "run the simulated car",
    "pki": "make a lab PKI, with flawed chains if wanted",
    "replay": "run a trace through the session code again",
    "slac-bench": "measure the attenuation of a cable",
}
"""The modules of ``tools`` that the wheel has as ``secc.tools``, with their help."""

CLOSED_PIPE = 141
"""128 and the number of SIGPIPE, as shells report it."""

FORCED = ("Authorization", "ChargeParameterDiscovery", "CableCheck")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code. An error outside of the program is printed as one
    line, without a traceback.
    """
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
    options = _parser().parse_args(arguments)
    code: int = options.command(options)
    return code


def _tool(name: str, arguments: list[str]) -> int:
    place = f"secc.tools.{name.replace('-', '_')}"
    module = importlib.import_module(place)
    if not hasattr(module, "main"):
        module = importlib.import_module(f"{place}.__main__")
    code: int = module.main(arguments)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="secc",
        description="The charger side of ISO 15118 Plug & Charge.",
        epilog="secc help COMMAND, or secc COMMAND --help, shows its arguments. Exit codes: 0 success, 1 something is wrong, "
        "2 the configuration or the command line is wrong.",
    )
    parser.add_argument("--version", action=_ShowVersion, help="print the version and exit")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    _run_parser(commands.add_parser("run", help="serve cars until stopped"))
    check = commands.add_parser("check", help="check configuration, trust and interfaces, and report what is wrong")
    _config_flags(check)
    check.set_defaults(command=_check)
    doctor = commands.add_parser("doctor", help="test machine, network and hardware, and report what to do")
    _config_flags(doctor)
    for parsed in (check, doctor):
        parsed.add_argument(
            "--as-user",
            metavar="USER",
            help="check with the rights of this user (default, for root: the user of the unit secc.service)",
        )
    doctor.add_argument(
        "--wiring", action="store_true", help="print which part of an outlet performs and hears what, and check nothing"
    )
    doctor.set_defaults(command=_doctor)
    status = commands.add_parser("status", help="show the state of a running station")
    _place(status)
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(command=_status)
    explain = commands.add_parser("explain", help="explain why a session ended")
    _place(explain)
    explain.add_argument("--outlet", help="of this outlet (default: the newest of all)")
    explain.add_argument(
        "--list", action="store_true", help="list every session in the history instead of explaining one"
    )
    explain.add_argument(
        "what",
        nargs="?",
        help="a trace, a record, or a session's id as in the log (default: the newest session that has ended)",
    )
    explain.set_defaults(command=_explain)
    _clock_parser(commands.add_parser("clock", help="show the station's clock, or confirm it as root"))
    cli_stores.add_parsers(commands)
    _control_parser(commands.add_parser("control", help="give a running station an operator's command"))
    commands.add_parser("version", help="print the version").set_defaults(command=_version)
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


def _run_parser(run: argparse.ArgumentParser) -> None:
    _config_flags(run)
    run.set_defaults(command=_run)


def _config_flags(parser: argparse.ArgumentParser) -> None:
    from secc.config import FLAGS, flag_setting

    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        help="the station's TOML file (docs/configuration.md); without it only flags count",
    )
    parser.add_argument("--config", type=Path, help="the same, as a flag")
    for flag in FLAGS:
        name, setting = "--" + flag.replace("_", "-"), flag_setting(flag)
        text = setting.help.replace("%", "%%")
        if setting.kind is bool:
            parser.add_argument(name, action="store_const", const=True, help=text)
        else:
            # The parser of the configuration reports a wrong value, so that file and flag give the
            # same text.
            kind = int if setting.kind is int else str
            parser.add_argument(name, type=kind, metavar=setting.metavar, help=text)


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="the station's configuration")
    parser.add_argument("--state", type=Path, help="its state directory (default: secc-state)")
    parser.add_argument("--socket", type=Path, help="its control socket")


def _clock_parser(clock: argparse.ArgumentParser) -> None:
    _place(clock)
    clock.set_defaults(command=_clock)
    clock.add_argument(
        "act",
        choices=("show", "reset"),
        help="show: each clock's time, and whether the station trusts it; "
        "reset: root confirms that the system clock is right, and that a later time seen before was wrong",
    )


def _control_parser(control: argparse.ArgumentParser) -> None:
    _place(control)
    control.add_argument("--outlet", help="name of the outlet (default: the only one)")
    control.set_defaults(command=_control)
    orders = control.add_subparsers(dest="order", required=True, metavar="COMMAND")
    orders.add_parser("state", help="print the station's whole state as JSON")
    orders.add_parser("start", help="let the car at the outlet charge, as the operator's decision")
    orders.add_parser("stop", help="end charging in good order")
    limit = orders.add_parser("limit", help="deliver at most this much")
    limit.add_argument("watts", help="a number, or 'none'")
    token = orders.add_parser("token", help="act as if this card had been shown")
    token.add_argument("value", help="the card's UID")
    token.add_argument("--kind", default="rfid", help="the card's kind as in the lists (default: rfid)")
    orders.add_parser("renegotiate", help="ask the car to negotiate again")
    ongoing = orders.add_parser("ongoing", help="answer Ongoing in a phase until switched off")
    ongoing.add_argument("phase", choices=FORCED, help="the phase to hold")
    ongoing.add_argument("switch", choices=("on", "off"), help="on or off")
    orders.add_parser("reload", help="read certificates, staples and lists again")
    orders.add_parser("events", help="print each event as a line of JSON, until interrupted")


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    from secc.config import FLAGS

    return {flag: getattr(options, flag) for flag in FLAGS}


def _load(options: argparse.Namespace) -> Any:
    from secc.config import from_flags, load

    flags = _flags(options)
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


def _clock(options: argparse.Namespace) -> int:
    from secc.config import Clock, load
    from secc.ops.clock_command import reset, show

    _quiet()
    state = _state_directory(options)
    vouched = options.config is not None and load(options.config).trust.clock is Clock.RTC
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
        for line in table((wire.name, wire.performers, wire.heard_by) for wire in wiring()):
            print(line)
        return 0
    filters = packet_filters()  # only root may read them
    unit = _as_user(options)
    config = _load(options)
    _quiet()
    good = True
    for finding in examine(config, unit, filters):
        print(finding, flush=True)
        good &= finding.good
    return 0 if good else 1


def _state_directory(options: argparse.Namespace) -> Path:
    if options.config is not None:
        from secc.config import load

        return load(options.config).station.state_directory
    if options.state is not None:
        return Path(options.state)
    return Path("secc-state")


def _socket(options: argparse.Namespace) -> Path:
    if options.socket is not None:
        return Path(options.socket)
    if options.config is not None:
        from secc.config import load

        return load(options.config).control_socket
    return _state_directory(options) / "control.sock"


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
    elif options.order == "ongoing":
        request |= {"phase": options.phase, "on": options.switch == "on"}
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

"""What each command of ``secc`` takes on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path


def config_flags(parser: argparse.ArgumentParser) -> None:
    """The configuration: its file, and a flag for each setting that has one."""
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


def check_flags(check: argparse.ArgumentParser) -> None:
    """``secc check``."""
    config_flags(check)
    check.add_argument(
        "--as-user",
        metavar="USER",
        help="check with the rights of this user (default, for root: the user of the unit secc.service)",
    )


def doctor_flags(doctor: argparse.ArgumentParser) -> None:
    """``secc doctor``."""
    check_flags(doctor)
    doctor.add_argument("--wiring", action="store_true", help="print what each part of an outlet performs and hears")


def no_flags(parser: argparse.ArgumentParser) -> None:
    """Commands that take nothing."""


def status_flags(status: argparse.ArgumentParser) -> None:
    """``secc status``."""
    _place(status)
    status.add_argument("--json", action="store_true", help="as JSON")


def explain_flags(explain: argparse.ArgumentParser) -> None:
    """``secc explain``."""
    _place(explain)
    explain.add_argument("--outlet", help="of this outlet (default: the newest of all)")
    explain.add_argument("--list", action="store_true", help="list all sessions in the history")
    explain.add_argument(
        "what",
        nargs="?",
        help="a trace, a record, or a session's id as in the log (default: the newest session that has ended)",
    )


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="the station's configuration")
    parser.add_argument("--state", type=Path, help="its state directory (default: secc-state)")
    parser.add_argument("--socket", type=Path, help="its control socket")


def clock_flags(clock: argparse.ArgumentParser) -> None:
    """``secc clock``."""
    _place(clock)
    clock.add_argument(
        "act",
        choices=("show", "reset"),
        help="show: each clock's time, and whether the station trusts it; "
        "reset: root confirms that the system clock is right, and that a later time seen before was wrong",
    )


def control_flags(control: argparse.ArgumentParser) -> None:
    """``secc control``."""
    _place(control)
    control.add_argument("--outlet", help="name of the outlet (default: the only one)")
    orders = control.add_subparsers(dest="order", required=True, metavar="COMMAND")
    orders.add_parser("state", help="print the station's whole state as JSON")
    orders.add_parser("start", help="let the car at the outlet charge, as the operator's decision")
    orders.add_parser("stop", help="end charging in good order")
    limit = orders.add_parser("limit", help="deliver at most this much")
    limit.add_argument("watts", help="a number, or 'none'")
    token = orders.add_parser("token", help="act as if this card had been shown")
    token.add_argument("value", help="the card's UID")
    token.add_argument("--kind", default="rfid", help="the card's kind as in the lists (default: rfid)")
    orders.add_parser("wake", help="wake the car that has paused")
    orders.add_parser("renegotiate", help="ask the car to negotiate again")
    lab = orders.add_parser("lab", help="orders of a lab, if lab.orders.enabled is set: print them, or give one")
    lab.add_argument("name", nargs="?", help="a setting of lab.orders, such as meter_info")
    lab.add_argument("value", nargs="?", help="its value, a list with commas; `default` takes the order back")
    orders.add_parser("reload", help="read certificates, staples and lists again")
    orders.add_parser("events", help="print each event as a line of JSON, until interrupted")

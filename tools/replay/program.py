"""``secc replay``: which way a file is replayed, and the report."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from certs.errors import TrustError
from secc.config import load
from secc.errors import ConfigError, SeccError
from secc.protocols import keys

from ..recording import is_capture, printable, read_capture, read_lines, read_trace, written_by_a_station
from .capture import replay_capture
from .configured import configured, configured_protocols
from .exchanges import NotReplayable
from .recorded import SessionOutcome
from .setting import Setting
from .trace import Outcome, recorded_in, replay, station_offer


def main(argv: Sequence[str] | None = None) -> int:
    """Replay files. Returns 0 if the station answers as recorded (a trace: to the octet; a capture:
    with the same codes), 1 if not, 2 if a file cannot be replayed.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    setting = Setting(strict=options.strict, quick=options.quick, at=options.date, spoken=options.protocols)
    if options.outlet is not None and options.config is None:
        parser.error("--outlet is for a configuration: give --config")
    if options.protocols and options.config is not None:
        parser.error("--protocol is for a station without --config, which names its protocols")
    try:
        if options.config is not None:
            config = load(options.config)
            setting = replace(
                setting,
                change=configured(config, options.outlet),
                spoken=configured_protocols(config, options.outlet),
            )
    except ConfigError as error:
        print(printable(f"secc replay: {error}"), file=sys.stderr)
        return 2
    worst = 0
    for path in options.file:
        try:
            same = True
            for agrees, line in _report(read_lines(path), setting):
                same &= agrees
                print(printable(f"{path}: {line}" if not line.startswith(" ") else line))
        except (OSError, SeccError, TrustError) as error:
            print(printable(f"secc replay: {path}: {error}"), file=sys.stderr)
            worst = max(worst, 2)
        else:
            worst = max(worst, 0 if same else 1)
    return worst


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="secc replay", description="Recorded sessions through today's station.")
    parser.add_argument(
        "file",
        type=Path,
        nargs="+",
        help="traces (.jsonl) that a station wrote, or captures (.jsonl); - is standard input",
    )
    parser.add_argument("--strict", action="store_true", help="without any tolerance")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="card, backend and power path take no time",
    )
    parser.add_argument(
        "--date",
        type=date,
        help="the calendar's date (2026-05-01), where it is not to be the recording's",
    )
    parser.add_argument(
        "--protocol",
        dest="protocols",
        action="append",
        choices=keys(),
        help="a protocol of the station (default: all); may be repeated",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="offer what this station would, not what the recorded one did",
    )
    parser.add_argument("--outlet", metavar="NAME", help="the outlet of the configuration (default: its first)")
    return parser


def date(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _report(lines: Sequence[str], setting: Setting) -> Iterator[tuple[bool, str]]:
    """Yields the lines of the report, and whether each agrees with the recording."""
    if is_capture(lines):
        for outcome in replay_capture(read_capture(lines), setting):
            yield from _session(outcome)
        return
    entries = read_trace(lines)
    if any(entry["kind"] == "thinned" for entry in entries):
        with written_by_a_station():
            outcomes = replay_capture(recorded_in(entries), setting.offering(station_offer(entries)))
        for outcome in outcomes:
            yield from _session(outcome)
    elif setting != Setting():
        raise NotReplayable("a whole trace replays as it is, without options")
    else:
        yield from _trace(replay(lines))


def _trace(outcome: Outcome) -> Iterator[tuple[bool, str]]:
    good = not outcome.differences
    verdict = "the same" if good else f"{len(outcome.differences)} differences"
    yield good, f"{outcome.steps} steps, {outcome.messages} messages sent: {verdict}"
    for difference in outcome.differences:
        yield False, f"  {difference}"


def _session(outcome: SessionOutcome) -> Iterator[tuple[bool, str]]:
    ended = "the recording ends before the session"
    if outcome.reason is not None:
        ended = f"ended: {outcome.reason.code}" + (f" ({outcome.reason.detail})" if outcome.reason.detail else "")
    failed = next((answer for answer in outcome.answers if not answer.code.startswith("OK")), None)
    told = "OK in every answer" if failed is None else f"{failed.code} in {failed.name}, index {failed.index}"
    yield outcome.same, f"session {outcome.session}: {outcome.requests} requests of the car, {told}; {ended}"
    if outcome.lacking:
        yield True, f"  left out by the recording: {outcome.lacking} messages"
    if outcome.left_out:
        yield True, f"  left out here, superfluous polls: {_counted(outcome.left_out)}"
    if outcome.repeated:
        yield True, f"  added here, polls that the recording lacks: {_counted(outcome.repeated)}"
    if outcome.not_fed:
        yield False, f"  not fed, after the end of the session: {outcome.not_fed} requests"
    for line in outcome.exchanged:
        yield True, f"  exchanged: {line}"
    if outcome.remarks:
        yield True, f"  tolerated: {_counted(outcome.remarks)}"
    for difference in outcome.differences:
        yield not difference.code, f"  differs: {difference}"


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{name} x {times}" for name, times in found.items())

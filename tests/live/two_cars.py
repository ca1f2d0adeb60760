#!/usr/bin/env python3
"""Two foreign cars at once at two outlets of one station process, each on its own interface and with its own scenario: both with Plug & Charge, or
one of DIN SPEC 70121 beside one of ISO 15118-2.

Uses the bench's own parts (`josev_interop.py`): the EV runner, its environment, its PKI. Prints a line for each car;
exits 0 only if both charged, and the station's account says the same of each. Both scenarios have to ask the same of the station.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from josev_interop import (  # noqa: E402
    CACHE,
    NAMES,
    Secc,
    SetupError,
    account,
    account_problems,
    ensure_pki,
    ensure_venv,
    foreign_secc,
    line,
)
from scenarios import SCENARIOS, Scenario  # noqa: E402

SECONDS = 120


class TwoLines:
    """One namespace for the station, one for each car, a veth pair between the station and each."""

    def __init__(self) -> None:
        tag = f"{os.getpid() % 10000}"
        self.station = f"st-{tag}"
        self.cars = [f"car{number}-{tag}" for number in (1, 2)]
        self.car_ifaces = [f"c{number}x{tag}" for number in (1, 2)]
        self.station_ifaces = [f"s{number}x{tag}" for number in (1, 2)]

    def __enter__(self) -> TwoLines:
        try:
            for namespace in (self.station, *self.cars):
                run("ip", "netns", "add", namespace)
                for knob in ("default", "all"):
                    path = f"/proc/sys/net/ipv6/conf/{knob}/accept_dad"
                    run("ip", "netns", "exec", namespace, "sh", "-c", f"echo 0 > {path}")
                run("ip", "-n", namespace, "link", "set", "lo", "up")
            for car, mine, theirs in zip(self.cars, self.car_ifaces, self.station_ifaces, strict=True):
                run(
                    "ip",
                    "link",
                    "add",
                    mine,
                    "netns",
                    car,
                    "type",
                    "veth",
                    "peer",
                    "name",
                    theirs,
                    "netns",
                    self.station,
                )
                run("ip", "-n", car, "link", "set", mine, "up")
                run("ip", "-n", self.station, "link", "set", theirs, "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            raise SetupError(f"cannot set up the network: {error}") from error
        return self

    def __exit__(self, *_: Any) -> None:
        for namespace in (self.station, *self.cars):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="scenario", default=["iso2-dc-pnc"], help="one for both, or one each"
    )
    parser.add_argument("--secc-cmd", default=str(HERE / "station"))
    parser.add_argument("--account", default=str(HERE / "account"), help="says what the cars were authorised by")
    parser.add_argument("--timeout-factor", type=float, default=1)
    parser.add_argument("--venv", type=Path, default=CACHE / "venv")
    parser.add_argument("--pki", type=Path, default=CACHE / "pki")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--ev", choices=["plausible", "stock"], default="plausible")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name not in SCENARIOS]
    if unknown or len(arguments.scenarios) > 2:
        parser.error(f"one or two scenarios, known ones: {unknown or arguments.scenarios}")
    python = ensure_venv(arguments.venv.expanduser().absolute())
    pki = ensure_pki(arguments.pki.expanduser().absolute(), python)
    work = arguments.work or Path(tempfile.mkdtemp(prefix="two-cars-"))
    scenarios = [SCENARIOS[name] for name in (arguments.scenarios * 2)[:2]]
    with TwoLines() as lines:
        command, needs = foreign_secc(arguments.secc_cmd, scenarios[0], ",".join(lines.station_ifaces), pki)
        _, others = foreign_secc(arguments.secc_cmd, scenarios[1], ",".join(lines.station_ifaces), pki)
        differ = sorted(name for name in needs if needs[name] != others[name])
        if not set(differ) <= {"INTEROP_SCENARIO", "INTEROP_PROTOCOLS"}:
            raise SetupError(f"one station cannot serve both scenarios: {', '.join(differ)}")
        folder = work / "station"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        needs["INTEROP_WORK"] = str(folder)
        secc = Secc(
            ["ip", "netns", "exec", lines.station, *command], {**os.environ, **needs}, folder / "secc.log", folder, 20
        )
        try:
            results = drive(lines, scenarios, python, pki, work, arguments)
        finally:
            secc.stop()
    # Each car is a session of its own in the one station's books.
    told = account(arguments.account, needs, folder)
    problems = told_problems(scenarios, told)
    for problem in problems:
        print(f"by the station's account: {problem}")
    if problems:
        results = [result | {"passed": False} for result in results]
    passed = [result for result in results if result["passed"]]
    print(f"{len(passed)} passed, {len(results) - len(passed)} failed; logs in {work}")
    return 0 if len(passed) == len(results) else 1


def told_problems(scenarios: list[Scenario], told: dict[str, Any]) -> list[str]:
    """What is wrong with the account of a station at which each scenario had its car, whichever was first."""
    if scenarios[0] == scenarios[1]:
        return account_problems(dataclasses.replace(scenarios[0], sessions=scenarios[0].sessions * 2), told)
    problems = []
    for scenario in scenarios:
        own = [one for one in told["sessions"] if one["protocol"] == NAMES[scenario.chosen_protocol]]
        problems += account_problems(scenario, told | {"sessions": own})
    if len(told["sessions"]) != sum(len(scenario.sessions) for scenario in scenarios):
        problems.append(f"the station tells of {len(told['sessions'])} sessions")
    return problems


def drive(
    lines: TwoLines,
    scenarios: list[Scenario],
    python: Path,
    pki: Path,
    work: Path,
    arguments: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Both cars at the same time, and what became of them."""
    cars = []
    with contextlib.ExitStack() as stack:
        places = zip(lines.cars, lines.car_ifaces, scenarios, strict=True)
        for number, (namespace, iface, scenario) in enumerate(places, 1):
            folder = work / f"car{number}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            log = stack.enter_context((folder / "ev.log").open("wb"))
            command = [
                *("ip", "netns", "exec", namespace, str(python), str(HERE / "ev_runner.py")),
                *("--scenario", scenario.name, "--iface", iface, "--pki", str(pki)),
                *("--work", str(folder), "--out", str(folder / "ev.json"), "--ev", arguments.ev),
                *("--timeout", str(SECONDS), "--timeout-factor", str(arguments.timeout_factor)),
            ]
            cars.append((folder, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)))
        for _, process in cars:
            try:
                process.wait(2 * SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return [judge(folder) for folder, _ in cars]


def judge(folder: Path) -> dict[str, Any]:
    out = folder / "ev.json"
    if out.exists():
        result: dict[str, Any] = json.loads(out.read_text())
    else:
        result = {"scenario": folder.name, "passed": False, "reason": f"no result, see {folder / 'ev.log'}"}
    result |= {"scenario": f"{folder.name} {result.get('scenario', '')}", "wall_s": result.get("wall_s", 0.0)}
    print(line(result | {"outcome": "PASS" if result["passed"] else "FAIL"}), flush=True)
    return result


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        print(f"two_cars: {error}", file=sys.stderr)
        sys.exit(2)

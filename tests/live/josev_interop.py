#!/usr/bin/env python3
"""Run the Josev EVCC (PyPI package `iso15118`) against any SECC.

For each scenario: start the SECC under test (or Josev's own), wait until it
listens on UDP port 15118, let the EV run the scenario over a veth pair with
IPv6 link-local addresses, and judge the outcome. Prints one line per scenario
and can write a JSON summary. Exits 0 only if every scenario had the wanted
outcome.

Needs Linux, root (for network namespaces), Python >= 3.9, iproute2, a Java
runtime (the package's EXI codec is a jar) and openssl (for the test PKI).
Standard library only; the package lives in its own virtual environment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from scenarios import GROUPS, SCENARIOS, Scenario, resolve  # noqa: E402

PACKAGE = "iso15118==0.31.2"
# The package imports aiofile in its EVCC but does not declare it.
EXTRA_PACKAGES = ["aiofile>=3.7,<4"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "josev-interop"
SDP_PORT_HEX = "3B0E"  # 15118
NAMES = {"DIN_SPEC_70121": "DIN SPEC 70121", "ISO_15118_2": "ISO 15118-2"}
"""What a station that gives an account calls the protocols of the scenarios."""


class SetupError(RuntimeError):
    """The test bench itself could not be set up."""


# --------------------------------------------------------------------------
# Virtual environment and PKI
# --------------------------------------------------------------------------


def ensure_venv(path: Path) -> Path:
    """Create the virtual environment if missing; return its Python."""
    python = path / "bin" / "python"
    probe = [str(python), "-c", "import iso15118, aiofile"]
    if python.exists() and subprocess.run(probe, capture_output=True).returncode == 0:
        return python
    print(f"creating virtual environment in {path} ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", PACKAGE, *EXTRA_PACKAGES],
        check=True,
    )
    return python


def package_dir(python: Path) -> Path:
    out = subprocess.run(
        [str(python), "-c", "import iso15118; print(iso15118.__path__[0])"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    return Path(out.stdout.strip())


def ensure_pki(path: Path, python: Path) -> Path:
    """Create a test PKI with the package's own script if there is none.

    Layout: <path>/iso15118_2/{certs,private_keys,csrs}.
    """
    marker = path / "iso15118_2" / "certs" / "cpoCertChain.pem"
    if marker.exists():
        check = subprocess.run(
            ["openssl", "x509", "-checkend", "86400", "-noout", "-in", str(marker)],
            capture_output=True,
        )
        if check.returncode == 0:
            return path
        if not str(path).startswith(str(CACHE)):
            raise SetupError(f"the SECC certificate in {path} has expired")
        shutil.rmtree(path / "iso15118_2")  # our own, simply renew it
    source = package_dir(python) / "shared" / "pki"
    path.mkdir(parents=True, exist_ok=True)
    configs = path / "configs"
    if not configs.exists():
        configs.symlink_to(source / "configs")
    done = subprocess.run(
        ["bash", str(source / "create_certs.sh"), "-v", "iso-2"],
        cwd=path,
        capture_output=True,
        text=True,
    )
    if not marker.exists():
        raise SetupError(f"create_certs.sh failed:\n{done.stdout}\n{done.stderr}")
    return path


# --------------------------------------------------------------------------
# Network
# --------------------------------------------------------------------------


class Bench:
    """Where EV and SECC run: two namespaces joined by a veth pair, or one
    existing interface for each side."""

    def __init__(self, args: argparse.Namespace):
        self.netns = not (args.ev_iface and args.evse_iface)
        tag = f"{os.getpid() % 10000}"
        self.ev_ns, self.evse_ns = f"ev-{tag}", f"evse-{tag}"
        self.ev_iface = args.ev_iface or f"ev{tag}"
        self.evse_iface = args.evse_iface or f"evse{tag}"
        self.mtu = args.mtu

    def __enter__(self) -> Bench:
        if self.netns:
            try:
                self._create()
            except subprocess.CalledProcessError as exc:
                self.__exit__()
                raise SetupError(f"cannot set up the network: {exc}") from exc
        return self

    def _create(self) -> None:
        for ns in (self.ev_ns, self.evse_ns):
            self._ip("netns", "add", ns)
            # Without duplicate address detection the link-local address can be
            # used at once.
            for knob in ("default", "all"):
                self._run(
                    ["ip", "netns", "exec", ns, "sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{knob}/accept_dad"]
                )
        self._ip(
            "link",
            "add",
            self.ev_iface,
            "netns",
            self.ev_ns,
            "type",
            "veth",
            "peer",
            "name",
            self.evse_iface,
            "netns",
            self.evse_ns,
        )
        for ns, iface in ((self.ev_ns, self.ev_iface), (self.evse_ns, self.evse_iface)):
            self._ip("-n", ns, "link", "set", "lo", "up")
            if self.mtu:
                self._ip("-n", ns, "link", "set", iface, "mtu", str(self.mtu))
            self._ip("-n", ns, "link", "set", iface, "up")
        for ns in (self.ev_ns, self.evse_ns):
            self._wait_for_link_local(ns)

    def _wait_for_link_local(self, ns: str) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            out = subprocess.run(
                ["ip", "-n", ns, "-6", "addr", "show", "scope", "link"],
                capture_output=True,
                text=True,
            ).stdout
            if "inet6 fe80" in out and "tentative" not in out:
                return
            time.sleep(0.05)
        raise SetupError(f"no IPv6 link-local address in namespace {ns}")

    def __exit__(self, *_: Any) -> None:
        if self.netns:
            for ns in (self.ev_ns, self.evse_ns):
                subprocess.run(["ip", "netns", "del", ns], capture_output=True)

    def ev(self, command: list[str]) -> list[str]:
        return ["ip", "netns", "exec", self.ev_ns, *command] if self.netns else command

    def evse(self, command: list[str]) -> list[str]:
        return ["ip", "netns", "exec", self.evse_ns, *command] if self.netns else command

    def _ip(self, *words: str) -> None:
        self._run(["ip", *words])

    @staticmethod
    def _run(command: list[str]) -> None:
        subprocess.run(command, check=True, capture_output=True)


# --------------------------------------------------------------------------
# SECC process
# --------------------------------------------------------------------------


class ProcessTree:
    """CPU time and memory of a process and its descendants, from /proc."""

    TICK = os.sysconf("SC_CLK_TCK")

    def __init__(self, pid: int):
        self.pid = pid

    def pids(self) -> list[int]:
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            if pid in found:
                continue
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    queue.extend(int(c) for c in task.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        total = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / self.TICK

    def memory_mb(self) -> dict[str, float]:
        """Resident set size per process name, in MiB."""
        sizes: dict[str, float] = {}
        for pid in self.pids():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if "VmRSS" in values:
                name = values["Name"].strip()
                size = int(values["VmRSS"].split()[0]) / 1024
                sizes[name] = round(sizes.get(name, 0) + size, 1)
        return sizes


class Secc:
    """The SECC under test, started once per scenario (or kept)."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path, cwd: Path, start_timeout: float):
        self.log = log.open("wb")
        begin = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.tree = ProcessTree(self.process.pid)
        self.listen_s = self._wait_for_sdp_port(begin, start_timeout)

    def _wait_for_sdp_port(self, begin: float, timeout: float) -> float:
        while time.monotonic() - begin < timeout:
            if self.process.poll() is not None:
                raise SetupError(f"SECC exited with {self.process.returncode}, see {self.log.name}")
            if self._listens():
                return round(time.monotonic() - begin, 3)
            time.sleep(0.01)
        self.stop()
        raise SetupError(f"SECC does not listen on UDP 15118 after {timeout} s, see {self.log.name}")

    def _listens(self) -> bool:
        # /proc/<pid>/net is that process's network namespace; while
        # `ip netns exec` is still starting it may be ours, hence udp6 only.
        try:
            table = Path(f"/proc/{self.process.pid}/net/udp6").read_text()
        except OSError:
            return False
        return any(
            line.split()[1].endswith(":" + SDP_PORT_HEX) for line in table.splitlines()[1:] if len(line.split()) > 1
        )

    def stop(self) -> int | None:
        """End the process group that was started here, politely at first."""
        for sig, patience in ((signal.SIGINT, 3), (signal.SIGTERM, 3), (signal.SIGKILL, 5)):
            if self.process.poll() is not None:
                break
            try:
                os.killpg(self.process.pid, sig)
            except ProcessLookupError:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self.log.close()
        return self.process.poll()


def josev_secc(python: Path, scenario: Scenario, iface: str, pki: Path):
    """Command and environment that make Josev's own SECC fit a scenario."""
    env = {
        "NETWORK_INTERFACE": iface,
        "PKI_PATH": str(pki) + "/",
        "ENABLE_TLS_1_3": str(scenario.tls == "1.3"),
        "AUTH_MODES": "PNC" if scenario.auth == "pnc" else "EIM",
        "MESSAGE_LOG_JSON": "False",
        "LOG_LEVEL": "INFO",
    }
    return [str(python), "-m", "iso15118.secc.main"], env


def foreign_secc(template: str, scenario: Scenario, iface: str, pki: Path):
    """Command and environment for any other SECC.

    The scenario's needs are in INTEROP_* variables and, for convenience, in
    {placeholders} of the command.
    """
    needs = {
        "iface": iface,
        "pki": str(pki),
        "scenario": scenario.name,
        "protocols": ",".join(scenario.protocols),
        "tls": scenario.tls,
        "auth": scenario.auth,
        "control": scenario.control,
        "service": scenario.service,
        "energy_mode": scenario.energy_mode,
        "listed": "1" if scenario.listed else "0",
        "cert_install": "1" if scenario.cert_install else "0",
        "tariffs": "1" if scenario.tariffs else "0",
        "receipts": "1" if scenario.receipts else "0",
    }
    env = {"INTEROP_" + key.upper(): value for key, value in needs.items()}
    return shlex.split(template.format(**needs)), env


def account_problems(scenario: Scenario, account: dict[str, Any]) -> list[str]:
    """What is wrong with the reasons that the station gives, although the EV saw the wanted outcome."""
    sessions = account["sessions"]
    problems = []
    if account.get("unaccounted"):
        problems.append(f"{account['unaccounted']} sessions stand in the books without a trace")
    receipts = account.get("receipts", [])
    if scenario.receipts and not (receipts and all(receipts)):
        problems.append(f"{len(receipts)} receipts stand in the books, {sum(receipts)} of them signed by the contract")
    if receipts and not scenario.receipts:
        problems.append("receipts stand in the books that nobody demanded")
    if len(sessions) != len(scenario.sessions):
        problems.append(f"the station tells of {len(sessions)} sessions, not of {len(scenario.sessions)}")
    refused = scenario.expect != "stop"
    codes = scenario.expect.partition(":")[2].split("|")
    ends = {scenario.end} if scenario.end else {f"refused.{code}" for code in codes}
    for one in sessions:
        wanted = NAMES.get(scenario.chosen_protocol)
        if one["protocol"] != wanted and not (refused and not one["protocol"]):
            problems.append(f"the station spoke {one['protocol'] or 'nothing'}, wanted {wanted}")
        # What is refused before anybody is authorised was authorised by nothing.
        if one["by"] != scenario.by and not (refused and not one["by"]):
            problems.append(f"authorised by {one['by'] or 'nothing'}, wanted {scenario.by or 'nothing'}")
        if one["flaw"] != scenario.flaw:
            problems.append(f"flaw {one['flaw'] or 'none'}, wanted {scenario.flaw or 'none'}")
        if refused:
            if one["closed"] or one["named"] is not None:
                problems.append("a contactor closed, or something was booked")
            if one["end"] not in ends:
                problems.append(f"the station's reason is {one['end']}")
            continue
        if not one["powered"]:
            problems.append("the board never had power on")
        if one["named"] is not (scenario.by == "contract"):
            problems.append(f"the books name {one['identity'] or 'nobody'}, wanted by {scenario.by}")
    return problems


def account(template: str, needs: dict[str, str], folder: Path) -> dict[str, Any]:
    """What the station's own books and traces say; see `account`."""
    told = subprocess.run(
        shlex.split(template),
        env={**os.environ, **needs, "INTEROP_WORK": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    try:
        return json.loads(told.stdout)
    except ValueError:
        raise SetupError(f"the account is no JSON: {told.stdout[-200:]} {told.stderr[-500:]}") from None


# --------------------------------------------------------------------------
# Running scenarios
# --------------------------------------------------------------------------


class Runner:
    def __init__(self, args: argparse.Namespace, bench: Bench, python: Path, pki: Path):
        self.args, self.bench, self.python, self.pki = args, bench, python, pki
        self.work = Path(args.work or tempfile.mkdtemp(prefix="josev-interop-"))
        self.work.mkdir(parents=True, exist_ok=True)
        self.secc: Secc | None = None

    def run(self, scenario: Scenario) -> dict[str, Any]:
        folder = self.work / scenario.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        begin = time.monotonic()
        try:
            if self.secc is None:
                self.secc = self._start_secc(scenario, folder)
            result = self._run_ev(scenario, folder)
        except SetupError as exc:
            result = {"scenario": scenario.name, "passed": False, "reason": f"bench: {exc}", "bench_error": True}
        finally:
            if self.secc is not None and not self.args.keep_secc:
                self.stop_secc()
        if self.args.account and not result.get("bench_error"):
            self._hold_to_account(scenario, folder, result)
        result["outcome"] = self._outcome(scenario, result)
        result["wall_s"] = round(time.monotonic() - begin, 2)
        (folder / "result.json").write_text(json.dumps(result, indent=1))
        return result

    def _hold_to_account(self, scenario: Scenario, folder: Path, result: dict[str, Any]) -> None:
        """An outcome counts only when the station gives the wanted reason for it."""
        _, needs = foreign_secc(self.args.account, scenario, self.bench.evse_iface, self.pki)
        try:
            result["account"] = account(self.args.account, needs, folder)
        except SetupError as exc:
            result.update(passed=False, reason=f"bench: {exc}", bench_error=True)
            return
        problems = account_problems(scenario, result["account"])
        if result["passed"] and problems:
            result.update(passed=False, reason=f"by the station's account: {'; '.join(problems)}")
        elif result["passed"]:
            told = (
                scenario.by
                if scenario.expect == "stop"
                else ", ".join(one["flaw"] or one["end"] for one in result["account"]["sessions"])
            )
            result["reason"] += f" [{told}]"

    def _start_secc(self, scenario: Scenario, folder: Path) -> Secc:
        iface = self.bench.evse_iface
        if self.args.secc_cmd:
            command, extra = foreign_secc(self.args.secc_cmd, scenario, iface, self.pki)
            extra["INTEROP_WORK"] = str(folder)
        else:
            command, extra = josev_secc(self.python, scenario, iface, self.pki)
        cwd = Path(self.args.secc_cwd) if self.args.secc_cwd else folder
        return Secc(
            self.bench.evse(command), {**os.environ, **extra}, folder / "secc.log", cwd, self.args.start_timeout
        )

    def stop_secc(self) -> None:
        if self.secc is not None:
            self.secc.stop()
            self.secc = None

    def _run_ev(self, scenario: Scenario, folder: Path) -> dict[str, Any]:
        out = folder / "ev.json"
        command = [
            str(self.python),
            str(HERE / "ev_runner.py"),
            "--scenario",
            scenario.name,
            "--iface",
            self.bench.ev_iface,
            "--pki",
            str(self.pki),
            "--work",
            str(folder),
            "--out",
            str(out),
            "--ev",
            self.args.ev,
            "--loops",
            str(self.args.loops),
            "--timeout",
            str(self.args.timeout),
            "--timeout-factor",
            str(self.args.timeout_factor),
            "--log-level",
            self.args.log_level,
        ]
        if self.args.corpus:
            command += ["--corpus", str(Path(self.args.corpus).resolve())]
        assert self.secc is not None
        cpu_before = self.secc.tree.cpu_seconds()
        with (folder / "ev.log").open("wb") as log:
            # Twice the timeout: a scenario may consist of two sessions.
            limit = 2 * self.args.timeout + 30
            try:
                subprocess.run(self.bench.ev(command), stdout=log, stderr=subprocess.STDOUT, timeout=limit)
            except subprocess.TimeoutExpired:
                raise SetupError(f"EV runner hung, see {log.name}") from None
        if not out.exists():
            raise SetupError(f"EV runner failed, see {log.name}")
        result = json.loads(out.read_text())
        result["secc"] = {
            "listen_s": self.secc.listen_s,
            "cpu_s": round(self.secc.tree.cpu_seconds() - cpu_before, 2),
            "cpu_s_before": round(cpu_before, 2),
            "rss_mb": self.secc.tree.memory_mb(),
            "alive": self.secc.process.poll() is None,
        }
        return result

    @staticmethod
    def _outcome(scenario: Scenario, result: dict[str, Any]) -> str:
        if result.get("bench_error"):
            return "ERROR"
        if scenario.known_ev_gap:
            return "XPASS" if result["passed"] else "XFAIL"
        return "PASS" if result["passed"] else "FAIL"


def line(result: dict[str, Any]) -> str:
    sessions = result.get("sessions", [])
    start = sessions[0].get("sdp_to_power_delivery_start_s") if sessions else None
    extra = f" [SDP->power {start:.2f} s]" if start is not None else ""
    return f"{result['outcome']:5s} {result['scenario']:32s} {result['wall_s']:6.1f} s  {result['reason']}{extra}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Josev EVCC against any SECC, scenario by scenario.")
    parser.add_argument("scenarios", nargs="*", default=["smoke"], help="scenario or group names (default: smoke)")
    parser.add_argument("--list", action="store_true", help="list scenarios and exit")
    secc = parser.add_mutually_exclusive_group()
    secc.add_argument("--secc", choices=["josev"], default="josev", help="built-in SECC: the package's own (default)")
    secc.add_argument(
        "--secc-cmd",
        help="command that starts the SECC under test; may "
        "use {iface} {pki} {scenario} {protocols} {tls} {auth} {control} "
        "{service} {energy_mode}",
    )
    parser.add_argument(
        "--account",
        help="command that prints the station's own account of a scenario as JSON (see README.md); not with --keep-secc",
    )
    parser.add_argument("--secc-cwd", help="working directory for --secc-cmd")
    parser.add_argument("--keep-secc", action="store_true", help="one SECC process for all scenarios")
    parser.add_argument(
        "--start-timeout", type=float, default=20, help="seconds the SECC may take to listen on UDP 15118"
    )
    parser.add_argument(
        "--ev",
        choices=["plausible", "stock"],
        default="plausible",
        help="EV values: coherent ones, or the package's simulator as is",
    )
    parser.add_argument("--loops", type=int, default=0, help="charge loop iterations")
    parser.add_argument("--timeout", type=float, default=90, help="seconds per communication session")
    parser.add_argument(
        "--timeout-factor",
        type=float,
        default=1,
        help="scales every message timeout of the EV (use e.g. 8 on a "
        "slow or busy machine; 1 is what the standards ask)",
    )
    parser.add_argument("--venv", type=Path, default=CACHE / "venv")
    parser.add_argument("--pki", type=Path, default=CACHE / "pki", help="PKI directory (created if missing)")
    parser.add_argument("--ev-iface", help="use this interface, no namespaces")
    parser.add_argument("--evse-iface", help="use this interface, no namespaces")
    parser.add_argument("--mtu", type=int, default=0, help="MTU of the veth pair")
    parser.add_argument("--work", help="directory for logs and results (default: temp)")
    parser.add_argument("--json", type=Path, help="write the JSON summary here")
    parser.add_argument("--corpus", help="append every EXI/JSON message pair here")
    parser.add_argument("--log-level", default="INFO")
    args = parser.parse_args()

    if args.list:
        for scenario in SCENARIOS.values():
            print(f"{scenario.name:32s} {scenario.doc}")
        print("groups: " + ", ".join(f"{k} ({len(v)})" for k, v in GROUPS.items()))
        return 0
    if args.account and args.keep_secc:
        parser.error("--account looks at one scenario's books: not with --keep-secc")
    try:
        wanted = resolve(args.scenarios)
    except KeyError as exc:
        parser.error(str(exc.args[0]))

    python = ensure_venv(args.venv.expanduser().absolute())
    pki = ensure_pki(args.pki.expanduser().absolute(), python)
    results: list[dict[str, Any]] = []
    with Bench(args) as bench:
        runner = Runner(args, bench, python, pki)
        try:
            for scenario in wanted:
                results.append(runner.run(scenario))
                print(line(results[-1]), flush=True)
        finally:
            runner.stop_secc()
    good = [r for r in results if r["outcome"] in ("PASS", "XFAIL", "XPASS")]
    counts: dict[str, int] = {}
    for result in results:
        counts[result["outcome"]] = counts.get(result["outcome"], 0) + 1
    print(", ".join(f"{n} {k}" for k, n in sorted(counts.items())) + f"; logs in {runner.work}")
    if args.json:
        args.json.write_text(
            json.dumps(
                {
                    "package": PACKAGE,
                    "ev": args.ev,
                    "secc": args.secc_cmd or "josev",
                    "counts": counts,
                    "results": results,
                },
                indent=1,
            )
        )
    return 0 if len(good) == len(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        print(f"josev_interop: {error}", file=sys.stderr)
        sys.exit(2)

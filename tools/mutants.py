"""Faults planted on purpose: each one has to make the tests fail.

``python -m tools.mutants [NAME ...]`` plants one fault after another in a copy of the tree and runs
the tests that should notice. The same tests run once without a fault before that, because a test
that fails anyway proves nothing. Exit code 1 if a fault goes unnoticed, 2 if one cannot be planted
because the code has changed (then adapt the list below), or if the tests fail without one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .deletion import copy_tree
from .din_mutants import DIN_MUTANTS
from .mutant import Mutant
from .power_mutants import POWER_MUTANTS
from .trust_mutants import TRUST_MUTANTS

SECONDS = 240
"""Seconds for all tests of a fault; a suite that hangs has noticed it."""
LIMIT = "timeout=200"
"""For each test, so that one that spins because of a fault fails by name."""


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "challenge-not-compared",
        "the challenge is not compared",
        "secc/session/proof.py",
        'if not hmac.compare_digest(signed_challenge or b"", challenge):',
        "if False:",
        ("tests/session/test_proof.py", "tests/iso2/phases/test_authorization.py", "tests/test_pair_iso2.py"),
    ),
    Mutant(
        "paused-session-joined-by-another-car",
        "a paused session is joined by a car with another EVCCID",
        "secc/iso2/paused.py",
        "if not hmac.compare_digest(evcc_id, self.evcc_id):",
        "if False:",
        ("tests/iso2/test_paused.py",),
    ),
    Mutant(
        "challenge-half-constant",
        "half of the challenge is the same in every session",
        "secc/iso2/phases/payment_details.py",
        "challenge = secc.entropy(CHALLENGE_OCTETS)",
        "challenge = secc.entropy(CHALLENGE_OCTETS // 2) + bytes(CHALLENGE_OCTETS // 2)",
        ("tests/iso2/phases/test_payment_details.py",),
    ),
    Mutant(
        "unproved-contract-counts",
        "a contract that a car has shown counts as accepted",
        "secc/session/identification.py",
        "            return replace(self, contract=ContractState.PENDING)",
        "            return replace(self, contract=ContractState.ACCEPTED)",
        ("tests/station/test_stolen_chain.py",),
    ),
    Mutant(
        "unproved-contract-in-the-record",
        "the record of a session names the owner of a chain that was only shown",
        "secc/station/serving/draft.py",
        '        flaw = "" if isinstance(found, Contract) else',
        '        self.identity = getattr(found, "emaid").masked\n        flaw = "" if isinstance(found, Contract) else',
        ("tests/station/test_stolen_chain.py",),
    ),
    Mutant(
        "failed-proof-not-counted",
        "a wrong signature does not count as an attempt",
        "secc/session/identification.py",
        "        if self.contract is ContractState.PENDING and refused:",
        "        if False:",
        ("tests/station/test_stolen_chain.py",),
    ),
    Mutant(
        "unproved-questions-not-counted",
        "the backend is asked about unproved contracts without a limit",
        "secc/station/serving/questions.py",
        "            self.unproved.asked(asyncio.get_running_loop().time())",
        "            pass",
        ("tests/station/serving/test_questions.py", "tests/station/test_stolen_chain.py"),
    ),
    Mutant(
        "plug-in-never-hears-the-verdict",
        "the plug-in does not hear that a contract was accepted",
        "secc/station/serving/sessions.py",
        "        self._plug.hear(events.ContractDecided(contract, verdict))",
        "        pass",
        ("tests/station/test_identification.py", "tests/station/test_stolen_chain.py"),
    ),
    Mutant(
        "contract-stays-in-the-ledger",
        "the next session at a free station is billed to the last contract",
        "secc/uplink/ledger.py",
        "        self._payer = self._at_rest = None",
        "        self._at_rest = None",
        ("tests/uplink/test_ledger.py", "tests/station/test_identification.py"),
    ),
    Mutant(
        "delivered-before-power-on-not-booked",
        "a session's energy counts from the report of power on, and not from the last reading with an open contactor",
        "secc/uplink/ledger.py",
        "        first = now if self._at_rest is None else self._at_rest",
        "        first = now",
        ("tests/uplink/test_ledger.py",),
    ),
    Mutant(
        "last-reading-with-a-closed-contactor",
        "the meter is read for the books while energy still flows",
        "secc/station/serving/transactions.py",
        "        await self._hardware.settle(REST_SECONDS)\n",
        "",
        ("tests/station/serving/test_transactions.py",),
    ),
    Mutant(
        "kept-contract-pays-nothing",
        "energy that a car with a kept contract draws by pilot alone is not billed",
        "secc/station/serving/plug.py",
        'return self._external() or (Identity("emaid", kept) if kept else None)',
        "return self._external()",
        ("tests/station/test_stolen_chain.py",),
    ),
    Mutant(
        "refused-contract-not-remembered",
        "the station forgets the backend's verdict on a contract at once",
        "secc/station/serving/sessions.py",
        "        self._questions.learned(contract, verdict)",
        "        pass",
        ("tests/station/test_identification.py",),
    ),
    Mutant(
        "everything-is-remembered",
        "a contract refused once, for any reason, is refused for half a year",
        "secc/uplink/policy.py",
        "    return not verdict.accepted and verdict.ground is Ground.BACKEND",
        "    return not verdict.accepted",
        ("tests/uplink",),
    ),
    Mutant(
        "abandoned-answers-are-delivered",
        "an answer that comes after its question was abandoned is reported",
        "secc/station/serving/router.py",
        "            del self._open[ticket]\n            # A cancelled",
        "            # A cancelled",
        ("tests/station/serving/test_questions.py",),
    ),
    Mutant(
        "disk-not-synchronised",
        "data counts as stored while it is still in memory",
        "certs/files.py",
        "        os.fsync(descriptor)",
        "        pass",
        ("tests/session/test_durable.py",),
    ),
    Mutant(
        "clock-jumps",
        "one clock reading far ahead becomes the floor of the clock",
        "secc/ops/calendar.py",
        "min(now, self._certain) if far else now",
        "now",
        ("tests/ops/test_calendar.py",),
    ),
    Mutant(
        "contract-without-a-clock",
        "Contract is offered while no contract can be judged",
        "secc/station/serving/offers.py",
        "services.calendar.wall().trusted or services.config.trust.danger_floor_suffices",
        "True",
        ("tests/station/serving/test_offers.py",),
    ),
    Mutant(
        "unbooked-charges",
        "a book that cannot be written is ignored",
        "secc/station/shared/services.py",
        'return "" if self.config.uplink.danger_charge_unbooked else self.uplink.unbooked',
        'return ""',
        ("tests/station/test_book.py",),
    ),
    Mutant(
        "unbooked-lost",
        "records that could not be stored are lost",
        "secc/uplink/book.py",
        "                self._store(*self._waiting[0])\n                self._waiting.popleft()",
        "                self._store(*self._waiting.popleft())",
        ("tests/uplink/test_book.py",),
    ),
    Mutant(
        "unknown-kind-taken",
        "a list may have entries of any kind",
        "secc/uplink/lists.py",
        "    if word in KINDS:",
        "    if True:",
        ("tests/uplink/test_lists.py",),
    ),
    Mutant(
        "root-of-entry-not-compared",
        "a list entry for one root counts for contracts of any root",
        "secc/uplink/lists.py",
        "    return key if root is None else key + bytes.fromhex(root)",
        "    return key",
        ("tests/uplink/test_lists.py",),
    ),
    Mutant(
        "not-safe-at-the-end",
        "a session that ends leaves the contactor as it is",
        "secc/conversation/session.py",
        "            self._effects.extend(self._safe)",
        "            pass",
        ("tests/conversation",),
    ),
    Mutant(
        "late-answers-count",
        "the answer to another question is accepted",
        "secc/conversation/party.py",
        "return answered.answer if answered.ticket in kinds else _WOKEN",
        "return answered.answer",
        ("tests/conversation",),
    ),
    Mutant(
        "answer-goes-to-the-first",
        "an answer goes to the first conversation of a session, not to the one that asked",
        "secc/conversation/session.py",
        "if strand.talk is not None and strand.party._owns(answered.ticket):",
        "if strand.talk is not None:",
        ("tests/conversation",),
    ),
    Mutant(
        "session-id-not-compared",
        "a request with another session's SessionID is served",
        "secc/iso2/dialogue.py",
        "return None if received.header.session_id == state.session_id else refusals.UNKNOWN_SESSION",
        "return None",
        ("tests/iso2/test_conformance.py",),
    ),
    Mutant(
        "contract-without-tls",
        "Contract is offered on plain TCP",
        "secc/iso2/session_state.py",
        "if p is not Payment.CONTRACT or self.offer.tls",
        "if True",
        ("tests/iso2",),
    ),
    Mutant(
        "unknown-contracts-charge",
        "a contract that is in no list charges",
        "secc/uplink/lists.py",
        "if denied and (until is None or not trusted or now < until):",
        "if False:",
        ("tests/uplink",),
    ),
    Mutant(
        "identified-twice",
        "a card counts although a driver is identified already",
        "secc/session/identification.py",
        "if not verdict.accepted or self.identified(now):",
        "if not verdict.accepted:",
        ("tests/session/test_identification.py",),
    ),
    Mutant(
        "node-budget-off",
        "reading a message may take any time, in each pass",
        "secc/exi/reader.py",
        'self.source.line("w.items -= 1")',
        'self.source.line("pass")',
        ("tests/exi/test_budget.py", "tests/iso2/test_dialogue.py"),
    ),
    Mutant(
        "trace-tells-all",
        "traces have personal values in the clear",
        "secc/trace/recorder.py",
        "                if not self._keep_personal:",
        "                if False:",
        ("tests/trace/test_recorder.py",),
    ),
    *DIN_MUTANTS,
    *TRUST_MUTANTS,
    *POWER_MUTANTS,
)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--list", action="store_true", help="list them and stop")
    options = parser.parse_args(argv)
    known = {mutant.name: mutant for mutant in MUTANTS}
    if options.list:
        for mutant in MUTANTS:
            print(f"{mutant.name:28s} {mutant.why}")
        return 0
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    chosen = [known[name] for name in options.names] or list(MUTANTS)
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        return _run(chosen, Path(directory))


def _run(mutants: Sequence[Mutant], directory: Path) -> int:
    copy_tree(directory, "live")
    if broken := _baseline(directory, mutants):
        print(f"BROKEN     {broken}", flush=True)
        print(f"0 passed, {len(mutants)} failed")
        return 2
    unnoticed, lost = 0, 0
    for mutant in mutants:
        path = directory / mutant.path
        text = path.read_text()
        if text.count(mutant.old) != 1:
            found = f"{mutant.path} has the text to change {text.count(mutant.old)} times"
            print(f"LOST       {mutant.name:28s} {found}", flush=True)
            lost += 1
            continue
        path.write_text(text.replace(mutant.old, mutant.new))
        began = time.monotonic()
        try:
            noticed, by = _notices(directory, mutant.tests)
        finally:
            path.write_text(text)
        verdict = "noticed" if noticed else "UNNOTICED"
        print(f"{verdict:10s} {mutant.name:28s} {time.monotonic() - began:5.1f} s  {by}", flush=True)
        unnoticed += not noticed
    noticed_count = len(mutants) - unnoticed - lost
    print(f"{noticed_count} passed, {unnoticed + lost} failed")
    return 2 if lost else 1 if unnoticed else 0


def _baseline(directory: Path, mutants: Sequence[Mutant]) -> str:
    """Returns why the tests fail before a fault is planted; empty if all pass."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    # A folder holds its files.
    tests = [test for test in tests if not any(test != other and test.startswith(f"{other}/") for other in tests)]
    began = time.monotonic()
    run = _run_tests(directory, tests, ("-n", "auto"), seconds=4 * SECONDS)
    if isinstance(run, str):
        return run
    lines = run.stdout.splitlines()
    if run.returncode == 0:
        print(f"green      {'without any fault':28s} {time.monotonic() - began:5.1f} s  {lines[-1]}", flush=True)
        return ""
    return next((line for line in lines if line.startswith(("FAILED ", "ERROR "))), f"exit code {run.returncode}")


def _run_tests(
    directory: Path, tests: Sequence[str], options: Sequence[str] = (), *, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str] | str:
    """Returns the run, or why it is not possible."""
    environment = os.environ | {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    pytest = ["-m", "pytest", "-x", "-p", "no:randomly", "-m"]
    command = [sys.executable, *pytest, "not live", "-o", LIMIT, *options, *tests]
    try:
        return subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the tests hang for more than {seconds:g} s"


def _notices(directory: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Returns whether the tests fail, and the first that did. A suite that cannot be collected has
    not noticed anything.
    """
    run = _run_tests(directory, tests)
    if isinstance(run, str):
        return False, run
    lines = run.stdout.splitlines()
    first = next((line for line in lines if line.startswith("FAILED ")), "")
    if run.returncode == 1 and first:
        return True, first.removeprefix("FAILED ").split(" - ")[0]
    last = lines[-1] if lines else run.stderr.strip()[-200:]
    return False, f"exit code {run.returncode}: {last}"


if __name__ == "__main__":
    sys.exit(main())

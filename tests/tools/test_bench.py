"""The bench measures and tells; what it finds is nobody's business here, because tests run on busy machines."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from secc.iso2.dialogue import PAYLOAD_LIMIT
from secc.link.connection import Serving, serve
from secc.link.v2gtp import PayloadType, frame
from tools.bench import codec, holds, instructions, reference, streams
from tools.bench.__main__ import MEASUREMENTS, arguments, main
from tools.bench.answers import found_in
from tools.bench.begin import AC_PAUSES, CONTACTOR_MS, DC_PAUSES
from tools.bench.cars import Trips
from tools.bench.cpu import without_passing
from tools.bench.figures import Section, answer_times, quantile, spread, table
from tools.bench.line import Exchange
from tools.bench.messages import Sample, din_samples
from tools.bench.proc import Cpu, Tree
from tools.bench.stations import ROOT, BenchFailed, Ground, Span
from tools.bench.watched import Boards, Watch
from tools.demo_place import has_ipv6_loopback
from tools.evcc.matching import SDP_AFTER_SECONDS


@pytest.mark.skipif(not has_ipv6_loopback(), reason="no IPv6 on the loopback")
@pytest.mark.slow
def test_a_quick_run_measures_starts_and_processor_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "bench.json"
    assert main(["--quick", "--only", "start", "cpu", "sessions", "--json", str(report)]) == 0
    told = json.loads(report.read_text())
    facts = {section["name"]: section["facts"] for section in told["sections"]}
    assert set(facts) == {"start", "cpu", "sessions"}
    ways = facts["start"]["ways"]
    assert [len(starts) for starts in ways.values()] == [1, 1, 1, 1]
    assert all(0.0 < cpu["seconds"] <= wall * 2.0 for starts in ways.values() for wall, cpu in starts)
    (run,) = facts["cpu"]["runs"]
    assert len(run["sessions"]) == 2
    assert all(0.0 < own <= whole for own, whole in zip(run["sessions"], run["with what passes"], strict=True))
    assert 0.0 < run["idle"] < run["silent"] < run["charging"]
    assert run["charging, board"] > 0.0
    assert min(run["decodes"]) > 0.0
    assert facts["cpu"]["many"]["answer"] > facts["cpu"]["many"]["answer, board"] > 0.0
    printed = capsys.readouterr().out
    assert "| wall clock |" in printed
    assert "| a second of charging at 10 Hz, one outlet |" in printed
    assert "Josev's SECC beside ours: not with --quick" in printed


@pytest.mark.skipif(not has_ipv6_loopback(), reason="no IPv6 on the loopback")
@pytest.mark.slow
def test_a_quick_run_measures_the_wait_for_power_a_relayed_answer_and_a_pause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "bench.json"
    assert main(["--quick", "--only", "begin", "relay", "paused", "--json", str(report)]) == 0
    facts = {section["name"]: section["facts"] for section in json.loads(report.read_text())["sections"]}
    pauses = {"ac": sum(AC_PAUSES.values()), "dc": sum(DC_PAUSES.values())}
    for current in ("ac", "dc"):
        found = facts["begin"][current]
        # The pause before SDP is part of matching.
        # The contactor is not in the share. On a busy machine a car that reads its clock late sees it take less.
        apart = CONTACTOR_MS if current == "ac" else 0.0
        assert 0.0 < found["share ms"][0] + apart < 1000.0 * found["seconds"][0]
        assert found["seconds"][0] > pauses[current] - SDP_AFTER_SECONDS
        assert found["matched"] > SDP_AFTER_SECONDS
    assert facts["relay"]["added ms"][0] > 0.0
    assert len(facts["relay"]["service ms"]) == 1
    assert facts["paused"]["KiB"] > 0.0
    printed = capsys.readouterr().out
    assert "| AC: from the plug to power |" in printed
    assert "| memory of each |" in printed


@pytest.mark.slow
def test_slac_is_measured_with_cars_in_a_crowd_and_in_a_flood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "bench.json"
    assert main(["--quick", "--only", "slac", "--json", str(report)]) == 0
    facts = json.loads(report.read_text())["sections"][0]["facts"]
    assert facts["SlacParmCnf"]["cpu us"] > 0.0
    assert 0.0 < facts["AttenCharInd"]["p50 us"] <= facts["AttenCharInd"]["p99 us"]
    assert set(facts["crowd"]["matched"]) == {5}
    assert facts["flood"]["matched"] is True
    # As many as a flood can bring: the frames were taken for what they are.
    assert 4000 < facts["flood"]["entries"] <= 4096 + 5
    printed = capsys.readouterr().out
    for what in ("CM_SLAC_PARM.REQ to CM_SLAC_PARM.CNF", "5 cars at once", "10000 a second", "the real car among them"):
        assert what in printed


def test_a_receipt_is_measured_with_its_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "bench.json"
    assert main(["--quick", "--only", "receipts", "--json", str(report)]) == 0
    facts = json.loads(report.read_text())["sections"][0]["facts"]
    assert len(facts["MeteringReceiptReq"]) >= 4
    # It is verified and stored, which the loop's request is not.
    assert min(facts["MeteringReceiptReq"]) > min(facts["CurrentDemandReq"]) > 0.0
    assert "MeteringReceiptReq until its answer goes out" in capsys.readouterr().out


def test_a_measurement_that_breaks_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(ground: object, *, quick: bool) -> Section:
        raise BenchFailed("the car had no battery")

    def whole(ground: object, *, quick: bool) -> Section:
        section = Section("memory", "Memory")
        section.add("idle", "1 MiB", goal="at most 2 MiB", met=True)
        return section

    monkeypatch.setitem(MEASUREMENTS, "answers", broken)
    monkeypatch.setitem(MEASUREMENTS, "memory", whole)
    monkeypatch.setattr("tools.bench.__main__.Ground", lambda directory, speed: SimpleNamespace())
    report = tmp_path / "bench.json"
    assert main(["--only", "answers", "memory", "--json", str(report)]) == 1
    out, err = capsys.readouterr()
    assert "| idle | 1 MiB | at most 2 MiB | met |" in out
    assert "answers: the car had no battery" in err
    assert json.loads(report.read_text())["broken"] == ["answers: the car had no battery"]


def test_only_known_measurements_are_accepted() -> None:
    with pytest.raises(SystemExit) as raised:
        arguments(["--only", "luck"])
    assert raised.value.code == 2


def test_quantiles_are_samples() -> None:
    samples = [float(number) for number in range(1, 101)]
    assert quantile(samples, 0.5) == 50.0
    assert quantile(samples, 0.99) == 99.0
    assert quantile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no samples"):
        quantile([], 0.5)
    assert answer_times([0.001, 0.002, 0.009]) == {"p50": 2.0, "p99": 9.0, "max": 9.0, "count": 3}


def test_the_table_says_what_is_missed_and_what_is_missing() -> None:
    section = Section("codec", "Codec")
    section.add("decode", spread([1.0, 3.0, 2.0]), goal="90 times", met=False, note="80 times")
    section.missing.append("Josev's column: no Java")
    text = table([section], ["a machine"])
    assert "| decode | 2.0 (1.0–3.0) | 90 times | **missed**, 80 times |" in text
    assert "Not measured: Josev's column: no Java" in text
    assert text.startswith("a machine\n")


def _exchange(name: str, sent: float, took: float = 0.001) -> Exchange:
    return Exchange(name, sent, sent + took, sent + 2 * took)


def test_answers_count_in_their_window() -> None:
    one = tuple(_exchange("CurrentDemandReq", at) for at in (1.0, 2.0, 3.0, 4.0))
    other = tuple(_exchange("CurrentDemandReq", at) for at in (2.5, 3.5, 9.0))
    found = found_in(Span(2.5, 4.0, Cpu(0.003, 0.0)), [Trips((one,)), Trips((other,))])
    assert found["answers"]["count"] == 3
    assert found["a second"] == pytest.approx(2.0)
    assert found["cpu us an answer"] == pytest.approx(1000.0)
    with pytest.raises(BenchFailed):
        found_in(Span(10.0, 11.0, Cpu(0.003, 0.0)), [Trips((one,))])


def test_the_streams_that_are_sent_are_what_they_are_called() -> None:
    """Each is refused, or a message within the limits; the search finds nothing that costs less than what it began with."""
    sent, worst = streams.streams(0.0)
    assert worst > 0.0
    assert len({stream.name for stream in sent}) == len(sent)
    for stream in sent:
        link = serve(Serving(plain=True), 0.0)
        octets = stream.octets if stream.opening else frame(PayloadType.EXI, streams.negotiation()) + stream.octets
        if not stream.opening:
            link.framer.limit = PAYLOAD_LIMIT
        frames = link.feed(octets, 0.0)
        assert link.failure is not None or len(frames) >= 1 + (not stream.opening), stream.name


def test_a_search_is_the_same_each_time() -> None:
    chances = random.Random(7), random.Random(7)
    octets = next(streams.shapes())
    assert streams.changed(chances[0], octets) == streams.changed(chances[1], octets) != octets
    assert all(len(shape) <= PAYLOAD_LIMIT for shape in streams.shapes())


def test_the_watch_sees_how_long_a_turn_was_and_how_late_it_began() -> None:
    boards = Boards()
    seen = Watch(boards)
    loop = asyncio.SelectorEventLoop(seen)

    async def main() -> None:
        await asyncio.sleep(0)
        seen.clear()
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        await asyncio.sleep(0)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert seen.hold >= 0.05
    assert 0.0 < seen.cpu <= seen.hold * 1.5
    assert boards.spent == 0.0


def _busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_the_account_of_the_boards_stands_still_while_the_driver_hears() -> None:
    boards = Boards()
    driver = boards.switch(lambda: _busy(0.02), inside=False)

    def firmware() -> None:
        _busy(0.01)
        driver()
        _busy(0.01)

    boards.switch(firmware, inside=True)()
    driver()
    assert boards.spent == pytest.approx(0.02, abs=0.01)


def test_a_turn_that_only_a_board_woke_is_the_boards_as_a_whole() -> None:
    boards = Boards()
    boards._own = boards._handles = 1
    boards.switch(lambda: _busy(0.001), inside=True)()
    boards.turned(0.5)
    assert boards.spent == 0.5
    boards._own, boards._handles = 1, 2
    boards.turned(0.5)
    assert boards.spent == 0.5


def test_seconds_that_pass_are_no_part_of_a_session() -> None:
    trips = Trips(((_exchange("SDP", 10.0), _exchange("SessionStopReq", 13.998)),))
    cost = Span(9.0, 15.0, Cpu(0.3, 0.0), board=0.1)
    assert without_passing(cost, trips, silent=0.01, idle=0.001) == pytest.approx(0.2 - 4 * 0.01 - 2 * 0.001)


def test_goals_in_seconds_are_those_of_a_slower_machine() -> None:
    section = Section("cpu", "CPU", factor=1.5)
    section.judge("a session", 59.0, "ms", 40.0)
    section.judge("a session", 61.0, "ms", 40.0)
    section.judge("calls", 59.0, "calls", 40.0, timed=False)
    section.judge("a turn", 10.0, "ms", 40.0, also=False)
    assert [one.met for one in section.figures] == [True, False, False, False]
    assert section.figures[0].goal == "at most 40 x 1.50 = 60 ms"


@pytest.mark.parametrize(
    ("cost", "p99", "met", "said"),
    [
        (Cpu(3.0, 0.3), 6.0, True, ""),
        (Cpu(3.0, 0.3), 14.0, False, ""),
        (Cpu(3.0, 0.4), 6.0, None, "refused: the station waited for its core 12% of the time"),
        (Cpu(3.0, 0.4), 99.0, None, "refused"),
        (Cpu(9.6, 0.4), 6.0, False, "saturated"),
        (Cpu(9.6, 2.0), 6.0, False, "saturated"),
        (Cpu(9.6, 0.4), 99.0, False, "saturated"),
    ],
)
def test_a_p99_is_refused_where_the_station_waited_for_its_core(
    cost: Cpu, p99: float, met: bool | None, said: str
) -> None:
    section = Section("answers", "Answers", factor=2.0)
    section.judge_p99("20 sessions", {"p50": 1.0, "p99": p99, "max": 99.0, "count": 9}, 6.0, cost, 10.0, "a note")
    (figure,) = section.figures
    assert figure.met is met
    assert figure.note.startswith(said)
    assert figure.note.endswith("a note")


def test_the_factor_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(reference.decode(), reference.Demand)
    monkeypatch.setattr(reference, "timed", lambda call, seconds: 1.5 * reference.GOAL_US * reference.DECODES)
    assert reference.factor() == pytest.approx(1.5)


def test_the_reference_is_what_it_was_when_it_was_compared() -> None:
    """Another reference is another factor: it would have to be compared anew with the codec that it stands for."""
    code = Path(reference.__file__).read_text().partition("class Value:")[2].partition("def timed(")[0]
    assert hashlib.sha256(code.encode()).hexdigest()[:16] == "e07d6f12350e8dbf"


def test_cpu_time_of_another_process_is_known_to_less_than_a_tick() -> None:
    own = Tree(os.getpid())
    before = own.cpu()
    _busy(0.02)
    assert own.cpu().since(before).seconds == pytest.approx(0.02, abs=0.015)
    assert Cpu(3.0, 1.0).waiting == 0.25


def test_instructions_stand_beside_those_of_the_last_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(instructions.shutil, "which", lambda name: name)
    monkeypatch.setattr(instructions, "start", lambda ground: 1_600_000_000)
    monkeypatch.setattr(instructions, "messages", lambda ground: dict.fromkeys(instructions.WAYS, 50_000.0))
    last = tmp_path / "last.json"
    first_way = next(iter(instructions.WAYS))
    last.write_text(json.dumps({"release": "9.9", "counts": {"start": 2000.0, first_way: 40_000}}))
    monkeypatch.setattr(instructions, "LAST", last)
    start, first, *others = instructions.measure(Ground(tmp_path / "ground", warm=False), quick=True).figures
    assert (start.met, start.note) == (False, "-20.0% against 2000 of 9.9")
    assert (first.met, first.note) == (None, "+25.0% against 40000 of 9.9")
    assert {one.note for one in others} == {""}
    assert set(json.loads(Path(instructions.__file__).with_suffix(".json").read_text())["counts"]) == {
        "start",
        *instructions.WAYS,
    }


def test_what_cachegrind_counted_is_read_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("==7== \n==7== I   refs:      1,897,267,420\n")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        assert instructions.counted(log, process) == 1_897_267_420
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process, pytest.raises(BenchFailed):
        instructions.counted(log, process)


def test_both_codecs_are_measured_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As many calls of both in each round, and as many before the first that counts."""
    asked: list[tuple[str, int]] = []
    done: list[int] = []

    class Other:
        version = "other"

        def measure(self, sample: Sample, calls: int) -> dict[str, object]:
            asked.append((sample.name, calls))
            return {"same": True, "objects": [3000.0, 2000.0]}

        def close(self) -> None:
            return

    monkeypatch.setattr(codec, "JosevCodec", Other)
    monkeypatch.setattr(codec, "josev_missing", lambda: "")
    monkeypatch.setattr(codec, "mean", lambda call, calls: done.append(calls) or 4.0)
    section = codec.measure(Ground(tmp_path / "ground", warm=False), quick=True)
    assert done == [calls for _, calls in asked for _ in ("decode", "encode")]
    messages = len({name for name, _ in asked})
    assert len(asked) == 2 * messages
    compared = [figure.note for figure in section.figures if not figure.what.endswith(", hot")]
    assert compared == ["750 times", "500 times"] * messages
    assert len(section.figures) - len(compared) == 2 + 2 * len(din_samples())


def test_the_lines_of_the_log_that_the_bench_counts_are_those_that_the_station_writes() -> None:
    assert f'log.warning("{holds.WITHHELD}: ' in (ROOT / "hal" / "guard.py").read_text()
    assert holds.WELDED.search("halted: contactor-welded")
    assert holds.WELDED.search("fault contactor_welded")

"""One writer of traces for all outlets. (A-RES-09)"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from secc.station.shared import traces as traces_module
from secc.station.shared.traces import TraceWriter
from secc.station.shared.work import WorkThread
from secc.trace.files import TraceDirectory


class Pages:
    """Traces that notice who renders them, and how many at once."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.open = self.most = 0
        self.hold = threading.Event()
        self.hold.set()

    def trace(self, name: str, lines: int = 200) -> Iterator[str]:
        self.open += 1
        self.most = max(self.most, self.open)
        for number in range(lines):
            self.hold.wait(10.0)
            self.threads.add(threading.current_thread().name)
            yield f"{name} {number} " + "x" * 200
        self.open -= 1


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_module, "FIRST_SECONDS", 0.0)


@asynccontextmanager
async def writing(directory: Path, most_octets: int = 10**8) -> AsyncIterator[tuple[TraceWriter, WorkThread]]:
    work, disk = WorkThread("the one for Python"), ThreadPoolExecutor(1, thread_name_prefix="disk")
    try:
        yield TraceWriter(TraceDirectory(directory, 10**8), work, disk, most_octets), work
    finally:
        work.shutdown(cancel_futures=True)
        disk.shutdown()


def put(
    traces: TraceWriter, name: str, lines: Iterator[str], octets: int = 1000, *, well: bool = False
) -> asyncio.Future[Path | None]:
    return traces.put(name, octets, lines, well=well)


@pytest.mark.case("A-RES-09")
def test_fifty_sessions_that_end_together_are_rendered_one_after_the_other_on_one_thread(tmp_path: Path) -> None:
    """With a thread for each outlet fifty of them would leave the event loop nothing."""

    async def main() -> None:
        pages = Pages()
        async with writing(tmp_path) as (traces, _):
            paths = await asyncio.gather(*(put(traces, f"t{n:02}", pages.trace(f"t{n:02}")) for n in range(50)))
        assert (pages.most, pages.threads) == (1, {"the one for Python"})
        assert paths == [tmp_path / f"t{n:02}.jsonl" for n in range(50)]
        for n, path in enumerate(paths):
            assert path is not None
            assert path.read_text().splitlines()[-1].startswith(f"t{n:02} 199 ")

    asyncio.run(main())


def test_a_message_is_decoded_between_two_steps_of_a_trace(tmp_path: Path) -> None:
    async def main() -> None:
        pages, loop = Pages(), asyncio.get_running_loop()
        async with writing(tmp_path) as (traces, work):
            pages.hold.clear()
            written = put(traces, "long", pages.trace("long", 50_000))
            while not pages.open:
                await asyncio.sleep(0.001)
            decoded = loop.run_in_executor(work, lambda: (pages.open, written.done()))
            pages.hold.set()
            assert await decoded == (1, False)
            assert await written is not None

    asyncio.run(main())


def test_what_waits_for_the_writer_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A car that comes again and again, and fails, must not fill the memory while the disk is slow. Of what waits the oldest goes."""

    async def main() -> None:
        pages = Pages()
        async with writing(tmp_path, most_octets=100_000) as (traces, _):
            pages.hold.clear()
            stored = [put(traces, "t0", pages.trace("t0", 5), 40_000)]
            while not pages.open:
                await asyncio.sleep(0.001)
            stored += [put(traces, f"t{n}", pages.trace(f"t{n}", 5), 40_000) for n in range(1, 10)]
            pages.hold.set()
            found = [path.name if path is not None else None for path in await asyncio.gather(*stored)]
        assert found[0] == "t0.jsonl", "it was under way already"
        assert found[1:8] == [None] * 7
        assert found[8:] == ["t8.jsonl", "t9.jsonl"]
        assert caplog.text.count("trace dropped") == 7

    asyncio.run(main())


def test_of_what_is_too_much_the_sessions_that_ended_well_go_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Their traces tell the least: the newest of a session that ended badly pushes them out, and none of them pushes out one of those."""

    async def main() -> None:
        async with writing(tmp_path, most_octets=100_000) as (traces, _):
            ends = {"bad1": False, "well1": True, "well2": True, "bad2": False, "well3": True, "bad3": False}
            stored = [put(traces, name, iter(["{}"]), 40_000, well=well) for name, well in ends.items()]
            found = [path.stem for path in await asyncio.gather(*stored) if path is not None]
        assert found == ["bad2", "bad3"]
        dropped = [entry.getMessage().rpartition(" ")[2] for entry in caplog.records]
        assert dropped == ["well1", "well2", "well3", "bad1"]

    asyncio.run(main())


def test_one_trace_is_written_however_large_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with writing(tmp_path, most_octets=1000) as (traces, _):
            assert await put(traces, "large", iter(["{}"]), 40_000) == tmp_path / "large.jsonl"

    asyncio.run(main())


def test_a_trace_that_cannot_be_rendered_or_stored_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Iterator[str]:
        yield "{}"
        raise ValueError("no such message")

    async def main() -> None:
        async with writing(tmp_path) as (traces, _):
            results = await asyncio.gather(
                put(traces, "bad", broken()),
                put(traces, "no/such/place", iter(["{}"])),
                put(traces, "good", iter(["{}"])),
            )
        assert results == [None, None, tmp_path / "good.jsonl"]
        bug, disk = caplog.records
        assert (bug.getMessage(), str(bug.exc_info[1] if bug.exc_info else "")) == (
            "a bug in writing trace bad",
            "no such message",
        )
        assert disk.getMessage().startswith("trace not written: ") and "no/such" in disk.getMessage()

    asyncio.run(main())


class Octets:
    """Stands for octets of a contract, and can be watched."""


@pytest.mark.case("A-PNC-13")
@pytest.mark.parametrize("end", ["written", "rendering fails", "storing fails", "dropped"])
def test_nothing_of_a_ring_is_left_when_its_trace_is_written_or_lost(
    tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not when garbage is collected the next time: what fails keeps the frames in which it did, and what they hold."""
    alive: list[weakref.ref[Octets]] = []

    def ring(*, fails: bool) -> Iterator[str]:
        held = Octets()
        alive.append(weakref.ref(held))
        yield "{}"
        if fails:
            raise ValueError("planted", len(str(held)))
        yield "{}"

    async def main() -> None:
        async with writing(tmp_path, most_octets=1000) as (traces, work):
            name = "no/such/place" if end == "storing fails" else "contract"
            stored = put(traces, name, ring(fails=end == "rendering fails"))
            if end == "dropped":
                assert await put(traces, "another", iter(["{}"])) is not None
            assert (await stored is not None) == (end == "written")
            # A thread lets go of what it did last when it does something else.
            await asyncio.get_running_loop().run_in_executor(work, int)
            assert [one() for one in alive] == [None] * (end != "dropped")

    monkeypatch.setattr(logging.getLogger("secc.station.shared.traces"), "disabled", True)
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()

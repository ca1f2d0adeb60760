"""One writer of traces for all outlets. (A-RES-09)"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

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


@asynccontextmanager
async def writing(directory: Path, cap_octets: int = 10**8) -> AsyncIterator[tuple[TraceWriter, WorkThread]]:
    work, disk = WorkThread("the one for Python"), ThreadPoolExecutor(1, thread_name_prefix="disk")
    try:
        yield TraceWriter(TraceDirectory(directory, cap_octets), work, disk), work
    finally:
        work.shutdown(cancel_futures=True)
        disk.shutdown()


@pytest.mark.case("A-RES-09")
def test_fifty_sessions_that_end_together_are_rendered_one_after_the_other_on_one_thread(tmp_path: Path) -> None:
    """With a thread for each outlet fifty of them would leave the event loop nothing."""

    async def main() -> None:
        pages = Pages()
        async with writing(tmp_path) as (traces, _):
            paths = await asyncio.gather(*(traces.write(f"t{n:02}", pages.trace(f"t{n:02}"), 1000) for n in range(50)))
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
            written = asyncio.ensure_future(traces.write("long", pages.trace("long", 50_000), 1000))
            while not pages.open:
                await asyncio.sleep(0.001)
            decoded = loop.run_in_executor(work, lambda: (pages.open, written.done()))
            pages.hold.set()
            assert await decoded == (1, False)
            assert await written is not None

    asyncio.run(main())


def test_more_than_the_directory_may_hold_does_not_wait_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A car that comes again and again, and fails, must not fill the memory while the disk is slow. Of what waits the oldest goes."""

    async def main() -> None:
        pages = Pages()
        async with writing(tmp_path, cap_octets=100_000) as (traces, _):
            pages.hold.clear()
            tasks = []
            for n in range(10):
                tasks.append(asyncio.ensure_future(traces.write(f"t{n}", pages.trace(f"t{n}", 5), 40_000)))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            pages.hold.set()
            found = [path.name if path is not None else None for path in await asyncio.gather(*tasks)]
        assert found[0] == "t0.jsonl", "it was under way already"
        assert found[1:8] == [None] * 7
        assert found[8:] == ["t8.jsonl", "t9.jsonl"]
        assert caplog.text.count("trace dropped") == 7

    asyncio.run(main())


def test_a_trace_that_cannot_be_rendered_or_stored_does_not_stop_the_others(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "{}"
        raise ValueError("no such message")

    async def main() -> None:
        async with writing(tmp_path) as (traces, _):
            results = await asyncio.gather(
                traces.write("bad", broken(), 10),
                traces.write("no/such/place", iter(["{}"]), 10),
                traces.write("good", iter(["{}"]), 10),
                return_exceptions=True,
            )
        assert isinstance(results[0], ValueError)
        assert type(results[1]).__name__ == "StorageFailed"
        assert results[2] == tmp_path / "good.jsonl"

    asyncio.run(main())

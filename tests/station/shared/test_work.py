"""The thread for Python work: what is short goes first, what is long goes in steps, and there is one of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from hal.sim.clock import run_virtual
from secc.station.shared.work import WorkThread
from secc.station.station import take_over


@pytest.fixture
def work() -> Iterator[WorkThread]:
    thread = WorkThread()
    yield thread
    thread.shutdown(cancel_futures=True)


def test_short_calls_run_in_order_on_one_thread_that_is_not_ours(work: WorkThread) -> None:
    ran: list[tuple[int, int]] = []
    futures = [work.submit(lambda number=number: ran.append((number, threading.get_ident()))) for number in range(50)]  # type: ignore[misc]  # mypy and defaults of lambdas
    for future in futures:
        future.result(5.0)
    assert [number for number, _ in ran] == list(range(50))
    assert len({thread for _, thread in ran}) == 1
    assert ran[0][1] != threading.get_ident()


@pytest.mark.case("A-RES-09")
def test_what_is_short_does_not_wait_for_the_end_of_what_is_long(work: WorkThread) -> None:
    """A car's message comes while a hundred traces are being rendered: it waits for one step."""
    told: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def render(name: str) -> Iterator[None]:
        for number in range(3):
            told.append(f"{name}{number}")
            begun.set()
            go.wait(5.0)
            yield
        return name  # type: ignore[return-value]  # what a generator returns

    long = [work.long.submit(render, name) for name in "ab"]
    begun.wait(5.0)
    short = work.submit(told.append, "decoded")
    go.set()
    assert [future.result(5.0) for future in long] == ["a", "b"]
    assert short.done()
    assert told == ["a0", "decoded", "a1", "a2", "b0", "b1", "b2"]


def test_who_waits_hears_what_went_wrong(work: WorkThread) -> None:
    def broken() -> Iterator[None]:
        yield
        raise ValueError("in the second step")

    with pytest.raises(ZeroDivisionError):
        work.submit(lambda: 1 // 0).result(5.0)
    with pytest.raises(ValueError, match="second step"):
        work.long.submit(broken).result(5.0)
    # The thread lives on.
    assert work.submit(lambda: "well").result(5.0) == "well"


def test_what_nobody_waits_for_any_more_is_not_done(work: WorkThread) -> None:
    go = threading.Event()
    work.submit(go.wait, 5.0)
    dropped, kept = work.submit(pytest.fail, "done all the same"), work.submit(lambda: "kept")
    assert dropped.cancel()
    go.set()
    assert kept.result(5.0) == "kept"


def test_shutting_down_leaves_what_is_long_where_it_is(work: WorkThread) -> None:
    begun = threading.Event()

    def endless() -> Iterator[None]:
        while True:
            begun.set()
            yield

    future, waiting = work.long.submit(endless), work.long.submit(endless)
    begun.wait(5.0)
    work.shutdown(cancel_futures=True)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        future.result(5.0)
    with pytest.raises(RuntimeError, match="closed"):
        work.submit(print)
    assert not [thread for thread in threading.enumerate() if thread.name == "python-work" and thread.is_alive()]


def test_what_ends_while_the_thread_is_shut_down_keeps_its_result(work: WorkThread) -> None:
    """A station that goes down as soon as something long is done."""
    failed: list[BaseException] = []
    go, shut = threading.Event(), threading.Event()

    def steps() -> Iterator[None]:
        go.wait(5.0)
        yield

    def shut_down(_: object) -> None:
        try:
            work.shutdown(wait=False, cancel_futures=True)
        except BaseException as error:  # the future would only log it
            failed.append(error)
        shut.set()

    future = work.long.submit(steps)
    future.add_done_callback(shut_down)
    go.set()
    assert shut.wait(5.0)
    assert future.result(0) is None
    assert failed == []


def test_shutting_down_in_order_does_what_is_queued(work: WorkThread) -> None:
    futures = [work.submit(lambda: "done") for _ in range(3)]
    work.shutdown()
    assert [future.result(0) for future in futures] == ["done"] * 3


def test_a_station_lets_no_thread_keep_the_interpreter_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the process as a whole: the loop waits so long behind each of its system calls while a message is decoded."""
    for name in ("share_arena", "keep_private"):
        monkeypatch.setattr(f"secc.station.station.{name}", lambda: None)
    for name in ("set_up_log", "catch_strays"):
        monkeypatch.setattr(f"secc.session.log.{name}", lambda *_: None)
    before = sys.getswitchinterval()
    try:
        take_over("info")
        assert sys.getswitchinterval() == pytest.approx(0.001)
    finally:
        sys.setswitchinterval(before)


def test_an_event_loop_can_wait_for_both() -> None:
    async def main() -> None:
        work, loop = WorkThread(), asyncio.get_running_loop()

        def steps(count: int) -> Iterator[None]:
            for _ in range(count):
                yield
            return count  # type: ignore[return-value]  # what a generator returns

        before = loop.time()
        assert await asyncio.gather(
            loop.run_in_executor(work, len, "four"), loop.run_in_executor(work.long, steps, 20)
        ) == [4, 20]
        assert loop.time() == before, "virtual time stands still while the thread works"
        work.shutdown()

    run_virtual(main())

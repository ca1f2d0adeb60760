"""The queue of a port: one command at a time, the newest target wins, and safe commands wait for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hal.errors import HalRejected
from hal.port_queue import CommandFailed, PortQueue
from hal.sim.clock import run_virtual


def slow(log: list[str], name: str, seconds: float) -> Callable[[], Awaitable[str]]:
    async def command() -> str:
        log.append(f"begin {name}")
        await asyncio.sleep(seconds)
        log.append(f"end {name}")
        return name

    return command


def queue(broken: list[BaseException] | None = None) -> PortQueue:
    return PortQueue("test", broken=(broken if broken is not None else []).append)


def fail(errors: list[CommandFailed]) -> Callable[[CommandFailed], None]:
    return errors.append


def test_commands_run_one_after_another_and_tell_their_results() -> None:
    async def main() -> None:
        log: list[str] = []
        results: list[str] = []
        dc = queue()
        dc.order("a", slow(log, "a", 1.0), done=results.append, failed=fail([]))
        dc.order("b", slow(log, "b", 1.0), done=results.append, failed=fail([]))
        await asyncio.sleep(3.0)
        assert log == ["begin a", "end a", "begin b", "end b"]
        assert results == ["a", "b"]

    run_virtual(main())


def test_a_newer_target_takes_the_place_of_the_one_that_waits() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        for name in ("1", "2", "3"):
            dc.order("target", slow(log, name, 1.0), failed=fail([]), replaceable=True)
        await asyncio.sleep(5.0)
        assert log == ["begin 1", "end 1", "begin 3", "end 3"]

    run_virtual(main())


def test_a_safe_command_stops_what_is_under_way_and_throws_out_what_waits() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        dc.order("ramp", slow(log, "ramp", 10.0), failed=fail([]))
        dc.order("later", slow(log, "later", 1.0), failed=fail([]))
        await asyncio.sleep(1.0)
        dc.order("off", slow(log, "off", 0.1), failed=fail([]), safe=True)
        await asyncio.sleep(20.0)
        assert log == ["begin ramp", "begin off", "end off"]

    run_virtual(main())


def test_a_hardware_error_is_told_and_the_next_command_runs() -> None:
    async def refuse() -> None:
        raise HalRejected("interlock")

    async def main() -> None:
        log: list[str] = []
        errors: list[CommandFailed] = []
        dc = queue()
        dc.order("no", refuse, failed=fail(errors))
        dc.order("yes", slow(log, "yes", 0.1), failed=fail(errors))
        await asyncio.sleep(1.0)
        assert errors == [CommandFailed("no", "interlock")]
        assert log == ["begin yes", "end yes"]

    run_virtual(main())


def test_a_bug_in_a_driver_is_told_as_broken() -> None:
    async def bug() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        broken: list[BaseException] = []
        dc = queue(broken)
        dc.order("bug", bug, failed=fail([]))
        await asyncio.sleep(1.0)
        assert [type(error) for error in broken] == [ZeroDivisionError]

    run_virtual(main())


def test_a_closed_queue_takes_nothing_and_stops_what_is_under_way() -> None:
    async def main() -> None:
        log: list[str] = []
        errors: list[CommandFailed] = []
        dc = queue()
        dc.order("ramp", slow(log, "ramp", 10.0), failed=fail(errors))
        await asyncio.sleep(1.0)
        await dc.close()
        dc.order("late", slow(log, "late", 1.0), failed=fail(errors))
        await asyncio.sleep(20.0)
        assert log == ["begin ramp"]
        assert errors == [CommandFailed("late", "test: closed")]

    run_virtual(main())

"""The queue of a port: one command at a time, the newest target wins, and safe commands wait for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hal.errors import HalLost, HalRejected, HalTimeout
from hal.port_queue import CommandFailed, Overtaken, PortQueue, tell
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


def test_a_command_that_succeeds_takes_one_turn_of_the_loop_where_none_asks_for_its_result() -> None:
    """A setpoint follows the battery several times a second."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        log: list[str] = []

        async def quick() -> None:
            log.append("done")

        queue().order("target", quick, failed=fail([]), replaceable=True)
        await asyncio.sleep(0)
        assert log == ["done"]
        assert not loop._ready

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


# One safe command for all that want it


def off(port: PortQueue, log: list[str], name: str = "off", seconds: float = 1.0) -> asyncio.Future[Any]:
    return port.call("off", slow(log, name, seconds), safe=True, once=True)


def test_a_safe_command_that_is_under_way_is_joined_and_all_hear_its_result() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        first = off(dc, log, "first")
        await asyncio.sleep(0.5)
        second = off(dc, log, "second")
        assert await first == await second == "first"
        assert log == ["begin first", "end first"]

    run_virtual(main())


def test_a_safe_command_that_holds_is_not_repeated_until_another_command_goes_out() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        assert dc.held_since is None
        await off(dc, log, "first")
        assert dc.held_since == asyncio.get_running_loop().time()
        await asyncio.sleep(100.0)
        await off(dc, log, "second")
        assert log == ["begin first", "end first"]
        await dc.call("target", slow(log, "target", 1.0))
        assert dc.held_since is None
        await off(dc, log, "third")
        assert log[2:] == ["begin target", "end target", "begin third", "end third"]

    run_virtual(main())


def test_a_safe_command_that_began_before_a_newer_target_is_not_believed_after_it() -> None:
    """Off is under way, a target waits behind it and goes out; whoever wants it off now must not be told that it is."""

    async def main() -> None:
        log: list[str] = []
        dc = queue()
        off(dc, log, "first")
        await asyncio.sleep(0.5)
        dc.call("target", slow(log, "target", 1.0))
        await asyncio.sleep(1.0)
        assert log[-1] == "begin target"
        await off(dc, log, "second")
        assert log == ["begin first", "end first", "begin target", "begin second", "end second"]

    run_virtual(main())


def test_a_target_that_waits_behind_a_safe_command_never_goes_out_when_another_one_joins() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        off(dc, log, "first")
        await asyncio.sleep(0.5)
        target = dc.call("target", slow(log, "target", 1.0))
        await off(dc, log, "second")
        await asyncio.sleep(5.0)
        assert log == ["begin first", "end first"]
        assert isinstance(target.exception(), Overtaken)

    run_virtual(main())


def test_a_joined_command_that_fails_fails_for_all_and_holds_for_none() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()

        async def deaf() -> None:
            await asyncio.sleep(0.5)
            raise HalTimeout("no answer")

        first = dc.call("off", deaf, safe=True, once=True)
        await asyncio.sleep(0.1)
        second = off(dc, log)
        for called in (first, second):
            with pytest.raises(HalTimeout, match="no answer"):
                await called
        await off(dc, log, "again")
        assert log == ["begin again", "end again"]

    run_virtual(main())


def test_what_is_doubted_is_commanded_anew_and_whoever_waited_hears_of_the_new_command() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        await off(dc, log, "first")
        dc.doubt()
        second = off(dc, log, "second")
        await asyncio.sleep(0.5)
        dc.doubt(under_way=False)
        joined = off(dc, log, "joined")
        dc.doubt()
        third = off(dc, log, "third")
        assert await second == await joined == await third == "third"
        assert log == ["begin first", "end first", "begin second", "begin third", "end third"]
        await asyncio.sleep(5.0)
        await off(dc, log, "fourth")
        assert log[-1] == "end third"

    run_virtual(main())


def test_a_command_that_was_doubted_while_it_was_under_way_does_not_hold() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        first = off(dc, log, "first")
        await asyncio.sleep(0.5)
        dc.doubt()
        await first
        assert dc.held_since is None

    run_virtual(main())


def test_whoever_gives_up_waiting_cuts_no_command_that_others_wait_for() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()

        async def wait() -> None:
            await off(dc, log, "first")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.5)
        joined = off(dc, log, "second")
        waiting.cancel()
        assert await joined == "first"
        assert log == ["begin first", "end first"]

    run_virtual(main())


def test_a_waiting_command_is_taken_back_with_its_future_and_a_safe_one_is_not() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()
        off(dc, log, "off")
        dc.call("close", slow(log, "close", 1.0)).cancel()
        off(dc, log).cancel()
        dc.doubt()
        off(dc, log, "again").cancel()
        await asyncio.sleep(5.0)
        assert log == ["begin again", "end again"]

    run_virtual(main())


def test_a_command_that_is_dropped_says_so_to_whoever_waits_and_tells_no_listener() -> None:
    async def main() -> None:
        log: list[str] = []
        told: list[object] = []
        dc = queue()
        under_way = dc.call("ramp", slow(log, "ramp", 10.0))
        older = dc.call("target", slow(log, "older", 1.0), replaceable=True)
        newer = dc.call("target", slow(log, "newer", 1.0), replaceable=True)
        for called in (under_way, older, newer):
            tell(called, "target", done=told.append, failed=told.append, broken=told.append)
        await asyncio.sleep(0.5)
        await off(dc, log)
        for called in (under_way, older, newer):
            with pytest.raises(Overtaken):
                await called
        assert told == []

    run_virtual(main())


def test_a_command_that_its_driver_cut_short_has_failed_and_the_next_one_runs() -> None:
    async def main() -> None:
        log: list[str] = []
        dc = queue()

        async def cut() -> None:
            raise asyncio.CancelledError

        called = dc.call("cut", cut)
        await dc.call("next", slow(log, "next", 1.0))
        assert log == ["begin next", "end next"]
        assert isinstance(called.exception(), HalLost)

    run_virtual(main())


def test_a_command_that_goes_on_although_it_was_cut_leaves_nothing_to_be_believed() -> None:
    """A driver that swallows its cancellation may close after the opening that overtook it."""

    async def main() -> None:
        log: list[str] = []

        async def stubborn() -> None:
            try:
                await asyncio.sleep(1.0)
            except asyncio.CancelledError:
                await asyncio.sleep(0.5)
                log.append("closed all the same")

        contactor = queue()
        contactor.call("close", stubborn)
        await asyncio.sleep(0.1)
        await contactor.call("open", slow(log, "open", 0.1), safe=True, once=True)
        assert contactor.held_since is not None
        await asyncio.sleep(1.0)
        assert contactor.held_since is None
        await contactor.call("open", slow(log, "open", 0.1), safe=True, once=True)
        assert log == ["begin open", "end open", "closed all the same", "begin open", "end open"]

    run_virtual(main())

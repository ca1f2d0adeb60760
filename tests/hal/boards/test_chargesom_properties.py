"""Random lives of a Charge SOM, judged from its true contactor."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import HalError, HalLost
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import Bench

ACTIONS = st.one_of(
    st.tuples(st.just("pilot"), st.sampled_from("ABCCCD")),
    st.tuples(st.just("allow"), st.booleans()),
    st.tuples(st.just("beats"), st.sampled_from([True, True, False])),
    st.tuples(st.just("duty"), st.sampled_from([0.05, 0.05, 1.0, 0.0])),
    st.tuples(st.just("press"), st.sampled_from([True, False, False])),
    st.tuples(st.just("restart"), st.just(True)),
    st.tuples(st.just("deaf"), st.booleans()),
    st.tuples(st.just("silent"), st.booleans()),
    st.tuples(st.just("shorted"), st.booleans()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ACTIONS, st.floats(0.01, 1.2)), max_size=20))
def test_whatever_happens_it_is_closed_only_in_c_or_d_with_permission_and_beats(
    steps: list[tuple[tuple[str, Any], float]],
) -> None:
    async def main() -> None:
        bench = await Bench().open()
        board, fake = bench.board, bench.fake
        loop = asyncio.get_running_loop()
        beating, last_beat, allowed_at, forbidden_at = True, loop.time(), -1.0, loop.time()
        bad_since: float | None = None

        async def watch() -> None:
            nonlocal last_beat, bad_since
            while True:
                await asyncio.sleep(0.01)
                now = loop.time()
                if beating and now - last_beat >= 0.1:
                    last_beat = now
                    with contextlib.suppress(HalLost):
                        board.beat()
                reasons_to_be_off = (
                    fake.pilot not in "CD" or fake.emergency or forbidden_at > allowed_at or now - last_beat > 0.75
                )
                bad_since = (bad_since if bad_since is not None else now) if reasons_to_be_off else None
                if bad_since is not None and not fake.deaf and not fake.silent and now - bad_since > 0.45:
                    assert not fake.closed
                if bad_since is not None and now - bad_since > 1.0:
                    assert not fake.closed

        watcher = asyncio.create_task(watch())
        for (what, value), seconds in steps:
            with contextlib.suppress(HalError):
                match what:
                    case "pilot":
                        fake.plug(value)
                    case "allow":
                        if not value:
                            forbidden_at = loop.time()
                        await board.ac.allow(value, "test")
                        if value:
                            allowed_at = loop.time() + 1e-9
                    case "beats":
                        beating = value
                    case "duty":
                        await {1.0: board.pilot.set_x1, 0.0: board.pilot.set_f}.get(
                            value, lambda: board.pilot.set_duty(0.05)
                        )()
                    case "press":
                        fake.press(value)
                    case "restart":
                        fake.restart()
                    case _:
                        setattr(fake, what, value)
                        fake.plug(fake.car)
            await asyncio.sleep(seconds)
            if watcher.done():
                break
        watcher.cancel()
        results = await asyncio.gather(watcher, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError), results
        # It was never told to close but with C or D as the last that it had said.
        assert all(state in "CD" for _, closed, state in fake.asked if closed)
        await board.close()
        await asyncio.sleep(0.6)
        assert not fake.closed

    run_virtual(main())

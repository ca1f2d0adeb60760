"""The queue of a port under any interleaving: a port that was to be off last is off, and all waiting ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hal.errors import HalError, HalTimeout
from hal.port_queue import Overtaken, PortQueue
from hal.sim.clock import run_virtual

SECONDS = (0.0, 0.01, 0.05, 0.3)


@dataclass(frozen=True)
class Step:
    """Something that is done, how long the port takes before and after its effect, and the time until the next step.

    ``lost``: the port says no and does nothing; ``unconfirmed``: it does it, and says no all the same.
    """

    what: str
    before: float = 0.0
    after: float = 0.0
    fault: str = ""
    pause: float = 0.0


STEPS = st.builds(
    Step,
    what=st.sampled_from(["on", "on", "setting", "off", "off", "off", "doubt", "cancel"]),
    before=st.sampled_from(SECONDS),
    after=st.sampled_from(SECONDS),
    fault=st.sampled_from(["", "", "", "lost", "unconfirmed"]),
    pause=st.sampled_from((*SECONDS, 1.0)),
)


@dataclass
class Trial:
    queue: PortQueue = field(default_factory=lambda: PortQueue("port"))
    began: list[str] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    called: list[asyncio.Future[Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    wished: int = 0
    """Steps that wanted something of the port so far."""
    doubted: int = 0
    """How many commands had begun when somebody last doubted."""

    def command(self, step: Step) -> Any:
        async def run() -> None:
            self.began.append(step.what)
            await asyncio.sleep(step.before)
            if step.fault == "lost":
                raise HalTimeout("no answer")
            self.executed.append(step.what)
            await asyncio.sleep(step.after)
            if step.fault == "unconfirmed":
                raise HalTimeout("no answer")

        return run

    def take(self, step: Step) -> None:
        match step.what:
            case "doubt":
                self.queue.doubt()
                self.doubted = len(self.began)
            case "cancel":
                if self.called:
                    self.called[-1].cancel()
            case "off":
                self.wished += 1
                off = self.queue.call("off", self.command(step), safe=True, once=True)
                off.add_done_callback(self.check(self.wished, self.doubted))
                self.called.append(off)
            case _:
                self.wished += 1
                self.called.append(self.queue.call(step.what, self.command(step), replaceable=step.what == "on"))

    def check(self, wished: int, doubted: int) -> Any:
        def done(off: asyncio.Future[Any]) -> None:
            if off.cancelled() or off.exception() is not None or wished != self.wished:
                return
            if self.executed[-1:] != ["off"]:
                self.wrong.append(f"off is reported, and executed was {self.executed}")
            if "off" not in self.began[doubted:]:
                self.wrong.append(f"off was doubted and not commanded anew: {self.began}, {doubted}")

        return done


async def trial(steps: list[Step]) -> None:
    it = Trial()
    for step in steps:
        it.take(step)
        await asyncio.sleep(step.pause)
    await asyncio.sleep(10.0)
    assert all(called.done() for called in it.called), "somebody waits for ever"
    assert it.wrong == []
    for called in it.called:
        if not called.cancelled():
            assert called.exception() is None or isinstance(called.exception(), HalError)
    # And from wherever that led: once somebody wants it off, and it can be, it is off.
    last = it.queue.call("off", it.command(Step("off")), safe=True, once=True)
    await last
    assert it.executed[-1] == "off"


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=10))
@example([Step("off", pause=1.0), Step("on", pause=1.0)])
@example([Step("off", before=0.05, pause=0.01), Step("on"), Step("off")])
@example([Step("on", before=0.05, pause=0.01), Step("off", fault="lost"), Step("off", pause=1.0), Step("off")])
@example([Step("off", before=0.3, pause=0.01), Step("doubt"), Step("off")])
@example([Step("off", pause=1.0), Step("doubt"), Step("off")])
@example([Step("off", before=0.3, pause=0.01), Step("off"), Step("cancel", pause=1.0), Step("off")])
def test_once_somebody_wants_it_off_after_the_last_on_off_is_what_the_port_executed_last(steps: list[Step]) -> None:
    run_virtual(trial(steps))


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=8), st.sampled_from(SECONDS))
def test_all_waiting_ends_when_the_queue_is_closed(steps: list[Step], pause: float) -> None:
    async def main() -> None:
        it = Trial()
        for step in steps:
            it.take(step)
        await asyncio.sleep(pause)
        await it.queue.close()
        begun = len(it.began)
        late = it.queue.call("off", it.command(Step("off")), safe=True, once=True)
        await asyncio.sleep(5.0)
        assert all(called.done() for called in (*it.called, late))
        assert len(it.began) == begun
        assert isinstance(late.exception(), HalError)
        assert not isinstance(late.exception(), Overtaken)

    run_virtual(main())

"""A station and simulated cars in this process, in virtual time: for what is counted and not timed.

Two runs do the same: time passes only while all tasks wait, and a worker thread's result is there before the loop goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from hal.sim.clock import VirtualLoop
from secc.config import load
from secc.station.compose import compose
from secc.station.shared.notify import Notifier
from secc.station.shared.pace import Pace
from secc.station.station import Station
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.driver import Trip, travel
from tools.evcc.hands import SimHands
from tools.evcc.trust import Trust
from tools.evcc.wallet import Wallet

from .stations import BenchFailed, Ground, Outlet

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Loop(VirtualLoop):
    """Waits for each worker thread where it is started, so that its result always comes at the same place."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(1)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        work = (executor or self._threads).submit(func, *args)
        wait((work,))
        return asyncio.wrap_future(work, loop=self)

    def close(self) -> None:
        self._threads.shutdown()
        super().close()


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on such a loop."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


@contextlib.asynccontextmanager
async def station(configuration: Path) -> AsyncIterator[Station]:
    """The station of this file, for the time of the block."""
    services = compose(load(configuration), Notifier({}))
    # A busy machine must not put off to the next turn what an idle one does at once.
    services.pace = Pace(clock=lambda: 0.0)
    host = Station(services, Notifier({}))
    await host.open()
    try:
        yield host
    finally:
        await host.close()


async def charge(ground: Ground, place: Outlet, behaviour: Behaviour, *, well: bool = True) -> None:
    """One car plugs in, charges and drives on; by contract it comes with TLS. BenchFailed unless its session ended ``well``, or not so."""
    contract = behaviour.payment is Payment.CONTRACT
    trip = Trip(
        sdp_port=place.sdp_port,
        trust=Trust.load(ground.pki / "car") if contract else None,
        wallet=Wallet.load(ground.pki / "car") if contract else None,
    )
    hands = SimHands(place.panel)
    try:
        reason = await travel(trip, behaviour, hands, lambda name, text, facts: None)
        await hands.unplug()
    finally:
        hands.close()
    if reason.well is not well:
        raise BenchFailed(f"the car's session ended with {reason.code} {reason.detail}")

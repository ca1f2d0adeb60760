"""A station and simulated cars in this process, in virtual time, for counts.

Two runs do the same: time passes only while all tasks wait, and the loop waits for each worker
thread. A call counts if it enters a function of a file in ``secc``, ``hal`` or ``certs``, or resumes
a generator there. Comprehensions, generator expressions, lambdas and generated code do not count,
nor do the simulated board (``hal/sim`` and ``hal/boards``, but calls from there do), the car with its
hand on the simulated world, and worker threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar, TypeVarTuple

from hal.sim.clock import VirtualLoop
from hal.sim.panel import Panel
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

from .stations import ROOT, BenchFailed, Ground, Outlet

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OURS: Final = tuple(f"{ROOT / room}/" for room in ("secc", "hal", "certs"))
BOARD: Final = tuple(f"{ROOT / 'hal' / room}/" for room in ("sim", "boards"))
BENCH: Final = f"{ROOT / 'tools' / 'bench'}/"
OUTSIDE: Final = (f"{ROOT / 'tools'}/", inspect.getfile(VirtualLoop), inspect.getfile(Panel))
"""The car, virtual time, and the car's hand on the simulated world."""
UNNAMED: Final = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>"})


def caller(frame: FrameType | None) -> str | None:
    """Returns the file of station or board that is nearest to this frame; None if a car or a worker called it."""
    found = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(OUTSIDE):
            # Handing work to a worker thread does not count, nor does the thread.
            return found if file.startswith(BENCH) and frame.f_code.co_name != "run_in_executor" else None
        if found is None and file.startswith(OURS):
            found = file
        frame = frame.f_back
    return found


def is_stations(file: str | None) -> bool:
    """Whether it is a file of the station, not of the simulated board."""
    return file is not None and file.startswith(OURS) and not file.startswith(BOARD)


class _Loop(VirtualLoop):
    """Waits for each worker thread when it is started, so that its result always comes at the same moment."""

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
    """Run this on such a loop. Returns its result."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


@contextlib.asynccontextmanager
async def station(configuration: Path) -> AsyncIterator[Station]:
    """Run the station of this configuration until the block ends."""
    services = compose(load(configuration), Notifier({}))
    # The pace has no effect: on a busy machine it would leave work to the next turn.
    services.pace = Pace(services.ticker, clock=lambda: 0.0)
    host = Station(services)
    await host.open()
    try:
        yield host
    finally:
        await host.close()


async def charge(ground: Ground, place: Outlet, behaviour: Behaviour, *, well: bool = True) -> None:
    """One car plugs in, charges and drives on; with TLS if it pays by contract. Raises BenchFailed if its session
    did not end as ``well`` says.
    """
    pki = ground.pki / "car"
    trust, wallet = (Trust.load(pki), Wallet.load(pki)) if behaviour.payment is Payment.CONTRACT else (None, None)
    trip = Trip(sdp_port=place.sdp_port, trust=trust, wallet=wallet)
    hands = SimHands(place.panel)
    try:
        reason = await travel(trip, behaviour, hands, lambda name, text, facts: None)
        await hands.unplug()
    finally:
        hands.close()
    if reason.well is not well:
        raise BenchFailed(f"the car's session ended with {reason.code} {reason.detail}")

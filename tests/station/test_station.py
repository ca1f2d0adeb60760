"""The station as a whole: what its backend orders."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from frozen import code
from hal.sim.clock import run_virtual
from secc.errors import UplinkError
from secc.station.station import run
from secc.uplink.port import BackendEvent, LimitOrdered, StopOrdered
from secc.uplink.standalone import Standalone
from tests.station_scene import LONG, configured, judged, station


class Orders:
    """A backend that orders what the test says, and keeps what it is answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue: asyncio.Queue[object] = asyncio.Queue()
        self.answers: list[str] = []
        orders = self

        async def events(backend: Standalone) -> AsyncIterator[BackendEvent]:
            while True:
                order = await orders.queue.get()
                if isinstance(order, Exception):
                    raise order
                yield cast("BackendEvent", order)

        def answered(backend: Standalone, order: BackendEvent, refused: str) -> None:
            orders.answers.append(refused)

        monkeypatch.setattr(Standalone, "events", events)
        monkeypatch.setattr(Standalone, "answered", answered)

    async def order(self, *orders: object) -> None:
        for order in orders:
            self.queue.put_nowait(order)
        await asyncio.sleep(0.1)


@pytest.mark.case("A-OCPP-03")
def test_an_order_out_of_range_is_refused_and_the_next_one_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not end the task that hears orders: the StopOrdered after it has to be heard."""

    async def main() -> None:
        orders = Orders(monkeypatch)
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(LONG))
            bad: list[Any] = [-5.0, 1e9, math.nan, math.inf, "11000", True, [], 10**400]
            await orders.order(LimitOrdered("1", 20_000.0), *(LimitOrdered("1", watts) for watts in bad))
            assert scene.outlet().path.watts_limit == 20_000.0, "what is refused changes nothing"
            assert orders.answers[0] == ""
            assert len(orders.answers) == 1 + len(bad)
            assert all("a limit is watts from 0 to 10000000, or null" in answer for answer in orders.answers[1:])
            await orders.order(StopOrdered("9"), object(), StopOrdered("1"))
            assert orders.answers[-3:] == ["no outlet '9'; there are: 1", "internal error", ""]
            assert (await drive.done()).outcome == "completed.by-station"
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-OCPP-03")
def test_a_backend_whose_orders_break_off_is_listened_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        orders = Orders(monkeypatch)
        async with station(configured(tmp_path)) as scene:
            await orders.order(UplinkError("the line is gone"), LimitOrdered("1", 7000.0))
            await asyncio.sleep(10.0)
            assert scene.outlet().path.watts_limit == 7000.0
            await orders.order(ValueError("a bug"), LimitOrdered("1", None))
            await asyncio.sleep(10.0)
            assert scene.outlet().path.watts_limit is None

    run_virtual(main())


def test_generated_code_that_is_refused_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("secc.station.station.take_over", lambda level: None)
    monkeypatch.setattr("secc.station.station.serve", lambda config, notifier: "served")
    monkeypatch.setattr("secc.station.station.asyncio.run", lambda served: 0)
    config = configured(tmp_path)
    for problem in ("", "/x/code.generated can be changed by others"):
        monkeypatch.setattr(code, "problem", problem)
        caplog.clear()
        assert run(config) == 0
        told = [record.getMessage() for record in caplog.records if "generated code" in record.getMessage()]
        assert told == ([f"generated code is compiled at each start: {problem}"] if problem else [])

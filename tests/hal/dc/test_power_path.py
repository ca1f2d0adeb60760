"""The DC sequences of IEC 61851-23 with drivers of three makers: power path, interlock, supply on CAN, monitor and meter on Modbus,
pilot and contactor of the simulated board. Virtual time; judged from the simulated world and from the rack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hal.events import BoardEvent
from hal.guard import ConsentLost, Guard
from hal.readings import DcPhase
from hal.sim.clock import run_virtual
from hal.ticker import Ticker
from secc import energy
from secc.config import OutletSettings
from secc.energy.effects import Announce
from secc.energy.events import Ticked
from secc.session.effects import CheckCable, ReportFault, SetOutput, StartPower, StopPower
from secc.session.offer import Transfer
from secc.station.serving.levels import levels_of
from secc.station.serving.path import QUESTIONS
from secc.station.serving.power import PowerPorts
from secc.station.serving.router import Router
from secc.station.serving.supplies import Path, supplies
from tests.asking import asked
from tests.energy.bench import CHECKING, START, STOP
from tests.hal.outfit import Outfit, outfit

BATTERY_VOLTS = 400.0


class Station:
    """What the station does for a power path, and nothing else: performs, listens, asks."""

    def __init__(self, made: Outfit) -> None:
        self.made = made
        self.board = made.board
        self.reported: list[str] = []
        self.bugs: list[BaseException] = []
        self._loop = asyncio.get_running_loop()
        self.name, self.broken = "test", self.bugs.append
        self.ticker = Ticker()
        self.guard = Guard(
            self.board, ticker=self.ticker, on_revoked=lambda consent: self.hear(ConsentLost(str(consent)))
        )
        limits = supplies(OutletSettings(interface="lo", transfers=(Transfer.DC,)), self.board).dc
        assert limits is not None
        self.session = energy.PowerPath(energy.DcSettings(limits=limits), now=self._loop.time())
        self.router = router = Router("test", levels=lambda: levels_of(self.board, Path.DC))
        self.ports = PowerPorts(self, router, tell=self.hear)  # type: ignore[arg-type]  # all that it needs of a Hardware
        router.performs(ReportFault, by=lambda fault: self.reported.append(fault.code))
        router.performs(Announce, by=lambda announced: None)
        router.answers(*QUESTIONS, otherwise=lambda question: None)
        self.seat = router.join("power path", self.session, answers=QUESTIONS)
        self.ticker.join(self._tick)

    def _tick(self) -> None:
        if self.session.supervised:
            self.hear(Ticked())

    def hear(self, event: object) -> None:
        self.seat.hear(event)

    async def listen(self, events: AsyncIterator[BoardEvent]) -> None:
        async for event in events:
            self.hear(event)

    # --- what a test says ---

    async def answer(self, question: CheckCable | StartPower | StopPower, seconds: float = 40.0) -> Any:
        coming = asked(self.router, question)
        await self.until(coming.done, seconds)
        return coming.result()

    async def until(self, condition: Callable[[], bool], seconds: float) -> float:
        start = self._loop.time()
        while not condition():
            assert self._loop.time() - start < seconds, f"not within {seconds} s: {self.made.world.truth()}"
            await asyncio.sleep(0.01)
        return self._loop.time() - start

    async def demand(self, volts: float, amperes: float, phase: DcPhase, seconds: float) -> None:
        """The car asks for this, four times a second."""
        for _ in range(round(seconds * 4)):
            self.hear(SetOutput(volts, amperes, phase))
            await asyncio.sleep(0.25)

    async def connected(self) -> None:
        world = self.made.world
        world.plug_in()
        await asyncio.sleep(0.1)
        await self.board.pilot.set_duty(0.05)
        world.close_s2()
        await asyncio.sleep(0.1)

    async def charging(self, amperes: float = 50.0) -> None:
        await self.connected()
        checked = await self.answer(CheckCable(450.0, CHECKING))
        assert checked.passed, checked
        await self.demand(BATTERY_VOLTS, 2.0, DcPhase.PRECHARGE, 3.0)
        self.made.world.close_relay()
        assert (await self.answer(START, 5.0)).done
        await self.demand(450.0, amperes, DcPhase.CHARGE, 4.0)
        assert self.made.world.present()[1] == pytest.approx(amperes, rel=0.02)

    @property
    def dead(self) -> bool:
        return not self.made.rack.running and not self.made.world.contactor.closed


@asynccontextmanager
async def station() -> AsyncIterator[Station]:
    async with outfit("sim:?connector=dc&battery_volts=400") as made:
        host = Station(made)
        tasks = [
            asyncio.create_task(host.guard.run()),
            asyncio.create_task(host.listen(made.board.events())),
        ]
        await asyncio.sleep(0.2)
        host.seat.begin()
        try:
            yield host
        finally:
            await host.router.close()
            await host.ports.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.1)  # the contactor's own time, after the guard has let go
            assert host.bugs == []
            assert host.dead


def test_a_whole_charge() -> None:
    async def main() -> None:
        async with station() as host:
            world = host.made.world
            await host.charging()
            stored = world.truth()["stored_watt_hours"]
            await host.demand(450.0, 120.0 / 3, DcPhase.CHARGE, 10.0)
            assert world.truth()["stored_watt_hours"] > stored + 30.0
            reading = host.board.imd.reading if host.board.imd is not None else None
            assert reading is not None and asyncio.get_running_loop().time() - reading.at <= 1.1
            stopped = await host.answer(STOP, 5.0)
            assert stopped.done
            assert host.dead
            assert list(world.incidents) == [] and host.reported == []

    run_virtual(main())


def test_the_cable_check_tests_the_monitor_at_its_voltage_and_comes_down() -> None:
    async def main() -> None:
        async with station() as host:
            await host.connected()
            peaks: list[tuple[float, float]] = []
            task = asyncio.create_task(host.answer(CheckCable(430.0, CHECKING)))
            while not task.done():
                peaks.append(host.made.world.present())
                await asyncio.sleep(0.02)
            assert task.result().passed and task.result().isolation == "valid"
            assert 470.0 <= max(volts for volts, _ in peaks) <= 490.0
            assert max(amperes for _, amperes in peaks) <= 2.0
            assert (8005, [0x5445]) in host.made.monitor.written
            assert host.made.world.present()[0] < 60.0

    run_virtual(main())


@pytest.mark.parametrize("why", ["insulation", "self-test", "monitor away", "supply away"])
def test_a_cable_check_that_fails_leaves_nothing_on(why: str) -> None:
    async def main() -> None:
        async with station() as host:
            made = host.made
            await host.connected()
            match why:
                case "insulation":
                    made.world.inject("insulation_fault")
                case "self-test":
                    made.monitor.breaks_in_test = True
                case "monitor away":
                    made.monitor_line.trouble.deaf = True
                case _:
                    made.rack.modules[1].deaf = True
            checked = await host.answer(CheckCable(450.0, CHECKING), 60.0)
            assert not checked.passed
            await host.until(lambda: host.dead, 3.0)

    run_virtual(main())


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        ("insulation", 3.0),
        ("supply silent", 1.0),
        ("bus-off", 0.5),
        ("module shorted", 0.5),
        ("emergency stop", 0.15),
        ("unplugged", 0.15),
        ("S2", 0.15),
        # In good order: the session gets ten seconds to end, and this one does not use them.
        ("monitor away", 20.0),
        ("meter away", 20.0),
    ],
)
def test_whatever_goes_wrong_while_charging_ends_it_in_time(what: str, seconds: float) -> None:
    async def main() -> None:
        async with station() as host:
            made = host.made
            await host.charging()
            match what:
                case "insulation":
                    made.world.inject("insulation_fault")
                case "supply silent":
                    made.rack.modules[0].mute = True
                case "bus-off":
                    made.rack.bus_off()
                case "module shorted":
                    made.rack.modules[1].alarms = (0, 0, 1)
                case "emergency stop":
                    made.world.press_emergency_stop()
                case "unplugged":
                    made.world.unplug(force=True)
                case "S2":
                    made.world.close_s2(False)
                case "monitor away":
                    made.monitor_line.trouble.deaf = True
                case _:
                    made.meter_line.trouble.deaf = True
            asking = asyncio.create_task(host.demand(450.0, 50.0, DcPhase.CHARGE, seconds))
            await host.until(lambda: host.dead, seconds)
            asking.cancel()
            await asyncio.sleep(3.0)
            assert host.dead
            if what.endswith("away"):
                assert "opened_under_load" not in made.world.incidents

    run_virtual(main())

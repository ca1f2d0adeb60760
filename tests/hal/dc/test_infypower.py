"""The supply driver against a rack of modules that speaks SocketCAN's packets over a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.dc.can import TEXTS, CanSocket, can_interface
from hal.dc.infypower import InfypowerSupply, supply
from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.events import BoardEvent, FaultCleared, FaultRaised
from hal.linux.errors import NoInterface
from hal.linux.sockets import describe
from hal.readings import DcPhase, Severity
from hal.sim.clock import run_virtual
from tests.hal.infypower_fake import Battery, Rack

Fed = tuple[InfypowerSupply, Rack, list[BoardEvent]]


def driver(rack: Rack, **options: float) -> InfypowerSupply:
    from hal.dc.module import Bounds

    return InfypowerSupply(lambda: CanSocket(rack.connect(), "fake"), rack.modules, bounds=Bounds(**options))


@asynccontextmanager
async def fed(rack: Rack | None = None, *, beats: bool = True, **options: float) -> AsyncIterator[Fed]:
    rack = rack if rack is not None else Rack(0, 1)
    said: list[BoardEvent] = []
    part = driver(rack, **options)
    await part.open(said.append)

    async def beat() -> None:
        while True:
            part.beat()
            await asyncio.sleep(0.2)

    task = asyncio.create_task(beat()) if beats else None
    await asyncio.sleep(0)
    try:
        yield part, rack, said
    finally:
        if task is not None:
            task.cancel()
        await part.close()
        rack.cut()


def faults(said: list[BoardEvent]) -> list[str]:
    signs = {FaultRaised: "+", FaultCleared: "-"}
    return [
        f"{signs[type(event)]}{event.fault.code}" for event in said if isinstance(event, (FaultRaised, FaultCleared))
    ]


def severities(said: list[BoardEvent]) -> list[Severity]:
    return [event.fault.severity for event in said if isinstance(event, FaultRaised)]


def test_it_comes_up_off_and_knows_what_the_modules_can() -> None:
    async def main() -> None:
        rack = Rack(0, 1)
        rack.modules[1].on = True  # left on by somebody
        rack.modules[1].ratings = (500, 150, 300, 2000)
        async with fed(rack) as (part, _, said):
            assert not rack.running and said == []
            limits = part.capabilities
            assert (limits.min_volts, limits.max_volts) == (150.0, 500.0)
            assert limits.max_amperes == pytest.approx(55.6)
            assert limits.max_watts == 35_000.0
        async with fed(Rack(0), max_volts=400.0, max_amperes=10.0, max_watts=3000.0) as (part, _, said):
            limits = part.capabilities
            assert (limits.max_volts, limits.max_amperes, limits.max_watts) == (400.0, 10.0, 3000.0)

    run_virtual(main())


def test_it_gives_what_it_was_told_and_measures_in_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with fed(Rack(0, 1, plant=Battery(400.0))) as (part, rack, said):
            await part.set_target(450.0, 30.0, DcPhase.CHARGE)
            assert len(rack.running) == 2
            await asyncio.sleep(1.0)
            assert {(module.volts, module.amperes) for module in rack.running} == {(450.0, 15.0)}
            for _ in range(100):
                await asyncio.sleep(0.0137)
                assert loop.time() - part.present.at <= 0.1
            assert part.present.volts == pytest.approx(403.0, abs=0.1)
            assert part.present.amperes == pytest.approx(30.0)
            start = loop.time()
            await part.off()
            assert loop.time() - start <= 0.3
            assert not rack.running and part.present.amperes == 0.0
            assert not part.on
            await asyncio.sleep(0.5)
            # Behind the diodes the battery is still there: that is what stands at the pins.
            assert part.present.volts == pytest.approx(400.0, abs=0.1)
            assert said == []

    run_virtual(main())


@pytest.mark.parametrize("phase", [DcPhase.CABLE_CHECK, DcPhase.PRECHARGE])
def test_small_currents_before_charging(phase: DcPhase) -> None:
    async def main() -> None:
        async with fed() as (part, rack, _):
            await part.set_target(450.0, 50.0, phase)
            await asyncio.sleep(1.0)
            assert sum(module.amperes for module in rack.running) == 2.0

    run_virtual(main())


def test_the_current_rises_by_the_ramp_and_falls_at_once() -> None:
    async def main() -> None:
        async with fed(ramp=20.0) as (part, rack, _):

            def total() -> float:
                return sum(module.amperes for module in rack.modules.values())

            await part.set_target(450.0, 40.0, DcPhase.CHARGE)
            begun = asyncio.get_running_loop().time()
            while total() < 40.0:
                await asyncio.sleep(0.05)
                elapsed = asyncio.get_running_loop().time() - begun
                assert total() <= 20.0 * (elapsed + 0.35)
                assert elapsed < 3.0
            await part.set_target(450.0, 4.0, DcPhase.CHARGE)
            await asyncio.sleep(0.001)
            assert total() == pytest.approx(4.0)

    run_virtual(main())


def test_what_is_out_of_range_is_rejected() -> None:
    async def main() -> None:
        async with fed() as (part, rack, _):
            for volts, amperes in (
                (99.0, 1.0),
                (751.0, 1.0),
                (math.nan, 1.0),
                (400.0, -1.0),
                (400.0, 60.0),
                (400.0, math.nan),
                (math.inf, 1.0),
            ):
                with pytest.raises(HalRejected):
                    await part.set_target(volts, amperes, DcPhase.CHARGE)
            assert not any(module.switched and module.switched[-1] for module in rack.modules.values())

    run_virtual(main())


def test_off_is_repeated_until_it_is_confirmed() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with fed(Rack(0, 1, plant=Battery(400.0))) as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            lost = 0

            def first_orders(identifier: int, data: bytes) -> bool:
                nonlocal lost
                off = identifier >> 16 & 0x3F == 0x1A and data[0] == 1
                lost += off
                return off and lost <= 12

            rack.lose = first_orders
            start = loop.time()
            await part.off()
            assert lost > 12 and not rack.running
            assert 0.1 <= loop.time() - start <= 2.0
            assert said == []

    run_virtual(main())


def test_a_module_that_stays_on_is_a_timeout_an_emergency_and_told_for_ever() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with fed() as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            rack.modules[1].stuck = True
            start = loop.time()
            with pytest.raises(HalTimeout, match=r"\[1\]"):
                await part.off()
            assert loop.time() - start == pytest.approx(2.0, abs=0.05)
            await asyncio.sleep(1.0)
            assert faults(said) == ["+supply-not-off"] and severities(said) == [Severity.EMERGENCY]
            with pytest.raises(HalRejected):
                await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            rack.modules[1].stuck = False
            await asyncio.sleep(0.3)
            assert not rack.running
            assert faults(said) == ["+supply-not-off", "-supply-not-off"]
            await part.off()

    run_virtual(main())


def test_off_goes_on_though_nobody_waits_for_it() -> None:
    """The guard gives an emergency 40 ms, and then opens the contactor."""

    async def main() -> None:
        async with fed() as (part, rack, _):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            rack.lose = lambda identifier, data: identifier >> 16 & 0x3F == 0x1A
            task = asyncio.create_task(part.off())
            await asyncio.sleep(0.04)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert rack.running
            rack.lose = lambda identifier, data: False
            await asyncio.sleep(0.15)
            assert not rack.running

    run_virtual(main())


def test_a_module_that_comes_on_unasked_is_switched_off() -> None:
    async def main() -> None:
        async with fed() as (part, rack, said):
            rack.modules[0].on = True
            await asyncio.sleep(0.5)
            assert not rack.running and said == [] and not part.on
            rack.modules[0].on = rack.modules[0].stuck = True
            await asyncio.sleep(3.0)
            assert faults(said) == ["+supply-not-off"]
            rack.modules[0].stuck = False

    run_virtual(main())


def test_a_module_that_does_not_come_on_is_a_timeout_and_all_are_off_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with fed() as (part, rack, _):
            rack.modules[1].dead = True
            start = loop.time()
            with pytest.raises(HalTimeout):
                await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            assert loop.time() - start <= 1.05
            await asyncio.sleep(0.2)
            assert not rack.running and not part.on

    run_virtual(main())


@pytest.mark.parametrize("how", ["deaf", "mute"])
def test_a_module_that_falls_silent_while_on_is_an_emergency(how: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with fed(Rack(0, 1, plant=Battery(400.0))) as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            await asyncio.sleep(1.0)
            start = loop.time()
            setattr(rack.modules[1], how, True)
            while not said:
                await asyncio.sleep(0.01)
            assert loop.time() - start <= 0.8
            assert faults(said) == ["+supply-lost"] and severities(said) == [Severity.EMERGENCY]
            await asyncio.sleep(0.2)
            assert not rack.modules[0].on  # who still hears is off
            assert loop.time() - part.present.at >= 0.5
            with pytest.raises(HalLost):
                await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            setattr(rack.modules[1], how, False)
            await asyncio.sleep(0.5)
            assert not rack.running
            assert "-supply-lost" in faults(said)
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)

    run_virtual(main())


def test_a_module_that_falls_silent_at_rest_forbids_the_next_start() -> None:
    async def main() -> None:
        async with fed() as (part, rack, said):
            rack.modules[0].deaf = True
            await asyncio.sleep(3.0)
            assert faults(said)[0] == "+supply-lost" and severities(said)[0] is Severity.STOP
            with pytest.raises(HalRejected):
                await part.faults.clear("supply-lost")
            rack.modules[0].deaf = False
            await asyncio.sleep(1.0)
            assert faults(said)[-1][0] == "-"
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)

    run_virtual(main())


def test_bus_off_is_an_emergency_at_once() -> None:
    async def main() -> None:
        async with fed() as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            rack.bus_off()
            await asyncio.sleep(0.01)
            assert faults(said) == ["+supply-lost"] and severities(said) == [Severity.EMERGENCY]
            await asyncio.sleep(1.0)
            assert not rack.running and faults(said)[-1] == "-supply-lost"
            assert len(said) == 2

    run_virtual(main())


def test_a_bus_that_goes_away_is_opened_anew() -> None:
    async def main() -> None:
        async with fed() as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            rack.cut()
            await asyncio.sleep(0.1)
            assert faults(said)[:1] == ["+supply-lost"]
            await asyncio.sleep(2.0)
            assert not rack.running
            assert "-supply-lost" in faults(said)
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            assert len(rack.running) == 2

    run_virtual(main())


def test_a_bus_that_takes_no_frames() -> None:
    """The interface goes down, and later up; and a queue that is full because nobody acknowledges."""

    class Blocked(CanSocket):
        error: int | None = None

        def send(self, frame: object) -> None:
            if self.error is not None:
                raise describe(OSError(self.error, "no"), "fake", TEXTS)
            super().send(frame)  # type: ignore[arg-type]  # the test has no use for the frame

    async def main() -> None:
        for number, code in ((errno.ENETDOWN, "+supply-lost"), (errno.ENOBUFS, "+supply-lost")):
            rack = Rack(0)
            buses: list[Blocked] = []

            def connect(rack: Rack = rack, buses: list[Blocked] = buses) -> Blocked:
                buses.append(Blocked(rack.connect(), "fake"))
                return buses[-1]

            said: list[BoardEvent] = []
            part = InfypowerSupply(connect, (0,))
            await part.open(said.append)
            part.beat()
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            buses[-1].error = number
            await asyncio.sleep(0.8)
            assert faults(said)[0] == code
            with pytest.raises(HalTimeout):
                await part.off()
            buses[-1].error = None
            await asyncio.sleep(0.5)
            assert not rack.running and "-supply-lost" in faults(said)
            await part.close()
            rack.cut()

    run_virtual(main())


def test_without_the_stations_heartbeat_it_goes_off_and_does_not_come_on() -> None:
    async def main() -> None:
        async with fed(beats=False) as (part, rack, _):
            with pytest.raises(HalRejected):
                await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            part.beat()
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            await asyncio.sleep(0.9)
            assert rack.running
            await asyncio.sleep(0.4)
            assert not rack.running
            part.beat()
            await asyncio.sleep(0.5)
            assert not rack.running

    run_virtual(main())


@pytest.mark.parametrize(
    ("octets", "code", "severity"),
    [
        ((0, 0, 0x01), "supply-output-short", Severity.EMERGENCY),
        ((0, 0x20, 0), "supply-over-voltage", Severity.EMERGENCY),
        ((0, 0x02, 0), "supply-module-fault", Severity.STOP),
        ((0, 0x10, 0), "supply-over-temperature", Severity.STOP),
        ((0x08, 0, 0), "supply-input-phase", Severity.STOP),
        ((0x10, 0, 0), "supply-input-unbalanced", Severity.WARNING),
    ],
)
def test_alarms_of_a_module(octets: tuple[int, int, int], code: str, severity: Severity) -> None:
    async def main() -> None:
        async with fed() as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            rack.modules[1].alarms = octets
            await asyncio.sleep(0.3)
            assert faults(said) == [f"+{code}"] and severities(said) == [severity]
            assert bool(rack.running) is (severity is not Severity.EMERGENCY)
            if severity is not Severity.EMERGENCY:
                await part.set_target(450.0, 5.0, DcPhase.CHARGE)  # an end in good order is still possible
            await part.off()
            if severity is not Severity.WARNING:
                with pytest.raises(HalRejected, match=code):
                    await part.set_target(450.0, 5.0, DcPhase.CHARGE)
            rack.modules[1].alarms = (0, 0, 0)
            await asyncio.sleep(0.5)
            assert faults(said)[-1] == f"-{code}"

    run_virtual(main())


def test_garbage_on_the_bus_changes_nothing() -> None:
    async def main() -> None:
        async with fed(Rack(0, plant=Battery(400.0))) as (part, rack, said):
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            await asyncio.sleep(1.0)
            for octets in (
                b"x",
                bytes(16),
                b"\xdf" * 16,
                b"\xff" * 72,
                bytes.fromhex("07f0838208000000") + b"\x7f" * 8,
            ):
                rack.say(octets)
            await asyncio.sleep(0.5)
            assert said == [] and part.present.amperes == pytest.approx(10.0)

    run_virtual(main())


def test_the_bus_is_not_flooded() -> None:
    """At 125 kbit/s a frame takes about 1.2 ms, and every question has an answer."""

    async def main() -> None:
        async with fed(Rack(*range(6))) as (part, rack, _):
            rack.frames.clear()
            await asyncio.sleep(2.0)
            assert len(rack.frames) / 2.0 * 2 * 0.0012 <= 0.25
            await part.set_target(450.0, 10.0, DcPhase.CHARGE)
            await asyncio.sleep(1.0)
            rack.frames.clear()
            await asyncio.sleep(2.0)
            assert len(rack.frames) / 2.0 * 2 * 0.0012 <= 0.75
            for start in range(len(rack.frames) - 10):
                # Never more at one moment than an interface queues.
                assert rack.frames[start + 10][0] > rack.frames[start][0]

    run_virtual(main())


def test_modules_that_do_not_answer_or_can_do_nothing_do_not_open() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        rack = Rack(0, 1)
        rack.modules[1].deaf = True
        start = loop.time()
        with pytest.raises(HalTimeout, match=r"\[1\]"):
            await driver(rack).open(lambda event: None)
        assert loop.time() - start <= 3.1
        for ratings in ((0, 0, 0, 0), (100, 750, 256, 1500), (750, 100, 0, 1500)):
            rack = Rack(0)
            rack.modules[0].ratings = ratings
            with pytest.raises(HalRejected):
                await driver(rack).open(lambda event: None)
        unopened = driver(Rack(0))
        with pytest.raises(HalLost):
            _ = unopened.capabilities
        with pytest.raises(HalTimeout):
            await unopened.off()
        await unopened.close()

    run_virtual(main())


def test_addresses() -> None:
    supply("infypower:can0?modules=0,0x01,2&controller=0xF1&max_volts=500&max_amperes=60&max_watts=30000&ramp=50")
    for bad in (
        "infypower:",
        "infypower:can0?modules=",
        "infypower:can0?modules=a",
        "infypower:can0?modules=1,1",
        "infypower:can0?modules=63",
        "infypower:can0?modules=-1",
        "infypower:can0?controller=256",
        "infypower:can0?ramp=nan",
        "infypower:can0?max_volts=0",
        "infypower:can0?speed=1",
    ):
        with pytest.raises(HalRejected):
            supply(bad)


def test_without_can_the_error_says_what_to_do() -> None:
    async def main() -> None:
        try:
            bus = can_interface("none0", 0xF0)
        except HalUnsupported as error:
            assert "modprobe can" in str(error)
        except NoInterface as error:
            assert "none0" in str(error)
        else:
            bus.close()
            raise AssertionError("an interface none0")

    run_virtual(main())


def _vcan() -> str | None:
    """The name of a virtual CAN interface that is up, if there is one."""
    if not hasattr(socket, "AF_CAN"):
        return None
    with contextlib.suppress(OSError), socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as probe:
        probe.bind(("vcan0",))
        return "vcan0"
    return None


@pytest.mark.skipif(
    _vcan() is None, reason="no vcan0: modprobe vcan; ip link add vcan0 type vcan; ip link set vcan0 up"
)
def test_on_a_virtual_can_interface() -> None:
    async def main() -> None:
        rack = Rack(0, plant=Battery(400.0))
        ours = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        ours.bind(("vcan0",))
        rack.adopt(ours)
        part = supply("infypower:vcan0?modules=0")
        await part.open(lambda event: None)
        part.beat()
        await part.set_target(450.0, 5.0, DcPhase.CHARGE)
        await asyncio.sleep(0.3)
        assert part.present.amperes == pytest.approx(5.0)
        await part.close()
        assert not rack.running
        rack.cut()

    asyncio.run(main())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["target", "off", "kick", "deaf", "mute", "stuck", "heal", "bus_off", "cut", "short", "wait"]
            ),
            st.floats(0.0, 0.7),
        ),
        max_size=12,
    )
)
def test_whatever_happens_it_is_off_when_it_was_told_so(deeds: list[tuple[str, float]]) -> None:
    """Any order of orders and mishaps raises nothing but HalError; and once the modules hear again, off means off."""

    async def main() -> None:
        async with fed() as (part, rack, _):
            module = rack.modules[1]
            for deed, seconds in deeds:
                match deed:
                    case "target":
                        with contextlib.suppress(HalError):
                            await part.set_target(400.0 + seconds, 20.0 * seconds, DcPhase.CHARGE)
                    case "off":
                        with contextlib.suppress(HalTimeout):
                            await part.off()
                    case "kick":
                        part.switch_off()
                    case "heal":
                        module.deaf = module.mute = module.stuck = False
                        module.alarms = (0, 0, 0)
                    case "bus_off":
                        with contextlib.suppress(AssertionError):  # there is no wire at the moment
                            rack.bus_off()
                    case "cut":
                        rack.cut()
                    case "short":
                        module.alarms = (0, 0, 1)
                    case "wait":
                        pass
                    case _:
                        setattr(module, deed, True)
                await asyncio.sleep(seconds)
            part.switch_off()
            module.deaf = module.mute = module.stuck = False
            await asyncio.sleep(25.0)
            assert not rack.running and not part.on

    run_virtual(main())

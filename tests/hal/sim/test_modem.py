"""The simulated modems: what a line does to frames, and two modems that find each other."""

from __future__ import annotations

import asyncio

import pytest

from hal.errors import HalLost, HalRejected, HalTimeout
from hal.linux import mme
from hal.ports import PlcModem
from hal.sim.clock import LoopClock, run_virtual
from hal.sim.modem import Medium, SimModem
from tests.virtual_clock import VirtualClock

CAR, STATION = bytes.fromhex("02ee00000001"), bytes.fromhex("025ecc000001")
CAR_MODEM, STATION_MODEM = bytes.fromhex("00b052aa0001"), bytes.fromhex("00b052bb0001")
NID, NMK = bytes(7), bytes(range(16))


class Pair:
    def __init__(self, **options: int) -> None:
        self.clock = VirtualClock()
        self.medium = Medium(self.clock, **options)
        self.car = SimModem(self.medium, CAR, CAR_MODEM, measures=False)
        self.station = SimModem(self.medium, STATION, STATION_MODEM)
        self.at_car: list[mme.Frame] = []
        self.at_station: list[mme.Frame] = []
        self.car.on_frame = lambda at, frame: self.note(self.at_car, frame)
        self.station.on_frame = lambda at, frame: self.note(self.at_station, frame)

    def note(self, where: list[mme.Frame], frame: bytes) -> None:
        parsed = mme.parse(frame)
        assert parsed is not None
        where.append(parsed)

    def sound(self) -> None:
        self.car.say(mme.build(CAR, 0x6076, bytes(52), destination=mme.BROADCAST))
        self.clock.advance(0.02)


def test_a_sound_is_heard_with_its_profile_by_the_station_only() -> None:
    pair = Pair(attenuation=30)
    pair.sound()
    sound, profile = pair.at_station
    assert sound.mmtype == 0x6076
    assert (profile.mmtype, profile.source, profile.destination) == (0x6086, STATION_MODEM, mme.BROADCAST)
    assert profile.body[:8] == CAR + bytes((58, 0))
    assert 28 <= sum(profile.body[8:66]) / 58 <= 32
    assert pair.at_car == []
    pair.sound()
    assert pair.at_station[3].body == profile.body


@pytest.mark.parametrize(("groups", "frames"), [(0, 2), (None, 1)])
def test_modems_that_do_not_measure(groups: int | None, frames: int) -> None:
    pair = Pair()
    pair.station.groups = groups
    pair.sound()
    assert len(pair.at_station) == frames
    if groups == 0:
        assert pair.at_station[1].body[6] == 0


def test_frames_reach_whom_they_are_for_and_get_lost_on_the_way() -> None:
    pair = Pair()
    third = SimModem(pair.medium, b"\x02" + bytes(5), b"\x02" + bytes(4) + b"\x09")
    overheard: list[bytes] = []
    third.on_frame = lambda at, frame: overheard.append(frame)
    pair.station.say(mme.build(STATION, 0x6065, bytes(20), destination=CAR))
    pair.clock.advance(0.01)
    assert [frame.mmtype for frame in pair.at_car] == [0x6065]
    assert overheard == []
    pair.medium.sounds_to_lose = 2
    for _ in range(3):
        pair.sound()
    assert len(pair.at_station) == 2
    pair.medium.noisy = True
    pair.sound()
    assert len(pair.at_station) == 2
    third.close()
    with pytest.raises(HalLost):
        third.say(bytes(60))


def test_two_modems_with_one_key_are_a_link_after_a_while() -> None:
    pair = Pair()
    pair.station.join(NID, NMK)
    pair.car.join(NID, NMK)
    assert pair.station.linked() is False
    pair.clock.advance(1.0)
    assert pair.station.linked() is True
    assert pair.car.linked() is True
    pair.medium.noisy = True
    assert pair.station.linked() is False
    pair.medium.noisy = False
    pair.station.join(NID, bytes(16))
    pair.clock.advance(1.0)
    assert pair.station.linked() is False
    pair.station.tells_link = False
    assert pair.station.linked() is None
    pair.station.alive = False
    with pytest.raises(HalTimeout):
        pair.station.linked()
    with pytest.raises(HalTimeout):
        pair.station.join(NID, NMK)
    pair.station.alive = True
    with pytest.raises(HalRejected):
        pair.station.join(NID, b"short")


def test_it_is_a_modem_like_any_other() -> None:
    async def test() -> None:
        medium = Medium(LoopClock())
        station: PlcModem = SimModem(medium, STATION, STATION_MODEM)
        car = SimModem(medium, CAR, CAR_MODEM, measures=False)
        frames = station.frames()
        began = asyncio.get_running_loop().time()
        await car.send(mme.build(CAR, 0x6064, bytes(10), destination=mme.BROADCAST))
        at, frame = await anext(frames)
        assert 0.0 < at - began < 0.01
        assert len(frame) == 60
        await station.set_key(NID, NMK)
        await car.set_key(NID, NMK)
        await asyncio.sleep(1.0)
        assert await station.link_up() is True
        await station.reset()
        assert await station.link_up() is False
        await asyncio.sleep(1.0)
        assert await station.link_up() is True
        assert (await station.info()).vendor == "simulated"
        assert (station.mac, station.interface) == (STATION, "sim")

    run_virtual(test())

"""Matching over simulated modems and asyncio, in virtual time; and the bench tool on them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hal.errors import HalError
from hal.linux.errors import NoInterface
from hal.sim.clock import LoopClock, run_virtual
from hal.sim.modem import Medium, SimModem
from secc.conversation import Effect, Timeout
from secc.link.slac import mme, timing
from secc.link.slac.dlink import (
    IndicateDlinkReady,
    ReportMatched,
    ReportMatchingFailed,
    ReportModem,
)
from secc.link.slac.key import NetworkKey
from secc.link.slac.mme import SlacMatchCnf, SlacMatchReq
from secc.link.slac.settings import SlacSettings
from tools.slac_bench import Pass, Station, main, measure, plot, table

STATION, STATION_MODEM = bytes.fromhex("025ecc000001"), bytes.fromhex("00b052bb0001")


class Lab:
    """A station with its modem, and as many cars as one likes, on one line."""

    def __init__(self, **settings: Any) -> None:
        self.medium = Medium(LoopClock())
        self.modem = SimModem(self.medium, STATION, STATION_MODEM)
        self.effects: list[Effect] = []
        self.station = Station(self.modem, SlacSettings(STATION, **settings), self.effects.append)
        self.task = asyncio.ensure_future(self.station.run())

    def car(self, number: int = 1) -> SimModem:
        last = bytes([number])
        return SimModem(
            self.medium, bytes.fromhex("02ee000000") + last, bytes.fromhex("00b052aa00") + last, measures=False
        )

    async def match(self, car: SimModem, passed: Pass) -> NetworkKey:
        """Goes on where the bench tool stops: the match, and into the network."""
        assert passed.result is not None
        frames = car.frames()
        request = SlacMatchReq(0, 0, 0x3E, bytes(17), car.mac, bytes(17), STATION, passed.result.run_id)
        await car.send(mme.build(STATION, car.mac, request))
        async with asyncio.timeout(0.2):
            while not isinstance(cnf := mme.parse((await anext(frames))[1]).message, SlacMatchCnf):
                pass
        await car.set_key(cnf.nid, cnf.nmk.octets)
        return cnf.nmk

    def reported(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def test_a_car_matches_joins_and_leaves_and_the_next_one_gets_another_key() -> None:
    async def test() -> None:
        lab = Lab()
        keys = []
        for _ in range(2):
            await asyncio.sleep(0.1)
            lab.station.plug_in()
            car = lab.car()
            keys.append(await lab.match(car, await measure(car, 1)))
            await asyncio.sleep(2.0)
            assert lab.reported(IndicateDlinkReady)[-1].established
            assert car.linked()
            lab.station.pilot("A")
            await asyncio.sleep(1.0)
            assert not car.linked(), "the old key is dead"
            car.close()
        assert len(set(keys)) == 2
        assert lab.reported(ReportModem) == [ReportModem(True)]
        await lab.close()

    run(test)


def test_five_cars_at_once_are_all_characterised_and_one_matches() -> None:
    async def test() -> None:
        lab = Lab()
        await asyncio.sleep(0.1)
        lab.station.plug_in()
        cars = [lab.car(number) for number in range(1, 6)]
        passes = await asyncio.gather(*(measure(car, number) for number, car in enumerate(cars)))
        assert [each.text for each in passes] == [""] * 5
        assert {each.result.num_sounds for each in passes if each.result} == {10}
        await lab.match(cars[3], passes[3])
        await asyncio.sleep(2.0)
        assert [matched.ev_mac for matched in lab.reported(ReportMatched)] == [cars[3].mac]
        assert lab.reported(ReportMatchingFailed) == []
        await lab.close()

    run(test)


def test_a_dead_modem_in_the_middle_is_a_lost_link_and_the_next_car_matches() -> None:
    async def test() -> None:
        lab = Lab()
        await asyncio.sleep(0.1)
        lab.station.plug_in()
        car = lab.car()
        await lab.match(car, await measure(car, 1))
        await asyncio.sleep(2.0)
        lab.modem.alive = False
        await asyncio.sleep(3.0)
        assert [link.established for link in lab.reported(IndicateDlinkReady)] == [True, False]
        assert lab.reported(ReportModem)[-1].ready is False
        lab.modem.alive = True
        await asyncio.sleep(2.0)
        assert lab.reported(ReportModem)[-1].ready is True
        lab.station.plug_in()
        await lab.match(car, await measure(car, 2))
        await asyncio.sleep(2.0)
        assert lab.reported(IndicateDlinkReady)[-1].established
        await lab.close()

    run(test)


def test_noise_is_no_answer_and_then_it_is_over() -> None:
    async def test() -> None:
        lab = Lab()
        await asyncio.sleep(0.1)
        lab.station.plug_in()
        car = lab.car()
        lab.medium.noisy = True
        assert (await measure(car, 1)).text == "no CM_SLAC_PARM.CNF"
        lab.medium.noisy = False
        assert (await measure(car, 2)).text == ""
        lab.medium.sounds_to_lose = 4
        lost = await measure(car, 3)
        assert lost.result is not None
        assert lost.result.num_sounds == 6
        lab.medium.sounds_to_lose = 10
        assert (await measure(car, 4)).text == "no CM_ATTEN_CHAR.IND"
        await lab.close()

    run(test)


def test_the_tool_prints_a_table_and_a_plot(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sim", "--passes", "3", "--attenuation", "17"], run=run_virtual) == 0
    printed = capsys.readouterr().out
    assert printed.count("   10     17.0    15    19") == 3
    assert "3 of 3" in printed
    assert "#" * 58 in printed
    assert main(["--sim", "--passes", "2", "--json"], run=run_virtual) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["pass"], row["sounds"], len(row["groups"])) for row in rows] == [(1, 10, 58), (2, 10, 58)]


def test_the_tool_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(passes: Coroutine[Any, Any, Any]) -> Any:
        passes.close()
        raise NoInterface("there is no network interface 'eth9'")

    assert main(["eth9"], run=refuse) == 2
    assert "eth9" in capsys.readouterr().err
    assert issubclass(NoInterface, HalError)
    with pytest.raises(SystemExit):
        main([])
    assert "name the interface" in capsys.readouterr().err
    assert "0 of 1" in table([Pass(1, None, "no CM_SLAC_PARM.CNF")])
    assert plot([Pass(1, None)]) == ""


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "slac.md"


def test_the_document_has_every_time_by_its_name_and_value() -> None:
    text = DOCUMENT.read_text()
    for name, value in vars(timing).items():
        if isinstance(value, Timeout) and value.clause.startswith("ISO 15118-3"):
            row = re.search(rf"^\| `{re.escape(value.name)}` \| ([0-9.]+) s", text, re.MULTILINE)
            assert row is not None, name
            assert float(row.group(1)) == value.seconds, name
    for code in ("Q-01", "Q-02", "Q-04", "Q-05", "Q-06", "Q-07", "Q-08", "Q-09", "Q-10", "Q-11", "Q-12"):
        assert f"| {code} |" in text

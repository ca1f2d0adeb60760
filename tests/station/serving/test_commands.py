"""What an operator orders is done, or is told why not: an order that changes nothing, an outlet that is not there, a card that is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim
from secc.errors import SeccError
from secc.station import control
from tests.station_scene import Scene, configured, station

CARDS = "rfid 04A2B3C4\n"


class Operator:
    """Orders as the control socket takes them, without the socket."""

    def __init__(self, scene: Scene) -> None:
        self._commands = scene.station._commands()

    async def order(self, do: str, **more: Any) -> dict[str, Any]:
        found = self._commands[do]({"do": do, **more})
        return dict(await found if isinstance(found, Awaitable) else found)

    async def refused(self, do: str, **more: Any) -> str:
        with pytest.raises(SeccError) as error:
            await self.order(do, **more)
        return str(error.value)


def at(config: Config, story: Callable[[Scene, Operator], Awaitable[None]]) -> None:
    async def main() -> None:
        async with station(config) as scene:
            await asyncio.sleep(1.0)
            await story(scene, Operator(scene))

    run_virtual(main())


def test_an_order_that_changes_nothing_is_not_done(tmp_path: Path) -> None:
    """`secc control stop` without a car, and a second start, change nothing: both are errors."""

    async def story(scene: Scene, operator: Operator) -> None:
        assert await operator.refused("stop") == "outlet 1: nothing to stop"
        scene.world().plug_in()
        await asyncio.sleep(1.0)
        assert await operator.order("start") == {}
        assert "nothing to start" in await operator.refused("start")
        assert await operator.order("stop") == {}
        assert await operator.refused("stop") == "outlet 1: nothing to stop"
        assert await operator.refused("renegotiate") == "outlet 1 has no session"

    at(configured(tmp_path, eim=Eim.LIST, allow=CARDS), story)


def test_a_session_is_stopped_and_nothing_is_left_to_stop(tmp_path: Path) -> None:
    async def story(scene: Scene, operator: Operator) -> None:
        drive = await scene.charging(scene.drive(stay=True))
        assert await operator.order("stop") == {}
        await drive.done()
        await scene.ended()

    at(configured(tmp_path), story)


def test_the_word_on_a_card_is_the_answer(tmp_path: Path) -> None:
    """A card on no list is refused, and the command must say so."""

    async def story(scene: Scene, operator: Operator) -> None:
        scene.world().plug_in()
        await asyncio.sleep(1.0)
        refused = await operator.refused("token", kind="rfid", value="00000000")
        assert refused.startswith("the card is refused: ")
        assert (await operator.order("token", kind="rfid", value="04:A2:B3:C4"))["card"] == "accepted"
        assert "a driver is identified already" in await operator.refused("token", kind="rfid", value="04:A2:B3:C4")

    at(configured(tmp_path, eim=Eim.LIST, allow=CARDS), story)


def test_two_cards_at_once(tmp_path: Path) -> None:
    async def story(scene: Scene, operator: Operator) -> None:
        first = asyncio.ensure_future(operator.order("token", kind="rfid", value="04A2B3C4"))
        await asyncio.sleep(0)
        assert "another card" in await operator.refused("token", kind="rfid", value="04A2B3C4")
        assert (await first)["card"] == "accepted"

    at(configured(tmp_path, eim=Eim.LIST, allow=CARDS), story)


def test_an_outlet_that_is_not_there(tmp_path: Path) -> None:
    """`--outlet 9 reload` must not say "done"."""

    async def story(scene: Scene, operator: Operator) -> None:
        for do in ("start", "stop", "renegotiate", "state"):
            assert await operator.refused(do, outlet="9") == "no outlet '9'; there are: 1, 2"
        assert "for the whole station" in await operator.refused("reload", outlet="1")
        assert await operator.refused("stop") == "which outlet? there are: 1, 2"
        assert (await operator.order("state", outlet="2"))["name"] == "2"

    at(configured(tmp_path, outlets=2), story)


def test_a_reload_that_fails_says_so(tmp_path: Path) -> None:
    """It must not say "done" while the error stands in the log alone."""

    async def story(scene: Scene, operator: Operator) -> None:
        assert await operator.order("reload") == {}
        (tmp_path / "allowlist.txt").write_text("nonsense\n")
        assert "allowlist.txt:1" in await operator.refused("reload")

    at(configured(tmp_path, eim=Eim.LIST, allow=CARDS), story)


def test_the_documented_request_is_one(tmp_path: Path) -> None:
    """The example in the documentation has to be a request that the station takes: outlets are names."""
    (example,) = re.findall(r"``(\{\"do\": \"stop\".*?\})``", control.__doc__ or "")
    request = json.loads(example)

    async def story(scene: Scene, operator: Operator) -> None:
        assert await operator.refused(**request) == f"outlet {request['outlet']}: nothing to stop"

    config = configured(tmp_path)
    at(replace(config, outlets=(replace(config.outlets[0], name="left"),)), story)

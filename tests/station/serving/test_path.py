"""Questions to the power path of an outlet: each gets its answer, also when the path is gone before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.conversation import ENDLESS, Event, Ticket
from secc.session.effects import CableChecked, CheckCable, PowerReported, StartPower
from tests.station_scene import Scene, configured, station

GONE = "there is no power path"
CABLE = (Ticket(1_000_001, "CheckCable"), CheckCable(400.0, ENDLESS), CableChecked(False, "invalid", GONE))
START = (Ticket(1_000_002, "StartPower"), StartPower(ENDLESS), PowerReported(False, GONE))


def unplug(scene: Scene) -> None:
    scene.world().unplug()


def bug(scene: Scene) -> None:
    driver = scene.outlet().path._driver
    assert driver is not None
    driver.fail(ZeroDivisionError("planted"))


@pytest.mark.parametrize("end", [unplug, bug])
def test_questions_that_are_open_when_the_path_ends_are_answered(tmp_path: Path, end: Callable[[Scene], None]) -> None:
    """The session waits for the answer and for nothing else: without one it would wait out its own time with the car on the line."""
    heard: list[Event] = []

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            scene.world().plug_in()
            scene.world().close_s2(True)
            path = scene.outlet().path
            await scene.until(lambda: path._driver is not None and path._driver.alive)
            for ticket, question, _ in (CABLE, START):
                path.ask(ticket, question, heard.append)
            # One is being worked on, the other waits behind it.
            assert heard == []
            end(scene)
            await scene.until(lambda: len(heard) == 2, 1.0)

    run_virtual(main())
    assert [(one.ticket, one.answer.__class__) for one in heard] == [  # type: ignore[attr-defined]  # all are Answered
        (ticket, answer.__class__) for ticket, _, answer in (CABLE, START)
    ]
    assert not any(getattr(one.answer, "passed", False) or getattr(one.answer, "done", False) for one in heard)  # type: ignore[attr-defined]


def test_a_question_to_a_path_that_is_not_there_is_answered_at_once(tmp_path: Path) -> None:
    heard: list[Event] = []

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            for ticket, question, answer in (CABLE, START):
                scene.outlet().path.ask(ticket, question, heard.append)
                assert heard.pop().answer == answer  # type: ignore[attr-defined]  # it is Answered

    run_virtual(main())

"""Questions to the power path of an outlet: each gets its answer, also when the path is gone before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.conversation import ENDLESS, Question
from secc.session.effects import CableChecked, CheckCable, PowerReported, StartPower
from tests.asking import asked
from tests.station_scene import Scene, configured, station

GONE = "there is no power path"
QUESTIONS: tuple[tuple[Question[Any], object], ...] = (
    (CheckCable(400.0, ENDLESS), CableChecked(False, "invalid", GONE)),
    (StartPower(ENDLESS), PowerReported(False, GONE)),
)


def unplug(scene: Scene) -> None:
    scene.world().unplug()


def bug(scene: Scene) -> None:
    scene.seat("power path").fail(ZeroDivisionError("planted"))


@pytest.mark.parametrize("end", [unplug, bug])
def test_questions_that_are_open_when_the_path_ends_are_answered(tmp_path: Path, end: Callable[[Scene], None]) -> None:
    """The session waits for the answer and for nothing else: without one it would wait out its own time with the car on the line."""
    answers: list[Any] = []

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            scene.world().plug_in()
            scene.world().close_s2(True)
            router = scene.outlet().router
            await scene.until(lambda: any(CheckCable in seat.answers for seat in router.seats))
            coming = [asked(router, question) for question, _ in QUESTIONS]
            # One is being worked on, the other waits behind it.
            assert not any(answer.done() for answer in coming)
            end(scene)
            await scene.until(lambda: all(answer.done() for answer in coming), 1.0)
            answers.extend(answer.result() for answer in coming)

    run_virtual(main())
    assert [type(answer) for answer in answers] == [type(answer) for _, answer in QUESTIONS]
    assert not any(getattr(answer, "passed", False) or getattr(answer, "done", False) for answer in answers)


def test_a_question_to_a_path_that_is_not_there_is_answered_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            for question, answer in QUESTIONS:
                assert asked(scene.outlet().router, question).result() == answer

    run_virtual(main())

"""Bad input in DIN SPEC 70121 at a whole station: each session ends for a reason that has a name, and the next car charges."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from secc.link.v2gtp import PayloadType, frame, unframe
from tests.conformance.din.tester import DinTester, config
from tests.conformance.places import run
from tests.din_car import EVERY_REQUEST, STATES
from tests.station_scene import QUICK, Scene
from tools.evcc.din import DIN

FLAWS = sorted(DIN.flaws)
CAR = replace(QUICK, protocols=("din",))


def typed(scene: Scene, sessions: int) -> None:
    codes = scene.codes()
    assert len(codes) == sessions
    assert not [code for code in codes if code.startswith("bug.")], codes


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_car_with_a_flaw_ends_for_a_reason_and_the_next_one_charges(flaw: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        first = scene.drive(replace(CAR, flaw=flaw))
        await scene.ended(seconds=150.0)
        assert first.task is not None
        first.task.cancel()
        await asyncio.gather(first.task, return_exceptions=True)
        scene.world().unplug(force=True)
        await scene.until(lambda: not scene.world().contactor.closed)
        await asyncio.sleep(5.0)
        ended = len(scene.codes())
        await scene.charges(protocols=("din",))
        await scene.ended(ended + 1)
        typed(scene, ended + 1)

    run(config(tmp_path), act)


def damaged(octets: bytes, seed: int) -> bytes:
    """The message with a flipped bit, without its end, or with octets in place of others."""
    chance = random.Random(seed)
    at = chance.randrange(2, len(octets))
    match seed % 3:
        case 0:
            return octets[:at] + bytes([octets[at] ^ (1 << chance.randrange(8))]) + octets[at + 1 :]
        case 1:
            return octets[:at]
        case _:
            return octets[:at] + chance.randbytes(len(octets) - at)


@pytest.mark.parametrize("due", STATES)
def test_damaged_octets_of_the_request_that_is_due_end_for_a_reason_at_most(due: str, tmp_path: Path) -> None:
    """What can still be read is judged by its values; what cannot gets no answer, and the third of it closes the connection."""

    async def act(scene: Scene) -> None:
        sessions = 0
        for seed in range(6):
            tester = await (await DinTester.connect(scene)).drive(due)
            good = tester.octets(EVERY_REQUEST[due])
            payload = unframe(good, (PayloadType.EXI,)).payload
            for number in range(3):
                try:
                    await tester.sends(frame(PayloadType.EXI, damaged(payload, 3 * seed + number)))
                    await tester.hears(0.5)
                except (TimeoutError, OSError):
                    continue
            await tester.line.close()
            sessions += 1
            await scene.ended(sessions)
            scene.world().unplug(force=True)
            await scene.until(lambda: not scene.world().contactor.closed)
            await asyncio.sleep(5.0)
        await scene.charges(protocols=("din",))
        await scene.ended(sessions + 1)
        typed(scene, sessions + 1)

    run(config(tmp_path), act)

"""Several outlets in one process: what happens at one is no business of the others."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs.keystore import SeccChain
from hal.sim.clock import run_virtual
from secc.config import Eim, Tls
from secc.link.tls.key import DelegatedKey
from tests.station_scene import BOTH, LONG, configured, judged, station
from tools.evcc.behaviour import Behaviour, Payment

MANY = 20


def test_twenty_sessions_do_not_disturb_each_other(tmp_path: Path) -> None:
    """One is cut off in every minute, the rest charge to their end, each as if it were alone."""
    behaviour = Behaviour(watt_hours=50.0)

    async def main() -> None:
        async with station(configured(tmp_path, outlets=MANY)) as scene:
            cars = [
                scene.drive(LONG if number < 3 else behaviour, number=number, stay=number < 3) for number in range(MANY)
            ]
            for number, car in enumerate(cars):
                await scene.charging(car, number)
            cars[0].reset()
            scene.world(1).press_emergency_stop()
            cars[2].line._writer.write(b"\xde\xad\xbe\xef" * 20)
            for number, car in enumerate(cars[3:], 3):
                await car.done()
                assert car.outcome == "completed.full", (number, car.outcome)
            for car in cars[:3]:
                await car.done()
            await scene.ended(MANY)
            assert scene.codes("1") == ["severed.connection-closed"]
            assert scene.codes("2") == ["emergency.emergency-stop"]
            assert scene.codes("3") == ["severed.stream-broken"]
            assert [scene.codes(str(number)) for number in range(4, MANY + 1)] == [["completed.terminated"]] * (
                MANY - 3
            )
            judged(scene)

    run_virtual(main())


ANSWERS = 20
PATIENCE_SECONDS = 60.0


class SlowChip:
    """A key in a chip that signs only when the other outlet has answered ``ANSWERS`` requests meanwhile: as slow as it needs to be."""

    def __init__(self) -> None:
        self.answered = 0
        self.threads: set[int] = set()
        self.gave_up = False

    def key(self, chain: SeccChain) -> DelegatedKey:
        pem = chain.key.pkcs8_pem()
        assert pem is not None
        key = load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)

        def sign(digest: bytes) -> bytes:
            self.threads.add(threading.get_ident())
            wanted, end = self.answered + ANSWERS, time.monotonic() + PATIENCE_SECONDS
            while self.answered < wanted:
                if time.monotonic() > end:
                    self.gave_up = True
                    break
                time.sleep(0.01)
            return key.sign(digest, ec.ECDSA(Prehashed(SHA256())))

        return DelegatedKey(sign)


def test_a_private_key_that_takes_its_time_delays_nobody_else(tmp_path: Path) -> None:
    """On the real clock: while one outlet shakes hands, the other's charging loop is answered as always."""
    config = configured(
        tmp_path, outlets=2, tls=Tls.OFFERED, payments=BOTH, eim=Eim.FREE, hal="sim:?connector=dc&speed=50"
    )

    async def main() -> None:
        async with station(config, watch=False) as scene:
            first = scene.drive(Behaviour(watt_hours=50_000.0, loop_seconds=0.005), stay=True)
            await scene.charging(first)
            frames = first.line.frames

            async def counted_frames():  # type: ignore[no-untyped-def]  # as Line.frames
                found = await frames()
                chip.answered += len(found)
                return found

            first.line.frames = counted_frames  # type: ignore[method-assign]  # counted
            second = scene.drive(Behaviour(payment=Payment.CONTRACT, loops=1), number=1, tls=True)
            await scene.until(lambda: "tls" in second.names, seconds=PATIENCE_SECONDS, what="the slow handshake")
            assert chip.threads
            assert threading.get_ident() not in chip.threads
            assert not chip.gave_up
            for one in (first, second):
                assert one.task is not None
                one.task.cancel()
                await asyncio.gather(one.task, return_exceptions=True)

    chip = SlowChip()
    with mock.patch("secc.station.shared.trust._key", chip.key):
        asyncio.run(main())

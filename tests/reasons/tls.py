"""Each way in which TLS fails: octets made by hand, and a car whose end of TLS is our own library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secc.config import Tls
from secc.iso2.messages import SessionSetupReq
from secc.link.tls.errors import Alert, TlsError
from tests.conformance.tester import Tester
from tests.iso2_car import EVCCID
from tests.link.tls.hello import C025, client_hello
from tests.reasons.drives import ends
from tests.station.test_tls_troubles import HELLO, Gated, hook, says
from tests.station_scene import Scene, configured

SECURED = partial(configured, tls=Tls.REQUIRED)
Client = Callable[[int], Awaitable[None]]


async def listening(scene: Scene) -> int:
    """The port, once a car is plugged in."""
    scene.world().plug_in()
    await scene.until(lambda: scene.outlet().sockets.port)
    return scene.outlet().sockets.port or 0


def by_hand(flaw: str, client: Client, config: Any = SECURED) -> None:
    async def act(scene: Scene) -> None:
        await client(await listening(scene))

    ends(f"tls.{flaw}", config)(act)


def alert(number: Alert) -> Client:
    """The car refuses what it was shown."""
    return says(client_hello(), bytes((0x15, 3, 3, 0, 2, 2, number)), waits=True)


def key_exchange() -> bytes:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    octets = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    message = b"\x10" + (len(octets) + 1).to_bytes(3) + bytes((len(octets),)) + octets
    return b"\x16\x03\x03" + len(message).to_bytes(2) + message


by_hand("required", says(bytes.fromhex("01fe800100000000")))
by_hand("plain-required", says(HELLO, waits=True), configured)
by_hand("hello-rejected", says(client_hello(extensions={43: b"\x09"})))
by_hand("no-common-version", says(client_hello(extensions={43: b"\x02\x03\x04"}), waits=True))
by_hand("no-common-suite", says(client_hello(suites=(C025,)), waits=True))
by_hand("no-common-group", says(client_hello(groups=(24,)), waits=True))
by_hand("no-common-signature-algorithm", says(client_hello(algorithms=(0x0603,)), waits=True))
by_hand("unknown-ca", alert(Alert.UNKNOWN_CA))
by_hand("certificate-expired", alert(Alert.CERTIFICATE_EXPIRED))
by_hand("certificate-rejected", alert(Alert.BAD_CERTIFICATE))
by_hand("staple-rejected", alert(Alert.BAD_CERTIFICATE_STATUS_RESPONSE))
by_hand("refused-by-car", alert(Alert.HANDSHAKE_FAILURE))
by_hand("closed-in-hello", says(HELLO[:40]))
by_hand("closed-after-certificate", says(HELLO, waits=True))
by_hand("closed-in-handshake", says(HELLO, key_exchange(), waits=True))
by_hand("handshake-failed", says(HELLO, b"\x16\x03\x03\x00\x04\xff\x00\x00\x00", waits=True))


@ends("tls.too-much", SECURED)
async def sends_more_than_a_handshake_takes(scene: Scene) -> None:
    """While the private key, in a slow chip, signs."""
    sessions = scene.outlet().sessions
    sessions.executor = slow = Gated(sessions.executor)
    _, writer = await asyncio.open_connection("::1", await listening(scene))
    writer.write(HELLO)
    writer.write(bytes(400_000))
    # Virtual time stands still while a thread is at work.
    for _ in range(100_000):
        if scene.codes():
            break
        await asyncio.sleep(0.0)
    slow.gate.set()
    writer.close()


@ends("tls.station-failed", SECURED)
async def has_no_thread_for_the_handshake(scene: Scene) -> None:
    executor = scene.outlet().sessions.executor
    port = await listening(scene)
    with mock.patch.object(executor, "submit", side_effect=RuntimeError("can't start new thread")):
        await says(HELLO, pause=0.5)(port)
        await scene.ended()


NO_RECORD = b"\x17\x03\x03\x00\x40" + bytes(64)
"""One that does not decrypt."""


@ends("tls.broken", SECURED)
async def sends_a_record_that_does_not_decrypt(scene: Scene) -> None:
    line = await hook(scene)
    line._writer.write(NO_RECORD)
    await scene.ended()
    await line.close()


@ends("tls.alert", SECURED)
async def does_not_like_our_record(scene: Scene) -> None:
    line = await hook(scene)
    assert line._tls is not None
    with pytest.raises(TlsError) as caught:
        line._tls.receive(NO_RECORD)
    line._writer.write(caught.value.answer)
    await scene.ended()
    await line.close()


@ends("tls.not-read", SECURED)
async def does_not_read(scene: Scene) -> None:
    """In TLS 1.2 no answer is as long as the limit, so the limit is lowered."""
    tester = await Tester.connect(scene, tls=True)
    await tester.sends(tester.octets(SessionSetupReq(evcc_id=EVCCID)))
    with mock.patch("secc.link.tls.connection.UNSENT_LIMIT", 10):
        await scene.ended()

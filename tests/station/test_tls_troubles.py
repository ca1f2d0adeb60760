"""Each way in which TLS can fail, against a running station: which code the session ends with, and what its record tells.

The clients are ``openssl s_client`` and octets by hand; none of them is ours.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim, Tls
from secc.link.connection import Serving
from secc.link.tls.context import ServerContext
from secc.link.tls.errors import TlsError
from secc.link.tls.key import DelegatedKey
from secc.session.events import Shutdown
from secc.session.offer import Payment
from secc.station.shared.pace import Pace
from tests.link.tls.chains import pki
from tests.link.tls.hello import C023, C025, client_hello, numbers
from tests.station_scene import LONG, Scene, WorldHands, car_trust, configured, station
from tools.evcc.behaviour import Current
from tools.evcc.line import Line

NOT_OURS = bytes(range(20))
"""The hash of a root that the station does not have."""

Client = Callable[[int], Awaitable[None]]


def s_client(*options: str) -> Client:
    async def run(port: int) -> None:
        command = ("openssl", "s_client", "-connect", f"[::1]:{port}", "-ign_eof", *options)
        pipes = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        child = await asyncio.create_subprocess_exec(*command, stdin=pipes[0], stdout=pipes[1], stderr=pipes[2])
        try:
            await asyncio.wait_for(child.communicate(), 20.0)
        finally:
            if child.returncode is None:
                child.kill()

    return run


def says(*octets: bytes, reset: bool = False, pause: float = 0.0, waits: bool = False) -> Client:
    """A client that sends this, one piece after another, and goes: by FIN, or by RST. ``waits``: for the first answer, after the first piece."""

    async def run(port: int) -> None:
        reader, writer = await asyncio.open_connection("::1", port)
        for number, piece in enumerate(octets):
            writer.write(piece)
            await writer.drain()
            if waits and number == 0:
                assert await asyncio.wait_for(reader.read(4096), 10.0)
            await asyncio.sleep(pause)
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    return run


@dataclass(frozen=True)
class Trouble:
    """A client, and what the record of its connection has to say."""

    client: Client
    code: str
    detail: str
    chain: bool = False
    """Whether our chain was shown."""
    messages: tuple[str, ...] | None = None
    offered: dict[str, Any] = field(default_factory=dict)
    openssl: bool = False


OURS = ("> ServerHello", "> Certificate", "> ServerKeyExchange", "> ServerHelloDone")
HELLO = client_hello(extensions={3: bytes.fromhex("001503") + NOT_OURS, 17: bytes.fromhex("000702000400000000")})

TROUBLES = {
    # By openssl
    "group": Trouble(
        s_client("-tls1_2", "-groups", "P-384"),
        "tls.no-common-group",
        "no common group: the car offers secp384r1, the station secp256r1",
        messages=("< ClientHello", "> alert handshake_failure"),
        offered={"groups": ["secp384r1"]},
        openssl=True,
    ),
    "suite": Trouble(
        s_client("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        "tls.no-common-suite",
        "the car offers TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,",
        messages=("< ClientHello", "> alert handshake_failure"),
        openssl=True,
    ),
    "signature": Trouble(
        s_client("-tls1_2", "-sigalgs", "ECDSA+SHA512"),
        "tls.no-common-signature-algorithm",
        "the car offers ecdsa_secp521r1_sha512, the station ecdsa_secp256r1_sha256",
        offered={"signature_algorithms": ["ecdsa_secp521r1_sha512"]},
        openssl=True,
    ),
    "only TLS 1.3": Trouble(
        s_client("-tls1_3"),
        "tls.no-common-version",
        "the car offers TLS 1.3, the station TLS 1.2",
        messages=("< ClientHello", "> alert protocol_version"),
        offered={"versions": ["TLS 1.3"]},
        openssl=True,
    ),
    "only TLS 1.1": Trouble(
        s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        "tls.no-common-version",
        "the car offers TLS 1.1, the station TLS 1.2",
        openssl=True,
    ),
    "does not trust our root": Trouble(
        s_client("-tls1_2", "-verify_return_error", "-no-CAfile", "-no-CApath", "-no-CAstore"),
        "tls.unknown-ca",
        "by the alert unknown_ca, after our ServerHello, Certificate, ServerKeyExchange, ServerHelloDone; chain ",
        chain=True,
        messages=("< ClientHello", *OURS, "< alert unknown_ca"),
        openssl=True,
    ),
    # By hand
    "hangs up after our Certificate": Trouble(
        says(HELLO, waits=True),
        "tls.closed-after-certificate",
        "the car closed the connection after our ServerHello, Certificate, ServerKeyExchange, ServerHelloDone; chain ",
        chain=True,
        messages=("< ClientHello", *OURS),
        offered={"roots": [f"cert-sha1:{NOT_OURS.hex()}"], "status": ["status_request_v2"]},
    ),
    "resets after our Certificate": Trouble(
        says(client_hello(), reset=True, waits=True),
        "tls.closed-after-certificate",
        "the car closed the connection after our ServerHello",
        chain=True,
    ),
    "refuses by an alert and is gone at once": Trouble(
        says(client_hello(), bytes.fromhex("1503030002022a"), waits=True),
        "tls.certificate-rejected",
        "by the alert bad_certificate, after our ServerHello",
        chain=True,
        messages=("< ClientHello", *OURS, "< alert bad_certificate"),
    ),
    "refuses the handshake by an alert": Trouble(
        says(client_hello(), bytes.fromhex("15030300020228"), waits=True),
        "tls.refused-by-car",
        "by the alert handshake_failure, after our ServerHello",
        chain=True,
    ),
    "garbage after our Certificate": Trouble(
        says(client_hello(), b"\x16\x03\x03\x00\x04\xff\x00\x00\x00", waits=True),
        "tls.handshake-failed",
        "unexpected message, after our ServerHello",
        chain=True,
    ),
    "hangs up in its hello": Trouble(
        says(client_hello()[:40]), "tls.closed-in-hello", "in its ClientHello, after 40 octets"
    ),
    "a hello that cannot be read": Trouble(
        says(client_hello(extensions={43: b"\x09"})), "tls.hello-rejected", "a ClientHello ends early"
    ),
    "garbage": Trouble(says(b"\x01\xfe\x80\x01\x00\x00\x00\x00"), "tls.required", "the first octet is not one of TLS"),
    "static ECDH alone": Trouble(
        says(client_hello(suites=(C025,))),
        "tls.no-common-suite",
        "the car offers TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256",
        offered={
            "suites": ["TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256"],
            "signature_algorithms": ["ecdsa_secp256r1_sha256"],
        },
    ),
    "names roots that are not ours": Trouble(
        says(
            client_hello(suites=(C023,), extensions={3: bytes.fromhex("001503") + NOT_OURS, 10: numbers((24,))}),
        ),
        "tls.no-common-group",
        "no common group",
        offered={"roots": [f"cert-sha1:{NOT_OURS.hex()}"], "groups": ["secp384r1"]},
    ),
}


async def record_of(scene: Scene, client: Client) -> dict[str, Any]:
    await WorldHands(scene.world()).plug_in()
    sockets = scene.outlet().sockets
    await scene.until(lambda: sockets.port is not None)
    assert sockets.port is not None
    await client(sockets.port)
    await scene.ended()
    await scene.until(lambda: scene.outlet().writes.idle)
    return record_in(scene)


def record_in(scene: Scene) -> dict[str, Any]:
    """The newest of the history, as it lies on the disk."""
    newest = sorted((scene.state / "history" / "1").iterdir())[-1]
    assert newest.name.endswith("-attempt.json") is not bool(json.loads(newest.read_text())["protocol"])
    record: dict[str, Any] = json.loads(newest.read_text())
    return record


@pytest.mark.case("A-TLS-01")
@pytest.mark.parametrize("name", TROUBLES)
def test_each_way_to_fail_has_its_code_and_a_record(name: str, tmp_path: Path) -> None:
    trouble = TROUBLES[name]
    if trouble.openssl and shutil.which("openssl") is None:
        pytest.skip("there is no openssl to play the client")

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED, payments=(Payment.CONTRACT,))) as scene:
            record = await record_of(scene, trouble.client)
            assert scene.codes() == [f"{record['kind']}.{record['name']}"]
            assert f"{record['kind']}.{record['name']}".startswith(trouble.code), record["detail"]
            assert record["flaw"] == f"{record['kind']}.{record['name']}"
            assert trouble.detail in record["detail"]
            tls = record["tls"]
            assert tls["version"] == ""
            assert bool(tls["chain"]) is trouble.chain
            if trouble.messages is not None:
                assert tls["messages"] == list(trouble.messages)
            for key, value in trouble.offered.items():
                assert tls["offered"][key] == value, key

    asyncio.run(main())


LONG_DC = replace(LONG, current=Current.DC)


async def hook(scene: Scene) -> Line:
    """A car that trusts us, after its handshake."""
    await WorldHands(scene.world()).plug_in()
    sockets = scene.outlet().sockets
    await scene.until(lambda: sockets.port is not None)
    assert sockets.port is not None
    return await Line.open("::1", sockets.port, 0, car_trust().context())


async def last(scene: Scene) -> dict[str, Any]:
    await scene.ended()
    await scene.until(lambda: scene.outlet().writes.idle)
    return record_in(scene)


def test_a_car_that_goes_after_a_whole_handshake_leaves_a_record(tmp_path: Path) -> None:
    """It may have judged our chain, or the staple, only then."""

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            await (await hook(scene)).close()
            record = await last(scene)
            assert scene.codes() == ["severed.connection-closed"]
            assert (record["flaw"], record["messages"]) == ("", [])
            tls = record["tls"]
            assert (tls["version"], tls["flaw"], tls["named_by_car"]) == ("TLSv1.2", "", True)
            assert tls["chain"] and tls["root"] in tls["offered"]["roots"]
            assert tls["messages"][-1] == "> Finished"

    run_virtual(main())


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"\x17\x03\x03\x00\x40" + bytes(64), "tls.broken"),
        (b"\x01\xfe\x80\x01\x00\x00\x00\x00", "tls.broken"),
    ],
    ids=["a record that does not decrypt", "no TLS"],
)
def test_tls_that_breaks_in_a_session_is_not_called_v2gtp(tmp_path: Path, octets: bytes, code: str) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED, eim=Eim.FREE)) as scene:
            drive = await scene.charging(scene.drive(LONG_DC, tls=True, stay=True))
            drive.line._writer.write(octets)
            await scene.opened()
            record = await last(scene)
            assert scene.codes() == [code] == [record["flaw"]]
            assert "v2gtp" not in record["detail"]
            assert record["tls"]["version"] == "TLSv1.2"
            assert record["protocol"] == "ISO 15118-2"
            assert drive.task is not None
            drive.task.cancel()

    run_virtual(main())


def test_an_alert_in_a_session_ends_it_by_its_name(tmp_path: Path) -> None:
    """From a real library: the car's own end of TLS does not like what stands in our place."""

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            line = await hook(scene)
            assert line._tls is not None
            with pytest.raises(TlsError) as caught:
                line._tls.receive(b"\x17\x03\x03\x00\x40" + bytes(64))
            line._writer.write(caught.value.answer)
            record = await last(scene)
            assert scene.codes() == ["tls.alert"] == [record["flaw"]]
            assert "by the alert bad_record_mac" in record["detail"]

    run_virtual(main())


@pytest.mark.case("TLS-11", "A-TLS-03")
def test_a_handshake_that_stands_still_says_where(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            await WorldHands(scene.world()).plug_in()
            sockets = scene.outlet().sockets
            await scene.until(lambda: sockets.port is not None)
            _, writer = await asyncio.open_connection("::1", sockets.port)
            writer.write(HELLO)
            record = await last(scene)
            writer.close()
            assert scene.codes() == ["timer.TLS-handshake"]
            assert record["detail"].startswith("after our ServerHello, Certificate, ")
            assert record["tls"]["chain"] and record["tls"]["offered"]["roots"] == [f"cert-sha1:{NOT_OURS.hex()}"]

    run_virtual(main())


def test_tls_where_the_station_has_no_certificate(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.OFF)) as scene:
            await record_of(scene, says(HELLO, waits=True))
            assert scene.codes() == ["tls.plain-required"]

    run_virtual(main())


def test_a_key_that_does_not_sign_is_our_own_trouble(tmp_path: Path) -> None:
    def sign(digest: bytes) -> bytes:
        raise OSError("the token is gone")

    site = pki("A")
    contexts = (ServerContext(site.chain, DelegatedKey(sign)),)

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            scene.services.serving = lambda outlet: Serving(contexts)  # type: ignore[method-assign]  # a broken chip
            record = await record_of(scene, says(client_hello(), pause=0.5))
            assert scene.codes() == ["tls.station-failed"] == [record["flaw"]]
            assert "OSError" in record["detail"]

    asyncio.run(main())


class Gated(Executor):
    """A thread whose steps wait until the gate is opened: a private key in a slow chip."""

    def __init__(self, inner: Executor) -> None:
        self.gate = threading.Event()
        self._inner = inner

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def step() -> Any:
            assert self.gate.wait(30.0)
            return call(*args, **kwargs)

        return self._inner.submit(step)


class Crowded:
    """The turns of a station where many cars speak: what one says has its turn later, in order."""

    def take(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(0.2, call)


@pytest.mark.parametrize("crowded", [False, True], ids=["", "crowded"])
@pytest.mark.parametrize(
    ("octets", "code"),
    [
        ((HELLO, bytes.fromhex("1503030002022a")), "tls.certificate-rejected"),
        ((HELLO,), "tls.closed-after-certificate"),
        ((client_hello(extensions={43: b"\x09"}),), "tls.hello-rejected"),
    ],
    ids=["an alert", "nothing more", "a hello that cannot be read"],
)
def test_what_a_car_says_and_hangs_up_while_a_step_runs_is_heard(
    tmp_path: Path, octets: tuple[bytes, ...], code: str, crowded: bool
) -> None:
    """An alert in the inbox, or a hello in the step, is heard before the end of the stream: else a car that refuses us seems to just leave."""

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            outlet = scene.outlet()
            outlet.sessions.executor = slow = Gated(outlet.sessions.executor)
            if crowded:
                outlet.sessions.pace = cast("Pace", Crowded())
            await WorldHands(scene.world()).plug_in()
            await scene.until(lambda: outlet.sockets.port is not None)
            reader, writer = await asyncio.open_connection("::1", outlet.sockets.port)
            for piece in octets:
                writer.write(piece)
                await asyncio.sleep(0.3 * (len(octets) > 1))
            writer.write_eof()
            await asyncio.sleep(0.5)
            slow.gate.set()
            record = await last(scene)
            assert scene.codes() == [code] == [record["flaw"]]
            # What we say to it arrives, and then the socket is closed from our side, too.
            assert await asyncio.wait_for(reader.read(), 10.0)
            writer.close()

    asyncio.run(main())


def test_a_step_that_ends_when_nobody_waits_for_it_is_not_reported_as_a_bug(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio logs the error of a future that nobody has asked, with a traceback, when it is collected."""

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            outlet = scene.outlet()
            outlet.sessions.executor = slow = Gated(outlet.sessions.executor)
            await WorldHands(scene.world()).plug_in()
            await scene.until(lambda: outlet.sockets.port is not None)
            _, writer = await asyncio.open_connection("::1", outlet.sockets.port)
            writer.write(HELLO)
            await asyncio.sleep(0.2)
            served = outlet.sessions._connection
            assert served is not None
            served.shut_down(Shutdown())
            slow.gate.set()
            await asyncio.sleep(0.2)
            assert scene.codes() == ["severed.station-shutdown"]
            writer.close()

    asyncio.run(main())
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_an_emergency_in_the_handshake_is_called_so(tmp_path: Path) -> None:
    """Its record said that the car had closed the connection."""

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            await WorldHands(scene.world()).plug_in()
            sockets = scene.outlet().sockets
            await scene.until(lambda: sockets.port is not None)
            _, writer = await asyncio.open_connection("::1", sockets.port)
            writer.write(HELLO)
            await asyncio.sleep(1.0)
            scene.world().press_emergency_stop(True)
            record = await last(scene)
            writer.close()
            assert scene.codes() == ["emergency.emergency-stop"]
            assert (record["kind"], record["name"]) == ("emergency", "emergency-stop")

    run_virtual(main())


def test_a_handshake_that_is_complete_in_time_is_not_ended_by_its_own_timer(tmp_path: Path) -> None:
    """The last step ends on its thread, which sets the next deadline, and the timer rings before its result has its turn."""

    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            line = await hook(scene)
            served = scene.outlet().sessions._connection
            assert served is not None
            assert served.secure
            served._expired()
            await asyncio.sleep(1.0)
            assert scene.codes() == []
            # The first message has its own time still.
            await line.close()
            assert await scene.ended() == ["severed.connection-closed"]

    run_virtual(main())


def test_who_knocks_and_says_nothing_hides_no_session(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, tls=Tls.REQUIRED)) as scene:
            first = await record_of(scene, says(client_hello()[:40]))
            port = scene.outlet().sockets.port
            assert port is not None
            await says()(port)
            await scene.ended(2)
            assert scene.codes()[1] == "severed.connection-closed"
            await scene.until(lambda: scene.outlet().writes.idle)
            assert record_in(scene) == first

    asyncio.run(main())

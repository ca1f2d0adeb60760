"""The doors of an outlet: SDP, the TCP port, TLS, the setup clock; who is let in, who is turned away, and that the next car is served."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Timing, Tls
from secc.link import sdp
from secc.link.sdp import Security
from secc.link.v2gtp import PayloadType, frame
from secc.ops.network import InterfaceUnusable, Place
from secc.session.offer import Payment as Paid
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq
from secc.station.serving import sockets
from tests.station_scene import BOTH, LONG, QUICK, Scene, configured, lab_pki, station
from tools.evcc.behaviour import Behaviour, Payment


async def ask_sdp(port: int, datagram: bytes, seconds: float = 1.25) -> bytes | None:
    """The answer within the time that a tester waits; None for silence."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("::1", 0))
        await loop.sock_sendto(sock, datagram, ("::1", port, 0, 0))
        try:
            async with asyncio.timeout(seconds):
                return await loop.sock_recv(sock, 100)
        except TimeoutError:
            return None


def pnc(directory: Path, tls: Tls = Tls.OFFERED, timing: Timing | None = None) -> Config:
    return configured(directory, tls=tls, payments=BOTH, eim=Eim.LIST, timing=timing)


def request(
    security: int = 0x00,
    transport: int = 0x00,
    *,
    version: int = 1,
    inverse: int = 0xFE,
    kind: int = 0x9000,
    payload: bytes | None = None,
) -> bytes:
    body = bytes((security, transport)) if payload is None else payload
    return bytes((version, inverse)) + kind.to_bytes(2) + len(body).to_bytes(4) + body


TLS, NONE = Security.TLS, Security.NONE


@pytest.mark.parametrize(
    ("tls", "asked", "answered"),
    [
        pytest.param(Tls.OFF, 0x10, NONE, marks=pytest.mark.case("I2-SDP-01", "I2-TPS-01")),
        pytest.param(Tls.OFF, 0x00, NONE, id="TLS asked of a station without"),
        pytest.param(Tls.OFFERED, 0x00, TLS, marks=pytest.mark.case("I2-SDP-03")),
        pytest.param(Tls.OFFERED, 0x10, NONE, id="plain asked where both are served"),
        pytest.param(Tls.REQUIRED, 0x00, TLS, id="TLS asked where it is required"),
        pytest.param(Tls.REQUIRED, 0x10, TLS, marks=pytest.mark.case("A-NET-04")),
    ],
)
def test_sdp_names_a_usable_port_and_what_is_spoken_there(
    tmp_path: Path, tls: Tls, asked: int, answered: Security
) -> None:
    sdp_is_answered(configured(tmp_path) if tls is Tls.OFF else pnc(tmp_path, tls), asked, answered)


@pytest.mark.case("I2-SDP-02")
def test_tls_is_answered_where_a_card_alone_can_pay(tmp_path: Path) -> None:
    sdp_is_answered(configured(tmp_path, tls=Tls.OFFERED, eim=Eim.FREE), 0x00, TLS)


def sdp_is_answered(config: Config, asked: int, answered: Security) -> None:
    async def main() -> None:
        async with station(config, watch=False) as scene:
            port = config.outlets[0].sdp_port
            assert await ask_sdp(port, request(asked)) is None, "answered without a car on the cable"
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            octets = await ask_sdp(port, request(asked))
            assert octets is not None
            assert octets[:8] == bytes.fromhex("01fe900100000014")
            response = sdp.parse_response(octets)
            assert (response.security, response.port) == (answered, scene.outlet().sockets.port)
            reader, writer = await asyncio.open_connection("::1", response.port)
            writer.close()
            assert reader is not None

    run_virtual(main())


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(request(payload=b""), marks=pytest.mark.case("I2-TPS-02")),
        pytest.param(request(kind=0x7000), marks=pytest.mark.case("I2-TPS-03")),
        pytest.param(request(version=0xFF), marks=pytest.mark.case("I2-TPS-04")),
        pytest.param(request(inverse=0xFF), marks=pytest.mark.case("I2-TPS-05")),
        pytest.param(request(transport=0x10), marks=pytest.mark.case("TP-09")),
        pytest.param(request(security=0x42), marks=pytest.mark.case("TP-10")),
        pytest.param(request(payload=b"\x00\x00\x00"), marks=pytest.mark.case("TP-11")),
        pytest.param(frame(PayloadType.EXI, b"\x80\x00"), marks=pytest.mark.case("A-V2G-04")),
    ],
)
def test_what_is_no_sdp_request_gets_no_answer_and_the_next_one_does(tmp_path: Path, datagram: bytes) -> None:
    config = configured(tmp_path)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            port = config.outlets[0].sdp_port
            assert await ask_sdp(port, datagram) is None
            assert await ask_sdp(port, request(0x10)) is not None

    run_virtual(main())


@pytest.mark.case("A-NET-01")
def test_another_secc_on_the_line_is_reported_once_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(tmp_path)
    theirs = sdp.build_response(IPv6Address("fe80::bad"), 50_000, Security.NONE)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            port = config.outlets[0].sdp_port
            for _ in range(3):
                assert await ask_sdp(port, theirs, 0.1) is None
            found = [event for event in scene.published if event["event"] == "foreign SDP answer"]
            assert [(event["source"], event["address"]) for event in found] == [("::1", "fe80::bad")]
            assert [one for one in caplog.messages if "another SECC" in one and "fe80::bad" in one] != []
            await asyncio.sleep(60.0)
            await ask_sdp(port, theirs, 0.1)
            assert len([event for event in scene.published if event["event"] == "foreign SDP answer"]) == 2
            await scene.charges()
            assert len([one for one in caplog.messages if "another SECC" in one]) == 2

    run_virtual(main())


class Line:
    """An SDP socket on which what comes is in fragments, as the kernel tells it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recvmsg(self, *sizes: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        datagram, _, flags, source = self._sock.recvmsg(*sizes)
        return datagram, [(socket.IPPROTO_IPV6, 77, (56).to_bytes(4, "little"))], flags, source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@pytest.mark.case("A-NET-10")
def test_a_request_that_came_in_fragments_is_not_answered(tmp_path: Path) -> None:
    """tests/live/test_line.py sends real ones."""
    config = configured(tmp_path)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            listener, port = scene.outlet().sockets._sdp, config.outlets[0].sdp_port
            assert listener is not None
            whole = listener._socket
            listener._socket = Line(whole)  # type: ignore[assignment]  # as much of a socket as is used
            assert await ask_sdp(port, request(0x10)) is None
            listener._socket = whole
            assert await ask_sdp(port, request(0x10)) is not None

    run_virtual(main())


@pytest.mark.case("A-NET-05")
@pytest.mark.parametrize(
    ("found", "held", "text"),
    [
        (b"" * 6, [True, False], ""),
        (b"" * 6, [], "not the car that was matched"),
        (None, [], ""),
        (PermissionError(), [], ""),
    ],
    ids=["the car", "another device", "unknown", "without the right"],
)
def test_the_neighbour_entry_of_the_matched_car_is_held_while_it_is_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, found: Any, held: Any, text: str
) -> None:
    """The loopback has no neighbours: the kernel is played here, and is real in tests/live/test_line.py."""
    entries: list[bool] = []

    def hold(index: int, address: IPv6Address, matched: bytes | None) -> bytes | None:
        assert (address, matched) == (IPv6Address("::1"), b"" * 6)
        if isinstance(found, Exception):
            raise found
        entries.extend([True] if found == matched else [])
        return found  # type: ignore[no-any-return]  # octets or None

    monkeypatch.setattr(sockets.neighbours, "hold", hold)
    monkeypatch.setattr(sockets.neighbours, "release", lambda index, address: entries.append(False))
    monkeypatch.setattr(sockets.Sockets, "has_neighbours", True)

    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            scene.outlet().matching.car_mac = b"" * 6
            drive = await scene.drive(QUICK, stay=True).done()
            assert drive.outcome == "completed.full"
            await asyncio.sleep(5.0)
            assert entries == held
            scene.world().unplug()

    run_virtual(main())
    assert (
        [one for one in caplog.messages if "matched" in one and "outlet" in one] == []
        if not text
        else text in caplog.text
    )


@pytest.mark.case("TP-13", "TP-08")
def test_fifty_requests_in_a_row_get_the_same_port(tmp_path: Path) -> None:
    config = configured(tmp_path)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            seen = set()
            for _ in range(50):
                octets = await ask_sdp(config.outlets[0].sdp_port, request(0x10))
                assert octets is not None
                seen.add(octets)
                await asyncio.sleep(0.11)  # ten a second are answered for each car (A-NET-02)
            assert len(seen) == 1

    run_virtual(main())


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("::1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@pytest.mark.parametrize(
    ("tls", "payments", "security"),
    [
        # Two rows: no answer, and no connection.
        pytest.param(Tls.OFF, (Paid.EXTERNAL,), 0x10, marks=pytest.mark.case("I2-SDP-04", "I2-SAP-05")),
        pytest.param(Tls.OFFERED, (Paid.EXTERNAL,), 0x00, marks=pytest.mark.case("I2-SDP-05")),
        pytest.param(Tls.OFFERED, BOTH, 0x00, marks=pytest.mark.case("I2-SDP-06")),
    ],
)
def test_after_the_setup_clock_nobody_is_answered_and_connecting_is_refused(
    tmp_path: Path, tls: Tls, payments: tuple[Paid, ...], security: int
) -> None:
    config = configured(tmp_path, tls=tls, payments=payments, timing=Timing(setup_seconds=18.0))

    async def main() -> None:
        async with station(config, watch=False) as scene:
            loop = asyncio.get_running_loop()
            began = loop.time()
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            port = scene.outlet().sockets.port
            assert port is not None
            await scene.until(lambda: scene.outlet().sockets.port is None, 30.0)
            assert 17.9 < loop.time() - began < 18.5
            assert await ask_sdp(config.outlets[0].sdp_port, request(security)) is None
            assert await refused(port)

    run_virtual(main())


def hello() -> bytes:
    offered = AppProtocol(
        protocol_namespace="urn:iso:15118:2:2013:MsgDef",
        version_number_major=2,
        version_number_minor=0,
        schema_id=1,
        priority=1,
    )
    return frame(PayloadType.EXI, SAP.encode(SupportedAppProtocolReq(app_protocol=(offered,))))


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", marks=pytest.mark.case("I2-SAP-03")),
        pytest.param(hello(), marks=pytest.mark.case("I2-SS-04")),
    ],
)
def test_a_car_that_is_not_set_up_in_time_is_hung_up_on(tmp_path: Path, said: bytes) -> None:
    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            loop = asyncio.get_running_loop()
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            began = loop.time()
            reader, writer = await asyncio.open_connection("::1", scene.outlet().sockets.port)
            writer.write(said)
            oscillator: list[float | None] = []
            scene.world().watch(lambda what: oscillator.append(scene.world().duty))
            while await reader.read(1000):
                pass
            assert 19.0 < loop.time() - began < 25.0
            await scene.until(lambda: 1.0 in oscillator, 25.0 - (loop.time() - began), "X1")
            writer.close()
            codes = await scene.ended()
            assert codes[0] in ("severed.communication-setup-timeout", "timer.V2G_SECC_CommunicationSetup_Timeout")

    run_virtual(main())


@pytest.mark.case("TP-14", "A-NET-06")
@pytest.mark.parametrize("said", [b"", hello()], ids=["silent", "protocol agreed"])
def test_a_second_connection_is_reset_and_the_first_is_not_disturbed(tmp_path: Path, said: bytes) -> None:
    """While the first is being set up the port is open: who comes second must not take its place, nor cost it anything."""
    admitted: list[bool] = []

    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            sockets = scene.outlet().sockets
            admit = sockets._admit

            def counted(peer: str) -> Any:
                connection = admit(peer)
                admitted.append(connection is not None)
                return connection

            sockets._admit = counted
            scene.world().plug_in()
            await scene.until(lambda: sockets.port)
            first, writer = await asyncio.open_connection("::1", sockets.port)
            if said:
                writer.write(said)
                assert SAP.decode((await first.read(1000))[8:])
            await scene.until(lambda: admitted == [True])
            for number in range(1, 4):
                with pytest.raises(ConnectionResetError):
                    second, other = await asyncio.open_connection("::1", sockets.port)
                    other.write(hello())
                    await second.read(10)
                assert admitted == [True, *[False] * number]
            assert scene.codes() == []
            if not said:
                writer.write(hello())
                assert SAP.decode((await first.read(1000))[8:])
            writer.close()
            await scene.ended()

    run_virtual(main())


@pytest.mark.case("TP-14")
def test_during_a_session_the_port_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            port = scene.outlet().sockets.port
            assert port is not None
            drive = await scene.charging(scene.drive(LONG))
            assert await refused(port), "a port that is open during a session"
            scene.outlet().commands.stop("operator")
            await drive.done()
            assert drive.outcome == "completed.by-station"

    run_virtual(main())


# --- TLS as strangers see it -------------------------------------------------------------------------------------------------


def s_client(port: int, *options: str) -> str:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"[::1]:{port}", "-showcerts", *options],
        input=b"",
        capture_output=True,
        timeout=20,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


GOOD = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", "-curves", "P-256", "-status")


async def strange(scene: Scene, call: Callable[[], Any]) -> Any:
    """Do something to the TLS port from another thread; the outlet waits for a car."""
    if not scene.world().car.plugged:
        scene.world().plug_in()
    await scene.until(lambda: scene.outlet().sockets.port)
    return await asyncio.to_thread(call)


@pytest.mark.case("TLS-04", "TLS-09")
def test_openssl_sees_chain_suite_and_staple(tmp_path: Path) -> None:
    root = lab_pki() / "authorities"

    async def main() -> None:
        async with station(pnc(tmp_path), watch=False) as scene:

            def look() -> str:
                # The lab has two V2G roots, and a directory has no order.
                bundle = tmp_path / "roots.pem"
                bundle.write_bytes(
                    b"".join(path.read_bytes() for path in root.glob("*.pem") if "v2g" in path.name.lower())
                )
                return s_client(scene.outlet().sockets.port or 0, *GOOD, "-CAfile", str(bundle))

            said = await strange(scene, look)
            assert re.search(r"Cipher\s+(is|:) ECDHE-ECDSA-AES128-SHA256", said), said
            shown = said.partition("Certificate chain")[2].partition("Server certificate")[0]
            assert len(re.findall("-----BEGIN CERTIFICATE-----", shown)) == 3
            assert "OCSP Response Status: successful" in said
            assert "Cert Status: good" in said
            assert "Verify return code: 0 (ok)" in said or "Verification: OK" in said
            # Who only looked has cost the car nothing.
            await scene.ended()
            assert (await scene.drive(QUICK_PNC, tls=True).done()).outcome == "completed.full"

    run_virtual(main())


QUICK_PNC = Behaviour(payment=Payment.CONTRACT, loops=3)


@pytest.mark.parametrize(
    ("options", "alert"),
    [
        pytest.param(("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "protocol version", marks=pytest.mark.case("TLS-03")),
        pytest.param(
            ("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"), "handshake failure", marks=pytest.mark.case("TLS-02")
        ),
        pytest.param(("-tls1_3",), "protocol version|handshake failure", id="TLS 1.3 alone"),
    ],
)
def test_a_foreign_hello_gets_an_alert_and_the_next_car_is_served(
    tmp_path: Path, options: tuple[str, ...], alert: str
) -> None:
    async def main() -> None:
        async with station(pnc(tmp_path), watch=False) as scene:
            said = await strange(scene, lambda: s_client(scene.outlet().sockets.port or 0, *options))
            assert re.search(rf"alert ({alert})", said), said
            await scene.ended()
            drive = await scene.drive(QUICK_PNC, tls=True).done()
            assert drive.outcome == "completed.full"

    run_virtual(main())


@pytest.mark.case("TLS-10")
def test_http_on_the_tls_port_is_closed_and_the_next_car_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(pnc(tmp_path, Tls.REQUIRED), watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            reader, writer = await asyncio.open_connection("::1", scene.outlet().sockets.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            await scene.ended()
            drive = await scene.drive(QUICK_PNC, tls=True).done()
            assert drive.outcome == "completed.full"

    run_virtual(main())


@pytest.mark.case("TLS-11", "A-TLS-03")
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01"])
@pytest.mark.parametrize(("timing", "seconds"), [(Timing(), 10.0), (Timing(handshake_seconds=3.0), 3.0)])
def test_a_handshake_that_stalls_is_given_up_and_the_next_car_is_served(
    tmp_path: Path, said: bytes, timing: Timing, seconds: float
) -> None:
    """After ``timing.handshake_seconds``, which was read and not heeded."""

    async def main() -> None:
        async with station(pnc(tmp_path, Tls.REQUIRED, timing), watch=False) as scene:
            loop = asyncio.get_running_loop()
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            reader, writer = await asyncio.open_connection("::1", scene.outlet().sockets.port)
            began = loop.time()
            writer.write(said)
            assert await scene.ended() == ["timer.TLS-handshake"]
            assert loop.time() - began == pytest.approx(seconds, abs=0.1)
            assert await reader.read() == b""
            assert loop.time() - began < seconds + 5.0
            writer.close()
            drive = await scene.drive(QUICK_PNC, tls=True).done()
            assert drive.outcome == "completed.full"

    run_virtual(main())


def test_a_car_without_tls_is_served_external_payment_beside_plug_and_charge(tmp_path: Path) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.FREE)

    async def main() -> None:
        async with station(config, watch=False) as scene:
            drive = await scene.drive(QUICK).done()
            assert drive.outcome == "completed.full"

    run_virtual(main())


def test_a_port_that_somebody_took_while_the_interface_was_away_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start a station ends over it; one that runs may have cars at its other outlets."""
    config = configured(tmp_path)
    there = sockets.locate

    def away(interface: str) -> Place:
        raise InterfaceUnusable(f"there is no interface {interface}")

    async def main() -> None:
        async with station(config, watch=False) as scene:

            def problem() -> str:
                found: str = scene.outlet().state()["problem"]
                return found

            monkeypatch.setattr(sockets, "locate", away)
            await scene.until(lambda: problem() == "there is no interface lo")
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
                other.bind(("::", config.outlets[0].sdp_port))
                monkeypatch.setattr(sockets, "locate", there)
                await scene.until(lambda: problem().endswith("on lo is taken"))
            await scene.until(lambda: problem() == "")
            await scene.charges()

    run_virtual(main())

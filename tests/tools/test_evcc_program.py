"""The car's program over real sockets on the loopback, against the station's connection with a stand-in for its power path."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certs.certificates import Edition, parse_certificate
from certs.chain import Anchors
from certs.revocation import StapleCache
from certs.truststore import Truststore
from hal.ticker import Ticker
from secc.conversation import Effect, Levels, Question, Reason, Wall
from secc.iso2 import protocol
from secc.link import sdp
from secc.link.connection import Serving
from secc.link.tls.chain import Chain
from secc.link.tls.context import ServerContext
from secc.link.tls.key import PemKey
from secc.ops.network import locate
from secc.session.effects import (
    AuthorizeContract,
    CheckCable,
    Identify,
    OpenContactor,
    Reach,
    Remark,
    SetOutput,
    StartPower,
    StopPower,
    ValidateContract,
)
from secc.session.offer import AcLimits, DcLimits, Offer, Payment, Surroundings, Transfer
from secc.session.services import Internet, VendorService
from secc.station.serving.connection import V2gConnection
from secc.station.serving.router import Router
from secc.station.shared.listeners import SdpListener, TcpListener
from secc.station.shared.loading import Protocols
from secc.station.shared.pace import Pace
from tests.pair import Outlet
from tools.evcc.__main__ import OK, REFUSED, UNREACHABLE, UNTRUSTED, USAGE, arguments, drive
from tools.pki.lab import LabPki
from tools.pki.layout import make_lab_pki


class MiniStation:
    """One outlet on ``lo``: real sockets, TLS and conversation; :class:`tests.pair.Outlet` in place of the power path."""

    answer_seconds = 0.0

    def __init__(self, offer: Offer, contexts: tuple[ServerContext, ...], anchors: Anchors) -> None:
        loop = asyncio.get_running_loop()
        self.name = "mini"
        self.router = Router("mini", levels=self.levels)
        self.router.performs(OpenContactor, SetOutput, Identify, Reach, Remark, by=self._perform)
        for kind in (CheckCable, StartPower, StopPower, ValidateContract, AuthorizeContract):
            self.router.finds(kind, by=self._find)
        self.executor: Executor = ThreadPoolExecutor(1)
        self.work: Executor = self.executor
        self.pace = Pace(Ticker())
        self.protocols = Protocols((protocol(),), self.work, self.work)
        self.spoken = self.protocols.spoken
        self.offer = offer
        self.outlet = Outlet(dc=offer.is_dc, cable_seconds=0.05, power_seconds=0.02, authorize_seconds=0.05)
        self.outlet.anchors = anchors
        self.outlet.clock = lambda: datetime.now(UTC)
        self.outlet.pilot = "C"
        self.outlet.relay_closed = True
        self.outlet.load = 16.0
        self.outlet.changed_at = loop.time()
        self.ends: list[Reason] = []
        self._loop = loop
        self._serving = Serving(contexts=contexts, plain=not contexts)
        place = locate("lo")
        self._tcp = TcpListener(place, 0, self._accept)
        self._sdp = SdpListener(place, _free_port(), self._discover)

    @property
    def sdp_port(self) -> int:
        return self._sdp.port

    def _discover(self, asked: sdp.Security, source: str) -> tuple[sdp.Security, int] | None:
        answer = sdp.answer(asked, tls=self._serving.tls, plain=self._serving.plain)
        return None if answer is None else (answer, self._tcp.port)

    def _accept(self, sock: socket.socket, peer: str) -> None:
        self._task = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: V2gConnection(self, self._serving, peer), sock)
        )

    def levels(self) -> Levels:
        return self.outlet.levels(self._loop.time())

    def surroundings(self) -> Surroundings:
        wall = lambda: Wall(datetime.now(UTC), trusted=True)  # noqa: E731  # shorter than its name
        return Surroundings(now=self._loop.time(), entropy=os.urandom, wall=wall, tickets=itertools.count(1))

    def secured(self, handshaken: Any) -> None: ...

    def begin(self, protocol: Any, *, secure: bool) -> Offer:
        return self.offer

    def _perform(self, effect: Effect) -> None:
        self.outlet.advance(self._loop.time())
        self.outlet.perform(effect)

    async def _find(self, question: Question[Any]) -> Any:
        self.outlet.advance(self._loop.time())
        found = self.outlet.answer(question)
        assert found is not None
        # Nobody moves this car's pilot; it is where the question expects it.
        self.outlet.pilot = "B" if isinstance(question, StopPower) else "C"
        seconds, make = found
        await asyncio.sleep(seconds)
        return make()

    def saw(self, seat: Any, now: float, event: Any, effects: Any) -> None: ...
    def sent(self, payload_type: int, octets: bytes, message: Any) -> None: ...

    def tolerated(self, code: str, text: str) -> None: ...

    def gone(self, connection: object) -> None: ...

    def ended(self, reason: Reason, report: Any, *, silent: bool) -> None:
        self.ends.append(reason)

    def close(self) -> None:
        self._tcp.close()
        self._sdp.close()
        self.executor.shutdown(wait=False)


def _free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LabPki]:
    directory = tmp_path_factory.mktemp("pki")
    return directory, make_lab_pki(directory)


def server(lab: LabPki, directory: Path, *, staple: bool = True) -> ServerContext:
    path = [parse_certificate(i.der, Edition.ISO2, "ours") for i in (*lab.secc.chain, lab.secc.root)]
    cache = StapleCache(directory / "station" / "staples")
    staples = cache.staples(path, datetime.now(UTC), Edition.ISO2) if staple else (None, None, None)
    chain = Chain("lab", tuple(lab.secc.ders), (lab.secc.root.der,), staples)
    return ServerContext(chain, PemKey(lab.secc.leaf.key_pem))


def anchors(directory: Path) -> Anchors:
    roots = Truststore(directory / "station" / "truststore").read().anchors(Edition.ISO2)
    assert roots.mo
    return roots


DC = Offer(transfers=(Transfer.DC,), dc=DcLimits(), tls=True, payments=(Payment.CONTRACT, Payment.EXTERNAL))
AC = Offer(transfers=(Transfer.AC_THREE_PHASE,), dc=None, ac=AcLimits(), free=True)


def run(
    pki: tuple[Path, LabPki], offer: Offer, *options: str, car: str = "car", staple: bool = True
) -> tuple[int, MiniStation]:
    directory, lab = pki

    async def main() -> tuple[int, MiniStation]:
        contexts = (server(lab, directory, staple=staple),) if offer.tls else ()
        station = MiniStation(offer, contexts, anchors(directory))
        try:
            trust = ["--pki", str(directory / car)] if offer.tls else ["--no-tls"]
            parsed = arguments(["--sdp-port", str(station.sdp_port), "--loop-seconds", "0.01", *trust, *options])
            code = await drive(parsed)
            await asyncio.sleep(0)
            return code, station
        finally:
            station.close()

    return asyncio.run(main())


def test_plug_and_charge_over_tls(pki: tuple[Path, LabPki], capsys: pytest.CaptureFixture[str]) -> None:
    code, station = run(pki, DC, "--loops", "5")
    said = capsys.readouterr().out
    assert code == OK, said
    assert [reason.code for reason in station.ends] == ["completed.terminated"]
    assert not station.outlet.closed
    assert "TLSv1.2" in said
    assert "Lab V2G Root CA, OCSP good" in said
    assert "accepted" in said
    assert "DE8AACA2B3C4D5L" not in said, "the contract stands there unmasked"


def test_ac_on_plain_tcp(pki: tuple[Path, LabPki], capsys: pytest.CaptureFixture[str]) -> None:
    code, station = run(pki, AC, "--mode", "ac", "--payment", "eim", "--loops", "5")
    assert code == OK, capsys.readouterr().out
    assert [reason.well for reason in station.ends] == [True]


def test_a_car_selects_services_beside_charging(pki: tuple[Path, LabPki], capsys: pytest.CaptureFixture[str]) -> None:
    offer = replace(DC, internet=tuple(Internet), services=(VendorService(60_001),))
    code, _ = run(pki, offer, "--service", "3/4", "--service", "60001", "--loops", "2")
    assert code == OK, capsys.readouterr().out
    assert run(pki, offer, "--service", "60002", "--loops", "2")[0] == REFUSED
    assert "service-not-offered" in capsys.readouterr().out


def test_car_leaves_a_station_under_a_root_that_it_does_not_have(
    pki: tuple[Path, LabPki], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run(pki, DC, car="other-car")
    assert code == UNTRUSTED
    assert "chain is not valid" in capsys.readouterr().out


def test_car_leaves_a_station_without_a_staple(pki: tuple[Path, LabPki], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(pki, DC, staple=False)[0] == UNTRUSTED
    assert "no OCSP response" in capsys.readouterr().out
    assert run(pki, DC, "--no-staple", "--loops", "2", staple=False)[0] == OK


def test_refusal_is_told_by_code(pki: tuple[Path, LabPki], capsys: pytest.CaptureFixture[str]) -> None:
    code, station = run(pki, DC, "--flaw", "wrong-challenge")
    assert code == REFUSED
    assert "FAILED_ChallengeInvalid" in capsys.readouterr().out
    assert [reason.code for reason in station.ends] == ["refused.FAILED_ChallengeInvalid"]


def test_key_log_lets_the_session_be_read(pki: tuple[Path, LabPki], tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    assert run(pki, DC, "--loops", "1", "--keylog", str(log))[0] == OK
    assert log.read_text().startswith("CLIENT_RANDOM ")
    assert log.stat().st_mode & 0o077 == 0


def test_station_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tools.evcc.discovery.INTERVAL", 0.001)
    options = arguments(["--no-tls", "--payment", "eim", "--sdp-port", str(_free_port())])
    assert asyncio.run(drive(options)) == UNREACHABLE
    assert "no station answered" in capsys.readouterr().out


def test_pki_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(drive(arguments(["--pki", str(tmp_path)]))) == USAGE


def test_world_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = arguments(["--no-tls", "--payment", "eim", "--sim-socket", str(tmp_path / "none.sock")])
    assert asyncio.run(drive(options)) == UNREACHABLE


@pytest.mark.parametrize("argv", [["--no-tls"], ["--payment", "eim"], ["--mode", "wireless"], ["--flaw", "none"]])
def test_options_that_do_not_fit(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        arguments(argv)
    assert stopped.value.code == USAGE

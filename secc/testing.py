"""A pytest fixture for other projects: a whole station on free ports, with a simulated world.

pytest finds it once the package is installed::

    def test_my_car_charges(secc_station):
        secc_station.world.plug_in()
        my_car.charge(secc_station.address, sdp_port=secc_station.sdp_port)
        assert secc_station.world.watt_hours > 0

``docs/testing.md`` describes it. The station is the real one, on real sockets; the hardware is
``hal.sim``.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from secc.misbehaving import Fault, Message, Tap

if TYPE_CHECKING:
    from hal.sim.world import World as SimulatedWorld
    from secc.config import Config
    from secc.station.station import Station

T = TypeVar("T")

START_SECONDS = 30.0
PANEL = "world.sock"
STEP_SECONDS = 0.01
MARKER = (
    "secc_station(connector='dc', speed=1, eim='free', tls=False, flaws=(), allow=(), hal='', settings={}): "
    "options of this test's station"
)


class World:
    """The simulated world at the station's outlet, for any thread. ``hal.sim.world.FAULTS`` names
    faults.

    An impossible action raises ``hal.HalRejected``.
    """

    def __init__(self, call: Callable[[Callable[[SimulatedWorld], Any]], Any]) -> None:
        self._call = call

    def plug_in(self) -> None:
        """Put the plug in: pilot state B."""
        self._call(lambda world: world.plug_in())

    def unplug(self, *, force: bool = False) -> None:
        """Pull the plug; ``force``: even if it is locked."""
        self._call(lambda world: world.unplug(force=force))

    def close_s2(self, closed: bool = True) -> None:
        """Pilot state C, or back to B."""
        self._call(lambda world: world.close_s2(closed))

    def close_relay(self, closed: bool = True) -> None:
        """DC: the car's own relay between inlet and battery."""
        self._call(lambda world: world.close_relay(closed))

    def draw_ac(self, amperes: float, phases: int = 3) -> None:
        """AC: the current of the car's charger, amperes a phase."""
        self._call(lambda world: world.draw_ac(amperes, phases))

    def present_token(self, value: str, kind: str = "rfid") -> None:
        """Hold a card to the reader."""
        self._call(lambda world: world.present_token(kind, value))

    def press_stop(self) -> None:
        self._call(lambda world: world.press_stop())

    def press_emergency_stop(self, pressed: bool = True) -> None:
        self._call(lambda world: world.press_emergency_stop(pressed))

    def open_door(self, opened: bool = True) -> None:
        self._call(lambda world: world.open_door(opened))

    def inject(self, fault: str) -> None:
        """Cause a fault."""
        self._call(lambda world: world.inject(fault))

    def heal(self, fault: str) -> None:
        """Repair it."""
        self._call(lambda world: world.heal(fault))

    def truth(self) -> dict[str, Any]:
        """Returns the true state as plain values: ``hal.sim.world.World.truth``."""
        found: dict[str, Any] = self._call(lambda world: world.truth())
        return found

    @property
    def contactor_closed(self) -> bool:
        return bool(self.truth()["contactor_closed"])

    @property
    def watt_hours(self) -> float:
        """The count of the outlet's meter."""
        return float(self.truth()["metered_watt_hours"])


class Commands:
    """The commands of ``secc control``. A refusal raises ``secc.station.control.ControlError``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _pull(self, name: str, **arguments: Any) -> dict[str, Any]:
        from secc.ops.control import ask

        return ask(self.path, {"do": name, **arguments})

    def state(self) -> dict[str, Any]:
        """Returns the outlet's entry of ``secc status --json``."""
        outlet: dict[str, Any] = self._pull("state")["outlets"][0]
        return outlet

    def start(self) -> None:
        """Let the car at the outlet charge."""
        self._pull("start")

    def stop(self) -> None:
        """End charging in good order."""
        self._pull("stop")

    def limit(self, watts: float | None) -> None:
        """Deliver at most this much from now on; None: the limit of the hardware."""
        self._pull("limit", watts=watts)

    def token(self, value: str, kind: str = "rfid") -> None:
        """Act as if this card had been shown."""
        self._pull("token", kind=kind, value=value)

    def wake(self) -> None:
        """Wake the car that has paused."""
        self._pull("wake")

    def renegotiate(self) -> None:
        """Ask the car to negotiate again."""
        self._pull("renegotiate")

    def lab(self, order: str, value: object = None) -> None:
        """Give an order of ``lab.orders``: ``lab("ongoing", ["CableCheck"])``. None takes it back."""
        self._pull("lab", order=order, value=value)


class StationUnderTest:
    """A running station, one outlet on the loopback: ``world`` is its hardware, ``control`` its
    commands.
    """

    interface = "lo"
    address = "::1"

    def __init__(self, config: Config, pki: Path | None) -> None:
        self.config = config
        self.sdp_port = config.outlets[0].sdp_port
        """The port for SDP requests, by unicast: the loopback has no multicast."""
        self.pki = pki
        """The files of a car of this lab, as ``secc pki make`` writes them; None without TLS."""
        self.stranger = pki.with_name("stranger") if pki is not None else None
        """Another car: its contract is valid, and its EMAID is on no list of this station."""
        self.flawed = {path.name: path for path in pki.with_name("flawed").glob("*")} if pki is not None else {}
        """With ``flaws``: cars by the flaw of their contract (``secc pki flaws``), described in
        ``flaw.txt``.
        """
        self.events: list[dict[str, Any]] = []
        """All events of ``secc control events``."""
        self.panel = config.control_socket.with_name(PANEL)
        """Socket of the simulated world, for a car in another process: ``secc evcc --sim-socket``."""
        self.world = World(self._in_world)
        self.control = Commands(config.control_socket)
        self._tap = Tap()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._station: Station | None = None
        self._stopping: asyncio.Event | None = None
        self._up: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="secc-station", daemon=True)

    # Start and stop

    def start(self) -> None:
        """Start; returns when a car can charge. Raises the error that prevents it."""
        self._thread.start()
        self._up.result(START_SECONDS)

    def close(self) -> None:
        """Stop the station as SIGTERM does, without time for the car. Nothing stays behind."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(START_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the station does not stop")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # ``start`` raises it
            if not self._up.done():
                self._up.set_exception(error)

    async def _serve(self) -> None:
        from secc.station.compose import compose
        from secc.station.shared.notify import Notifier
        from secc.station.station import Station

        services = compose(self.config, Notifier({}))
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._station = station = Station(services)
        publish = services.publish

        def hear(event: Mapping[str, Any]) -> None:
            self.events.append(dict(event))
            publish(event)

        services.publish = hear
        for outlet in station.outlets:
            self._tap.listen(outlet)
        try:
            await station.open()
            self._up.set_result(None)
            await self._stopping.wait()
            for outlet in station.outlets:
                outlet.hurry()
        finally:
            await station.close()

    # For tests

    @property
    def port(self) -> int | None:
        """The TCP port that SDP names; None while no car may connect."""
        port: int | None = self.control.state()["port"]
        return port

    @property
    def ended(self) -> list[str]:
        """Why each session so far has ended: the codes of ``docs/reasons.md``."""
        return [event["code"] for event in list(self.events) if event["event"] == "session ended"]

    @property
    def messages(self) -> list[Message]:
        """Every message of every session so far, decoded, oldest first."""
        return list(self._tap.messages)

    @property
    def trace(self) -> list[dict[str, Any]]:
        """The trace of the last ended session, a dictionary a line; empty before."""
        traces = sorted(self.config.trace_directory.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(line) for line in traces[-1].read_text().splitlines()] if traces else []

    # Wrong answers

    def misbehave(
        self,
        answer: str,
        *,
        late: float = 0.0,
        code: str | None = None,
        cut: bool = False,
        skip: int = 0,
        times: int = 1,
    ) -> None:
        """Make an answer of the station wrong: ``misbehave("CurrentDemandRes", late=1.0)``. The
        hardware stays safe.

        ``late``: the answer comes this many seconds too late; ``code``: a response code instead of
        its own, such as ``FAILED``, after which the station hangs up within 5 s if the car does
        not; ``cut``: the TCP connection ends instead. ``skip`` answers of this name are right
        before, ``times`` of them are wrong. Raises ValueError for an answer or a code that does not
        exist.
        """
        self._tap.plan(Fault(answer, late=late, code=code, cut=cut, skip=skip, times=times))

    def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until ``condition`` holds. Raises AssertionError if it does not in time."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (
                f"not within {seconds} s; the station's events: {json.dumps(self.events[-10:])}"
            )
            time.sleep(STEP_SECONDS)

    def _in_world(self, act: Callable[[SimulatedWorld], T]) -> T:
        assert self._loop is not None
        result: Future[T] = Future()

        def do() -> None:
            try:
                result.set_result(act(self._world()))
            except Exception as error:  # noqa: BLE001  # for the thread that asked
                result.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        return result.result(START_SECONDS)

    def _world(self) -> SimulatedWorld:
        from hal.sim.board import SimBoard

        assert self._station is not None
        board = self._station.outlets[0].hardware.board
        if not isinstance(board, SimBoard) or board.world is None:
            raise LookupError("this station's hardware is not simulated in this process")
        return board.world


def configuration(
    directory: Path,
    *,
    connector: str = "dc",
    speed: float = 1.0,
    eim: str = "free",
    tls: bool = False,
    flaws: tuple[str, ...] = (),
    allow: tuple[str, ...] = (),
    hal: str = "",
    settings: Mapping[str, Any] | None = None,
) -> tuple[Config, Path | None]:
    """Returns a configuration below ``directory`` and, with ``tls``, the directory of a car that
    may charge by Plug & Charge.

    ``connector`` is dc or ac, ``speed`` the factor of the simulated world's time, ``allow`` lines
    of the allowlist (``rfid 04A2B3C4``), ``hal`` another address of simulated hardware,
    ``settings`` more of ``secc.config.FLAGS``; ``flaws``, with ``tls``, names flawed contracts.
    Raises ConfigError, and ValueError for an unknown flaw.
    """
    from secc.config import LabOrders, from_flags

    allowlist, lines = directory / "allowlist.txt", list(allow)
    # The path of a socket may have about 100 octets, and a test's directory often has more.
    sockets = Path(tempfile.mkdtemp(prefix="secc-"))
    flags: dict[str, Any] = {
        "iface": "lo",
        "state": directory / "state",
        "hal": hal or f"sim:?connector={connector}&speed={speed:g}&control={sockets / PANEL}",
        "transfers": ["dc"] if connector == "dc" else ["ac-three-phase", "ac-single-phase"],
        "eim": eim,
        "sdp_port": _free_port(),
        "allowlist": allowlist,
        "control": sockets / "control.sock",
        "clock": "rtc",
        "trace": "always",
    }
    if flaws and not tls:
        raise ValueError("flawed contracts need tls=True: no contract is shown without")
    pki = directory / "pki" if tls else None
    if pki is not None:
        known = importlib.import_module("secc.tools.pki.flaws").FLAWS
        if unknown := [name for name in flaws if name not in known]:
            raise ValueError(f"no flaw {', '.join(unknown)}; `secc pki flaws` names them")
        importlib.import_module("secc.tools.pki.layout").make_lab_pki(pki, flaws=flaws)
        station = pki / "station"
        flags |= {"truststore": station / "truststore", "keystore": station / "keystore"}
        (station / "staples").rename(station / "keystore" / "ocsp")
        pki = pki / "car"
        lines.append(f"emaid {(pki / 'emaid.txt').read_text().strip()}")
    allowlist.write_text("".join(f"{line}\n" for line in lines))
    # The station does not read a list that others may write, so ignore the umask.
    allowlist.chmod(0o644)
    config = from_flags(flags | dict(settings or {}))
    return replace(config, lab=replace(config.lab, orders=LabOrders(enabled=True))), pki


def _free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", 0))
        port: int = sock.getsockname()[1]
        return port


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def secc_station(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StationUnderTest]:
    """A running station, new for each test. The marker ``secc_station`` configures it."""
    marker = request.node.get_closest_marker("secc_station")
    config, pki = configuration(tmp_path, **(marker.kwargs if marker is not None else {}))
    station = StationUnderTest(config, pki)
    try:
        station.start()
        yield station
    finally:
        station.close()
        shutil.rmtree(config.control_socket.parent, ignore_errors=True)

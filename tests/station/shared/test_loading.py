"""When a protocol's modules are imported and its codec is compiled, and on which thread. Each story runs in a process that has neither yet."""

from __future__ import annotations

import asyncio
import importlib.abc
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
WORK = "python-work"
DATA = ["secc.iso2.personal", "secc.iso2.quirks", "secc.iso2.reasons"]
"""What the folder of a protocol has besides: no message, no phase."""


class Imports(importlib.abc.MetaPathFinder):
    """Notes which module of a protocol is imported on which thread; finds nothing itself."""

    def __init__(self) -> None:
        self.threads: dict[str, str] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        if name.startswith("secc.iso2."):
            self.threads[name] = threading.current_thread().name


def note_compiling() -> dict[str, str]:
    """By function of the codec, from now on: the thread on which it is compiled."""
    from secc.exi import source

    threads: dict[str, str] = {}
    compile_ = source.Namespace.compile

    def noted(namespace: source.Namespace, ctype: Any) -> Any:
        if ctype not in namespace._compiled:
            threads[f"{namespace.verb} {ctype.name}"] = threading.current_thread().name
        return compile_(namespace, ctype)

    source.Namespace.compile = noted  # type: ignore[method-assign]  # a spy
    return threads


def told(story: str, *arguments: object) -> Any:
    """What a story below says, run in a process of its own."""
    call = f"import json, tests.station.shared.test_loading as t; print(json.dumps(t.{story}(*{arguments!r})))"
    done = subprocess.run([sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def the_folder_alone() -> list[str]:
    from secc import iso2

    protocol = iso2.protocol()
    before = sorted(name for name in sys.modules if name.startswith("secc.iso2"))
    protocol.load()
    assert "secc.iso2.messages" in sys.modules
    return before


def test_a_protocol_that_nobody_has_loaded_costs_nothing() -> None:
    assert told("the_folder_alone") == ["secc.iso2", *DATA]


def a_station_that_waits(directory: str, hal: str = "sim:") -> dict[str, Any]:
    imports, compiled = Imports(), note_compiling()
    sys.meta_path.insert(0, imports)
    from hal.sim.clock import run_virtual
    from secc.config import Config, OutletSettings
    from secc.config import Station as StationSettings
    from secc.station.compose import compose
    from secc.station.shared.notify import Notifier
    from secc.station.station import Station

    seen: dict[str, Any] = {}

    async def main() -> None:
        settings = OutletSettings(interface="lo", hal=hal, sdp_port=port())
        config = Config((settings,), station=StationSettings(state_directory=Path(directory)))
        services = compose(config, Notifier({}))
        seen["composed"] = sorted(imports.threads)
        # Not before everything else is up.
        prepare = services.protocols.prepare

        def prepared() -> asyncio.Future[None] | None:
            seen["up"] = sorted(imports.threads), sorted(compiled)
            return prepare()

        services.protocols.prepare = prepared  # type: ignore[method-assign]  # a spy
        station = Station(services)
        await station.open()
        assert station.preparing is not None
        await station.preparing
        await asyncio.sleep(1.0)
        seen["slac"] = "secc.link.slac.matching" in sys.modules
        await station.close()

    run_virtual(main())
    return {**seen, "imports": imports.threads, "compiled": compiled}


def port() -> int:
    import socket

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", 0))
        return int(sock.getsockname()[1])


def test_a_station_loads_what_most_cars_speak_when_it_is_up_and_not_on_its_loop(tmp_path: Path) -> None:
    found = told("a_station_that_waits", str(tmp_path))
    assert found["composed"] == DATA
    imported, compiled = found["up"]
    assert imported == DATA
    assert "read SupportedAppProtocolReq" in compiled
    assert not any("V2G_Message" in name for name in compiled)
    threads = {name: thread for name, thread in found["imports"].items() if name not in DATA}
    assert "secc.iso2.messages" in threads
    assert set(threads.values()) == {WORK}
    assert {"read CurrentDemandReq", "write SessionSetupRes"} <= set(found["compiled"]), found["compiled"]
    assert set(found["compiled"].values()) == {WORK}


@pytest.mark.parametrize(("hal", "matched"), [("sim:", False), ("sim:?modem=1", True)])
def test_an_outlet_without_a_modem_does_not_load_slac(tmp_path: Path, hal: str, matched: bool) -> None:
    assert told("a_station_that_waits", str(tmp_path), hal)["slac"] is matched


def a_car_that_comes_before_that(directory: str) -> dict[str, str]:
    compiled = note_compiling()
    from hal.sim.clock import run_virtual
    from secc.config import Eim, Tls
    from secc.station.shared.loading import Protocols
    from tests.station_scene import BOTH, configured, station
    from tools.evcc.behaviour import Behaviour, Payment

    Protocols.prepare = lambda protocols: None  # type: ignore[method-assign]  # nothing is done in the background
    config = configured(Path(directory), tls=Tls.REQUIRED, payments=BOTH, eim=Eim.LIST)

    async def main() -> None:
        async with station(config) as scene:
            drive = scene.drive(Behaviour(payment=Payment.CONTRACT, loops=3), tls=True)
            assert (await drive.done()).outcome == "completed.full"

    run_virtual(main())
    return compiled


def test_what_a_car_needs_that_comes_early_is_not_compiled_on_the_loop(tmp_path: Path) -> None:
    """The car of this test is in the same process: what only the station does, it reads requests and writes responses, is looked at."""
    compiled = told("a_car_that_comes_before_that", str(tmp_path))
    ours = {
        name: thread
        for name, thread in compiled.items()
        if (name.startswith("read ") and "Req" in name) or (name.startswith("write ") and "Res" in name)
    }
    assert {"read SessionSetupReq", "read AuthorizationReq", "write PaymentDetailsRes"} <= set(ours), ours
    assert set(ours.values()) == {WORK}


def warm_the_car() -> None:
    """The car of this test is in the same process: it writes requests and reads responses."""
    from secc.exi import xmldsig
    from secc.iso2 import messages as m
    from secc.iso2.dialogue import RESPONSES
    from secc.session import supported_app_protocol as sap

    sap.SCHEMA.warm(reads=(sap.SupportedAppProtocolRes,), writes=(sap.SupportedAppProtocolReq,))
    m.SCHEMA.warm(reads=tuple(RESPONSES.values()), writes=tuple(RESPONSES))
    xmldsig.SCHEMA.warm(writes=(xmldsig.SignedInfo,))


def a_car_that_comes_after_that(directory: str, dc: bool) -> list[str]:
    from frozen import code
    from hal.sim.clock import run_virtual
    from secc.config import Eim, Tls
    from tests.station_scene import BOTH, configured, station
    from tools.evcc.behaviour import Behaviour, Current, Payment

    config = configured(Path(directory), dc=dc, tls=Tls.REQUIRED, payments=BOTH, eim=Eim.LIST)
    made: list[str] = []
    compiled = code.compiled

    def noted(source: str, file: str) -> Any:
        made.append(source.partition(":")[0])
        return compiled(source, file)

    async def main() -> None:
        async with station(config) as scene:
            assert scene.station.preparing is not None
            await scene.station.preparing
            warm_the_car()
            code.compiled = noted
            sys.modules["secc.exi.source"].compiled = noted  # type: ignore[attr-defined]  # a spy
            drive = scene.drive(
                Behaviour(payment=Payment.CONTRACT, loops=3, current=Current.DC if dc else Current.AC), tls=True
            )
            assert (await drive.done()).outcome == "completed.full"

    run_virtual(main())
    return made


@pytest.mark.parametrize("dc", [False, True], ids=["AC", "DC"])
def test_for_the_first_car_nothing_is_compiled_any_more(tmp_path: Path, dc: bool) -> None:
    assert told("a_car_that_comes_after_that", str(tmp_path), dc) == []

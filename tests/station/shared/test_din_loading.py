"""A station loads the first protocol that an outlet speaks, and DIN SPEC 70121 beside another one when a car has chosen it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.station.shared.test_loading import ROOT, port

STORY = """
import asyncio, json, sys
from pathlib import Path
from hal.sim.clock import run_virtual
from secc.config import Config, Eim, OutletSettings, Uplink
from secc.config import Station as Settings
from secc.station.compose import compose
from secc.station.shared.notify import Notifier
from secc.station.station import Station

def loaded():
    return [name for name in ("din", "iso2") if f"secc.{name}.messages" in sys.modules]

async def main(directory, port, protocols):
    outlet = OutletSettings(interface="lo", hal="sim:", sdp_port=int(port), protocols=protocols)
    config = Config((outlet,), station=Settings(state_directory=Path(directory)), uplink=Uplink(eim=Eim.FREE))
    services = compose(config, Notifier({}))
    before = loaded()
    station = Station(services)
    await station.open()
    await station.preparing
    await asyncio.sleep(1.0)
    waiting = loaded()
    for protocol in services.protocols.spoken:
        await services.protocols.load(protocol)
    await station.close()
    return before, waiting, loaded()

directory, port, *protocols = sys.argv[1:]
print(json.dumps(run_virtual(main(directory, port, tuple(protocols)))))
"""


@pytest.mark.parametrize(
    ("protocols", "waiting", "chosen"),
    [((), ["iso2"], ["din", "iso2"]), (("din",), ["din"], ["din"]), (("iso2",), ["iso2"], ["iso2"])],
)
def test_what_no_outlet_speaks_is_never_loaded_and_a_second_protocol_when_it_is_chosen(
    tmp_path: Path, protocols: tuple[str, ...], waiting: list[str], chosen: list[str]
) -> None:
    command = [sys.executable, "-c", STORY, str(tmp_path), str(port()), *protocols]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], waiting, chosen]

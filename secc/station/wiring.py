"""Who performs, answers and hears what at an outlet, read from the tables that serve cars: for
``secc doctor --wiring``.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from secc import energy
from secc.config import Config, OutletSettings, Station
from secc.conversation import Session
from secc.link.slac.matching import SlacSession
from secc.link.slac.settings import SlacSettings
from secc.outlet.plugin import Plugin
from secc.outlet.settings import PlugInSettings
from secc.session.negotiation import open_negotiation
from secc.session.offer import Offer
from secc.session.protocol import Transport
from secc.station.compose import compose
from secc.station.serving.outlet import OutletHost
from secc.station.shared.notify import Notifier
from secc.station.shared.services import Services


class Wire(NamedTuple):
    """A type of effect, question or event, by name: who performs or answers it or is told of it,
    and which conversations hear it.
    """

    name: str
    performers: tuple[str, ...] = ()
    heard_by: tuple[str, ...] = ()


def wiring() -> tuple[Wire, ...]:
    """Returns the table of an outlet with what each conversation hears, sorted by name. Opens no
    hardware and leaves no files.
    """
    return asyncio.run(_wiring())


async def _wiring() -> tuple[Wire, ...]:
    with tempfile.TemporaryDirectory() as directory:
        settings = OutletSettings(interface="lo", hal="sim:")
        config = Config((settings,), station=Station(state_directory=Path(directory)))
        services = compose(config, Notifier({}))
        try:
            host = OutletHost(services.config.outlets[0], services)
            host.matching.prepare()
            table = host.router.wiring()
            heard: dict[str, list[str]] = {}
            for conversation, session in _conversations(services).items():
                session.begin(asyncio.get_running_loop().time())
                for kind in session.hears:
                    heard.setdefault(kind.__name__, []).append(conversation)
        finally:
            await services.close()
    return tuple(
        Wire(name, tuple(table.get(name, ())), tuple(sorted(heard.get(name, ()))))
        for name in sorted(table.keys() | heard.keys())
    )


def _conversations(services: Services) -> dict[str, Session]:
    """Returns each conversation of an outlet, not begun."""
    now = asyncio.get_running_loop().time()
    surroundings = services.surroundings(now)
    spoken = services.protocols.spoken
    return {
        "power path (AC)": energy.PowerPath(energy.AcSettings(), now=now),
        "power path (DC)": energy.PowerPath(energy.DcSettings(), now=now),
        "plug-in": Plugin(PlugInSettings(), now=now).session,
        "matching": SlacSession(SlacSettings(evse_mac=bytes(6)), now=now),
        "negotiation": open_negotiation(spoken, surroundings, transport=Transport.PLAIN).session,
        **{f"session ({protocol.name})": protocol.load().open(Offer(), surroundings).session for protocol in spoken},
    }

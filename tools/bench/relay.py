"""What the station adds to the time of a provisioning service, between the car's request and its answer."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tools.provisioning import ProvisioningService, serve

from .cars import Cars
from .figures import Section, spread
from .stations import BenchFailed, Ground, by_contract, ready

ADDED_MS = 5.0
REQUEST = "CertificateInstallationReq"
PREPARED_SECONDS = 12.0


@dataclass(slots=True)
class TimedService(ProvisioningService):
    """A service that notes how long each of its answers took, in seconds."""

    took: list[float] = field(default_factory=list)

    def answer(self, octets: bytes) -> bytes:
        began = time.perf_counter()
        try:
            return ProvisioningService.answer(self, octets)
        finally:
            self.took.append(time.perf_counter() - began)


@contextlib.contextmanager
def served(service: ProvisioningService, socket: Path) -> Iterator[None]:
    """Serve at this socket, in a thread, until the block ends."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(serve(service, socket))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of relayed answers. Raises BenchFailed."""
    section = Section("relay", "Certificate installation: what the station adds to the service's time", ground.factor)
    service = TimedService.load(ground.pki, datetime.now(UTC))
    assert isinstance(service, TimedService)
    directory = ground.directory / "provisioning"
    directory.mkdir()
    socket, added = directory / "socket", []
    with served(service, socket), ready(ground, 1, first=True, provisioning=str(socket)) as station:
        if not quick:
            station.rest(PREPARED_SECONDS)
        before = station.tree.cpu()
        # A station passes three requests an hour for one certificate on.
        for _ in range(1 if quick else 3):
            order = station.places[0].order(loops=1, provision="installation", pauses={})
            (exchanges,) = Cars([order]).done().cars
            answers = [one.answer for one in exchanges if one.name == REQUEST]
            if len(answers) != 1 or not service.took:
                raise BenchFailed(
                    f"the car asked {len(answers)} times for a contract, the service was asked {len(service.took)} times"
                )
            added.append(1000.0 * (answers[0] - service.took[-1]))
        waiting = station.tree.cpu().since(before).waiting
        by_contract(station.directory / "log", len(added))
    section.facts = {"added ms": added, "service ms": [1000.0 * took for took in service.took]}
    what, note = (
        f"{REQUEST} to its answer, without the service's time",
        f"the service took {1000.0 * statistics.median(service.took):.0f} ms",
    )
    section.judge(
        what, statistics.median(added), "ms", ADDED_MS, shown=f"{spread(added)} ms", waiting=waiting, note=note
    )
    return section

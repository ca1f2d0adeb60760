"""What a station of the tests is configured with: a lab PKI on the disk, ports that are free, outlets on the loopback."""

from __future__ import annotations

import atexit
import functools
import random
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from secc.config import (
    Clock,
    Config,
    Eim,
    Lab,
    Log,
    OutletSettings,
    Timing,
    Tls,
    Trace,
    TraceMode,
    Trust,
    Uplink,
)
from secc.config import Station as StationSettings
from secc.session.offer import Payment, Transfer
from secc.station.compose import compose
from secc.station.shared.notify import Notifier
from secc.station.station import Station
from tools.pki.lab import EMAID, LabPki, build_lab_pki
from tools.pki.layout import write_lab_pki

FLAWED = (
    "bad-signature",
    "country-unknown",
    "emaid-mismatch",
    "expired-leaf",
    "expired-sub-ca",
    "foreign-root",
    "leaf-not-yet-valid",
    "sub-ca-country-unknown",
)
"""The flawed contracts in the lab PKI of the tests."""
BOTH = (Payment.CONTRACT, Payment.EXTERNAL)


@functools.cache
def lab() -> LabPki:
    """A lab PKI of today, once for each test process."""
    return build_lab_pki(datetime.now(UTC))


def short_directory() -> Path:
    """A directory that goes with this process; its path is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="secc-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@functools.cache
def lab_pki() -> Path:
    """The directory with the files of :func:`lab`."""
    directory = Path(tempfile.mkdtemp(prefix="lab-pki-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    write_lab_pki(lab(), directory, flaws=FLAWED)
    return directory


PORTS = range(20_000, 30_000)
"""Below those that the kernel gives to a process that asks for any."""
_reserved: deque[socket.socket] = deque()
MOST_RESERVED = 200
"""More than one test needs; a claim is a descriptor, and the loops of virtual time select among 1024."""


def free_udp_port() -> int:
    """A port that is ours until so many others were asked for, for a station that binds it later.

    Tests in other processes ask in the same way: a name in the abstract socket namespace, which goes with the process, says who has it.
    """
    first = random.randrange(len(PORTS))
    for port in (*PORTS[first:], *PORTS[:first]):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0secc-test-port-{port}")
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.bind(("::", port))
        except OSError:
            claim.close()
            continue
        _reserved.append(claim)
        if len(_reserved) > MOST_RESERVED:
            _reserved.popleft().close()
        return port
    raise AssertionError("no UDP port is free")


def configured(
    directory: Path,
    *,
    outlets: int = 1,
    dc: bool = True,
    tls: Tls = Tls.OFF,
    payments: tuple[Payment, ...] = (Payment.EXTERNAL,),
    eim: Eim = Eim.FREE,
    hal: str = "",
    transfers: tuple[Transfer, ...] | None = None,
    protocols: tuple[str, ...] = (),
    timing: Timing | None = None,
    lab: Lab | None = None,
    trace: TraceMode = TraceMode.ALWAYS,
    allow: str = "",
) -> Config:
    """A station on the loopback, each outlet with an SDP port of its own. ``allow`` is the text of the allowlist."""
    state = directory / "state"
    allowlist = directory / "allowlist.txt"
    allowlist.write_text(allow or f"emaid {EMAID}\n" if Payment.CONTRACT in payments else allow)
    address = hal or f"sim:?connector={'dc' if dc else 'ac'}&speed=1"
    wanted = transfers or ((Transfer.DC,) if dc else (Transfer.AC_THREE_PHASE,))
    trust = Trust()
    if tls is not Tls.OFF:
        station = lab_pki() / "station"
        trust = Trust(station / "truststore", station / "keystore", station / "staples", clock=Clock.RTC)
    return Config(
        outlets=tuple(
            OutletSettings(
                interface="lo",
                name=str(number + 1),
                hal=address.replace("%d", str(number + 1)),
                evse_id="DE*PNX*E12345",
                transfers=wanted,
                payments=payments,
                tls=tls,
                protocols=protocols,
                sdp_port=free_udp_port(),
            )
            for number in range(outlets)
        ),
        station=StationSettings(state_directory=state),
        trust=trust,
        uplink=Uplink(eim=eim, allowlist=allowlist, sessions=state / "sessions.jsonl"),
        trace=Trace(mode=trace),
        log=Log(),
        timing=timing or Timing(),
        lab=lab or Lab(),
    )


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Station]:
    """A station to which no car comes, up, and down again."""
    host = Station(compose(config, Notifier({})))
    await host.open()
    try:
        yield host
    finally:
        await host.close()

"""The services that all outlets of a station share."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any

from hal.ticker import Ticker
from secc.config import Config, OutletSettings, Tls
from secc.errors import ConfigError
from secc.link.connection import Serving
from secc.ops.calendar import Calendar
from secc.session.offer import Surroundings
from secc.session.protocol import V2gProtocol
from secc.station.shared.forwarded import Forwarded
from secc.station.shared.loading import Protocols
from secc.station.shared.notify import Notifier
from secc.station.shared.pace import Pace
from secc.station.shared.traces import TraceWriter
from secc.station.shared.trust import Identity, TrustRoom
from secc.station.shared.work import WorkThread
from secc.trace.files import TraceDirectory
from secc.uplink.port import Backend

log = logging.getLogger(__name__)

WAITING_RINGS = 16
"""Least number of full rings that may wait to be written; with more outlets, one for each, because
all sessions may end at once.
"""
TURN_AGE_SECONDS = 1.0
"""A station does not work if one of its guards has not looked at its board for this long."""


@dataclass(eq=False, repr=False)
class Services:
    """The shared services. ``work`` is the one thread for Python work; each outlet has threads of
    its own for private keys.
    """

    config: Config
    calendar: Calendar
    trust: TrustRoom | None
    uplink: Backend
    spoken: InitVar[tuple[V2gProtocol, ...]]
    notifier: Notifier
    publish: Callable[[Mapping[str, Any]], None] = lambda event: None
    identity: Identity = field(default_factory=Identity)
    tickets: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    keylog: Keylog | None = None
    work: WorkThread = field(default_factory=WorkThread)
    pace: Pace = field(init=False)
    forwarded: Forwarded = field(default_factory=Forwarded)
    """Requests for contracts that went to the provisioning service."""
    ticker: Ticker = field(default_factory=Ticker)
    disk: Executor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk"))
    """The thread that writes traces, and records for ``secc explain``."""
    protocols: Protocols = field(init=False)
    traces: TraceWriter = field(init=False)
    _turns: dict[str, float] = field(default_factory=dict)
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self, spoken: tuple[V2gProtocol, ...]) -> None:
        self.pace = Pace(self.ticker)
        self.protocols = Protocols(spoken, self.work, self.work.long)
        trace = self.config.trace
        directory = TraceDirectory(self.config.trace_directory, int(trace.cap_megabytes * 1e6))
        waiting = trace.ring_kilobytes * 1024 * max(len(self.config.outlets), WAITING_RINGS)
        self.traces = TraceWriter(directory, self.work, self.disk, waiting)

    @property
    def unbooked(self) -> str:
        """Why no new session may begin: it could not be booked. Empty if it may."""
        return "" if self.config.uplink.danger_charge_unbooked else self.uplink.unbooked

    async def reload(self, *, anew: bool = True) -> None:
        """Read again what has changed on the disk: lists, roots, chains, OCSP responses, and a
        reset of the clock by root. ``anew``: check the chains in any case.

        Raises ConfigError for a wrong list; the last good one stays in force. One reload at a time.
        """
        async with self._reloading:
            await asyncio.to_thread(self.calendar.reread)
            await self.load_trust(anew=anew)
            await self.uplink.reload()
            if self.trust is not None and self.trust.revoked_problem is not None:
                raise self.trust.revoked_problem

    async def load_trust(self, *, anew: bool = True) -> None:
        """Read roots, revoked certificates, chains and OCSP responses. Raises ConfigError if no
        list of revoked certificates can be used.
        """
        if self.trust is not None and await asyncio.to_thread(self.trust.refresh, anew=anew):
            self.identity = self.trust.shown
            self.calendar.ends(self.identity.ends)
            for problem in self.trust.problems:
                log.warning("trust: %s", problem)

    def surroundings(self, now: float) -> Surroundings:
        return Surroundings(now=now, entropy=os.urandom, wall=self.calendar.wall, tickets=self.tickets)

    def serving(self, outlet: OutletSettings) -> Serving:
        """Returns what a car may connect to at this outlet now."""
        contexts = self.identity.contexts if outlet.tls is not Tls.OFF else ()
        return Serving(
            contexts=contexts,
            plain=outlet.tls is not Tls.REQUIRED,
            strict=self.config.lab.strict,
            handshake_seconds=self.config.timing.handshake_seconds,
            at=self.calendar.wall().time if contexts else None,
        )

    def turned(self, outlet: str, now: float) -> None:
        """The guard of this outlet has looked at its board in time."""
        self._turns[outlet] = now

    def unguarded(self, outlet: str) -> None:
        """The guard of this outlet has ended, as it should."""
        self._turns.pop(outlet, None)

    def beat(self) -> None:
        """Feed the watchdog of the service manager while every guard does its work. A board that is
        missing or lost has no effect on the other outlets.
        """
        now = asyncio.get_running_loop().time()
        if now >= self.notifier.next_beat and all(now - at < TURN_AGE_SECONDS for at in self._turns.values()):
            self.notifier.beat(now)

    async def close(self) -> None:
        await self.uplink.close()
        self.work.shutdown(cancel_futures=True)
        self.disk.shutdown(wait=False)
        if self.keylog is not None:
            self.keylog.close()


class Keylog:
    """``lab.danger_keylog``: an NSS key log that only its owner can read."""

    def __init__(self, path: Path) -> None:
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, how, 0o600)
        except OSError as error:
            raise ConfigError("lab.danger_keylog", f"{path}: {error.strerror}") from error
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
            os.close(self._descriptor)
            raise ConfigError("lab.danger_keylog", f"{path}: is not a file that only the station's user can read")
        self._failed = False

    def __call__(self, line: str) -> None:
        try:
            os.write(self._descriptor, f"{line.rstrip()}\n".encode())
        except OSError as error:
            # A handshake does not end because a disk is full.
            if not self._failed:
                log.error("the key log cannot be written: %s", error)
            self._failed = True

    def close(self) -> None:
        # A handshake may still run on its thread: by then the number may be of another file.
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

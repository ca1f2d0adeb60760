"""What stays of a session: milestones in the log, its trace, its record for ``secc explain``, its reports to the backend.

What has to reach the disk is written on worker threads, in order, and nothing of the car's contract is kept when it is over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from secc import __version__
from secc.config import Config
from secc.config import Outlet as OutletSettings
from secc.conversation import Effect, Event, Levels, Reason
from secc.errors import SeccError
from secc.link.tls_chain import Handshaken
from secc.session.effects import Milestone, Verdict
from secc.session.offer import Offer, Surroundings, V2gProtocol
from secc.session.recorder import Recorder, wanted, write_trace
from secc.station.compose import Services
from secc.uplink.port import Identity, SessionEnded, SessionStarted

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 10.0
"""Charging is worth a line this often, and whenever the state of charge has changed."""


class Journal:
    """One outlet's."""

    def __init__(self, settings: OutletSettings, config: Config, services: Services, executor: Executor) -> None:
        self._settings = settings
        self._config = config
        self._services = services
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._recorder: Recorder | None = None
        self._offer: Offer | None = None
        self._session = ""
        self._started = False
        self._began_watt_hours = 0.0
        self.identity: Identity | None = None
        """Who charges; known from the moment of authorisation to the end of the session, and only here."""
        self._writes: asyncio.Queue[Callable[[], Awaitable[Any]]] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    # A connection comes about

    def connected(self, connection: object, peer: str, now: float) -> None:
        del connection
        log.debug("outlet %s: connection from %s", self._settings.name, peer)
        self._session = secrets.token_hex(8)
        self._started = False
        self._recorder = Recorder(
            now,
            ring_octets=self._config.trace.ring_kilobytes * 1024,
            keep_personal=self._config.lab.danger_trace_personal,
            outlet=self._settings.name,
            session=self._session,
            software=__version__,
            time=self._services.calendar.wall().time.isoformat(timespec="seconds"),
        )

    def secured(self, handshaken: Handshaken) -> None:
        staple = "stapled" if handshaken.stapled else "no staple"
        text = (
            f"{handshaken.version} {handshaken.suite}, chain {handshaken.chain} ({handshaken.choice.value}), {staple}"
        )
        log.info("outlet %s: %s", self._settings.name, text)
        for quirk in handshaken.quirks:
            self.remark(quirk, "in the TLS handshake")
        self._note(text)

    def recorded(self, surroundings: Surroundings) -> Surroundings:
        """The same surroundings, with every draw in the trace."""
        if self._recorder is None:
            return surroundings
        return Surroundings(
            now=surroundings.now,
            entropy=self._recorder.entropy(surroundings.entropy, self._loop.time),
            wall=self._recorder.wall(surroundings.wall, self._loop.time),
            tickets=surroundings.tickets,
        )

    def began(self, protocol: V2gProtocol, offer: Offer, now: float) -> None:
        self._offer = offer
        payments = ", ".join(payment.value for payment in offer.payments)
        log.info("outlet %s: %s, offered: %s", self._settings.name, protocol.name, payments)
        if self._recorder is not None:
            self._recorder.speaks(protocol.name, protocol.personal, now)
            self._recorder.offered(offer, now)

    # It goes on

    def saw(self, now: float, event: Event | None, effects: tuple[Effect, ...], levels: Levels) -> None:
        if self._recorder is not None:
            self._recorder.stepped(now, event, effects, levels)

    def sent(self, now: float, payload_type: int, message: Any, octets: bytes) -> None:
        log.debug("outlet %s: > %s", self._settings.name, type(message).__name__)
        if self._recorder is not None:
            self._recorder.sent(now, payload_type, message, octets)

    def remark(self, code: str, text: str) -> None:
        """A quirk that was tolerated, under its code."""
        log.info("outlet %s: tolerated %s: %s", self._settings.name, code, text)
        self._note(f"tolerated {code}: {text}")

    def verdict(self, question: str, verdict: Verdict) -> None:
        log.info(
            "outlet %s: %s: %s%s",
            self._settings.name,
            question,
            verdict.decision.value,
            f" ({verdict.detail})" if verdict.detail else "",
        )

    def reached(self, milestone: Milestone, facts: Mapping[str, Any], levels: Levels) -> None:
        if milestone is Milestone.POWER_ON:
            self._start(levels)
        if milestone in (Milestone.CHARGING, Milestone.POWER_ON, Milestone.POWER_OFF):
            facts = {**facts, "volts": levels.volts, "amperes": levels.amperes, "kWh": self._kilowatt_hours(levels)}
        log.info("outlet %s: %s%s", self._settings.name, milestone.value, _told(facts))

    def _kilowatt_hours(self, levels: Levels) -> float:
        return max(0.0, levels.watt_hours - self._began_watt_hours) / 1000.0 if self._started else 0.0

    def _start(self, levels: Levels) -> None:
        if self._started:
            return
        self._started = True
        self._began_watt_hours = levels.watt_hours
        report = SessionStarted(
            session=self._session,
            outlet=self._settings.name,
            evse_id=self._settings.evse_id,
            identity=self.identity or Identity("free" if self._offer is not None and self._offer.free else "unknown"),
            at=self._services.calendar.wall(),
            watt_hours=levels.watt_hours,
            meter_id=self._offer.meter_id if self._offer is not None else "",
        )
        self._write(lambda: self._services.uplink.session_started(report))

    # It is over

    def ended(self, reason: Reason, now: float, milestone: Milestone | None, levels: Levels) -> None:
        recorder, self._recorder = self._recorder, None
        if self._started:
            log.info("outlet %s: delivered %.3f kWh", self._settings.name, self._kilowatt_hours(levels))
            report = SessionEnded(
                session=self._session,
                outlet=self._settings.name,
                reason=reason.code,
                at=self._services.calendar.wall(),
                watt_hours=levels.watt_hours,
            )
            self._write(lambda: self._services.uplink.session_ended(report))
        self._started, self.identity, self._offer = False, None, None
        if recorder is None:
            return
        recorder.ended(reason, now)
        if wanted(self._config.trace.mode.value, reason):
            self._trace(recorder)

    def _trace(self, recorder: Recorder) -> None:
        lines = (
            recorder.take()
        )  # rendered while it is written, on the worker thread: a long trace takes tens of milliseconds
        moment = self._services.calendar.wall().time
        name = f"{moment:%Y%m%dT%H%M%S}-{self._settings.name}-{self._session}"
        cap = int(self._config.trace.cap_megabytes * 1e6)

        async def write() -> None:
            path = await self._loop.run_in_executor(
                self._executor, write_trace, self._config.trace_directory, name, lines, cap
            )
            log.info("outlet %s: trace written: %s", self._settings.name, path)

        self._write(write)

    def _note(self, text: str) -> None:
        if self._recorder is not None:
            self._recorder.note(text, self._loop.time())

    def _write(self, job: Callable[[], Awaitable[Any]]) -> None:
        self._writes.put_nowait(job)
        if self._writer is None or self._writer.done():
            self._writer = self._loop.create_task(self._write_all(), name=f"{self._settings.name} journal")

    async def _write_all(self) -> None:
        """In order: a session's start is stored before its end."""
        while not self._writes.empty():
            job = self._writes.get_nowait()
            try:
                await job()
            except SeccError as error:
                log.error("outlet %s: %s", self._settings.name, error)
            except Exception:
                log.exception("outlet %s: a bug in writing down a session", self._settings.name)

    async def close(self) -> None:
        """Everything that was promised to be stored is stored."""
        if self._writer is not None:
            await asyncio.gather(self._writer, return_exceptions=True)


def _told(facts: Mapping[str, Any]) -> str:
    words = [
        f"{name} {value:.3f}"
        if name == "kWh"
        else f"{name} {value:g}"
        if isinstance(value, float)
        else f"{name} {value}"
        for name, value in facts.items()
    ]
    return f": {', '.join(words)}" if words else ""

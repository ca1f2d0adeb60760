"""What stays of a session: milestones in the log, its trace, its record for ``secc explain``, its reports to the backend.

What has to reach the disk is written on worker threads, in order, and nothing of the car's contract is kept when it is over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certs import Contract
from secc.config import Config, Eim, OutletSettings
from secc.conversation import Effect, Levels, Reason, Received, Wall
from secc.errors import SeccError
from secc.link.tls.chain import Handshaken
from secc.link.tls.report import TlsReport
from secc.session.effects import Milestone, Verdict
from secc.session.events import ConnectionClosed
from secc.session.log import about, running_sessions, told
from secc.session.offer import Offer, Surroundings
from secc.session.proof import ProvedContract
from secc.session.protocol import V2gProtocol
from secc.station.compose import Services
from secc.station.serving.draft import Draft, tls_seen
from secc.station.serving.hardware import Hardware
from secc.trace.explain import PILOT_AND_DUTY, SessionRecord
from secc.trace.explain_trace import certificate_note, tls_note
from secc.trace.history import History
from secc.trace.recorder import Recorder, wanted
from secc.uplink.port import Identity, SessionEnded, SessionStarted
from secc.version import version

log = logging.getLogger(__name__)

_BY_PILOT = {
    "stopped": Reason("completed", "terminated"),
    "unplugged": Reason("completed", "unplugged"),
    "shutdown": Reason("severed", "station-shutdown"),
}
"""How charging without a session ends in order; any other cause is a fault."""
REST_SECONDS = 5.0
REST_STEP_SECONDS = 0.02
"""How long the last meter reading waits for the contactor: what flows until it is open was delivered, too."""


@dataclass(slots=True)
class _Metered:
    """A charging session in the books. ``now`` is the newest reading, and after the end the last one."""

    session: str
    began: float | None
    now: float | None

    @property
    def delivered(self) -> float | None:
        return max(0.0, self.now - self.began) if self.now is not None and self.began is not None else None


class Journal:
    """One outlet's. ``identified`` says who is beside the running session: from outside the car, or by a contract that was kept (Q-41)."""

    def __init__(
        self,
        settings: OutletSettings,
        config: Config,
        services: Services,
        hardware: Hardware,
        executor: Executor,
        identified: Callable[[], Identity | None],
    ) -> None:
        self.last = ""
        """Why the last session ended: the code."""
        self._settings = settings
        self._config = config
        self._services = services
        self._hardware = hardware
        self._executor = executor
        self._identified = identified
        self._loop = asyncio.get_running_loop()
        self._recorder: Recorder | None = None
        self._draft = Draft(settings.name, "", 0.0, services.calendar.wall())
        self._history = History(config.station.state_directory, settings.name)
        self._offer: Offer | None = None
        self._payer: Identity | None = None
        """Who pays for the running session, once that is decided: a stop takes the identification back, and not what was delivered on it."""
        self._metered: _Metered | None = None
        self._at_rest: float | None = None
        """What the meter said when the contactor was last seen open: a session's energy counts from there."""
        self._session = ""
        self._by_pilot: Draft | None = None
        """Of a charging session without a protocol."""
        self._writes: asyncio.Queue[Callable[[], Awaitable[Any]]] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    # A connection comes about

    def connected(self, peer: str, now: float) -> None:
        self._draft = self._begin(now)
        log.debug("outlet %s: connection from %s", self._settings.name, peer)
        self._recorder = Recorder(
            now,
            ring_octets=self._config.trace.ring_kilobytes * 1024,
            keep_personal=self._config.lab.danger_trace_personal,
            outlet=self._settings.name,
            session=self._session,
            software=version(),
            time=self._services.calendar.wall().time.isoformat(timespec="seconds"),
        )

    def _begin(self, now: float) -> Draft:
        self._session = secrets.token_hex(8)
        running_sessions.began(self._settings.name, self._session)
        return Draft(self._settings.name, self._session, now, self._services.calendar.wall())

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
        self._draft.spoke(protocol.name)
        if self._recorder is not None:
            self._recorder.speaks(protocol.name, protocol.personal, now)
            self._recorder.offered(offer, now)

    # It goes on

    def saw(
        self, now: float, event: object, effects: tuple[Effect, ...], levels: Levels, waiting: tuple[type, ...]
    ) -> None:
        """A step of the session; ``waiting`` is what it stands still for now."""
        if self._recorder is not None:
            self._recorder.stepped(now, event, effects, levels)
        if waiting or isinstance(event, Received):
            # A request has ended the wait for it. What was waited for when the session ended stays.
            self._draft.waits(waiting)
        self._meter(levels)

    def sent(self, now: float, payload_type: int, message: Any, octets: bytes) -> None:
        log.debug("outlet %s: > %s", self._settings.name, type(message).__name__)
        if self._recorder is not None:
            self._recorder.sent(now, payload_type, message, octets)

    def remark(self, code: str, text: str) -> None:
        """A quirk that was tolerated, under its code."""
        log.info("outlet %s: tolerated %s: %s", self._settings.name, code, text)
        self._draft.tolerated(code)
        self._note(f"tolerated {code}: {text}")

    def verdict(self, question: str, verdict: Verdict) -> None:
        why = f" ({verdict.detail})" if verdict.detail else ""
        log.info("outlet %s: %s: %s%s", self._settings.name, question, verdict.decision.value, why)

    def judged(self, leaf: bytes, found: Contract | Verdict) -> None:
        """A contract's chain was validated; of its leaf the hash is kept. Whose it is does not say who showed it."""
        self._note(certificate_note(self._draft.judged(leaf, found)))

    def identified(self, contract: ProvedContract, verdict: Verdict) -> None:
        """The car has proved this contract. One that may charge pays for the session, unless another identification does."""
        identity = Identity("emaid", contract.contract.emaid.text)
        self.verdict("AuthorizeContract", verdict)
        self._draft.identified(identity)
        if verdict.accepted and self._payer is None:
            self._payer = identity

    def reached(self, milestone: Milestone, facts: Mapping[str, Any], levels: Levels) -> None:
        if milestone is Milestone.SESSION_SET_UP:
            self._keep(self._draft.begun)
        if milestone is Milestone.AUTHORIZED:
            self._payer = self._identified() or self._payer
        if milestone is Milestone.POWER_ON:
            self._start(levels)
        self._draft.reached(milestone, facts)
        if milestone in (Milestone.CHARGING, Milestone.POWER_ON, Milestone.POWER_OFF):
            self._meter(levels)
            kilowatt_hours = (_delivered(self._metered) or 0.0) / 1000.0
            facts = {**facts, "volts": levels.volts, "amperes": levels.amperes, "kWh": kilowatt_hours}
        log.info("outlet %s: %s%s", self._settings.name, milestone.value, told(facts))

    def _meter(self, levels: Levels) -> None:
        """A board that is lost says nothing; what it said last still counts."""
        reading = _reading(levels)
        if reading is None:
            return
        if self._metered is not None:
            self._metered.now = reading
        elif levels.contactor == "open":
            self._at_rest = reading

    def _start(self, levels: Levels) -> None:
        if self._metered is not None:
            return
        now = _reading(levels)
        reading = now if self._at_rest is None else self._at_rest
        self._metered = _Metered(self._session, reading, now)
        identity = self._payer or self._identified()
        if identity is None:
            free = self._config.uplink.eim is Eim.FREE if self._offer is None else self._offer.free
            identity = Identity("free" if free else "unknown")
        else:
            self._draft.identified(identity)
        report = SessionStarted(
            session=self._session,
            outlet=self._settings.name,
            evse_id=self._settings.evse_id,
            identity=identity,
            at=self._services.calendar.wall(),
            watt_hours=reading,
            meter_id=self._offer.meter_id if self._offer is not None else "",
        )
        self._write(lambda: self._services.uplink.session_started(report))

    # Without a session

    def charged_by_pilot(self, levels: Levels, *, on: bool, text: str) -> None:
        """Charging by pilot and duty alone begins, or has ended; for the books it is a session like any other."""
        name, now = self._settings.name, self._loop.time()
        if on:
            self._by_pilot = self._begin(now)
            self._by_pilot.spoke(PILOT_AND_DUTY)
            if self._recorder is None:
                self._draft = self._by_pilot
            log.info("outlet %s: charging by pilot and duty: %s", name, text)
            self._at_rest = None
            self._start(levels)
            self._keep(self._by_pilot.begun)
            return
        log.info("outlet %s: charging by pilot and duty has ended: %s", name, text)
        running_sessions.ended(name)
        draft, self._by_pilot = self._by_pilot, None
        metered, self._metered = self._metered, None
        reason = _BY_PILOT.get(text, Reason("emergency", "fault", detail=text))
        self.last = reason.code
        wall, faults = self._services.calendar.wall(), self._hardware.faults
        if metered is not None:
            metered.now = _reading(levels) or metered.now
            self._write(lambda: self._book(metered, reason, wall))
        if draft is not None:
            self._keep(
                lambda: draft.finished(
                    reason, now, wall=wall, levels=levels, faults=faults, watt_hours=_delivered(metered)
                )
            )

    # It is over

    def explained(self, reason: Reason) -> Reason:
        """Why the session that runs ends, with the flaw that lies behind it."""
        return self._draft.explained(reason)

    def ended(self, reason: Reason, now: float, levels: Levels, tls: TlsReport | None, *, silent: bool) -> None:
        """``tls``: how far TLS came. ``silent``: not one octet had come."""
        self.last = reason.code
        running_sessions.ended(self._settings.name)
        recorder, self._recorder = self._recorder, None
        draft = self._draft
        metered, self._metered = self._metered, None
        self._offer = self._payer = self._at_rest = None
        wall = self._services.calendar.wall()
        if metered is not None:
            self._write(lambda: self._book(metered, reason, wall))
        if recorder is None:
            return
        seen = tls_seen(tls, reason)
        if seen is not None:
            recorder.note(tls_note(seen), now)
        recorder.ended(reason, now)
        exchanges = recorder.exchanges()
        traced: list[Path] = []
        if silent and reason.name == ConnectionClosed.reason:
            return  # a connection without an octet: its record must not displace a session's, nor its trace
        if wanted(self._config.trace.mode.value, reason):
            self._trace(recorder, traced)
        faults = self._hardware.faults

        # What was delivered, and where the trace lies, is known when the record is written: book and trace are written first.
        self._keep(
            lambda: draft.finished(
                reason,
                now,
                wall=wall,
                levels=levels,
                exchanges=exchanges,
                tls=seen,
                faults=faults,
                trace=traced[0] if traced else None,
                watt_hours=_delivered(metered),
            )
        )

    async def _book(self, metered: _Metered, reason: Reason, wall: Wall) -> None:
        """The session's end for the backend, with the meter read when the contactor is open."""
        for _ in range(round(REST_SECONDS / REST_STEP_SECONDS)):
            if self._hardware.levels().contactor != "closed":
                break
            await asyncio.sleep(REST_STEP_SECONDS)
        reading = await self._hardware.read_meter()
        metered.now = metered.now if reading is None else reading
        if metered.delivered is not None:
            kilowatt_hours = metered.delivered / 1000.0
            log.info("outlet %s: delivered %.3f kWh", self._settings.name, kilowatt_hours, extra=about(metered.session))
        await self._services.uplink.session_ended(
            SessionEnded(
                session=metered.session,
                outlet=self._settings.name,
                reason=reason.code,
                at=wall,
                watt_hours=metered.now,
            )
        )

    def _keep(self, record: Callable[[], SessionRecord]) -> None:
        self._write(lambda: self._loop.run_in_executor(self._executor, self._history.write, record()))

    def catch_up(self) -> None:
        """Have records that wait for the disk stored, if it is back. To be called every few seconds. Why they wait has been said."""
        if self._history.waits and self.idle:
            self._write(lambda: self._loop.run_in_executor(self._executor, self._history.try_again))

    def _trace(self, recorder: Recorder, written: list[Path]) -> None:
        """Have the trace written; ``written`` gets its path."""
        octets, lines = recorder.octets, recorder.take()
        moment = self._services.calendar.wall().time
        name = f"{moment:%Y%m%dT%H%M%S}-{self._settings.name}-{self._session}"
        session = self._session

        async def write() -> None:
            path = await self._services.traces.write(name, lines, octets)
            if path is not None:
                written.append(path)
                log.info("outlet %s: trace written: %s", self._settings.name, path, extra=about(session))

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

    @property
    def idle(self) -> bool:
        """Everything that was to be stored is stored."""
        return self._writer is None or self._writer.done()

    async def close(self) -> None:
        """Everything that was promised to be stored is stored."""
        self.catch_up()
        if self._writer is not None:
            await asyncio.gather(self._writer, return_exceptions=True)


def _delivered(metered: _Metered | None) -> float | None:
    return metered.delivered if metered is not None else None


def _reading(levels: Levels) -> float | None:
    return levels.watt_hours if levels.metered_at > float("-inf") else None

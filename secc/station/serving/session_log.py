"""What remains of a session for people: milestones in the log, its trace, its record for ``secc
explain``.

Worker threads write to the disk, in order. Nothing of the car's contract is kept after the end.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from certs.contract import Contract
from secc.conversation import Effect, Levels, Reason, Received
from secc.link.tls.chain import Handshaken
from secc.link.tls.report import TlsReport
from secc.session.effects import (
    Milestone,
    OemCertificate,
    ProvisionContract,
    Provisioned,
    ProvisioningRefused,
    Remark,
    ValidateContract,
    ValidateOemCertificate,
    Verdict,
)
from secc.session.events import ConnectionClosed
from secc.session.log import about, running_sessions, told
from secc.session.offer import Offer, Surroundings
from secc.session.proof import ProvedContract
from secc.session.protocol import V2gProtocol
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected, ReceiptUnbooked
from secc.session.schedules import PlanCharging, Planned
from secc.station.serving.context import Outlet, Part
from secc.station.serving.draft import Draft, tls_seen
from secc.station.serving.router import Seat
from secc.station.serving.writes import Writes
from secc.trace.explain import PILOT_AND_DUTY, SessionRecord
from secc.trace.explain_trace import certificate_note, tls_note
from secc.trace.history import History
from secc.trace.recorder import Recorder, wanted
from secc.uplink.ledger import Ledger, Transaction
from secc.uplink.port import Identity
from secc.version import version

log = logging.getLogger(__name__)

PLUG_IN_FAILED = "the plug-in failed"

_BY_PILOT = {
    "stopped": Reason("completed", "terminated"),
    "unplugged": Reason("completed", "unplugged"),
    "shutdown": Reason("severed", "station-shutdown"),
    PLUG_IN_FAILED: Reason("bug", "PlugIn", detail=PLUG_IN_FAILED),
}
"""Reasons for the end of charging without a session; any other text is a fault."""


def why_by_pilot(text: str) -> Reason:
    """Returns the reason for the end of charging by pilot and duty, from the plug-in's text."""
    return _BY_PILOT.get(text, Reason("emergency", "fault", detail=text))


class SessionLog(Part):
    """The log, traces and records of one outlet. All calls from the event loop's thread."""

    def __init__(self, outlet: Outlet, writes: Writes, ledger: Ledger) -> None:
        super().__init__(outlet)
        self.last = ""
        """The code of the reason why the last session ended."""
        self.session = ""
        """The id of the newest session."""
        self._writes = writes
        self._ledger = ledger
        self._recorder: Recorder | None = None
        self._draft = Draft(self._name, "", 0.0, self._services.calendar.wall())
        self._history = History(self._config.station.state_directory, self._name)
        self._by_pilot: Draft | None = None
        """The draft of charging without a session."""

    # The connection

    def connected(self, peer: str, now: float) -> None:
        self._draft = self._begin(now)
        log.debug("outlet %s: connection from %s", self._name, peer)
        self._recorder = Recorder(
            now,
            ring_octets=self._config.trace.ring_kilobytes * 1024,
            keep_personal=self._config.lab.danger_trace_personal,
            outlet=self._name,
            session=self.session,
            software=version(),
            time=self._services.calendar.wall().time.isoformat(timespec="seconds"),
        )

    def _begin(self, now: float) -> Draft:
        self.session = secrets.token_hex(8)
        running_sessions.began(self._name, self.session)
        return Draft(self._name, self.session, now, self._services.calendar.wall())

    def secured(self, handshaken: Handshaken) -> None:
        chain = f"chain {handshaken.chain} ({handshaken.choice.value})"
        staple = (
            f"stapled{' by status_request_v2' if handshaken.status_v2 else ''}" if handshaken.stapled else "no staple"
        )
        text = f"{handshaken.version} {handshaken.suite}, {chain}, {staple}"
        log.info("outlet %s: %s", self._name, text)
        for quirk in handshaken.quirks:
            self.tolerated(quirk, "in the TLS handshake")
        self._note(text)

    def recorded(self, surroundings: Surroundings) -> Surroundings:
        """Returns surroundings that record every random draw and every time in the trace."""
        if self._recorder is None:
            return surroundings
        return replace(
            surroundings,
            entropy=self._recorder.entropy(surroundings.entropy, self._loop.time),
            wall=self._recorder.wall(surroundings.wall, self._loop.time),
        )

    def began(self, protocol: V2gProtocol, offer: Offer, now: float) -> None:
        payments = ", ".join(payment.value for payment in offer.payments)
        log.info("outlet %s: %s, offered: %s", self._name, protocol.name, payments)
        self._draft.protocol = protocol.name
        if self._recorder is not None:
            self._recorder.speaks(protocol, now)
            self._recorder.offered(offer, now)

    # The session

    def saw(self, seat: Seat, now: float, event: object, effects: tuple[Effect, ...]) -> None:
        """A step of the session."""
        session = seat.session
        # The levels that the step saw, not those of now, so that the trace replays.
        levels, waiting = session.levels, session.waiting_for
        self._ledger.reading(levels)
        if self._recorder is not None:
            self._recorder.stepped(now, event, effects, levels)
        if waiting or isinstance(event, Received):
            # A request ends the wait for it. Keep what the session waited for when it ended.
            self._draft.waiting = waiting

    def sent(self, payload_type: int, octets: bytes, message: Any) -> None:
        log.debug("outlet %s: > %s", self._name, getattr(message, "message_name", None) or type(message).__name__)
        if self._recorder is not None:
            self._recorder.sent(self._loop.time(), payload_type, message, octets)

    def remarked(self, remark: Remark) -> None:
        """The session has tolerated a quirk."""
        self.tolerated(remark.code, remark.text)

    def tolerated(self, code: str, text: str) -> None:
        log.info("outlet %s: tolerated %s: %s", self._name, code, text)
        self._draft.quirks[code] = None
        self._note(f"tolerated {code}: {text}")

    def judged(self, question: ValidateContract, found: Contract | Verdict) -> None:
        """A contract chain was validated. Keep the hash of its leaf; the chain does not prove who
        showed it.
        """
        self._note(certificate_note(self._draft.judged(question.chain[0], found)))
        if isinstance(found, Verdict):
            self._verdict("ValidateContract", found)

    def oem_judged(self, question: ValidateOemCertificate, found: OemCertificate | Verdict) -> None:
        """The certificate with which a car asks for a contract was validated."""
        if isinstance(found, Verdict):
            self._verdict("ValidateOemCertificate", found)
        elif not found.anchored:
            text = (
                "the root above the car's provisioning certificate is not installed: the provisioning service judges it"
            )
            log.info("outlet %s: %s", self._name, text)
            self._note(text)

    def provisioned(self, question: ProvisionContract, found: Provisioned | ProvisioningRefused) -> None:
        """The provisioning service has answered."""
        why = "answered" if isinstance(found, Provisioned) else f"{found.why.value} ({found.detail})"
        log.info("outlet %s: contract %s: %s", self._name, question.kind.value, why)

    def planned(self, question: PlanCharging, found: Planned) -> None:
        """The backend has answered the question about schedules."""
        for why in found.rejected:
            log.warning("outlet %s: charging schedules: %s", self._name, why)
            self._note(f"charging schedules: {why}")

    def receipted(self, question: BookReceipt, found: ReceiptBooked | ReceiptRejected | ReceiptUnbooked) -> None:
        """The car has sent a metering receipt."""
        match found:
            case ReceiptBooked():
                text = "metering receipt booked"
            case ReceiptRejected(flaw, detail):
                text = f"metering receipt refused: {flaw}" + (f" ({detail})" if detail else "")
            case ReceiptUnbooked(detail):
                text = f"metering receipt not booked: {detail}"
        log.info("outlet %s: %s", self._name, text)

    def identified(self, contract: ProvedContract, verdict: Verdict) -> None:
        """The car has proved this contract, and the backend has decided about it."""
        self._verdict("AuthorizeContract", verdict)
        self._draft.identity = Identity("emaid", contract.contract.emaid.text).masked

    def _verdict(self, question: str, verdict: Verdict) -> None:
        why = f" ({verdict.detail})" if verdict.detail else ""
        log.info("outlet %s: %s: %s%s", self._name, question, verdict.decision.value, why)

    def reached(self, milestone: Milestone, facts: Mapping[str, Any], levels: Levels) -> None:
        """The session has reached a milestone."""
        if milestone is Milestone.SESSION_SET_UP:
            self._keep(self._draft.begun)
        if milestone is Milestone.IDENTIFICATION_CHOSEN:
            self._draft.payment = str(facts.get("payment", ""))
        if milestone in (Milestone.CHARGING, Milestone.POWER_ON, Milestone.POWER_OFF):
            running = self._ledger.running
            watt_hours = (running.delivered if running is not None else None) or 0.0
            facts = {**facts, "volts": levels.volts, "amperes": levels.amperes, "kWh": watt_hours / 1000.0}
        log.info("outlet %s: %s%s", self._name, milestone.value, told(facts))

    # Charging without a session

    def began_by_pilot(self, text: str) -> str:
        """Charging by pilot and duty begins; in the log it is a session. Returns its id."""
        self._by_pilot = self._begin(self._loop.time())
        self._by_pilot.protocol = PILOT_AND_DUTY
        if self._recorder is None:
            self._draft = self._by_pilot
        log.info("outlet %s: charging by pilot and duty: %s", self._name, text)
        self._keep(self._by_pilot.begun)
        return self.session

    def ended_by_pilot(self, text: str, levels: Levels, transaction: Transaction | None) -> None:
        """Charging by pilot and duty has ended; ``transaction`` is the ledger's."""
        now, reason = self._loop.time(), why_by_pilot(text)
        log.info("outlet %s: charging by pilot and duty has ended: %s", self._name, text)
        running_sessions.ended(self._name)
        draft, self._by_pilot = self._by_pilot, None
        self.last = reason.code
        if draft is not None:
            wall, faults = self._services.calendar.wall(), self._hardware.faults
            self._keep(partial(draft.finished, wall, faults, reason, now, levels, transaction))

    # The end

    def explained(self, reason: Reason) -> Reason:
        """Returns why the running session ends, with the flaw that caused it."""
        return self._draft.explained(reason)

    def ended(
        self, reason: Reason, levels: Levels, tls: TlsReport | None, transaction: Transaction | None, *, silent: bool
    ) -> None:
        """``tls``: how far TLS came. ``transaction``: the ledger's. ``silent``: the car has not
        sent a single octet.
        """
        self.last = reason.code
        running_sessions.ended(self._name)
        recorder, self._recorder = self._recorder, None
        now = self._loop.time()
        if recorder is None:
            return
        seen = tls_seen(tls, reason)
        if seen is not None:
            recorder.note(tls_note(seen), now)
        recorder.ended(reason, now)
        if silent and reason.name == ConnectionClosed.reason:
            return  # a connection without an octet: its record must not displace a session's, nor its trace
        wall, faults = self._services.calendar.wall(), self._hardware.faults
        exchanges = recorder.exchanges()
        record = partial(self._draft.finished, wall, faults, reason, now, levels, transaction, exchanges, seen)
        self._keep(record, self._trace(recorder, reason) if wanted(self._config.trace.mode.value, reason) else None)

    def _keep(self, record: Callable[..., SessionRecord], traced: asyncio.Future[Path | None] | None = None) -> None:
        """Write a record, after reports and trace: it needs the energy delivered and the trace's
        place.
        """
        name, extra = self._name, about(self.session)

        async def write() -> None:
            facts = {}
            if traced is not None and (path := await traced) is not None:
                facts["trace"] = path
                log.info("outlet %s: trace written: %s", name, path, extra=extra)
            await self._loop.run_in_executor(self._services.disk, self._history.write, record(**facts))

        self._writes.put_record(write)

    def catch_up(self) -> None:
        """Write records that could not be written, if the disk is back. Called every few seconds."""
        if self._history.waits and self._writes.idle:
            self._writes.put_record(lambda: self._loop.run_in_executor(self._services.disk, self._history.try_again))

    def _trace(self, recorder: Recorder, reason: Reason) -> asyncio.Future[Path | None]:
        """Write the trace. The result is its place."""
        moment = self._services.calendar.wall().time
        name = f"{moment:%Y%m%dT%H%M%S}-{self._name}-{self.session}"
        return self._services.traces.put(name, recorder.octets, recorder.take(), well=reason.well)

    def _note(self, text: str) -> None:
        if self._recorder is not None:
            self._recorder.note(text, self._loop.time())

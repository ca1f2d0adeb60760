"""The backend without a network: truststore, allowlist, denylist, and a memory of contracts that
failed.

It uses the decision table, always offline (``docs/decisions/standalone.md``). Its contracts have
been checked by the truststore: only ``certs.contract.verify_contract_chain`` makes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import TypeVar

from certs.contract import Contract
from certs.files import stamp
from frozen import dataclass
from secc.conversation import Wall
from secc.errors import ConfigError, UplinkError
from secc.session.durable import Disk, Journal, StorageFailed
from secc.session.effects import Decision, Ground, Provisioning, ProvisioningRefused, Verdict
from secc.session.identification import AuthorizeToken
from secc.session.proof import ProvedContract
from secc.session.schedules import ChargingNeeds, ChargingSchedules
from secc.uplink.book import FailedContracts, Pseudonyms, SessionBook
from secc.uplink.lists import Lists, card, normal, read_list
from secc.uplink.policy import AskBackend, Case, Entry, Policy, TokenStatus, decide, worth_remembering
from secc.uplink.port import BackendEvent, MeteringReceipt, SessionEnded, SessionStarted, Status
from secc.uplink.provisioning import problem_of, provision
from secc.uplink.receipts import ReceiptBook
from secc.uplink.schedules import read_schedules

T = TypeVar("T")

log = logging.getLogger(__name__)

OFFLINE = Policy(pnc_enabled=True, contract_validation_offline=True, local_authorize_offline=True)
"""The policy of a station without a backend, as strict as possible: only listed identities may
charge.
"""

HANGS_SECONDS = 10.0
HANGS = f"the disk has not answered for {HANGS_SECONDS:.0f} s"


class Eim(StrEnum):
    """Who may charge by external identification."""

    LIST = "list"
    ANY = "any"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the operator. ``sessions`` None: sessions are not stored; ``receipts`` None: no
    metering receipts are demanded; a list None: it is empty.
    """

    state_directory: Path
    policy: Policy = OFFLINE
    eim: Eim = Eim.LIST
    allowlist: Path | None = None
    denylist: Path | None = None
    sessions: Path | None = None
    sessions_octets: int = 10_000_000
    receipts: Path | None = None
    receipts_octets: int = 10_000_000
    provisioning: Path | None = None
    """Local socket of a provisioning service."""
    schedules: Path | None = None
    """File of charging schedules."""


@dataclasses.dataclass(slots=True)
class _Stores:
    pseudonyms: Pseudonyms
    failed: FailedContracts
    book: SessionBook | None
    receipts: ReceiptBook | None
    lists: Lists = field(default_factory=Lists)
    stamps: tuple[object, ...] = ()
    """Stamps of the list files as they are in force."""
    wrong: ConfigError | None = None
    """Why the newest lists are not used."""


class Standalone:
    """A :class:`~secc.uplink.port.Backend` on files. Blocking work runs in worker threads, one at a
    time.
    """

    def __init__(self, rules: Rules, wall: Callable[[], Wall], disk: Disk | None = None) -> None:
        self._rules, self._wall, self._disk = rules, wall, disk or Disk()
        self._stores: _Stores | None = None
        self._lock = Lock()
        self._began: float | None = None
        """When the job under way began, monotonic seconds."""
        self._reading = Lock()
        self._closed = asyncio.Event()
        self._unplanned = ""
        """Why the file of schedules could not be used by the last car."""

    @property
    def policy(self) -> Policy:
        return self._rules.policy

    @property
    def lost_at(self) -> float | None:
        return None

    @property
    def online(self) -> bool:
        return False

    def status(self) -> Status:
        stores = self._stores
        if stores is None:
            return Status("standalone", "offline", ("not open",))
        service = "" if self._rules.provisioning is None else problem_of(self._rules.provisioning)
        wrong = (
            str(stores.wrong or ""),
            stores.failed.problem,
            stores.failed.unsaved,
            stores.pseudonyms.problem,
            self._hanging,
            *_problems(stores.book),
            stores.receipts.problem if stores.receipts is not None else "",
            service,
            self._unplanned,
        )
        problems = tuple(filter(None, wrong))
        return Status("standalone", "degraded" if problems else "ready", problems)

    async def open(self) -> None:
        """Read lists and stores. Raises ConfigError for an invalid list, UplinkError if the disk
        fails.
        """
        await self._work(self._open)

    async def close(self) -> None:
        """Try once more to store waiting lines; lines that cannot be stored are lost with the
        process, and logged.
        """
        self._closed.set()
        await self.catch_up()
        if self._stores is not None and (book := self._stores.book) is not None and len(book):
            log.error("%d lines of charging sessions could not be stored and are lost", len(book))

    async def reload(self) -> None:
        """Read the lists again if a file has changed. Raises ConfigError for an invalid one, and
        goes on with the earlier lists.
        """
        await asyncio.to_thread(self._reread_lists)

    async def authorize_token(self, question: AuthorizeToken, *, outlet: str, decide: float) -> Verdict:
        if self._rules.eim is Eim.FREE:
            return Verdict(Decision.ACCEPTED, "charging is free here", Ground.SETTING)
        return await self._within(decide, lambda: self._judge_token(question))

    async def authorize_contract(self, contract: Contract, *, outlet: str, decide: float) -> Verdict:
        return await self._within(decide, lambda: self._judge_contract(contract))

    @property
    def provisions(self) -> bool:
        return self._rules.provisioning is not None and not problem_of(self._rules.provisioning)

    async def provision_contract(
        self, kind: Provisioning, request: bytes, *, outlet: str, seconds: float
    ) -> bytes | ProvisioningRefused:
        if self._rules.provisioning is None:
            raise UplinkError("no provisioning service is configured")
        return await provision(self._rules.provisioning, kind, request, seconds)

    @property
    def plans(self) -> bool:
        return self._rules.schedules is not None

    async def plan_charging(self, needs: ChargingNeeds, *, outlet: str, seconds: float) -> ChargingSchedules | None:
        path = self._rules.schedules
        if path is None:
            return None
        try:
            async with asyncio.timeout(seconds):
                found = await asyncio.to_thread(read_schedules, path, needs, self._disk)
        except TimeoutError:
            raise UplinkError(f"{path}: no answer from the disk in {seconds:g} s") from None
        except UplinkError as error:
            self._unplanned = str(error)
            raise
        self._unplanned = ""
        return found

    async def contract_decided(self, contract: ProvedContract, verdict: Verdict) -> None:
        if verdict.accepted or worth_remembering(verdict):
            await self._work(lambda: self._remember(contract.contract, verdict))

    @property
    def unbooked(self) -> str:
        stores = self._stores
        files = () if stores is None else [one for one in (stores.book, stores.receipts) if one is not None]
        problem = next((one.problem for one in files if one.problem), "")
        return problem or (self._hanging if files else "")

    @property
    def _hanging(self) -> str:
        """Set if the disk has not answered for a time: a write that hangs fails with no error."""
        began = self._began
        return HANGS if began is not None and time.monotonic() - began > HANGS_SECONDS else ""

    async def catch_up(self) -> None:
        stores = self._stores
        if stores is None:
            return
        if stores.failed.unsaved:
            with contextlib.suppress(UplinkError):
                await self._work(stores.failed.catch_up)
        if stores.book is not None:
            book, before = stores.book, stores.book.problem
            with contextlib.suppress(UplinkError):
                await self._work(lambda: book.catch_up(self._wall()))
            if book.problem and not before:
                log.error("%s", book.problem)
            elif before and not book.problem:
                log.warning("charging sessions are booked again")
        if stores.receipts is not None:
            await self._work(stores.receipts.catch_up)

    async def session_started(self, report: SessionStarted) -> None:
        await self._work(lambda: book.started(report) if (book := self._opened().book) is not None else None)

    async def session_ended(self, report: SessionEnded) -> None:
        await self._work(lambda: book.ended(report) if (book := self._opened().book) is not None else None)

    @property
    def takes_receipts(self) -> bool:
        receipts = self._stores.receipts if self._stores is not None else None
        return receipts is not None and not receipts.problem

    async def metering_receipt(self, report: MeteringReceipt) -> None:
        receipts = self._opened().receipts
        if receipts is None:
            raise UplinkError("there is no file for metering receipts")
        await self._work(lambda: receipts.book(report))

    async def events(self) -> AsyncIterator[BackendEvent]:
        """Yields no orders, because there is no central system. Ends with ``close``."""
        wanted: tuple[BackendEvent, ...] = ()
        await self._closed.wait()
        for event in wanted:
            yield event

    def answered(self, order: BackendEvent, refused: str) -> None:
        """This backend sends no orders."""

    # In worker threads

    def _open(self) -> None:
        rules = self._rules
        self._disk.make_directory(rules.state_directory)
        pseudonyms = Pseudonyms(rules.state_directory / "pseudonyms.key", self._disk)
        book = None
        if rules.sessions is not None:
            book = SessionBook(Journal(rules.sessions, rules.sessions_octets, self._disk), pseudonyms)
            try:
                self._disk.make_directory(rules.sessions.parent)
                book.catch_up(self._wall())
            except StorageFailed as error:
                # The station still starts: status and indicator show the problem, and the disk may
                # work again later.
                book.problem = book.problem or str(error)
                log.error("%s", book.problem)
        failed = FailedContracts(rules.state_directory / "failed-contracts.json", self._disk)
        receipts = None
        if rules.receipts is not None:
            receipts = ReceiptBook.open(rules.receipts, rules.receipts_octets, self._disk)
        stores = _Stores(pseudonyms, failed, book, receipts)
        self._read_lists(stores)
        self._stores = stores

    def _read_lists(self, stores: _Stores) -> None:
        stamps = self._stamps()
        try:
            lists = Lists(read_list(self._rules.allowlist, self._disk), read_list(self._rules.denylist, self._disk))
        except ConfigError as error:
            stores.wrong = error
            raise
        # Only now: lists that could not be read are read again each time.
        stores.lists, stores.wrong, stores.stamps = lists, None, stamps
        log.info("lists: %d allowed, %d denied", len(lists.allowed), len(lists.denied))

    def _reread_lists(self) -> None:
        """Without the lock of decisions: a car does not wait for a long list, and is judged by the
        earlier one.
        """
        stores = self._opened()
        try:
            with self._reading:
                if self._stamps() != stores.stamps:
                    self._read_lists(stores)
        except StorageFailed as error:
            raise UplinkError(str(error)) from error

    def _stamps(self) -> tuple[object, ...]:
        return tuple(stamp(path) for path in (self._rules.allowlist, self._rules.denylist) if path is not None)

    def _judge_token(self, question: AuthorizeToken) -> Verdict:
        stores, wall = self._opened(), self._wall()
        if question.kind.lower() == "emaid":
            return Verdict(Decision.REJECTED, "a contract is proved by its certificate, not by a card", Ground.SETTING)
        text = card(question.kind, question.value)
        if text is None:
            # The denylist could not name it, so refuse it even if all other cards may charge.
            return Verdict(Decision.REJECTED, "not a card that a list can name", Ground.UNLISTED)
        entry = stores.lists.entry(text, wall.time, trusted=wall.trusted)
        if self._rules.eim is Eim.ANY and entry is None:
            entry = Entry(TokenStatus.ACCEPTED)
        # Only lists decide about cards: OfflineTxForUnknownIdEnabled is for contracts, which have a
        # root.
        policy = replace(self._rules.policy, offline_tx_for_unknown_id_enabled=False)
        return _final(Case(policy, online=False, now=wall.time, chain=None, listed=entry))

    def _judge_contract(self, contract: Contract) -> Verdict:
        stores, wall = self._opened(), self._wall()
        text = normal("emaid", contract.emaid.text)
        root = _root(contract)
        return _final(
            Case(
                self._rules.policy,
                online=False,
                now=wall.time,
                chain=contract.outcome,
                listed=stores.lists.entry(text, wall.time, root, trusted=wall.trusted),
                cached=stores.failed.entry(_remembered_as(stores, contract), wall),
            )
        )

    def _remember(self, contract: Contract, verdict: Verdict) -> None:
        stores = self._opened()
        who = _remembered_as(stores, contract)
        if verdict.accepted:
            stores.failed.forget(who)
        else:
            stores.failed.remember(who, verdict.decision, self._wall())

    def _opened(self) -> _Stores:
        if self._stores is None:
            raise UplinkError("the standalone backend is not open")
        return self._stores

    async def _within(self, seconds: float, judge: Callable[[], Verdict]) -> Verdict:
        try:
            async with asyncio.timeout(seconds):
                return await self._work(judge)
        except TimeoutError:
            return Verdict(Decision.NO_ANSWER, f"no answer from the disk in {seconds:g} s", Ground.SILENCE)

    async def _work(self, job: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._alone, job)

    def _alone(self, job: Callable[[], T]) -> T:
        with self._lock:
            self._began = time.monotonic()
            try:
                return job()
            except StorageFailed as error:
                raise UplinkError(str(error)) from error
            finally:
                self._began = None


def _problems(book: SessionBook | None) -> tuple[str, ...]:
    if book is None:
        return ()
    return book.problem, f"{book.dropped} lines of charging sessions are lost" if book.dropped else ""


def _root(contract: Contract) -> str | None:
    anchor = contract.chain.anchor
    return anchor.fingerprint if anchor is not None else None


def _remembered_as(stores: _Stores, contract: Contract) -> str:
    """Returns the pseudonym of the contract and the root above it: a failure does not count for a
    contract of the same name below another root. (A-PKI-08)
    """
    return stores.pseudonyms.of(f"{normal('emaid', contract.emaid.text)}@{_root(contract) or ''}")


def _final(case: Case) -> Verdict:
    answer = decide(case)
    assert not isinstance(answer, AskBackend), "offline there is no backend to ask"
    return answer

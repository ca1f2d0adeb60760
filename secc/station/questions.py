"""Questions of a V2G session that the trust room and the backend answer: each a task of its own, its answer an event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeAlias

from certs import Contract
from secc.conversation import Answered, Question, Ticket
from secc.errors import SeccError, UplinkError
from secc.session.effects import AuthorizeContract, Decision, ValidateContract, Verdict
from secc.session.identification import AuthorizeToken
from secc.station.trust import TrustRoom
from secc.uplink.port import Backend

log = logging.getLogger(__name__)

Known: TypeAlias = ValidateContract | AuthorizeContract | AuthorizeToken


class Questions:
    """Those of one outlet. ``answer`` is called on the loop's thread, once for each question that nobody abandoned.

    What was learned about a contract that turned out bad is stored, and then forgotten here.
    """

    def __init__(
        self,
        outlet: str,
        uplink: Backend,
        trust: Callable[[], TrustRoom | None],
        executor: Executor,
        *,
        decide_seconds: float,
    ) -> None:
        self._outlet = outlet
        self._uplink = uplink
        self._trust = trust
        self._executor = executor
        self._decide_seconds = decide_seconds
        self._open: dict[Ticket[Any], asyncio.Task[None]] = {}
        self._storing: set[asyncio.Task[None]] = set()

    def ask(self, ticket: Ticket[Any], question: Question[Any], answer: Callable[[Answered], None]) -> bool:
        """Begin to find the answer; False if it is not a question for anybody here."""
        if not isinstance(question, ValidateContract | AuthorizeContract | AuthorizeToken):
            return False
        task = asyncio.get_running_loop().create_task(self._find(ticket, question, answer), name=ticket.question)
        self._open[ticket] = task
        return True

    def abandon(self, ticket: Ticket[Any]) -> None:
        """Nobody waits for this answer any more."""
        task = self._open.pop(ticket, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Abandon everything; what was promised to be stored is stored first."""
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._storing, return_exceptions=True)

    async def _find(self, ticket: Ticket[Any], question: Known, answer: Callable[[Answered], None]) -> None:
        try:
            result = await self._found(question)
        except UplinkError as error:
            log.warning("outlet %s: %s: %s", self._outlet, ticket.question, error)
            result = Verdict(Decision.NO_ANSWER, str(error))
        except SeccError as error:
            log.error("outlet %s: %s: %s", self._outlet, ticket.question, error)
            result = Verdict(Decision.NO_ANSWER, type(error).__name__)
        except Exception:
            log.exception("outlet %s: a bug in answering %s", self._outlet, ticket.question)
            result = Verdict(Decision.NO_ANSWER, "internal error")
        if self._open.pop(ticket, None) is not None:
            answer(Answered(ticket, result))

    async def _found(self, question: Known) -> Any:
        match question:
            case ValidateContract():
                return await self._validate(question)
            case AuthorizeContract(contract):
                return await self._authorize(contract)
            case AuthorizeToken():
                return await self._uplink.authorize_token(question, outlet=self._outlet, decide=self._decide_seconds)

    async def _validate(self, question: ValidateContract) -> Contract | Verdict:
        trust = self._trust()
        if trust is None:
            return Verdict(Decision.NO_TRUST_ANCHOR, "no truststore is configured")
        return await asyncio.get_running_loop().run_in_executor(self._executor, trust.validate, question)

    async def _authorize(self, contract: Contract) -> Verdict:
        verdict = await self._uplink.authorize_contract(contract, outlet=self._outlet, decide=self._decide_seconds)
        if not verdict.accepted:
            storing = asyncio.get_running_loop().create_task(self._remember(contract, verdict.decision))
            self._storing.add(storing)
            storing.add_done_callback(self._storing.discard)
        return verdict

    async def _remember(self, contract: Contract, decision: Decision) -> None:
        try:
            await self._uplink.contract_failed(contract, decision)
        except UplinkError as error:
            log.error("outlet %s: a failed contract could not be remembered: %s", self._outlet, error)

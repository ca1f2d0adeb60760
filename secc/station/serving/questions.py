"""Questions of a V2G session for the trust room and the backend: a task finds each answer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Final, TypeAlias

from certs.contract import Contract
from secc.errors import SeccError, UplinkError
from secc.session.effects import AuthorizeContract, Decision, Ground, ValidateContract, Verdict
from secc.session.identification import AuthorizeToken
from secc.session.proof import ProvedContract
from secc.station.shared.services import Services
from secc.station.shared.trust import NO_TRUSTSTORE

log = logging.getLogger(__name__)

UNPROVED_A_PLUG_IN: Final = 2
UNPROVED_AN_HOUR: Final = 10
HOUR_SECONDS: Final = 3600.0

Known: TypeAlias = ValidateContract | AuthorizeContract | AuthorizeToken


class UnprovedQuestions:
    """Counts the questions of one outlet to the backend about contracts that no car has proved yet.
    Times are monotonic seconds.

    Such a question can block money on an account, and its answer tells whether a contract works: a
    car that only shows a chain gets few of them.
    """

    def __init__(self) -> None:
        self._plug_in = 0
        self._hour: deque[float] = deque(maxlen=UNPROVED_AN_HOUR)

    def allowed(self, now: float) -> bool:
        """Returns whether one more may be asked; if not, the backend is asked after the proof."""
        full = len(self._hour) == UNPROVED_AN_HOUR and now - self._hour[0] < HOUR_SECONDS
        return self._plug_in < UNPROVED_A_PLUG_IN and not full

    def asked(self, now: float) -> None:
        self._plug_in += 1
        self._hour.append(now)

    def unplugged(self) -> None:
        self._plug_in = 0


class Questions:
    """The questions of one outlet.

    The decision about a proved contract is stored (``learned``) and then forgotten here.
    """

    def __init__(self, outlet: str, services: Services) -> None:
        self._outlet = outlet
        self._services = services
        self._storing: set[asyncio.Task[None]] = set()
        self.unproved = UnprovedQuestions()

    def asked(self, question: AuthorizeContract) -> None:
        """Count a question to the backend about a contract that no car has proved yet."""
        if isinstance(question.contract, Contract):
            self.unproved.asked(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Wait until every decision is stored."""
        await asyncio.gather(*self._storing, return_exceptions=True)

    async def find(self, question: Known) -> Any:
        """Returns the answer; a verdict without one if the question fails."""
        name = type(question).__name__
        try:
            return await self._found(question)
        except UplinkError as error:
            log.warning("outlet %s: %s: %s", self._outlet, name, error)
            return Verdict(Decision.NO_ANSWER, str(error), Ground.SILENCE)
        except SeccError as error:
            log.error("outlet %s: %s: %s", self._outlet, name, error)
            return Verdict(Decision.NO_ANSWER, type(error).__name__, Ground.SILENCE)
        except Exception:
            log.exception("outlet %s: a bug in answering %s", self._outlet, name)
            return Verdict(Decision.NO_ANSWER, "internal error", Ground.SILENCE)

    async def _found(self, question: Known) -> Any:
        uplink, decide = self._services.uplink, self._services.config.timing.decide_seconds
        match question:
            case ValidateContract():
                return await self._validate(question)
            case AuthorizeContract(asked):
                contract = asked.contract if isinstance(asked, ProvedContract) else asked
                return await uplink.authorize_contract(contract, outlet=self._outlet, decide=decide)
            case AuthorizeToken():
                return await uplink.authorize_token(question, outlet=self._outlet, decide=decide)

    async def _validate(self, question: ValidateContract) -> Contract | Verdict:
        trust = self._services.trust
        if trust is None:
            return Verdict(Decision.NO_TRUST_ANCHOR, NO_TRUSTSTORE, Ground.SETTING)
        return await asyncio.get_running_loop().run_in_executor(self._services.work, trust.validate, question)

    def learned(self, contract: ProvedContract, verdict: Verdict) -> None:
        """Let the backend store the decision about a proved contract."""
        storing = asyncio.get_running_loop().create_task(self._remember(contract, verdict))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)

    async def _remember(self, contract: ProvedContract, verdict: Verdict) -> None:
        try:
            await self._services.uplink.contract_decided(contract, verdict)
        except UplinkError as error:
            log.error("outlet %s: the decision about a contract could not be stored: %s", self._outlet, error)

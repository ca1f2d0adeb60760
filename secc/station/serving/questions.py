"""Questions of a V2G session for the trust room and the backend: a task finds each answer."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from certs.contract import Contract
from secc.errors import SeccError, UplinkError
from secc.session.effects import (
    AuthorizeContract,
    Decision,
    Ground,
    NoContract,
    ProvisionContract,
    Provisioned,
    ProvisioningRefused,
    ValidateContract,
    ValidateOemCertificate,
    Verdict,
)
from secc.session.identification import AuthorizeToken
from secc.session.proof import ProvedContract
from secc.session.schedules import PlanCharging, Planned
from secc.station.serving.orders import Orders, with_tariffs
from secc.station.shared.services import Services
from secc.station.shared.trust import NO_TRUSTSTORE

log = logging.getLogger(__name__)

UNPROVED_A_PLUG_IN: Final = 2
UNPROVED_AN_HOUR: Final = 10
HOUR_SECONDS: Final = 3600.0

PROVISIONINGS_A_PLUG_IN: Final = 3
"""Requests for a contract that are passed on; further ones are refused. (A-PNC-08)"""

PLANS_APART_SECONDS: Final = 2.0
"""Between two questions for schedules: a car can negotiate again and again, and hears Ongoing
meanwhile. Without an answer it would be free of the backend's schedule, so none is refused.
"""

Known: TypeAlias = (
    ValidateContract | AuthorizeContract | AuthorizeToken | ValidateOemCertificate | ProvisionContract | PlanCharging
)


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

    def __init__(self, outlet: str, services: Services, orders: Orders) -> None:
        self._outlet = outlet
        self._services = services
        self._orders = orders
        self._storing: set[asyncio.Task[None]] = set()
        self.unproved = UnprovedQuestions()
        self._provisionings = 0
        """Requests for a contract in this plug-in."""
        self._planned_at = -math.inf
        """When the backend was last asked for schedules."""

    def unplugged(self) -> None:
        self.unproved.unplugged()
        self._provisionings = 0

    def asked(self, question: AuthorizeContract) -> None:
        """Count a question to the backend about a contract that no car has proved yet."""
        if isinstance(question.contract, Contract):
            self.unproved.asked(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Wait until every decision is stored."""
        await asyncio.gather(*self._storing, return_exceptions=True)

    async def find(self, question: Known) -> Any:
        """Returns the answer; a verdict without one, or a refusal, if the question fails."""
        refused: Callable[[str], Any] = _REFUSED.get(type(question), _silent)
        name = type(question).__name__
        try:
            return await self._found(question)
        except UplinkError as error:
            log.warning("outlet %s: %s: %s", self._outlet, name, error)
            return refused(str(error))
        except SeccError as error:
            log.error("outlet %s: %s: %s", self._outlet, name, error)
            return refused(type(error).__name__)
        except Exception:
            log.exception("outlet %s: a bug in answering %s", self._outlet, name)
            return refused("internal error")

    async def _found(self, question: Known) -> Any:
        uplink, decide = self._services.uplink, self._services.config.timing.decide_seconds
        match question:
            case ValidateContract() | ValidateOemCertificate():
                return await self._validate(question)
            case AuthorizeContract(asked):
                contract = asked.contract if isinstance(asked, ProvedContract) else asked
                return await uplink.authorize_contract(contract, outlet=self._outlet, decide=decide)
            case AuthorizeToken():
                return await uplink.authorize_token(question, outlet=self._outlet, decide=decide)
            case ProvisionContract():
                return await self._provision(question)
            case PlanCharging():
                return await self._plan(question)

    async def _validate(self, question: ValidateContract | ValidateOemCertificate) -> Any:
        trust = self._services.trust
        if trust is None:
            return Verdict(Decision.NO_TRUST_ANCHOR, NO_TRUSTSTORE, Ground.SETTING)
        validate: Callable[[Any], Any] = (
            trust.validate if isinstance(question, ValidateContract) else trust.validate_oem
        )
        return await asyncio.get_running_loop().run_in_executor(self._services.work, validate, question)

    async def _provision(self, question: ProvisionContract) -> Provisioned | ProvisioningRefused:
        loop, services = asyncio.get_running_loop(), self._services
        if self._provisionings >= PROVISIONINGS_A_PLUG_IN or not services.forwarded.allowed(
            question.fingerprint, loop.time()
        ):
            return _no_contract("asked too often, by this car or with this certificate")
        self._provisionings += 1
        answer = await services.uplink.provision_contract(
            question.kind, question.request, outlet=self._outlet, seconds=question.seconds
        )
        if isinstance(answer, ProvisioningRefused):
            return answer
        return await loop.run_in_executor(services.work, question.accept, answer)

    async def _plan(self, question: PlanCharging) -> Planned:
        loop, services = asyncio.get_running_loop(), self._services
        apart = min(PLANS_APART_SECONDS, question.seconds / 2.0)
        waits = max(0.0, self._planned_at + apart - loop.time())
        await asyncio.sleep(waits)
        self._planned_at = loop.time()
        found = await services.uplink.plan_charging(
            question.needs, outlet=self._outlet, seconds=question.seconds - waits
        )
        if self._orders.now.tariff and not question.needs.contract:
            found = with_tariffs(found)
        if found is None:
            return Planned(None)
        return await loop.run_in_executor(services.work, question.accept, found)

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


def _silent(why: str) -> Verdict:
    return Verdict(Decision.NO_ANSWER, why, Ground.SILENCE)


def _no_contract(why: str) -> ProvisioningRefused:
    return ProvisioningRefused(NoContract.FAILED, why)


def _no_schedules(why: str) -> Planned:
    return Planned(None, (why,))


_REFUSED: Final[dict[type, Callable[[str], Any]]] = {ProvisionContract: _no_contract, PlanCharging: _no_schedules}
"""The answer of a question that failed, where it is not a verdict."""

"""Questions of a session that trust room and backend answer: abandoned ones, and those about contracts that no car has proved."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from certs.certificates import Edition
from hal.sim.clock import run_virtual
from secc.config import LabOrders
from secc.conversation import ENDLESS, Conversation, Event, Levels, Party, Question, Session
from secc.errors import UplinkError
from secc.iso2.planned import accepted
from secc.session.effects import (
    AuthorizeContract,
    Decision,
    NoContract,
    ProvisionContract,
    Provisioned,
    Provisioning,
    ProvisioningRefused,
    ValidateContract,
    Verdict,
)
from secc.session.offer import Transfer
from secc.session.schedules import (
    ChargingNeeds,
    ChargingSchedule,
    ChargingSchedules,
    PlanCharging,
    Planned,
    PowerSpan,
    ScheduleFlaw,
    ScheduleRejected,
)
from secc.station.serving.questions import HOUR_SECONDS, Questions, UnprovedQuestions
from secc.station.serving.router import Router, Seat
from secc.station.shared.forwarded import MOST, REMEMBERED, Forwarded
from tests.lab_proof import lab_contract, lab_proved

YES = Verdict(Decision.ACCEPTED)


class SlowTrust:
    """A trust room that works on a thread until it is let go."""

    def __init__(self) -> None:
        self.began, self.let_go, self.done = threading.Event(), threading.Event(), threading.Event()

    def validate(self, question: ValidateContract) -> Verdict:
        self.began.set()
        self.let_go.wait(5.0)
        self.done.set()
        return YES


class StubbornBackend:
    """A backend that answers although no question is open any more."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.decided: list[object] = []

    async def authorize_contract(self, contract: object, **how: Any) -> Verdict:
        self.asked.append(contract)
        try:
            await asyncio.sleep(10.0)
        except asyncio.CancelledError:
            return YES
        return YES

    async def contract_decided(self, contract: object, verdict: Verdict) -> None:
        self.decided.append(contract)


def questions(
    trust: object = None, uplink: object = None, executor: object = None, forwarded: Forwarded | None = None
) -> Questions:
    timing = SimpleNamespace(timing=SimpleNamespace(decide_seconds=5.0))
    services = SimpleNamespace(
        uplink=uplink, trust=trust, work=executor, config=timing, forwarded=forwarded or Forwarded()
    )
    orders = SimpleNamespace(now=LabOrders())
    return Questions("1", cast("Any", services), cast("Any", orders))


class GivenUp(Event):
    pass


class Desk:
    """The questions of one outlet at its router, and a session that asks one and may give it up."""

    def __init__(self, found: Questions) -> None:
        self.found = found
        self.heard: list[object] = []
        self.told: list[object] = []
        self.router = Router("1", levels=Levels)
        for kind in (ValidateContract, AuthorizeContract, ProvisionContract):
            self.router.finds(kind, by=found.find)
            self.router.told(kind, by=lambda question, answer: self.told.append(answer))
        self.router.taps(AuthorizeContract, by=found.asked)

    def ask(self, question: Question[Any]) -> Seat:
        def talk(party: Party) -> Conversation[None]:
            ticket = party.ask(question)
            answer = yield from party.receive(ticket, GivenUp, within=ENDLESS)
            if isinstance(answer, GivenUp):
                party.abandon(ticket)
                yield from party.until(lambda: False, within=ENDLESS)
            self.heard.append(answer)

        seat = self.router.join("asking", Session(talk))
        seat.begin()
        return seat

    async def close(self) -> None:
        await self.found.close()
        await self.router.close()


@pytest.mark.case("A-SES-11")
def test_an_answer_that_the_executor_finds_after_the_question_was_abandoned_is_not_delivered() -> None:
    async def main() -> Desk:
        trust = SlowTrust()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as executor:
            desk = Desk(questions(trust, executor=executor))
            seat = desk.ask(ValidateContract((b"",), "", Edition.ISO2))
            await loop.run_in_executor(None, trust.began.wait, 5.0)
            seat.hear(GivenUp())
            trust.let_go.set()
            await loop.run_in_executor(None, trust.done.wait, 5.0)
            await desk.close()
        return desk

    desk = asyncio.run(main())
    assert (desk.heard, desk.told) == ([], [])


@pytest.mark.case("A-SES-11")
def test_an_answer_that_is_there_in_the_moment_of_the_abandoning_is_not_delivered() -> None:
    """The executor has finished, and the task that would deliver has not run yet."""

    async def main() -> Desk:
        trust = SlowTrust()
        with ThreadPoolExecutor(1) as executor:
            desk = Desk(questions(trust, executor=executor))
            seat = desk.ask(ValidateContract((b"",), "", Edition.ISO2))
            await asyncio.get_running_loop().run_in_executor(None, trust.began.wait, 5.0)
            trust.let_go.set()
            executor.submit(lambda: None).result(5.0)
            seat.hear(GivenUp())
            await asyncio.sleep(0.01)
            await desk.close()
        return desk

    desk = asyncio.run(main())
    assert (desk.heard, desk.told) == ([], [])


@pytest.mark.case("A-SES-11", "A-PNC-15")
def test_a_backend_that_answers_although_it_was_abandoned_is_not_heard() -> None:
    async def main() -> Desk:
        desk = Desk(questions(uplink=StubbornBackend()))
        seat = desk.ask(AuthorizeContract(lab_contract()))
        await asyncio.sleep(0.0)
        seat.hear(GivenUp())
        await asyncio.sleep(0.01)
        await desk.close()
        return desk

    desk = asyncio.run(main())
    assert (desk.heard, desk.told) == ([], [])


@pytest.mark.case("A-PNC-17")
def test_what_is_asked_is_not_stored_and_what_was_learned_is_before_the_station_goes_down() -> None:
    async def main() -> StubbornBackend:
        backend = StubbornBackend()
        desk = Desk(questions(uplink=backend))
        desk.ask(AuthorizeContract(lab_contract()))
        await asyncio.sleep(0.0)
        assert (backend.asked, backend.decided) == ([lab_contract()], [])
        desk.found.learned(lab_proved(), YES)
        await desk.close()
        return backend

    assert asyncio.run(main()).decided == [lab_proved()]


@pytest.mark.case("A-PNC-15")
def test_only_questions_about_unproved_contracts_count() -> None:
    async def main() -> UnprovedQuestions:
        desk = Desk(questions(uplink=StubbornBackend()))
        for _ in range(5):
            desk.ask(AuthorizeContract(lab_proved()))
        assert desk.found.unproved.allowed(asyncio.get_running_loop().time())
        for _ in range(2):
            desk.ask(AuthorizeContract(lab_contract()))
        assert not desk.found.unproved.allowed(asyncio.get_running_loop().time())
        await desk.close()
        return desk.found.unproved

    asyncio.run(main())


@pytest.mark.case("A-PNC-15")
def test_two_a_plug_in_and_ten_in_any_hour() -> None:
    unproved, asked = UnprovedQuestions(), list[float]()
    for second in range(0, 3 * round(HOUR_SECONDS), 7):
        if second % 28 == 0:
            unproved.unplugged()
        if unproved.allowed(second):
            unproved.asked(second)
            asked.append(second)
    for moment in asked:
        assert sum(moment <= other < moment + HOUR_SECONDS for other in asked) <= 10
        plug_in = moment - moment % 28
        assert sum(plug_in <= other < plug_in + 28 for other in asked) <= 2
    assert len(asked) == 30


# --- contracts for cars ---------------------------------------------------------------------------------------------


class Service:
    """A backend with a provisioning service: answers with these, in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    async def provision_contract(self, kind: Provisioning, request: bytes, **how: Any) -> Any:
        self.asked.append(request)
        answer = self.answers.pop(0) if self.answers else b"contract"
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.sleep(10.0)
        return answer


def wanted(request: bytes = b"request", fingerprint: str = "one") -> ProvisionContract:
    def accept(octets: bytes) -> Provisioned | ProvisioningRefused:
        assert threading.current_thread().name.startswith("work"), "a millisecond is not for the event loop"
        return Provisioned(octets)

    return ProvisionContract(Provisioning.INSTALLATION, request, fingerprint, 4.0, accept)


def provisioned(service: Service, *asked: ProvisionContract | None, forwarded: Forwarded | None = None) -> list[Any]:
    """The answers to these questions of one outlet; None: the cable is pulled between."""

    async def main() -> list[Any]:
        with ThreadPoolExecutor(1, thread_name_prefix="work") as executor:
            found = questions(uplink=service, executor=executor, forwarded=forwarded)
            answers = []
            for question in asked:
                if question is None:
                    found.unplugged()
                else:
                    answers.append(await found.find(question))
            return answers

    return asyncio.run(main())


def test_the_answer_of_the_service_is_checked_on_the_thread_for_work() -> None:
    service = Service(b"the contract")
    assert provisioned(service, wanted(b"the request")) == [Provisioned(b"the contract")]
    assert service.asked == [b"the request"]


@pytest.mark.case("A-PNC-08")
def test_three_requests_a_plug_in_reach_the_service() -> None:
    service = Service()
    hundred = [wanted(str(n).encode(), f"certificate {n}") for n in range(100)]
    answers = provisioned(service, *hundred)
    assert service.asked == [b"0", b"1", b"2"]
    assert [type(answer) for answer in answers] == [Provisioned] * 3 + [ProvisioningRefused] * 97
    assert {answer.why for answer in answers[3:]} == {NoContract.FAILED}
    assert len(provisioned(Service(), *hundred[:3], None, hundred[3])) == 4
    assert provisioned(Service(), *hundred[:3], None, hundred[3])[-1] == Provisioned(b"contract")


@pytest.mark.case("A-PNC-08")
def test_three_requests_an_hour_for_a_certificate_reach_the_service_from_any_outlet() -> None:
    forwarded, service = Forwarded(), Service()
    for _ in range(100):
        provisioned(service, wanted(), forwarded=forwarded)
    assert len(service.asked) == MOST == 3
    assert provisioned(service, wanted(fingerprint="another"), forwarded=forwarded) == [Provisioned(b"contract")]


def test_the_hour_ends_and_memory_does_not_grow() -> None:
    forwarded = Forwarded()
    assert [forwarded.allowed("one", at) for at in (0.0, 1.0, 2.0, 3.0, 3600.5, 3600.6)] == [True] * 3 + [
        False,
        True,
        False,
    ]
    for n in range(10 * REMEMBERED):
        assert forwarded.allowed(f"{n}", 4000.0)
    assert len(forwarded._asked) == REMEMBERED


@pytest.mark.parametrize("error", [UplinkError("no answer in time"), ValueError("a bug")])
def test_a_service_that_fails_is_a_refusal(error: Exception) -> None:
    (answer,) = provisioned(Service(error), wanted())
    assert isinstance(answer, ProvisioningRefused)
    assert answer.why is NoContract.FAILED


def test_what_the_service_refuses_is_told() -> None:
    refused = ProvisioningRefused(NoContract.CANCELLED, "told")
    assert provisioned(Service(refused), wanted()) == [refused]


@pytest.mark.case("A-SES-11")
def test_an_answer_of_the_service_after_the_car_has_gone_reaches_nobody() -> None:
    async def main() -> tuple[Desk, Service]:
        service = Service(None)
        with ThreadPoolExecutor(1, thread_name_prefix="work") as executor:
            desk = Desk(questions(uplink=service, executor=executor))
            seat = desk.ask(wanted())
            await asyncio.sleep(0.0)
            seat.hear(GivenUp())
            await asyncio.sleep(0.01)
            await desk.close()
        return desk, service

    desk, service = asyncio.run(main())
    assert service.asked == [b"request"]
    assert (desk.heard, desk.told) == ([], [])


# --- schedules --------------------------------------------------------------------------------------------------------------------


class Planner:
    """A backend that gives the same schedules to every car; when it was asked."""

    def __init__(self, answer: object = None) -> None:
        self.asked_at: list[float] = []
        self.seconds: list[float] = []
        self.answer = answer

    async def plan_charging(self, needs: ChargingNeeds, *, outlet: str, seconds: float) -> Any:
        self.asked_at.append(asyncio.get_running_loop().time())
        self.seconds.append(seconds)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


NEEDS = ChargingNeeds(Transfer.DC, contract=False)
GIVEN = ChargingSchedules((ChargingSchedule(1, (PowerSpan(0, 1e4),)),))


def plan(seconds: float = 10.0) -> PlanCharging:
    return PlanCharging(NEEDS, seconds, lambda found: Planned(found))


def test_a_car_that_negotiates_again_and_again_does_not_load_the_backend_and_stays_bound_by_it() -> None:
    async def main() -> None:
        planner = Planner(GIVEN)
        with ThreadPoolExecutor(1) as executor:
            found = questions(uplink=planner, executor=executor)
            for _ in range(20):
                assert await found.find(plan()) == Planned(GIVEN)
            # A car that breaks its sessions off waits no longer for that.
            for _ in range(20):
                task = asyncio.ensure_future(found.find(plan()))
                await asyncio.sleep(0.1)
                task.cancel()
            began = asyncio.get_running_loop().time()
            assert await found.find(plan()) == Planned(GIVEN)
            assert asyncio.get_running_loop().time() - began <= 2.0
            # However little time there is, half of it is the backend's.
            assert await found.find(plan(1.0)) == Planned(GIVEN)
            assert planner.seconds[-1] >= 0.5
        apart = [after - before for before, after in pairwise(planner.asked_at[:20])]
        assert min(apart) >= 2.0

    run_virtual(main())


@pytest.mark.parametrize("wrong", [UplinkError("no line"), ValueError("a bug"), ScheduleRejected(ScheduleFlaw.COUNT)])
def test_without_an_answer_about_schedules_there_are_none_and_the_log_says_why(wrong: Exception) -> None:
    async def main() -> Any:
        return await questions(uplink=Planner(wrong)).find(plan())

    answer = run_virtual(main())
    assert answer.schedules is None
    assert answer.rejected in ((str(wrong),), ("internal error",))


def test_a_backend_that_gives_no_schedules_leaves_the_limit() -> None:
    async def main() -> Any:
        return await questions(uplink=Planner()).find(plan())

    assert run_virtual(main()) == Planned(None)


@pytest.mark.parametrize("nonsense", [ChargingSchedules(cast("Any", 5)), object(), "schedules"])
def test_an_answer_of_another_type_is_an_error_of_the_backend_and_no_end(nonsense: Any) -> None:
    async def main() -> Any:
        with ThreadPoolExecutor(1) as executor:
            question = PlanCharging(NEEDS, 10.0, partial(accepted, NEEDS))
            return await questions(uplink=Planner(nonsense), executor=executor).find(question)

    answer = run_virtual(main())
    assert answer.schedules is None
    assert answer.rejected == ("schedule-type: an answer of another type",)

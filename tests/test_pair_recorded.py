"""Recorded cars in the simulated world: their octets against session and power path, with the follower for pilot and relay, as in the lab."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hal.sim.follower import Follower, Following
from secc.conversation import Abandon, Ask, Effect, End, Event, Received, Send, Ticket
from secc.iso2.messages import SCHEMA, ChargeProgress, PowerDeliveryReq
from secc.protocols import keys, protocols
from secc.session.events import StreamBroken
from secc.session.offer import Offer, Surroundings
from secc.station.shared.following import tell_follower
from tests.energy.bench import STEP
from tests.iso2_car import counting_entropy, given_id, wall
from tests.pair import BEGAN
from tests.recordings import CAPTURES, Recorded, recording
from tests.world_outlet import DC_LIMITS, WorldOutlet
from tools.evcc.quantities import real

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")

OFFER = Offer(evse_id="DE*PNX*E12345", free=True, meter_id="M", dc=DC_LIMITS)
CARS = {
    "audi": ("audi-dc-iso2", 0, "iso2"),
    "test system": ("ISO-2_DC_Pause_DS5366", 0, "iso2"),
    "polestar": (
        "2024-06-18_Griffigroen_pyPLC_polestar2_discharging_with_additional_prechargeCircuit", 0, "din",
    ),
    "josev": ("DIN_DC_DS5366_Josev", 0, "din"),
}  # fmt: skip
CARS = {name: car for name, car in CARS.items() if car[2] in keys()}
ISO2 = [name for name, (_, _, schema) in CARS.items() if schema == "iso2"]
STREAM = 0x8001
POLLED = (
    "AuthorizationReq",
    "ContractAuthenticationReq",
    "CableCheckReq",
    "ChargeParameterDiscoveryReq",
)
ANSWER_SECONDS = 5.0
CABLE_CHECK_SECONDS = 40.0


class Lab:
    """One DC outlet of a lab: the car that was recorded speaks, the follower moves what it would have moved."""

    def __init__(self, mode: Following, schema: str = "iso2") -> None:
        self.protocol = next(protocol for protocol in protocols() if protocol.key == schema)
        self.outlet = WorldOutlet(dc=True)
        self.board: Any = SimpleNamespace(follower=Follower(self.outlet.world, mode))
        self.now = BEGAN
        self.tickets = itertools.count(1)
        self.batch = 0
        self.connect()

    def connect(self) -> None:
        """A session for a car."""
        surroundings = Surroundings(self.now, counting_entropy(), wall, self.tickets)
        self.station = self.protocol.load().open(OFFER, surroundings)
        self.answers: list[Any] = []
        self.ended: End | None = None
        self._abandoned: set[Ticket[Any]] = set()
        self._step(None, self.station.session.begin)

    def charge(self, name: str, *, renegotiate: bool = False, until: str | None = None) -> None:
        """The whole recording, up to the first request of a kind; with a renegotiation in the middle of its charging loop."""
        records = requests(name)
        for record in _renegotiated(records) if renegotiate else records:
            if until == kind(record):
                return
            self.say(record)

    def say(self, record: Recorded) -> None:
        """One request, and its answer: OK, and Finished where it takes its time."""
        received = self._as_ours(record)
        name = type(received.message).__name__
        patience = self.now + (CABLE_CHECK_SECONDS if name == "CableCheckReq" else 60.0)
        while True:
            answer = self.ask(received)
            assert type(answer).__name__ == name.removesuffix("Req") + "Res"
            assert answer.response_code.startswith("OK"), f"{name}: {answer.response_code} {self.ended}"
            if getattr(answer, "evse_processing", "Finished") == "Finished":
                return
            assert self.now < patience, f"{name}: Ongoing for too long"
            self.wait(0.2)

    def ask(self, received: Event) -> Any:
        """Say it, and return what comes back; None if the session ends without a word."""
        before = len(self.answers)
        if isinstance(received, Received):
            self.batch += received.batch != BEHIND
            received = replace(received, batch=self.batch)
        self.hear(received)
        limit = self.now + ANSWER_SECONDS
        while len(self.answers) == before and self.ended is None:
            assert self.now < limit, f"no answer to {received}"
            self.wait(STEP)
        self.wait(0.2)
        return self.answers[-1] if len(self.answers) > before else None

    def hear(self, event: Event) -> None:
        if self.ended is None:
            tell_follower(self.board, event)
            self._step(event, lambda now: self.station.session.receive(event, now))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += STEP
            self.outlet.advance(self.now)
            for event in self.outlet.poll():
                if getattr(event, "ticket", None) not in self._abandoned:
                    self.hear(event)
            deadline = self.station.session.deadline
            if deadline is not None and self.now >= deadline.at and self.ended is None:
                self._step(None, self.station.session.expire)

    def _as_ours(self, record: Recorded) -> Received:
        received = self.station.decode(STREAM, record.octets)
        if type(received.message).__name__ == "SessionSetupReq":
            return received
        return replace(received, header=replace(received.header, session_id=given_id(self.station)))

    def _step(self, event: Event | None, step: Callable[[float], tuple[Effect, ...]]) -> None:
        self.station.session.levels = self.outlet.levels(self.now)
        for effect in step(self.now):
            match effect:
                case Send(message=message):
                    self.answers.append(message)
                case Ask(ticket=ticket, question=question):
                    assert self.outlet.take(ticket, question), question
                case Abandon(ticket=ticket):
                    self._abandoned.add(ticket)
                case End():
                    self.ended = effect
                    tell_follower(self.board, effect)
                case _:
                    self.outlet.perform(effect)


def requests(name: str) -> list[Recorded]:
    """What the car said, without its polling: it is asked again for as long as our station takes, not for as long as the recorded one did."""
    records = [r for r in recording(*CARS[name]) if r.schema != "sap" and r.ev]
    kinds = list(map(kind, records))
    return [
        record
        for record, this, before in zip(records, kinds, [None, *kinds[:-1]], strict=True)
        if this != before or this not in POLLED
    ]


def kind(record: Recorded) -> str:
    return type(record.message.body).__name__


def _renegotiated(records: list[Recorded]) -> list[Recorded]:
    """The recording with a renegotiation in its loop: the car says a second time what it said before it charged."""
    kinds = list(map(kind, records))
    loop = kinds.index("CurrentDemandReq")
    start = next(record for record in records if _is_start(record))
    body = start.message.body
    assert isinstance(body, PowerDeliveryReq)
    anew = replace(body, charge_progress=ChargeProgress.RENEGOTIATE, charging_profile=None)
    asked = replace(start, octets=SCHEMA.encode(replace(start.message, body=anew)))
    middle = loop + 4
    return [*records[:middle], asked, *records[kinds.index("ChargeParameterDiscoveryReq") : loop], *records[middle:]]


def _amperes(record: Recorded) -> float:
    return real(record.message.body.ev_target_current)


def _is_start(record: Recorded) -> bool:
    body = record.message.body
    return kind(record) == "PowerDeliveryReq" and (
        getattr(body, "ready_to_charge_state", False) or getattr(body, "charge_progress", "") == "Start"
    )


@pytest.mark.parametrize("name", CARS)
def test_a_recorded_car_charges(name: str) -> None:
    """A car of DIN has no renegotiation, and its octets are all that it says."""
    lab = Lab(Following.FOLLOW, CARS[name][2])
    lab.charge(name)
    assert lab.ended is not None
    assert lab.ended.reason.well, lab.ended
    lab.wait(2.0)
    truth = lab.outlet.world.truth()
    # The least of them asks for 1 A.
    assert truth["metered_watt_hours"] > 0.1
    assert truth["incidents"] == []
    assert not truth["contactor_closed"]
    assert not truth["relay_closed"]


@pytest.mark.parametrize("mode", [Following.FOLLOW, Following.HOLD])
@pytest.mark.parametrize("name", ISO2)
def test_a_recorded_car_charges_renegotiates_and_charges_on(name: str, mode: Following) -> None:
    """Both kinds of car: one opens its contactor over the renegotiation, the other keeps its battery on the cable."""
    lab = Lab(mode)
    lab.charge(name, renegotiate=True)
    assert lab.ended is not None
    assert lab.ended.reason.well, lab.ended
    lab.wait(2.0)
    truth = lab.outlet.world.truth()
    assert truth["metered_watt_hours"] > 1.0
    assert truth["incidents"] == []
    assert not truth["contactor_closed"]
    assert not truth["relay_closed"]


BEHIND = -1
"""As a batch: that of the request before."""
ENDINGS: dict[str, Callable[[Received], Event]] = {
    "garbage": lambda received: StreamBroken("v2gtp", "no V2GTP header"),
    "another session": lambda received: replace(received, header=replace(received.header, session_id=bytes(8))),
    "two requests in one segment": lambda received: replace(received, batch=BEHIND),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", CARS)
def test_the_next_car_charges_after_a_session_that_the_station_ended(name: str, ending: str) -> None:
    """The car is in C with its relay closed, and neither a stop nor the end of its connection has been heard."""
    lab = Lab(Following.FOLLOW, CARS[name][2])
    lab.charge(name, until="PowerDeliveryReq")
    records = requests(name)
    lab.say(next(record for record in records if _is_start(record)))
    demand = max((record for record in records if kind(record) == "CurrentDemandReq"), key=_amperes)
    for _ in range(10):
        lab.say(demand)
    assert lab.outlet.world.truth()["amperes"] > min(5.0, 0.9 * _amperes(demand))
    assert lab.outlet.world.truth()["relay_closed"]
    answer = lab.ask(ENDINGS[ending](lab._as_ours(demand)))
    assert answer is None or answer.response_code != "OK"
    assert lab.ended is not None
    assert not lab.ended.reason.well
    lab.wait(3.0)
    lab.connect()
    lab.charge(name)
    assert lab.ended.reason.well, lab.ended
    assert lab.outlet.world.truth()["incidents"] == []

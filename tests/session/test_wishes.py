"""What is asked of a session meanwhile is heard wherever it waits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from secc.conversation import Conversation, Party, Received, Requests, Send, Session, Timeout
from secc.errors import Refusal
from secc.session.effects import OpenContactor
from secc.session.events import EimDecided, LimitChanged, OngoingForced, RenegotiationRequested, StopRequested
from secc.session.offer import Offer
from secc.session.wishes import Held, Wishes

PATIENCE = Timeout("patience", 10.0, "test", answered=True)
LONG = Timeout("sequence", 60.0, "test")


@dataclass(frozen=True)
class Hello:
    pass


class Scene:
    """A session that says OK to every Hello, and hears wishes."""

    def __init__(self, offer: Offer | None = None, *, renegotiates: bool = False) -> None:
        self.wishes = Wishes(offer or Offer())
        self.now = 100.0

        def talk(secc: Party) -> Conversation[None]:
            self.wishes.hear(secc, PATIENCE, renegotiates=lambda: renegotiates)
            while True:
                yield from secc.receive(Hello, within=LONG)
                secc.reply("OK")

        requests = Requests(lambda request, cause: "FAILED", Refusal("out of order", "test"))
        self.session = Session(talk, requests=requests, safe=(OpenContactor(),), now=self.now)
        self.session.begin(self.now)

    def hear(self, event: object) -> list[object]:
        return list(self.session.receive(event, self.now))

    def says_hello(self) -> object:
        effects = self.hear(Received(0, Hello()))
        return next((effect.message for effect in effects if isinstance(effect, Send)), None)


def test_nothing_is_asked_at_first() -> None:
    wishes = Scene().wishes
    assert (wishes.stop, wishes.renegotiation, wishes.watts_limit, wishes.eim_accepted) == (None, False, None, False)
    assert Scene(Offer(watts_limit=5.0)).wishes.watts_limit == 5.0
    assert Scene(Offer(free=True)).wishes.eim_accepted
    assert Scene(Offer(eim_authorized=True)).wishes.eim_accepted


def test_the_first_wish_to_stop_counts() -> None:
    scene = Scene()
    scene.hear(StopRequested("driver"))
    scene.now += 5.0
    scene.hear(StopRequested("operator"))
    assert scene.wishes.stop is not None
    assert scene.wishes.stop.at == 110.0
    assert scene.session.deadline == scene.wishes.stop


def test_a_car_that_does_not_stop_is_switched_off_and_its_next_request_fails() -> None:
    scene = Scene()
    scene.hear(StopRequested("driver"))
    assert scene.says_hello() == "OK", "until then power stays, for the car to ramp down"
    scene.now = 110.0
    assert list(scene.session.expire(scene.now)) == [OpenContactor()]
    scene.now += 1.0
    assert scene.says_hello() == "FAILED"
    assert scene.session.ended is not None
    assert scene.session.ended.code == "timer.patience"


def test_a_request_that_comes_when_the_time_to_stop_is_over_fails() -> None:
    scene = Scene()
    scene.hear(StopRequested("driver"))
    scene.now = 110.5
    assert scene.says_hello() == "FAILED"


def test_a_car_that_has_stopped_has_done_what_was_asked() -> None:
    scene = Scene()
    scene.hear(StopRequested("driver"))
    scene.hear(RenegotiationRequested())
    scene.wishes.settle()
    assert not scene.wishes.renegotiation
    scene.now = 150.0
    assert scene.says_hello() == "OK"


@pytest.mark.parametrize(("watts", "limit"), [(5_000.0, 5_000.0), (-1.0, -1.0), (None, None), (math.nan, None)])
def test_the_newest_limit_counts(watts: float | None, limit: float | None) -> None:
    scene = Scene(Offer(watts_limit=9_000.0))
    scene.hear(LimitChanged(watts))
    assert scene.wishes.watts_limit == limit


@pytest.mark.parametrize("renegotiates", [True, False])
def test_a_limit_asks_for_another_schedule_where_the_car_learns_it_by_one(renegotiates: bool) -> None:
    scene = Scene(renegotiates=renegotiates)
    scene.hear(LimitChanged(1.0))
    assert scene.wishes.outdated is renegotiates
    scene.hear(RenegotiationRequested())
    scene.wishes.negotiated()
    assert (scene.wishes.renegotiation, scene.wishes.outdated) == (False, False)


@pytest.mark.parametrize(
    ("events", "accepted"),
    [([True], True), ([False], False), ([False, True], True), ([True, False], True)],
)
def test_a_card_that_is_refused_changes_nothing(events: list[bool], accepted: bool) -> None:
    scene = Scene()
    for event in events:
        scene.hear(EimDecided(event, "rfid"))
    assert scene.wishes.eim_accepted is accepted


def test_a_lab_holds_phases_in_ongoing_one_by_one() -> None:
    scene = Scene()
    scene.hear(OngoingForced("Authorization", on=True))
    scene.hear(OngoingForced("CableCheck", on=True))
    scene.hear(OngoingForced("Authorization", on=False))
    scene.hear(OngoingForced("PreCharge", on=False))
    assert [phase for phase in Held if scene.wishes.forces(phase)] == [Held.CABLE_CHECK]


def test_a_lab_holds_phases_from_the_start_until_it_releases_them() -> None:
    scene = Scene(Offer(ongoing=frozenset({"Authorization", "CableCheck"})))
    scene.hear(OngoingForced("CableCheck", on=False))
    assert [phase for phase in Held if scene.wishes.forces(phase)] == [Held.AUTHORIZATION]

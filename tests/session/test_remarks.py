"""Tolerances are remarked under their codes, and what a car does over and over only once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hal.readings import DcPhase
from secc.conversation import Party
from secc.session.dc_limits import CarLimits
from secc.session.effects import Remark, SetOutput
from secc.session.offer import Offer
from secc.session.remarks import Remarks, remark
from secc.session.terms import Terms
from secc.session.wishes import Wishes

OFFER = Offer(tolerances=frozenset({"Q-50"}))
CAR = CarLimits(450.0, 125.0)


def terms(offer: Offer = OFFER) -> Terms:
    return Terms(offer, Wishes(offer))


def codes(secc: Party) -> list[str]:
    return [effect.code for effect in secc.effects if isinstance(effect, Remark)]


def test_a_remark_is_said_as_often_as_it_is_made_and_one_of_a_session_once() -> None:
    secc, once = Party(), Remarks()
    for _ in range(2):
        remark(secc, "Q-27", "each time")
        once(secc, "Q-80", "once")
    assert codes(secc) == ["Q-27", "Q-80", "Q-27"]


@pytest.mark.case("Q-49", "Q-50", "Q-51")
@pytest.mark.parametrize(
    ("volts", "amperes", "said"),
    [
        (380.0, 2.0, []),
        (400.1, 2.0, ["Q-49"]),
        (380.0, 2.1, ["Q-51"]),
        (380.0, 0.0, ["Q-51"]),
        (149.0, 1.0, ["Q-49", "Q-50"]),
    ],
)
def test_what_a_literal_reading_would_refuse_in_precharge(volts: float, amperes: float, said: list[str]) -> None:
    secc, once = Party(), Remarks()
    for _ in range(2):
        once.precharge(secc, terms(), volts, amperes, 380.0)
    assert codes(secc) == said


@pytest.mark.case("Q-50", "Q-55", "Q-56")
@pytest.mark.parametrize(
    ("volts", "amperes", "served", "said"),
    [
        (400.0, 50.0, 50.0, []),
        (450.1, 50.0, 50.0, ["Q-55"]),
        (400.0, 125.1, 125.0, ["Q-55"]),
        (-1.0, 50.0, 50.0, ["Q-50"]),
        (400.0, 50.0, 50.5, ["Q-56"]),
    ],
)
def test_what_is_not_served_as_it_is_asked_for(volts: float, amperes: float, served: float, said: list[str]) -> None:
    secc, once = Party(), Remarks()
    once.demand(secc, terms(), CAR, volts, amperes, SetOutput(400.0, served, DcPhase.CHARGE))
    assert codes(secc) == said


def test_a_low_target_is_remarked_where_it_is_raised_only() -> None:
    secc, once = Party(), Remarks()
    once.precharge(secc, terms(replace(OFFER, strict=True)), 149.0, 1.0, 149.0)
    assert codes(secc) == []

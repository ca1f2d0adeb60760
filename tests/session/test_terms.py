"""What may flow: the hardware, the way of charging that was agreed, and the limit of the moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secc.session.offer import AcLimits, DcLimits, Offer, Transfer
from secc.session.terms import Terms
from secc.session.wishes import Wishes

DC = Offer(dc=DcLimits(maximum_watts=150_000.0))
AC = Offer(transfers=(Transfer.AC_THREE_PHASE, Transfer.AC_SINGLE_PHASE), ac=AcLimits(230.0, 32.0, phases=3), dc=None)
BOTH = replace(AC, transfers=(*AC.transfers, Transfer.DC), dc=DC.dc)


def terms(offer: Offer, transfer: Transfer | None = None, watts_limit: float | None = None) -> Terms:
    made = Terms(offer, Wishes(replace(offer, watts_limit=watts_limit)))
    made.transfer = transfer
    return made


@pytest.mark.case("Q-47")
@pytest.mark.parametrize(
    ("offer", "transfer", "is_dc", "watts"),
    [
        (DC, None, True, 150_000.0),
        (DC, Transfer.DC, True, 150_000.0),
        (AC, None, False, 22_080.0),
        (AC, Transfer.AC_THREE_PHASE, False, 22_080.0),
        (AC, Transfer.AC_SINGLE_PHASE, False, 7_360.0),
        (BOTH, Transfer.DC, True, 150_000.0),
        (BOTH, Transfer.AC_SINGLE_PHASE, False, 7_360.0),
        # Until a car has said otherwise, an outlet is DC only where it offers nothing else.
        (BOTH, None, False, 22_080.0),
        (replace(BOTH, transfers=BOTH.transfers[::-1]), None, False, 22_080.0),
    ],
)
def test_the_way_of_charging_says_what_may_flow(
    offer: Offer, transfer: Transfer | None, is_dc: bool, watts: float
) -> None:
    assert terms(offer, transfer).is_dc is is_dc
    assert terms(offer, transfer).maximum_watts == watts


@pytest.mark.parametrize(("limit", "watts"), [(5_000.0, 5_000.0), (1e9, 150_000.0), (0.0, 0.0), (-5.0, 0.0)])
def test_the_limit_of_the_moment_counts_and_is_never_negative(limit: float, watts: float) -> None:
    assert terms(DC, watts_limit=limit).maximum_watts == watts


@pytest.mark.parametrize(
    ("transfer", "limit", "amperes"),
    [
        (Transfer.AC_THREE_PHASE, None, 32.0),
        (Transfer.AC_THREE_PHASE, 11_040.0, 16.0),
        (Transfer.AC_SINGLE_PHASE, 11_040.0, 32.0),
        (Transfer.AC_SINGLE_PHASE, 3_680.0, 16.0),
        (Transfer.AC_SINGLE_PHASE, -1.0, 0.0),
    ],
)
def test_a_phase_carries_its_share_of_the_limit(transfer: Transfer, limit: float | None, amperes: float) -> None:
    assert terms(AC, transfer, limit).maximum_ac_amperes == amperes


def test_a_limit_that_changes_counts_at_once() -> None:
    wishes = Wishes(DC)
    changing = Terms(DC, wishes)
    wishes.watts_limit = 1_000.0
    assert changing.maximum_watts == 1_000.0


def test_tolerances_are_off_until_asked_for_and_in_strict_runs() -> None:
    asked = replace(DC, tolerances=frozenset({"Q-16"}))
    assert not terms(DC).tolerates("Q-16")
    assert terms(asked).tolerates("Q-16")
    assert not terms(asked).tolerates("Q-20")
    assert not terms(replace(asked, strict=True)).tolerates("Q-16")

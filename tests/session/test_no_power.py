"""A charging car that gets nothing for long is told to stop."""

from __future__ import annotations

import pytest

from secc.conversation import Party, Timeout
from secc.session.effects import Remark
from secc.session.no_power import NoPower
from secc.session.offer import Offer
from secc.session.wishes import Wishes

PATIENCE = Timeout("patience", 10.0, "test", answered=True)


@pytest.mark.case("Q-62")
def test_a_car_is_told_to_stop_after_the_time_without_power_and_not_before() -> None:
    secc, wishes = Party(now=100.0), Wishes(Offer())
    wishes.hear(secc, PATIENCE, renegotiates=lambda: False)
    no_power = NoPower(wishes)
    no_power.look(secc, 0.0, 5.0)
    secc.now = 104.0
    no_power.look(secc, 1.0, 5.0)
    assert no_power.since is None
    no_power.look(secc, -1.0, 5.0)
    secc.now = 108.9
    no_power.look(secc, 0.0, 5.0)
    assert wishes.stop is None
    secc.now = 109.0
    no_power.look(secc, 0.0, 5.0)
    no_power.look(secc, 0.0, 5.0)
    assert wishes.stop is not None
    assert wishes.stop.at == 119.0
    assert secc.effects == [Remark("Q-62", "no power to offer for 5 s: the car is told to stop")]

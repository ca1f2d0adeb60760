"""A SessionID is drawn by chance, and is neither zero nor the car's own."""

from __future__ import annotations

import pytest

from secc.conversation import Party
from secc.errors import SeccError
from secc.session.session_id import fresh_session_id


@pytest.mark.case("Q-31")
def test_chance_may_yield_zero_or_the_cars_own_id_but_it_is_not_given() -> None:
    drawn = iter([bytes(8), b"\x11" * 8, b"\x22" * 8])
    assert fresh_session_id(Party(entropy=lambda count: next(drawn)), b"\x11" * 8) == b"\x22" * 8


def test_a_broken_source_of_chance_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(SeccError, match="random"):
        fresh_session_id(Party(entropy=bytes), b"")

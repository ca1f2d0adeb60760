"""A register takes entries from many hands, and one meaning for each code."""

from __future__ import annotations

import pytest

from secc.errors import SeccError
from secc.trace.meanings import Meaning
from secc.trace.register import Register

ONE = Meaning("refused.ONE", "One.", "Sees one.", "Do one.")
TWO = Meaning("refused.TWO", "Two.", "Sees two.", "Do two.")


def test_entries_stand_in_the_order_in_which_they_were_added() -> None:
    register = Register(TWO)
    register.add(ONE)
    assert list(register) == ["refused.TWO", "refused.ONE"]
    assert register["refused.ONE"] == ONE
    assert register.get("refused.THREE") is None


def test_what_two_protocols_share_may_be_added_twice() -> None:
    register = Register(ONE)
    register.add(TWO, ONE)
    assert len(register) == 2


def test_a_code_has_one_meaning() -> None:
    register = Register(ONE)
    with pytest.raises(SeccError, match="ONE has another meaning"):
        register.add(Meaning("refused.ONE", "Another.", "Sees one.", "Do one."))
    assert register["refused.ONE"] == ONE

"""A fixed number of frames of DIN's fuzzing run; ``make fuzz-din`` runs a million."""

from __future__ import annotations

import pytest

from tests.din.fuzz import DIN
from tests.fuzz import decoder

FRAMES = 10_000


@pytest.mark.case("A-EXI-03", "A-EXI-04")
def test_frames_are_read_or_refused_and_leave_nothing() -> None:
    found = decoder.run(FRAMES, 70121, dialect=DIN)
    assert found.wrong == []
    assert found.frames > FRAMES
    assert found.outcomes["read"] > FRAMES // 5
    assert found.outcomes["refused"] > FRAMES // 5
    assert found.outcomes["fragments read"] > 0
    assert found.places > 300

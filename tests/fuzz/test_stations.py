"""A fixed number of cars on a bad line at a whole station, and at one that is broken on purpose. ``make fuzz`` lets thousands come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from secc.conversation import Conversation
from secc.iso2.messages import AuthorizationReq
from secc.iso2.phases.authorization import finished
from secc.iso2.session_state import next_request
from tests.fuzz import stations


@pytest.mark.case("A-RES-03", "A-RES-04", "A-SES-14")
def test_cars_on_a_bad_line_leave_a_station_well(tmp_path: Path) -> None:
    found = stations.run(tmp_path, count=30, seed=1)
    assert found.wrong == []
    assert found.sessions == 30
    assert found.charged > 5
    assert {"completed.terminated", "completed.pause", "severed.connection-closed"} <= set(found.ends)


def test_a_station_that_waits_for_no_card_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def authorization(secc: Any, state: Any) -> Conversation[None]:
        yield from next_request(secc, AuthorizationReq)
        secc.reply(finished())

    monkeypatch.setattr("secc.iso2.conversation.external_authorization", authorization)
    assert "Wh without a card or a contract" in "".join(stations.run(tmp_path, count=18, seed=1).wrong)

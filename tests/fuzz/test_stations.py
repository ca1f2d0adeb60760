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
from tests.station_scene import car_wallet


@pytest.mark.case("A-RES-03", "A-RES-04", "A-SES-14", "A-PNC-13")
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


def test_a_contract_on_the_disk_is_found(tmp_path: Path) -> None:
    wallet = car_wallet()
    (tmp_path / "trace").write_text("nothing")
    assert stations.personal(tmp_path, wallet) == []
    # As it stands in a message, three bits behind the octets, and a part of it only.
    shifted = (int.from_bytes(wallet.chain[0][200:300]) << 5).to_bytes(101)
    for octets in (wallet.chain[0], shifted, shifted.hex().encode(), b"for " + wallet.emaid.encode()):
        (tmp_path / "trace").write_bytes(b"before " + octets + b" behind")
        assert stations.personal(tmp_path, wallet) == [f"the contract stands in {tmp_path / 'trace'}"]

"""SessionSetup: who gets which SessionID."""

from __future__ import annotations

import pytest

from secc.iso2.messages import ResponseCode, SessionSetupReq
from tests.iso2_car import EVCCID, Car, counting_entropy, given_id
from tests.lab_trust import AT

SETUP = SessionSetupReq(evcc_id=EVCCID)


@pytest.mark.case("I2-SS-01", "Q-30", "Q-31", "Q-79")
@pytest.mark.parametrize("brought", [b"\x00", bytes(8), b"", bytes(4)])
def test_zero_of_any_length_is_a_new_session(brought: bytes) -> None:
    car = Car()
    body = car.says(SETUP, session_id=brought)
    assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
    assert body.evse_id == "DE*PNX*E12345"
    assert body.evse_time_stamp == int(AT.timestamp())
    given = car.heard[-1].header.session_id
    assert len(given) == 8
    assert any(given)


def test_an_id_that_means_nothing_to_us_is_a_new_session_too() -> None:
    car = Car()
    body = car.says(SETUP, session_id=b"\x11" * 8)
    assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
    assert car.heard[-1].header.session_id not in (b"\x11" * 8, bytes(8))


def test_chance_may_yield_zero_or_the_cars_own_id_but_we_do_not_give_it() -> None:
    drawn = iter([bytes(8), b"\x11" * 8, b"\x22" * 8])
    car = Car(entropy=lambda count: next(drawn))
    car.says(SETUP, session_id=b"\x11" * 8)
    assert given_id(car.station) == b"\x22" * 8


def test_a_broken_source_of_chance_is_a_bug_and_no_endless_loop() -> None:
    from secc.errors import SeccError

    car = Car(entropy=bytes)
    with pytest.raises(SeccError, match="random"):
        car.tells(SETUP)


@pytest.mark.case("A-SES-03")
def test_ids_and_challenges_are_what_the_source_of_chance_yields() -> None:
    """The station hands in the operating system's; nothing here mixes in anything of its own."""
    first, second = Car(entropy=counting_entropy(1)), Car(entropy=counting_entropy(9))
    first.says(SETUP)
    second.says(SETUP)
    assert given_id(first.station) != given_id(second.station)


@pytest.mark.case("Q-32")
@pytest.mark.parametrize("evcc_id", [b"", b"\x01", bytes(8), bytes(20)])
def test_any_evcc_id_is_accepted(evcc_id: bytes) -> None:
    from secc.iso2.messages import MessageHeader

    car = Car()
    request = SessionSetupReq(evcc_id=evcc_id)
    assert isinstance(car.says(request, raw=True).response_code, ResponseCode)
    assert car.ended is None
    assert isinstance(car.heard[0].header, MessageHeader)

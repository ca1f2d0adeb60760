"""A station that gets answers wrong on purpose: what the car sees of it, and that the hardware does not."""

from __future__ import annotations

import pytest

from secc.misbehaving import Message
from secc.testing import StationUnderTest
from tests.test_testing import travels
from tools.evcc.behaviour import Behaviour

FAST = pytest.mark.secc_station(speed=20)
CAR = Behaviour(loops=4)


def gone(station: StationUnderTest) -> list[Message]:
    return [message for message in station.messages if message.direction == "sent"]


def after(station: StationUnderTest, count: int = 1) -> str:
    """Wait for the end of so many sessions; how the last one ended. The contactor is open, whatever the car was told."""
    station.until(lambda: len(station.ended) == count)
    station.until(lambda: not station.world.contactor_closed)
    return station.ended[-1]


@FAST
@pytest.mark.parametrize("answer", ["SupportedAppProtocolRes", "SessionSetupRes"])
def test_a_code_other_than_the_stations_own(secc_station: StationUnderTest, answer: str) -> None:
    hears_a_code_of_failure(secc_station, answer)


@pytest.mark.secc_station(speed=2)
@pytest.mark.parametrize("answer", ["PreChargeRes", "CurrentDemandRes"])
def test_a_code_other_than_the_stations_own_with_power_on(secc_station: StationUnderTest, answer: str) -> None:
    """The car opens its switch, then closes the connection: in a slow world the pilot is still debounced when the station sees the latter."""
    hears_a_code_of_failure(secc_station, answer)


def hears_a_code_of_failure(secc_station: StationUnderTest, answer: str) -> None:
    code = "Failed_NoNegotiation" if answer == "SupportedAppProtocolRes" else "FAILED"
    secc_station.misbehave(answer, code=code)
    assert travels(secc_station, CAR) != "completed.full"
    last = gone(secc_station)[-1]
    assert (last.name, last.body.response_code) == (answer, code)
    assert after(secc_station).startswith(("severed", "refused"))
    assert travels(secc_station, CAR) == "completed.full", "it was wrong once"


@FAST
def test_an_answer_that_comes_late(secc_station: StationUnderTest) -> None:
    secc_station.misbehave("CurrentDemandRes", late=0.2, skip=1, times=2)
    assert travels(secc_station, CAR) == "completed.full"
    pairs = [message for message in secc_station.messages if message.name.startswith("CurrentDemand")]
    took = [answer.at - request.at for request, answer in zip(pairs[::2], pairs[1::2], strict=True)]
    assert [seconds >= 0.2 for seconds in took] == [False, True, True, False]
    assert after(secc_station) == "completed.terminated"


@FAST
def test_the_last_answer_may_be_late_too(secc_station: StationUnderTest) -> None:
    secc_station.misbehave("SessionStopRes", late=0.3)
    assert travels(secc_station, CAR) == "completed.full"
    assert gone(secc_station)[-1].name == "SessionStopRes"


@FAST
@pytest.mark.parametrize("answer", ["AuthorizationRes", "PowerDeliveryRes", "CurrentDemandRes"])
def test_a_connection_that_is_cut_in_the_place_of_an_answer(secc_station: StationUnderTest, answer: str) -> None:
    secc_station.misbehave(answer, cut=True)
    assert travels(secc_station, CAR) == "severed.connection-closed"
    assert not any(message.name == answer for message in gone(secc_station))
    assert after(secc_station) == "severed.connection-closed"


def test_what_no_station_could_say_is_refused(secc_station: StationUnderTest) -> None:
    for wrong, text in (
        ({"answer": "CurrentDemandReq", "late": 1.0}, "not an answer"),
        ({"answer": "GremlinsRes", "late": 1.0}, "not an answer"),
        ({"answer": "PreChargeRes", "code": "FAILED_Gremlins"}, "has no code"),
        ({"answer": "SupportedAppProtocolRes", "code": "FAILED"}, "has no code"),
        ({"answer": "PreChargeRes"}, "say what"),
    ):
        with pytest.raises(ValueError, match=text):
            secc_station.misbehave(**wrong)  # type: ignore[arg-type]  # that is the point

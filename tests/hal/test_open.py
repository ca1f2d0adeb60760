"""From a line of configuration to a board, and every way the line can be wrong."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import HalError, HalRejected, HalUnsupported
from hal.open import open_hal, recognise
from hal.ports import Board
from hal.sim.clock import run_virtual
from hal.sim.follower import Following
from hal.sim.options import Options


def simulated(where: str) -> Options:
    found = recognise(where)
    assert isinstance(found, Options)
    return found


def test_sim_alone_is_a_dc_outlet_without_a_car() -> None:
    assert recognise("sim:") == recognise("sim:?") == Options()

    async def main() -> None:
        board = await open_hal("sim:", name="left")
        assert isinstance(board, Board)
        assert board.name == "left"
        assert board.dc is not None and board.imd is not None and board.ac is None and board.lock is None
        await board.close()

    run_virtual(main())


def test_options_describe_outlet_and_car() -> None:
    options = simulated(
        "sim:?connector=ac&car=plugged&speed=60&soc=0.55&phases=1&max_amperes=16&lock=1&faults=weld,meter_lost"
    )
    assert options == Options(
        connector="ac",
        car="plugged",
        speed=60.0,
        soc=0.55,
        phases=1,
        max_amperes=16.0,
        lock=True,
        faults=("weld", "meter_lost"),
    )
    assert (options.outlet.dc, options.outlet.phases, options.outlet.max_amperes) == (False, 1, 16.0)
    dc = simulated("sim:?max_amperes=80&max_volts=900&max_watts=50000").outlet.limits
    assert (dc.max_amperes, dc.max_volts, dc.max_watts) == (80.0, 900.0, 50_000.0)


@pytest.mark.parametrize("where", ["", "sim", "serial:/dev/ttyS0", ":", "/dev/ttyLP2"])
def test_what_is_no_board_is_refused_with_what_there_is(where: str) -> None:
    with pytest.raises(HalUnsupported, match="sim:"):
        recognise(where)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("colour=red", "colour.*connector, car, speed"),
        ("connector=chademo", "connector: has to be one of dc, ac, not 'chademo'"),
        ("speed=0", "speed: has to be a number from 0.01 to 10000"),
        ("speed=nan", "speed"),
        ("soc=80", "soc: has to be a number from 0 to 1"),
        ("speed=1&speed=2", "speed is given twice"),
        ("faults=weld,rust", "faults: has to be one of .*weld"),
        ("lock=yes", "lock: has to be one of 0, 1"),
        ("follower=lead", "follower: has to be one of .*stick"),
        ("control=" + "x" * 200, "control"),
        ("connector", "name=value"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_may_be(query: str, named: str) -> None:
    with pytest.raises(HalRejected, match=named):
        recognise(f"sim:?{query}")


@given(st.text(alphabet=string.printable, max_size=60))
def test_any_text_is_options_or_a_typed_error(text: str) -> None:
    for where in (text, f"sim:{text}", f"sim:?{text}", f"sim:?speed={text}"):
        with contextlib.suppress(HalError):
            assert isinstance(recognise(where), Options)


def test_the_follower_is_known_to_be_unsafe() -> None:
    assert recognise("sim:?follower=follow").unsafe == ("follower",)
    assert recognise("sim:?speed=5").unsafe == ()
    assert simulated("sim:?follower=stick").follower is Following.STICK

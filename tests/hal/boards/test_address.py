"""Addresses of serial boards, and the whole way over a pseudo terminal."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.boards.address import KINDS, read_address
from hal.boards.uart import SerialLine
from hal.errors import HalError, HalLost, HalRejected, HalUnsupported
from hal.open import open_hal, recognise
from hal.ports import Board
from hal.readings import ContactorState, PilotState
from tests.hal.boards.chargesom_fake import FakeChargeSom
from tests.hal.boards.lines import Terminal
from tests.hal.boards.pionix_fake import FakePionix
from tests.hal.contract import Collector, beating


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_recognised_without_opening_anything(kind: str) -> None:
    assert recognise(f"{kind}:/dev/nothing")
    assert recognise(f"{kind}:/dev/nothing?phases=1&max_amperes=16&reset=!nRESET&estop=gpiochip0/3").unsafe == ()


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("chargesom:", "KIND:PLACE"),
        ("chargesom:/dev/x?contactors=4", "contactors: has to be a whole number from 1 to 3, not '4'"),
        ("chargesom:/dev/x?lock=1", "lock: unknown; there are: contactors"),
        ("yeti:/dev/x?phases=2", "one phase or three"),
        ("yeti:/dev/x?max_amperes=nan", "max_amperes: has to be a number from 6 to 80, not 'nan'"),
        ("yeti:/dev/x?connector=2", "connector: unknown"),
        ("tida:/dev/x?reset=gpiochip0/x", "reset: .*is not a GPIO line"),
        ("phyverso:/dev/x?connector=3", "connector: has to be"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_may_be(where: str, named: str) -> None:
    with pytest.raises(HalRejected, match=named):
        recognise(where)


def test_the_board_that_cannot_be_driven_says_why() -> None:
    with pytest.raises(HalUnsupported, match="not the current"):
        recognise("micromegawatt:/dev/ttyUSB0")


@given(st.sampled_from(KINDS), st.text(max_size=40))
def test_any_text_is_an_address_or_a_typed_error(kind: str, text: str) -> None:
    for where in (f"{kind}:{text}", f"{kind}:/dev/x?{text}", f"{kind}:/dev/x?phases={text}"):
        with contextlib.suppress(HalError):
            read_address(where)


def test_without_pyserial_the_line_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "serial" else find(name, *rest)
    )
    with pytest.raises(HalUnsupported, match="the extra 'serial' brings: pip install pyserial"):
        recognise("yeti:/dev/ttyUSB0")


def test_what_is_no_serial_device_is_said_so(tmp_path: Any) -> None:
    async def main() -> None:
        with pytest.raises(HalLost, match="no serial device"):
            await open_hal(f"yeti:{tmp_path}/ttyNONE")
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(HalError):
            SerialLine(str(tmp_path / "file"))
        with pytest.raises(HalError):
            await open_hal("yeti:/dev/null\0")

    asyncio.run(main())


async def until(true: Callable[[], bool]) -> None:
    """Real time: as short as it gets, and never longer than five seconds."""
    async with asyncio.timeout(5.0):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["chargesom", "yeti", "phyverso"])
def test_a_charge_over_a_pseudo_terminal(kind: str) -> None:
    async def main() -> None:
        fake = FakeChargeSom() if kind == "chargesom" else FakePionix(kind)
        terminal = Terminal(fake)
        board = await open_hal(f"{kind}:{terminal.path}", name="left")
        assert isinstance(board, Board) and board.name == "left" and board.ac is not None
        seen = Collector(board)
        await until(lambda: board.pilot.reading.state is PilotState.A)
        async with beating(board):
            fake.plug("B")
            await until(lambda: seen.states() == [PilotState.B] or seen.states() == [PilotState.A, PilotState.B])
            await board.pilot.set_duty(0.05)
            fake.plug("C")
            await until(lambda: board.pilot.reading.state is PilotState.C)
            await board.ac.allow(True, "test")
            await until(lambda: board.ac is not None and board.ac.contactor.state is ContactorState.CLOSED)
            assert fake.closed
            terminal.close()  # as when the adapter is pulled out
            await until(lambda: not board.healthy)
            with pytest.raises(HalLost):
                await board.ac.allow(True, "test")
        await board.close()
        await seen.stop()

    asyncio.run(main())

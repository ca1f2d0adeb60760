"""Boards on a serial line by their address: ``chargesom:/dev/ttyLP2?reset=!nSAFETY_RESET``, ``yeti:/dev/ttyUSB0?lock=1``."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hal.boards.chargesom import ChargeSom
from hal.boards.driven import DrivenBoard, Outlet
from hal.boards.pionix import PionixBoard
from hal.boards.pionix_dialects import DIALECTS
from hal.boards.uart import NEEDS_PYSERIAL, SerialLine
from hal.drivers_kit import Address, parse
from hal.errors import HalRejected, HalUnsupported
from hal.linux.gpio import InputLine, LineName, OutputLine, line_name

_OUTLET: Final = frozenset({"phases", "volts", "max_amperes", "socket", "reset", "estop", "door"})
_OPTIONS: Final = {
    "chargesom": _OUTLET | {"contactors"},
    "yeti": _OUTLET | {"lock", "switches_phases", "meter"},
    "adi": _OUTLET | {"lock", "switches_phases", "meter"},
    "tida": _OUTLET | {"lock"},
    "phyverso": _OUTLET | {"lock", "connector", "revision"},
}
KINDS: Final = tuple(_OPTIONS)
_NO_CURRENT: Final = (
    "the MicroMegaWatt reports the voltage of its output and not the current, which DC charging needs; "
    "there is no driver for it"
)


@dataclass(frozen=True, slots=True)
class BoardPlan:
    """A board that can be made, and has not been."""

    address: Address
    outlet: Outlet
    make: Callable[[str], DrivenBoard]


def _flag(address: Address, name: str) -> bool:
    return address.integer(name, 0, 0, 1) == 1


def _line(address: Address, name: str) -> LineName | None:
    text = address.text(name, "")
    try:
        return line_name(text) if text else None
    except HalRejected as error:
        raise HalRejected(f"{address}: {name}: {error}") from None


def read_address(where: str) -> BoardPlan:
    """Check an address without opening anything. HalRejected names the option that is wrong; HalUnsupported: pyserial is missing."""
    kind = where.partition(":")[0]
    if kind == "micromegawatt":
        raise HalUnsupported(_NO_CURRENT)
    address = parse(where, frozenset(_OPTIONS[kind]))
    phases = address.integer("phases", 3, 1, 3)
    if phases == 2:
        raise HalRejected(f"{address}: phases=2: an outlet has one phase or three")
    outlet = Outlet(
        volts=address.quantity("volts", 230.0, 100.0, 300.0),
        phases=phases,
        max_amperes=address.quantity("max_amperes", 32.0, 6.0, 80.0),
        socket=_flag(address, "socket"),
        lock=_flag(address, "lock"),
        switches_phases=_flag(address, "switches_phases"),
    )
    contactors = address.integer("contactors", 1, 1, 3)
    connector = address.integer("connector", 1, 1, 2)
    revision = address.integer("revision", 2, 1, 2)
    reset, stop, door = (_line(address, name) for name in ("reset", "estop", "door"))
    if importlib.util.find_spec("serial") is None:
        raise HalUnsupported(f"{address}: {NEEDS_PYSERIAL}")

    def make(name: str) -> DrivenBoard:
        # The contacts first: a board that is made has all that was asked for, and one that is not has nothing open.
        with contextlib.ExitStack() as opened:
            contacts = [InputLine(contact) if contact is not None else None for contact in (stop, door)]
            for contact in contacts:
                if contact is not None:
                    opened.callback(contact.close)
            line = OutputLine(reset) if reset is not None else None
            opened.pop_all()
        board: DrivenBoard
        if kind == "chargesom":
            board = ChargeSom(name, lambda: SerialLine(address.place), outlet, contactors=contactors, reset=line)
        else:
            board = PionixBoard(
                name,
                lambda: SerialLine(address.place),
                outlet,
                DIALECTS[kind],
                connector=connector,
                reset=line,
                revision=revision,
                meter=address.text("meter", ""),
            )
        board.wire(emergency_stop=contacts[0], door=contacts[1])
        return board

    return BoardPlan(address, outlet, make)


async def open_made(board: DrivenBoard) -> DrivenBoard:
    """Open a board that was just made. HalError when that fails; nothing stays open then."""
    try:
        await board.open()
    except BaseException:
        await board.close()
        raise
    return board

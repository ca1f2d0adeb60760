"""Addresses of boards on a serial line: ``chargesom:/dev/ttyLP2?reset=!nSAFETY_RESET``,
``yeti:/dev/ttyUSB0?lock=1``.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from typing import Final

from frozen import dataclass
from hal.address import Address, Power
from hal.boards.chargesom import ChargeSom
from hal.boards.driven import DrivenBoard, Outlet
from hal.boards.pionix import PionixBoard
from hal.boards.pionix_dialects import DIALECTS
from hal.boards.uart import NEEDS_PYSERIAL, SerialLine
from hal.errors import HalUnsupported
from hal.linux.gpio import InputLine, OutputLine, line_of

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
    """A board by its address, not made yet."""

    outlet: Outlet
    devices: tuple[str, ...]
    make: Callable[[str], DrivenBoard]
    unsafe: tuple[str, ...] = ()

    @property
    def power(self) -> Power:
        return Power(self.outlet.phases, False)


def read_address(where: str) -> BoardPlan:
    """Check an address without opening any device. Raises HalRejected, which names the wrong
    option, and HalUnsupported without pyserial.
    """
    kind = where.partition(":")[0]
    if kind == "micromegawatt":
        raise HalUnsupported(_NO_CURRENT)
    address = Address(where, sorted(_OPTIONS[kind]))
    flags = {name: address.flag(name) for name in ("socket", "lock", "switches_phases")}
    outlet = Outlet.read(address, 3, 32.0, **flags)
    contactors = address.integer("contactors", 1, 3, 1)
    connector = address.integer("connector", 1, 2, 1)
    revision = address.integer("revision", 1, 2, 2)
    reset, stop, door = (line_of(address, name) for name in ("reset", "estop", "door"))
    if importlib.util.find_spec("serial") is None:
        raise HalUnsupported(f"{address}: {NEEDS_PYSERIAL}")

    def make(name: str) -> DrivenBoard:
        # Open the contacts first, and close them again if one fails.
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

    return BoardPlan(outlet, (address.place,), make)

"""From a line of configuration to a board: ``open_hal("sim:?connector=dc")``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from hal.address import Recognised
from hal.errors import HalError, HalUnsupported
from hal.ports import Board
from hal.sim.board import SimBoard
from hal.sim.clock import LoopClock
from hal.sim.link import LocalLink
from hal.sim.options import Options, parse
from hal.sim.panel import Panel
from hal.sim.powerline import PowerLine
from hal.sim.process import RemoteFollower, launch

SERIAL = ("chargesom", "yeti", "phyverso", "tida", "adi", "micromegawatt")
"""Kinds of boards on a serial line; :mod:`hal.boards.address` knows what they can do."""

KINDS = ("sim", *SERIAL, "linux", "composed")


def recognise(where: str) -> Recognised:
    """Check a board's address without opening any device.

    Raises HalUnsupported for a kind that this version does not have, HalRejected for unknown or
    invalid options.
    """
    kind, colon, rest = where.partition(":")
    if colon and kind == "sim":
        return parse(rest)
    if colon and kind == "composed":
        from hal.compose import read_plan  # imports the drivers of all parts, which other boards do not need

        return read_plan(rest, recognise)
    if colon and kind in SERIAL:
        from hal.boards.address import read_address  # imported only for a configuration that needs it

        return read_address(where)
    if colon and kind == "linux":
        from hal.boards.pilot_config import read_board

        return read_board(rest)
    kinds = ", ".join(f"{kind}:" for kind in KINDS)
    raise HalUnsupported(
        f"{where!r} is not a board; an address is KIND:DETAILS, and the kinds of this version are: {kinds}"
    )


async def open_hal(where: str, *, name: str = "1") -> Board:
    """Open the board at this address; ``name`` is the outlet's, for logs. Raises as
    :func:`recognise` does, and HalLost.
    """
    found = recognise(where)
    kind, _, rest = where.partition(":")
    if isinstance(found, Options):
        return await open_sim(found, rest, name=name)
    if kind == "composed":
        from hal.compose import Plan, open_composed

        assert isinstance(found, Plan)
        return await open_composed(found, lambda board: open_hal(board, name=name))
    from hal.boards.address import BoardPlan
    from hal.boards.pilot_config import LinuxPlan

    assert isinstance(found, BoardPlan | LinuxPlan)
    return await found.make(name).opened()


async def open_sim(options: Options, query: str = "", *, name: str = "1") -> SimBoard:
    """Open a simulated board. ``query``: the text of the options, needed only for a board in its
    own process.
    """
    board = await (_remote(options, query, name) if options.process else _local(options, name))
    try:
        await board.open()
    except HalError:
        await board.close()
        raise
    return board


async def _local(options: Options, name: str) -> SimBoard:
    world = options.build(LoopClock())
    link = LocalLink(world)
    follower = options.populate(world)
    line = PowerLine(world, LoopClock(), name) if options.modem else None
    release: Callable[[], Awaitable[None]] | None = None
    if options.control is not None:
        panel = Panel(world, follower, line.act if line is not None else None)
        await panel.serve(Path(options.control))

        async def release() -> None:
            panel.close()

    return SimBoard(name, link, options.outlet, world=world, line=line, follower=follower, release=release)


async def _remote(options: Options, query: str, name: str) -> SimBoard:
    link, release = await launch(query)
    follower = RemoteFollower(link.tell) if options.follower is not None else None
    return SimBoard(name, link, options.outlet, follower=follower, release=release)

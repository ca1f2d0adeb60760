"""What brings a whole station to an end with each code: octets over its sockets, the simulated world, virtual time.

``ENDS`` has a drive for each code with which something ends. Each stands in the module of its kind, which is named after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secc.config import Config
from tests.conformance.places import Place
from tests.conformance.tester import Tester
from tests.station_scene import Scene, configured

Act = Callable[[Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Drive:
    """``act`` on the station of ``config``; then it ends something with the code, while it runs or when it stops."""

    act: Act
    config: Callable[[Path], Config]
    again: bool = False
    """The code comes at the next start, in the same place."""


ENDS: dict[str, Drive] = {}


def ends(code: str, config: Callable[[Path], Config] = configured, *, again: bool = False) -> Callable[[Act], Act]:
    """The decorated function drives the station to this code."""

    def kept(act: Act) -> Act:
        assert code not in ENDS, f"{code} has a drive already"
        ENDS[code] = Drive(act, config, again)
        return act

    return kept


def ends_at(
    place: Place, code: str, act: Callable[[Tester], Awaitable[Any]], config: Callable[[Path], Config] | None = None
) -> None:
    """A good session up to this place, and then ``act``."""

    async def reached(scene: Scene) -> None:
        await act(await place.reached(scene))

    ends(code, config or place.config)(reached)

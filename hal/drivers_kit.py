"""Parts of an outlet that have drivers of their own: a meter on a bus, an insulation monitor, a supply.

:mod:`hal.compose` puts them together with a board that has the pilot. A part watches its device by itself, says what it finds
through ``tell``, and goes on trying when the device is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from hal.errors import HalError, HalLost, HalRejected
from hal.events import BoardEvent, FaultCleared, FaultRaised
from hal.readings import Fault, Severity

log = logging.getLogger(__name__)

Tell = Callable[[BoardEvent], None]

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0


class Part(Protocol):
    """What :mod:`hal.compose` needs of a part besides its port."""

    async def open(self, tell: Tell) -> None:
        """Begin; at most 4 s. A device that does not answer now is a fault and no error, except where the part says otherwise.

        HalUnsupported and HalRejected: what is configured can never work.
        """

    async def close(self) -> None:
        """Leave the device in its safe state, and let go of it. Never raises."""

    def clear(self, code: str) -> None:
        """Forget this latched fault. HalRejected while its cause is there; nothing happens where there is none."""


# --- addresses ---


@dataclass(frozen=True, slots=True)
class Address:
    """``KIND:PLACE?option=value&...``, as in ``modbus:rtu:/dev/ttyS1?model=sdm630&unit=2``."""

    kind: str
    place: str
    options: dict[str, str]

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"

    def text(self, name: str, default: str) -> str:
        return self.options.get(name, default)

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        """HalRejected for what is no whole number within these bounds."""
        written = self.options.get(name, str(default))
        try:
            value = int(written, 0)
        except ValueError:
            raise HalRejected(f"{self}: {name}={written!r} is no whole number") from None
        if not lowest <= value <= highest:
            raise HalRejected(f"{self}: {name}={value} is not within {lowest} to {highest}")
        return value

    def quantity(self, name: str, default: float, lowest: float, highest: float) -> float:
        """HalRejected for what is no number within these bounds."""
        written = self.options.get(name, str(default))
        try:
            value = float(written)
        except ValueError:
            raise HalRejected(f"{self}: {name}={written!r} is no number") from None
        if not lowest <= value <= highest:  # also false for NaN
            raise HalRejected(f"{self}: {name}={written} is not within {lowest:g} to {highest:g}")
        return value


def parse(where: str, options: frozenset[str]) -> Address:
    """Parse an address whose options may be these. HalRejected for an unknown or repeated option, or one without a value."""
    head, _, query = where.partition("?")
    kind, colon, place = head.partition(":")
    if not colon or not kind or not place:
        raise HalRejected(f"{where!r} is no address; it reads KIND:PLACE?option=value")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise HalRejected(f"{where!r}: {error}") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in options:
            raise HalRejected(f"{kind}:{place} knows no option {name!r}; there are: {', '.join(sorted(options))}")
        if name in given or not value:
            raise HalRejected(f"{kind}:{place}: the option {name!r} needs one value")
        given[name] = value
    return Address(kind, place, given)


# --- faults ---


class Standing:
    """The faults of one part as they stand: each is told once when it comes and once when it goes."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._faults: dict[str, Fault] = {}

    def __contains__(self, code: object) -> bool:
        return code in self._faults

    @property
    def active(self) -> tuple[Fault, ...]:
        return tuple(self._faults.values())

    def raised(self, code: str, severity: Severity, text: str, *, latched: bool = False) -> None:
        """This is wrong now. A fault that stands already stays as it is, unless it has become more severe, or latched."""
        standing = self._faults.get(code)
        if standing is not None and standing.severity >= severity and standing.latched >= latched:
            return
        log.warning("%s: %s", code, text)
        fault = Fault(code, severity, text, latched, asyncio.get_running_loop().time())
        self._faults[code] = fault
        self._tell(FaultRaised(fault))

    def passed(self, code: str, *, unlatch: bool = False) -> None:
        """This is no longer wrong. A latched fault stays, unless ``unlatch``."""
        standing = self._faults.get(code)
        if standing is None or (standing.latched and not unlatch):
            return
        log.info("%s: over", code)
        del self._faults[code]
        self._tell(FaultCleared(standing))


# --- polling ---


class Poller:
    """Asks a device at a steady pace; with growing pauses while it does not answer.

    ``lost`` is called once when there has been no good answer for ``patience`` seconds, ``found`` at the first one after that.
    The pace may be changed at any time; :meth:`wake` asks at once.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[object]],
        *,
        period: float,
        patience: float,
        lost: Callable[[HalError], None],
        found: Callable[[], None],
    ) -> None:
        self.period = period
        self.patience = patience
        self._ask = ask
        self._lost = lost
        self._found = found
        self._is_lost = False
        self._failures = 0
        self._answered_at: float | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask once, and then go on in the background. A device that does not answer the first time is lost from the start."""
        await self._turn()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="poller")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def wake(self) -> None:
        """Do not wait for the next turn."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            pause = self.period
            if self._failures:
                pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            await self._turn()

    async def _turn(self) -> None:
        try:
            await self._ask()
        except HalError as error:
            self._failed(error)
        except Exception as error:  # a bug in a driver must not leave its device unwatched
            log.exception("polling failed")
            self._failed(HalLost(f"the driver failed: {error!r}"))
        else:
            self._failures = 0
            self._answered_at = asyncio.get_running_loop().time()
            if self._is_lost:
                self._is_lost = False
                self._found()

    def _failed(self, error: HalError) -> None:
        self._failures += 1
        log.debug("no good answer (%d in a row): %s", self._failures, error)
        now = asyncio.get_running_loop().time()
        silent = self._answered_at is None or now - self._answered_at >= self.patience
        if silent and not self._is_lost:
            self._is_lost = True
            self._lost(error)

"""A whole station: its outlets, how it starts, and how it stops while cars are connected."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

from certs.guard import exposed
from frozen import code
from secc.config import Config, dangers
from secc.errors import ConfigError, SeccError
from secc.ops.calendar import PERSIST_SECONDS
from secc.ops.control import ControlError
from secc.outlet.events import BookChanged
from secc.session import negotiation
from secc.session.offer import Payment
from secc.station.collector import LOOK_SECONDS as COLLECTOR_SECONDS
from secc.station.collector import Collector
from secc.station.compose import compose
from secc.station.control import ControlServer
from secc.station.serving.outlet import OutletHost
from secc.station.shared.heap import keep_private, settle, share_arena
from secc.station.shared.notify import Notifier
from secc.station.shared.services import Services
from secc.station.shared.work import share_interpreter
from secc.uplink.port import BackendEvent
from secc.version import version

log = logging.getLogger(__name__)

LISTEN_AGAIN_SECONDS = 5.0
BOOK_SECONDS = 10.0
LOOK_SECONDS = 60.0
"""Period of the look for changed roots, lists and certificates; ``secc control reload`` looks at
once.
"""
LOOKS_AN_HOUR = round(PERSIST_SECONDS / LOOK_SECONDS)
TICKS_A_BEAT = 5
"""Period of the look whether the service manager's watchdog needs a beat."""
TICKS_A_LOOK = 10
"""Period of the look whether cars can charge."""


class Station:
    """Runs the outlets until it is told to stop."""

    def __init__(self, services: Services) -> None:
        self._config = config = services.config
        self.services = services
        self._notifier = services.notifier
        self._dangers = dangers(config)
        self._began = time.monotonic()
        self._stopping = asyncio.Event()
        self._control = ControlServer(config.control_socket, self._commands())
        services.publish = self._control.publish
        self.outlets = tuple(OutletHost(outlet, services) for outlet in config.outlets)
        self._tasks: list[asyncio.Task[None]] = []
        self._problems: list[str] = []
        """The problem of each outlet, as last logged."""
        self.preparing: asyncio.Future[None] | None = None
        """The import and compilation of the first protocol, once the station is ready."""

    async def open(self) -> None:
        """Start everything. Returns when cars can find every outlet whose interface is there."""
        services, loop = self.services, asyncio.get_running_loop()
        await services.uplink.open()
        await self._control.open()
        # Compile this before the first car comes: on a slow board it would hold the event loop, and
        # with it the heartbeat.
        await asyncio.gather(services.load_trust(), loop.run_in_executor(services.work, negotiation.warm))
        await asyncio.to_thread(services.calendar.remember)
        opened = await asyncio.gather(*(outlet.open() for outlet in self.outlets), return_exceptions=True)
        for problem in opened:
            if problem is not None:
                raise problem
        self._tasks += [
            asyncio.create_task(self._look(), name="look"),
            asyncio.create_task(self._backend(), name="backend events"),
            asyncio.create_task(self._book(), name="book"),
        ]
        # The service has started even if a board or an interface is missing; the outlets wait for
        # those.
        self._notifier.ready(self._say_ready())
        self.preparing = services.protocols.prepare()
        # A checkout asks git, once: the answer has to be that of the running code, not of a tree
        # that changes later.
        loop.run_in_executor(None, version)
        services.ticker.join(self._follow_readiness, every=TICKS_A_LOOK)
        services.ticker.join(services.beat, every=TICKS_A_BEAT)

    def _say_ready(self) -> str:
        """Log the outlets where a car could charge now, and as errors what prevents it at the
        others. Returns a line for the service manager.
        """
        self._problems = [outlet.problem for outlet in self.outlets]
        ready = []
        for outlet, problem in zip(self.outlets, self._problems, strict=True):
            if problem:
                log.error("outlet %s is not ready: %s", outlet.name, problem)
            else:
                ready.append(f"outlet {outlet.name} on {outlet.settings.interface}")
        if ready:
            log.info("ready: %s", ", ".join(ready))
        return f"{len(ready)} of {len(self.outlets)} outlets ready"

    def _follow_readiness(self) -> None:
        """Log the readiness again when it has changed."""
        if [outlet.problem for outlet in self.outlets] != self._problems:
            self._notifier.status(self._say_ready())

    async def run(self) -> None:
        """Serve until ``stop``."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Stop in order. A second call does not wait for the cars."""
        if self._stopping.is_set():
            for outlet in self.outlets:
                outlet.hurry()
        self._stopping.set()

    async def close(self) -> None:
        """Tell the cars and give them their time, open the contactors, close everything."""
        self._notifier.stopping()
        log.info("stopping")
        seconds = self._config.timing.shutdown_seconds
        closed = await asyncio.gather(*(outlet.close(seconds) for outlet in self.outlets), return_exceptions=True)
        for outlet, problem in zip(self.outlets, closed, strict=True):
            if isinstance(problem, BaseException):
                log.error("outlet %s: a bug while stopping", outlet.name, exc_info=problem)
        if self.preparing is not None:
            self.preparing.cancel()
        self.services.ticker.leave(self._follow_readiness)
        self.services.ticker.leave(self.services.beat)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.services.calendar.remember)
        await self.services.close()
        await self._control.close()
        self._notifier.close()
        log.info("stopped")

    async def _look(self) -> None:
        """Read what has changed on the disk. Every hour also write the time down and check the
        station's certificates again, which expire by themselves.
        """
        told = ""
        for looks in itertools.count(1):
            await asyncio.sleep(LOOK_SECONDS)
            hourly, problem = looks % LOOKS_AN_HOUR == 0, ""
            try:
                if hourly:
                    await asyncio.to_thread(self.services.calendar.remember)
                await self.services.reload(anew=hourly)
            except SeccError as error:
                problem = str(error)
            except Exception:
                log.exception("a bug in reading what has changed")
            if problem and problem != told:
                log.error("%s (what was read before stays in force)", problem)
            told = problem

    async def _book(self) -> None:
        """Book sessions that could not be booked before, and tell the outlets whether a session may
        begin.
        """
        told: str | None = None
        while True:
            await asyncio.sleep(BOOK_SECONDS)
            try:
                await self.services.uplink.catch_up()
            except Exception:
                log.exception("a bug in booking sessions")
            for outlet in self.outlets:
                outlet.session_log.catch_up()
            if self.services.unbooked != told:
                told = self.services.unbooked
                for outlet in self.outlets:
                    outlet.plug.hear(BookChanged(told))

    async def _backend(self) -> None:
        """Do the backend's orders. An order that fails is refused, and the next one is heard.
        (A-OCPP-03)
        """
        uplink = self.services.uplink
        while True:
            try:
                async for order in uplink.events():
                    uplink.answered(order, self._obey(order))
                    # One order a turn of the loop: a stop of all outlets at once must not delay the
                    # heartbeats.
                    await asyncio.sleep(0)
            except Exception:
                log.exception("the backend's orders failed; listening again in %g s", LISTEN_AGAIN_SECONDS)
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)
            else:
                return

    def _obey(self, order: BackendEvent) -> str:
        """Do an order. Returns why it cannot be done; empty if it is done."""
        try:
            self._outlet({"outlet": order.outlet}).commands.ordered(order)
        except ControlError as error:
            log.warning("an order of the backend is refused: %s: %s", type(order).__name__, error)
            return str(error)
        except Exception:
            log.exception("a bug in an order of the backend")
            return "internal error"
        return ""

    @property
    def idle(self) -> bool:
        """No contactor is closed, and no session runs."""
        return all(outlet.idle for outlet in self.outlets)

    def prepared(self, preparing: asyncio.Future[None]) -> None:
        """Exclude from later collections what was imported and compiled since the start. Not while
        a car charges: the heartbeat comes first.
        """
        if not preparing.cancelled() and self.idle:
            settle()

    def mind_garbage(self, collector: Collector) -> None:
        """Let the collector look at all objects when the station is idle."""

        async def look() -> None:
            loop = asyncio.get_running_loop()
            while True:
                await asyncio.sleep(COLLECTOR_SECONDS)
                collector.look(loop.time(), idle=self.idle)

        self._tasks.append(asyncio.create_task(look(), name="garbage"))

    # The control socket

    def _commands(self) -> dict[str, Any]:
        return {
            "state": self._state_of,
            "start": lambda request: self._outlet(request).commands.start(),
            "stop": lambda request: self._outlet(request).commands.stop("operator"),
            "limit": lambda request: self._outlet(request).commands.limit(request["watts"]),
            "token": lambda request: self._outlet(request).commands.token(request["kind"], request["value"]),
            "wake": lambda request: self._outlet(request).commands.wake(),
            "renegotiate": lambda request: self._outlet(request).commands.renegotiate(),
            "lab": lambda request: self._outlet(request).commands.lab(request.get("order"), request.get("value")),
            "reload": self._reload_for,
        }

    def _outlet(self, request: Mapping[str, Any]) -> OutletHost:
        wanted = request.get("outlet")
        found = [outlet for outlet in self.outlets if wanted is None or outlet.name == str(wanted)]
        if len(found) == 1:
            return found[0]
        which = "which outlet?" if wanted is None else f"no outlet {wanted!r};"
        raise ControlError(f"{which} there are: {', '.join(outlet.name for outlet in self.outlets)}")

    def _state_of(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.state() if request.get("outlet") is None else self._outlet(request).state()

    async def _reload_for(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request.get("outlet") is not None:
            raise ControlError("reload is for the whole station, not for one outlet")
        await self.services.reload()
        return {}

    def _reload(self) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._reload_now(), name="reload"))

    async def _reload_now(self) -> None:
        try:
            await self.services.reload()
        except SeccError as error:
            log.error("reload: %s", error)

    def state(self) -> dict[str, Any]:
        """Returns what ``secc status`` shows."""
        wall = self.services.calendar.wall()
        status, trust = self.services.uplink.status(), self.services.trust
        contracts = any(Payment.CONTRACT in outlet.payments for outlet in self._config.outlets)
        return {
            "station": self._config.station.name,
            "version": version(),
            "uptime_seconds": round(time.monotonic() - self._began, 1),
            "clock": {
                "time": wall.time.isoformat(timespec="seconds"),
                "trusted": wall.trusted,
                # An outlet that takes only cards needs no dates.
                "problem": self.services.calendar.problem() if contracts else "",
                "remark": self.services.calendar.remark(),
            },
            "uplink": {"kind": status.kind, "state": status.state, "problems": list(status.problems)},
            "trust": {
                "chains": [context.chain.name for context in self.services.identity.contexts],
                "problems": list(trust.problems) if trust is not None else [],
            },
            "dangers": list(self._dangers),
            "outlets": [outlet.state() for outlet in self.outlets],
        }


async def serve(config: Config, notifier: Notifier) -> int:
    """Start a station, run it until SIGTERM or SIGINT, stop it. Returns the exit code."""
    loop = asyncio.get_running_loop()
    station = Station(compose(config, notifier))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, station.stop)
    loop.add_signal_handler(signal.SIGHUP, station._reload)
    status = 0
    try:
        await station.open()
        # Objects of the start stay: exclude them from the collections while cars charge.
        settle()
        if station.preparing is not None:
            station.preparing.add_done_callback(station.prepared)
        # The station serves cars already, so the thread for long work does this in steps.
        examining = loop.run_in_executor(station.services.work.long, examine, config)
        station.mind_garbage(Collector(loop.time()))
        await station.run()
        examining.cancel()
    except ConfigError:
        raise
    except SeccError as error:
        log.error("%s", error)
        status = 1
    finally:
        await station.close()
    return status


def examine(config: Config) -> Iterator[None]:
    """Log as errors what ``secc check`` reports as BAD. Each step is short."""
    from secc.ops.check import findings

    for finding in findings(config):
        if not finding.good:
            log.error("check: %s", finding)
        yield


def take_over(level: str) -> None:
    """Set up memory, threads and log (at this ``level``) of the process for a station. This cannot
    be undone.
    """
    from secc.session.log import catch_strays, set_up_log

    share_arena()
    share_interpreter()
    keep_private()
    set_up_log(level)
    catch_strays()


def run(config: Config) -> int:
    """Run ``secc run``. Returns the exit code."""
    take_over(config.log.level)
    if code.problem:
        log.warning("generated code is compiled at each start: %s", code.problem)
    for line in dangers(config):
        log.warning("danger: %s", line)
    if config.source is not None and (problem := exposed(config.source)):
        log.error("the configuration: %s", problem)
    return asyncio.run(serve(config, Notifier(os.environ)))

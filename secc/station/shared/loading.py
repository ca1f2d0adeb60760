"""The protocols of the station, and how much of them has been imported and compiled.

Importing a protocol and compiling its codec takes a second or more on a small board. The process's
thread for Python work does both, never the event loop: in the background for the first protocol of
the list, once the station is ready, and for any protocol as soon as a car makes it likely.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Iterable
from concurrent.futures import Executor
from typing import Any

import frozen
from certs.certificates import Edition
from frozen import code
from secc.session.protocol import LoadedProtocol, V2gProtocol

log = logging.getLogger(__name__)


class Protocols:
    """``work`` is the thread for Python work, ``long`` its queue of work in steps. All calls from
    the event loop's thread.
    """

    def __init__(self, spoken: Iterable[V2gProtocol], work: Executor, long: Executor) -> None:
        self.spoken = tuple(spoken)
        self._work = work
        self._long = long
        self._loaded: dict[str, LoadedProtocol] = {}
        """By name. The thread for Python work writes it, when it has compiled the messages of the
        loop.
        """
        self._loading: dict[str, asyncio.Future[LoadedProtocol]] = {}
        """Loads for a car that are under way, by name."""

    def loaded(self, protocol: V2gProtocol) -> LoadedProtocol | None:
        """Returns the protocol; None if it is not loaded: call ``load`` and wait."""
        return self._loaded.get(protocol.name)

    def load(self, protocol: V2gProtocol) -> asyncio.Future[LoadedProtocol]:
        """Load a protocol for a car, before work in the background. Two calls load it once; a load
        that failed is tried again.
        """
        loading = self._loading.get(protocol.name)
        if loading is None:
            loading = self._loading[protocol.name] = self._order(self._work, self._load, protocol)
            loading.add_done_callback(lambda loading: self._told(protocol, loading))
        return loading

    def likely(self, edition: Edition) -> None:
        """Load the protocols of this edition, because a car's hello is answered with certificates
        of it.
        """
        for protocol in self.spoken:
            if protocol.edition is edition and self.loaded(protocol) is None:
                self.load(protocol)

    def prepare(self) -> asyncio.Future[None] | None:
        """Load and compile the first protocol of the list, which most cars speak, in steps in the
        background. Returns None without protocols.
        """
        return self._finish(self.spoken[0]) if self.spoken else None

    def _finish(self, protocol: V2gProtocol) -> asyncio.Future[None]:
        """Do the rest of a protocol's work in the background."""
        finishing = self._order(self._long, self._in_steps, protocol)
        finishing.add_done_callback(lambda finishing: _check(protocol, finishing))
        finishing.add_done_callback(lambda _: code.forget())
        return finishing

    def _told(self, protocol: V2gProtocol, loading: asyncio.Future[LoadedProtocol]) -> None:
        del self._loading[protocol.name]
        if _check(protocol, loading):
            self._finish(protocol)

    def _order(self, executor: Executor, call: Any, protocol: V2gProtocol) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(executor, call, protocol)
        except RuntimeError as error:  # the station goes down
            failed = loop.create_future()
            failed.set_exception(error)
            return failed

    def _load(self, protocol: V2gProtocol) -> LoadedProtocol:
        code.recall()
        loaded = protocol.load()
        loaded.warm()
        self._loaded[protocol.name] = loaded
        return loaded

    def _in_steps(self, protocol: V2gProtocol) -> Generator[None, None, None]:
        code.recall()
        loaded = protocol.load()
        yield
        yield from loaded.warm_rest()
        self._load(protocol)
        yield from frozen.make_all()


def _check(protocol: V2gProtocol, order: asyncio.Future[Any]) -> bool:
    """Returns whether an order succeeded; logs it if it failed."""
    if order.cancelled():
        return False
    error = order.exception()
    if error is not None:
        log.error("%s cannot be loaded", protocol.name, exc_info=error)
    return error is None

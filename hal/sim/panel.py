"""Control of the world for tests, the demo and a simulated car in another process.

Requests and answers are lines of JSON on a unix socket: ``{"do": "plug_in"}`` is answered by
``{"ok": true}``, ``{"do": "state"}`` with the state as well, and a rejected request with
``{"error": "HalRejected", "text": "..."}``. The verbs are in :data:`VERBS`.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hal.address import Values
from hal.errors import HalError, HalLost, HalRejected, HalTimeout
from hal.sim.firmware import Message, number, refusal
from hal.sim.follower import Observer
from hal.sim.link import MAX_LINE, result
from hal.sim.world import World

ANSWER_SECONDS = 5.0


def _flag(request: Message, name: str, default: bool = True) -> bool:
    return Values("", request, request).flag(name, default)


def _text(request: Message, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise HalRejected(f"{name} has to be a text of 1 to 255 characters")
    return value


def _draw(world: World, request: Message) -> None:
    phases = int(number(request, "phases", 1, 3)) if "phases" in request else None
    world.draw_ac(number(request, "amperes", 0.0, 1000.0), phases)


def _battery(world: World, request: Message) -> None:
    """Set the battery's charge, or its voltages."""
    world.advance()
    battery = world.car.battery
    for name, low, high in (
        ("soc", 0.0, 1.0),
        ("capacity_watt_hours", 1.0, 1e7),
        ("empty_volts", 10.0, 1500.0),
        ("full_volts", 10.0, 1500.0),
        ("max_volts", 10.0, 1500.0),
        ("max_amperes", 1.0, 3000.0),
    ):
        if name in request:
            setattr(battery, name, number(request, name, low, high))


VERBS: dict[str, Callable[[World, Message], None]] = {
    "plug_in": lambda world, _: world.plug_in(),
    "unplug": lambda world, request: world.unplug(force=_flag(request, "force", False)),
    "s2": lambda world, request: world.close_s2(
        _flag(request, "closed"), ventilation=_flag(request, "ventilation", False)
    ),
    "relay": lambda world, request: world.close_relay(_flag(request, "closed")),
    "draw_ac": _draw,
    "battery": _battery,
    "token": lambda world, request: world.present_token(_text(request, "kind"), _text(request, "value")),
    "stop": lambda world, _: world.press_stop(),
    "emergency_stop": lambda world, request: world.press_emergency_stop(_flag(request, "pressed")),
    "door": lambda world, request: world.open_door(_flag(request, "open")),
    "inject": lambda world, request: world.inject(_text(request, "name")),
    "heal": lambda world, request: world.heal(_text(request, "name")),
    "state": lambda world, _: None,
}
"""The verbs and their actions. With a follower there is also ``follow``, with a power line
``line_...``.
"""


def _listen(path: Path) -> socket.socket:
    """Returns a unix socket that only its owner may connect to. Replaces a socket left behind, but
    no other file.
    """
    if path.exists() and not path.is_socket():
        raise FileExistsError(f"{path} is not a socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Listen with the final mode before the rename: a process that waits for the name can connect at
    # once.
    unready = path.with_name(f"{path.name}.new")
    try:
        if unready.is_socket():
            unready.unlink()
        listener.bind(str(unready))
        unready.chmod(0o600)
        listener.listen()
        unready.rename(path)
    except OSError:
        listener.close()
        if unready.is_socket():
            unready.unlink()
        raise
    return listener


class Panel:
    """Carries out requests on one world."""

    def __init__(
        self, world: World, follower: Observer | None = None, line: Callable[[str, Message], Message] | None = None
    ) -> None:
        self._world = world
        self._line = line
        self._follower = follower
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def act(self, request: Any) -> Message:
        """Returns the answer to one request. Never raises: an error is an answer."""
        try:
            if not isinstance(request, dict) or not isinstance(request.get("do"), str):
                raise HalRejected('a request is an object with a verb: {"do": ...}')
            verb = request["do"]
            if verb == "follow" and self._follower is not None:
                volts = number(request, "volts", 0.0, 10_000.0) if request.get("volts") is not None else None
                self._follower.observe(_text(request, "message"), volts)
            elif verb.startswith("line_") and self._line is not None:
                return self._line(verb, request)
            elif verb in VERBS:
                VERBS[verb](self._world, request)
            else:
                raise HalRejected(f"no such verb: {verb}; there are {', '.join(sorted(VERBS))}")
        except HalError as error:
            return refusal(error)
        return {"ok": True, "state": self._world.truth()} if verb == "state" else {"ok": True}

    async def serve(self, path: Path) -> None:
        """Listen on a unix socket until :meth:`close`; only its owner may connect. Raises HalLost
        if that fails.
        """
        try:
            self._server = await asyncio.start_unix_server(self._attend, sock=_listen(path), limit=MAX_LINE)
        except OSError as error:
            raise HalLost(f"cannot listen on {path}: {error}") from error
        self._path = path

    def close(self) -> None:
        """Stop listening, close all connections, and remove the socket's file."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        for writer in self._writers:
            writer.close()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                try:
                    request = json.loads(line)
                except (ValueError, RecursionError):
                    request = None
                writer.write(json.dumps(self.act(request)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # a line too long, a client that has left, a world that ends: there is no client to answer
        finally:
            self._writers.discard(writer)
            writer.close()


class Hand:
    """The client of a panel, for a car or a test in another process."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def act(self, verb: str, **arguments: Any) -> Message:
        """Send one request. Returns the answer. Raises the world's error, HalLost without a world,
        HalTimeout after five seconds.
        """
        try:
            async with self._turn, asyncio.timeout(ANSWER_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_unix_connection(self._path, limit=MAX_LINE)
                reader, writer = self._streams
                writer.write(json.dumps({"do": verb, **arguments}).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
        except TimeoutError as error:
            self.close()  # a late answer must not be taken for the next request's
            raise HalTimeout(f"the world at {self._path} does not answer") from error
        except (OSError, ValueError) as error:
            self.close()
            raise HalLost(f"no world at {self._path}: {error}") from error
        if not line:
            self.close()
            raise HalLost(f"the world at {self._path} has closed its socket")
        return result(json.loads(line))

    async def state(self) -> dict[str, Any]:
        """Returns the world's state, see :meth:`hal.sim.world.World.truth`."""
        state: dict[str, Any] = (await self.act("state"))["state"]
        return state

    def close(self) -> None:
        """Close the socket; the next request opens it again."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

"""The control socket: a local process asks for the state, or gives a command. A request is one line
with a JSON object, and so is an answer.

``{"do": "stop", "outlet": "left"}`` is answered by ``{"ok": true, ...}`` or ``{"ok": false,
"error": "..."}``; ``{"do": "events"}`` is answered by a line for every event until the client
closes. File permissions decide who may open the socket: its owner and group.

The event loop that answers also feeds the boards' heartbeats. So it does one request a turn, and
each user of the machine has a budget of requests. A user without budget waits, and delays no other
user. (A-RES-07)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from secc.errors import SeccError
from secc.ops.control import ControlError

log = logging.getLogger(__name__)

LINE_OCTETS = 4096
"""Limit of a request. The longest sensible one, a token, has about 300."""
CLIENTS = 16
"""Limit for one user, so that no user takes the places of the others."""
BURST = 40
"""Requests that one user may have answered at once."""
REQUESTS_A_SECOND = 20.0
"""Further requests of one user."""
FLUSH_SECONDS = 0.5
BACKLOG_LINES = 256
"""Events that a slow client may fall behind before it gets ``missed`` instead."""

MISSED = json.dumps({"event": "missed", "text": "this reader was too slow"})

Answer = Mapping[str, Any]
Command = Callable[[Mapping[str, Any]], Answer | Awaitable[Answer]]
"""Does a request. A command that has to wait returns an awaitable, and the server answers other
requests meanwhile.
"""


class Budget:
    """The requests that one user may still make. All connections of a user share it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._credit = float(BURST)
        self._at = clock()
        self._queue = asyncio.Lock()

    async def spend(self) -> None:
        """Wait until one more request may be done, in the order of calls."""
        async with self._queue:
            now = self._clock()
            self._credit = min(BURST, self._credit + (now - self._at) * REQUESTS_A_SECOND) - 1.0
            self._at = now
            if self._credit < 0.0:
                await asyncio.sleep(-self._credit / REQUESTS_A_SECOND)


class ControlServer:
    """Serves ``commands`` by name on a Unix socket, and streams the events given to ``publish``."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self.path = path
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._readers: set[asyncio.Queue[str | None]] = set()
        self._clients: dict[asyncio.Task[None], int] = {}
        """The user of each client."""
        self._budgets: dict[int, Budget] = {}
        """By user. Few users may open the socket."""
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_remove_stale, self.path)
        mask = os.umask(0o117)
        try:
            self._server = await asyncio.start_unix_server(self._client, self.path, limit=LINE_OCTETS, backlog=CLIENTS)
        except OSError as error:
            raise ControlError(f"control socket {self.path}: {error.strerror or error}") from error
        finally:
            os.umask(mask)

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for queue in self._readers:
            _offer(queue, None)
        if self._readers:
            # Clients of the events get the last ones before the socket closes.
            await asyncio.wait(self._clients, timeout=FLUSH_SECONDS)
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def publish(self, event: Mapping[str, Any]) -> None:
        """Send an event to every client that streams events."""
        if self._readers:
            line = json.dumps(event)
            for queue in self._readers:
                _offer(queue, line)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        user = self._clients[task] = _user(writer)
        try:
            if list(self._clients.values()).count(user) > CLIENTS:
                await _say(writer, _refusal("too many clients"))
                return
            await self._serve(reader, writer, user)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            del self._clients[task]
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: int) -> None:
        budget = self._budgets.setdefault(user, Budget(asyncio.get_running_loop().time))
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                await _say(writer, _refusal(f"a line has at most {LINE_OCTETS} octets"))
                return
            if not line:
                return
            await budget.spend()
            async with self._turn:
                found = self._begin(line)
                # The next request, of this client or another, is done in the next turn of the loop.
                await asyncio.sleep(0)
            if found is None:
                await self._stream(reader, writer)
                return
            await _say(writer, await found if isinstance(found, Awaitable) else found)

    def _begin(self, line: bytes) -> Answer | Awaitable[Answer] | None:
        """Returns the answer, now or as an awaitable; None if the client asks for the events."""
        what = ""
        try:
            request = _parse(line)
            what = request["do"]
            if what == "events":
                return None
            if what not in self._commands:
                known = ", ".join(sorted([*self._commands, "events"]))
                raise ControlError(f"unknown request {what!r}; there are: {known}")
            found = self._commands[what](request)
        except Exception as error:  # noqa: BLE001  # each becomes an answer
            return _failed(what, error)
        return _finished(what, found) if isinstance(found, Awaitable) else {"ok": True, **found}

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG_LINES)
        self._readers.add(queue)
        gone = asyncio.create_task(_until_closed(reader))
        gone.add_done_callback(lambda _: _offer(queue, None))
        try:
            while (line := await queue.get()) is not None:
                writer.write(line.encode() + b"\n")
                await writer.drain()
        finally:
            gone.cancel()
            self._readers.discard(queue)


async def _finished(what: str, found: Awaitable[Answer]) -> Answer:
    try:
        return {"ok": True, **await found}
    except Exception as error:  # noqa: BLE001  # each becomes an answer
        return _failed(what, error)


def _failed(what: str, error: Exception) -> Answer:
    if isinstance(error, SeccError):
        return _refusal(error)
    if isinstance(error, KeyError | TypeError | ValueError):
        return _refusal(f"{what}: {error}")
    log.error("control: a bug in %s", what, exc_info=error)
    return _refusal(f"{what}: internal error")


def _refusal(error: object) -> Answer:
    return {"ok": False, "error": str(error)}


def _offer(queue: asyncio.Queue[str | None], line: str | None) -> None:
    try:
        queue.put_nowait(line)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(MISSED if line is not None else None)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("not a JSON object on one line") from None
    if not isinstance(request, dict) or not isinstance(request.get("do"), str):
        raise ControlError('a request looks like {"do": "state"}')
    return request


async def _until_closed(reader: asyncio.StreamReader) -> None:
    """Read and drop what the client still sends, until it closes."""
    while await reader.read(LINE_OCTETS):
        pass


def _user(writer: asyncio.StreamWriter) -> int:
    """Returns the user id of the client: SO_PEERCRED of unix(7) has pid, uid, gid."""
    sock: socket.socket = writer.get_extra_info("socket")
    _, user, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(user)


async def _say(writer: asyncio.StreamWriter, answer: Mapping[str, Any]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def _remove_stale(path: Path) -> None:
    """Remove a socket without a listener, which a power cut has left over. Raises ControlError if a
    station answers on it.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"{path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except OSError as error:
            raise ControlError(f"control socket {path}: {error.strerror or error}") from error
    raise ControlError(f"a station is already running with the control socket {path}")

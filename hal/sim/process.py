"""World and safety controller in a separate process, so that the station cannot stop them.

Run as ``python -m hal.sim.process FD OPTIONS``: commands and events as lines of JSON over the
inherited socket FD. When the station ends, the controller opens the contactors (no heartbeat), then
the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import hal
from hal.errors import HalError, HalLost
from hal.sim.clock import LoopClock
from hal.sim.firmware import Firmware, Message
from hal.sim.link import MAX_LINE, SocketLink
from hal.sim.options import parse
from hal.sim.panel import Panel

LINGER_SECONDS = 5.0
LINGER_STEP = 0.05


async def serve(fd: int, query: str) -> None:
    """Run the world until the station has ended and the contactor is open."""
    options = parse(query)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd), limit=MAX_LINE)

    def say(message: Message) -> None:
        # A stopped station does not read: drop messages instead of queueing them. It gets all
        # levels again later.
        if not writer.is_closing() and writer.transport.get_write_buffer_size() < MAX_LINE:
            writer.write(json.dumps(message).encode() + b"\n")

    world = options.build(LoopClock())
    firmware = Firmware(world, say)
    follower = options.populate(world)
    panel = Panel(world, follower)
    if options.control is not None:
        await panel.serve(Path(options.control))
    orderly = False
    try:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                command = json.loads(line)
                orderly = command.get("do") == "close"
                _take(command, firmware, panel, say)
        firmware.safety.stop_supply()
        for _ in range(int(LINGER_SECONDS / LINGER_STEP)):
            if not world.contactor.closed:
                break
            await asyncio.sleep(LINGER_STEP)
        if not orderly:
            await asyncio.sleep(LINGER_STEP * 10)  # so that a test can still see how it ended
    finally:
        panel.close()


def _take(command: Message, firmware: Firmware, panel: Panel, say: Callable[[Message], None]) -> None:
    if command.get("do") == "beat":
        answer = firmware.beat()
        if answer is not None:
            say(answer)
    elif command.get("do") == "follow":
        panel.act(command)
    else:
        number = command.pop("id", None)
        firmware.submit(command, lambda reply: say({**reply, "id": number}))


class RemoteFollower:
    """A follower in the board's process."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell

    def observe(self, message: str, volts: float | None = None) -> None:
        """Pass the message on, unless the process has ended."""
        with contextlib.suppress(HalError):
            self._tell({"do": "follow", "message": message, "volts": volts})


async def launch(query: str) -> tuple[SocketLink, Callable[[], Awaitable[None]]]:
    """Start the process. Returns the link to it, and a function that waits for its end. Raises
    HalLost if it cannot be started.
    """
    ours, theirs = socket.socketpair()
    root = str(Path(hal.__file__).resolve().parent.parent)  # noqa: ASYNC240  no file is touched
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hal.sim.process",
            str(theirs.fileno()),
            query,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            # Control-C in the terminal goes to the station only; the world ends after it, with the
            # contactor open.
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        raise HalLost(f"cannot start the simulated board's process: {error}") from error
    finally:
        theirs.close()
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_LINE)

    async def end() -> None:
        try:
            await asyncio.wait_for(process.wait(), LINGER_SECONDS + 1.0)
        except TimeoutError:
            process.kill()
            await process.wait()

    return SocketLink(reader, writer), end


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))

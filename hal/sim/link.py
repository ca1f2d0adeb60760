"""The link between the simulated board and its firmware: calls in this process, or a socket to
another one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.sim.firmware import Firmware, Message
from hal.sim.world import World

MAX_LINE = 65_536

_ERRORS: dict[str, type[HalError]] = {
    error.__name__: error for error in (HalTimeout, HalLost, HalRejected, HalUnsupported)
}


class NoReply(HalTimeout):
    """The firmware itself did not reply, as opposed to one of its devices."""


class Link(Protocol):
    """A board's link to its firmware. ``on_event`` is called with events, ``on_lost`` when the link
    is lost.
    """

    on_event: Callable[[Message], None]
    on_lost: Callable[[str], None]

    async def send(self, command: Message, seconds: float) -> Message:
        """Send one command. Returns its reply. Raises HalTimeout after ``seconds``, HalLost if the
        link is lost, or the firmware's error.
        """

    def beat(self) -> None: ...
    async def close(self) -> None: ...


def _ignore(_: Any) -> None:
    return None


def result(reply: Message) -> Message:
    """Returns the reply. Raises the error that it stands for."""
    if "error" in reply:
        raise _ERRORS.get(str(reply["error"]), HalRejected)(str(reply.get("text", "")))
    return reply


class LocalLink:
    """Firmware and world in this process, on this event loop."""

    def __init__(self, world: World) -> None:
        self.on_event: Callable[[Message], None] = _ignore
        self.on_lost: Callable[[str], None] = _ignore
        self._firmware = Firmware(world, self.say)

    def say(self, event: Message) -> None:
        """Pass on an event of the firmware."""
        self.on_event(event)

    async def send(self, command: Message, seconds: float) -> Message:
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def reply(message: Message) -> None:
            if not future.done():
                future.set_result(message)

        self._firmware.submit(command, reply)
        # An immediate reply needs neither a timer nor another turn of the loop.
        return result(future.result() if future.done() else await _within(future, seconds, command))

    def beat(self) -> None:
        answer = self._firmware.beat()
        if answer is not None:
            self.on_event(answer)

    async def close(self) -> None:
        return None


async def _within(future: asyncio.Future[Message], seconds: float, command: Message) -> Message:
    try:
        return await asyncio.wait_for(future, seconds)
    except TimeoutError as error:
        raise NoReply(f"no reply to {command.get('do')} in {seconds:g} s") from error


class SocketLink:
    """Lines of JSON over a stream socket. Replies have the number of their command, so they may
    come in any order.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.on_event: Callable[[Message], None] = _ignore
        self.on_lost: Callable[[str], None] = _ignore
        self._writer = writer
        self._open: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self._lost = False
        self._task = asyncio.get_running_loop().create_task(self._read(reader))

    async def send(self, command: Message, seconds: float) -> Message:
        self._number += 1
        number = self._number
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._open[number] = future
        try:
            self.tell({**command, "id": number})
            return result(await _within(future, seconds, command))
        finally:
            self._open.pop(number, None)

    def beat(self) -> None:
        self.tell({"do": "beat"})

    def tell(self, message: Message) -> None:
        """Send a line that gets no reply. Raises HalLost if the process has ended or does not read."""
        if self._lost or self._writer.is_closing():
            raise HalLost("the simulated board's process has ended")
        if self._writer.transport.get_write_buffer_size() > MAX_LINE:
            raise HalLost("the simulated board's process does not read")
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        text = "the simulated board's process has closed its socket"
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "event" in message:
                    self.on_event(message)
                elif (future := self._open.get(message.get("id"))) is not None and not future.done():
                    future.set_result(message)
        except (OSError, ValueError) as error:
            text = f"the simulated board's process sent an invalid line: {error}"
        self._lost = True
        for future in self._open.values():
            if not future.done():
                future.set_exception(HalLost(text))
        self.on_lost(text)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._lost = True
        self._writer.close()

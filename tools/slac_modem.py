"""Runs a matching session, the station's or a car's, on a modem and the event loop's time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from hal.errors import HalError
from hal.ports import PlcModem
from secc.conversation import Abandon, Answered, Ask, Effect, Reason, Session, Ticket
from secc.link.slac.effects import CheckLink, SendFrame, SetKey
from secc.link.slac.events import FrameReceived
from secc.station.serving.modem import check_link, set_key


class OnModem:
    """Drives one session. ``tell`` gets its effects for others than the modem."""

    def __init__(self, modem: PlcModem, session: Session, tell: Callable[[Effect], None] = lambda effect: None) -> None:
        self.modem = modem
        self.session = session
        self._tell = tell
        self._inbox: asyncio.Queue[object] = asyncio.Queue()
        self._asked: dict[Ticket[Any], asyncio.Task[None]] = {}

    async def run(self) -> Reason:
        """Run until the session has ended. Raises HalError if the interface is gone."""
        loop = asyncio.get_running_loop()
        reader = asyncio.create_task(self._read(self.modem.frames()), name="frames of a modem")
        try:
            await self._perform(self.session.begin(loop.time()))
            while self.session.ended is None:
                deadline = self.session.deadline
                try:
                    async with asyncio.timeout_at(None if deadline is None else deadline.at):
                        event = await self._inbox.get()
                except TimeoutError:
                    await self._perform(self.session.expire(loop.time()))
                    continue
                if isinstance(event, HalError):
                    raise event
                await self._perform(self.session.receive(event, loop.time()))
        finally:
            tasks = (reader, *self._asked.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.session.ended

    def say(self, event: object) -> None:
        """Give the session an event other than a frame."""
        self._inbox.put_nowait(event)

    async def _read(self, frames: AsyncIterator[tuple[float, bytes]]) -> None:
        try:
            async for _, octets in frames:
                self.say(FrameReceived(octets))
        except HalError as error:
            self.say(error)

    async def _perform(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case SendFrame():
                    # A frame that cannot be sent counts as lost on the line.
                    with contextlib.suppress(HalError):
                        await self.modem.send(effect.octets)
                case Ask(ticket, SetKey() | CheckLink() as question):
                    self._asked[ticket] = asyncio.create_task(self._answer(ticket, question), name=ticket.question)
                case Abandon(ticket):
                    if (asked := self._asked.pop(ticket, None)) is not None:
                        asked.cancel()
                case _:
                    self._tell(effect)

    async def _answer(self, ticket: Ticket[Any], question: SetKey | CheckLink) -> None:
        modem = self.modem
        asked = set_key(modem, question) if isinstance(question, SetKey) else check_link(modem, question)
        self.say(Answered(ticket, await asked))
        self._asked.pop(ticket, None)

"""A conversation that asks one question at a router, for tests of who answers it."""

from __future__ import annotations

import asyncio
from typing import Any

from secc.conversation import ENDLESS, Conversation, Party, Question, Session
from secc.station.serving.router import Router


def asked(router: Router, question: Question[Any]) -> asyncio.Future[Any]:
    """Ask it now; the future gets the answer."""
    coming: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def talk(party: Party) -> Conversation[None]:
        coming.set_result((yield from party.receive(party.ask(question), within=ENDLESS)))

    router.join("asking", Session(talk)).begin()
    return coming

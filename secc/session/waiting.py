"""How a session lets a car wait, and how long: polls at a pace, deadlines of a phase, the pilot, a question with a time for its answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

from secc.conversation import Conversation, Deadline, Party, Question, TimedOut, Timeout

A = TypeVar("A")


class Pace:
    """The pace of polling: answers that it takes longer go out ``interval`` apart at least. (A-SES-08)"""

    def __init__(self, interval: Timeout) -> None:
        self._interval = interval
        self._answered_at = -math.inf

    def reply(self, secc: Party, message: object) -> Conversation[None]:
        """Answer that it takes longer, as soon as the pace allows."""
        missing = self._answered_at + self._interval.seconds - secc.now
        if missing > 0.0:
            yield from secc.rest(replace(self._interval, seconds=missing))
        secc.reply(message)
        self._answered_at = secc.now


def refuse_late(secc: Party, limit: Deadline) -> None:
    """Raises TimedOut for a request that comes when its phase should be over: it is answered FAILED, and the timer is the reason."""
    if secc.now >= limit.at:
        raise TimedOut(limit)


def pilot_in(secc: Party, *states: str, within: Timeout, every: Timeout) -> Conversation[bool]:
    """Whether the control pilot is in one of these states, or comes there in time. It is looked at so often, whatever is heard meanwhile."""
    limit = secc.limit(within)
    while secc.levels.pilot not in states and secc.now < limit.at:
        yield from secc.rest(every)
    return secc.levels.pilot in states


def answer_within(secc: Party, question: Question[A], within: Timeout) -> Conversation[A | None]:
    """The answer; None where there is none in time, and then the question is abandoned. Not for questions that None answers."""
    ticket = secc.ask(question)
    if (yield from secc.until(lambda: secc.answer(ticket) is not None, within=within)):
        return secc.answer(ticket)
    secc.abandon(ticket)
    return None

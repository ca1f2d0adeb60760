"""How a session makes a car wait: paced answers, deadlines of a phase, the pilot, answers with a
time limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from secc.conversation import Conversation, Deadline, Party, Question, TimedOut, Timeout

A = TypeVar("A")


class Pace:
    """Pace of polling: answers "ongoing" are at least ``interval`` apart. (A-SES-08)"""

    def __init__(self, interval: Timeout) -> None:
        self._interval = interval
        self._answered_at = -math.inf

    def reply(self, secc: Party, message: object) -> Conversation[None]:
        """Answer "ongoing" as soon as the pace allows."""
        missing = self._answered_at + self._interval.seconds - secc.now
        if missing > 0.0:
            yield from secc.rest(replace(self._interval, seconds=missing))
        secc.reply(message)
        self._answered_at = secc.now


@contextmanager
def limited(secc: Party, timeout: Timeout) -> Iterator[None]:
    """A phase with a deadline, from now: TimedOut is raised wherever the block waits, whether or
    not a request comes. The timeout is ``answered``, so that the open or the next request hears
    FAILED.
    """
    limit = secc.limit(timeout)

    with secc.looking(partial(refuse_late, secc, limit), lambda: limit):
        yield


def refuse_late(secc: Party, limit: Deadline) -> None:
    """Raises TimedOut for a request after a limit: it is answered FAILED, and the timer is the
    reason.
    """
    if secc.now >= limit.at:
        raise TimedOut(limit)


def pilot_in(secc: Party, *states: str, within: Timeout, every: Timeout) -> Conversation[bool]:
    """Wait until the control pilot is in one of these states, looking ``every`` so many seconds.
    Returns False if not in time.
    """
    limit = secc.limit(within)
    while secc.levels.pilot not in states and secc.now < limit.at:
        yield from secc.rest(every)
    return secc.levels.pilot in states


def answer_within(
    secc: Party, question: Question[A], within: Timeout | None = None, *, before: Deadline | None = None
) -> Conversation[A | None]:
    """Returns the answer; None if it did not come in time: the question is then abandoned. Not for
    questions whose answer may be None.
    """
    ticket = secc.ask(question)
    if (yield from secc.until(lambda: secc.answer(ticket) is not None, within=within, before=before)):
        return secc.answer(ticket)
    secc.abandon(ticket)
    return None

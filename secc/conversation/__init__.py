"""The sans-IO core: a session is a conversation.

A conversation is a generator that reads from top to bottom like a sequence diagram. It waits for a
message or an event, checks, says effects, answers. It never sleeps, opens a socket, reads a clock
or draws a random number: its party has time, random numbers and the calendar, so that a recorded
session replays to the octet and a test of a timeout takes no time.

This room knows no protocol and no role. ``docs/core.md`` lists its promises, each with the test for
it.
"""

from secc.conversation.party import Child, Conversation, Party, Talk
from secc.conversation.requests import Cause, Requests
from secc.conversation.session import FAREWELL, Session, Side
from secc.conversation.vocabulary import (
    ENDLESS,
    MAIN,
    Abandon,
    Answered,
    Ask,
    Asked,
    Deadline,
    Effect,
    Emergency,
    End,
    Event,
    Interrupted,
    Levels,
    Question,
    Reason,
    Received,
    Send,
    Severed,
    Tell,
    Ticket,
    TimedOut,
    Timeout,
    Wait,
    Wall,
    nearest,
)

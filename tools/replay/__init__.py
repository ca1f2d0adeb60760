"""Recorded sessions through today's station: ``secc replay FILE``.

A whole trace of a station replays to the octet (:mod:`tools.replay.trace`). A capture of a session
with any station, or a thinned trace, replays with the car's octets as they are; what differs in the
answers is told (:mod:`tools.replay.capture`).
"""

from __future__ import annotations

from .capture import replay_capture
from .exchanges import NotReplayable
from .program import main
from .recorded import SessionOutcome
from .setting import Setting
from .trace import Outcome, replay

__all__ = ["NotReplayable", "Outcome", "SessionOutcome", "Setting", "main", "replay", "replay_capture"]

"""Carries events in, performs effects, keeps the timers: the only place where the conversations meet a clock.

An outlet runs several conversations (plug-in, power path, V2G session). They are told things in turns: what one says is heard by
another only after the first has finished speaking, so that no conversation is entered while it is in the middle of a step.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from secc.conversation import Effect, End, Event, Levels, Session

log = logging.getLogger(__name__)


class Turns:
    """One step after another. ``take`` runs the step now, or after the steps that are under way."""

    def __init__(self) -> None:
        self._steps: deque[Callable[[], None]] = deque()
        self._busy = False

    def take(self, step: Callable[[], None]) -> None:
        self._steps.append(step)
        if self._busy:
            return
        self._busy = True
        try:
            while self._steps:
                self._steps.popleft()()
        finally:
            self._busy = False


class Driver:
    """Drives one session of the core until it ends.

    ``perform`` starts an effect and returns at once; effects are performed in the order in which they were said. ``levels`` is read before every
    step. ``watch`` sees every event and the effects that it led to (the recorder); ``ended`` is called once, after the last effect.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        *,
        turns: Turns,
        perform: Callable[[Effect], None],
        levels: Callable[[], Levels],
        watch: Callable[[float, Event | None, tuple[Effect, ...]], None] | None = None,
        ended: Callable[[End], None] | None = None,
    ) -> None:
        self.name = name
        self.session = session
        self._turns = turns
        self._perform = perform
        self._levels = levels
        self._watch = watch
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    @property
    def alive(self) -> bool:
        return self.session.ended is None

    def begin(self) -> None:
        self._turns.take(lambda: self._step(None, self.session.begin))

    def hear(self, event: Any) -> None:
        """Tell the conversation; nothing happens when it has ended."""
        self._turns.take(lambda: self._step(event, lambda now: self.session.receive(event, now)))

    def fail(self, error: BaseException) -> None:
        """End it for a bug found outside of it."""
        self._turns.take(lambda: self._step(None, lambda now: self.session.fail(error)))

    def stop(self) -> None:
        """Bring no more deadlines: the station goes down."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stopped = True

    def _expire(self) -> None:
        self._timer = None
        self._turns.take(lambda: self._step(None, self.session.expire))

    def _step(self, event: Any, step: Callable[[float], tuple[Effect, ...]]) -> None:
        if self.session.ended is not None or self._stopped:
            return
        now = self._loop.time()
        try:
            self.session.levels = self._levels()
            effects = step(now)
        except Exception as error:
            # The one place where a bug in a conversation is caught: it costs this session, and nothing else.
            log.exception("%s: a bug ended the session", self.name)
            effects = self.session.fail(error)
        self._show(now, event, effects)
        end: End | None = None
        # As they were said. "On" and then "off" in one step has to leave it off: what is safe overtakes in the ports' queues, where things wait.
        for effect in effects:
            if isinstance(effect, End):
                end = effect
                continue
            try:
                self._perform(effect)
            except Exception as error:
                log.exception("%s: %s could not be performed", self.name, type(effect).__name__)
                self.fail(error)
        self._arm()
        if end is not None and self._ended is not None:
            self._ended(end)

    def _show(self, now: float, event: Event | None, effects: tuple[Effect, ...]) -> None:
        if self._watch is None:
            return
        try:
            self._watch(now, event, effects)
        except Exception:
            # Whoever only looks on must not keep a contactor closed.
            log.exception("%s: a bug in recording a step", self.name)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.session.deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline.at, self._expire)

"""How a plug-in waits, and how it drives pilot, connection window, lock and indicator."""

from __future__ import annotations

from collections.abc import Callable

from secc.conversation import Conversation, Deadline, Party, Timeout
from secc.outlet.effects import CloseSdp, Indicate, OpenSdp, SetDuty, SetF, SetX1, UnlockConnector
from secc.outlet.settings import CONTACTOR_OPEN, PILOT_SETTLES, T_STEP_X1, X1_AFTER_EF
from secc.outlet.state import State


class Plug:
    """The party of one plug-in, and its state."""

    def __init__(self, party: Party, state: State) -> None:
        self.party = party
        self.state = state
        self.settings = state.settings
        self._shown: Indicate | None = None

    # Waiting

    def until(
        self, condition: Callable[[], bool], *, within: Timeout | None = None, before: Deadline | None = None
    ) -> Conversation[bool]:
        """Like ``Party.until``. The indicator is updated before each wait."""

        def met() -> bool:
            so = condition()
            if not so:
                self._indicate()
            return so

        return self.party.until(met, within=within, before=before)

    def rest(self, pause: Timeout) -> Conversation[bool]:
        """Wait for the time, whatever happens meanwhile."""
        return self.until(lambda: False, within=pause)

    # Saying

    def drive(self, effect: SetDuty | SetX1 | SetF, *, again: bool = False) -> None:
        """Drive the pilot; an effect that is in force is said again only with ``again``."""
        party, state = self.party, self.state
        before = state.drive
        if effect == before and not again:
            return
        if isinstance(effect, SetX1) and not isinstance(before, SetX1 | None):
            step = X1_AFTER_EF if isinstance(before, SetF) else T_STEP_X1
            state.leave_x1_at = party.now + step.seconds
        if isinstance(before, SetF):
            state.settles_at = party.now + PILOT_SETTLES.seconds
        state.drive, state.drive_at = effect, party.now
        party.do(effect)

    def window(self, is_open: bool) -> None:
        """Start or stop answering SDP and accepting connections."""
        if is_open is not self.state.window_open:
            self.state.window_open = is_open
            self.party.do(OpenSdp() if is_open else CloseSdp())

    def unlock(self) -> Conversation[None]:
        """Unlock as soon as the contactor is open."""
        party = self.party
        if (yield from self.until(lambda: party.levels.contactor == "open", within=CONTACTOR_OPEN)):
            party.do(UnlockConnector())

    def _indicate(self) -> None:
        shown = Indicate(*self.state.indication(self.party.now, self.party.levels))
        if shown != self._shown:
            self._shown = shown
            self.party.do(shown)

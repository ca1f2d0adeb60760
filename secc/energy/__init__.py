"""The power path of one outlet: supply, contactor and insulation monitor as one conversation on the core.

One ``Session`` lasts from plug-in to unplugging, so that nothing of one car reaches the next, and
every ending is the same safe one::

    session = PowerPath(DcSettings(limits=..., watts=...), now=loop.time())      # or AcSettings(...)
    session.levels = levels; effects = session.begin(now)

Its input (set ``session.levels`` before every step; the board's events of pilot and contactor only
wake the conversation):

======================================  =============================================================================
the V2G session                         ``Asked(ticket, CheckCable | StartPower | StopPower)``, its effects ``SetOutput`` and ``OpenContactor``
the board                               its events (``hal.events``)
its guard                               ``ConsentLost``: ``Guard.ask`` refused, or ``on_revoked``
a queue of its ports                    ``CommandFailed``, ``ContactorOpeningTold``
the grid, the operator                  ``LimitChanged`` (``secc.session.events``)
the clock, while ``session.supervised``  ``Ticked``, ten times a second
the plug                                ``Unplugged`` (``secc.session.events``) ends the session
======================================  =============================================================================

Its output: the effects of ``secc.energy.effects``, each one call on ``hal.ports`` or ``hal.guard``;
``Tell(ticket, answer)`` for every question,
exactly once; ``ReportFault``, which the V2G session and the plug-in hear as ``Fault``; ``Announce``
for the log; ``Ask(TestInsulationMonitor)``,
answered by ``Answered(ticket, bool)``. Do not send it the core's emergencies (``Fault``,
``EmergencyStopped``): it has to answer questions
also after a fault of the board.
"""

from __future__ import annotations

from collections.abc import Iterator

from secc.conversation import Conversation, Party, Session
from secc.energy.ac import AcPath
from secc.energy.dc import DcPath
from secc.energy.effects import ReleasePower, StopInsulationMonitor, SwitchSupplyOff, WithdrawPower
from secc.energy.settings import AcSettings, DcSettings

__all__ = ["AcSettings", "DcSettings", "PowerPath"]


class PowerPath(Session):
    """The power path of one plug-in, not begun yet. ``tickets`` shared with the outlet's other
    sessions keeps numbers unique.
    """

    def __init__(self, settings: AcSettings | DcSettings, *, now: float, tickets: Iterator[int] | None = None) -> None:
        self._settings = settings
        ac = isinstance(settings, AcSettings)
        safe = (WithdrawPower(), ReleasePower()) if ac else (SwitchSupplyOff(), ReleasePower(), StopInsulationMonitor())
        super().__init__(self._talk, safe=safe, now=now, tickets=tickets)

    def _talk(self, board: Party) -> Conversation[None]:
        settings = self._settings
        self._path = DcPath(board, settings) if isinstance(settings, DcSettings) else AcPath(board, settings)
        return self._path.run()

    @property
    def supervised(self) -> bool:
        """Whether it wants ``Ticked`` ten times a second: there is power, or may be."""
        return self.ended is None and self._path.supervised

"""The power path of one outlet: supply, contactor and insulation monitor as one conversation on the core.

One ``Session`` lives from plug-in to unplugging, so that whatever one car left behind is gone with it, and every ending is the same safe one::

    session = power_path(DcSettings(limits=..., watts=...), now=loop.time())      # or AcSettings(...)
    session.levels = levels; effects = session.begin(now)

What the station brings (set ``session.levels`` before every step; the events about pilot and contactor only wake the conversation):

======================================  =============================================================================
the V2G session                         ``Asked(ticket, CheckCable | StartPower | StopPower)``, ``OutputSet`` for ``SetOutput``,
                                        ``ContactorOpeningOrdered`` for ``OpenContactor``
the board                               ``PilotChanged``, ``ContactorReported``, ``IsolationReported``, ``FaultReported`` (emergency stop included)
its guard                               ``ConsentLost``: ``Guard.ask`` refused, or ``on_revoked``
a port that raised ``HalError``         ``CommandFailed``
the grid, the operator                  ``LimitChanged`` (``secc.session.events``)
the plug                                ``Unplugged`` (``secc.session.events``) ends the session
======================================  =============================================================================

What it says: the effects of ``secc.energy.effects``, each one call on ``hal.ports`` or ``hal.guard``; ``Tell(ticket, answer)`` for every question
exactly once; ``ReportFault``, which the V2G session and the plug-in hear as ``Fault``; ``Announce`` for the log; ``Ask(TestInsulationMonitor)``,
answered by ``Answered(ticket, bool)``. Do not send it the core's emergencies (``Fault``, ``EmergencyStopped``): ``FaultReported`` keeps it
able to answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from secc.conversation import Conversation, Party, Session
from secc.energy.ac import AcPath
from secc.energy.dc import DcPath
from secc.energy.effects import (
    AllowPower,
    Announce,
    CloseDcContactor,
    Notice,
    OpenDcContactor,
    ReleasePower,
    ReportInsulation,
    SeekConsent,
    SetOvercurrent,
    SetSupply,
    StartInsulationMonitor,
    StopInsulationMonitor,
    SwitchSupplyOff,
    TestInsulationMonitor,
    WithdrawPower,
)
from secc.energy.events import (
    CommandFailed,
    ConsentLost,
    ContactorOpeningOrdered,
    ContactorOpeningTold,
    ContactorReported,
    FaultReported,
    IsolationReported,
    OutputSet,
    PilotChanged,
)
from secc.energy.settings import AcSettings, DcSettings

__all__ = [
    "AcSettings",
    "AllowPower",
    "Announce",
    "CloseDcContactor",
    "CommandFailed",
    "ConsentLost",
    "ContactorOpeningOrdered",
    "ContactorOpeningTold",
    "ContactorReported",
    "DcSettings",
    "FaultReported",
    "IsolationReported",
    "Notice",
    "OpenDcContactor",
    "OutputSet",
    "PilotChanged",
    "ReleasePower",
    "ReportInsulation",
    "SeekConsent",
    "SetOvercurrent",
    "SetSupply",
    "StartInsulationMonitor",
    "StopInsulationMonitor",
    "SwitchSupplyOff",
    "TestInsulationMonitor",
    "WithdrawPower",
    "power_path",
]


def power_path(settings: AcSettings | DcSettings, *, now: float, tickets: Iterator[int] | None = None) -> Session:
    """The power path for one plug-in, not begun yet. ``tickets`` shared with the outlet's other sessions keeps numbers unique."""

    def talk(board: Party) -> Conversation[None]:
        path = DcPath(board, settings) if isinstance(settings, DcSettings) else AcPath(board, settings)
        return path.run()

    ac = isinstance(settings, AcSettings)
    return Session(
        talk,
        safe=(WithdrawPower(), ReleasePower()) if ac else (SwitchSupplyOff(), ReleasePower(), StopInsulationMonitor()),
        now=now,
        tickets=tickets,
    )

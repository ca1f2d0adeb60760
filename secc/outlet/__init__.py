"""The plug-in: one conversation on the core for each car, from pilot A to pilot A.

::

    plugin = Plugin(PlugInSettings(free=..., setup_seconds=...), now=loop.time())
    plugin.session.levels = levels; effects = plugin.session.begin(now)      # in state A: cards are heard already
    ...
    offer = Offer(payments=plugin.payments(now, contract=tls and pnc), eim_authorized=plugin.eim_authorized(now), free=...)


With a modem (``PlugInSettings.modem``) it and matching hear each other (``secc.link.slac.dlink``): it says ``ArmMatching`` before each offer of
5 %; ``ReleaseLink`` and ``ResumeLink`` are its D-LINK requests. Where an AC outlet charges without a session (``charge_by_pilot``)
it asks ``StartPower`` and says ``OpenContactor`` itself, to the same power path that V2G sessions use.

It ends with ``completed.unplugged`` when the car is gone; then make the next one. What it hears stands in ``secc.outlet.hearing`` (``session.hears``
once it has begun), what it says in ``secc.outlet.effects``, and ``Ask(ticket, AuthorizeToken)`` (``secc.session.identification``), answered by
``Answered(ticket, Verdict)``.

Everything that a V2G session has to hear from outside, save its own connection and ``LimitChanged``, comes through ``TellSession``: send the board's
events to the plug-in and to the power path, and nothing but these to the session. Order for one session: ``ConnectionAccepted``,
``SessionBegan``, ``SessionSetUp``, perhaps ``ContractPresented`` and ``ContractRejected`` or ``ContractDecided``, ``ChargingBegan``,
``ChargingEnded``, ``SessionEnded``. The effects ``LockConnector`` and ``UnlockConnector`` do nothing on a board without a lock.
"""

from secc.outlet.plugin import Plugin
from secc.outlet.settings import PlugInSettings

__all__ = ["PlugInSettings", "Plugin"]

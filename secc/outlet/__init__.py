"""The plug-in: one conversation on the core for each car, from pilot A to pilot A.

::

    plugin = Plugin(PlugInSettings(free=..., setup_seconds=...), now=loop.time())
    plugin.session.levels = levels; effects = plugin.session.begin(now)      # in state A: cards count already
    ...
    offer = Offer(payments=plugin.payments(now, contract=tls and pnc), eim_authorized=plugin.eim_authorized(now), free=...)


With a modem (``PlugInSettings.modem``) plug-in and matching exchange the effects of
``secc.link.slac.dlink``: the plug-in says ``ArmMatching`` before each offer of
5 %; ``ReleaseLink`` and ``ResumeLink`` are its D-LINK requests. Where an AC outlet charges without
a session (``charge_by_pilot``)
it asks ``StartPower`` and says ``OpenContactor`` itself, to the power path that V2G sessions use.

It ends with ``completed.unplugged`` when the car has gone; then make the next one.
``secc.outlet.hearing`` lists its events (``session.hears``
once it has begun), ``secc.outlet.effects`` its effects, and ``Ask(ticket, AuthorizeToken)``
(``secc.session.identification``) is answered by
``Answered(ticket, Verdict)``.

``TellSession`` carries every event from outside to the V2G session, except those of its own
connection and ``LimitChanged``: send the board's
events to the plug-in and the power path, not to the session. Order for one session:
``ConnectionAccepted``,
``SessionBegan``, ``SessionSetUp``, perhaps ``ContractPresented`` and ``ContractRejected`` or
``ContractDecided``, ``ChargingBegan``,
``ChargingEnded``, ``SessionEnded``, ``ConnectionGone``. The effects ``LockConnector`` and ``UnlockConnector`` do
nothing on a board without a lock.
"""

from secc.outlet.plugin import Plugin
from secc.outlet.settings import PlugInSettings

__all__ = ["PlugInSettings", "Plugin"]

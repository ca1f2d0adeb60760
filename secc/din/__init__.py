"""DIN SPEC 70121:2014, the charger's side: messages, timing, phases, refusals. Deleting this folder
leaves the other protocols working.

DC, with external payment, on plain TCP: nothing in it is signed or encrypted.
"""

from __future__ import annotations

from secc.din.personal import PERSONAL
from secc.din.quirks import QUIRKS
from secc.din.reasons import REASONS
from secc.session.offer import Transfer
from secc.session.protocol import LoadedProtocol, Transport, V2gProtocol
from secc.trace import quirks, reasons

reasons.MEANINGS.add(*REASONS)
quirks.QUIRKS.add(*QUIRKS)


def protocol() -> V2gProtocol:
    """DIN SPEC 70121 as the station registers it."""
    return V2gProtocol(
        name="DIN SPEC 70121",
        key="din",
        namespace="urn:din:70121:2012:MsgDef",
        major=2,
        minor=0,
        personal=PERSONAL,
        load=_load,
        transports=frozenset({Transport.PLAIN}),
        transfers=frozenset({Transfer.DC}),
    )


def _load() -> LoadedProtocol:
    from secc.din.dialogue import RESPONSES, open_dialogue, read, warm, warm_rest
    from secc.din.messages import SCHEMA

    return LoadedProtocol(open_dialogue, read, warm, warm_rest, tuple(RESPONSES.values()), schema=SCHEMA)

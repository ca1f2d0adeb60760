"""ISO 15118-2:2014, the charger's side: messages, timing, phases, refusals. Deleting this folder leaves the other protocols working."""

from __future__ import annotations

from secc.iso2.quirks import QUIRKS
from secc.iso2.reasons import REASONS
from secc.session.offer import V2gProtocol
from secc.trace import quirks, reasons

reasons.MEANINGS.add(*REASONS)
quirks.QUIRKS.add(*QUIRKS)


def protocol() -> V2gProtocol:
    """ISO 15118-2 as the station takes it in."""
    from secc.iso2.dialogue import open_dialogue, warm, warm_rest
    from secc.iso2.personal import PERSONAL

    return V2gProtocol(
        name="ISO 15118-2",
        namespace="urn:iso:15118:2:2013:MsgDef",
        major=2,
        minor=0,
        open=open_dialogue,
        warm=warm,
        warm_rest=warm_rest,
        personal=PERSONAL,
    )

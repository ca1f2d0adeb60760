"""ISO 15118-2:2014, the charger's side: messages, timing, phases, refusals. Deleting this folder
leaves the other protocols working.
"""

from __future__ import annotations

from certs.certificates import Edition
from secc.iso2.personal import PERSONAL
from secc.iso2.quirks import QUIRKS
from secc.iso2.reasons import REASONS
from secc.session.protocol import LoadedProtocol, V2gProtocol
from secc.trace import quirks, reasons

reasons.MEANINGS.add(*REASONS)
quirks.QUIRKS.add(*QUIRKS)


def protocol() -> V2gProtocol:
    """ISO 15118-2 as the station registers it."""
    return V2gProtocol(
        name="ISO 15118-2",
        key="iso2",
        namespace="urn:iso:15118:2:2013:MsgDef",
        major=2,
        minor=0,
        personal=PERSONAL,
        load=_load,
        edition=Edition.ISO2,
    )


def _load() -> LoadedProtocol:
    from secc.iso2.dialogue import RESPONSES, open_dialogue, read, warm, warm_rest
    from secc.iso2.messages import SCHEMA
    from secc.iso2.paused import KEPT

    return LoadedProtocol(open_dialogue, read, warm, warm_rest, tuple(RESPONSES.values()), KEPT, SCHEMA)

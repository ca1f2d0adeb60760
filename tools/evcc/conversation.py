"""One connection of the car: agree on a protocol, then speak it."""

from __future__ import annotations

from collections.abc import Sequence

from secc.conversation import Conversation, Party

from .battery import Battery
from .behaviour import Behaviour
from .negotiation import CarProtocol, supported_app_protocol
from .negotiation_flaws import FLAWS
from .speaker import Speaker
from .wallet import Wallet


def conversation(
    party: Party, ranked: Sequence[CarProtocol], behaviour: Behaviour, battery: Battery, wallet: Wallet | None
) -> Conversation[str]:
    """The whole session. Returns the name of its ending, for the reason code."""
    name = behaviour.flaw or ""
    speaker = Speaker(party, behaviour, FLAWS.get(name))
    protocol = yield from supported_app_protocol(speaker, ranked)
    speaker.flaw = protocol.flaws.get(name)
    return (yield from protocol.converse(speaker, battery, wallet))

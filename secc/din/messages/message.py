"""The root of DIN SPEC 70121: header and body."""

from __future__ import annotations

from typing import Annotated, Final

from frozen import dataclass
from secc.din.messages import charging, contract, setup
from secc.din.messages.common import Body, Response, SessionId
from secc.din.messages.enumerations import FaultCode
from secc.exi import Message
from secc.exi import declarations as xs
from secc.exi.xmldsig import Signature

BODY_ELEMENTS: Final[tuple[type[Body], ...]] = tuple(
    kind
    for module in (setup, contract, charging)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Body) and kind not in (Body, Response)
)
"""All body elements; their order has no meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    fault_code: FaultCode
    fault_msg: Annotated[str | None, xs.Text(64)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    session_id: SessionId
    notification: Notification | None = None
    signature: Signature | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class V2G_Message(Message):
    """One message. ``body`` is the body element itself; ``None`` is an empty Body, which no peer
    sends.
    """

    header: MessageHeader
    body: Annotated[Body | None, xs.Members(BODY_ELEMENTS), xs.Head("BodyElement"), xs.Within("Body")] = None

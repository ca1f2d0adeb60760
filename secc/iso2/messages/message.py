"""The root of ISO 15118-2: header and body (urn:iso:15118:2:2013:MsgDef, MsgHeader)."""

from __future__ import annotations

from typing import Annotated, Final

from frozen import dataclass
from secc.exi import Message
from secc.exi.declarations import Head, Members, Within
from secc.exi.xmldsig import Signature
from secc.iso2.messages import body
from secc.iso2.messages.body import Body
from secc.iso2.messages.datatypes import Notification, SessionId

BODY_ELEMENTS: Final[tuple[type[Body], ...]] = (
    body.SessionSetupReq,
    body.SessionSetupRes,
    body.ServiceDiscoveryReq,
    body.ServiceDiscoveryRes,
    body.ServiceDetailReq,
    body.ServiceDetailRes,
    body.PaymentServiceSelectionReq,
    body.PaymentServiceSelectionRes,
    body.PaymentDetailsReq,
    body.PaymentDetailsRes,
    body.AuthorizationReq,
    body.AuthorizationRes,
    body.ChargeParameterDiscoveryReq,
    body.ChargeParameterDiscoveryRes,
    body.PowerDeliveryReq,
    body.PowerDeliveryRes,
    body.MeteringReceiptReq,
    body.MeteringReceiptRes,
    body.SessionStopReq,
    body.SessionStopRes,
    body.CertificateUpdateReq,
    body.CertificateUpdateRes,
    body.CertificateInstallationReq,
    body.CertificateInstallationRes,
    body.ChargingStatusReq,
    body.ChargingStatusRes,
    body.CableCheckReq,
    body.CableCheckRes,
    body.PreChargeReq,
    body.PreChargeRes,
    body.CurrentDemandReq,
    body.CurrentDemandRes,
    body.WeldingDetectionReq,
    body.WeldingDetectionRes,
)
"""All body elements; their order has no meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    """SessionID, perhaps a notification, and the signature of elements of the body."""

    session_id: SessionId
    notification: Notification | None = None
    signature: Signature | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class V2G_Message(Message):
    """One message. ``body`` is the body element itself; ``None`` is an empty Body, which no peer
    sends.
    """

    header: MessageHeader
    body: Annotated[Body | None, Members(BODY_ELEMENTS), Head("BodyElement"), Within("Body")] = None

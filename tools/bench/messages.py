"""The messages whose codec is measured: the long and the frequent ones of a Plug & Charge session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secc.exi.schema import Schema
from secc.iso2.messages import SCHEMA, AuthorizationReq, Body, MessageHeader, PaymentDetailsReq, V2G_Message
from secc.protocols import protocols
from secc.session.supported_app_protocol import SCHEMA as SAP

if TYPE_CHECKING:
    from tools.evcc.wallet import Wallet

SAP_NAMESPACE = "urn:iso:15118:2:2010:AppProtocol"
ISO2_NAMESPACE = "urn:iso:15118:2:2013:MsgDef"
DIN_NAMESPACE = "urn:din:70121:2012:MsgDef"

PROTOCOLS = (
    "8000f3ab9371d34b9b79d39ba321d34b9b79d189a98989c1d1699181d22218010000040001d75726e3a69736f3a31353131383a323a32303133"
    "3a4d736744656600400001008036eae4dc74c8d2dc746e606264627464606264749ae6ce88cacc00800003021"
)
SESSION_SETUP_RES = "8098020f69fc0adb17a45051e020451114a9413960a914c4c8ccd0d4a8c4101ef89aa0c0"
CURRENT_DEMAND_REQ = "8098020f69fc0adb17a45050d1001781061c41201081d04001061b81605143601040308220384420421000"
CURRENT_DEMAND_RES = (
    "8098020f69fc0adb17a45050e00000002040840ac1f020c3842400002103c11c0418680781450d80401144452a504e582a4531323334352a3100"
    "000a53494d2d3030303106062039101ef89aa0c200"
)
"""Every element that a station or car usually sends is present; no personal data."""
DIN_CURRENT_DEMAND_REQ = "809a020f69fc0adb17a45050d1400bc080c3882402050e8200080c3702c0a0e1b0082018104407088142108000"
DIN_CURRENT_DEMAND_RES = "809a020f69fc0adb17a45050e00040800001028560f8101870848000040a1e08e02030d00f028386c02000"
"""With the same values, where DIN has their elements."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One message, and its octets from our codec."""

    name: str
    namespace: str
    schema: Schema[Any]
    message: Any
    octets: bytes

    @property
    def decode(self) -> Callable[[], Any]:
        return lambda: self.schema.decode(self.octets)

    @property
    def encode(self) -> Callable[[], Any]:
        return lambda: self.schema.encode(self.message)


def samples(wallet: Wallet) -> tuple[Sample, ...]:
    """Returns them in the order of a session."""
    authorization = AuthorizationReq(id="id1", gen_challenge=bytes(range(16)))
    details = PaymentDetailsReq(emaid=wallet.emaid, contract_signature_cert_chain=wallet.certificate_chain())
    return (
        _fixed("supportedAppProtocolReq, 3 protocols", PROTOCOLS, SAP_NAMESPACE, SAP),
        _fixed("SessionSetupRes", SESSION_SETUP_RES),
        _made("PaymentDetailsReq, 3 certificates", details),
        _made("AuthorizationReq, signed", authorization, wallet.sign(authorization)),
        *loop_samples(),
    )


def loop_samples() -> tuple[Sample, Sample]:
    """Returns request and response of the charging loop."""
    return _fixed("CurrentDemandReq", CURRENT_DEMAND_REQ), _fixed("CurrentDemandRes", CURRENT_DEMAND_RES)


def din_samples() -> tuple[Sample, ...]:
    """Returns request and response of DIN's charging loop; none if the station does not speak DIN."""
    return tuple(
        _fixed(f"{name} of DIN", octets, DIN_NAMESPACE, schema)
        for protocol in protocols()
        if protocol.namespace == DIN_NAMESPACE and (schema := protocol.load().schema)
        for name, octets in (("CurrentDemandReq", DIN_CURRENT_DEMAND_REQ), ("CurrentDemandRes", DIN_CURRENT_DEMAND_RES))
    )


def _fixed(name: str, octets: str, namespace: str = ISO2_NAMESPACE, schema: Schema[Any] = SCHEMA) -> Sample:
    return Sample(name, namespace, schema, schema.decode(bytes.fromhex(octets)), bytes.fromhex(octets))


def _made(name: str, body: Body, signature: Any = None) -> Sample:
    header = MessageHeader(session_id=bytes.fromhex("3DA7F02B6C5E9141"), signature=signature)
    message = V2G_Message(header=header, body=body)
    return Sample(name, ISO2_NAMESPACE, SCHEMA, message, SCHEMA.encode(message))

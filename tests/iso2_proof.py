"""A real signature over a challenge, in a message of ISO 15118-2."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from certs.contract import Contract
from secc.iso2.messages import SCHEMA, AuthorizationReq, MessageHeader, V2G_Message
from secc.session.proof import ProvedContract, prove
from secc.session.signature import P256_SHA256, sign
from tests.lab_trust import LAB

CHALLENGE = bytes(range(16))


def signed(challenge: bytes, key: EllipticCurvePrivateKey | None = None) -> V2G_Message:
    """AuthorizationReq over this challenge, signed with the contract's key or another."""
    body = AuthorizationReq(id="id1", gen_challenge=challenge)
    key = key or LAB.contract.leaf.key  # type: ignore[assignment]  # P-256 in this edition
    assert key is not None
    return V2G_Message(
        header=MessageHeader(session_id=bytes(8), signature=sign(body, key, SCHEMA, P256_SHA256)), body=body
    )


def proved(contract: Contract, challenge: bytes = CHALLENGE, message: V2G_Message | None = None) -> ProvedContract:
    """What ``prove`` makes of this message, by default a good one. Raises what it raises."""
    message = message or signed(challenge)
    assert isinstance(message.body, AuthorizationReq)
    octets = SCHEMA.encode(message)
    element = ("AuthorizationReq", message.body.id)
    signature = SCHEMA.decode(octets).header.signature
    return prove(contract, challenge, message.body.gen_challenge, signature, element, octets, SCHEMA, P256_SHA256)[0]

"""Meanings of the causes of a refusal: flaws of a contract's chain, and of a signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from certs.errors import Flaw, Outcome
from secc.session.signature import Flaw as Signature
from secc.trace.meanings import BEFORE, NOTHING, Meaning

SIGNED: Final = (
    "The car caused it: a car without the contract's private key cannot sign correctly. If every car fails, report it."
)

_FOR_OUTCOME: Mapping[Outcome, str] = {
    Outcome.BAD_CHAIN: "The mobility operator, or the company that provisioned the car, has to act.",
    Outcome.NO_ROOT: "Install the root, if this operator's customers may charge here.",
    Outcome.EXPIRED: "Check the station's clock first (`secc check`); then the operator of that certificate has to act.",
    Outcome.NOT_YET_VALID: "Check the station's clock first (`secc check`); then the operator of that certificate has to act.",
    Outcome.REVOKED: "The station is not at fault; the driver's mobility operator has to act.",
    Outcome.VALID: NOTHING,
}

CERTIFICATES: Final[tuple[Meaning, ...]] = tuple(
    Meaning(f"certificate.{flaw.value}", flaw.meaning, BEFORE, _FOR_OUTCOME[flaw.outcome]) for flaw in Flaw
)

_SIGNATURES: Mapping[str, str] = {
    Signature.MISSING: "The car's first AuthorizationReq carries no signature.",
    Signature.CANONICALIZATION: "The signature names a canonicalisation other than EXI.",
    Signature.SIGNATURE_METHOD: "The signature is not ECDSA with SHA-256.",
    Signature.REFERENCES: "The signature covers more or fewer elements than it should.",
    Signature.URI: "The signature does not cover the message that carries it.",
    Signature.TRANSFORMS: "The signature names a transform other than EXI.",
    Signature.DIGEST_METHOD: "A digest is not SHA-256.",
    Signature.ELEMENT: "The signed element is not in the received message.",
    Signature.DIGEST: "The digest does not match the received message: the message was changed, or encoded in another way before it was signed.",
    Signature.KEY: "The contract's key is not on secp256r1.",
    Signature.LENGTH: "The signature's value does not have 64 octets.",
    Signature.RANGE: "The signature's value is outside the curve's order.",
    Signature.VALUE: "The signature was not made with the contract's key.",
}
SIGNATURES: Final[tuple[Meaning, ...]] = tuple(
    Meaning(f"signature.{flaw}", text, BEFORE, SIGNED) for flaw, text in _SIGNATURES.items()
)

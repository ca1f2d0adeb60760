"""What lies behind a refusal, by name: the flaws of a contract's chain, and of a signature. They end no session by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from certs.errors import Flaw, Outcome
from secc.session.signature import Flaw as Signature
from secc.trace.meanings import BEFORE, NOTHING, Meaning

SIGNED: Final = (
    "The car's doing: a car without the contract's private key cannot sign correctly. If every car fails, report it."
)

_FOR_OUTCOME: Mapping[Outcome, str] = {
    Outcome.BAD_CHAIN: "The mobility operator, or who provisioned the car, has to act.",
    Outcome.NO_ROOT: "Install the root, if this operator's customers may charge here.",
    Outcome.EXPIRED: "Check the station's clock first (`secc check`); then it is for the operator of that certificate.",
    Outcome.NOT_YET_VALID: "Check the station's clock first (`secc check`); then it is for the operator of that certificate.",
    Outcome.REVOKED: "Nothing on the station; the driver's mobility operator has to act.",
    Outcome.VALID: NOTHING,
}

CERTIFICATES: Final[tuple[Meaning, ...]] = tuple(
    Meaning(f"certificate.{flaw.value}", flaw.meaning, BEFORE, _FOR_OUTCOME[flaw.outcome]) for flaw in Flaw
)

_SIGNATURES: Mapping[str, str] = {
    Signature.MISSING: "The car's first AuthorizationReq carries no signature.",
    Signature.CANONICALIZATION: "The signature names another canonicalisation than EXI.",
    Signature.SIGNATURE_METHOD: "The signature is not ECDSA with SHA-256.",
    Signature.REFERENCES: "The signature covers more or fewer elements than it should.",
    Signature.URI: "The signature does not cover the message that carries it.",
    Signature.TRANSFORMS: "The signature wants another transform than EXI.",
    Signature.DIGEST_METHOD: "A digest is not SHA-256.",
    Signature.ELEMENT: "The element that was signed could not be found in the message as it came.",
    Signature.DIGEST: "The digest is not that of the message that came: it was changed, or encoded in another way before it was signed.",
    Signature.KEY: "The contract's key is not on secp256r1.",
    Signature.LENGTH: "The signature's value has not 64 octets.",
    Signature.RANGE: "The signature's value is outside of the curve's order.",
    Signature.VALUE: "The signature was not made with the contract's key.",
}
SIGNATURES: Final[tuple[Meaning, ...]] = tuple(
    Meaning(f"signature.{flaw}", text, BEFORE, SIGNED) for flaw, text in _SIGNATURES.items()
)

"""Proof that a car holds the key to the contract that it presented: its signature over the
station's challenge.

A certificate chain is not a secret: a device that has received it can send it. So a
``certs.contract.Contract`` says whose contract it is, not who presents it. A backend may be asked about
one before the proof. The station uses, shows, books and remembers the answer for a
:class:`ProvedContract` only.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from certs.contract import Contract
from secc.errors import ChallengeRejected, SignatureRejected
from secc.exi.schema import Schema
from secc.exi.xmldsig import Signature
from secc.session.signature import EcdsaSuite, Flaw, Form, verify

_MADE_BY_PROOF = object()


@dataclass(frozen=True, slots=True, repr=False)
class ProvedContract:
    """A contract whose key the car holds. Only :func:`prove` makes one; it lives as long as the
    session.
    """

    contract: Contract
    _made_by: object

    def __post_init__(self) -> None:
        if self._made_by is not _MADE_BY_PROOF:
            raise TypeError("a ProvedContract is made by prove only")

    def __repr__(self) -> str:
        return f"Proved{self.contract!r}"


def prove(
    contract: Contract,
    challenge: bytes,
    signed_challenge: bytes | None,
    signature: Signature | None,
    element: tuple[str, str | None],
    octets: bytes,
    schema: Schema[Any],
    suite: EcdsaSuite,
) -> tuple[ProvedContract, Form]:
    """Returns the proof, and the grammar in which the car encoded SignedInfo.

    ``challenge`` was drawn for this session, ``signed_challenge`` is the one in the request;
    ``element`` is the name and the Id of the request in the document ``octets``, ``suite`` how the
    protocol signs. Raises SignatureRejected and ChallengeRejected.
    """
    if signature is None:
        raise SignatureRejected(Flaw.MISSING)
    if not hmac.compare_digest(signed_challenge or b"", challenge):
        raise ChallengeRejected("another challenge")
    name, id = element
    form = verify(signature, {name: id}, octets, contract.public_key, schema, suite)
    return ProvedContract(contract, _MADE_BY_PROOF), form

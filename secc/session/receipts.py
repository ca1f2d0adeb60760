"""Metering receipts: the car signs, with its contract's key, the reading that the station has sent.

The session compares what was signed with what it sent. The station verifies the signature on the
thread for Python work, and stores the receipt before the car is told that it is accepted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import field
from typing import Any

from frozen import dataclass
from secc.conversation import Question
from secc.exi.schema import Schema
from secc.exi.xmldsig import Signature
from secc.session.proof import ProvedContract
from secc.session.signature import EcdsaSuite, verify

_MADE_BY_PROOF = object()


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class SignedReceipt:
    """A message of the car, as it came, whose receipt the key of its contract has signed. Only
    :func:`prove_receipt` makes one. ``quirk``: the code of the tolerance that it needed, or empty.
    """

    octets: bytes
    quirk: str
    _made_by: object

    def __post_init__(self) -> None:
        if self._made_by is not _MADE_BY_PROOF:
            raise TypeError("a SignedReceipt is made by prove_receipt only")


def prove_receipt(
    contract: ProvedContract,
    signature: Signature | None,
    element: tuple[str, str | None],
    octets: bytes,
    schema: Schema[Any],
    suite: EcdsaSuite,
) -> SignedReceipt:
    """Returns the receipt in ``octets``. ``element``: name and Id of the request in it. Raises
    SignatureRejected.
    """
    name, id = element
    form = verify(signature, {name: id}, octets, contract.contract.public_key, schema, suite)
    return SignedReceipt(octets, form.quirk, _MADE_BY_PROOF)


@dataclass(frozen=True, slots=True)
class ReceiptBooked:
    """The signature holds, and the receipt is stored. ``quirk`` as of ``SignedReceipt``."""

    quirk: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptRejected:
    """The signature does not hold; ``flaw`` as of ``secc.session.signature.Flaw``."""

    flaw: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptUnbooked:
    """The receipt could not be stored."""

    detail: str


@dataclass(frozen=True, slots=True)
class BookReceipt(Question[ReceiptBooked | ReceiptRejected | ReceiptUnbooked]):
    """Verify and store the receipt for a reading of the running transaction.

    ``watt_hours``: the reading as the car was told, None if it was told none; ``schedule``: the id
    of the schedule that the car chose; ``record``: the meter's own signed record of the reading,
    whole. ``check`` takes a millisecond or more (not for the event loop), and raises
    SignatureRejected.
    """

    meter_id: str
    watt_hours: int | None
    schedule: int
    record: bytes | None = field(repr=False)
    check: Callable[[], SignedReceipt] = field(repr=False, compare=False)

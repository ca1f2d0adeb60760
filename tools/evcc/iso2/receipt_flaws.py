"""The flaws of a car that signs metering receipts: one function each, whose docstring says what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from secc.iso2 import messages as iso2
from secc.session.signature import P256_SHA256, sign

from ..flaw import Register

FLAWS: Final = Register()


@FLAWS.body_flaw(iso2.MeteringReceiptReq)
def receipt_of_other_reading(body: iso2.MeteringReceiptReq) -> iso2.Body:
    """The receipt is of another reading than the station sent, correctly signed."""
    info = body.meter_info
    return replace(body, meter_info=replace(info, meter_reading=(info.meter_reading or 0) + 1000))


@FLAWS.body_flaw(iso2.MeteringReceiptReq)
def receipt_of_other_session(body: iso2.MeteringReceiptReq) -> iso2.Body:
    """The receipt is of another session, correctly signed."""
    return replace(body, session_id=bytes.fromhex("DEADBEEF00000001"))


@FLAWS.body_flaw(iso2.MeteringReceiptReq)
def receipt_of_other_schedule(body: iso2.MeteringReceiptReq) -> iso2.Body:
    """The receipt is of another schedule than the car chose, correctly signed."""
    return replace(body, sa_schedule_tuple_id=200)


@FLAWS.message_flaw(iso2.MeteringReceiptReq)
def receipt_without_signature(message: iso2.V2G_Message) -> Iterable[object]:
    """The receipt is not signed."""
    yield replace(message, header=replace(message.header, signature=None))


@FLAWS.message_flaw(iso2.MeteringReceiptReq)
def receipt_by_other_key(message: iso2.V2G_Message) -> Iterable[object]:
    """The receipt is signed with another key than the contract's."""
    signature = sign(message.body, ec.generate_private_key(ec.SECP256R1()), iso2.SCHEMA, P256_SHA256)
    yield replace(message, header=replace(message.header, signature=signature))


@FLAWS.message_flaw(iso2.MeteringReceiptReq)
def receipt_changed_after_signing(message: iso2.V2G_Message) -> Iterable[object]:
    """The receipt loses its schedule after it was signed."""
    assert isinstance(message.body, iso2.MeteringReceiptReq)
    yield replace(message, body=replace(message.body, sa_schedule_tuple_id=None))


@FLAWS.message_flaw(iso2.MeteringReceiptReq)
def receipt_twice(message: iso2.V2G_Message) -> Iterable[object]:
    """The receipt is sent twice."""
    return message, message

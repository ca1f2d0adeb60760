"""The costliest streams that an unknown car can send: messages that fill the limits, and the worst message that a
search around them finds.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secc import iso2
from secc.errors import DecodeError
from secc.exi import xmldsig
from secc.iso2 import messages
from secc.iso2.dialogue import PAYLOAD_LIMIT, STREAM, open_dialogue
from secc.iso2.messages import SCHEMA, MessageHeader, V2G_Message
from secc.link.v2gtp import PayloadType, frame
from secc.session.offer import Offer, Surroundings
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq

from .proc import cpu_of

KEPT = 8
"""The search goes on from this many of the worst messages."""


@dataclass(frozen=True, slots=True)
class Stream:
    """``octets`` are sent after the car and the station have agreed on ISO 15118-2; with ``opening``, instead of
    that.
    """

    name: str
    octets: bytes
    opening: bool = False


def negotiation(entries: int = 1, namespace: str = "") -> bytes:
    """Returns a list of protocols whose last entry the station supports."""
    ours, other = (
        AppProtocol(
            protocol_namespace=name, version_number_major=major, version_number_minor=minor, schema_id=1, priority=rank
        )
        for name, major, minor, rank in ((iso2.protocol().namespace, 2, 0, 1), (namespace, 2**32 - 1, 2**32 - 1, 2))
    )
    return SAP.encode(SupportedAppProtocolReq(app_protocol=(other,) * (entries - 1) + (ours,)))


def signed(references: int, transforms: int, text: str = "", body: messages.Body | None = None) -> bytes:
    """Returns a message with a signature of this shape."""
    way = xmldsig.Transforms(transform=(xmldsig.Transform(algorithm=""),) * transforms) if transforms else None
    reference = xmldsig.Reference(
        uri=text, transforms=way, digest_method=xmldsig.DigestMethod(algorithm=text), digest_value=b""
    )
    signature = xmldsig.Signature(
        signed_info=xmldsig.SignedInfo(
            canonicalization_method=xmldsig.CanonicalizationMethod(algorithm=text),
            signature_method=xmldsig.SignatureMethod(algorithm=text),
            reference=(reference,) * references,
        ),
        signature_value=xmldsig.SignatureValue(value=b""),
    )
    header = MessageHeader(session_id=bytes(8), signature=signature)
    return SCHEMA.encode(V2G_Message(header=header, body=body or messages.AuthorizationReq()))


def roots(count: int, name: str, certificate: bytes) -> messages.CertificateUpdateReq:
    """Returns a message with long numbers, names and certificates: the fields with a high bound or none in the XSD."""
    others = messages.SubCertificates(certificate=(certificate,) * 4)
    root = xmldsig.X509IssuerSerial(x509_issuer_name=name, x509_serial_number=2**159)
    return messages.CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=messages.CertificateChain(certificate=certificate, sub_certificates=others),
        emaid="DE8AA1A2B3C4D59",
        list_of_root_certificate_ids=messages.ListOfRootCertificateIDs(root_certificate_id=(root,) * count),
    )


def shapes() -> Iterator[bytes]:
    """Yield messages that fill the limits of octets or of items in different ways: whole, cut, and with octets behind."""
    value = messages.PhysicalValue(multiplier=0, unit=messages.UnitSymbol.W, value=1)
    entry = messages.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=value)
    profile = messages.PowerDeliveryReq(
        charge_progress=messages.ChargeProgress.START,
        sa_schedule_tuple_id=1,
        charging_profile=messages.ChargingProfile(profile_entry=(entry,) * 24),
    )
    for octets in (
        signed(4, 1, body=roots(20, "CN=" + "r" * 85, bytes(800))),
        signed(8, 8, body=profile),
        signed(1, 1, "é" * 300, profile),
        signed(1, 0, body=roots(20, "é" * 5, b"")),
        signed(2000, 0),
    ):
        yield octets[:PAYLOAD_LIMIT]
        for cut in (1, 3, 20):
            yield octets[:PAYLOAD_LIMIT][:-cut]
        for filling in (b"\x00", b"\xff"):
            yield (octets + filling * PAYLOAD_LIMIT)[:PAYLOAD_LIMIT]


def cost(decode: Callable[[int, bytes], object], octets: bytes, times: int) -> float:
    """Returns microseconds of this thread's processor time: the least of so many times."""

    def once() -> None:
        with contextlib.suppress(DecodeError):
            decode(STREAM, octets)

    return 1000.0 * min(cpu_of(once) for _ in range(times))


def search(seconds: float, seed: int = 1) -> tuple[bytes, float]:
    """Search for so many seconds. Returns the message that costs most to decode, and its cost in microseconds."""
    chance = random.Random(seed)  # noqa: S311  # each search does the same
    protocol = iso2.protocol().load()
    protocol.warm()
    for _ in protocol.warm_rest():
        pass
    decode = open_dialogue(Offer(), Surroundings(0.0, bytes, lambda: NotImplemented)).decode
    worst = sorted(((cost(decode, octets, 5), octets) for octets in shapes()), reverse=True)[:KEPT]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        octets = changed(chance, chance.choice(worst)[1])
        if cost(decode, octets, 2) > worst[-1][0]:
            worst = sorted([*worst, (cost(decode, octets, 5), octets)], reverse=True)[:KEPT]
    taken, octets = worst[0]
    return octets, taken


def changed(chance: random.Random, octets: bytes) -> bytes:
    """Returns the message with some octets changed, and sometimes cut or made longer."""
    found = bytearray(octets)
    for _ in range(chance.choice((1, 2, 4, 16))):
        found[chance.randrange(2, len(found))] = chance.randrange(256)
    if chance.random() < 0.2 and len(found) > 64:
        del found[chance.randrange(64, len(found)) :]
    if chance.random() < 0.2:
        found += chance.randbytes(chance.randrange(300))
    return bytes(found[:PAYLOAD_LIMIT])


def streams(seconds: float) -> tuple[tuple[Stream, ...], float]:
    """Returns the streams, and the cost of the worst message in microseconds."""
    worst, taken = search(seconds)
    header, body = MessageHeader(session_id=bytes(8)), messages.SessionSetupReq(evcc_id=bytes(6))
    setup = SCHEMA.encode(V2G_Message(header=header, body=body))
    references = b"\x01\xfe\x80\x01" + (65_000).to_bytes(4, "big") + signed(18_000, 0)[:65_000]
    other = negotiation(20, "u" * 100)[:-3] + bytes(1_800)
    return (
        Stream("the message that costs most to decode", frame(PayloadType.EXI, worst)),
        Stream("the same, again and again without a pause", frame(PayloadType.EXI, worst) * 30),
        Stream("64 KiB of empty References", references),
        Stream("64 KiB of frames of one octet", frame(PayloadType.EXI, b"\x80") * 7_000),
        Stream("2 000 requests that do not wait", frame(PayloadType.EXI, setup) * 2_000),
        Stream("the longest list of protocols", frame(PayloadType.EXI, negotiation(20, "é" * 45)), opening=True),
        Stream("4 KiB of no list of protocols", frame(PayloadType.EXI, other), opening=True),
    ), taken

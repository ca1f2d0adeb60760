"""Streams that cost the station as much as a stranger can make them cost: what fills the budgets, and the worst that a search around it finds."""

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

KEPT = 8
"""The worst so many are changed further."""


@dataclass(frozen=True, slots=True)
class Stream:
    """``octets`` follow a first exchange in which ISO 15118-2 was agreed; with ``opening`` they are the first that the station hears."""

    name: str
    octets: bytes
    opening: bool = False


def negotiation(entries: int = 1, namespace: str = "") -> bytes:
    """What a car says first. The last entry is one that the station speaks."""
    protocol = iso2.protocol()
    ours = AppProtocol(
        protocol_namespace=protocol.namespace, version_number_major=2, version_number_minor=0, schema_id=1, priority=1
    )
    other = AppProtocol(
        protocol_namespace=namespace,
        version_number_major=2**32 - 1,
        version_number_minor=2**32 - 1,
        schema_id=1,
        priority=2,
    )
    return SAP.encode(SupportedAppProtocolReq(app_protocol=(other,) * (entries - 1) + (ours,)))


def signed(references: int, transforms: int, text: str = "", body: messages.Body | None = None) -> bytes:
    """A message with a signature of this shape."""
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
    """Long numbers, long names, long certificates: every field that has no bound in the XSD, or a high one."""
    root = xmldsig.X509IssuerSerial(x509_issuer_name=name, x509_serial_number=2**159)
    return messages.CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=messages.CertificateChain(
            certificate=certificate,
            sub_certificates=messages.SubCertificates(certificate=(certificate,) * 4),
        ),
        emaid="DE8AA1A2B3C4D59",
        list_of_root_certificate_ids=messages.ListOfRootCertificateIDs(root_certificate_id=(root,) * count),
    )


def shapes() -> Iterator[bytes]:
    """Messages that fill the limits of octets or of items, each in a way of its own; whole, cut short, and with something behind."""
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
    """Processor time of this thread, microseconds: the least of so many times."""
    found = []
    for _ in range(times):
        began = time.thread_time()
        with contextlib.suppress(DecodeError):
            decode(STREAM, octets)
        found.append(time.thread_time() - began)
    return 1e6 * min(found)


def search(seconds: float, seed: int = 1) -> tuple[bytes, float]:
    """The message that costs most to decode, as far as this time gets; its cost in microseconds."""
    chance = random.Random(seed)  # noqa: S311  # the same search each time
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
    """Some octets of it are others; perhaps it is longer or shorter."""
    found = bytearray(octets)
    for _ in range(chance.choice((1, 2, 4, 16))):
        found[chance.randrange(2, len(found))] = chance.randrange(256)
    if chance.random() < 0.2 and len(found) > 64:
        del found[chance.randrange(64, len(found)) :]
    if chance.random() < 0.2:
        found += chance.randbytes(chance.randrange(300))
    return bytes(found[:PAYLOAD_LIMIT])


def streams(seconds: float) -> tuple[tuple[Stream, ...], float]:
    """What is sent, and the cost of the worst message in microseconds."""
    worst, taken = search(seconds)
    setup = SCHEMA.encode(
        V2G_Message(header=MessageHeader(session_id=bytes(8)), body=messages.SessionSetupReq(evcc_id=bytes(6)))
    )
    return (
        Stream("the message that costs most to decode", frame(PayloadType.EXI, worst)),
        Stream("the same, again and again without a pause", frame(PayloadType.EXI, worst) * 30),
        Stream(
            "64 KiB of empty References", b"\x01\xfe\x80\x01" + (65_000).to_bytes(4, "big") + signed(18_000, 0)[:65_000]
        ),
        Stream("64 KiB of frames of one octet", frame(PayloadType.EXI, b"\x80") * 7_000),
        Stream("2 000 requests that do not wait", frame(PayloadType.EXI, setup) * 2_000),
        Stream("the longest list of protocols", frame(PayloadType.EXI, negotiation(20, "é" * 45)), opening=True),
        Stream(
            "4 KiB of no list of protocols",
            frame(PayloadType.EXI, negotiation(20, "u" * 100)[:-3] + bytes(1_800)),
            opening=True,
        ),
    ), taken

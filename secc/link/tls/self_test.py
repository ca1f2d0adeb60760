"""Whether this process may serve ``status_request_v2``: by the version of libssl, and by handshakes in
memory with a client that is not libssl.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from secc.link.tls.chain import Chain
from secc.link.tls.connection import accept
from secc.link.tls.context import ServerContext, choose
from secc.link.tls.errors import SelfTestFailed, TlsUnavailable
from secc.link.tls.hello import OCSP_MULTI, peek
from secc.link.tls.key import PemKey
from secc.link.tls.libssl import LibSsl, system_libssl
from secc.link.tls.minimal_client import MinimalClient, Served
from secc.link.tls.status_v2 import STATUS_REQUEST, STATUS_REQUEST_V2, StatusRequestV2

SERIES: Final = ((3, 0), (3, 5))
"""The series of libssl that were examined and tried: the long-term ones. From 3.6 on libssl encodes
the response anew, and would not send a list.
"""
ASK_V1: Final = {STATUS_REQUEST: bytes.fromhex("01 0000 0000")}
ASK_V2: Final = {STATUS_REQUEST_V2: bytes.fromhex("0007 02 0004 0000 0000")}
"""One item: ocsp_multi, by any responder, without request extensions."""
_RESPONSES: Final = (bytes(900), None, bytes(range(256)) * 4)
"""libssl does not read them. The second certificate has none."""


@functools.cache
def status_request_v2() -> StatusRequestV2:
    """Returns this process's ``status_request_v2``, tried out on first use. It never raises: what is
    wrong is its ``problem``.
    """
    try:
        return tried(system_libssl())
    except TlsUnavailable as error:
        return StatusRequestV2(str(error))


def tried(lib: LibSsl) -> StatusRequestV2:
    """Returns whether ``status_request_v2`` can be served with this libssl."""
    if lib.series not in SERIES:
        served = " and ".join(f"{major}.{minor}" for major, minor in SERIES)
        return StatusRequestV2(f"{lib.version_text} is not one of the series {served}")
    serving = StatusRequestV2(proof=f"the self-test with {lib.version_text} has passed")
    try:
        self_test(serving, lib)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with it, the station serves v1
        serving.problem = f"the self-test with {lib.version_text} failed: {error or type(error).__name__}"
    return serving


def self_test(serving: StatusRequestV2, lib: LibSsl) -> None:
    """A handshake each with a car that asks by ``status_request_v2`` alone, and with one that asks by
    both extensions. Raises SelfTestFailed, or what libssl or the client raises.
    """
    context = _context(serving, lib)
    for asked in (ASK_V2, ASK_V1 | ASK_V2):
        served = handshake(context, MinimalClient(asked))
        if STATUS_REQUEST_V2 not in served.extensions or STATUS_REQUEST in served.extensions:
            raise SelfTestFailed(f"the ServerHello has the extensions {sorted(served.extensions)}")
        if served.status_type != OCSP_MULTI:
            raise SelfTestFailed(f"the CertificateStatus is of type {served.status_type}")
        if served.certificates != context.chain.certificates:
            raise SelfTestFailed("the server presents another chain")
        if served.responses != tuple(response or b"" for response in _RESPONSES):
            raise SelfTestFailed("the responses are not those of the chain, in its order")


def handshake(context: ServerContext, client: MinimalClient, at: datetime | None = None) -> Served:
    """A whole handshake in memory, at this calendar time. Returns what the client was served."""
    octets = client.hello()
    hello = peek(octets)
    assert hello is not None
    station = accept(choose(hello, [context], at=at), hello)
    try:
        station.receive(octets)
        octets, served = client.answer(station.drain())
        station.receive(octets)
        client.finish(station.drain())
    finally:
        station.close()
    return served


def _context(serving: StatusRequestV2, lib: LibSsl) -> ServerContext:
    """Three certificates of one throw-away key: the client does not check who has signed them."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self-test")])
    certificates = [
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(number)
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2049, 1, 1, tzinfo=UTC))
        .sign(private, hashes.SHA256())
        .public_bytes(Encoding.DER)
        for number in (3, 2, 1)
    ]
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = Chain("self-test", certificates, (), _RESPONSES)
    return ServerContext(chain, PemKey(pem), binding=lib, status_v2=serving)

"""Two ends of a TLS connection in memory, passing octets until both are quiet."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from secc.link.tls.connection import TlsConnection, accept, connect
from secc.link.tls.context import ClientContext, ServerContext, Verifier, choose
from secc.link.tls.errors import Alert
from secc.link.tls.hello import peek


def greet(octets: bytes, contexts: Sequence[ServerContext]) -> TlsConnection:
    """The station's end for a hello; the hello itself is still to be received."""
    hello = peek(octets)
    assert hello is not None
    return accept(choose(hello, contexts), hello)


def settle(station: TlsConnection, car: TlsConnection, octets: bytes = b"") -> None:
    """Carry octets, the car's first, until both are quiet."""
    octets = octets or car.drain()
    while octets:
        station.receive(octets)
        car.receive(station.drain())
        octets = car.drain()


def shake(contexts: Sequence[ServerContext], car: ClientContext) -> tuple[TlsConnection, TlsConnection]:
    """A whole handshake; the station's end and the car's."""
    client = connect(car)
    hello = client.drain()
    station = greet(hello, contexts)
    settle(station, client, hello)
    return station, client


def trusting(root: bytes) -> Verifier:
    """A car that trusts chains which were signed, link by link, under this root."""

    def verify(chain: tuple[bytes, ...]) -> Alert | None:
        issuers = [x509.load_der_x509_certificate(der) for der in (*chain[1:], root)]
        for certificate, issuer in zip(map(x509.load_der_x509_certificate, chain), issuers, strict=True):
            try:
                certificate.verify_directly_issued_by(issuer)
            except Exception:
                return Alert.UNKNOWN_CA
            assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        return None

    return verify

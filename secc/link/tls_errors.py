"""What can go wrong below the V2GTP layer, with the octets that the car still has to be sent."""

from __future__ import annotations

from enum import IntEnum

from secc.errors import FramingError, SeccError


class Alert(IntEnum):
    """TLS alert descriptions that we send or speak about (RFC 5246 section 7.2, RFC 8446 section 6)."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    UNKNOWN_CA = 48
    ILLEGAL_PARAMETER = 47
    DECODE_ERROR = 50
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80

    def record(self) -> bytes:
        """A fatal alert as one plain TLS record, for a connection on which no key has been agreed."""
        return bytes((0x15, 0x03, 0x03, 0x00, 0x02, 0x02, self))


class TlsError(FramingError):
    """A TLS connection ends for the car's doing; always fatal. ``answer``: octets to write before the socket is closed, often an alert."""

    def __init__(self, text: str, answer: bytes = b"") -> None:
        super().__init__(text, fatal=True)
        self.answer = answer


class HelloRejected(TlsError):
    """The first octets are no ClientHello that could be parsed; no engine has seen them."""


class HandshakeFailed(TlsError):
    """The engine refused, or the car did; the text says which suites were offered where that matters."""


class TlsRequired(TlsError):
    """A car (or a browser) speaks something else where only TLS is served."""


class PlainRequired(TlsError):
    """A car begins TLS where no certificate is configured."""


class TlsUnavailable(SeccError):
    """No usable libssl on this machine; the text says what was looked for."""


class ContextRejected(SeccError):
    """Certificate chain, private key and staples make no TLS context: our configuration, not the car's doing."""

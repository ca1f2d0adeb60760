"""Errors below V2GTP, with the octets that the car still has to be sent."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import ClassVar

from secc.errors import FramingError, SeccError


class Alert(IntEnum):
    """TLS alert descriptions (RFC 5246 section 7.2, RFC 6066 section 9, RFC 8446 section 6)."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    ILLEGAL_PARAMETER = 47
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    INAPPROPRIATE_FALLBACK = 86
    USER_CANCELED = 90
    NO_RENEGOTIATION = 100
    MISSING_EXTENSION = 109
    UNSUPPORTED_EXTENSION = 110
    CERTIFICATE_UNOBTAINABLE = 111
    UNRECOGNIZED_NAME = 112
    BAD_CERTIFICATE_STATUS_RESPONSE = 113
    BAD_CERTIFICATE_HASH_VALUE = 114

    def record(self) -> bytes:
        """A fatal alert as one plain TLS record, for a connection on which no key has been agreed."""
        return bytes((0x15, 0x03, 0x03, 0x00, 0x02, 0x02, self))


def alert_name(number: int) -> str:
    """As the standards spell it: ``unknown_ca``."""
    try:
        return Alert(number).name.lower()
    except ValueError:
        return f"number {number}"


class TlsFlaw(StrEnum):
    """Ways in which TLS can fail; ``tls.<flaw>`` is the reason code."""

    TLS_REQUIRED = "required"
    PLAIN_REQUIRED = "plain-required"
    HELLO_REJECTED = "hello-rejected"
    NO_COMMON_VERSION = "no-common-version"
    NO_COMMON_SUITE = "no-common-suite"
    NO_COMMON_GROUP = "no-common-group"
    NO_COMMON_SIGNATURE_ALGORITHM = "no-common-signature-algorithm"
    UNKNOWN_CA = "unknown-ca"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_REJECTED = "certificate-rejected"
    STAPLE_REJECTED = "staple-rejected"
    REFUSED_BY_CAR = "refused-by-car"
    CLOSED_IN_HELLO = "closed-in-hello"
    CLOSED_AFTER_CERTIFICATE = "closed-after-certificate"
    CLOSED_IN_HANDSHAKE = "closed-in-handshake"
    HANDSHAKE_FAILED = "handshake-failed"
    TOO_MUCH = "too-much"
    BROKEN = "broken"
    ALERT = "alert"
    NOT_READ = "not-read"
    STATION_FAILED = "station-failed"


_BY_ALERT = {
    Alert.UNKNOWN_CA: TlsFlaw.UNKNOWN_CA,
    Alert.CERTIFICATE_EXPIRED: TlsFlaw.CERTIFICATE_EXPIRED,
    Alert.BAD_CERTIFICATE: TlsFlaw.CERTIFICATE_REJECTED,
    Alert.UNSUPPORTED_CERTIFICATE: TlsFlaw.CERTIFICATE_REJECTED,
    Alert.CERTIFICATE_REVOKED: TlsFlaw.CERTIFICATE_REJECTED,
    Alert.CERTIFICATE_UNKNOWN: TlsFlaw.CERTIFICATE_REJECTED,
    Alert.ACCESS_DENIED: TlsFlaw.CERTIFICATE_REJECTED,
    Alert.BAD_CERTIFICATE_STATUS_RESPONSE: TlsFlaw.STAPLE_REJECTED,
}


def flaw_of_alert(number: int) -> TlsFlaw:
    """Returns the flaw of a fatal alert from the car during the handshake."""
    return next((flaw for alert, flaw in _BY_ALERT.items() if alert == number), TlsFlaw.REFUSED_BY_CAR)


class TlsError(FramingError):
    """A TLS connection ends because of the peer; always fatal. ``answer``: octets to write before
    the socket is closed, often an alert.
    """

    usual: ClassVar[TlsFlaw] = TlsFlaw.BROKEN

    def __init__(self, text: str, answer: bytes = b"", flaw: TlsFlaw | None = None) -> None:
        super().__init__(text, fatal=True)
        self.answer = answer
        self.flaw = flaw or self.usual


class HelloRejected(TlsError):
    """The first octets are not a ClientHello that could be parsed; libssl has not seen them."""

    usual = TlsFlaw.HELLO_REJECTED


class HandshakeFailed(TlsError):
    """libssl refused, or the car did, or it closed; the text says what was offered where that
    matters.
    """

    usual = TlsFlaw.HANDSHAKE_FAILED


class TlsRequired(TlsError):
    """A car (or a browser) does not speak TLS where only TLS is served."""

    usual = TlsFlaw.TLS_REQUIRED


class PlainRequired(TlsError):
    """A car begins TLS where no certificate is configured."""

    usual = TlsFlaw.PLAIN_REQUIRED


class TlsUnavailable(SeccError):
    """No usable libssl on this machine; the text says what was looked for."""


class SelfTestFailed(SeccError):
    """The station's TLS does not do what its self-test asks of it; the text says what."""


class ContextRejected(SeccError):
    """Certificate chain, private key and staples do not make a TLS context: an error of the
    configuration, not of the car.
    """

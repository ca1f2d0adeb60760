"""``status_request_v2`` (RFC 6961): in TLS 1.2, the OCSP response of each certificate of the chain.

No libssl serves it. libssl can be told to send a CertificateStatus of type ``ocsp_multi``, but it
announces the message in the ServerHello by the extension ``status_request``. This module changes
that extension's number in libssl's own buffers: in the record, before it is sent, and in the
message, before libssl hashes it. ``docs/decisions/status-request-v2.md`` has the conditions, and why
it is off by default.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

from secc.link.tls import libssl
from secc.link.tls.errors import Alert, HandshakeFailed, TlsFlaw
from secc.link.tls.hello import OCSP_MULTI, TLS_1_2, ClientHello

STATUS_REQUEST: Final = 5
STATUS_REQUEST_V2: Final = 17
SERVER_HELLO: Final = 2
LONGEST_SERVER_HELLO: Final = 1024
"""Octets that are compared and searched; the station's ServerHello has about 100."""


class StatusRequestV2:
    """Whether this process serves ``status_request_v2``; shared by its contexts.

    ``problem``: why not; empty if it does. One unexpected octet in libssl's buffers switches it off
    for the life of the process. ``proof``: what has passed.
    """

    def __init__(self, problem: str = "", proof: str = "") -> None:
        self.problem = problem
        self.proof = proof

    @property
    def problems(self) -> tuple[str, ...]:
        """The problem as a line for log and status, if there is one."""
        return (f"status_request_v2 is not served, status_request is: {self.problem}",) if self.problem else ()

    def answer(self, hello: ClientHello, version: int, staples: Sequence[bytes | None]) -> StatusAnswer | None:
        """Returns the answer to this car. None: ``status_request`` applies, because this is off, the
        car has not asked, the version is not TLS 1.2, or there is no response at all.
        """
        asked = OCSP_MULTI in hello.status_request_v2 and version == TLS_1_2
        return StatusAnswer(self, staples) if asked and not self.problem and any(staples) else None


class StatusAnswer:
    """The answer in one handshake. ``staples``: a response for each certificate, leaf first; None
    becomes an empty one, so that the others keep their place.
    """

    def __init__(self, serving: StatusRequestV2, staples: Sequence[bytes | None]) -> None:
        listed = (staple or b"" for staple in staples)
        self.response = b"".join(len(response).to_bytes(3) + response for response in listed)
        """Content of OCSPResponseList, for which libssl writes the length."""
        self.announced = False
        self._serving = serving
        self._message = 0
        """Address of libssl's buffer for handshake messages."""

    def hello_read(self, address: int) -> None:
        """libssl has read the ClientHello, in the buffer at ``address``; it will write the
        ServerHello into the same one.
        """
        self._message = self._message or address

    def record_built(self, address: int) -> None:
        """libssl has built a record at ``address``, and has neither sent nor hashed it. Raises
        HandshakeFailed and switches the extension off if the record is not what it has to be.
        """
        if self.announced:
            return
        header = ctypes.string_at(address, libssl.RECORD_HEADER_OCTETS)
        length = int.from_bytes(header[3:5])
        if header[0] != libssl.CONTENT_HANDSHAKE:
            return  # An alert: this handshake ends.
        if not self._message or length > LONGEST_SERVER_HELLO:
            raise self._unexpected(f"a first record of {length} octets")
        record = address + libssl.RECORD_HEADER_OCTETS
        octets = ctypes.string_at(record, length)
        if ctypes.string_at(self._message, length) != octets:
            raise self._unexpected("a record that is not the message in libssl's buffer")
        at = announcement(octets)
        if at is None:
            raise self._unexpected("no ServerHello that announces status_request alone")
        for copy in (record, self._message):
            ctypes.memset(copy + at, STATUS_REQUEST_V2, 1)
        self.announced = True

    def _unexpected(self, what: str) -> HandshakeFailed:
        self._serving.problem = f"libssl has built {what}"
        text = f"{self._serving.problem}: status_request_v2 is off from now on"
        return HandshakeFailed(text, Alert.INTERNAL_ERROR.record(), TlsFlaw.STATION_FAILED)


def announcement(message: bytes) -> int | None:
    """Returns where the second octet of the number of an empty ``status_request`` is in this one
    ServerHello; None if the message is anything else, or has ``status_request_v2``.
    """
    if message[:1] != bytes((SERVER_HELLO,)) or int.from_bytes(message[1:4]) != len(message) - 4:
        return None
    at = 4 + 2 + 32
    # Session id, suite, compression method, length of the extensions.
    at += 1 + int.from_bytes(message[at : at + 1]) + 2 + 1
    if int.from_bytes(message[at : at + 2]) != len(message) - at - 2:
        return None
    at, found = at + 2, None
    while at < len(message):
        kind, length = int.from_bytes(message[at : at + 2]), int.from_bytes(message[at + 2 : at + 4])
        if kind == STATUS_REQUEST_V2 or at + 4 + length > len(message):
            return None
        if kind == STATUS_REQUEST:
            if length or found is not None:
                return None
            found = at + 1
        at += 4 + length
    return found

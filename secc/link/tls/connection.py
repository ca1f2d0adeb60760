"""One TLS connection over memory: octets from the socket to plaintext, and back.

The owner of the socket passes what it reads to :meth:`TlsConnection.receive`, writes what
:meth:`TlsConnection.drain` returns after every call, and closes with what
:meth:`TlsConnection.close` returns. While ``established`` is False, ``receive`` may run private-key
operations (300 ms in a TPM): it may be called on a worker thread, one call at a time. ``drain`` and
``close`` never wait for it.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Final

from secc.link.tls import libssl
from secc.link.tls.callback import Facts, current, guarded
from secc.link.tls.chain import ChainChoice, Handshaken, TlsProfile
from secc.link.tls.context import Choice, ClientContext, Context
from secc.link.tls.errors import HandshakeFailed, TlsError, TlsFlaw, alert_name, flaw_of_alert
from secc.link.tls.hello import ClientHello
from secc.link.tls.report import TlsReport, only_greeted, place

PIECE: Final = 16_384
HANDSHAKE_LIMIT: Final = 65_536
"""Octets that a peer may send before its handshake is complete."""
UNSENT_LIMIT: Final = 262_144
"""Octets that may wait to be written; a peer that does not read is cut off (A-RES-01)."""


def _observe(
    facts: Facts | None, ours: int, version: int, content: int, octets: int | None, length: int, *_: Any
) -> int:
    # Other parts of records come here, too, and are ignored.
    if facts is None or not octets:
        return 0
    if content in (libssl.CONTENT_HANDSHAKE, libssl.CONTENT_ALERT):
        facts.passed(bool(ours), content, ctypes.string_at(octets, min(length, 2)))
        if facts.status is not None and not ours and content == libssl.CONTENT_HANDSHAKE:
            facts.status.hello_read(octets)
    elif content == libssl.CONTENT_RECORD_HEADER and facts.status is not None and ours:
        facts.status.record_built(octets)
    return 0


_OBSERVER: Final = libssl.MESSAGE_FUNCTION(guarded(0, _observe))


class TlsConnection:
    """Made by :func:`accept` or :func:`connect`. Any exception leaves the connection closed."""

    def __init__(self, context: Context, facts: Facts) -> None:
        self._context = context
        self._lib = lib = context.binding
        self._facts = facts
        self._turn = threading.Lock()
        self._abandoned = False
        self._handshake_octets = 0
        self._buffer = ctypes.create_string_buffer(PIECE)
        self._length = c_size_t()
        self.info: Handshaken | None = None
        """Result of the handshake; None before it is complete."""
        self.established = False
        """Whether plaintext may flow."""
        self.peer_closed = False
        """Whether the peer has sent close_notify: no more plaintext will come."""
        lib.ERR_clear_error()
        ssl = lib.SSL_new(context.pointer)
        if not ssl:
            raise TlsError(f"SSL: {lib.errors()}")
        self._ssl: int = ssl
        self._free = weakref.finalize(self, lib.SSL_free, ssl)
        self._free.atexit = False
        self._reads, self._writes = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        for bio in (self._reads, self._writes):
            # An empty buffer means "later", not the end of the stream.
            lib.BIO_ctrl(bio, libssl.BIO_CTRL_SET_MEM_EOF, -1, None)
        lib.SSL_set_bio(ssl, self._reads, self._writes)
        lib.SSL_set_msg_callback(ssl, _OBSERVER)

    @property
    def closed(self) -> bool:
        return not self._ssl

    @property
    def profile(self) -> TlsProfile:
        return self._context.profile

    @property
    def report(self) -> TlsReport:
        """How far TLS came, also after a failure."""
        facts = self._facts
        return TlsReport(facts.hello, self._context.chain, facts.choice, self.info, tuple(facts.steps))

    @property
    def where(self) -> str:
        """Where the handshake stands, and which chain the car has seen."""
        return place(self._facts.steps) + self._shown()

    def left(self) -> HandshakeFailed | None:
        """The error for a peer that leaves now; None if the handshake is complete."""
        if self.info is not None:
            return None
        waits = only_greeted(self._facts.steps) and self.report.certificate_sent
        flaw = TlsFlaw.CLOSED_AFTER_CERTIFICATE if waits else TlsFlaw.CLOSED_IN_HANDSHAKE
        return HandshakeFailed(f"the car closed the connection {self.where}", flaw=flaw)

    def receive(self, octets: bytes) -> list[bytes]:
        """Take octets from the socket and advance the handshake. Returns the pieces of plaintext
        (at most 16 KiB each) that they complete.

        Raises HandshakeFailed or TlsError, whose ``answer`` (usually an alert) has to be written
        before the socket is closed.
        """
        plaintext: list[bytes] = []
        self._turn.acquire()
        try:
            if not self._ssl:
                raise TlsError("the connection is closed")
            for start in range(0, len(octets), PIECE):
                if self.peer_closed:
                    break
                piece = octets[start : start + PIECE]
                if not self.established:
                    self._handshake_octets += len(piece)
                    if self._handshake_octets > HANDSHAKE_LIMIT:
                        text = f"more than {HANDSHAKE_LIMIT} octets before the handshake was complete"
                        raise self._failure(text, TlsFlaw.TOO_MUCH)
                self._lib.BIO_write(self._reads, piece, len(piece))
                self._advance(plaintext)
        except BaseException:
            self._abandoned = True
            raise
        finally:
            self._leave()
        return plaintext

    def send(self, plaintext: bytes) -> None:
        """Encrypt. Raises TlsError before the handshake is complete, after the end, and if too much
        waits to be written.
        """
        self._turn.acquire()
        try:
            if not self._ssl:
                raise TlsError("the connection is closed")
            if not self.established:
                raise self._failure("plaintext before the handshake was complete", TlsFlaw.HANDSHAKE_FAILED)
            if self._lib.BIO_ctrl_pending(self._writes) + len(plaintext) > UNSENT_LIMIT:
                raise self._unread()
            sent = 0
            while sent < len(plaintext):
                if not self._call(self._lib.SSL_write_ex, plaintext[sent:], len(plaintext) - sent, byref(self._length)):
                    raise self._failure("the connection accepts no more plaintext", TlsFlaw.BROKEN)
                sent += self._length.value
        except BaseException:
            self._abandoned = True
            raise
        finally:
            self._leave()

    def drain(self) -> bytes:
        """Returns the octets to write to the socket. Empty while a step runs on another thread:
        call it again afterwards.
        """
        if not self._turn.acquire(blocking=False):
            return b""
        try:
            return self._drained()
        finally:
            self._leave()

    def close(self) -> bytes:
        """End the connection and free it. Returns the last octets to write (close_notify after a
        complete handshake). May be repeated.

        While a step runs on another thread it only marks the connection: the step frees it and
        returns as if the peer had closed.
        """
        self._abandoned = True
        if not self._turn.acquire(blocking=False):
            return b""
        try:
            if not self._ssl:
                return b""
            if self.established:
                self._lib.ERR_clear_error()
                self._lib.SSL_shutdown(self._ssl)
                self._lib.ERR_clear_error()
            return self._drained()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._abandoned:
            self._release_if_abandoned()
        self._turn.release()
        # A ``close`` between these two lines could not take the lock, and leaves freeing to this
        # step.
        if self._abandoned and self._ssl and self._turn.acquire(blocking=False):
            self._release_if_abandoned()
            self._turn.release()

    def _release_if_abandoned(self) -> None:
        if self._abandoned and self._ssl:
            self._ssl = 0
            self.established = False
            self._free()

    def _advance(self, plaintext: list[bytes]) -> None:
        if not self.established:
            if not self._call(self._lib.SSL_do_handshake):
                return
            self.established = True
            self.info = self._agreed()
            # The session's records follow; a callback for each would only cost time.
            self._lib.SSL_set_msg_callback(self._ssl, None)
        while self._call(self._lib.SSL_read_ex, self._buffer, PIECE, byref(self._length)):
            plaintext.append(ctypes.string_at(self._buffer, self._length.value))
            # A connection may outlive its session; the plaintext of the contract must not.
            ctypes.memset(self._buffer, 0, self._length.value)
            if not self._lib.BIO_ctrl_pending(self._reads) and not self._lib.SSL_has_pending(self._ssl):
                # Usually one message is one record, and a second read would find nothing.
                break
        if self._lib.BIO_ctrl_pending(self._writes) > UNSENT_LIMIT:
            raise self._unread()

    def _call(self, function: Any, *arguments: Any) -> bool:
        """Make one libssl call. Returns False if it needs more from the peer."""
        lib = self._lib
        lib.ERR_clear_error()
        current.facts = self._facts
        try:
            result = function(self._ssl, *arguments)
        finally:
            current.facts = None
        if self._facts.raised is not None:
            raised, self._facts.raised = self._facts.raised, None
            lib.ERR_clear_error()
            raise raised
        if result > 0:
            return True
        error = lib.SSL_get_error(self._ssl, result)
        if error in (libssl.ERROR_WANT_READ, libssl.ERROR_WANT_WRITE):
            return False
        if error == libssl.ERROR_ZERO_RETURN:
            self.peer_closed = True
            return False
        raise self._refused(*lib.drain_errors())

    def _refused(self, text: str, alert: int | None) -> TlsError:
        """Returns libssl's error in its words, with the alert by which the peer ended the
        connection, if any.
        """
        if alert is not None:
            text = f"the peer ended it by the alert {alert_name(alert)}"
        if self.established:
            return self._failure(text, TlsFlaw.BROKEN if alert is None else TlsFlaw.ALERT)
        if alert is not None:
            return self._failure(text, flaw_of_alert(alert))
        hello = self._facts.hello
        lacking = {} if hello is None else self._context.profile.lacks(hello)
        if lacking:
            return HandshakeFailed("; ".join(lacking.values()), self._drained(), next(iter(lacking)))
        return self._failure(text, TlsFlaw.HANDSHAKE_FAILED)

    def _unread(self) -> TlsError:
        return self._failure(f"the peer does not read: more than {UNSENT_LIMIT} octets wait", TlsFlaw.NOT_READ)

    def _failure(self, text: str, flaw: TlsFlaw) -> TlsError:
        """Returns the error to raise, with the alert that libssl has just written."""
        answer = self._drained()
        if self.established:
            return TlsError(text, answer, flaw)
        where = f", {place(self._facts.steps)}" if self._facts.hello is not None else ""
        return HandshakeFailed(f"{text}{where}{self._shown()}", answer, flaw)

    def _shown(self) -> str:
        """Which chain the car has seen, as the end of a log line."""
        chain = self._context.chain
        return (
            "" if chain is None or not self.report.certificate_sent else f"; chain {chain.name} ({self._facts.choice})"
        )

    def _drained(self) -> bytes:
        octets = b""
        # A buffer of each length would be a ctypes class of its own.
        while self._ssl and (count := self._lib.BIO_read(self._writes, self._buffer, PIECE)) > 0:
            octets += ctypes.string_at(self._buffer, count)
        return octets

    def _agreed(self) -> Handshaken:
        lib, facts = self._lib, self._facts
        hello, chain = facts.hello, self._context.chain
        staple = self._staple()
        suite = lib.SSL_CIPHER_standard_name(lib.SSL_get_current_cipher(self._ssl)).decode()
        return Handshaken(
            version=lib.SSL_get_version(self._ssl).decode(),
            suite=suite,
            chain="" if chain is None else chain.name,
            choice=facts.choice,
            stapled=facts.stapled or staple is not None,
            status_v2=facts.status is not None and facts.status.announced,
            presented=facts.presented,
            staple=staple,
            quirks=() if hello is None else self._context.profile.quirks(hello, suite),
        )

    def _staple(self) -> bytes | None:
        if not isinstance(self._context, ClientContext):
            return None
        pointer = c_void_p()
        length = self._lib.SSL_ctrl(self._ssl, libssl.CTRL_GET_OCSP_RESPONSE, 0, byref(pointer))
        return ctypes.string_at(pointer, length) if length > 0 and pointer else None


def accept(choice: Choice, hello: ClientHello) -> TlsConnection:
    """The station's end, for a car whose hello was read. ``receive`` still needs the octets of the
    hello.
    """
    context, serving = choice.context, choice.context.status_v2
    status = None if serving is None else serving.answer(hello, context.profile.version, choice.staples)
    connection = TlsConnection(context, Facts(hello, choice.why, context.sign, choice.staples[0], status))
    connection._lib.SSL_set_accept_state(connection._ssl)
    return connection


def connect(context: ClientContext) -> TlsConnection:
    """The simulated car's end; ``drain`` returns the ClientHello at once."""
    connection = TlsConnection(context, Facts(None, ChainChoice.NOT_ASKED))
    lib, ssl = connection._lib, connection._ssl
    lib.SSL_set_connect_state(ssl)
    if context.status_request:
        lib.SSL_ctrl(ssl, libssl.CTRL_STATUS_TYPE, libssl.STATUS_TYPE_OCSP, None)
    connection._call(lib.SSL_do_handshake)
    return connection

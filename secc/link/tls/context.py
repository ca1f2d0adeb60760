"""TLS contexts: certificate chain, key and parameters, shared by any number of connections.

A context is immutable. When a certificate, a staple or a root changes, the station builds new
contexts and replaces its tuple of them; open connections keep theirs. :func:`choose` decides which
context serves a car, before libssl gets an octet.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence
from ctypes import c_void_p
from datetime import datetime
from typing import Any, Final

from frozen import dataclass
from secc.link.tls import libssl
from secc.link.tls.callback import Facts, guarded
from secc.link.tls.chain import ISO15118_2, Chain, ChainChoice, TlsProfile, encode_trusted_ca_keys
from secc.link.tls.errors import Alert, ContextRejected
from secc.link.tls.hello import ClientHello, TrustedAuthority
from secc.link.tls.key import DelegatedKey, Key, private_key
from secc.link.tls.libssl import LibSsl, system_libssl
from secc.link.tls.status_v2 import StatusRequestV2

TRUSTED_CA_KEYS: Final = 3
MAX_CERTIFICATE_OCTETS: Final = 10_240
"""Octets of a peer's whole chain: five certificates of 2 KiB (A-TLS-04)."""

Keylog = Callable[[str], None]
"""Takes one line of an NSS key log."""
Verifier = Callable[[tuple[bytes, ...]], Alert | None]
"""Takes the peer's chain as DER, leaf first. Returns the alert with which it is refused; None if it
is trusted.
"""

_VERIFY_RESULTS = {
    Alert.UNKNOWN_CA: 20,
    Alert.CERTIFICATE_EXPIRED: 10,
    Alert.CERTIFICATE_REVOKED: 23,
    Alert.UNSUPPORTED_CERTIFICATE: 26,
}
_CERTIFICATE_REJECTED = 28


class Context:
    """An SSL_CTX in which every option is set that the distribution's configuration could change.
    Use a subclass.
    """

    def __init__(self, method: str, profile: TlsProfile, keylog: Keylog | None, binding: LibSsl | None) -> None:
        self.binding = lib = binding or system_libssl()
        self.profile = profile
        self.chain: Chain | None = None
        pointer = lib.SSL_CTX_new_ex(lib.ossl_context, None, getattr(lib, method)())
        if not pointer:
            raise ContextRejected(f"SSL_CTX: {lib.errors()}")
        self.pointer: int = pointer
        weakref.finalize(self, lib.SSL_CTX_free, pointer).atexit = False
        self._callbacks: list[Any] = []
        lib.SSL_CTX_set_security_level(pointer, 2)
        self._control(libssl.CTRL_MIN_VERSION, profile.version)
        self._control(libssl.CTRL_MAX_VERSION, profile.version)
        self._check(lib.SSL_CTX_set_cipher_list(pointer, profile.cipher_list.encode()), "suites")
        self._control(libssl.CTRL_GROUPS, 0, profile.group_list)
        self._control(libssl.CTRL_SIGNATURE_ALGORITHMS, 0, profile.signature_list)
        # No resumption: every car authenticates anew (A-TLS-06).
        lib.SSL_CTX_ctrl(pointer, libssl.CTRL_SESSION_CACHE, 0, None)
        lib.SSL_CTX_set_num_tickets(pointer, 0)
        lib.SSL_CTX_set_options(
            pointer,
            libssl.OP_NO_TICKET
            # Received plaintext does not stay in libssl's buffer.
            | libssl.OP_CLEANSE_PLAINTEXT
            | libssl.OP_NO_RENEGOTIATION
            | libssl.OP_NO_COMPRESSION
            | libssl.OP_CIPHER_SERVER_PREFERENCE
            | libssl.OP_NO_CERTIFICATE_COMPRESSION,
        )
        lib.SSL_CTX_ctrl(
            pointer,
            libssl.CTRL_MODE,
            libssl.MODE_ENABLE_PARTIAL_WRITE | libssl.MODE_ACCEPT_MOVING_BUFFER | libssl.MODE_RELEASE_BUFFERS,
            None,
        )
        lib.SSL_CTX_ctrl(pointer, libssl.CTRL_MAX_CERT_LIST, MAX_CERTIFICATE_OCTETS, None)
        if keylog is not None:

            def log(facts: Facts | None, ssl: int, line: bytes) -> int:
                keylog(line.decode("ascii"))
                return 0

            lib.SSL_CTX_set_keylog_callback(pointer, self._callback(libssl.KEYLOG_FUNCTION, log, 0))

    def _callback(self, kind: Any, function: Callable[..., int], failed: int) -> Any:
        callback = kind(guarded(failed, function))
        self._callbacks.append(callback)
        return callback

    def _add_trusted_ca_keys(self, add: Callable[..., int], *, add_failed: int, parse_failed: int) -> None:
        """Let ``add`` write this side's extension, and accept the peer's. The failed results are for
        exceptions in the callbacks.
        """
        where = libssl.EXT_TLS_1_2_AND_BELOW_ONLY | libssl.EXT_IGNORE_ON_RESUMPTION
        where |= libssl.EXT_CLIENT_HELLO | libssl.EXT_TLS_1_2_SERVER_HELLO
        write = self._callback(libssl.EXT_ADD_FUNCTION, add, add_failed)
        read = self._callback(libssl.EXT_PARSE_FUNCTION, lambda *_: 1, parse_failed)
        function = self.binding.SSL_CTX_add_custom_ext
        added = function(self.pointer, TRUSTED_CA_KEYS, where, write, None, None, read, None)
        self._check(added, "trusted_ca_keys")

    def _check(self, result: int, what: str) -> None:
        if result <= 0:
            raise ContextRejected(f"{what}: {self.binding.errors()}")

    def _control(self, command: int, number: int = 0, text: str | None = None) -> None:
        octets = None if text is None else text.encode()
        self._check(self.binding.SSL_CTX_ctrl(self.pointer, command, number, octets), text or f"control {command}")


class ServerContext(Context):
    """The station's side: one chain with its key, for the parameters of one edition.

    ``keylog`` gets every secret of every connection; for the lab only. ``status_v2``: answer
    ``status_request_v2`` as it says; None: as if the car had not sent it. Raises ContextRejected if
    chain and key do not match, or the profile does not allow the kind of key.
    """

    chain: Chain

    def __init__(
        self,
        chain: Chain,
        key: Key,
        profile: TlsProfile = ISO15118_2,
        keylog: Keylog | None = None,
        binding: LibSsl | None = None,
        status_v2: StatusRequestV2 | None = None,
    ) -> None:
        super().__init__("TLS_server_method", profile, keylog, binding)
        self.chain = chain
        self.status_v2 = status_v2
        self.sign = key.sign if isinstance(key, DelegatedKey) else None
        lib = self.binding
        # ISO 15118-2 requires no certificate of the car. [V2G2 section 7.7.3; Q-23]
        lib.SSL_CTX_set_verify(self.pointer, libssl.VERIFY_NONE, None)
        self._use(chain, key)
        staple = self._callback(libssl.STATUS_FUNCTION, self._staple, libssl.STATUS_NO_ACKNOWLEDGEMENT)
        self._check(lib.SSL_CTX_callback_ctrl(self.pointer, libssl.CTRL_STATUS_CALLBACK, staple), "staple")
        if status_v2 is not None:
            choose_type = self._callback(libssl.CERTIFICATE_FUNCTION, self._choose_type, 0)
            lib.SSL_CTX_set_cert_cb(self.pointer, choose_type, None)
        # The hello was read before; a body that libssl rejects must not end a handshake that is
        # tolerated.
        self._add_trusted_ca_keys(self._acknowledge, add_failed=0, parse_failed=1)

    def _use(self, chain: Chain, key: Key) -> None:
        lib = self.binding
        certificates: list[int] = []
        stack = lib.OPENSSL_sk_new_null()
        private = 0
        try:
            for der in chain.certificates:
                certificates.append(lib.certificate(der))
            for certificate in certificates[1:]:
                lib.OPENSSL_sk_push(stack, certificate)
            private = private_key(lib, key, chain.certificates[0])
            # Takes its own references, and compares the key with the leaf.
            result = lib.SSL_CTX_use_cert_and_key(self.pointer, certificates[0], private, stack, 1)
            self._check(result, f"chain {chain.name} and its key")
        finally:
            for certificate in certificates:
                lib.X509_free(certificate)
            lib.OPENSSL_sk_free(stack)
            lib.EVP_PKEY_free(private or None)

    def _staple(self, facts: Facts | None, ssl: int, _: int) -> int:
        """Add the OCSP response of the leaf, or those of the chain, if there is one that may still be
        sent.
        """
        response = None if facts is None else facts.staple if facts.status is None else facts.status.response
        if facts is None or response is None:
            return libssl.STATUS_NO_ACKNOWLEDGEMENT
        lib = self.binding
        lib.SSL_ctrl(ssl, libssl.CTRL_SET_OCSP_RESPONSE, len(response), lib.owned_copy(response))
        facts.stapled = True
        return libssl.STATUS_OK

    def _choose_type(self, facts: Facts | None, ssl: int, _: int) -> int:
        """libssl has read the hello, and asks for staples next: whatever the hello said, they are to
        be of the type ``ocsp_multi``.
        """
        if facts is not None and facts.status is not None:
            self.binding.SSL_ctrl(ssl, libssl.CTRL_STATUS_TYPE, libssl.STATUS_TYPE_OCSP_MULTI, None)
        return 1

    def _acknowledge(self, facts: Facts | None, ssl: int, kind: int, where: int, out: Any, length: Any, *_: Any) -> int:
        """Add an empty trusted_ca_keys to the ServerHello: the station has used the car's (RFC 6066
        section 6).
        """
        if facts is None or facts.choice is not ChainChoice.NAMED:
            return 0
        out[0] = None
        length[0] = 0
        return 1


class ClientContext(Context):
    """The simulated car's side: trusts what ``verifier`` accepts, names roots, asks for a staple."""

    def __init__(
        self,
        verifier: Verifier,
        trusted_ca_keys: Sequence[TrustedAuthority] | None = None,
        status_request: bool = True,
        profile: TlsProfile = ISO15118_2,
        keylog: Keylog | None = None,
        binding: LibSsl | None = None,
    ) -> None:
        super().__init__("TLS_client_method", profile, keylog, binding)
        lib = self.binding
        self.status_request = status_request
        self._verifier = verifier
        lib.SSL_CTX_set_verify(self.pointer, libssl.VERIFY_PEER, None)
        verify = self._callback(libssl.VERIFY_FUNCTION, self._verify, 0)
        lib.SSL_CTX_set_cert_verify_callback(self.pointer, verify, None)
        if trusted_ca_keys is not None:
            body = encode_trusted_ca_keys(trusted_ca_keys)
            self._named = ctypes.create_string_buffer(body, len(body))
            self._add_trusted_ca_keys(self._name_roots, add_failed=-1, parse_failed=0)

    def _verify(self, facts: Facts | None, store_context: int, _: int) -> int:
        lib = self.binding
        result = _CERTIFICATE_REJECTED
        try:
            presented = tuple(lib.presented_chain(store_context))
            if facts is not None:
                facts.presented = presented
            refused = self._verifier(presented)
            result = libssl.V_OK if refused is None else _VERIFY_RESULTS.get(refused, _CERTIFICATE_REJECTED)
        finally:
            lib.X509_STORE_CTX_set_error(store_context, result)
        return 1 if result == libssl.V_OK else 0

    def _name_roots(self, facts: Facts | None, ssl: int, kind: int, where: int, out: Any, length: Any, *_: Any) -> int:
        out[0] = ctypes.cast(self._named, c_void_p)
        length[0] = len(self._named)
        return 1


@dataclass(frozen=True, slots=True)
class Choice:
    """The context for a car, why it has its chain, and the OCSP response that may be sent for each
    certificate, leaf first.
    """

    context: ServerContext
    why: ChainChoice
    staples: tuple[bytes | None, ...] = (None,)


def choose(hello: ClientHello, contexts: Sequence[ServerContext], at: datetime | None = None) -> Choice:
    """Returns the context for this hello. ``at``: the time, since a staple may have ended after the
    contexts were made.

    Only contexts of the first edition (in the order of ``contexts``) with which a handshake can
    succeed are considered; if there is none, all are, and libssl sends the fitting alert. Among
    them: the first whose root the car names, else the first. Raises ContextRejected without any
    context.
    """
    if not contexts:
        raise ContextRejected("no TLS context")
    profile = next((context.profile for context in contexts if context.profile.suits(hello)), None)
    usable = [context for context in contexts if profile is None or context.profile == profile]
    for context in usable:
        if context.chain.chosen_by(hello):
            return Choice(context, ChainChoice.NAMED, context.chain.staples_at(at))
    named = any(authority.octets for authority in hello.trusted_ca_keys or ())
    why = ChainChoice.NOT_NAMED if named else ChainChoice.NOT_ASKED
    return Choice(usable[0], why, usable[0].chain.staples_at(at))

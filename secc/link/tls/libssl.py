"""The system's libssl through ctypes: the functions that a TLS server and client of ISO 15118 need,
without policy.

Every symbol is resolved through the one libssl handle (its own libcrypto included): the interpreter
has usually mapped a libcrypto already, and objects must not cross between two copies. The library
gets an OSSL_LIB_CTX of its own, so that providers loaded here do not leak into ``ssl`` and
``hashlib``, nor theirs into this one.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import (
    CFUNCTYPE,
    POINTER,
    byref,
    c_char_p,
    c_int,
    c_long,
    c_size_t,
    c_ubyte,
    c_uint,
    c_uint64,
    c_ulong,
    c_void_p,
)
from typing import Any, Final

from secc.link.tls.errors import ContextRejected, TlsUnavailable

SONAMES: Final = ("libssl.so.3", "libssl.so.4")
OLDEST: Final = 0x3000_0000

# openssl/ssl.h, tls1.h, bio.h, x509_vfy.h: the same numbers from 3.0 to 4.0.
CTRL_MODE: Final = 33
CTRL_SESSION_CACHE: Final = 44
CTRL_STATUS_CALLBACK: Final = 63
CTRL_STATUS_TYPE: Final = 65
CTRL_GET_OCSP_RESPONSE: Final = 70
CTRL_SET_OCSP_RESPONSE: Final = 71
CTRL_GROUPS: Final = 92
CTRL_SIGNATURE_ALGORITHMS: Final = 98
CTRL_MAX_CERT_LIST: Final = 51
CTRL_MIN_VERSION: Final = 123
CTRL_MAX_VERSION: Final = 124
BIO_CTRL_SET_MEM_EOF: Final = 130

OP_CLEANSE_PLAINTEXT: Final = 1 << 1
OP_NO_COMPRESSION: Final = 1 << 17
OP_CIPHER_SERVER_PREFERENCE: Final = 1 << 22
OP_NO_TICKET: Final = 1 << 14
OP_NO_RENEGOTIATION: Final = 1 << 30
OP_NO_CERTIFICATE_COMPRESSION: Final = (1 << 32) | (1 << 33)
"""Sending and receiving; the bits exist from 3.2 on and have no effect before."""
MODE_ENABLE_PARTIAL_WRITE: Final = 0x1
MODE_ACCEPT_MOVING_BUFFER: Final = 0x2
MODE_RELEASE_BUFFERS: Final = 0x10
VERIFY_NONE: Final = 0
VERIFY_PEER: Final = 1
EXT_TLS_1_2_AND_BELOW_ONLY: Final = 0x10
EXT_IGNORE_ON_RESUMPTION: Final = 0x40
EXT_CLIENT_HELLO: Final = 0x80
EXT_TLS_1_2_SERVER_HELLO: Final = 0x100
STATUS_TYPE_OCSP: Final = 1
STATUS_TYPE_OCSP_MULTI: Final = 2
STATUS_OK: Final = 0
STATUS_NO_ACKNOWLEDGEMENT: Final = 3

ERROR_WANT_READ: Final = 2
ERROR_WANT_WRITE: Final = 3
ERROR_ZERO_RETURN: Final = 6

V_OK: Final = 0

CONTENT_ALERT: Final = 21
CONTENT_HANDSHAKE: Final = 22
CONTENT_RECORD_HEADER: Final = 0x100
"""A record is built (or read); the message callback gets its header's address."""
RECORD_HEADER_OCTETS: Final = 5
ERR_LIB_SSL: Final = 20
ALERT_REASONS: Final = 1000
"""An error of libssl above this is an alert of the peer, plus its number (openssl/sslerr.h)."""

STATUS_FUNCTION: Final = CFUNCTYPE(c_int, c_void_p, c_void_p)
VERIFY_FUNCTION: Final = CFUNCTYPE(c_int, c_void_p, c_void_p)
CERTIFICATE_FUNCTION: Final = CFUNCTYPE(c_int, c_void_p, c_void_p)
KEYLOG_FUNCTION: Final = CFUNCTYPE(None, c_void_p, c_char_p)
EXT_ADD_FUNCTION: Final = CFUNCTYPE(
    c_int, c_void_p, c_uint, c_uint, POINTER(c_void_p), POINTER(c_size_t), c_void_p, c_size_t, POINTER(c_int), c_void_p
)
EXT_PARSE_FUNCTION: Final = CFUNCTYPE(
    c_int, c_void_p, c_uint, c_uint, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_int), c_void_p
)
MESSAGE_FUNCTION: Final = CFUNCTYPE(None, c_int, c_int, c_int, c_void_p, c_size_t, c_void_p, c_void_p)
SIGN_FUNCTION: Final = CFUNCTYPE(
    c_int, c_int, POINTER(c_ubyte), c_int, POINTER(c_ubyte), POINTER(c_uint), c_void_p, c_void_p, c_void_p
)

_P = c_void_p
# name: (result, *arguments)
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "OpenSSL_version_num": (c_ulong,),
    "OpenSSL_version": (c_char_p, c_int),
    "OSSL_LIB_CTX_new": (_P,),
    "OSSL_PROVIDER_load": (_P, _P, c_char_p),
    "TLS_server_method": (_P,),
    "TLS_client_method": (_P,),
    "SSL_CTX_new_ex": (_P, _P, c_char_p, _P),
    "SSL_CTX_free": (None, _P),
    "SSL_CTX_ctrl": (c_long, _P, c_int, c_long, _P),
    "SSL_CTX_callback_ctrl": (c_long, _P, c_int, _P),
    "SSL_CTX_set_options": (c_uint64, _P, c_uint64),
    "SSL_CTX_set_cipher_list": (c_int, _P, c_char_p),
    "SSL_CTX_set_security_level": (None, _P, c_int),
    "SSL_CTX_set_num_tickets": (c_int, _P, c_size_t),
    "SSL_CTX_set_verify": (None, _P, c_int, _P),
    "SSL_CTX_set_cert_verify_callback": (None, _P, _P, _P),
    "SSL_CTX_set_cert_cb": (None, _P, _P, _P),
    "SSL_CTX_use_cert_and_key": (c_int, _P, _P, _P, _P, c_int),
    "SSL_CTX_set_keylog_callback": (None, _P, _P),
    "SSL_CTX_add_custom_ext": (c_int, _P, c_uint, c_uint, _P, _P, _P, _P, _P),
    "SSL_new": (_P, _P),
    "SSL_free": (None, _P),
    "SSL_ctrl": (c_long, _P, c_int, c_long, _P),
    "SSL_set_bio": (None, _P, _P, _P),
    "SSL_set_accept_state": (None, _P),
    "SSL_set_connect_state": (None, _P),
    "SSL_do_handshake": (c_int, _P),
    "SSL_set_msg_callback": (None, _P, _P),
    "SSL_get_error": (c_int, _P, c_int),
    "SSL_read_ex": (c_int, _P, _P, c_size_t, POINTER(c_size_t)),
    "SSL_write_ex": (c_int, _P, _P, c_size_t, POINTER(c_size_t)),
    "SSL_has_pending": (c_int, _P),
    "SSL_shutdown": (c_int, _P),
    "SSL_get_version": (c_char_p, _P),
    "SSL_get_current_cipher": (_P, _P),
    "SSL_CIPHER_standard_name": (c_char_p, _P),
    "BIO_s_mem": (_P,),
    "BIO_new": (_P, _P),
    "BIO_new_mem_buf": (_P, _P, c_int),
    "BIO_free": (c_int, _P),
    "BIO_read": (c_int, _P, _P, c_int),
    "BIO_write": (c_int, _P, c_char_p, c_int),
    "BIO_ctrl": (c_long, _P, c_int, c_long, _P),
    "BIO_ctrl_pending": (c_size_t, _P),
    "PEM_read_bio_PrivateKey_ex": (_P, _P, _P, _P, c_char_p, _P, c_char_p),
    "EVP_PKEY_free": (None, _P),
    "X509_free": (None, _P),
    "d2i_X509": (_P, _P, POINTER(c_char_p), c_long),
    "i2d_X509": (c_int, _P, POINTER(c_void_p)),
    "X509_STORE_CTX_get0_cert": (_P, _P),
    "X509_STORE_CTX_get0_untrusted": (_P, _P),
    "X509_STORE_CTX_set_error": (None, _P, c_int),
    "OPENSSL_sk_new_null": (_P,),
    "OPENSSL_sk_push": (c_int, _P, _P),
    "OPENSSL_sk_num": (c_int, _P),
    "OPENSSL_sk_value": (_P, _P, c_int),
    "OPENSSL_sk_free": (None, _P),
    "CRYPTO_malloc": (_P, c_size_t, c_char_p, c_int),
    "ERR_get_error": (c_ulong,),
    "ERR_clear_error": (None,),
    "ERR_reason_error_string": (c_char_p, c_ulong),
    "ERR_error_string_n": (None, c_ulong, _P, c_size_t),
}
# Only delegated keys need these; deprecated since 3.0, so they may be missing.
_FOREIGN_KEY_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "EC_KEY_OpenSSL": (_P,),
    "EC_KEY_METHOD_new": (_P, _P),
    "EC_KEY_METHOD_free": (None, _P),
    "EC_KEY_METHOD_get_sign": (None, _P, POINTER(_P), POINTER(_P), POINTER(_P)),
    "EC_KEY_METHOD_set_sign": (None, _P, _P, _P, _P),
    "EC_KEY_set_method": (c_int, _P, _P),
    "EC_KEY_free": (None, _P),
    "EVP_PKEY_new": (_P,),
    "EVP_PKEY_set1_EC_KEY": (c_int, _P, _P),
    "d2i_EC_PUBKEY": (_P, _P, POINTER(c_char_p), c_long),
}


class LibSsl:
    """One loaded libssl: its functions by their C names, and the conversions that several callers
    share.

    Functions release the GIL while they run. Objects behind the pointers belong to one thread at a
    time.
    """

    def __init__(self, handle: ctypes.CDLL) -> None:
        self._handle = handle
        for name, (result, *arguments) in _SIGNATURES.items():
            self._bind(name, result, arguments)
        self.version: int = self.OpenSSL_version_num()
        self.version_text: str = self.OpenSSL_version(0).decode()
        self.series = (self.version >> 28, self.version >> 20 & 0xFF)
        """Major and minor number, such as (3, 0): releases with one interface and behaviour."""
        if self.version < OLDEST:
            raise TlsUnavailable(f"{self.version_text} is older than 3.0")
        self.ossl_context = self.OSSL_LIB_CTX_new()
        if not self.ossl_context or not self.OSSL_PROVIDER_load(self.ossl_context, b"default"):
            raise TlsUnavailable(f"{self.version_text}: {self.errors()}")
        self.can_delegate_signing = all(hasattr(handle, name) for name in _FOREIGN_KEY_SIGNATURES)
        """Whether a private key can be a Python callable here."""
        if self.can_delegate_signing:
            for name, (result, *arguments) in _FOREIGN_KEY_SIGNATURES.items():
                self._bind(name, result, arguments)

    def _bind(self, name: str, result: Any, arguments: list[Any]) -> None:
        try:
            function = getattr(self._handle, name)
        except AttributeError:
            raise TlsUnavailable(f"libssl has no {name}") from None
        function.restype = result
        function.argtypes = arguments
        setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        # Bound in __init__ from the table above; this is for the type checker and for unknown
        # names.
        raise AttributeError(name)

    def errors(self) -> str:
        """Empty this thread's error queue. Returns it as one line, oldest first."""
        return self.drain_errors()[0]

    def drain_errors(self) -> tuple[str, int | None]:
        """Empty this thread's error queue. Returns one line, oldest first, and the number of the
        alert by which the peer ended the connection, if any.
        """
        reasons: list[str] = []
        alert: int | None = None
        while code := self.ERR_get_error():
            reason = self.ERR_reason_error_string(code)
            reasons.append(reason.decode(errors="replace") if reason else f"error {code:08X}")
            number = (code & 0x7F_FFFF) - ALERT_REASONS
            if (code >> 23) & 0xFF == ERR_LIB_SSL and 0 <= number < 256:
                alert = number
        return "; ".join(dict.fromkeys(reasons)) or "no reason given", alert

    def certificate(self, der: bytes) -> int:
        """Returns a new X509 from DER, to be freed by the caller."""
        pointer = self.d2i_X509(None, byref(c_char_p(der)), len(der))
        if not pointer:
            raise ContextRejected(f"not a certificate: {self.errors()}")
        return int(pointer)

    def certificate_der(self, certificate: int) -> bytes:
        """Returns the DER of an X509."""
        length = self.i2d_X509(certificate, None)
        if length <= 0:
            return b""
        buffer = ctypes.create_string_buffer(length)
        # i2d moves the pointer that it gets, not the buffer.
        self.i2d_X509(certificate, byref(c_void_p(ctypes.addressof(buffer))))
        return buffer.raw

    def presented_chain(self, store_context: int) -> list[bytes]:
        """Returns the certificates of the peer in a verification, leaf first."""
        stack = self.X509_STORE_CTX_get0_untrusted(store_context)
        count = self.OPENSSL_sk_num(stack) if stack else 0
        return [self.certificate_der(self.OPENSSL_sk_value(stack, index)) for index in range(count)]

    def private_key(self, pem: bytes, password: bytes) -> int:
        """Returns a new EVP_PKEY from PEM, to be freed by the caller."""
        bio = self.BIO_new_mem_buf(pem, len(pem))
        try:
            # Pass the password even when it is empty: without one libcrypto asks on the terminal.
            key = self.PEM_read_bio_PrivateKey_ex(bio, None, None, password, self.ossl_context, None)
        finally:
            self.BIO_free(bio)
        if not key:
            raise ContextRejected(f"private key cannot be read: {self.errors()}")
        return int(key)

    def owned_copy(self, octets: bytes) -> int:
        """Returns a copy on libcrypto's heap, for calls that take ownership."""
        pointer = self.CRYPTO_malloc(len(octets), b"", 0)
        if not pointer:
            raise MemoryError
        ctypes.memmove(pointer, octets, len(octets))
        return int(pointer)


def load(sonames: Sequence[str] = SONAMES) -> LibSsl:
    """Returns the first of these libraries that is present and usable. Raises TlsUnavailable with
    the reasons if none is.
    """
    reasons: list[str] = []
    for soname in sonames:
        try:
            return LibSsl(ctypes.CDLL(soname))
        except OSError as error:
            reasons.append(str(error))
        except TlsUnavailable as error:
            reasons.append(f"{soname}: {error}")
    raise TlsUnavailable("; ".join(reasons))


@functools.cache
def system_libssl() -> LibSsl:
    """Returns the library of this process, loaded on first use. Call it after any daemonising fork."""
    return load()

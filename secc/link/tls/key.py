"""Private keys, in PEM or behind a callable, as libssl keys."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from ctypes import byref, c_char_p, c_void_p
from dataclasses import field
from typing import Any, Final

from certs.parts import parts_of
from frozen import dataclass
from secc.link.tls.callback import Facts, guarded
from secc.link.tls.errors import ContextRejected
from secc.link.tls.libssl import SIGN_FUNCTION, LibSsl

P256_SIGNATURE_OCTETS: Final = 72
"""Most octets of a P-256 signature in DER."""


@dataclass(frozen=True, slots=True)
class PemKey:
    """A private key as PEM. Not shown in repr."""

    pem: bytes = field(repr=False)
    password: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class DelegatedKey:
    """A P-256 key outside this process's memory (TPM, PKCS#11, another process): ``sign`` takes 32
    octets of SHA-256 and returns the DER signature.

    Called inside a handshake step, on its thread. An exception of it ends the handshake and is
    raised by the step.
    """

    sign: Callable[[bytes], bytes]


Key = PemKey | DelegatedKey


def private_key(lib: LibSsl, key: Key, leaf: bytes) -> int:
    """Returns a new EVP_PKEY, to be freed by the caller. ``leaf`` (DER) has the public half of a
    delegated key.
    """
    if isinstance(key, PemKey):
        return lib.private_key(key.pem, key.password)
    if not lib.can_delegate_signing:
        raise ContextRejected(f"{lib.version_text} cannot sign through a callable")
    try:
        public = parts_of(leaf).key
    except ValueError as error:
        raise ContextRejected(f"leaf cannot be read: {error}") from None
    elliptic = lib.d2i_EC_PUBKEY(None, byref(c_char_p(public)), len(public))
    if not elliptic:
        raise ContextRejected(f"leaf has no elliptic-curve key: {lib.errors()}")
    method, _ = _delegating_method(lib)
    private: int = lib.EVP_PKEY_new()
    try:
        if lib.EC_KEY_set_method(elliptic, method) <= 0 or lib.EVP_PKEY_set1_EC_KEY(private, elliptic) <= 0:
            lib.EVP_PKEY_free(private)
            raise ContextRejected(f"delegated key: {lib.errors()}")
    finally:
        lib.EC_KEY_free(elliptic)
    return private


@functools.cache
def _delegating_method(lib: LibSsl) -> tuple[int, object]:
    """Returns the EC_KEY_METHOD of all delegated keys, and the callback that has to stay
    referenced.

    One for the life of the process: keys point to it until the last connection is freed. The step
    that runs tells which key is meant.
    """
    method: int = lib.EC_KEY_METHOD_new(lib.EC_KEY_OpenSSL())
    setup, raw = c_void_p(), c_void_p()
    lib.EC_KEY_METHOD_get_sign(method, None, byref(setup), byref(raw))
    callback = SIGN_FUNCTION(guarded(0, _sign))
    lib.EC_KEY_METHOD_set_sign(method, callback, setup, raw)
    return method, callback


def _sign(
    facts: Facts | None, kind: int, digest: Any, length: int, signature: Any, signature_length: Any, *_: Any
) -> int:
    """ECDSA_sign: writes the DER signature of a digest into a buffer of the greatest length."""
    if facts is None or facts.sign is None:
        return 0
    made = facts.sign(bytes(digest[:length]))
    if not 8 <= len(made) <= P256_SIGNATURE_OCTETS:
        raise ContextRejected(f"a P-256 signature of {len(made)} octets")
    ctypes.memmove(signature, made, len(made))
    signature_length[0] = len(made)
    return 1

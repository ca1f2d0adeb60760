"""Finding a libssl, and saying why there is none."""

from __future__ import annotations

import ctypes

import pytest

from secc.link.tls.errors import ContextRejected, TlsUnavailable
from secc.link.tls.libssl import (
    CTRL_GET_OCSP_RESPONSE,
    OLDEST,
    OP_NO_CERTIFICATE_COMPRESSION,
    OP_NO_RENEGOTIATION,
    load,
    system_libssl,
)
from tests.link.tls.chains import pki


def test_the_system_has_one_and_it_is_loaded_once() -> None:
    assert system_libssl() is system_libssl()
    assert system_libssl().version >= OLDEST
    assert system_libssl().version_text.startswith("OpenSSL")


def test_a_missing_library_is_named() -> None:
    with pytest.raises(TlsUnavailable, match="libssl-of-nowhere"):
        load(("libssl-of-nowhere.so.9",))


def test_the_next_name_is_tried() -> None:
    assert load(("libssl-of-nowhere.so.9", "libssl.so.3", "libssl.so.4")).version >= OLDEST


def test_a_library_that_is_no_libssl_is_refused() -> None:
    with pytest.raises(TlsUnavailable, match="has no"):
        load(("libc.so.6",))


def test_a_certificate_comes_back_as_it_went_in() -> None:
    lib = system_libssl()
    certificate = lib.certificate(pki("A").root)
    assert lib.certificate_der(certificate) == pki("A").root
    lib.X509_free(certificate)
    with pytest.raises(ContextRejected):
        lib.certificate(b"\x30\x00")
    # The reason was taken off the queue: the next error has its own.
    assert lib.errors() == "no reason given"


def test_options_are_64_bits_wide_on_every_machine() -> None:
    # `uint64_t` since 3.0, while a `long` of 32-bit Arm would lose the upper half on its way in or out.
    lib = system_libssl()
    context = lib.SSL_CTX_new_ex(lib.ossl_context, None, lib.TLS_server_method())
    wanted = OP_NO_CERTIFICATE_COMPRESSION | OP_NO_RENEGOTIATION
    before = lib.SSL_CTX_set_options(context, 0)
    assert lib.SSL_CTX_set_options(context, wanted) == before | wanted
    lib.SSL_CTX_free(context)


def test_a_control_says_no_with_a_negative_number() -> None:
    # `long`, 32 or 64 bits wide: read unsigned, or as the wider one on 32-bit Arm, "there is no staple" would be a length.
    lib = system_libssl()
    context = lib.SSL_CTX_new_ex(lib.ossl_context, None, lib.TLS_client_method())
    ssl = lib.SSL_new(context)
    assert lib.SSL_ctrl(ssl, CTRL_GET_OCSP_RESPONSE, 0, ctypes.byref(ctypes.c_void_p())) == -1
    lib.SSL_free(ssl)
    lib.SSL_CTX_free(context)

"""Finding a libssl, and saying why there is none."""

from __future__ import annotations

import pytest

from secc.link.libssl import OLDEST, load, system_libssl
from secc.link.tls_errors import ContextRejected, TlsUnavailable
from tests.link.chains import pki


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

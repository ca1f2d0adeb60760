"""Private keys: encrypted PEM, and keys whose signatures are made elsewhere."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from secc.link.tls.chain import root_named
from secc.link.tls.context import ClientContext, ServerContext
from secc.link.tls.errors import ContextRejected, HandshakeFailed
from secc.link.tls.key import DelegatedKey, PemKey
from tests.link.tls.chains import pki
from tests.link.tls.talk import shake, trusting

A, B = pki("A"), pki("B")


def test_a_key_may_be_encrypted() -> None:
    secret = PemKey(A.pem(b"secret"), b"secret")
    assert "secret" not in repr(secret)
    ServerContext(A.chain, secret)
    for password in (b"wrong", b""):
        with pytest.raises(ContextRejected):
            ServerContext(A.chain, PemKey(A.pem(b"secret"), password))


def test_a_key_may_sign_elsewhere() -> None:
    digests: list[bytes] = []

    def sign(digest: bytes) -> bytes:
        digests.append(digest)
        return B.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

    context = ServerContext(B.chain, DelegatedKey(sign))
    for _ in range(3):
        station, car = shake((context,), ClientContext(trusting(B.root), [root_named(B.root)]))
        assert station.established
        assert car.established
    assert [len(digest) for digest in digests] == [32, 32, 32]


def test_a_signature_by_another_key_is_no_good() -> None:
    wrong = DelegatedKey(lambda digest: A.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    with pytest.raises(HandshakeFailed, match="bad signature"):
        shake((ServerContext(B.chain, wrong),), ClientContext(trusting(B.root)))


def test_what_a_signer_raises_comes_out_of_the_step() -> None:
    def sign(digest: bytes) -> bytes:
        raise TimeoutError("the TPM is away")

    with pytest.raises(TimeoutError, match="TPM"):
        shake((ServerContext(B.chain, DelegatedKey(sign)),), ClientContext(trusting(B.root)))


@pytest.mark.parametrize("made", [b"", bytes(7), bytes(73)])
def test_a_signature_of_no_possible_length_is_refused(made: bytes) -> None:
    with pytest.raises(ContextRejected, match="signature of"):
        shake((ServerContext(B.chain, DelegatedKey(lambda digest: made)),), ClientContext(trusting(B.root)))

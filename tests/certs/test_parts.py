"""Parts of certificates and Names, compared with what other readers of DER find."""

from __future__ import annotations

import contextlib

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certs.parts import name_text, parts_of
from tests.lab_trust import LAB

CERTIFICATES = tuple(
    issued.der for chain in (LAB.secc, LAB.contract, LAB.provisioning) for issued in (chain.leaf, chain.root)
)


@pytest.mark.parametrize("der", CERTIFICATES, ids=range(len(CERTIFICATES)))
def test_parts_are_those_that_others_find(der: bytes) -> None:
    found, other = parts_of(der), asn1_x509.Certificate.load(der)["tbs_certificate"]
    assert found.issuer == other["issuer"].dump()
    assert found.subject == other["subject"].dump()
    assert found.key == other["subject_public_key_info"].dump()
    assert found.key_bits == bytes(other["subject_public_key_info"]["public_key"].contents)[1:]
    assert name_text(found.subject) == x509.load_der_x509_certificate(der).subject.rfc4514_string()


@given(st.sampled_from(CERTIFICATES), st.data())
def test_anything_else_is_a_value_error(der: bytes, data: st.DataObject) -> None:
    octets = bytearray(der)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    for flawed in (bytes(octets), cut, data.draw(st.binary(max_size=60))):
        with contextlib.suppress(ValueError):
            parts_of(flawed)
        with contextlib.suppress(ValueError, TypeError):
            name_text(flawed)


@pytest.mark.parametrize(
    "flawed", [b"", b"0", b"0\x80", b"0\x84\xff\xff\xff\xff", b"0\x00", b"\x1f\x01\x00", CERTIFICATES[0][:-1]]
)
def test_what_is_not_whole_is_refused(flawed: bytes) -> None:
    with pytest.raises(ValueError):
        parts_of(flawed)


def test_behind_a_certificate_nothing_may_stand() -> None:
    with pytest.raises(ValueError):
        parts_of(CERTIFICATES[0] + b"\0")

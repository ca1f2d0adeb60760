"""A country in a subject is one of ISO 3166-1."""

from __future__ import annotations

import string
from itertools import product
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import NameOID

from certs.chain import Anchors, verify_chain
from certs.countries import COUNTRIES, is_country
from certs.errors import ChainRejected, Flaw
from certs.profile import CONTRACT_2, SECC_2
from tests.lab_trust import AT, LAB, anchors, certificate
from tools.pki.flaws.parts import of_country
from tools.pki.mint import CONTRACT_USAGE, Mint

TIME_ZONES = Path("/usr/share/zoneinfo/iso3166.tab")
RESERVED = {"EU", "UK"}
MINT = Mint(AT, seed=11)


def test_the_codes_are_those_of_iso_3166() -> None:
    assert len(COUNTRIES) == 249 + len(RESERVED)
    pairs = {"".join(pair) for pair in product(string.ascii_uppercase, repeat=2)}
    assert pairs >= COUNTRIES
    # The standard leaves these to its users for ever: AA, QM to QZ, XA to XZ, ZZ.
    private = {
        "AA",
        "ZZ",
        *("Q" + letter for letter in "MNOPQRSTUVWXYZ"),
        *("X" + letter for letter in string.ascii_uppercase),
    }
    assert not private & COUNTRIES
    if TIME_ZONES.exists():
        lines = TIME_ZONES.read_text("utf-8").splitlines()
        assert {line.split("\t")[0] for line in lines if line and not line.startswith("#")} | RESERVED == COUNTRIES


@pytest.mark.parametrize("code", ["DE", "de", "De", "UK", "EU", "ZW"])
def test_a_country(code: str) -> None:
    assert is_country(code)


@pytest.mark.parametrize("code", ["XX", "ZZ", "AA", "XK", "QM", "", "D", "DEU", "D ", "D\0", "\u00df", "49"])
def test_not_a_country(code: str) -> None:
    assert not is_country(code)


def line(*, root: str = "DE", sub: str = "DE", leaf: str = "DE") -> tuple[list[bytes], Anchors]:
    """A contract, and the root above it, each with a country of its own."""
    top = MINT.issue(None, None, ca=True, subject=of_country(LAB, "Root", root))
    middle = MINT.issue(None, None, top, ca=True, subject=of_country(LAB, "Sub", sub))
    last = MINT.issue(None, None, middle, usage=CONTRACT_USAGE, subject=of_country(LAB, LAB.emaid, leaf))
    return [last.der, middle.der], Anchors(mo=(certificate(top),))


@pytest.mark.parametrize(
    ("where", "subject"), [({"leaf": "XX"}, "leaf"), ({"sub": "XX"}, "sub-CA"), ({"leaf": "QZ", "sub": "XX"}, "leaf")]
)
def test_no_country_of_the_cars_certificates_is_another(where: dict[str, str], subject: str) -> None:
    chain, roots = line(**where)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(chain, CONTRACT_2, roots, AT, unanchored_allowed=True)
    assert refused.value.flaw is Flaw.COUNTRY
    assert refused.value.subject.startswith(subject)
    assert "XX" not in str(refused.value)


@pytest.mark.parametrize("where", [{"leaf": "uk"}, {"sub": "EU"}, {"root": "XX"}])
def test_what_the_operator_installed_may_say_what_it_likes(where: dict[str, str]) -> None:
    chain, roots = line(**where)
    assert verify_chain(chain, CONTRACT_2, roots, AT).anchor is roots.mo[0]


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@pytest.mark.parametrize("countries", [["DEU"], ["DE", "XX"], [""]])
def test_every_country_counts_whatever_its_length(countries: list[str]) -> None:
    mo = LAB.contract

    def rename(tbs: asn1_x509.TbsCertificate) -> None:
        names = [("common_name", LAB.emaid), ("domain_component", "MO"), *(("country_name", c) for c in countries)]
        tbs["subject"] = asn1_x509.Name(
            name="",
            value=asn1_x509.RDNSequence(
                [
                    asn1_x509.RelativeDistinguishedName(
                        [asn1_x509.NameTypeAndValue({"type": kind, "value": _text(kind, text)})]
                    )
                    for kind, text in names
                ]
            ),
        )

    leaf = MINT.resign(mo.leaf.der, mo.sub2.key, rename)
    with pytest.raises(ChainRejected) as refused:
        verify_chain([leaf, mo.sub2.der, mo.sub1.der], CONTRACT_2, anchors(), AT)
    assert refused.value.flaw is Flaw.COUNTRY


def _text(kind: str, text: str) -> object:
    if kind == "domain_component":
        return asn1_x509.DNSName(text)
    return asn1_x509.DirectoryString(name="printable_string", value=text)


def test_without_a_country_a_subject_is_sound() -> None:
    mo = LAB.contract

    def rename(tbs: asn1_x509.TbsCertificate) -> None:
        kept = [rdn for rdn in tbs["subject"].chosen if rdn[0]["type"].native != "country_name"]
        tbs["subject"] = asn1_x509.Name(name="", value=asn1_x509.RDNSequence(kept))

    leaf = MINT.resign(mo.leaf.der, mo.sub2.key, rename)
    assert verify_chain([leaf, mo.sub2.der, mo.sub1.der], CONTRACT_2, anchors(), AT).leaf.countries == ()


def test_the_stations_own_chain_is_the_cars_to_judge() -> None:
    """A station whose operator's country is spelled wrong keeps its TLS."""
    names = [name for name in LAB.secc.leaf.certificate.subject if name.oid != NameOID.COUNTRY_NAME]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COUNTRY_NAME, "XX")])
    leaf = MINT.issue(None, None, LAB.secc.sub2, subject=subject)
    verify_chain([leaf.der, LAB.secc.sub2.der, LAB.secc.sub1.der], SECC_2, anchors(), AT)

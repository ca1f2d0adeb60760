"""What is signed: fragments of our own elements, and the received bits of a car's."""

from __future__ import annotations

import hashlib

import pytest

from secc.errors import DecodeError, EncodeError
from secc.exi import xmldsig
from secc.exi.fragments import Vocabulary
from secc.iso2 import messages as iso2
from secc.iso2.messages import SCHEMA, MessageHeader, V2G_Message
from tests.exi_vectors import CAPTURED, captured

INFO = xmldsig.SignedInfo(
    canonicalization_method=xmldsig.CanonicalizationMethod(algorithm="http://www.w3.org/TR/canonical-exi/"),
    signature_method=xmldsig.SignatureMethod(algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
    reference=(
        xmldsig.Reference(
            uri="#id1",
            transforms=xmldsig.Transforms(
                transform=(xmldsig.Transform(algorithm="http://www.w3.org/TR/canonical-exi/"),)
            ),
            digest_method=xmldsig.DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha256"),
            digest_value=bytes(32),
        ),
    ),
)
REQUEST = iso2.AuthorizationReq(id="id1", gen_challenge=bytes(range(16)))
SIGNED = V2G_Message(
    header=MessageHeader(
        session_id=bytes(8),
        signature=xmldsig.Signature(signed_info=INFO, signature_value=xmldsig.SignatureValue(value=bytes(64))),
    ),
    body=REQUEST,
)


def test_signed_info_is_a_fragment_of_its_own_schema() -> None:
    alone, within = xmldsig.SCHEMA.fragment(INFO), SCHEMA.fragment(INFO)
    assert (alone[:3].hex(), len(alone)) == ("808112", 209)
    assert (within[:3].hex(), len(within)) == ("80d044", 210)
    assert xmldsig.SCHEMA.fragment_decode(alone) == ("SignedInfo", INFO)


def test_emaid_takes_the_relaxed_grammar() -> None:
    # Confirmed by EXIficient, OpenV2G and Josev alike; libcbv2g writes something else.
    emaid = iso2.EMAID(id="id4", value="DEABCC123ABC56")
    assert SCHEMA.fragment(emaid).hex().upper() == "80EC0202B4B21A40041111505090D0CC4C8CD05090CD4DBD3D00"


def test_received_elements_are_spliced_from_their_bits() -> None:
    octets = SCHEMA.encode(SIGNED)
    assert SCHEMA.fragment_of(octets, "AuthorizationReq", "id1") == SCHEMA.fragment(REQUEST)
    assert SCHEMA.fragment_of(octets, "SignedInfo") == SCHEMA.fragment(INFO)
    assert SCHEMA.fragment_of(octets, "SignedInfo", grammar=xmldsig.SCHEMA) == xmldsig.SCHEMA.fragment(INFO)


def test_a_received_element_is_never_encoded_anew() -> None:
    """A length written in two octets where one would do says the same; its fragment must keep the two."""
    plain = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=iso2.AuthorizationReq(id="i")))
    bits = f"{int.from_bytes(plain, 'big'):0{8 * len(plain)}b}"
    short, long = f"{3:08b}", f"{0x83:08b}{0:08b}"
    name = f"{ord('i'):08b}"
    at = bits.rindex(short + name)
    longer = bits[:at] + long + bits[at + 8 :]
    longer += "0" * (-len(longer) % 8)
    odd = int(longer, 2).to_bytes(len(longer) // 8, "big")
    assert SCHEMA.decode(odd) == SCHEMA.decode(plain)
    fragment = SCHEMA.fragment_of(odd, "AuthorizationReq", "i")
    assert fragment != SCHEMA.fragment_of(plain, "AuthorizationReq", "i")
    assert SCHEMA.fragment_decode(fragment) == ("AuthorizationReq", iso2.AuthorizationReq(id="i"))


def test_spans_name_every_element_that_can_have_an_id() -> None:
    spans = SCHEMA.spans(SCHEMA.encode(SIGNED))
    assert [span.name for span in spans] == [
        "Reference",
        "SignedInfo",
        "SignatureValue",
        "Signature",
        "AuthorizationReq",
    ]
    assert [span.id for span in spans] == [None, None, None, None, "id1"]
    assert spans[-1].element == REQUEST


@pytest.mark.parametrize(
    ("name", "id_"), [("AuthorizationReq", "id2"), ("MeteringReceiptReq", None), ("Reference", "id1")]
)
def test_an_element_that_is_not_there(name: str, id_: str | None) -> None:
    with pytest.raises(DecodeError):
        SCHEMA.fragment_of(SCHEMA.encode(SIGNED), name, id_)


def test_two_elements_of_one_id_are_none() -> None:
    info = xmldsig.SignedInfo(
        canonicalization_method=INFO.canonicalization_method,
        signature_method=INFO.signature_method,
        reference=INFO.reference * 2,
    )
    signature = xmldsig.Signature(signed_info=info, signature_value=xmldsig.SignatureValue(value=b""))
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=b"", signature=signature), body=REQUEST))
    with pytest.raises(DecodeError, match="2 elements"):
        SCHEMA.fragment_of(octets, "Reference")


def test_a_chain_must_be_told_which_it_is() -> None:
    chain = iso2.CertificateChain(id="id1", certificate=b"\x30")
    with pytest.raises(EncodeError, match="say which"):
        SCHEMA.fragment(chain)
    assert SCHEMA.fragment(chain, "ContractSignatureCertChain")[1] == 33
    with pytest.raises(EncodeError):
        SCHEMA.fragment(chain, "SalesTariff")


@pytest.mark.parametrize("element", [iso2.EMAID(id="id4", value="short"), iso2.EMAID(id="id4", value=3)])  # type: ignore[arg-type]  # on purpose
def test_our_own_fragments_keep_the_facets(element: iso2.EMAID) -> None:
    with pytest.raises(EncodeError):
        SCHEMA.fragment(element)


@pytest.mark.parametrize("octets", ["", "80", "8004", "80ff", "8104bd00", "80f3", "80f400", "8004bd", "80ec02"])
def test_no_fragment(octets: str) -> None:
    with pytest.raises(DecodeError):
        SCHEMA.fragment_decode(bytes.fromhex(octets))


def test_names_that_stand_in_two_namespaces_have_no_code() -> None:
    vocabulary = Vocabulary(("A", "B", "B", "C"))
    assert [vocabulary.code(name) for name in "ABCD"] == [0, None, 3, None]
    assert (vocabulary.bits, vocabulary.end) == (3, 5)


@pytest.mark.skipif(not CAPTURED, reason="captures stay in ../shared, which is missing here")
def test_digests_of_recorded_signatures() -> None:
    """Every reference of every recorded signature: RISE-V2G's cars and a commercial test system's certificates."""
    kinds = set()
    for row in captured():
        octets = bytes.fromhex(row["exi"])
        if row["schema"] != "iso15118-2" or (signature := SCHEMA.decode(octets).header.signature) is None:
            continue
        spans = {f"#{span.id}": span for span in SCHEMA.spans(octets) if span.id}
        for reference in signature.signed_info.reference:
            span = spans[str(reference.uri)]
            assert hashlib.sha256(SCHEMA.splice(span)).digest() == reference.digest_value, (row["name"], span.name)
            kinds.add(span.name)
    assert kinds >= {
        "AuthorizationReq",
        "CertificateInstallationReq",
        "ContractSignatureCertChain",
        "DHpublickey",
        "eMAID",
    }

"""Signatures over EXI fragments: every way to be bad is refused by name, and what real stacks signed holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.errors import DecodeError, SignatureRejected
from secc.exi import Schema, Span
from secc.exi.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
    SignedInfo,
    Transform,
    Transforms,
)
from secc.iso2.messages import (
    SCHEMA,
    AC_EVSEChargeParameter,
    AC_EVSEStatus,
    AuthorizationReq,
    Body,
    ChargeParameterDiscoveryRes,
    EVSENotification,
    EVSEProcessing,
    MessageHeader,
    PhysicalValue,
    PMaxSchedule,
    PMaxScheduleEntry,
    RelativeTimeInterval,
    ResponseCode,
    SalesTariff,
    SalesTariffEntry,
    SAScheduleList,
    SAScheduleTuple,
    UnitSymbol,
    V2G_Message,
)
from secc.session.signature import CANONICAL_EXI, P256_SHA256, Flaw, Form, sign, sign_elements, sign_info, verify

KEY = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
OTHER = ec.derive_private_key(0xBADC0DE, ec.SECP256R1())
REQUEST = AuthorizationReq(id="id1", gen_challenge=bytes(range(16)))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def octets(signature: Signature | None, body: Body = REQUEST) -> bytes:
    header = MessageHeader(session_id=bytes(8), signature=signature)
    return SCHEMA.encode(V2G_Message(header=header, body=body))


def check(signature: Signature | None, body: Body = REQUEST, key: Any = None, **elements: str | None) -> Form:
    """As the station does: from octets alone."""
    document = octets(signature, body)
    received = SCHEMA.decode(document).header.signature
    expected = elements or {"AuthorizationReq": "id1"}
    return verify(received, expected, document, key or KEY.public_key(), SCHEMA, P256_SHA256)


def resigned(info: SignedInfo, key: ec.EllipticCurvePrivateKey = KEY) -> Signature:
    """A right signature over a wrong SignedInfo: only what is named in the test is bad."""
    return Signature(signed_info=info, signature_value=SignatureValue(value=sign_info(info, key, SCHEMA, P256_SHA256)))


def changed(**changes: Any) -> Signature:
    """The good SignedInfo with this changed in its reference, signed again."""
    info = GOOD.signed_info
    return resigned(replace(info, reference=(replace(info.reference[0], **changes),)))


def with_value(value: bytes) -> Signature:
    return replace(GOOD, signature_value=SignatureValue(value=value))


GOOD = sign(REQUEST, KEY, SCHEMA, P256_SHA256)
REFERENCE = GOOD.signed_info.reference[0]
VALUE = GOOD.signature_value.value


@pytest.mark.parametrize("form", list(Form))
def test_both_encodings_of_signed_info_hold_and_which_one_it_was_is_told(form: Form) -> None:
    assert check(sign(REQUEST, KEY, SCHEMA, P256_SHA256, form=form)) is form
    assert Form.MESSAGE_SET.quirk == "Q-69"
    assert Form.XMLDSIG.quirk == ""


@pytest.mark.parametrize("form", list(Form))
def test_a_document_is_read_once_for_all_that_is_signed_in_it(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    spans = Schema.spans

    def counted(schema: Schema[Any], document: bytes) -> tuple[Span, ...]:
        read.append(document)
        return spans(schema, document)

    monkeypatch.setattr(Schema, "spans", counted)
    signature = sign(REQUEST, KEY, SCHEMA, P256_SHA256, form=form)
    assert check(signature) is form
    assert read == [octets(signature)]


def no_signature() -> Signature | None:
    """There is none."""
    return None


def der() -> Signature:
    """The signature in DER, as most libraries make it. (A-PNC-05)"""
    return with_value(KEY.sign(b"whatever", ec.ECDSA(SHA256())))


def too_short() -> Signature:
    """63 octets."""
    return with_value(VALUE[:-1])


def r_is_zero() -> Signature:
    """r = 0. (A-PNC-06)"""
    return with_value(bytes(32) + VALUE[32:])


def s_is_zero() -> Signature:
    """s = 0."""
    return with_value(VALUE[:32] + bytes(32))


def s_is_the_order() -> Signature:
    """s = n."""
    return with_value(VALUE[:32] + ORDER.to_bytes(32, "big"))


def foreign_key() -> Signature:
    """Signed by somebody else."""
    return sign(REQUEST, OTHER, SCHEMA, P256_SHA256)


def one_bit_off() -> Signature:
    """A flipped bit in s."""
    return with_value(VALUE[:-1] + bytes([VALUE[-1] ^ 1]))


def sha1_digest() -> Signature:
    """DigestMethod SHA-1."""
    method = DigestMethod(algorithm="http://www.w3.org/2000/09/xmldsig#sha1")
    return changed(digest_method=method, digest_value=hashlib.sha1(SCHEMA.fragment(REQUEST)).digest())


def hmac_signature() -> Signature:
    """SignatureMethod HMAC."""
    method = SignatureMethod(algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    return resigned(replace(GOOD.signed_info, signature_method=method))


def xml_canonicalization() -> Signature:
    """CanonicalizationMethod of textual XML."""
    method = CanonicalizationMethod(algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")
    return resigned(replace(GOOD.signed_info, canonicalization_method=method))


def two_transforms() -> Signature:
    """Two transforms, both right. [V2G2-767]"""
    return changed(transforms=Transforms(transform=(Transform(algorithm=CANONICAL_EXI),) * 2))


def no_transform() -> Signature:
    """No transform."""
    return changed(transforms=None)


def other_transform() -> Signature:
    """A transform that is not canonical EXI."""
    algorithm = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
    return changed(transforms=Transforms(transform=(Transform(algorithm=algorithm),)))


def unknown_id() -> Signature:
    """The reference names an Id that no element has."""
    return changed(uri="#id2")


def no_hash_sign() -> Signature:
    """The reference is no same-document reference."""
    return changed(uri="id1")


def no_uri() -> Signature:
    """The reference names nothing."""
    return changed(uri=None)


def five_references() -> Signature:
    """Five references to the same element. [V2G2-909]"""
    return resigned(replace(GOOD.signed_info, reference=(REFERENCE,) * 5))


def one_reference_too_many() -> Signature:
    """A second reference, to something that nobody asked for."""
    return resigned(replace(GOOD.signed_info, reference=(REFERENCE, replace(REFERENCE, uri="#id2"))))


def wrong_digest() -> Signature:
    """A digest of something else, honestly signed."""
    return changed(digest_value=hashlib.sha256(b"something else").digest())


def short_digest() -> Signature:
    """The first half of the right digest."""
    return changed(digest_value=REFERENCE.digest_value[:16])


FLAWED: dict[Callable[[], Signature | None], str] = {
    no_signature: Flaw.MISSING,
    der: Flaw.LENGTH,
    too_short: Flaw.LENGTH,
    r_is_zero: Flaw.RANGE,
    s_is_zero: Flaw.RANGE,
    s_is_the_order: Flaw.RANGE,
    foreign_key: Flaw.VALUE,
    one_bit_off: Flaw.VALUE,
    sha1_digest: Flaw.DIGEST_METHOD,
    hmac_signature: Flaw.SIGNATURE_METHOD,
    xml_canonicalization: Flaw.CANONICALIZATION,
    two_transforms: Flaw.TRANSFORMS,
    no_transform: Flaw.TRANSFORMS,
    other_transform: Flaw.TRANSFORMS,
    unknown_id: Flaw.URI,
    no_hash_sign: Flaw.URI,
    no_uri: Flaw.URI,
    five_references: Flaw.REFERENCES,
    one_reference_too_many: Flaw.REFERENCES,
    wrong_digest: Flaw.DIGEST,
    short_digest: Flaw.DIGEST,
}


@pytest.mark.case("A-PNC-04", "A-PNC-05", "A-PNC-06")
@pytest.mark.parametrize("flawed", FLAWED, ids=lambda flawed: flawed.__name__)
def test_every_flaw_is_refused_by_its_name(flawed: Callable[[], Signature | None]) -> None:
    with pytest.raises(SignatureRejected) as rejected:
        check(flawed())
    assert rejected.value.flaw == FLAWED[flawed]


def test_a_body_that_was_changed_after_signing_is_refused() -> None:
    with pytest.raises(SignatureRejected) as rejected:
        check(GOOD, replace(REQUEST, gen_challenge=bytes(16)))
    assert rejected.value.flaw == Flaw.DIGEST


def test_a_body_without_id_has_no_signature() -> None:
    with pytest.raises(SignatureRejected) as rejected:
        check(GOOD, replace(REQUEST, id=None), AuthorizationReq=None)
    assert rejected.value.flaw == Flaw.URI


def test_the_element_must_be_the_one_expected_and_not_just_any_with_that_id() -> None:
    with pytest.raises(SignatureRejected) as rejected:
        check(GOOD, MeteringReceiptReq="id1")
    assert rejected.value.flaw == Flaw.ELEMENT


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_a_key_on_another_curve_is_refused(curve: ec.EllipticCurve) -> None:
    with pytest.raises(SignatureRejected) as rejected:
        check(GOOD, key=ec.derive_private_key(7, curve).public_key())
    assert rejected.value.flaw == Flaw.KEY


P384_SHA384 = replace(
    P256_SHA256,
    curve=ec.SECP384R1(),
    order=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    hash=SHA384(),
    signature_method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    digest_method="http://www.w3.org/2001/04/xmldsig-more#sha384",
)


def test_another_suite_is_other_data_and_none_holds_for_another() -> None:
    key = ec.derive_private_key(0xC0FFEE, ec.SECP384R1())
    signature = sign(REQUEST, key, SCHEMA, P384_SHA384)
    assert len(signature.signature_value.value) == 96
    document = octets(signature)
    received = SCHEMA.decode(document).header.signature
    elements = {"AuthorizationReq": REQUEST.id}
    assert verify(received, elements, document, key.public_key(), SCHEMA, P384_SHA384) is Form.XMLDSIG
    with pytest.raises(SignatureRejected) as rejected:
        verify(received, elements, document, key.public_key(), SCHEMA, P256_SHA256)
    assert rejected.value.flaw == Flaw.SIGNATURE_METHOD
    renamed = replace(P384_SHA384, signature_method=P256_SHA256.signature_method)
    with pytest.raises(SignatureRejected) as rejected:
        check(sign(REQUEST, key, SCHEMA, renamed), key=key.public_key())
    assert rejected.value.flaw == Flaw.DIGEST_METHOD


def test_what_is_signed_are_all_the_elements_that_are_expected() -> None:
    signature = sign_elements({"AuthorizationReq": REQUEST}, KEY, SCHEMA, P256_SHA256)
    with pytest.raises(SignatureRejected) as rejected:
        check(signature, AuthorizationReq="id1", CertificateInstallationReq="id2")
    assert rejected.value.flaw == Flaw.REFERENCES


@given(st.integers(min_value=0), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_no_change_of_the_octets_holds(place: int, flip: int) -> None:
    good = octets(GOOD)
    # Behind the octets of SessionID and everything else that is not signed; a change there is either refused or changes nothing signed.
    at = place % len(good)
    document = good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :]
    try:
        message = SCHEMA.decode(document)
        body = message.body
        if not isinstance(body, AuthorizationReq):
            return
        verify(message.header.signature, {"AuthorizationReq": body.id}, document, KEY.public_key(), SCHEMA, P256_SHA256)
    except (DecodeError, SignatureRejected):
        return
    assert body == REQUEST
    assert message.header.signature is not None
    assert message.header.signature.signed_info == GOOD.signed_info


def test_the_fields_that_a_signature_does_not_use_change_nothing() -> None:
    """Type and Id of a Reference are not looked at; they are signed along with the rest."""
    info = replace(GOOD.signed_info, reference=(replace(REFERENCE, type="urn:x", id="ref1"),))
    assert check(resigned(info)) is Form.XMLDSIG
    assert isinstance(REFERENCE, Reference)


# --- several elements of one name ----------------------------------------------------------------------------------------------


def tariff(number: int) -> SalesTariff:
    entry = SalesTariffEntry(time_interval=RelativeTimeInterval(start=0, duration=3600), e_price_level=number)
    return SalesTariff(id=f"tariff{number}", sales_tariff_id=number, sales_tariff_entry=(entry,))


def offering(*tariffs: SalesTariff) -> ChargeParameterDiscoveryRes:
    watts = PhysicalValue(multiplier=0, unit=UnitSymbol.W, value=11_040)
    power = PMaxSchedule(
        p_max_schedule_entry=(
            PMaxScheduleEntry(time_interval=RelativeTimeInterval(start=0, duration=3600), p_max=watts),
        )
    )
    status = AC_EVSEStatus(notification_max_delay=0, evse_notification=EVSENotification.NONE, rcd=False)
    return ChargeParameterDiscoveryRes(
        response_code=ResponseCode.OK,
        evse_processing=EVSEProcessing.FINISHED,
        sa_schedules=SAScheduleList(
            sa_schedule_tuple=tuple(
                SAScheduleTuple(sa_schedule_tuple_id=number, p_max_schedule=power, sales_tariff=one)
                for number, one in enumerate(tariffs, 1)
            )
        ),
        evse_charge_parameter=AC_EVSEChargeParameter(
            ac_evse_status=status,
            evse_nominal_voltage=replace(watts, unit=UnitSymbol.V, value=230),
            evse_max_current=replace(watts, unit=UnitSymbol.A, value=16),
        ),
    )


TARIFFS = tuple(map(tariff, (1, 2, 3)))
ALL = {"SalesTariff": tuple(str(one.id) for one in TARIFFS)}


def check_tariffs(elements: dict[str, tuple[str, ...]], *offered: SalesTariff) -> Form:
    document = octets(sign_elements({"SalesTariff": TARIFFS}, KEY, SCHEMA, P256_SHA256), offering(*offered))
    received = SCHEMA.decode(document).header.signature
    return verify(received, elements, document, KEY.public_key(), SCHEMA, P256_SHA256)


def test_one_signature_covers_three_elements_of_one_name() -> None:
    assert check_tariffs(ALL, *TARIFFS) is Form.XMLDSIG


@pytest.mark.parametrize(
    ("elements", "offered", "flaw"),
    [
        ({"SalesTariff": ALL["SalesTariff"][:2]}, TARIFFS, Flaw.REFERENCES),
        ({"SalesTariff": ("tariff1", "tariff1", "tariff2")}, TARIFFS, Flaw.URI),
        ({"SalesTariff": ("tariff1", "tariff2", "tariff4")}, TARIFFS, Flaw.URI),
        (ALL, TARIFFS[:2], Flaw.ELEMENT),
        (ALL, (*TARIFFS[:2], replace(TARIFFS[2], num_e_price_levels=9)), Flaw.DIGEST),
    ],
)
def test_no_element_of_one_name_is_left_out_or_stands_for_another(
    elements: dict[str, tuple[str, ...]], offered: tuple[SalesTariff, ...], flaw: str
) -> None:
    with pytest.raises(SignatureRejected) as rejected:
        check_tariffs(elements, *offered)
    assert rejected.value.flaw == flaw

"""EMAID: syntax, check digit and comparison, against identifiers that others published."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.emaid import EMAID, EmaidMalformed, check_digit

# eMI3 "Check Digit Calculation for Contract-IDs"; eMI3 standard v1.0 part 2, 1.2.2.1; Gireve; tests of public implementations.
PUBLISHED = [
    "DE83DUIEN83QGZD",
    "DE83DUIEN83ZGQM",
    "DE8AACA2B3C4D5L",
    "FRXYZ1234567892",
    "ITA1B2C3E4F5G64",
    "ESZU8WOX834H1DR",
    "PT73902837ABCZZ",
    "NN123ABCDEFGHIT",
    "NLTNM000122045U",
    "NL123C10028948M",
]
CONTRACTS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=12).map(lambda rest: "DE" + rest)


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_check_digits_hold(text: str) -> None:
    assert check_digit(text[:14]) == text[14]
    assert EMAID.parse(text).check_digit_holds is True


@given(CONTRACTS, st.integers(0, 13), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
@settings(max_examples=100)
def test_a_mistyped_character_shows(contract: str, place: int, other: str) -> None:
    mistyped = contract[:place] + other + contract[place + 1 :]
    assert (check_digit(mistyped) == check_digit(contract)) == (mistyped == contract)


@given(CONTRACTS, st.integers(0, 12))
@settings(max_examples=100)
def test_two_swapped_characters_show(contract: str, place: int) -> None:
    swapped = contract[:place] + contract[place + 1] + contract[place] + contract[place + 2 :]
    assert (check_digit(swapped) == check_digit(contract)) == (swapped == contract)


@pytest.mark.parametrize("text", ["DE-8AA-CA2B3C4D5-L", "de-8aa-ca2b3c4d5-l", "DE8AACA2B3C4D5L", "de8aaca2b3c4d5l"])
def test_case_and_hyphens_do_not_matter(text: str) -> None:
    """I2X-10."""
    assert EMAID.parse(text) == EMAID("DE8AACA2B3C4D5L")


def test_the_parts() -> None:
    emaid = EMAID.parse("DE-8AA-CA2B3C4D5-L")
    assert (emaid.country, emaid.provider, emaid.contract, emaid.check_digit) == ("DE", "8AA", "DE8AACA2B3C4D5", "L")
    assert EMAID.parse("DE-8AA-CA2B3C4D5").check_digit is None
    assert EMAID.parse("DE-8AA-CA2B3C4D5").check_digit_holds is None


def test_a_wrong_check_digit_is_seen_and_no_error() -> None:
    assert EMAID.parse("DE8AACA2B3C4D5M").check_digit_holds is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DE8AACA2B3C4D",
        "DE8AACA2B3C4D5LX",
        "1E8AACA2B3C4D5L",
        "DE8AACA2B3C4D5L\n",
        "DE--8AACA2B3C4D5",
        "DE8AACA2B3C4D5-",
        "-DE8AACA2B3C4D5",
        "DE8AACA2B3C4Dß",
        "DE8AACA2B3C4Dı",
        "DE8AACA2B3C4D٣",
        "DE 8AA CA2B3C4D5",
        "D" * 100_000,
    ],
)
def test_what_is_no_emaid(text: str) -> None:
    with pytest.raises(EmaidMalformed) as refused:
        EMAID.parse(text)
    assert "8AACA" not in str(refused.value)


def test_the_check_digit_counts_only_where_both_have_one() -> None:
    with_digit, without, wrong = map(EMAID, ("DE8AACA2B3C4D5L", "DE8AACA2B3C4D5", "DE8AACA2B3C4D5M"))
    assert with_digit.same_contract_as(without)
    assert without.same_contract_as(with_digit)
    assert not with_digit.same_contract_as(wrong)
    assert not with_digit.same_contract_as(EMAID("DE8AACA2B3C4D6"))


def test_logs_do_not_show_the_customer() -> None:
    emaid = EMAID("DE8AACA2B3C4D5L")
    assert emaid.masked == "DE-8AA-*******D5"
    assert "CA2B3C4" not in repr(emaid)
    assert str(emaid) == "DE8AACA2B3C4D5L"


@given(st.text(max_size=30))
@settings(max_examples=100)
def test_any_text_is_an_emaid_or_refused(text: str) -> None:
    try:
        emaid = EMAID.parse(text)
    except EmaidMalformed:
        return
    assert len(emaid.text) in (14, 15)
    assert EMAID.parse(emaid.text.lower()) == emaid


@pytest.mark.parametrize("contract", ["", "DE8AACA2B3C4D", "de8aaca2b3c4d5", "DE8AACA2B3C4D-"])
def test_no_check_digit_over_anything_else(contract: str) -> None:
    with pytest.raises(EmaidMalformed):
        check_digit(contract)

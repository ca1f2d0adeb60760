"""EMAID, the contract identifier of ISO 15118-2 Annex H (eMI3), with its check digit and comparison
rules.

    <Country Code> <S> <Provider ID> <S> <eMA Instance> [<S> <Check Digit>]        e.g. DE-8AA-CA2B3C4D5-L

Two letters, three and nine letters or digits, and an optional check digit against typing errors.
The separator ``-`` is optional. The stack uses upper case without separators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from operator import mod

from certs.errors import TrustError

_SYNTAX = re.compile(r"([A-Z]{2})(-?)([0-9A-Z]{3})(-?)([0-9A-Z]{9})(?:(-?)([0-9A-Z]))?", re.ASCII)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST = 18

# The check equation is over two fields: a character stands for a pair over GF(2) and a pair over
# GF(3) (4 x 9 = 36 characters). Each place multiplies the first by ((0, 1), (1, 1)) and the second
# by ((0, 1), (1, 2)) once more than the place before.
_MODULI = (2, 2, 3, 3)
_Weight = tuple[int, ...]


class EmaidMalformed(TrustError):
    """A text that is not an EMAID. The error does not contain the text, which may be a customer's
    EMAID with a typing error.
    """


@dataclass(frozen=True, slots=True)
class EMAID:
    """A contract identifier: 14 characters, or 15 with check digit; upper case, without separators.

    Equality compares the text; :meth:`same_contract_as` compares the contracts.
    """

    text: str

    def __post_init__(self) -> None:
        if not _SYNTAX.fullmatch(self.text) or "-" in self.text:
            raise EmaidMalformed(f"not an EMAID: {len(self.text)} characters")

    @classmethod
    def parse(cls, text: str) -> EMAID:
        """Parse an EMAID in either case, with or without hyphens. Raises :class:`EmaidMalformed`.

        A wrong check digit is not an error, because the EMAID that a mobility operator signed into
        a certificate identifies the contract as it is. Check :attr:`check_digit_holds` for an EMAID
        that a person typed.
        """
        if len(text) > _LONGEST or not text.isascii() or not _SYNTAX.fullmatch(text.upper()):
            raise EmaidMalformed(f"not an EMAID: {len(text)} characters")
        return cls(text.upper().replace("-", ""))

    @property
    def country(self) -> str:
        return self.text[:2]

    @property
    def provider(self) -> str:
        """Three characters, unique within the country."""
        return self.text[2:5]

    @property
    def contract(self) -> str:
        """The 14 characters of the contract, without the check digit."""
        return self.text[:14]

    @property
    def check_digit(self) -> str | None:
        return self.text[14:] or None

    @property
    def check_digit_holds(self) -> bool | None:
        """Whether the check digit is correct; None if there is none."""
        return None if self.check_digit is None else self.check_digit == check_digit(self.contract)

    def same_contract_as(self, other: EMAID) -> bool:
        """Whether both name the same contract: the check digit counts only if both have one."""
        if self.check_digit is None or other.check_digit is None:
            return self.contract == other.contract
        return self.text == other.text

    @property
    def masked(self) -> str:
        """For logs: country, provider, and the last two characters of the instance, e.g.
        ``DE-8AA-*******D5``.
        """
        return f"{self.country}-{self.provider}-*******{self.contract[-2:]}"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"EMAID({self.masked})"


def check_digit(contract: str) -> str:
    """Returns the check digit for 14 upper-case ASCII letters and digits (eMI3, 'Check Digit
    Calculation for Contract-IDs').

    With it the sum over all places of (character x matrix^place) is zero in both fields. Raises
    :class:`EmaidMalformed`.
    """
    if len(contract) != 14 or any(character not in _ALPHABET for character in contract):
        raise EmaidMalformed(f"a check digit is for 14 letters and digits, not {len(contract)} characters")
    weights, digits = _tables()
    sums = map(sum, zip(*map(dict.__getitem__, weights, contract), strict=True))
    return digits[tuple(map(mod, sums, _MODULI))]


@cache
def _tables() -> tuple[tuple[dict[str, _Weight], ...], dict[_Weight, str]]:
    """Returns what each character adds to the sums at each of 14 places, and the check digit by the
    sums (modulo 2, 2, 3, 3).
    """
    weights: dict[str, _Weight] = {
        character: (number // 18, number // 9 % 2, number % 9 // 3, number % 3)
        for number, character in enumerate(_ALPHABET)
    }
    places: list[dict[str, _Weight]] = []
    for _ in range(15):
        weights = {character: (b, (a + b) % 2, d, (c + 2 * d) % 3) for character, (a, b, c, d) in weights.items()}
        places.append(weights)
    digits = {tuple(-part % modulus for part, modulus in zip(w, _MODULI, strict=True)): c for c, w in weights.items()}
    return tuple(places[:14]), digits

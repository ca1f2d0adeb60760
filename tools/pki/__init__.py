"""The lab PKI: everything that a station and a car need to trust each other on a bench, and flawed chains by name.

``secc pki make DIR`` writes it; :func:`make_lab_pki` does the same for programs; :class:`Mint` makes single certificates in
memory for tests. Nothing made here is fit for the field: the authorities' keys lie beside their certificates.
"""

from .flaws import FLAWS, FlawedContract, make_flawed
from .lab import LabPki, build_lab_pki
from .layout import make_lab_pki, write_lab_pki
from .mint import Issued, KeyKind, Mint, key_usage

__all__ = [
    "FLAWS",
    "FlawedContract",
    "Issued",
    "KeyKind",
    "LabPki",
    "Mint",
    "build_lab_pki",
    "key_usage",
    "make_flawed",
    "make_lab_pki",
    "write_lab_pki",
]

"""Flawed contract chains by name: one function each, whose docstring says what is wrong.

Each takes a sound lab PKI and gives a car's contract that a station must refuse, with the :class:`certs.errors.Flaw` that it must name. Most are
judged against the lab's own MO root; where the flaw is the root's, ``mo_roots`` are the roots to install instead.
"""

# Importing a module of flaws enters them into the registry.
from . import dates_and_roles, forms, issuers, leaves
from .registry import FLAWS, FlawedContract, describe, make_flawed, padding_to

__all__ = [
    "FLAWS",
    "FlawedContract",
    "dates_and_roles",
    "describe",
    "forms",
    "issuers",
    "leaves",
    "make_flawed",
    "padding_to",
]

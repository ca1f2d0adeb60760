"""Flawed contract chains by name: one function each, whose docstring says what is wrong.

Each takes a sound lab PKI and gives a car's contract that a station must refuse, with the :class:`certs.errors.Flaw` that it must name. Most are
judged against the lab's own MO root; where the flaw is the root's, ``mo_roots`` are the roots to install instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

from ..lab import LabPki
from . import dates_and_roles, forms, issuers, leaves
from .parts import FlawedContract

FLAWS: dict[str, Callable[[LabPki], FlawedContract]] = {
    name.replace("_", "-"): maker
    for module in (dates_and_roles, forms, issuers, leaves)
    for name, maker in vars(module).items()
    if getattr(maker, "__module__", "") == module.__name__
}
"""Every function of these modules, by its name."""


def make_flawed(name: str, lab: LabPki) -> FlawedContract:
    """The flawed contract of that name (KeyError if there is none)."""
    flawed = FLAWS[name](lab)
    return flawed if flawed.claimed else replace(flawed, claimed=lab.emaid)


def describe(name: str) -> str:
    """What is wrong with it, in one sentence."""
    return inspect.getdoc(FLAWS[name]) or ""

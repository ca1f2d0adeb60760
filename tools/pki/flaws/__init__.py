"""Flawed contract chains by name: one function each, whose docstring names the flaw.

Each takes a valid lab PKI and returns a car's contract that a station must refuse, with the
:class:`certs.errors.Flaw` that the station must name. Most are below the lab's MO root; if the root has
the flaw, ``mo_roots`` are the roots to install instead.
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
"""Every function of these modules by its name."""


def make_flawed(name: str, lab: LabPki) -> FlawedContract:
    """Returns the flawed contract of that name. Raises KeyError for an unknown name."""
    flawed = FLAWS[name](lab)
    return flawed if flawed.claimed else replace(flawed, claimed=lab.emaid)


def describe(name: str) -> str:
    """Returns its flaw in one sentence."""
    return inspect.getdoc(FLAWS[name]) or ""

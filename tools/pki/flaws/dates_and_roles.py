"""Contracts out of their time, and certificates of other roles in the place of a contract."""

from __future__ import annotations

from dataclasses import replace

from certs.errors import Flaw

from ..lab import LabPki, Line
from ..mint import CONTRACT_USAGE, DAY
from .parts import FlawedContract, ordered, sent


def expired_leaf(lab: LabPki) -> FlawedContract:
    """The contract ended yesterday."""
    at = lab.mint.at
    return ordered(lab, Flaw.LEAF_EXPIRED, leaf={"not_before": at - 9 * DAY, "not_after": at - DAY})


def leaf_not_yet_valid(lab: LabPki) -> FlawedContract:
    """The contract begins tomorrow."""
    at = lab.mint.at
    return ordered(lab, Flaw.LEAF_NOT_YET_VALID, leaf={"not_before": at + DAY, "not_after": at + 9 * DAY})


def expired_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA ended yesterday."""
    at = lab.mint.at
    return ordered(lab, Flaw.SUB_CA_EXPIRED, sub2={"not_before": at - 9 * DAY, "not_after": at - DAY})


def sub_ca_not_yet_valid(lab: LabPki) -> FlawedContract:
    """The upper sub-CA begins tomorrow."""
    at = lab.mint.at
    return ordered(lab, Flaw.SUB_CA_NOT_YET_VALID, sub1={"not_before": at + DAY, "not_after": at + 9 * DAY})


def expired_root(lab: LabPki) -> FlawedContract:
    """The installed MO root ended yesterday; the rest of the chain is valid."""
    at = lab.mint.at
    return ordered(lab, Flaw.ANCHOR_EXPIRED, root={"not_before": at - 9 * DAY, "not_after": at - DAY})


def root_not_yet_valid(lab: LabPki) -> FlawedContract:
    """The installed MO root begins tomorrow."""
    at = lab.mint.at
    return ordered(lab, Flaw.ANCHOR_NOT_YET_VALID, root={"not_before": at + DAY, "not_after": at + 9 * DAY})


def wrong_domain_component(lab: LabPki) -> FlawedContract:
    """The leaf says CPO: a charging station's role."""
    return ordered(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": "CPO"})


def missing_domain_component(lab: LabPki) -> FlawedContract:
    """The leaf says no role at all."""
    return ordered(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": None})


def two_roles(lab: LabPki) -> FlawedContract:
    """The leaf says MO and CPO at once."""
    return ordered(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": ("MO", "CPO")})


def secc_as_contract(lab: LabPki) -> FlawedContract:
    """The station's own TLS certificate, presented as a contract."""
    return sent(lab.secc, Flaw.LEAF_DOMAIN_COMPONENT)


def provisioning_as_contract(lab: LabPki) -> FlawedContract:
    """The car's OEM provisioning certificate, presented as a contract."""
    return sent(lab.provisioning, Flaw.LEAF_DOMAIN_COMPONENT)


def cps_as_contract(lab: LabPki) -> FlawedContract:
    """The provisioning service's signing certificate, presented as a contract."""
    return sent(lab.cps, Flaw.LEAF_DOMAIN_COMPONENT)


def issued_by_cpo(lab: LabPki) -> FlawedContract:
    """A charge point operator's sub-CA, which says V2G and stands below a V2G root that is installed, issued a contract."""
    leaf = lab.mint.issue(lab.emaid, "MO", lab.secc.sub2, usage=CONTRACT_USAGE)
    return sent(replace(lab.secc, leaf=leaf), Flaw.SUB_CA_DOMAIN_COMPONENT)


def sub_ca_says_cpo_below_v2g(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA, below a V2G root that is installed, says CPO; the one above it says MO."""
    sub1 = lab.mint.issue("Lab MO Sub-CA 1", "MO", lab.secc.root, ca=True, path_length=1)
    sub2 = lab.mint.issue("Lab CPO Sub-CA 2", "CPO", sub1, ca=True, path_length=0)
    leaf = lab.mint.issue(lab.emaid, "MO", sub2, usage=CONTRACT_USAGE)
    return sent(Line(lab.secc.root, sub1, sub2, leaf), Flaw.SUB_CA_DOMAIN_COMPONENT)


def sub_ca_says_cpo_below_mo(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA says CPO, although it stands below the mobility operator's root."""
    return ordered(lab, Flaw.SUB_CA_DOMAIN_COMPONENT, sub2={"domain_component": "CPO"})


def sub_ca_says_oem_below_mo(lab: LabPki) -> FlawedContract:
    """The upper sub-CA says OEM, although it stands below the mobility operator's root."""
    return ordered(lab, Flaw.SUB_CA_DOMAIN_COMPONENT, sub1={"domain_component": ("MO", "OEM")})


def issued_by_oem(lab: LabPki) -> FlawedContract:
    """A car maker's sub-CA issued a contract: its root is installed, but as an OEM root."""
    leaf = lab.mint.issue(lab.emaid, "MO", lab.provisioning.sub2, usage=CONTRACT_USAGE)
    return sent(replace(lab.provisioning, leaf=leaf), Flaw.NO_TRUST_ANCHOR)

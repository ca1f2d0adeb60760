"""Contracts that are not valid yet or any more, and certificates of other roles instead of a contract."""

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
    """The leaf's domainComponent is CPO, the role of a charging station."""
    return ordered(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": "CPO"})


def missing_domain_component(lab: LabPki) -> FlawedContract:
    """The leaf has no domainComponent."""
    return ordered(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": None})


def two_roles(lab: LabPki) -> FlawedContract:
    """The leaf has two domainComponents, MO and CPO."""
    return ordered(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": ("MO", "CPO")})


def secc_as_contract(lab: LabPki) -> FlawedContract:
    """The car presents the station's TLS certificate as its contract."""
    return sent(lab.secc, Flaw.LEAF_DOMAIN_COMPONENT)


def provisioning_as_contract(lab: LabPki) -> FlawedContract:
    """The car presents its OEM provisioning certificate as its contract."""
    return sent(lab.provisioning, Flaw.LEAF_DOMAIN_COMPONENT)


def cps_as_contract(lab: LabPki) -> FlawedContract:
    """The car presents the signing certificate of the provisioning service as its contract."""
    return sent(lab.cps, Flaw.LEAF_DOMAIN_COMPONENT)


def issued_by_cpo(lab: LabPki) -> FlawedContract:
    """A charge point operator's sub-CA issued the contract: its domainComponent is V2G, its V2G root is installed."""
    leaf = lab.mint.issue(lab.emaid, "MO", lab.secc.sub2, usage=CONTRACT_USAGE)
    return sent(replace(lab.secc, leaf=leaf), Flaw.SUB_CA_DOMAIN_COMPONENT)


def sub_ca_says_cpo_below_v2g(lab: LabPki) -> FlawedContract:
    """Below an installed V2G root, the issuing sub-CA's domainComponent is CPO, and that of the upper one MO."""
    sub1 = lab.mint.issue("Lab MO Sub-CA 1", "MO", lab.secc.root, ca=True, path_length=1)
    sub2 = lab.mint.issue("Lab CPO Sub-CA 2", "CPO", sub1, ca=True, path_length=0)
    leaf = lab.mint.issue(lab.emaid, "MO", sub2, usage=CONTRACT_USAGE)
    return sent(Line(lab.secc.root, sub1, sub2, leaf), Flaw.SUB_CA_DOMAIN_COMPONENT)


def sub_ca_says_cpo_below_mo(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA's domainComponent is CPO, below a mobility operator's root."""
    return ordered(lab, Flaw.SUB_CA_DOMAIN_COMPONENT, sub2={"domain_component": "CPO"})


def sub_ca_says_oem_below_mo(lab: LabPki) -> FlawedContract:
    """The upper sub-CA has the domainComponents MO and OEM, below a mobility operator's root."""
    return ordered(lab, Flaw.SUB_CA_DOMAIN_COMPONENT, sub1={"domain_component": ("MO", "OEM")})


def issued_by_oem(lab: LabPki) -> FlawedContract:
    """A car maker's sub-CA issued the contract; its root is installed as an OEM root only."""
    leaf = lab.mint.issue(lab.emaid, "MO", lab.provisioning.sub2, usage=CONTRACT_USAGE)
    return sent(replace(lab.provisioning, leaf=leaf), Flaw.NO_TRUST_ANCHOR)

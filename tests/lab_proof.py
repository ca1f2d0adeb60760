"""A contract of the lab, and what it is when a car has proved it: for tests of what comes after the proof."""

from __future__ import annotations

import functools

from certs.contract import Contract, verify_contract_chain
from secc.session import proof
from secc.session.proof import ProvedContract
from tests.lab_trust import AT, LAB, anchors


def taken_as_proved(contract: Contract) -> ProvedContract:
    """As ``prove`` makes it of a good signature; that takes a message of some protocol."""
    return ProvedContract(contract, proof._MADE_BY_PROOF)


@functools.cache
def lab_contract() -> Contract:
    return verify_contract_chain(LAB.contract.ders, anchors(), AT)


@functools.cache
def lab_proved() -> ProvedContract:
    return taken_as_proved(lab_contract())

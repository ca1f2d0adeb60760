"""What makes a contract a proved one, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secc.errors import ChallengeRejected, SignatureRejected
from secc.session.effects import Decision, Identify, Verdict
from secc.session.proof import ProvedContract
from secc.session.signature import Flaw
from secc.trace.json import TraceBroken, plain, revive
from tests.iso2_proof import CHALLENGE, proved, signed
from tests.lab_proof import lab_contract, lab_proved
from tests.lab_trust import LAB
from tools.pki.lab import EMAID

STRANGER = ec.derive_private_key(5, ec.SECP256R1())


def test_a_signed_challenge_proves_the_contract() -> None:
    assert lab_proved().contract is lab_contract()


@pytest.mark.case("A-PNC-15")
def test_nothing_but_the_proof_makes_one() -> None:
    for made_by in (None, object(), lab_contract()):
        with pytest.raises(TypeError):
            ProvedContract(lab_contract(), made_by)
    assert not isinstance(lab_contract(), ProvedContract)


@pytest.mark.case("A-PNC-03", "A-PNC-04")
@pytest.mark.parametrize(
    ("message", "flaw"),
    [
        (signed(CHALLENGE, STRANGER), Flaw.VALUE),
        (replace(signed(CHALLENGE), header=replace(signed(CHALLENGE).header, signature=None)), Flaw.MISSING),
        (replace(signed(CHALLENGE), header=signed(bytes(16)).header), Flaw.DIGEST),
    ],
    ids=["another key", "no signature", "a signature over something else"],
)
def test_a_signature_that_does_not_hold_proves_nothing(message: object, flaw: str) -> None:
    with pytest.raises(SignatureRejected) as caught:
        proved(lab_contract(), message=message)  # type: ignore[arg-type]  # a V2G_Message
    assert caught.value.flaw == flaw


@pytest.mark.case("A-PNC-01")
@pytest.mark.parametrize(
    "other", [CHALLENGE[:8] + bytes(8), bytes(8) + CHALLENGE[8:], CHALLENGE[:15] + b"\0", bytes(16)]
)
def test_another_challenge_proves_nothing_however_well_it_is_signed(other: bytes) -> None:
    with pytest.raises(ChallengeRejected):
        proved(lab_contract(), message=signed(other))


@pytest.mark.case("A-PNC-13", "A-PNC-15")
def test_a_trace_shows_none_of_it_and_gives_none_back() -> None:
    said = Identify(lab_proved(), Verdict(Decision.ACCEPTED))
    assert EMAID[:14] not in repr(said)
    shown = plain(said)
    assert EMAID[:14] not in str(shown)
    assert "chain" not in shown["contract"]["contract"]
    assert plain(said, personal=True)["contract"]["contract"]["chain"][0] == {"$hex": LAB.contract.leaf.der.hex()}
    with pytest.raises(TraceBroken):
        revive(plain(lab_proved(), personal=True), {"Contract": lambda value: lab_contract()})

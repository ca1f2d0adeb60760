"""Faults planted in what is believed: signatures, certificates, chains, and the EMAID that a chain is for."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

TRUST_MUTANTS: Final = (
    Mutant(
        "signature-not-checked",
        "any signature over AuthorizationReq holds",
        "secc/session/signature.py",
        "    raise SignatureRejected(Flaw.VALUE)",
        "    return Form.XMLDSIG",
        ("tests/session/test_signature.py",),
    ),
    Mutant(
        "digest-not-compared",
        "the signed digest need not be that of the message",
        "secc/session/signature.py",
        "if not hmac.compare_digest(suite.digest(fragment), reference.digest_value):",
        "if False:",
        ("tests/session/test_signature.py",),
    ),
    Mutant(
        "chain-says-yes",
        "certificates need not be signed by their issuer",
        "certs/chain.py",
        "if not self._signed_by[pair]:",
        "if False:",
        ("tests/certs/test_chain.py", "tests/flaws"),
    ),
    Mutant(
        "root-not-asked-for",
        "a chain without an installed root is good",
        "certs/chain.py",
        "if flaw is not Flaw.NO_TRUST_ANCHOR or not unanchored_allowed:",
        "if flaw is not Flaw.NO_TRUST_ANCHOR:",
        ("tests/certs/test_chain.py", "tests/flaws"),
    ),
    Mutant(
        "anchors-for-everybody",
        "a root that others can write is used",
        "certs/guard.py",
        "    if status.st_mode & _OTHERS_MAY_WRITE:\n",
        "    if False:\n",
        ("tests/certs/test_guard.py",),
    ),
    Mutant(
        "revoked-charges",
        "the list of revoked certificates is read and not asked",
        "secc/station/trust.py",
        "                is_revoked=None if revoked is None else revoked.__contains__,\n",
        "",
        ("tests/station/test_trust.py",),
    ),
    Mutant(
        "ended-staple-sent",
        "an OCSP response is sent though it has ended since it was read",
        "secc/link/tls/chain.py",
        "        return None if ended else self.staples[0]",
        "        return self.staples[0]",
        ("tests/link/tls/test_context.py",),
    ),
    Mutant(
        "any-clock-will-do",
        "the trust room judges every contract as if the clock were confirmed",
        "secc/station/trust.py",
        "                clock_trusted=wall.trusted,\n",
        "                clock_trusted=True,\n",
        ("tests/station/test_trust.py",),
    ),
    Mutant(
        "cpo-issues-contracts",
        "below a V2G root a charge point operator's sub-CA issues contracts",
        "certs/profile.py",
        '_MO_BELOW_V2G = {Role.V2G: frozenset({"MO"})}',
        '_MO_BELOW_V2G = {Role.V2G: frozenset({"MO", "CPO"})}',
        ("tests/flaws",),
    ),
    Mutant(
        "sub-ca-is-the-contract",
        "an expired sub-CA is told to the car as an expired contract",
        "secc/station/trust.py",
        "    Flaw.SUB_CA_EXPIRED: Decision.NO_TRUST_ANCHOR,\n",
        "",
        ("tests/station/test_trust.py",),
    ),
    Mutant(
        "ocsp-signature-not-checked",
        "anybody can make an OCSP response",
        "certs/revocation.py",
        """        raise OcspRejected("its signature is not its signer's") from None""",
        "        return",
        ("tests/certs/test_fuzz.py",),
    ),
    Mutant(
        "emaid-not-compared",
        "the EMAID of the message need not be the certificate's",
        "certs/contract.py",
        "if not emaid.same_contract_as(wanted):",
        "if False:",
        ("tests/certs/test_contract.py",),
    ),
    Mutant(
        "emaid-not-looked-at-again",
        "the session believes that the validated contract is the one presented",
        "secc/iso2/phases/payment_details.py",
        "if not answer.is_named_by(request.emaid):",
        "if False:",
        ("tests/iso2/phases/test_payment_details.py",),
    ),
)

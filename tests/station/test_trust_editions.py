"""The trust room keeps roots and chains of each edition of certificates apart, and has none of what is not configured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from certs.certificates import Edition
from certs.contract import Contract
from certs.keystore import Keystore
from certs.profile import Role
from certs.truststore import Truststore
from secc.config.settings import Trust
from secc.conversation import Wall
from secc.link.tls.context import choose
from secc.link.tls.hello import ClientHello
from secc.session.effects import Decision, Ground, ValidateContract, Verdict
from secc.station.shared.trust import NO_TRUSTSTORE, TrustRoom
from tests.lab_trust import AT, LAB
from tools.pki.lab import EMAID
from tools.pki.layout import write_lab_pki
from tools.pki.mint import CONTRACT_USAGE, Issued, KeyKind, Mint

BOTH = tuple(Edition)
HELLO = ClientHello(0x0303, (0xC023,))


def line(kind: KeyKind, domain: str, name: str) -> tuple[Issued, list[Issued]]:
    """A root, and a leaf with its sub-CA as they are sent."""
    mint = Mint(AT, 3, kind)
    root = mint.issue(f"{domain} Root", "V2G" if domain == "CPO" else domain, ca=True)
    sub = mint.issue(f"{domain} Sub", domain, root, ca=True)
    leaf = mint.issue(name, domain, sub, **({"usage": CONTRACT_USAGE} if domain == "MO" else {}))  # type: ignore[arg-type]
    return root, [leaf, sub]


MO_20, CONTRACT_20 = line(KeyKind.P521, "MO", EMAID)
V2G_20, SECC_20 = line(KeyKind.P521, "CPO", "DE8AASLABSECC00000000000000000000000001")

SOUND_2 = ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2)
SOUND_20 = ValidateContract(tuple(one.der for one in CONTRACT_20), EMAID, Edition.ISO20)


@pytest.fixture
def settings(tmp_path: Path) -> Trust:
    """Roots and chains of both editions."""
    write_lab_pki(LAB, tmp_path)
    store = tmp_path / "station"
    Truststore(store / "truststore").add(Edition.ISO20, Role.MO, MO_20.pem)
    pem = b"".join(one.pem for one in SECC_20)
    Keystore(store / "keystore").install(Edition.ISO20, pem, V2G_20.pem, SECC_20[0].key_pem)
    return Trust(store / "truststore", store / "keystore", store / "staples")


@pytest.fixture
def room(settings: Trust) -> Callable[..., TrustRoom]:
    """Makes a trust room for these editions, with everything read."""

    def made(editions: Iterable[Edition] = BOTH, *, strict: bool = False, **changes: object) -> TrustRoom:
        stores = replace(settings, **changes)  # type: ignore[arg-type]
        trust = TrustRoom(stores, lambda: Wall(AT, trusted=True), editions, strict=strict)
        assert trust.refresh()
        return trust

    return made


def test_a_contract_is_judged_by_the_roots_and_rules_of_its_edition(room: Callable[..., TrustRoom]) -> None:
    trust = room()
    for question, other in ((SOUND_2, Edition.ISO20), (SOUND_20, Edition.ISO2)):
        assert isinstance(trust.validate(question), Contract)
        assert isinstance(trust.validate(replace(question, edition=other)), Verdict)


@pytest.mark.parametrize("edition", BOTH)
def test_a_root_of_one_edition_is_none_of_the_other(room: Callable[..., TrustRoom], edition: Edition) -> None:
    """Each contract is good by the rules of its own edition: what is missing is the root."""
    trust = room((edition,))
    assert [each for each in BOTH if trust.knows_contracts(each)] == [edition]
    for question in (SOUND_2, SOUND_20):
        answer = trust.validate(question)
        if question.edition is edition:
            assert isinstance(answer, Contract)
        else:
            assert isinstance(answer, Verdict)
            assert answer.decision is Decision.NO_TRUST_ANCHOR


def test_a_chain_is_shown_by_the_parameters_of_its_edition(room: Callable[..., TrustRoom]) -> None:
    """Those of ISO 15118-20 are not there yet: its chain is a problem with a name, and spoils no other."""
    trust = room()
    assert {context.profile.edition for context in trust.shown.contexts} == {Edition.ISO2}
    assert len(trust.shown.contexts) == 2
    (problem,) = trust.problems
    assert problem.endswith("TLS of edition iso20 is not served")
    assert room((Edition.ISO2,)).problems == ()


@pytest.mark.parametrize("strict", [False, True])
def test_the_strict_parameters_are_of_the_same_edition(room: Callable[..., TrustRoom], strict: bool) -> None:
    for context in room((Edition.ISO2,), strict=strict).shown.contexts:
        assert context.profile.edition is Edition.ISO2
        assert (0xC02B in context.profile.suites) is not strict


def test_what_is_wrong_with_the_keystore_is_told_once(room: Callable[..., TrustRoom], settings: Trust) -> None:
    assert settings.keystore is not None
    settings.keystore.chmod(0o775)
    (problem,) = room().problems
    assert "can be changed by others" in problem


def test_without_a_truststore_no_contract_is_judged_at_all(room: Callable[..., TrustRoom]) -> None:
    trust = room(truststore=None)
    assert not any(map(trust.knows_contracts, BOTH))
    for question in (SOUND_2, replace(SOUND_2, chain=(b"no certificate",))):
        assert trust.validate(question) == Verdict(Decision.NO_TRUST_ANCHOR, NO_TRUSTSTORE, Ground.SETTING)
    assert trust.shown.contexts


def test_without_a_keystore_there_is_no_chain(room: Callable[..., TrustRoom]) -> None:
    trust = room(keystore=None, ocsp_cache=None)
    assert trust.shown.contexts == ()
    assert trust.shown.ends is None
    assert isinstance(trust.validate(SOUND_2), Contract)


def test_without_a_place_for_staples_nothing_is_stapled(room: Callable[..., TrustRoom]) -> None:
    for staples in (False, True):
        trust = room((Edition.ISO2,), **({} if staples else {"ocsp_cache": None}))
        assert (choose(HELLO, trust.shown.contexts, AT).staples[0] is not None) is staples


def test_a_station_whose_protocols_use_no_certificates_reads_none(room: Callable[..., TrustRoom]) -> None:
    trust = room(())
    assert trust.shown.contexts == ()
    assert not any(map(trust.knows_contracts, BOTH))
    assert trust.problems == ()

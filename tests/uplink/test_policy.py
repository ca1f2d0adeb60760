"""Every row of the decision table of OCPP 2.0.1 C07, and that nothing else lets anybody charge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.errors import Outcome
from secc.session.effects import Decision, Ground, Verdict
from secc.uplink.policy import (
    AskBackend,
    Case,
    CertificateStatus,
    Entry,
    Policy,
    Reply,
    Silence,
    TokenStatus,
    decide,
    offers_contract,
    worth_remembering,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GOOD, BLOCKED = Entry(TokenStatus.ACCEPTED), Entry(TokenStatus.BLOCKED)
PNC = Policy(pnc_enabled=True)
CENTRAL = replace(PNC, central_contract_validation_allowed=True)
OFFLINE = replace(PNC, contract_validation_offline=True, local_authorize_offline=True)
UNKNOWN = replace(OFFLINE, offline_tx_for_unknown_id_enabled=True)
YES = Reply(TokenStatus.ACCEPTED, CertificateStatus.ACCEPTED)
VALID, NO_ROOT = Outcome.VALID, Outcome.NO_ROOT


def online(policy: Policy, chain: Outcome | None, **more: object) -> Case:
    return replace(Case(policy, True, NOW, chain), **more)  # type: ignore[arg-type]  # the fields of Case, by name


def offline(policy: Policy, chain: Outcome | None, **more: object) -> Case:
    return replace(Case(policy, False, NOW, chain), **more)  # type: ignore[arg-type]  # the fields of Case, by name


ROWS = [
    # name, case, what is to come out
    ("FR.01/02: online, valid: hashes are sent, no certificate", online(PNC, VALID), AskBackend("hashes")),
    (
        "FR.06: online, no root, central allowed: the chain is sent",
        online(CENTRAL, NO_ROOT),
        AskBackend("certificates"),
    ),
    ("online, no root, central not allowed", online(PNC, NO_ROOT), Decision.NO_TRUST_ANCHOR),
    ("online, expired: refused here, nobody is asked", online(CENTRAL, Outcome.EXPIRED), Decision.CERTIFICATE_EXPIRED),
    ("online, not yet valid", online(CENTRAL, Outcome.NOT_YET_VALID), Decision.CERTIFICATE_EXPIRED),
    ("online, bad chain", online(CENTRAL, Outcome.BAD_CHAIN), Decision.CHAIN_INVALID),
    ("online, revoked", online(CENTRAL, Outcome.REVOKED), Decision.CERTIFICATE_REVOKED),
    (
        "online, expired, and a reply that says yes",
        online(CENTRAL, Outcome.EXPIRED, reply=YES),
        Decision.CERTIFICATE_EXPIRED,
    ),
    (
        "online, valid, no OCSP responder named, central allowed",
        online(CENTRAL, VALID, hashes=False),
        AskBackend("certificates"),
    ),
    ("online, valid, no OCSP responder named", online(PNC, VALID, hashes=False), Decision.CHAIN_INVALID),
    (
        "online, nobody asked because of that, and a reply",
        online(PNC, VALID, hashes=False, reply=YES),
        Decision.CHAIN_INVALID,
    ),
    ("FR.13: accepted, accepted", online(PNC, VALID, reply=YES), Decision.ACCEPTED),
    (
        "certificateStatus left out, our check was good",
        online(PNC, VALID, reply=Reply(TokenStatus.ACCEPTED)),
        Decision.ACCEPTED,
    ),
    (
        "certificateStatus left out, and no root",
        online(CENTRAL, NO_ROOT, reply=Reply(TokenStatus.ACCEPTED)),
        Decision.NO_TRUST_ANCHOR,
    ),
    ("central: accepted, accepted", online(CENTRAL, NO_ROOT, reply=YES), Decision.ACCEPTED),
    ("central switched off while we asked", online(PNC, NO_ROOT, reply=YES), Decision.NO_TRUST_ANCHOR),
    (
        "FR.14: certificate good, EMAID unknown",
        online(PNC, VALID, reply=Reply(TokenStatus.UNKNOWN, CertificateStatus.CONTRACT_CANCELLED)),
        Decision.CONTRACT_CANCELLED,
    ),
    (
        "FR.15: both good, but not here",
        online(PNC, VALID, reply=Reply(TokenStatus.NOT_AT_THIS_LOCATION, CertificateStatus.ACCEPTED)),
        Decision.NOT_ALLOWED_HERE,
    ),
    (
        "both good, but charging elsewhere",
        online(PNC, VALID, reply=Reply(TokenStatus.CONCURRENT_TX, CertificateStatus.ACCEPTED)),
        Decision.REJECTED,
    ),
    (
        "FR.16: expired",
        online(PNC, VALID, reply=Reply(TokenStatus.EXPIRED, CertificateStatus.CERTIFICATE_EXPIRED)),
        Decision.CERTIFICATE_EXPIRED,
    ),
    (
        "FR.17: revoked",
        online(PNC, VALID, reply=Reply(TokenStatus.INVALID, CertificateStatus.CERTIFICATE_REVOKED)),
        Decision.CERTIFICATE_REVOKED,
    ),
    (
        "cannot be verified",
        online(PNC, VALID, reply=Reply(TokenStatus.INVALID, CertificateStatus.CERT_CHAIN_ERROR)),
        Decision.CHAIN_INVALID,
    ),
    (
        "a yes for the EMAID does not outweigh a no for the certificate",
        online(PNC, VALID, reply=Reply(TokenStatus.ACCEPTED, CertificateStatus.SIGNATURE_ERROR)),
        Decision.CHAIN_INVALID,
    ),
    ("online, no reply in time", online(OFFLINE, VALID, reply=Silence(), listed=GOOD), Decision.NO_ANSWER),
    (
        "online, no reply in time, policy lets lists decide",
        online(replace(OFFLINE, offline_when_silent=True), VALID, reply=Silence(), listed=GOOD),
        Decision.ACCEPTED,
    ),
    (
        "online, no reply in time, policy lets lists decide, unlisted",
        online(replace(OFFLINE, offline_when_silent=True), VALID, reply=Silence()),
        Decision.REJECTED,
    ),
    ("FR.07: offline, ContractValidationOffline false", offline(PNC, VALID, listed=GOOD), Decision.REJECTED),
    ("FR.08: offline, no root", offline(UNKNOWN, NO_ROOT, listed=GOOD), Decision.NO_TRUST_ANCHOR),
    ("FR.08: offline, expired", offline(UNKNOWN, Outcome.EXPIRED, listed=GOOD), Decision.CERTIFICATE_EXPIRED),
    ("FR.08: offline, bad chain", offline(UNKNOWN, Outcome.BAD_CHAIN, listed=GOOD), Decision.CHAIN_INVALID),
    (
        "offline, valid, LocalAuthorizeOffline false",
        offline(replace(UNKNOWN, local_authorize_offline=False), VALID, listed=GOOD),
        Decision.REJECTED,
    ),
    ("FR.10: offline, on the list", offline(OFFLINE, VALID, listed=GOOD), Decision.ACCEPTED),
    ("FR.10: offline, blocked by the list", offline(UNKNOWN, VALID, listed=BLOCKED), Decision.REJECTED),
    ("FR.10: the list goes before the cache", offline(UNKNOWN, VALID, listed=BLOCKED, cached=GOOD), Decision.REJECTED),
    (
        "FR.10: the list goes before the cache, for good too",
        offline(OFFLINE, VALID, listed=GOOD, cached=BLOCKED),
        Decision.ACCEPTED,
    ),
    (
        "FR.10: the entry has ended",
        offline(UNKNOWN, VALID, listed=Entry(TokenStatus.ACCEPTED, NOW), cached=GOOD),
        Decision.REJECTED,
    ),
    (
        "FR.10: the entry has ended, but the list knows no ends",
        offline(replace(OFFLINE, supports_expiry_date_time=False), VALID, listed=Entry(TokenStatus.ACCEPTED, NOW)),
        Decision.ACCEPTED,
    ),
    ("FR.11: offline, in the cache", offline(OFFLINE, VALID, cached=GOOD), Decision.ACCEPTED),
    ("FR.11: failed before", offline(UNKNOWN, VALID, cached=Entry(TokenStatus.INVALID)), Decision.REJECTED),
    (
        "FR.11: the cache's entry has ended",
        offline(OFFLINE, VALID, cached=Entry(TokenStatus.ACCEPTED, NOW - timedelta(seconds=1))),
        Decision.REJECTED,
    ),
    (
        "a refusal in the cache does not turn into nothing when it ends",
        offline(UNKNOWN, VALID, cached=Entry(TokenStatus.INVALID, NOW - timedelta(days=1))),
        Decision.REJECTED,
    ),
    ("FR.12: offline, unknown, allowed", offline(UNKNOWN, VALID), Decision.ACCEPTED),
    ("offline, unknown, not allowed", offline(OFFLINE, VALID), Decision.REJECTED),
    (
        "offline, listed for another place",
        offline(OFFLINE, VALID, listed=Entry(TokenStatus.NOT_AT_THIS_LOCATION)),
        Decision.NOT_ALLOWED_HERE,
    ),
    ("PnCEnabled false, online", online(replace(CENTRAL, pnc_enabled=False), VALID, reply=YES), Decision.REJECTED),
    ("PnCEnabled false, offline", offline(replace(UNKNOWN, pnc_enabled=False), VALID, listed=GOOD), Decision.REJECTED),
    (
        "a listed contract is asked about all the same",
        online(replace(PNC, local_pre_authorize=True), VALID, listed=GOOD),
        AskBackend("hashes"),
    ),
    (
        "DisableRemoteAuthorization: lists alone",
        online(replace(CENTRAL, disable_remote_authorization=True), VALID, listed=GOOD),
        Decision.ACCEPTED,
    ),
    (
        "DisableRemoteAuthorization: unlisted",
        online(replace(UNKNOWN, disable_remote_authorization=True), VALID),
        Decision.REJECTED,
    ),
    (
        "DisableRemoteAuthorization: no root",
        online(replace(CENTRAL, disable_remote_authorization=True), NO_ROOT, listed=GOOD),
        Decision.NO_TRUST_ANCHOR,
    ),
    ("a card, online", online(PNC, None), AskBackend("none")),
    ("a card, online, accepted", online(Policy(), None, reply=Reply(TokenStatus.ACCEPTED)), Decision.ACCEPTED),
    (
        "a card, online, blocked",
        online(Policy(), None, reply=Reply(TokenStatus.BLOCKED), listed=GOOD),
        Decision.REJECTED,
    ),
    (
        "a listed card may start before the backend has answered",
        online(Policy(local_pre_authorize=True), None, listed=GOOD),
        Decision.ACCEPTED,
    ),
    (
        "but the backend's word counts",
        online(Policy(local_pre_authorize=True), None, listed=GOOD, reply=Reply(TokenStatus.EXPIRED)),
        Decision.REJECTED,
    ),
    ("a card, offline, listed", offline(Policy(local_authorize_offline=True), None, listed=GOOD), Decision.ACCEPTED),
    ("a card, offline, unlisted", offline(Policy(local_authorize_offline=True), None), Decision.REJECTED),
    ("a card, offline, lists do not count", offline(Policy(), None, listed=GOOD), Decision.REJECTED),
]


@pytest.mark.parametrize(("case", "wanted"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_row(case: Case, wanted: Decision | AskBackend) -> None:
    answer = decide(case)
    assert (answer.decision if isinstance(answer, Verdict) else answer) == wanted


@pytest.mark.parametrize("status", [status for status in CertificateStatus if status is not CertificateStatus.ACCEPTED])
@pytest.mark.parametrize("chain", [VALID, NO_ROOT])
def test_only_an_accepted_certificate_charges(status: CertificateStatus, chain: Outcome) -> None:
    answer = decide(online(CENTRAL, chain, reply=Reply(TokenStatus.ACCEPTED, status)))
    assert isinstance(answer, Verdict) and not answer.accepted


@pytest.mark.parametrize("status", [status for status in TokenStatus if status is not TokenStatus.ACCEPTED])
def test_only_an_accepted_identity_charges(status: TokenStatus) -> None:
    for case in (
        online(CENTRAL, VALID, reply=Reply(status, CertificateStatus.ACCEPTED)),
        offline(UNKNOWN, VALID, listed=Entry(status)),
        offline(UNKNOWN, VALID, cached=Entry(status)),
    ):
        answer = decide(case)
        assert isinstance(answer, Verdict) and not answer.accepted


entries = st.none() | st.builds(
    Entry, st.sampled_from(TokenStatus), st.none() | st.sampled_from([NOW, NOW + timedelta(days=1)])
)
replies = st.one_of(
    st.none(),
    st.just(Silence()),
    st.builds(Reply, st.sampled_from(TokenStatus), st.none() | st.sampled_from(CertificateStatus)),
)
# Half of the draws are what a good day looks like, so that acceptance is reached often enough to be judged.
often_good = st.one_of(st.just(GOOD), entries)
cases = st.builds(
    Case,
    policy=st.builds(Policy, *[st.booleans()] * 9),
    online=st.booleans(),
    now=st.just(NOW),
    chain=st.one_of(st.just(VALID), st.none(), st.sampled_from(Outcome)),
    hashes=st.booleans(),
    listed=st.one_of(st.none(), often_good),
    cached=st.one_of(st.none(), often_good),
    reply=st.one_of(st.just(YES), replies),
)


def may_charge(case: Case) -> bool:
    """The accepting cells of the table, written the other way round: from the yes."""
    policy, chain, reply = case.policy, case.chain, case.reply
    contract = chain is not None
    if contract and not policy.pnc_enabled:
        return False
    listed = case.listed or case.cached
    honours = policy.supports_expiry_date_time or case.listed is None
    ended = listed is not None and listed.expires is not None and listed.expires <= NOW and honours
    by_list = listed is not None and listed.status is TokenStatus.ACCEPTED and not ended
    by_lists_offline = (
        (not contract or (policy.contract_validation_offline and chain is VALID))
        and policy.local_authorize_offline
        and (by_list or (listed is None and policy.offline_tx_for_unknown_id_enabled))
    )
    if not case.online:
        return by_lists_offline
    if policy.disable_remote_authorization:
        return chain in (None, VALID) and by_list
    if not contract and reply is None:
        return policy.local_pre_authorize and by_list
    asked_hashes = chain is VALID and case.hashes
    asked_certificates = contract and chain in (VALID, NO_ROOT) and policy.central_contract_validation_allowed
    if contract and not (asked_hashes or asked_certificates):
        return False
    if isinstance(reply, Silence):
        return policy.offline_when_silent and by_lists_offline
    if reply is None or reply.token is not TokenStatus.ACCEPTED:
        return False
    certificate_good = reply.certificate is CertificateStatus.ACCEPTED or (reply.certificate is None and chain is VALID)
    return not contract or certificate_good


@settings(max_examples=500, deadline=None)
@given(cases)
def test_nothing_but_the_accepting_cells_lets_anybody_charge(case: Case) -> None:
    answer = decide(case)
    assert (isinstance(answer, Verdict) and answer.accepted) == may_charge(case)


@settings(max_examples=100, deadline=None)
@given(cases)
def test_nothing_is_accepted_by_a_policy_that_allows_nothing_offline(case: Case) -> None:
    answer = decide(replace(case, policy=Policy(), online=False))
    assert isinstance(answer, Verdict) and not answer.accepted


@settings(max_examples=100, deadline=None)
@given(cases)
def test_who_was_asked_is_not_asked_again(case: Case) -> None:
    if case.reply is not None and case.online:
        answer = decide(case)
        assert isinstance(answer, Verdict) or answer == decide(replace(case, reply=None))
        if isinstance(answer, AskBackend):
            raise AssertionError("a reply settles it")


@settings(max_examples=100, deadline=None)
@given(cases)
def test_contract_is_not_offered_where_every_contract_would_be_refused(case: Case) -> None:
    offered = offers_contract(case.policy, online=case.online, tls=True, certificate_valid=True, identified=False)
    if case.chain is not None and may_charge(case):
        assert offered


@pytest.mark.parametrize(
    ("policy", "is_online", "wanted"),
    [
        (PNC, True, True),
        (Policy(), True, False),
        (PNC, False, False),
        (OFFLINE, False, True),
        (replace(OFFLINE, contract_validation_offline=False), False, False),
        (replace(UNKNOWN, local_authorize_offline=False), False, False),
    ],
)
def test_offer(policy: Policy, is_online: bool, wanted: bool) -> None:
    def offer(*, tls: bool = True, certificate_valid: bool = True, identified: bool = False) -> bool:
        return offers_contract(
            policy, online=is_online, tls=tls, certificate_valid=certificate_valid, identified=identified
        )

    assert offer() is wanted
    assert not offer(tls=False) and not offer(certificate_valid=False) and not offer(identified=True)


@pytest.mark.case("A-PNC-17")
@pytest.mark.parametrize("token", TokenStatus)
@pytest.mark.parametrize("certificate", [None, *CertificateStatus])
def test_only_the_backends_own_word_about_a_contract_is_remembered(
    token: TokenStatus, certificate: CertificateStatus | None
) -> None:
    """Not that another transaction runs, that it is the wrong place or time, or what a backend thinks of a chain of which it saw hashes."""
    verdict = decide(online(PNC, VALID, reply=Reply(token, certificate)))
    assert isinstance(verdict, Verdict)
    about_the_chain = (
        CertificateStatus.SIGNATURE_ERROR,
        CertificateStatus.CERTIFICATE_EXPIRED,
        CertificateStatus.NO_CERTIFICATE_AVAILABLE,
        CertificateStatus.CERT_CHAIN_ERROR,
    )
    about_the_contract = (
        TokenStatus.BLOCKED,
        TokenStatus.EXPIRED,
        TokenStatus.INVALID,
        TokenStatus.NO_CREDIT,
        TokenStatus.UNKNOWN,
    )
    if certificate in (CertificateStatus.CERTIFICATE_REVOKED, CertificateStatus.CONTRACT_CANCELLED):
        wanted = True
    else:
        wanted = certificate not in about_the_chain and token in about_the_contract
    assert worth_remembering(verdict) is wanted, verdict


STRANGER = offline(OFFLINE, VALID)
WHY = [
    ("online, accepted", online(PNC, VALID, reply=YES), Ground.BACKEND),
    ("on no list", STRANGER, Ground.UNLISTED),
    ("on no list, and that is allowed", offline(UNKNOWN, VALID), Ground.UNLISTED),
    ("on the allowlist", replace(STRANGER, listed=GOOD), Ground.ALLOWLIST),
    (
        "on the allowlist until yesterday",
        replace(STRANGER, listed=Entry(TokenStatus.ACCEPTED, NOW - timedelta(1))),
        Ground.ALLOWLIST,
    ),
    ("on the denylist", replace(STRANGER, listed=BLOCKED), Ground.DENYLIST),
    ("remembered", replace(STRANGER, cached=Entry(TokenStatus.INVALID)), Ground.MEMORY),
    ("PnCEnabled is false", offline(replace(OFFLINE, pnc_enabled=False), VALID), Ground.SETTING),
    ("ContractValidationOffline is false", offline(PNC, VALID), Ground.SETTING),
    (
        "LocalAuthorizeOffline is false",
        offline(replace(OFFLINE, local_authorize_offline=False), VALID),
        Ground.SETTING,
    ),
    ("a flawed chain", offline(OFFLINE, Outcome.REVOKED), Ground.CHAIN),
    ("no root", offline(OFFLINE, NO_ROOT), Ground.CHAIN),
    ("silence", online(PNC, VALID, reply=Silence()), Ground.SILENCE),
]


@pytest.mark.parametrize(("name", "case", "ground"), WHY, ids=[name for name, _, _ in WHY])
def test_a_decision_says_why_and_the_station_remembers_nothing_of_its_own(
    name: str, case: Case, ground: Ground
) -> None:
    verdict = decide(case)
    assert isinstance(verdict, Verdict)
    assert verdict.ground is ground
    assert not worth_remembering(verdict)

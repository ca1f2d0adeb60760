"""TLS contexts: which chain a car gets, stapling, what contexts refuse, keys that sign elsewhere, and the car's own judgement."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from secc.link.tls.chain import ISO15118_2_STRICT, Chain, ChainChoice, encode_trusted_ca_keys, root_named
from secc.link.tls.connection import accept, connect
from secc.link.tls.context import ClientContext, ServerContext, choose
from secc.link.tls.errors import Alert, ContextRejected, HandshakeFailed, TlsFlaw
from secc.link.tls.hello import IdentifierType, TrustedAuthority, peek
from secc.link.tls.key import DelegatedKey, PemKey
from tests.link.tls.chains import pki
from tests.link.tls.hello import C02B, C023, C025, client_hello, numbers
from tests.link.tls.talk import greet, settle, shake, trusting

A, B = pki("A"), pki("B")
BOTH = (ServerContext(A.chain, A.key), ServerContext(B.chain, B.key))
STRICT = (ServerContext(A.chain, A.key, ISO15118_2_STRICT), ServerContext(B.chain, B.key, ISO15118_2_STRICT))


def naming(*authorities: TrustedAuthority) -> bytes:
    return client_hello(extensions={3: encode_trusted_ca_keys(authorities)})


def key_hash(root: bytes) -> TrustedAuthority:
    public = x509.load_der_x509_certificate(root).public_key()
    return TrustedAuthority(IdentifierType.KEY_SHA1_HASH, x509.SubjectKeyIdentifier.from_public_key(public).digest)


def name_of(root: bytes) -> TrustedAuthority:
    return TrustedAuthority(IdentifierType.X509_NAME, Certificate.load(root).subject.dump())


PRE_AGREED = TrustedAuthority(IdentifierType.PRE_AGREED, b"")
UNKNOWN = TrustedAuthority(IdentifierType.CERT_SHA1_HASH, bytes(20))


@pytest.mark.case("Q-20", "Q-21", "Q-26")
@pytest.mark.parametrize(
    ("hello", "name", "why"),
    [
        pytest.param(naming(root_named(B.root)), "B", ChainChoice.NAMED, marks=pytest.mark.case("TLS-05")),
        (naming(root_named(A.root)), "A", ChainChoice.NAMED),
        (naming(key_hash(B.root)), "B", ChainChoice.NAMED),
        (naming(name_of(B.root)), "B", ChainChoice.NAMED),
        (naming(UNKNOWN, root_named(B.root)), "B", ChainChoice.NAMED),
        (naming(PRE_AGREED, root_named(B.root)), "B", ChainChoice.NAMED),
        # Of several that would do, our own order decides.
        (naming(root_named(B.root), root_named(A.root)), "A", ChainChoice.NAMED),
        pytest.param(naming(UNKNOWN), "A", ChainChoice.NOT_NAMED, marks=pytest.mark.case("TLS-07")),
        (naming(PRE_AGREED), "A", ChainChoice.NOT_ASKED),
        (naming(), "A", ChainChoice.NOT_ASKED),
        (client_hello(), "A", ChainChoice.NOT_ASKED),
        pytest.param(
            client_hello(extensions={3: root_named(B.root).octets}),
            "B",
            ChainChoice.NAMED,
            marks=pytest.mark.case("TLS-06"),
        ),
        (client_hello(extensions={3: key_hash(B.root).octets}), "B", ChainChoice.NAMED),
        (client_hello(extensions={3: b"\x01" + key_hash(B.root).octets}), "B", ChainChoice.NAMED),
        (client_hello(extensions={3: b"\xff\xff\xff"}), "A", ChainChoice.NOT_ASKED),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_the_chain_under_a_root_that_the_car_names(hello: bytes, name: str, why: ChainChoice) -> None:
    read = peek(hello)
    assert read is not None
    choice = choose(read, BOTH)
    assert (choice.context.chain.name, choice.why) == (name, why)


@pytest.mark.case("Q-21", "Q-26")
@pytest.mark.parametrize(
    ("hello", "name"),
    [
        (naming(key_hash(B.root)), "B"),
        (naming(root_named(B.root)), "B"),
        (naming(name_of(B.root)), "B"),
        (naming(PRE_AGREED, root_named(B.root)), "B"),
        (naming(UNKNOWN), "A"),
        (client_hello(), "A"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_what_the_standard_has_for_naming_roots_is_the_same_with_strict(hello: bytes, name: str) -> None:
    read = peek(hello, strict=True)
    assert read is not None
    assert choose(read, STRICT).context.chain.name == name


def test_without_a_context_no_chain_is_chosen() -> None:
    read = peek(client_hello())
    assert read is not None
    with pytest.raises(ContextRejected):
        choose(read, ())


def test_the_first_edition_with_which_a_handshake_can_succeed() -> None:
    strict = ServerContext(A.chain, A.key, ISO15118_2_STRICT)
    for suites, wanted in (((C023,), strict), ((C02B,), BOTH[1]), ((C025,), strict)):
        read = peek(client_hello(suites=suites))
        assert read is not None
        assert choose(read, (strict, BOTH[1])).context is wanted


@pytest.mark.case("TLS-05", "TLS-09")
def test_a_car_sees_the_chain_that_it_named_and_the_staple() -> None:
    for site in (A, B):
        station, car = shake(BOTH, ClientContext(trusting(site.root), [root_named(site.root)]))
        assert station.info is not None
        assert car.info is not None
        assert station.info.version == car.info.version == "TLSv1.2"
        assert station.info.suite == car.info.suite == "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
        assert (station.info.chain, station.info.choice) == (site.name, ChainChoice.NAMED)
        assert station.info.stapled
        assert station.report.hello is not None
        assert station.report.hello.trusted_ca_keys == (root_named(site.root),)
        assert station.report.hello.status_asked == ("status_request",)
        assert car.info.presented == site.certificates
        assert car.info.staple == site.staples[0]


def test_a_car_that_knows_none_of_our_roots_says_so() -> None:
    stranger = pki("stranger")
    with pytest.raises(HandshakeFailed) as caught:
        shake(BOTH, ClientContext(trusting(stranger.root), [root_named(stranger.root)]))
    assert caught.value.answer == Alert.UNKNOWN_CA.record()
    car = connect(ClientContext(trusting(stranger.root)))
    hello = car.drain()
    station = greet(hello, BOTH)
    with pytest.raises(HandshakeFailed) as caught:
        settle(station, car, hello)
    alert = caught.value.answer
    with pytest.raises(HandshakeFailed, match=r"by the alert unknown_ca, after our ServerHello, .*; chain A") as told:
        station.receive(alert)
    assert told.value.flaw is TlsFlaw.UNKNOWN_CA


def extensions_of_server_hello(octets: bytes) -> dict[int, bytes]:
    """Out of the first record of our answer."""
    assert octets[0] == 0x16
    assert octets[5] == 2
    body = octets[9:]
    at = 34 + 1 + body[34] + 3
    end = at + 2 + int.from_bytes(body[at : at + 2])
    at += 2
    found = {}
    while at < end:
        kind, length = int.from_bytes(body[at : at + 2]), int.from_bytes(body[at + 2 : at + 4])
        found[kind] = body[at + 4 : at + 4 + length]
        at += 4 + length
    return found


@pytest.mark.parametrize(
    ("hello", "echoed"),
    [
        (naming(root_named(B.root)), True),
        (naming(UNKNOWN), False),
        (client_hello(), False),
        (client_hello(extensions={3: root_named(B.root).octets}), True),
        (client_hello(extensions={3: b"\xff"}), False),
    ],
    ids=["named", "unknown", "not sent", "bare hash", "unreadable"],
)
def test_trusted_ca_keys_that_was_heeded_is_acknowledged(hello: bytes, echoed: bool) -> None:
    station = greet(hello, BOTH)
    station.receive(hello)
    found = extensions_of_server_hello(station.drain())
    assert (found.get(3) == b"") is echoed
    assert not {4, 5, 17} & found.keys() - {5}


@pytest.mark.parametrize(
    ("asked", "stapled", "names"),
    [
        pytest.param({5: bytes.fromhex("0100000000")}, True, ("status_request",), marks=pytest.mark.case("TLS-09")),
        pytest.param(
            {5: bytes.fromhex("0100000000"), 17: bytes.fromhex("00070200040000 0000")},
            True,
            ("status_request", "status_request_v2"),
            marks=pytest.mark.case("TLS-08"),
        ),
        pytest.param(
            {17: bytes.fromhex("0007020004000000 00")},
            False,
            ("status_request_v2",),
            marks=pytest.mark.case("TLS-08"),
        ),
        ({}, False, ()),
    ],
)
def test_version_1_is_stapled_and_version_2_alone_goes_without(
    asked: dict[int, bytes], stapled: bool, names: tuple[str, ...]
) -> None:
    hello = client_hello(extensions=asked)
    station = greet(hello, BOTH)
    station.receive(hello)
    answer = station.drain()
    assert (A.staples[0] in answer) is stapled
    assert station.report.hello is not None
    assert station.report.hello.status_asked == names
    assert station._agreed().stapled is stapled


def test_a_staple_that_has_ended_since_the_context_was_made_is_not_sent() -> None:
    """A-TLS-08: contexts are made hourly, responses end when they end. A wrong answer to the car is worse than none."""
    ends = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    context = ServerContext(Chain("A", A.certificates, (A.root,), A.staples, [ends]), A.key)
    hello = client_hello(extensions={5: b"\x01\x00\x00\x00\x00"})
    read = peek(hello)
    assert read is not None
    for at, sent in ((ends, True), (ends + timedelta(seconds=1), False), (None, False)):
        station = accept(choose(read, (context,), at=at), read)
        station.receive(hello)
        assert (A.staples[0] in station.drain()) is sent
        assert station._agreed().stapled is sent


def test_a_chain_without_a_staple_goes_without() -> None:
    bare = ServerContext(Chain("bare", A.certificates, (A.root,), (None, A.staples[1])), A.key)
    station, car = shake((bare,), ClientContext(trusting(A.root), [root_named(A.root)]))
    assert station.info is not None
    assert car.info is not None
    assert not station.info.stapled
    assert car.info.staple is None


@pytest.mark.parametrize(
    ("hello", "alert", "flaw", "text"),
    [
        (
            client_hello(suites=(C025,)),
            40,
            TlsFlaw.NO_COMMON_SUITE,
            "the car offers TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256, the station TLS_ECDHE_",
        ),
        pytest.param(
            client_hello(suites=(0xC00A, 0x002F)),
            40,
            TlsFlaw.NO_COMMON_SUITE,
            "the car offers 0xC00A, 0x002F",
            marks=pytest.mark.case("TLS-02"),
        ),
        # libssl calls this one "no shared cipher", beside a list that holds ours.
        (
            client_hello(groups=(24, 29)),
            40,
            TlsFlaw.NO_COMMON_GROUP,
            "^no common group: the car offers secp384r1, x25519, the station secp256r1$",
        ),
        (
            client_hello(algorithms=(0x0401, 0x0603)),
            40,
            TlsFlaw.NO_COMMON_SIGNATURE_ALGORITHM,
            "the car offers rsa_pkcs1_sha256, ecdsa_secp521r1_sha512, the station ecdsa_secp256r1_sha256",
        ),
        pytest.param(
            client_hello(version=0x0302),
            70,
            TlsFlaw.NO_COMMON_VERSION,
            "the car offers TLS 1.1, the station TLS 1.2",
            marks=pytest.mark.case("TLS-03"),
        ),
        (
            client_hello(extensions={43: numbers((0x0304,), 1)}),
            70,
            TlsFlaw.NO_COMMON_VERSION,
            "the car offers TLS 1.3, the station TLS 1.2",
        ),
        (
            client_hello(suites=(0x1302,), groups=(25,), extensions={43: numbers((0x0304,), 1)}),
            70,
            TlsFlaw.NO_COMMON_VERSION,
            "no common version: .*; no common suite: .*; no common group: ",
        ),
    ],
    ids=["static ECDH", "no suite", "no group", "no signature", "TLS 1.1", "TLS 1.3 only", "an ISO 15118-20 car"],
)
def test_a_foreign_hello_gets_an_alert_and_the_next_car_is_served(
    hello: bytes, alert: int, flaw: TlsFlaw, text: str
) -> None:
    station = greet(hello, BOTH)
    with pytest.raises(HandshakeFailed, match=text) as caught:
        station.receive(hello)
    assert caught.value.flaw is flaw
    assert caught.value.answer[0] == 0x15
    assert caught.value.answer[5:] == bytes((2, alert))
    assert station.closed
    station, _ = shake(BOTH, ClientContext(trusting(A.root)))
    assert station.established


def test_both_suites_are_served_ours_first() -> None:
    for suites, chosen in (((C02B, C023), C023), ((C02B,), C02B), ((C025, C023), C023)):
        hello = client_hello(suites=suites)
        station = greet(hello, BOTH)
        station.receive(hello)
        answer = station.drain()
        assert int.from_bytes(answer[44 + answer[43] : 46 + answer[43]]) == chosen


def test_keylog_lines_are_given_only_when_asked_for() -> None:
    ours: list[str] = []
    theirs: list[str] = []
    context = ServerContext(A.chain, A.key, keylog=ours.append)
    shake((context,), ClientContext(trusting(A.root), keylog=theirs.append))
    assert ours == theirs
    assert [line.split()[0] for line in ours] == ["CLIENT_RANDOM"]
    shake(BOTH, ClientContext(trusting(A.root)))
    assert len(ours) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServerContext(A.chain, B.key),
        lambda: ServerContext(A.chain, PemKey(b"no key")),
        lambda: Chain("empty", (), (A.root,)),
        lambda: Chain("surplus", A.certificates, (A.root,), (None,) * 4),
        lambda: Chain("garbage", A.certificates, (b"\x30\x03abc",)),
        lambda: ServerContext(Chain("garbage", (b"\x30\x00",), (A.root,)), A.key),
        lambda: ServerContext(Chain("garbage", (b"\x30\x00",), (A.root,)), DelegatedKey(bytes)),
    ],
)
def test_what_does_not_fit_together_makes_no_context(make: object) -> None:
    with pytest.raises(ContextRejected):
        make()  # type: ignore[operator]  # a list of lambdas has no better type


def test_a_key_of_another_kind_makes_no_handshake() -> None:
    """P-384 is in no -2 profile: refused when the context is made, or at the latest in the handshake, never served."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(x509.load_der_x509_certificate(A.root).not_valid_before_utc)
        .not_valid_after(x509.load_der_x509_certificate(A.root).not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    pem = PemKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ServerContext(Chain("P-384", (certificate.public_bytes(Encoding.DER),), ()), pem)
    with pytest.raises(HandshakeFailed):
        shake((context,), ClientContext(lambda chain: None))


def test_what_a_verifier_raises_comes_out_of_the_step_and_trusts_nothing() -> None:
    def verify(chain: tuple[bytes, ...]) -> Alert | None:
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        shake(BOTH, ClientContext(verify))


@pytest.mark.parametrize(
    "alert",
    [
        Alert.UNKNOWN_CA,
        Alert.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_REVOKED,
        Alert.UNSUPPORTED_CERTIFICATE,
        Alert.BAD_CERTIFICATE,
    ],
)
def test_the_verifier_chooses_the_alert(alert: Alert) -> None:
    with pytest.raises(HandshakeFailed) as caught:
        shake(BOTH, ClientContext(lambda chain: alert))
    assert caught.value.answer == alert.record()


def test_roots_are_hashed_as_the_rfc_says() -> None:
    assert root_named(A.root).octets == hashlib.sha1(A.root).digest()
    assert A.chain.satisfies(key_hash(A.root))
    assert not A.chain.satisfies(key_hash(B.root))
    assert not A.chain.satisfies(PRE_AGREED)


@pytest.mark.case("Q-23")
@pytest.mark.parametrize("strict", [False, True])
def test_no_certificate_is_asked_of_the_car(strict: bool) -> None:
    """The first flight of a TLS 1.2 server is in the clear: no CertificateRequest (type 13) in it."""
    hello = client_hello()
    station = greet(hello, STRICT if strict else BOTH)
    station.receive(hello)
    flight, messages = station.drain(), b""
    while flight:
        length = int.from_bytes(flight[3:5])
        assert flight[0] == 22
        messages, flight = messages + flight[5 : 5 + length], flight[5 + length :]
    kinds = []
    while messages:
        kinds.append(messages[0])
        messages = messages[4 + int.from_bytes(messages[1:4]) :]
    assert kinds[:2] == [2, 11]
    assert kinds[-1] == 14, "ServerHelloDone"
    assert 13 not in kinds

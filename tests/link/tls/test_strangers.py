"""Clients that we did not write: openssl s_client over loopback TCP, Python's ssl in memory."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secc.errors import FramingError
from secc.link.connection import Connection, Serving, serve
from secc.link.tls.chain import ISO15118_2_STRICT, ChainChoice
from secc.link.tls.context import ServerContext
from secc.link.tls.errors import HandshakeFailed, TlsError, TlsFlaw
from secc.link.v2gtp import PayloadType, frame
from tests.link.tls.chains import Pki, pki
from tests.link.tls.talk import greet

A, B = pki("A"), pki("B")
CONTEXTS = (ServerContext(A.chain, A.key), ServerContext(B.chain, B.key))
MESSAGE = frame(PayloadType.EXI, bytes.fromhex("8000DBAB93"))
SECONDS = 10.0
HUNG_UP = {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}
"""What a socket says when the client has closed it already."""

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to play the client")


@dataclass
class Visit:
    """What the station and the client saw of each other."""

    connection: Connection
    error: FramingError | None = None
    frames: list[bytes] = field(default_factory=list)
    output: str = ""


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener


def visit(listener: socket.socket, serving: Serving, options: Sequence[str], said: bytes = MESSAGE) -> Visit:
    """One run of s_client against one connection of ours, which sends every frame back and closes after the first."""
    port = listener.getsockname()[1]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        try:
            assert client.stdin is not None
            client.stdin.write(said)
            client.stdin.flush()
            peer, _ = listener.accept()
            found = Visit(serve(serving, 0.0))
            with peer:
                peer.settimeout(SECONDS)
                pump(peer, found)
            output, _ = client.communicate(timeout=SECONDS)
            found.output = output.decode(errors="replace")
            return found
        finally:
            client.kill()


def pump(peer: socket.socket, found: Visit) -> None:
    connection = found.connection
    while not found.frames and (octets := peer.recv(4096)):
        try:
            for received in connection.feed(octets, 0.0):
                found.frames.append(received.payload)
                connection.send(received.payload_type, received.payload)
        except FramingError as error:
            found.error = error
        peer.sendall(connection.outgoing())
        if found.error is not None:
            break
    peer.sendall(connection.close())
    # A socket closed with octets unread resets the connection, and the last alert with it. A client may do just that.
    try:
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass
    except OSError as error:
        if error.errno not in HUNG_UP:
            raise


@pytest.fixture
def root_files(tmp_path: Path) -> dict[str, str]:
    for site in (A, B):
        (tmp_path / f"{site.name}.pem").write_bytes(site.root_pem)
    return {site.name: str(tmp_path / f"{site.name}.pem") for site in (A, B)}


def pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


@needs_openssl
@pytest.mark.case("TLS-01", "TLS-09")
@pytest.mark.parametrize("site", [A, B], ids=["A", "B"])
def test_s_client_sees_chain_suite_and_staple(site: Pki, root_files: dict[str, str]) -> None:
    preferred = tuple(sorted(CONTEXTS, key=lambda context: context.chain.name != site.name))
    trust = ["-CAfile", root_files[site.name], "-verify_return_error"]
    with listening() as listener:
        found = visit(
            listener,
            Serving(preferred),
            ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256", "-status", "-showcerts", "-nocommands", *trust],
        )
    assert found.error is None
    assert found.frames == [MESSAGE[8:]]
    assert "Verify return code: 0 (ok)" in found.output
    assert "ECDHE-ECDSA-AES128-SHA256" in found.output
    assert "OCSP Response Status: successful" in found.output
    assert "Cert Status: good" in found.output
    presented = "".join(
        piece.split("-----END")[0] for piece in found.output.split("-----BEGIN CERTIFICATE-----")[1:4]
    ).split()
    expected = "".join(
        pem(der).removeprefix("-----BEGIN CERTIFICATE-----").split("-----END")[0] for der in site.certificates
    ).split()
    assert presented == expected
    assert pem(site.root) not in found.output
    info = found.connection.handshaken
    assert info is not None
    assert (info.chain, info.choice, info.stapled) == (site.name, ChainChoice.NOT_ASKED, True)


@needs_openssl
def test_s_client_that_does_not_ask_gets_no_staple(root_files: dict[str, str]) -> None:
    with listening() as listener:
        found = visit(listener, Serving(CONTEXTS), ["-CAfile", root_files["A"], "-nocommands"])
    assert found.frames == [MESSAGE[8:]]
    assert "Verify return code: 0 (ok)" in found.output
    # Its default hello speaks 1.3 as well; a server that marks its random as downgraded would be left.
    assert "New, TLSv1.2" in found.output
    assert found.connection.handshaken is not None
    assert not found.connection.handshaken.stapled


@needs_openssl
@pytest.mark.case("A-TLS-01")
@pytest.mark.parametrize(
    ("options", "alert"),
    [
        (["-groups", "P-384"], "alert number 40"),
        (["-sigalgs", "ECDSA+SHA512", "-tls1_2"], "alert number 40"),
        pytest.param(
            ["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "-tls1_2"],
            "alert number 40",
            marks=pytest.mark.case("TLS-02"),
        ),
        (["-tls1_3"], "alert number 70"),
        pytest.param(["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert number 70", marks=pytest.mark.case("TLS-03")),
    ],
    ids=["group", "signature", "suite", "1.3 only", "1.1 only"],
)
def test_s_client_of_a_foreign_kind_gets_an_alert_and_the_next_is_served(
    options: list[str], alert: str, root_files: dict[str, str]
) -> None:
    with listening() as listener:
        found = visit(listener, Serving(CONTEXTS), options)
        assert isinstance(found.error, HandshakeFailed)
        assert found.frames == []
        # s_client words it "SSL alert number 70", whatever name it gives the alert.
        assert alert in found.output
        found = visit(listener, Serving(CONTEXTS), ["-CAfile", root_files["A"], "-nocommands"])
        assert found.frames == [MESSAGE[8:]]


@needs_openssl
@pytest.mark.case("TLS-22", "A-TLS-05")
def test_s_client_may_not_renegotiate() -> None:
    with listening() as listener:
        found = visit(listener, Serving(CONTEXTS), ["-tls1_2", "-legacy_renegotiation"], said=b"R\n")
    assert found.frames == []
    assert "RENEGOTIATING" in found.output
    assert "no renegotiation" in found.output
    assert found.connection.handshaken is not None


@needs_openssl
def test_s_client_with_small_fragments_gets_small_records(root_files: dict[str, str]) -> None:
    with listening() as listener:
        found = visit(
            listener, Serving(CONTEXTS), ["-tls1_2", "-maxfraglen", "512", "-CAfile", root_files["A"], "-nocommands"]
        )
    assert found.frames == [MESSAGE[8:]]
    assert "Verify return code: 0 (ok)" in found.output


@needs_openssl
@pytest.mark.case("TLS-06", "Q-20")
def test_s_client_with_an_empty_trusted_ca_keys_is_tolerated() -> None:
    with listening() as listener:
        found = visit(listener, Serving(CONTEXTS), ["-tls1_2", "-serverinfo", "3", "-nocommands"])
    assert found.frames == [MESSAGE[8:]]
    assert found.connection.handshaken is not None
    assert found.connection.handshaken.quirks == ("Q-20",)


def python_client(site: Pki, suites: str, keylog: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=site.root_pem.decode())
    context.set_ciphers(suites)
    if keylog is not None:
        context.keylog_filename = keylog
    return context


def converse(context: ssl.SSLContext, contexts: Sequence[ServerContext]) -> tuple[ssl.SSLObject, bytes]:
    """Handshake, one line each way, and a clean end; the client, and the line as the station got it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    station = greet(hello, contexts)
    octets = hello
    while octets:
        station.receive(octets)
        incoming.write(station.drain())
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        octets = outgoing.read()
    client.write(b"from the car")
    got = b"".join(station.receive(outgoing.read()))
    station.send(b"from the station")
    incoming.write(station.drain())
    assert client.read() == b"from the station"
    incoming.write(station.close())
    # Without our close_notify this would be SSLWantReadError.
    assert client.read() == b""
    return client, got


@pytest.mark.case("TLS-01", "Q-22")
@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"])
def test_python_speaks_with_us(suite: str) -> None:
    client, got = converse(python_client(A, suite), CONTEXTS)
    assert got == b"from the car"
    assert client.version() == "TLSv1.2"
    cipher = client.cipher()
    assert cipher is not None
    assert cipher[0] == suite
    assert client.getpeercert(binary_form=True) == A.certificates[0]


def test_python_that_trusts_another_root_leaves() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        converse(python_client(B, "ECDHE-ECDSA-AES128-SHA256"), CONTEXTS)


@pytest.mark.case("A-TLS-06")
def test_no_session_is_resumed() -> None:
    client, _ = converse(python_client(A, "ECDHE-ECDSA-AES128-SHA256"), CONTEXTS)
    session = client.session
    assert session is not None
    assert not session.has_ticket
    assert len(session.id) == 0


def test_the_key_log_is_what_the_client_writes() -> None:
    lines: list[str] = []
    context = ServerContext(A.chain, A.key, keylog=lines.append)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "client.log"
        converse(python_client(A, "ECDHE-ECDSA-AES128-SHA256", str(path)), (context,))
        theirs = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines == theirs
    assert len(lines) == 1


def test_a_python_client_that_gives_up_half_way_is_an_error_here() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = python_client(B, "ECDHE-ECDSA-AES128-SHA256").wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    station = greet(hello, CONTEXTS)
    station.receive(hello)
    incoming.write(station.drain())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.do_handshake()
    with pytest.raises(TlsError, match="alert"):
        station.receive(outgoing.read())


def quirks_of(suite: str, site: Pki, contexts: Sequence[ServerContext]) -> tuple[str, ...]:
    client, hello = python_client(site, suite), ssl.MemoryBIO()
    incoming = ssl.MemoryBIO()
    car = client.wrap_bio(incoming, hello)
    with contextlib.suppress(ssl.SSLWantReadError):
        car.do_handshake()
    octets = hello.read()
    station = greet(octets, contexts)
    while octets:
        station.receive(octets)
        incoming.write(station.drain())
        with contextlib.suppress(ssl.SSLWantReadError):
            car.do_handshake()
        octets = hello.read()
    assert station.info is not None
    return station.info.quirks


@pytest.mark.case("Q-22", "Q-26")
@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("ECDHE-ECDSA-AES128-SHA256", ("Q-26",)),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", ("Q-22", "Q-26")),
        # It could have both, and gets the prescribed one.
        ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256", ("Q-26",)),
    ],
)
def test_a_modern_list_of_suites_and_a_car_that_names_no_root_are_said(suite: str, said: tuple[str, ...]) -> None:
    assert quirks_of(suite, A, CONTEXTS) == said


@pytest.mark.case("Q-22", "Q-26")
def test_strict_has_the_prescribed_suite_only_and_the_default_chain_still() -> None:
    strict = (ServerContext(A.chain, A.key, ISO15118_2_STRICT),)
    assert quirks_of("ECDHE-ECDSA-AES128-SHA256", A, strict) == ("Q-26",)
    with pytest.raises(HandshakeFailed) as caught:
        quirks_of("ECDHE-ECDSA-AES128-GCM-SHA256", A, strict)
    assert caught.value.flaw is TlsFlaw.NO_COMMON_SUITE

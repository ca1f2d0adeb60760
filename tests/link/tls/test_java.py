"""Java's own TLS client, which checks the revocation of every certificate of the station's chain by what is stapled. It is the client of the cars
whose ClientHellos are public, and it asks by status_request and status_request_v2 together."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import ocsp

from certs.certificates import Edition
from secc.config import Trust
from secc.conversation import Wall
from secc.link.connection import Connection, Serving, serve
from secc.link.tls.chain import Chain
from secc.link.tls.context import ServerContext
from secc.link.tls.self_test import status_request_v2
from secc.station.shared.trust import TrustRoom
from tests.link.tls.chains import pki, response
from tests.link.tls.status_runs import listed
from tests.link.tls.test_strangers import Visit, listening, pump
from tests.station_config import lab_pki

SITE = pki("J")
SECONDS = 60.0
LEAF, SUB_2, SUB_1 = SITE.staples
REVOKED_SUB_1 = response(SITE.certificates[2], SITE.root, SITE.issuers[2], ocsp.OCSPCertStatus.REVOKED)


def context(staples: Sequence[bytes | None], *, v2: bool = True) -> ServerContext:
    chain = Chain("J", SITE.certificates, (SITE.root,), staples)
    return ServerContext(chain, SITE.key, status_v2=status_request_v2() if v2 else None)


def of_the_stores() -> ServerContext:
    """What a station makes of the chains and responses of the lab PKI on its disk."""
    station = lab_pki() / "station"
    stores = Trust(station / "truststore", station / "keystore", station / "staples", danger_status_request_v2=True)
    trust = TrustRoom(stores, lambda: Wall(datetime.now(UTC), trusted=True), (Edition.ISO2,))
    assert trust.refresh()
    assert trust.problems == ()
    return trust.shown.contexts[0]


CASES: dict[str, Callable[[], ServerContext]] = {
    "three good": lambda: context((LEAF, SUB_2, SUB_1)),
    "from the stores": of_the_stores,
    "revoked sub-CA": lambda: context((LEAF, SUB_2, REVOKED_SUB_1)),
    "sub-CA without": lambda: context((LEAF, None, SUB_1)),
    "two exchanged": lambda: context((LEAF, SUB_1, SUB_2)),
    "status_request alone": lambda: context((LEAF, SUB_2, SUB_1), v2=False),
}

pytestmark = [
    pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java compiler to build the client"),
    listed,
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Connection]]:
    """What the client says of each case, and the station's end. One virtual machine for all: it takes a second to start."""
    directory = tmp_path_factory.mktemp("java")
    source = Path(__file__).parent / "StatusClient.java"
    subprocess.run(["javac", "-d", str(directory), str(source)], check=True, timeout=SECONDS)
    roots = [path.read_bytes() for path in (lab_pki() / "station" / "truststore" / "iso2" / "v2g").glob("*.pem")]
    (directory / "roots.pem").write_bytes(b"".join([SITE.root_pem, *roots]))
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening()) for _ in CASES]
        ports = [str(listener.getsockname()[1]) for listener in listeners]
        command = ["java", "-cp", str(directory), "StatusClient", str(directory / "roots.pem"), *ports]
        client = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(client.kill)
        visits = []
        for listener, made in zip(listeners, CASES.values(), strict=True):
            listener.settimeout(SECONDS)
            peer, _ = listener.accept()
            visits.append(Visit(serve(Serving((made(),), at=datetime.now(UTC)), 0.0)))
            with peer:
                peer.settimeout(SECONDS)
                pump(peer, visits[-1])
        said, _ = client.communicate(timeout=SECONDS)
    found = zip(said.splitlines(), (visit.connection for visit in visits), strict=True)
    return dict(zip(CASES, found, strict=True))


Seen = dict[str, tuple[str, Connection]]


@pytest.mark.case("TLS-08")
@pytest.mark.parametrize("case", ["three good", "from the stores"])
def test_java_accepts_a_good_response_for_each_certificate(seen: Seen, case: str) -> None:
    said, connection = seen[case]
    assert said == "accepted, 3 responses, 9 octets back"
    assert connection.handshaken is not None
    assert connection.report is not None
    assert connection.report.hello is not None
    assert connection.report.hello.status_asked == ("status_request", "status_request_v2")
    assert connection.handshaken.status_v2
    assert status_request_v2().problem == ""


def test_java_refuses_a_revoked_sub_ca(seen: Seen) -> None:
    said, connection = seen["revoked sub-CA"]
    assert said.startswith("refused: ")
    assert "revoked" in said
    assert connection.handshaken is None


def test_java_refuses_responses_in_another_order(seen: Seen) -> None:
    """It looks for each at the place of its certificate: an empty one has to keep the place, too."""
    assert seen["two exchanged"][0].startswith("refused: OCSP response does not include a response for a certificate")


@pytest.mark.parametrize("case", ["sub-CA without", "status_request alone"])
def test_java_refuses_a_sub_ca_of_which_it_hears_nothing(seen: Seen, case: str) -> None:
    said, connection = seen[case]
    assert said == "refused: Certificate does not specify OCSP responder"
    assert connection.handshaken is None

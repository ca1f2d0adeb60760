"""Many handshakes and many broken hellos of cars that ask by status_request_v2; few in `make test`, many in `make staples`."""

from __future__ import annotations

import gc
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from secc.link.connection import Serving, serve
from secc.link.tls.context import ServerContext
from secc.link.tls.errors import TlsError
from secc.link.tls.libssl import system_libssl
from secc.link.tls.minimal_client import MinimalClient
from secc.link.tls.self_test import ASK_V1, ASK_V2, SERIES, handshake
from secc.link.tls.status_v2 import STATUS_REQUEST_V2, StatusRequestV2
from tests.link.tls.chains import pki

SITE = pki("A")
listed = pytest.mark.skipif(
    system_libssl().series not in SERIES, reason="status_request_v2 is not served with this machine's libssl"
)
SPLIT = {1: b"\x01"}
"""max_fragment_length 512."""
ASKED = (ASK_V2, ASK_V1 | ASK_V2, ASK_V2 | SPLIT, ASK_V1)


def serving_v2(status: StatusRequestV2) -> ServerContext:
    return ServerContext(SITE.chain, SITE.key, status_v2=status)


def resident() -> int:
    """Octets of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handshakes(count: int, warm: int) -> int:
    """Whole handshakes of all kinds of cars. Returns by how many octets memory has grown since the first ``warm``."""
    status = StatusRequestV2()
    context = serving_v2(status)
    before = 0
    for number in range(warm + count):
        if number == warm:
            gc.collect()
            before = resident()
        asked = ASKED[number % len(ASKED)]
        served = handshake(context, MinimalClient(asked))
        assert served.responses == (SITE.staples if STATUS_REQUEST_V2 in asked else SITE.staples[:1])
    assert status.problem == ""
    gc.collect()
    return resident() - before


def broken_hellos(count: int, seed: int) -> Counter[str]:
    """Hellos with other extensions, octets exchanged, cut out or doubled, and octets after them. Returns how many ended in which way. No hello may
    make libssl write what the station does not expect: that would switch status_request_v2 off for all cars."""
    chance = random.Random(seed)
    status = StatusRequestV2()
    contexts = (serving_v2(status),)
    ended: Counter[str] = Counter()
    for number in range(count):
        client = MinimalClient(ASKED[number % len(ASKED)] | _extensions(chance))
        connection = serve(Serving(contexts), 0.0)
        try:
            connection.feed(_mutated(chance, client.hello()), 0.0)
            report = connection.report
            answered = report is not None and any(step.name == "CertificateStatus" for step in report.steps)
            ended["answered with a status" if answered else "answered" if report is not None else "waiting"] += 1
            if answered and chance.random() < 0.2:
                connection.feed(chance.randbytes(chance.randrange(1, 80)), 0.0)
        except TlsError as error:
            ended[error.flaw.value] += 1
        connection.close()
        assert status.problem == "", f"hello {number} of seed {seed}"
    return ended


KNOWN = {
    0: bytes.fromhex("0006 00 0003 616263"),  # server_name
    1: b"\x04",  # max_fragment_length
    3: b"\x00\x01\x00",  # trusted_ca_keys
    16: bytes.fromhex("0003 02 6832"),  # application_layer_protocol_negotiation
    22: b"",  # encrypt_then_mac
    23: b"",  # extended_master_secret
    35: b"",  # session_ticket
    43: bytes.fromhex("04 0304 0303"),  # supported_versions
    0xFF01: b"\x00",  # renegotiation_info
}


def _extensions(chance: random.Random) -> dict[int, bytes]:
    """Up to four further extensions, one in eight with a body of chance."""
    kinds = chance.sample(sorted(KNOWN), chance.randrange(5))
    return {kind: KNOWN[kind] if chance.random() < 0.875 else chance.randbytes(chance.randrange(9)) for kind in kinds}


def _mutated(chance: random.Random, octets: bytes) -> bytes:
    """None to four changes behind the record's header; the lengths of record and message are put right in half of the cases."""
    body = bytearray(octets[9:])
    for _ in range(chance.randrange(5)):
        at = chance.randrange(len(body))
        match chance.randrange(4):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                body[at] ^= 1 << chance.randrange(8)
            case 2:
                del body[at : at + chance.randrange(1, 9)]
            case _:
                body[at:at] = body[at : at + chance.randrange(1, 30)]
        body = body or bytearray(b"\x00")
    if chance.random() < 0.5:
        return b"\x16\x03\x01" + (len(body) + 4).to_bytes(2) + b"\x01" + len(body).to_bytes(3) + bytes(body)
    return octets[:9] + bytes(body)

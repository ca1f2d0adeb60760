"""The decoder of the lab: hex lines, trees, and captures that scapy wrote."""

from __future__ import annotations

import contextlib
import io
import json
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secc.exi.tree import to_tree
from secc.iso2 import messages as iso2
from secc.link import sdp
from secc.link.v2gtp import PayloadType, frame
from secc.session import supported_app_protocol as sap
from tests.exi_vectors import name_of, vectors
from tools import decode

CAR, STATION, PORT = "fe80::1", "fe80::2", 61341
NAMESPACE = "urn:iso:15118:2:2013:MsgDef"

OFFER = sap.SupportedAppProtocolReq(
    app_protocol=(
        sap.AppProtocol(
            protocol_namespace=NAMESPACE, version_number_major=2, version_number_minor=0, schema_id=7, priority=1
        ),
    )
)
CHOICE = sap.SupportedAppProtocolRes(response_code=sap.ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=7)
HELLO = iso2.V2G_Message(
    header=iso2.MessageHeader(session_id=bytes(8)), body=iso2.SessionSetupReq(evcc_id=bytes.fromhex("020304050607"))
)
WELCOME = iso2.V2G_Message(
    header=iso2.MessageHeader(session_id=bytes(range(8))),
    body=iso2.SessionSetupRes(response_code=iso2.ResponseCode.OK_NEW_SESSION_ESTABLISHED, evse_id="DE*ABC*E1"),
)
TALK = [
    ("EVCC", sap.SCHEMA.encode(OFFER)),
    ("SECC", sap.SCHEMA.encode(CHOICE)),
    ("EVCC", iso2.SCHEMA.encode(HELLO)),
    ("SECC", iso2.SCHEMA.encode(WELCOME)),
]
SAID = [("EVCC", to_tree(OFFER)), ("SECC", to_tree(CHOICE)), ("EVCC", to_tree(HELLO)), ("SECC", to_tree(WELCOME))]


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert decode.main(arguments) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- lines ----------------------------------------------------------------------------------------------------------------

EVERY_SET = [
    *vectors("sap")[:3],
    *vectors("iso15118-2")[:3],
    *vectors("fragment-iso15118-2")[:3],
    *[vector for vector in vectors("fragment-iso15118-2") if vector["name"].startswith("eMAID")],
    *vectors("fragment-xmldsig")[:3],
]


@pytest.mark.parametrize("vector", EVERY_SET, ids=name_of)
def test_a_line_becomes_its_tree_and_back(vector: dict[str, Any]) -> None:
    (line,) = decode.lines_of(vector["schema"], [vector["exi"] + "\n"], encode=False)
    assert json.loads(line) == vector["message"]
    assert list(decode.lines_of(vector["schema"], [line], encode=True)) == [vector["exi"]]


@pytest.mark.parametrize("line", ["zz", "80", "8", "80980011", "a0", "\ufffd"])
def test_a_bad_line_becomes_an_error_and_the_next_is_read(line: str) -> None:
    good = vectors("iso15118-2")[0]
    bad, fine = decode.lines_of("iso15118-2", [line, "", good["exi"]], encode=False)
    assert list(json.loads(bad)) == ["error"]
    assert json.loads(fine) == good["message"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        "3",
        '{"V2G_Message": 3}',
        '{"V2G_Message": {"Header": {"SessionID": "00"}}}',
        '{"Unknown": {}}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["iso15118-2", "fragment:iso15118-2", "fragment:xmldsig"])
def test_a_bad_tree_becomes_an_error(name: str, line: str) -> None:
    (bad,) = decode.lines_of(name, [line], encode=True)
    assert list(json.loads(bad)) == ["error"]


def test_as_a_filter(tmp_path: Path) -> None:
    vector = vectors("sap")[0]
    command = [sys.executable, "-m", "tools.decode", "--schema", "sap"]
    result = subprocess.run(command, input=vector["exi"].encode() + b"\n\xff\xfe\n", capture_output=True, check=True)
    tree, error = map(json.loads, result.stdout.splitlines())
    assert tree == vector["message"]
    assert list(error) == ["error"]


def test_without_a_schema_hex_cannot_be_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("80\n"))
    with pytest.raises(SystemExit) as caught:
        decode.main([])
    assert caught.value.code == 2
    assert "--schema" in capsys.readouterr().err


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert decode.main(["--schema", "sap", "/nowhere/at/all"]) == 2
    assert "/nowhere/at/all" in capsys.readouterr().err


# --- captures -------------------------------------------------------------------------------------------------------------

scapy = pytest.importorskip("scapy.all", reason="captures are written and read with scapy")


# Named addresses: scapy would ask the network for them.
LINK = scapy.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


class Recording:
    """Packets of one TCP connection, with honest sequence numbers."""

    def __init__(self) -> None:
        self.packets: list[Any] = []
        self.ports = {"EVCC": 50001, "SECC": PORT}
        self.next = {"EVCC": 2**32 - 20, "SECC": 1000}  # the car's number runs over
        self._segment("EVCC", b"", "S")
        self._segment("SECC", b"", "SA")
        for side in self.next:
            self.next[side] = (self.next[side] + 1) % 2**32

    def _segment(self, side: str, octets: bytes, flags: str) -> None:
        other = "SECC" if side == "EVCC" else "EVCC"
        source, target = (CAR, STATION) if side == "EVCC" else (STATION, CAR)
        packet = (
            LINK
            / scapy.IPv6(src=source, dst=target)
            / scapy.TCP(sport=self.ports[side], dport=self.ports[other], seq=self.next[side], ack=0, flags=flags)
            / octets
        )
        packet.time = 100.0 + 0.01 * len(self.packets)
        self.packets.append(packet)

    def send(self, side: str, octets: bytes, *, size: int = 1400) -> None:
        for start in range(0, len(octets), size):
            piece = octets[start : start + size]
            self._segment(side, piece, "PA")
            self.next[side] = (self.next[side] + len(piece)) % 2**32

    def datagram(self, side: str, octets: bytes) -> None:
        source, target = (CAR, "ff02::1") if side == "EVCC" else (STATION, CAR)
        ports = (49152, 15118) if side == "EVCC" else (15118, 49152)
        packet = LINK / scapy.IPv6(src=source, dst=target) / scapy.UDP(sport=ports[0], dport=ports[1]) / octets
        packet.time = 100.0 + 0.01 * len(self.packets)
        self.packets.append(packet)

    def save(self, path: Path) -> str:
        writer = scapy.wrpcapng if path.suffix == ".pcapng" else scapy.wrpcap
        writer(str(path), self.packets)
        return str(path)


def spoken(lines: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(line["from"], line["message"]) for line in lines if "message" in line]


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_a_session_in_the_clear(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording()
    recording.datagram("EVCC", sdp.build_request(sdp.Security.TLS))
    recording.datagram("SECC", sdp.build_response(IPv6Address(STATION), PORT, sdp.Security.NONE))
    for side, octets in TALK:
        recording.send(side, frame(PayloadType.EXI, octets), size=17)
    lines = run([recording.save(tmp_path / f"session.{suffix}")], capsys)
    assert lines[0]["sdp"] == {"security": "TLS"}
    assert lines[1]["sdp"] == {"security": "NONE", "address": STATION, "port": PORT}
    assert spoken(lines) == SAID
    assert [line["schema"] for line in lines[2:]] == ["sap", "sap", "iso15118-2", "iso15118-2"]
    assert lines[2]["time"] > 0


def test_segments_out_of_order_twice_and_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording()
    recording.send("EVCC", frame(PayloadType.EXI, TALK[0][1]), size=20)
    packets = recording.packets
    recording.packets = [*packets[:2], packets[4], packets[2], packets[2], packets[3], *packets[5:]]
    assert spoken(run([recording.save(tmp_path / "shuffled.pcap")], capsys)) == SAID[:1]
    recording.packets = [*packets[:3], *packets[4:]]
    (line,) = run([recording.save(tmp_path / "gap.pcap")], capsys)
    assert line == {"from": "EVCC", "error": "octets are missing from the capture"}


def test_a_capture_that_begins_within_the_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording()
    for side, octets in TALK[2:]:
        recording.send(side, frame(PayloadType.EXI, octets))
    recording.packets = recording.packets[2:]
    path = recording.save(tmp_path / "late.pcap")
    assert [list(line)[-1] for line in run([path], capsys)] == ["error", "error"]
    assert spoken(run(["--schema", "iso15118-2", path], capsys)) == SAID[2:]


def test_a_damaged_file_and_foreign_octets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording()
    recording.send("EVCC", b"GET / HTTP/1.1\r\n\r\n" * 40)
    (line,) = run([recording.save(tmp_path / "http.pcap")], capsys)
    assert "error" in line
    broken = tmp_path / "broken.pcap"
    broken.write_bytes(bytes.fromhex("0a0d0d0a") + b"\x00" * 7)
    assert decode.main([str(broken)]) in (0, 2)
    broken.write_bytes(bytes.fromhex("d4c3b2a1"))
    assert decode.main([str(broken)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_without_scapy_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Recording().save(tmp_path / "any.pcap")
    monkeypatch.setitem(sys.modules, "scapy.error", None)
    assert decode.main([path]) == 2
    assert "lab" in capsys.readouterr().err


# --- TLS ------------------------------------------------------------------------------------------------------------------


NO_ENCRYPT_THEN_MAC = 1 << 19
"""OpenSSL's option, which the ssl module does not name. Cars without the extension are the rule."""


def contexts(tmp_path: Path, suite: str, keylog: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SECC")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    pem = tmp_path / "secc.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    for context in (server, client):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite.removesuffix("-MAC-FIRST") + ":@SECLEVEL=0")
        if suite.endswith("-MAC-FIRST"):
            context.options |= NO_ENCRYPT_THEN_MAC
    client.keylog_filename = str(keylog)
    return client, server


def tls_recording(tmp_path: Path, suite: str, keylog: Path) -> Recording:
    """The talk over TLS, through memory: what each side writes goes into the recording and to the other."""
    client_context, server_context = contexts(tmp_path, suite, keylog)
    inbox = {side: ssl.MemoryBIO() for side in ("EVCC", "SECC")}
    outbox = {side: ssl.MemoryBIO() for side in ("EVCC", "SECC")}
    ends = {
        "EVCC": client_context.wrap_bio(inbox["EVCC"], outbox["EVCC"]),
        "SECC": server_context.wrap_bio(inbox["SECC"], outbox["SECC"], server_side=True),
    }
    recording = Recording()

    def carry(side: str) -> None:
        octets = outbox[side].read()
        if octets:
            recording.send(side, octets, size=333)
            inbox["SECC" if side == "EVCC" else "EVCC"].write(octets)

    for _ in range(3):
        for side, end in ends.items():
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
            carry(side)
    for side, octets in TALK:
        ends[side].write(frame(PayloadType.EXI, octets))
        carry(side)
    return recording


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES128-SHA256-MAC-FIRST",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ],
)
def test_a_session_over_tls_with_its_key_log(tmp_path: Path, suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    keylog = tmp_path / "keys.log"
    path = tls_recording(tmp_path, suite, keylog).save(tmp_path / "tls.pcap")
    lines = run(["--keylog", str(keylog), path], capsys)
    assert lines[0]["tls"].startswith("ECDHE_ECDSA_WITH_AES_")
    assert spoken(lines) == SAID


def test_tls_without_its_keys_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keylog = tmp_path / "keys.log"
    path = tls_recording(tmp_path, "ECDHE-ECDSA-AES128-SHA256", keylog).save(tmp_path / "tls.pcap")
    assert "key log" in run([path], capsys)[-1]["error"]
    words = keylog.read_text().split()
    keylog.write_text(
        f"# other\nCLIENT_RANDOM {words[words.index('CLIENT_RANDOM') + 1]} {'00' * 48}\nCLIENT_RANDOM xx yy\n"
    )
    assert "does not fit" in run(["--keylog", str(keylog), path], capsys)[-1]["error"]

"""What ``secc doctor`` finds out by trying: sockets, disk, packet filter, modem, board."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from hal.linux.errors import NoModem, NoPermission
from hal.readings import ModemInfo
from secc.cli import main
from secc.config import Config
from secc.config.choices import Modem
from secc.ops import doctor
from secc.ops.doctor import examine
from secc.ops.network import Place
from tests.station_config import configured


def said(config: Config) -> list[str]:
    return [str(finding) for finding in examine(config)]


def bad(config: Config) -> list[str]:
    return [line for line in said(config) if line.startswith("BAD")]


def test_a_machine_that_is_ready(tmp_path: Path) -> None:
    config = configured(tmp_path)
    port = config.outlets[0].sdp_port
    lines = said(config)
    assert [line for line in lines if line.startswith("BAD")] == []
    for line in (
        "OK   outlet 1: lo has ::1",
        f"OK   outlet 1: UDP port {port} on lo is free",
        "OK   outlet 1: board: answers, pilot A, DC 50 to 500 V, 200 A, 60 kW",
        "SKIP outlet 1: modem: the board brings none, so cars are not matched",
        "SKIP raw sockets: not needed: no outlet has modem = 'packet'",
    ):
        assert line in lines
    assert any(line.startswith("OK   libssl: OpenSSL 3") for line in lines)
    assert any(
        line.startswith(f"OK   disk: {config.station.state_directory} (to be made) can be written") for line in lines
    )
    assert not config.station.state_directory.exists(), "the doctor leaves nothing behind"


def test_an_ac_outlet(tmp_path: Path) -> None:
    assert "OK   outlet 1: board: answers, pilot A, AC 3 phases of 230 V, 6 to 32 A" in said(
        configured(tmp_path, dc=False)
    )


HOLDER = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(sys.argv[2]))
    sock.bind(("::", int(sys.argv[1])))
    print("bound", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("shared", ["1", "0"])
def test_a_port_that_somebody_has(tmp_path: Path, shared: str) -> None:
    config = configured(tmp_path)
    port = str(config.outlets[0].sdp_port)
    command = [sys.executable, "-c", HOLDER, port, shared]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"bound\n"
        (line,) = bad(config)
        assert line.startswith(
            f"BAD  outlet 1: UDP port {port} on lo is taken by process {other.pid} ({sys.executable} -c "
        )
        other.communicate()
    assert bad(config) == []


def test_a_station_that_is_running_is_left_alone(tmp_path: Path) -> None:
    config = configured(tmp_path)
    config.control_socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(config.control_socket))
        other.listen()
        lines = said(config)
    assert any(line.startswith("NOTE station: one is running") for line in lines)
    assert "SKIP outlet 1: the running station has the hardware" in lines
    assert not any(": board: " in line for line in lines)
    assert not any("NOTE station" in line for line in said(config)), "a socket that nobody listens on is no station"


def test_a_state_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = configured(tmp_path)
    config = replace(config, station=replace(config.station, state_directory=tmp_path / "file" / "state"))
    assert any(line.startswith(f"BAD  disk: {tmp_path}/file/state cannot be written: ") for line in said(config))


@pytest.mark.parametrize(
    ("free", "mark", "remedy"), [(1_000_000, "BAD ", "make room"), (20_000_000, "NOTE", "trace.cap_megabytes")]
)
def test_a_disk_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, mark: str, remedy: str
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    found = [line for line in said(configured(tmp_path)) if line.startswith(f"{mark} disk: ")]
    assert found
    assert all(remedy in line for line in found)


def test_the_room_that_receipts_may_need(tmp_path: Path) -> None:
    config, place = configured(tmp_path), tmp_path / "receipts"
    place.mkdir()
    uplink = replace(config.uplink, receipts=place / "receipts.jsonl", receipts_megabytes=10_000_000.0)
    (found,) = (line for line in said(replace(config, uplink=uplink)) if f" disk: {place} " in line)
    assert "but 10000000 MB may be needed" in found


def rules(policy: str, *rules: str) -> str:
    lines = [f"type filter hook input priority filter; policy {policy};", *rules]
    return "\n".join(["table inet f { # handle 1", "chain input { # handle 1", *lines, "}", "}", ""])


def nft_saying(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int = 0) -> None:
    """An nft and an ip6tables-save of our own, and lo as if it were a line to cars."""
    directory.joinpath("rules").write_text(text)
    for name in ("nft", "ip6tables-legacy-save", "ip6tables-save"):
        script = directory / name
        answer = f"cat {directory}/rules; exit {code}" if name == "nft" else f"exit {code}"
        script.write_text(f"#!/bin/sh\n{answer}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")
    monkeypatch.setattr(doctor, "locate", lambda interface: Place("lo", 1, IPv6Address("fe80::1")))


def test_a_packet_filter_that_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    nft_saying(tmp_path, monkeypatch, rules("drop"))
    found = bad(config)
    assert len(found) == 3
    assert f"UDP {config.outlets[0].sdp_port}, ff02::1) are dropped by: policy of nft inet f input: drop" in found[0]


def test_a_packet_filter_that_lets_cars_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nft_saying(tmp_path, monkeypatch, rules("accept"))
    lines = said(configured(tmp_path))
    assert "OK   outlet 1: firewall: SDP requests, connections, neighbour solicitations pass (nft)" in lines


def test_the_rules_of_the_documentation_let_cars_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    accepted = (
        f'iifname "lo" udp dport {config.outlets[0].sdp_port} accept # handle 2',
        'iifname "lo" tcp dport 49152-65535 accept # handle 3',
        'iifname "lo" meta l4proto ipv6-icmp accept # handle 4',
    )
    nft_saying(tmp_path, monkeypatch, rules("drop", *accepted))
    lines = said(config)
    assert "OK   outlet 1: firewall: SDP requests, connections, neighbour solicitations pass (nft)" in lines


def test_a_rule_that_a_person_has_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    port = config.outlets[0].sdp_port
    nft_saying(tmp_path, monkeypatch, rules("accept", f"limit rate over 5/second udp dport {port} drop # handle 2"))
    (line,) = [line for line in said(config) if "look at" in line]
    assert line == (
        f"NOTE outlet 1: firewall: SDP requests (UDP {port}, ff02::1): look at nft inet f input: "
        f"limit rate over 5/second udp dport {port} drop # handle 2"
    )


def test_a_rule_for_the_interface_may_let_cars_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nft_saying(tmp_path, monkeypatch, rules("drop", 'iifname "lo" jump cars # handle 2'))
    lines = [line for line in said(configured(tmp_path)) if "firewall" in line and "ip6tables" not in line]
    assert len(lines) == 3
    assert all(line.startswith("NOTE") and "falls to: policy of nft inet f input: drop" in line for line in lines)


@pytest.mark.parametrize(("text", "code"), [("Operation not permitted", 1), ("what is this", 0)])
def test_a_packet_filter_that_says_nothing_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    nft_saying(tmp_path, monkeypatch, text, code)
    lines = [line for line in said(configured(tmp_path)) if "firewall" in line]
    assert lines
    assert all(line.startswith("SKIP") or "ip6tables" in line for line in lines)
    assert not any(line.startswith("BAD") for line in lines)


class FakeModem:
    """What a modem on an interface says of itself."""

    interface = "lo"

    def __init__(self, answer: ModemInfo | Exception) -> None:
        self._answer = answer
        self.closed = False

    async def info(self) -> ModemInfo:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            ModemInfo("qualcomm", "MAC-QCA7005-1.1.0"),
            "OK   outlet 1: modem: qualcomm on lo, firmware MAC-QCA7005-1.1.0",
        ),
        (ModemInfo("unknown", ""), "NOTE outlet 1: modem: on lo, of an unknown make"),
        (NoModem("no modem answers on lo"), f"BAD  outlet 1: modem: no modem answers on lo; {doctor.MODEM_REMEDY}"),
    ],
)
def test_a_modem_on_the_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: ModemInfo | Exception, line: str
) -> None:
    modem = FakeModem(answer)

    async def opened(interface: str) -> FakeModem:
        assert interface == "lo"
        return modem

    monkeypatch.setattr(doctor, "open_modem", opened)
    config = configured(tmp_path)
    lines = said(replace(config, outlets=(replace(config.outlets[0], modem=Modem.PACKET),)))
    assert line in lines
    assert modem.closed
    assert any(one.startswith(("OK   raw sockets: may", "BAD  raw sockets: may not")) for one in lines)


@pytest.mark.parametrize(
    ("offset", "line"),
    [
        (
            0,
            "NOTE outlet 1: modem: attenuation_offset is not set: a neighbour that is calibrated may get this outlet's cars",
        ),
        (7, "OK   outlet 1: modem: attenuation_offset is 7 dB"),
    ],
)
@pytest.mark.parametrize("hal", ["", "sim:?modem=1"])
def test_an_outlet_that_matches_and_was_not_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int, line: str, hal: str
) -> None:
    async def opened(interface: str) -> FakeModem:
        return FakeModem(ModemInfo("qualcomm", "1"))

    monkeypatch.setattr(doctor, "open_modem", opened)
    config = configured(tmp_path, hal=hal)
    modem = Modem.BOARD if hal else Modem.PACKET
    outlet = replace(config.outlets[0], modem=modem, attenuation_offset=offset)
    assert any(one.startswith(line) for one in said(replace(config, outlets=(outlet,))))
    assert not any("attenuation_offset" in one for one in said(configured(tmp_path))), "nothing to calibrate"


def test_no_permission_for_raw_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(interface: str) -> FakeModem:
        raise NoPermission("raw sockets on lo need the capability CAP_NET_RAW")

    monkeypatch.setattr(doctor, "open_modem", refused)
    config = configured(tmp_path)
    outlet = replace(config.outlets[0], modem=Modem.PACKET)
    assert "BAD  outlet 1: modem: raw sockets on lo need the capability CAP_NET_RAW" in said(
        replace(config, outlets=(outlet,))
    )


def test_a_board_with_a_fault(tmp_path: Path) -> None:
    found = bad(configured(tmp_path, hal="sim:?faults=over_temperature"))
    assert found
    assert all(line.startswith("BAD  outlet 1: board: fault ") for line in found)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--iface", "lo", "--eim", "free", "--sdp-port", str(configured(tmp_path).outlets[0].sdp_port)]
    assert main(["doctor", *flags, "--state", str(tmp_path / "state")]) == 0
    assert "OK   outlet 1: board: answers" in capsys.readouterr().out
    assert main(["doctor", "--iface", "eth987", "--eim", "free", "--state", str(tmp_path / "state")]) == 1
    out = capsys.readouterr().out
    assert "BAD  outlet 1: there is no interface eth987\n" in out
    assert "SKIP outlet 1: firewall not checked" in out

"""What has to be there, or free, before a station starts: each is told with what to do, and with the rights of who asks."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from secc.config import Config, Modem, Trace, TraceMode
from secc.ops.check import findings, report
from secc.ops.doctor import examine
from secc.ops.network import locate, sdp_socket, tcp_socket
from secc.ops.places import is_running, nearest, places, ports
from secc.ops.unit import Unit
from tests.station_config import configured

UNIT = Unit(Path("/etc/systemd/system/secc.service"), "secc", capabilities=frozenset({"CAP_NET_RAW"}))


def said(config: Config, unit: Unit | None = None) -> str:
    return "\n".join(str(finding) for finding in places(config, unit) if not finding.good)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """With the rights of a user who owns nothing; where the tests do not run as root, they have few anyway."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that everybody may look into; pytest's are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="secc-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def stateful(tmp_path: Path, directory: Path) -> Config:
    config = configured(tmp_path)
    return replace(config, station=replace(config.station, state_directory=directory), trace=Trace(TraceMode.OFF))


def test_directories_that_can_be_made_are_good(tmp_path: Path) -> None:
    assert said(configured(tmp_path)) == ""
    assert not (tmp_path / "state").exists(), "looked at, and not made"


def test_a_state_directory_that_the_user_cannot_write(reachable: Path) -> None:
    """`secc check` as root has to say so, because the start would fail."""
    (reachable / "state").mkdir(mode=0o755)
    there, new = stateful(reachable, reachable / "state"), stateful(reachable, Path("/proc/secc"))
    with nobody():
        if os.geteuid() == 65534:
            assert f"BAD  state directory: {reachable}/state cannot be written by nobody: install -d -o nobody" in said(
                there
            )
        assert "BAD  state directory: /proc/secc cannot be made by " in said(new)
    (reachable / "file").touch()
    assert f"BAD  state directory: {reachable}/file is not a directory" in said(
        stateful(reachable, reachable / "file" / "state")
    )


def test_a_directory_below_one_that_the_user_may_not_enter(reachable: Path) -> None:
    """Where the station would make its directories: each check says so, and the other findings are not lost."""
    closed = reachable / "closed"
    closed.mkdir(mode=0o600)
    config = stateful(reachable, closed / "new" / "state")
    config = replace(config, uplink=replace(config.uplink, sessions=closed / "new" / "sessions"))
    with nobody():
        assert nearest(closed / "new" / "state") == closed
        text = "\n".join(map(str, examine(config)))
    assert f"BAD  sessions: cannot be stored, so no car charges: {closed}" in text
    assert f"BAD  state directory: {closed}/new/state cannot be made by " in text
    assert "outlet 1: UDP port " in text
    remedy = f"give it to the user that the station runs as: chown USER {closed}"
    assert f"BAD  disk: {closed}/new/state cannot be written: Permission denied; {remedy}\n" in text


def test_what_the_unit_makes_read_only(tmp_path: Path) -> None:
    unit = replace(UNIT, writable=(Path("/var/lib/secc"),), made=(Path("/var/lib/secc"),))
    text = said(configured(tmp_path), unit)
    assert (
        f"BAD  state directory: {tmp_path}/state is read-only for the station: ReadWritePaths={tmp_path}/state in"
        in text
    )
    assert f"BAD  sessions: {tmp_path}/state is read-only" in text
    config = configured(tmp_path)
    config = replace(config, uplink=replace(config.uplink, receipts=tmp_path / "receipts"))
    assert f"BAD  receipts: {tmp_path} is read-only" in said(config, unit)
    private = replace(UNIT, private=(tmp_path,))
    assert f"BAD  state directory: {tmp_path}/state: " in said(configured(tmp_path), private)


def test_what_the_unit_makes_before_the_start(tmp_path: Path) -> None:
    made = Path("/var/lib/secc-that-is-not-there")
    unit, config = replace(UNIT, writable=(made,), made=(made,)), stateful(tmp_path, made)
    config = replace(config, uplink=replace(config.uplink, sessions=made / "sessions.jsonl"))
    with nobody():
        assert said(config, unit) == ""


def test_a_modem_that_needs_a_right_that_the_unit_does_not_give(tmp_path: Path) -> None:
    config = configured(tmp_path)
    config = replace(config, outlets=(replace(config.outlets[0], modem=Modem.PACKET),))
    assert said(config, UNIT) == ""
    assert "AmbientCapabilities=CAP_NET_RAW" in said(config, replace(UNIT, capabilities=frozenset()))


def test_a_control_socket_that_is_a_file(tmp_path: Path) -> None:
    config = configured(tmp_path)
    (tmp_path / "state").mkdir()
    config.control_socket.touch()
    assert "control.sock exists and is not a socket" in said(config)


def test_a_serial_device_that_is_not_there_or_another_users(reachable: Path) -> None:
    device = reachable / "ttyLP2"
    config = configured(reachable, hal=f"chargesom:{device}")
    assert f"BAD  outlet 1: there is no device {device}" in said(config)
    device.touch(mode=0o600)
    assert said(config) == ""
    with nobody():
        if os.geteuid() == 65534:
            assert f"BAD  outlet 1: nobody may not open {device}; it belongs to the group root" in said(config)


def taken(config: Config, *, running: bool = False) -> str:
    return "\n".join(map(str, ports(config, running=running)))


def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    config = configured(tmp_path)
    outlet = replace(config.outlets[0], port=tcp_port())
    config = replace(config, outlets=(outlet,))
    assert taken(config).startswith(f"OK   outlet 1: UDP port {outlet.sdp_port} on lo is free")
    with sdp_socket(locate("lo"), outlet.sdp_port):
        assert "BAD  outlet 1: UDP port" in taken(config)
        assert taken(config, running=True).startswith("SKIP outlet 1: UDP port"), (
            "`check && systemctl restart` while it runs"
        )
    with tcp_socket(locate("lo"), outlet.port):
        assert "BAD  outlet 1: no TCP port on lo" in taken(config)


def tcp_port() -> int:
    with tcp_socket(locate("lo")) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_a_station_that_runs_keeps_its_ports(tmp_path: Path, sockets: Path) -> None:
    config = configured(tmp_path)
    config = replace(config, station=replace(config.station, control_socket=sockets / "c.sock"))
    assert not is_running(config)
    with socket.socket(socket.AF_UNIX) as listener, sdp_socket(locate("lo"), config.outlets[0].sdp_port):
        listener.bind(str(sockets / "c.sock"))
        listener.listen()
        assert is_running(config)
        assert [str(one) for one in report(config) if not one.good] == []


def test_the_station_itself_asks_for_nothing_that_it_has(tmp_path: Path) -> None:
    subjects = {one.subject for one in findings(configured(tmp_path))}
    assert not subjects & {"state directory", "control socket", "user", "station"}


@pytest.mark.parametrize("missing", ["allowlist", "truststore", "keystore"])
def test_a_list_or_a_store_that_is_not_there_is_an_error_in_check_and_run_alike(
    tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from secc.cli import main

    # The process is that of the tests, and its log is not the station's.
    monkeypatch.setattr("secc.station.station.take_over", lambda level: None)

    flags = ["--iface", "lo", "--state", str(tmp_path / "state"), f"--{missing}", str(tmp_path / "none")]
    flags += ["--sdp-port", str(configured(tmp_path).outlets[0].sdp_port)]
    assert main(["check", *flags]) == 1
    assert "BAD  " + missing in capsys.readouterr().out
    assert main(["run", *flags]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err

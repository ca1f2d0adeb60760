"""What ``secc check`` says of a configuration, without touching hardware or network."""

from __future__ import annotations

import shutil
import socket
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.certificates import Edition
from certs.keystore import Keystore
from certs.truststore import Truststore
from secc.cli import main
from secc.config import Config, Lab, Tls, Trust, Uplink
from secc.conversation import Wall
from secc.link.tls import self_test
from secc.link.tls.status_v2 import StatusRequestV2
from secc.ops import check
from secc.ops.check import Finding, report
from secc.ops.doctor import examine
from secc.uplink.standalone import Eim
from tests.link.tls.status_runs import listed
from tests.station_config import BOTH, configured, lab_pki
from tests.two_protocols import register
from tools.pki.mint import KeyKind, Mint


@pytest.fixture(autouse=True)
def two_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def said(config: Config) -> str:
    return "\n".join(map(str, report(config)))


def pnc(directory: Path, *protocols: str) -> Config:
    """A station for contracts whose clock root has looked at."""
    config = configured(directory, tls=Tls.REQUIRED, payments=BOTH, eim=Eim.LIST, protocols=protocols)
    config.station.state_directory.mkdir()
    (config.station.state_directory / "last-seen").write_text(f"{datetime.now(UTC).isoformat()}\n")
    return config


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> object:
    """Sets the calendar."""

    def to(moment: datetime, *, trusted: bool = True) -> None:
        class Fixed:
            def __init__(self, path: Path, *, vouched: bool) -> None:
                assert path.name == "last-seen"

            def wall(self) -> Wall:
                return Wall(moment, trusted)

            judging = wall

            def problem(self) -> str:
                return "" if trusted else "no source confirms the clock"

            def remark(self) -> str:
                return ""

        monkeypatch.setattr(check, "Calendar", Fixed)

    return to


def test_a_sound_configuration_is_all_good(tmp_path: Path) -> None:
    findings = report(pnc(tmp_path, "wide"))
    noted = [str(one) for one in findings if not one.good or one.remark or one.skipped]
    # It demands TLS, and a protocol of the station may run on plain TCP only.
    said = ("root may access everything", "runs on plain TCP only")
    assert [one for one in noted if not any(text in one for text in said)] == []
    assert {one.subject for one in findings} == {
        "configuration",
        "state",
        "clock",
        "truststore",
        "allowlist",
        "sessions",
        "keystore",
        "OCSP",
        "outlet 1",
        "user",
        "state directory",
        "control socket",
        "traces",
    }
    assert any("Lab V2G Root CA" in one.text for one in findings)


def test_marks() -> None:
    assert str(Finding("a", "b")) == "OK   a: b"
    assert str(Finding("a", "b", remark=True)) == "NOTE a: b"
    assert str(Finding("a", "b", skipped=True)) == "SKIP a: b"
    assert str(Finding("a", "b", good=False)) == "BAD  a: b"


def test_a_file_of_schedules_is_read(tmp_path: Path) -> None:
    config = pnc(tmp_path)
    path, tariff = tmp_path / "schedules.toml", tmp_path / "tariff.exi"
    path.write_text('[[schedule]]\nid = 1\npower = [[0, 7_000]]\nsigned_tariff = "tariff.exi"\n')
    tariff.write_bytes(b"signed")
    config = replace(config, uplink=replace(config.uplink, schedules=path))
    assert f"OK   schedules: {path}, 1 schedules, 1 signed tariffs, 0 for external payment" in said(config)
    tariff.unlink()
    assert "BAD  schedules: " in said(config)
    assert "tariff.exi does not exist" in said(config)


def test_dangers_are_named(tmp_path: Path) -> None:
    assert "NOTE danger: " in said(replace(configured(tmp_path), lab=Lab(danger_trace_personal=True)))
    assert "NOTE danger: " not in said(replace(configured(tmp_path, eim=Eim.LIST), uplink=Uplink()))


def test_certificates_that_end(tmp_path: Path, at: object) -> None:
    config = pnc(tmp_path)
    assert callable(at)
    at(datetime.now(UTC) + timedelta(days=3650 - 20))
    assert said(config).count("install its successor now") == 4, "four roots, twenty days before they end"
    at(datetime.now(UTC) + timedelta(days=3700))
    text = said(config)
    assert text.count("install its successor") == 4
    assert "BAD  truststore: iso2 v2g root 'Lab V2G Root CA' has ended on " in text
    assert "BAD  keystore: " in text
    assert "leaf-expired" in text
    at(datetime.now(UTC) + timedelta(days=40))
    assert "renew it now" in said(config)
    assert "no fresh response for the leaf" in said(config), "the staples of the lab hold for less"


def test_a_clock_that_nobody_confirms(tmp_path: Path, at: object) -> None:
    assert callable(at)
    at(datetime.now(UTC), trusted=False)
    assert "BAD  clock: not confirmed, so Contract is not offered: no source" in said(pnc(tmp_path))
    assert "NOTE clock: not confirmed: no source" in said(configured(tmp_path)), "nobody needs it for a card"


def test_a_time_that_was_seen_once_and_is_not_here_yet(tmp_path: Path) -> None:
    """A-PKI-06: the way out is in the finding."""
    config = pnc(tmp_path)
    (config.station.state_directory / "last-seen").write_text("2038-01-19T03:14:07+00:00\n")
    text = said(config)
    assert "BAD  clock: not confirmed, so Contract is not offered: the clock says 20" in text
    assert "this station has seen 2038-01-19 03:14 UTC" in text
    assert "confirm it as root: secc clock reset" in text


def test_chains_of_both_editions_are_looked_at(tmp_path: Path) -> None:
    config = pnc(tmp_path)
    keystore = tmp_path / "keystore"
    shutil.copytree(lab_pki() / "station" / "keystore", keystore)
    config = replace(config, trust=replace(config.trust, keystore=keystore, ocsp_cache=tmp_path))
    mint = Mint(datetime.now(UTC).replace(microsecond=0), 3, KeyKind.P521)
    root = mint.issue("V2G Root 20", "V2G", ca=True)
    leaf = mint.issue("SECC 20", "CPO", root, days=10)
    Keystore(keystore).install(Edition.ISO20, leaf.pem, root.pem, leaf.key_pem)
    assert "(SECC 20) ends on" in said(config)
    assert said(config).count("no fresh response for the leaf") == 3
    keystore.chmod(0o775)
    assert said(config).count("can be changed by others") == 1


@listed
def test_the_status_of_sub_cas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pnc(tmp_path)
    assert "status_request_v2" not in said(config)
    staples = tmp_path / "staples"
    shutil.copytree(lab_pki() / "station" / "staples", staples)
    config = replace(config, trust=replace(config.trust, ocsp_cache=staples, danger_status_request_v2=True))
    assert config.trust.keystore is not None
    text = said(config)
    assert "NOTE danger: trust.danger_status_request_v2" in text
    assert text.count(": a fresh response is stapled for each certificate") == 2
    assert "OK   OCSP: status_request_v2 is served: the self-test with OpenSSL 3." in text
    for chain in Keystore(config.trust.keystore).read(Edition.ISO2).chains:
        (staples / f"{chain.sub_cas[1].fingerprint}.der").unlink()
    text = said(config)
    assert "no fresh response for Lab CPO Sub-CA 1; cars that ask may close" in text
    assert "no fresh response for Lab Other CPO Sub-CA 1; cars that ask may close" in text
    monkeypatch.setattr(self_test, "status_request_v2", lambda: StatusRequestV2("the self-test failed: x"))
    expected = "NOTE OCSP: status_request_v2 is not served, status_request is: the self-test failed: x"
    assert expected in said(config)
    assert expected in map(str, examine(config, filters=())), "the doctor says it, too"


def test_stores_that_are_not_there(tmp_path: Path) -> None:
    config = replace(pnc(tmp_path), trust=Trust(tmp_path / "none", tmp_path / "nothing"))
    text = said(config)
    assert "BAD  truststore: " in text
    assert "BAD  keystore: " in text
    assert "BAD  keystore: is not set" in said(replace(config, trust=Trust(tmp_path / "none")))


def test_lists_with_an_error_and_lists_that_name_a_root_which_is_not_there(tmp_path: Path) -> None:
    """A-PKI-08: an entry bound to a root that is not installed matches no contract, and the check has to say so."""
    config = pnc(tmp_path)
    allow = tmp_path / "allowlist.txt"
    allow.write_text("rfid 04A2B3C4\ncontract DE8AACA2B3C4D5\n")
    assert f"BAD  allowlist: {allow}:2: list: the first word is not a kind" in said(config)
    roots = Truststore(lab_pki() / "station" / "truststore").read().installed
    allow.write_text(f"emaid DE8AA* root={roots[0].certificate.fingerprint}\n")
    assert "BAD  allowlist" not in said(config)
    allow.write_text(f"emaid DE8AA* root={'a1' * 32}\n")
    assert f"names the root {'a1' * 32}, which is not installed: those entries match no contract" in said(config)


def test_a_provisioning_service_that_cannot_be_asked(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as service:
        path = Path(directory) / "cps.sock"
        config = replace(config, uplink=replace(config.uplink, provisioning=path))
        absent = (
            f"NOTE provisioning: the provisioning service: {path}: no service listens there: cars are not offered it"
        )
        assert absent in said(config)
        service.bind(str(path))
        assert f"OK   provisioning: a service listens at {path}" in said(config)
        path.parent.chmod(0o777)
        assert "NOTE provisioning: the provisioning service: " in said(config)


@pytest.mark.parametrize("book", ["sessions", "receipts"])
def test_a_book_that_cannot_be_written(tmp_path: Path, book: str) -> None:
    """A-RES-06: no car charges then, so it is said before the first one comes."""

    def booked(path: Path, *, unbooked: bool = False) -> str:
        uplink = replace(config.uplink, danger_charge_unbooked=unbooked, **{book: path})
        return said(replace(config, uplink=uplink))

    config, path = configured(tmp_path), tmp_path / "new" / "book"
    assert f"OK   {book}: stored in {path}" in booked(path), "its directory is made at the start"
    path.mkdir(parents=True)
    assert f"BAD  {book}: cannot be stored, so no car charges: {path}: Is a directory" in booked(path)
    lost = {"sessions": "sessions are lost with the next power cut", "receipts": "no receipts are demanded"}[book]
    assert f"BAD  {book}: cannot be stored, so {lost}: " in booked(path, unbooked=True)
    (tmp_path / "file").write_text("")
    assert f"BAD  {book}: cannot be stored, so no car charges: " in booked(tmp_path / "file" / "book")


def test_interfaces_and_drivers_that_are_not_there(tmp_path: Path) -> None:
    config = configured(tmp_path)
    outlet = replace(config.outlets[0], interface="eth987", hal="wishful:thinking")
    text = said(replace(config, outlets=(outlet,)))
    assert "BAD  outlet 1: there is no interface eth987" in text
    assert "BAD  outlet 1: hal: 'wishful:thinking' is not a board" in text
    follower = replace(config.outlets[0], hal="sim:?follower=stick")
    unsafe = replace(config, outlets=(follower,), lab=Lab(danger_follower=True))
    assert "for tests only: follower" in said(unsafe)


@pytest.mark.case("A-PKI-07")
def test_what_others_can_change_is_bad(tmp_path: Path) -> None:
    config = pnc(tmp_path)
    stores = tmp_path / "stores"
    shutil.copytree(lab_pki() / "station", stores)
    trust = replace(config.trust, truststore=stores / "truststore", keystore=stores / "keystore")
    files = ("station.toml", "allow.txt", "deny.txt", "revoked.txt")
    source, allow, deny, revoked = (tmp_path / name for name in files)
    trust = replace(trust, revoked=revoked)
    config = replace(config, source=source, trust=trust, uplink=replace(config.uplink, allowlist=allow, denylist=deny))
    for path in (source, allow, deny, revoked):
        path.write_text("")
        path.chmod(0o644)
    assert "can be changed by others" not in said(config)
    for path, subject in (
        (stores / "truststore", "truststore"),
        (stores / "keystore", "keystore"),
        (source, "configuration"),
        (allow, "allowlist"),
        (deny, "denylist"),
        (revoked, "revoked"),
    ):
        mode = path.stat().st_mode
        path.chmod(mode | 0o022)
        bad = [line for line in said(config).splitlines() if "can be changed by others" in line]
        assert len(bad) == 1
        assert bad[0].startswith(f"BAD  {subject}: {path}: ")
        path.chmod(mode)
    config.station.state_directory.mkdir(exist_ok=True)
    config.station.state_directory.chmod(0o777)
    bad = [line.split(":")[0] for line in said(config).splitlines() if "can be changed by others" in line]
    assert bad == ["BAD  state", "BAD  sessions"]
    config.station.state_directory.chmod(0o700)
    stores.chmod(0o777)
    assert said(config).count(f"{stores} above it can be changed by others (mode 0777)") == 2


def test_the_list_of_revoked_certificates(tmp_path: Path) -> None:
    config, path = pnc(tmp_path), tmp_path / "revoked.txt"
    config = replace(config, trust=replace(config.trust, revoked=path))
    assert f"BAD  revoked: {path}: cannot be read" in said(config)
    path.write_text("# none\nsha1 00 00 00\n")
    assert f"BAD  revoked: {path}: line 2: " in said(config)
    path.write_text("# none\n")
    assert f"OK   revoked: {path}, 0 certificates" in said(config)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    free = ["--sdp-port", str(configured(tmp_path).outlets[0].sdp_port)]
    assert main(["check", "--iface", "lo", "--eim", "free", "--state", str(tmp_path), *free]) == 0
    assert "OK   outlet 1: lo has ::1\n" in capsys.readouterr().out
    assert main(["check", "--iface", "eth987", "--eim", "free", "--state", str(tmp_path), *free]) == 1
    assert "BAD  outlet 1: there is no interface eth987\n" in capsys.readouterr().out

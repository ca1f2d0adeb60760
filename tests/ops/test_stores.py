"""``secc trust`` and ``secc identity`` on real stores, with openssl as the responder."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.certificates import Edition
from certs.keystore import Keystore
from secc.cli import main
from tools.pki.layout import make_lab_pki
from tools.pki.mint import KeyKind, Mint


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    make_lab_pki(directory)
    return directory


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main([*arguments])
    streams = capsys.readouterr()
    return code, streams.out + streams.err


def test_a_root_is_added_listed_and_removed(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "truststore")
    root = next((lab / "station" / "truststore" / "iso2" / "mo").iterdir())
    code, text = run(capsys, "trust", "--store", store, "add", "mo", str(root))
    assert code == 0
    fingerprint = text.split()[-1]
    code, text = run(capsys, "trust", "--store", store, "list")
    assert code == 0
    assert "1 roots, 0 problems" in text
    assert fingerprint in text.replace(":", "").lower()
    assert run(capsys, "trust", "--store", store, "remove", "mo", fingerprint)[0] == 0
    assert "0 roots" in run(capsys, "trust", "--store", store, "list")[1]


def test_what_is_no_root_is_refused_and_changes_nothing(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "truststore")
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(
        (lab / "car" / "contract_chain.pem").read_bytes().split(b"-----END CERTIFICATE-----")[0]
        + b"-----END CERTIFICATE-----\n"
    )
    for file in (leaf, tmp_path / "missing.pem"):
        code, text = run(capsys, "trust", "--store", store, "add", "mo", str(file))
        assert code == 1
        assert text.startswith("secc: ")
    code, text = run(capsys, "trust", "--store", store, "list")
    assert code == 1
    assert "No such file or directory" in text, "a store that is not there is an error, not an empty one"


def test_without_a_store_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "trust", "list")
    assert code == 2
    assert "--store" in text


def test_a_chain_is_installed_and_a_foreign_key_is_not(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = next(path for path in (lab / "station" / "keystore" / "iso2").iterdir() if (path / "chain.pem").exists())
    store = str(tmp_path / "keystore")
    parts = [str(source / name) for name in ("chain.pem", "root.pem", "key.pem")]
    code, text = run(capsys, "identity", "--store", store, "install", *parts)
    assert code == 0, text
    assert "1 chains, 0 problems" in run(capsys, "identity", "--store", store, "list")[1]
    foreign = str(lab / "car" / "contract.key")
    code, text = run(capsys, "identity", "--store", store, "install", parts[0], parts[1], foreign)
    assert code == 1
    assert "1 chains, 0 problems" in run(capsys, "identity", "--store", store, "list")[1]


def test_an_ocsp_request_that_openssl_reads_and_an_answer_that_is_kept(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, asked, cache = lab / "station" / "keystore", tmp_path / "asked", tmp_path / "ocsp"
    code, text = run(capsys, "identity", "--store", str(store), "requests", str(asked))
    assert code == 0
    assert text.count("http") == len(text.splitlines())
    for request in asked.iterdir():
        shown = subprocess.run(
            ["openssl", "ocsp", "-reqin", str(request), "-req_text", "-noverify"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "OCSP Request Data" in shown.stdout
    answers = sorted((lab / "station" / "staples").glob("*.der"))
    assert answers
    for answer in answers:
        code, text = run(capsys, "identity", "--store", str(store), "--ocsp-cache", str(cache), "staple", str(answer))
        assert code == 0, text
        assert text.strip().endswith("good")
    assert sorted(file.name for file in cache.iterdir()) == [answer.name for answer in answers]
    nonsense = tmp_path / "nonsense.der"
    nonsense.write_bytes(b"\x30\x03\x0a\x01\x06")
    assert run(capsys, "identity", "--store", str(store), "--ocsp-cache", str(cache), "staple", str(nonsense))[0] == 1


def chain_20(store: Path) -> str:
    """Install a chain of ISO 15118-20; its file's name."""
    mint = Mint(datetime.now(UTC).replace(microsecond=0), 3, KeyKind.P521)
    root = mint.issue("V2G Root 20", "V2G", ca=True)
    leaf = mint.issue("SECC 20", "CPO", root)
    return Keystore(store).install(Edition.ISO20, leaf.pem, root.pem, leaf.key_pem).path.name


def test_the_stores_chains_of_both_editions_are_listed_and_asked_about(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "keystore"
    shutil.copytree(lab / "station" / "keystore", store)
    before = run(capsys, "identity", "--store", str(store), "list")[1]
    name = chain_20(store)
    code, text = run(capsys, "identity", "--store", str(store), "list")
    assert code == 0
    assert "2 chains, 0 problems" in before
    assert "3 chains, 0 problems" in text
    assert f"{name}: SECC 20" in text
    code, text = run(capsys, "identity", "--store", str(store), "requests", str(tmp_path / "asked"))
    assert code == 0
    assert "SECC 20" in text
    store.chmod(0o775)
    assert "0 chains, 1 problems" in run(capsys, "identity", "--store", str(store), "list")[1]


def test_what_is_installed_is_of_the_edition_that_the_station_speaks(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = next((lab / "station" / "truststore" / "iso2" / "mo").iterdir())
    assert run(capsys, "trust", "--store", str(tmp_path), "add", "mo", str(root))[0] == 0
    assert [file.parent.parent.name for file in tmp_path.rglob("*.pem")] == ["iso2"]

"""Our own chains and keys on disk."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from certs.certificates import Edition
from certs.errors import ChainRejected, Flaw, StoreError
from certs.keys import FileKey
from certs.keystore import Keystore, SeccChain
from tests.lab_trust import AT, LAB
from tests.power_cut import each_power_cut
from tools.pki.mint import Issued, KeyKind, Mint

SECC = LAB.secc
MINT = Mint(AT, 13)


def install(directory: Path) -> SeccChain:
    return Keystore(directory).install(Edition.ISO2, SECC.pem, SECC.root.pem, SECC.leaf.key_pem)


def only_problem(directory: Path) -> str:
    contents = Keystore(directory).read(Edition.ISO2)
    assert contents.chains == ()
    (problem,) = contents.problems
    return str(problem)


def test_a_missing_keystore_is_a_problem(tmp_path: Path) -> None:
    """Taken for an empty one, a mistyped path would mean a station without TLS."""
    assert "none: cannot be read: No such file or directory" in only_problem(tmp_path / "none")
    (tmp_path / "file").touch()
    assert only_problem(tmp_path / "file").endswith("file: is not a directory")


def test_a_chain_is_installed_and_read_back(tmp_path: Path) -> None:
    installed = install(tmp_path)
    (chain,) = Keystore(tmp_path).read(Edition.ISO2).chains
    assert chain.path == installed.path
    assert [one.der for one in chain.certificates] == SECC.ders
    assert chain.root.der == SECC.root.der
    assert chain.verify(AT).dates_proven
    assert Keystore(tmp_path).read(Edition.ISO20).chains == ()
    assert chain.path.stat().st_mode & 0o777 == 0o700
    assert (chain.path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_the_key_signs_and_stays_behind_its_interface(tmp_path: Path) -> None:
    key = install(tmp_path).key
    public = SECC.leaf.key.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(key.sign(b"data"), b"data", ec.ECDSA(hashes.SHA256()))
    assert key.uri.startswith("file:/")
    assert key.uri.endswith("/key.pem")
    assert "PRIVATE" not in repr(key)
    pem = key.pkcs8_pem()
    assert pem is not None
    assert b"BEGIN PRIVATE KEY" in pem


@pytest.mark.parametrize("kind", [KeyKind.P521, KeyKind.ED448])
def test_chains_of_the_other_edition(tmp_path: Path, kind: KeyKind) -> None:
    mint = Mint(AT, 5, kind)
    root = mint.issue("V2G Root", "V2G", ca=True)
    leaf = mint.issue("SECC", "CPO", root)
    chain = Keystore(tmp_path).install(Edition.ISO20, leaf.pem, root.pem, leaf.key_pem)
    assert chain.verify(AT).leaf.der == leaf.der
    assert chain.key.sign(b"data")


def test_several_chains_by_root_newest_first(tmp_path: Path) -> None:
    """A renewed leaf stands beside the old one until that is removed."""
    old = install(tmp_path)
    other = LAB.other_secc
    Keystore(tmp_path).install(Edition.ISO2, other.pem, other.root.pem, other.leaf.key_pem)
    leaf = MINT.issue("SECC", "CPO", SECC.sub2, not_before=AT - timedelta(hours=1))
    pem = leaf.pem + SECC.sub2.pem + SECC.sub1.pem
    new = Keystore(tmp_path).install(Edition.ISO2, pem, SECC.root.pem, leaf.key_pem)
    chains = Keystore(tmp_path).read(Edition.ISO2).chains
    assert chains[0].path == new.path
    assert {chain.root.der for chain in chains} == {SECC.root.der, other.root.der}
    shutil.rmtree(old.path)
    assert old.path not in [chain.path for chain in Keystore(tmp_path).read(Edition.ISO2).chains]
    assert not old.path.exists()


def test_a_chain_under_any_name_is_read(tmp_path: Path) -> None:
    place = tmp_path / "iso2" / "put here by hand"
    place.mkdir(parents=True)
    shutil.copytree(install(tmp_path / "other").path, place, dirs_exist_ok=True)
    assert len(Keystore(tmp_path).read(Edition.ISO2).chains) == 1


def test_a_foreign_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not belong to the leaf"):
        Keystore(tmp_path).install(Edition.ISO2, SECC.pem, SECC.root.pem, LAB.contract.leaf.key_pem)
    assert list((tmp_path / "iso2").iterdir()) == []


def rsa_key() -> bytes:
    return MINT.issue("x", None, kind=KeyKind.RSA).key_pem


@pytest.mark.parametrize(
    ("chain", "root", "key", "text"),
    [
        (b"", SECC.root.pem, SECC.leaf.key_pem, "no PEM certificates"),
        (b"junk", SECC.root.pem, SECC.leaf.key_pem, "no PEM certificates"),
        (SECC.leaf.pem + SECC.sub1.pem + SECC.sub2.pem, SECC.root.pem, SECC.leaf.key_pem, "order is leaf, sub-CA 2"),
        (SECC.pem, LAB.other_secc.root.pem, SECC.leaf.key_pem, "not issued by root.pem"),
        (SECC.pem, LAB.contract.root.pem, SECC.leaf.key_pem, "has the role MO"),
        (SECC.pem, SECC.sub1.pem, SECC.leaf.key_pem, "not self-signed"),
        (SECC.leaf.pem * 6, SECC.root.pem, SECC.leaf.key_pem, "6 certificates"),
        (SECC.pem, SECC.root.pem, b"junk", "not a private key"),
        (SECC.pem, SECC.root.pem, rsa_key(), "no V2G profile"),
    ],
    ids=["empty", "junk", "order", "root", "role", "sub-CA as root", "many", "key", "RSA key"],
)  # fmt: skip
def test_what_is_no_chain_is_not_installed(tmp_path: Path, chain: bytes, root: bytes, key: bytes, text: str) -> None:
    with pytest.raises(StoreError, match=text):
        Keystore(tmp_path).install(Edition.ISO2, chain, root, key)
    assert Keystore(tmp_path).read(Edition.ISO2).chains == ()


def test_the_same_chain_twice_is_refused(tmp_path: Path) -> None:
    install(tmp_path)
    with pytest.raises(StoreError, match="installed already"):
        install(tmp_path)
    assert len(Keystore(tmp_path).read(Edition.ISO2).chains) == 1


@pytest.mark.case("A-TLS-07")
def test_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    (install(tmp_path).path / "key.pem").chmod(0o640)
    assert "chmod 600" in only_problem(tmp_path)


def encrypted(issued: Issued, password: bytes) -> bytes:
    return issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def test_an_encrypted_key_takes_its_password_from_a_file(tmp_path: Path) -> None:
    key = encrypted(SECC.leaf, b"12345")
    chain = Keystore(tmp_path).install(Edition.ISO2, SECC.pem, SECC.root.pem, key, password=b"12345\n")
    assert chain.key.sign(b"data")
    (chain.path / "password.txt").chmod(0o644)
    assert "chmod 600" in only_problem(tmp_path)


@pytest.mark.parametrize(
    ("password", "text"), [(None, "no password.txt"), (b"54321", "password is wrong"), (b"", "password")]
)
def test_a_wrong_password_is_said_to_be_wrong(tmp_path: Path, password: bytes | None, text: str) -> None:
    key = encrypted(SECC.leaf, b"12345")
    with pytest.raises(StoreError, match=text):
        Keystore(tmp_path).install(Edition.ISO2, SECC.pem, SECC.root.pem, key, password=password)


def test_a_password_that_is_not_needed_does_no_harm(tmp_path: Path) -> None:
    key = SECC.leaf.key_pem
    chain = Keystore(tmp_path).install(Edition.ISO2, SECC.pem, SECC.root.pem, key, password=b"12345")
    assert isinstance(chain.key, FileKey)


def test_a_key_elsewhere_is_named_by_uri(tmp_path: Path) -> None:
    path = install(tmp_path).path
    elsewhere = tmp_path / "a key.pem"
    (path / "key.pem").rename(elsewhere)
    (path / "key.uri").write_text(f"file:{str(elsewhere).replace(' ', '%20')}\n")
    (chain,) = Keystore(tmp_path).read(Edition.ISO2).chains
    assert chain.key.uri == f"file:{str(elsewhere).replace(' ', '%20')}"


@pytest.mark.parametrize(
    "uri", ["pkcs11:token=secc;object=leaf", "handle:0x81000001", "", "file://host/key.pem", "key.pem"]
)
def test_a_key_that_cannot_be_opened_is_reported(tmp_path: Path, uri: str) -> None:
    (install(tmp_path).path / "key.uri").write_text(uri)
    assert "only file: can be opened" in only_problem(tmp_path)


@pytest.mark.parametrize("name", ["chain.pem", "root.pem", "key.pem"])
def test_a_missing_part_is_named(tmp_path: Path, name: str) -> None:
    (install(tmp_path).path / name).unlink()
    assert name in only_problem(tmp_path)


def test_junk_spoils_no_other_chain(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / "iso2" / "file").write_bytes(b"")
    (tmp_path / "iso2" / "empty").mkdir()
    contents = Keystore(tmp_path).read(Edition.ISO2)
    assert len(contents.chains) == 1
    assert {problem.path.parent.name for problem in contents.problems} == {"iso2", "empty"}


def test_an_expired_chain_is_read_and_does_not_verify(tmp_path: Path) -> None:
    chain = install(tmp_path)
    with pytest.raises(ChainRejected) as refused:
        chain.verify(AT + timedelta(days=61))
    assert refused.value.flaw is Flaw.LEAF_EXPIRED


def test_after_a_power_cut_a_chain_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    directory = tmp_path / "keystore"
    other = LAB.other_secc

    def prepare() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        Keystore(directory).install(Edition.ISO2, other.pem, other.root.pem, other.leaf.key_pem)

    def leaves() -> set[bytes]:
        contents = Keystore(directory).read(Edition.ISO2)
        assert contents.problems == ()
        return {chain.leaf.der for chain in contents.chains}

    before, after = {other.leaf.der}, {other.leaf.der, SECC.leaf.der}
    seen = [leaves() for _ in each_power_cut(lambda: install(directory), prepare)]
    assert before in seen
    assert after in seen
    assert all(state in (before, after) for state in seen)
    assert leaves() == after


def test_what_a_power_cut_left_is_swept_away(tmp_path: Path) -> None:
    """It holds a private key."""
    cuts = each_power_cut(lambda: install(tmp_path), lambda: None)
    for _ in range(6):
        next(cuts)
    assert list((tmp_path / "iso2").glob(".*"))
    install(tmp_path)
    assert not list((tmp_path / "iso2").glob(".*"))

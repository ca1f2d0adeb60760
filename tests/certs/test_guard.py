"""What trust rests on is used only where root and our user alone can change it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from certs import guard
from certs.certificates import Edition
from certs.errors import StoreError
from certs.files import read_file
from certs.guard import require_guarded
from certs.keystore import Keystore
from certs.profile import Role
from certs.truststore import Truststore
from tests.lab_trust import LAB

pytestmark = pytest.mark.case("A-PKI-07")
STRANGER = 65_534


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on ``path`` belongs to somebody else: by root's means, or by taking its owner for somebody else."""
    if os.geteuid() == 0:
        os.chown(path, STRANGER, -1, follow_symlinks=False)
    else:
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)


@pytest.fixture
def truststore(tmp_path: Path) -> Truststore:
    store = Truststore(tmp_path / "truststore")
    store.add(Edition.ISO2, Role.MO, LAB.contract.root.pem)
    store.add(Edition.ISO2, Role.V2G, LAB.secc.root.pem)
    return store


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    store = Keystore(tmp_path / "keystore")
    store.install(Edition.ISO2, LAB.secc.pem, LAB.secc.root.pem, LAB.secc.leaf.key_pem)
    return store


def root_of(store: Truststore) -> Path:
    (path,) = (store.directory / "iso2" / "mo").iterdir()
    return path


def chain_of(store: Keystore) -> Path:
    (path,) = (store.directory / "iso2").iterdir()
    return path


MO_PLACES: dict[str, Callable[[Truststore], Path]] = {
    "store": lambda store: store.directory,
    "edition": lambda store: store.directory / "iso2",
    "role": lambda store: store.directory / "iso2" / "mo",
    "file": root_of,
}
CHAIN_PLACES: dict[str, Callable[[Keystore], Path]] = {
    "store": lambda store: store.directory,
    "edition": lambda store: store.directory / "iso2",
    "chain": chain_of,
    "chain.pem": lambda store: chain_of(store) / "chain.pem",
    "root.pem": lambda store: chain_of(store) / "root.pem",
}


def refused(store: Truststore) -> str:
    """Why the MO root does not count."""
    roots = store.read()
    assert roots.anchors(Edition.ISO2).mo == ()
    (problem,) = roots.problems
    return str(problem)


def shown_nowhere(store: Keystore) -> str:
    """Why the chain does not count."""
    contents = store.read(Edition.ISO2)
    assert contents.chains == ()
    (problem,) = contents.problems
    return str(problem)


@pytest.mark.parametrize("bits", [0o020, 0o002, 0o1022], ids=["group", "world", "sticky"])
@pytest.mark.parametrize("place", MO_PLACES)
def test_a_root_that_others_can_write_is_not_used(truststore: Truststore, place: str, bits: int) -> None:
    path = MO_PLACES[place](truststore)
    path.chmod(path.stat().st_mode | bits)
    assert "can be changed by others" in refused(truststore)
    assert str(path) in refused(truststore)


@pytest.mark.parametrize("place", MO_PLACES)
def test_a_root_of_a_stranger_is_not_used(truststore: Truststore, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = len(truststore.read().installed)
    give_away(MO_PLACES[place](truststore), monkeypatch)
    after = truststore.read()
    assert len(after.installed) < roots
    assert after.anchors(Edition.ISO2).mo == ()
    assert all("belongs to user" in str(problem) for problem in after.problems)


def test_a_role_that_others_can_write_spoils_no_other(truststore: Truststore) -> None:
    (truststore.directory / "iso2" / "mo").chmod(0o777)
    assert [root.der for root in truststore.read().anchors(Edition.ISO2).v2g] == [LAB.secc.root.der]


@pytest.mark.parametrize("bits", [0o020, 0o002], ids=["group", "world"])
@pytest.mark.parametrize("place", CHAIN_PLACES)
def test_a_chain_that_others_can_write_is_not_shown(keystore: Keystore, place: str, bits: int) -> None:
    path = CHAIN_PLACES[place](keystore)
    path.chmod(path.stat().st_mode | bits)
    assert "can be changed by others" in shown_nowhere(keystore)


@pytest.mark.parametrize("place", CHAIN_PLACES)
def test_a_chain_of_a_stranger_is_not_shown(keystore: Keystore, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(CHAIN_PLACES[place](keystore), monkeypatch)
    assert "belongs to" in shown_nowhere(keystore)


def test_nothing_is_put_into_a_store_that_others_can_write(truststore: Truststore, keystore: Keystore) -> None:
    for directory in (truststore.directory, keystore.directory):
        directory.chmod(0o777)
    with pytest.raises(StoreError, match="can be changed by others"):
        truststore.add(Edition.ISO2, Role.OEM, LAB.provisioning.root.pem)
    assert not (truststore.directory / "iso2" / "oem").exists()
    other = LAB.other_secc
    with pytest.raises(StoreError, match="can be changed by others"):
        keystore.install(Edition.ISO2, other.pem, other.root.pem, other.leaf.key_pem)
    assert len(list((keystore.directory / "iso2").iterdir())) == 1


def test_a_root_is_taken_away_from_a_file_that_others_can_write(truststore: Truststore) -> None:
    """Who repairs a store begins with what he does not trust."""
    fingerprint = truststore.read().anchors(Edition.ISO2).mo[0].fingerprint
    root_of(truststore).chmod(0o666)
    truststore.remove(Edition.ISO2, Role.MO, fingerprint)
    assert truststore.read().problems == ()


def test_what_we_make_is_ours_alone_under_any_umask(tmp_path: Path) -> None:
    """A group may write new files in many distributions (umask 002)."""
    before = os.umask(0)
    try:
        truststore, keystore = Truststore(tmp_path / "a" / "truststore"), Keystore(tmp_path / "b" / "keystore")
        truststore.add(Edition.ISO2, Role.MO, LAB.contract.root.pem)
        keystore.install(Edition.ISO2, LAB.secc.pem, LAB.secc.root.pem, LAB.secc.leaf.key_pem)
    finally:
        os.umask(before)
    assert truststore.read().problems == ()
    assert len(keystore.read(Edition.ISO2).chains) == 1


# Symbolic links


def test_a_link_out_of_the_store_is_not_followed(truststore: Truststore, tmp_path: Path) -> None:
    outside = tmp_path / "outside.pem"
    outside.write_bytes(root_of(truststore).read_bytes())
    path = root_of(truststore)
    path.unlink()
    path.symlink_to(outside)
    assert refused(truststore).endswith(f"leads out of the store, to {outside.resolve()}")


def test_a_role_that_is_a_link_out_of_the_store_is_not_followed(truststore: Truststore, tmp_path: Path) -> None:
    place = truststore.directory / "iso2" / "mo"
    place.rename(tmp_path / "mo")
    place.symlink_to(tmp_path / "mo")
    assert "leads out of the store" in refused(truststore)


@pytest.mark.parametrize("name", ["chain.pem", "root.pem", "key.pem"])
def test_a_link_out_of_the_keystore_is_not_followed(keystore: Keystore, tmp_path: Path, name: str) -> None:
    file = chain_of(keystore) / name
    file.rename(tmp_path / name)
    file.symlink_to(tmp_path / name)
    assert "leads out of the store" in shown_nowhere(keystore)


def test_a_link_within_the_store_is_followed(truststore: Truststore) -> None:
    """As tools that renew files leave them: NAME -> ..data/NAME."""
    path, data = root_of(truststore), truststore.directory / "iso2" / "mo" / ".data"
    data.mkdir(mode=0o755)
    path.rename(data / path.name)
    path.symlink_to(Path(".data") / path.name)
    assert truststore.read().problems == ()
    assert len(truststore.read().anchors(Edition.ISO2).mo) == 1


def test_the_store_itself_may_be_reached_by_a_link(truststore: Truststore, tmp_path: Path) -> None:
    """A board with a read-only root keeps it on another partition; what that is has to be guarded all the same."""
    link = tmp_path / "etc-secc-truststore"
    link.symlink_to(truststore.directory)
    assert len(Truststore(link).read().installed) == 2
    truststore.directory.chmod(0o777)
    assert "can be changed by others" in refused(Truststore(link))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_a_link_of_a_stranger_is_not_followed(truststore: Truststore, tmp_path: Path) -> None:
    """In a directory like /tmp the stranger can turn it whenever he likes."""
    link = tmp_path / "link"
    link.symlink_to(truststore.directory)
    os.chown(link, STRANGER, -1, follow_symlinks=False)
    assert f"the link {link} on the way to it belongs to" in refused(Truststore(link))


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StoreError, match="too many symbolic links"):
        require_guarded(tmp_path / "a")


# The directories above


@pytest.fixture
def above(tmp_path: Path) -> Path:
    """A directory two above a store, with that store in it."""
    directory = tmp_path / "above"
    shutil.copytree(filled(tmp_path / "made").directory, directory / "between" / "truststore")
    return directory


def filled(directory: Path) -> Truststore:
    store = Truststore(directory)
    store.add(Edition.ISO2, Role.MO, LAB.contract.root.pem)
    return store


def test_who_can_swap_a_directory_above_swaps_the_store(above: Path) -> None:
    store = Truststore(above / "between" / "truststore")
    assert store.read().problems == ()
    above.chmod(0o777)
    assert f"{above} above it can be changed by others (mode 0777)" in refused(store)


def test_in_a_sticky_directory_nobody_swaps_what_is_ours(above: Path) -> None:
    above.chmod(0o1777)
    assert Truststore(above / "between" / "truststore").read().problems == ()


@pytest.mark.parametrize(("strangers", "counts"), [(True, False), (False, True)])
def test_a_group_above_counts_by_its_members(
    above: Path, monkeypatch: pytest.MonkeyPatch, strangers: bool, counts: bool
) -> None:
    """Many distributions give each user a group of his own, which may write everywhere."""
    above.chmod(0o775)
    monkeypatch.setattr(guard, "_group_has_strangers", lambda directory, status: strangers)
    assert bool(Truststore(above / "between" / "truststore").read().installed) is counts


def test_the_members_of_a_group(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = above.stat()

    def database(*users: tuple[str, int, int], group: tuple[str, ...]) -> None:
        known = [guard.pwd.struct_passwd((name, "x", uid, gid, "", "/", "/bin/sh")) for name, uid, gid in users]
        by_name = {user.pw_name: user for user in known}
        monkeypatch.setattr(guard.pwd, "getpwall", lambda: known)
        monkeypatch.setattr(guard.pwd, "getpwnam", by_name.__getitem__)
        entry = guard.grp.struct_group(("group", "x", status.st_gid, list(group)))
        monkeypatch.setattr(guard.grp, "getgrgid", lambda gid: entry)

    me = ("me", os.geteuid(), status.st_gid)
    database(me, group=())
    assert not guard._group_has_strangers(above, status)
    database(me, ("friend", 4711, 4711), group=("friend",))
    assert guard._group_has_strangers(above, status)
    database(me, ("colleague", 4711, status.st_gid), group=())
    assert guard._group_has_strangers(above, status)
    database(me, group=("gone",))
    assert not guard._group_has_strangers(above, status)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_strangers_directory_above(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(above, STRANGER, -1)
    store = Truststore(above / "between" / "truststore")
    assert f"{above} above it belongs to" in refused(store)
    # The owner of the program can change what it does without touching a store.
    monkeypatch.setattr(guard, "_owners_above", lambda: frozenset({0, STRANGER}))
    assert store.read().problems == ()


def test_what_is_not_there_is_not_refused(tmp_path: Path) -> None:
    assert require_guarded(tmp_path / "none" / "at" / "all") == (tmp_path / "none" / "at" / "all").resolve()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="Not a directory"):
        require_guarded(tmp_path / "file" / "below")


def test_a_file_that_changes_hands_between_look_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened is looked at, too."""
    path = tmp_path / "root.pem"
    path.write_bytes(b"")
    path.chmod(0o666)
    monkeypatch.setattr("certs.files.require_guarded", lambda path, store: path)
    with pytest.raises(StoreError, match="can be changed by others"):
        read_file(path, store=tmp_path)

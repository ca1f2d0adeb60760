"""The installed roots on disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from certs import truststore
from certs.certificates import Certificate, Edition
from certs.contract import verify_contract_chain
from certs.errors import ChainRejected, Outcome, StoreError
from certs.files import SETTLED_NS, Stamp
from certs.profile import Role
from certs.truststore import Roots, Truststore
from tests.lab_trust import AT, LAB, certificate
from tests.power_cut import each_power_cut
from tests.settle import settle
from tools.pki.flaws.parts import names_of_another_company
from tools.pki.mint import CA_USAGE, Issued, KeyKind, Mint, key_usage

MINT = Mint(AT, 11)


def filled(directory: Path) -> Truststore:
    store = Truststore(directory)
    store.add(Edition.ISO2, Role.V2G, LAB.secc.root.pem)
    store.add(Edition.ISO2, Role.MO, LAB.contract.root.der)
    return store


def test_an_empty_store_trusts_nobody(tmp_path: Path) -> None:
    roots = Truststore(tmp_path).read()
    assert roots.installed == ()
    assert roots.problems == ()


def test_a_missing_store_is_a_problem(tmp_path: Path) -> None:
    """`secc trust list` of a mistyped path must not say: 0 roots, 0 problems."""
    (problem,) = Truststore(tmp_path / "none").read().problems
    assert "none: cannot be read: No such file or directory" in str(problem)
    assert Truststore(tmp_path / "none").add(Edition.ISO2, Role.V2G, LAB.secc.root.pem), "the first root makes it"


def test_roots_are_kept_by_edition_and_role(tmp_path: Path) -> None:
    store = filled(tmp_path)
    anchors = store.read().anchors(Edition.ISO2)
    assert [root.der for root in anchors.v2g] == [LAB.secc.root.der]
    assert [root.der for root in anchors.mo] == [LAB.contract.root.der]
    assert anchors.oem == ()
    other = store.read().anchors(Edition.ISO20)
    assert (other.v2g, other.mo, other.oem) == ((), (), ())
    (file,) = (tmp_path / "iso2" / "mo").iterdir()
    assert file.name == f"{anchors.mo[0].fingerprint}.pem"


def test_a_contract_is_verified_from_the_store(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert verify_contract_chain(LAB.contract.ders, store.read().anchors(Edition.ISO2), AT).outcome is Outcome.VALID
    store.remove(Edition.ISO2, Role.MO, store.read().anchors(Edition.ISO2).mo[0].fingerprint)
    with pytest.raises(ChainRejected):
        verify_contract_chain(LAB.contract.ders, store.read().anchors(Edition.ISO2), AT)


def test_the_same_root_twice_is_one(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.add(Edition.ISO2, Role.MO, LAB.contract.root.pem)
    assert len(store.read().installed) == 2


def test_roots_of_the_other_edition(tmp_path: Path) -> None:
    store = Truststore(tmp_path)
    root = Mint(AT, 5, KeyKind.ED448).issue("V2G Root", "V2G", ca=True)
    store.add(Edition.ISO20, Role.V2G, root.pem)
    assert len(store.read().anchors(Edition.ISO20).v2g) == 1
    with pytest.raises(StoreError, match="outside the profile"):
        store.add(Edition.ISO2, Role.V2G, root.pem)
    with pytest.raises(StoreError, match="outside the profile"):
        store.add(Edition.ISO20, Role.MO, LAB.contract.root.pem)


def unfit() -> dict[str, tuple[Issued, str]]:
    rsa = MINT.issue("Root", "MO", ca=True, kind=KeyKind.RSA, key_identifiers=False)
    return {
        "sub-CA": (LAB.contract.sub1, "not self-signed"),
        "leaf": (LAB.contract.leaf, "not a CA"),
        "self-signed leaf": (MINT.issue("Root", "MO"), "not a CA"),
        "no keyCertSign": (MINT.issue("Root", "MO", ca=True, usage=key_usage("crl_sign")), "not a CA"),
        "no basicConstraints": (MINT.issue("Root", "MO", constraints=False, usage=CA_USAGE), "not a CA"),
        "role": (LAB.secc.root, "V2G"),
        "RSA": (rsa, "too-large|outside the profile"),
        "P-384": (MINT.issue("Root", "MO", ca=True, kind=KeyKind.P384), "outside the profile"),
        "constraints": (
            MINT.issue("Root", "MO", ca=True, extra=[(names_of_another_company(), False)]),
            "has nameConstraints or policyConstraints",
        ),
        "forged": (MINT.issue("Root", "MO", ca=True, signing_key=MINT.key()), "not self-signed"),
    }


@pytest.mark.parametrize("name", unfit())
def test_what_is_no_root_of_this_role_is_not_installed(tmp_path: Path, name: str) -> None:
    """A-OCPP-04, A-PKI-02."""
    issued, text = unfit()[name]
    store = Truststore(tmp_path)
    with pytest.raises(StoreError, match=text):
        store.add(Edition.ISO2, Role.MO, issued.pem)
    assert store.read().installed == ()


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\n", LAB.secc.pem], ids=["empty", "junk", "cut", "chain"]
)
def test_what_is_no_certificate_is_not_installed(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(StoreError):
        Truststore(tmp_path).add(Edition.ISO2, Role.V2G, data)


def test_a_root_that_says_no_role_takes_the_one_it_is_given(tmp_path: Path) -> None:
    """Some mobility operators' roots carry no domainComponent; who installs them knows whose they are."""
    store = Truststore(tmp_path)
    store.add(Edition.ISO2, Role.MO, MINT.issue("Root", None, ca=True).pem)
    assert len(store.read().anchors(Edition.ISO2).mo) == 1


def test_the_store_has_a_limit(tmp_path: Path) -> None:
    """A-OCPP-04: a thousand roots."""
    store = Truststore(tmp_path, max_roots=2)
    first, second, third = (MINT.issue(f"Root {n}", "MO", ca=True) for n in range(3))
    store.add(Edition.ISO2, Role.MO, first.pem)
    store.add(Edition.ISO2, Role.MO, second.pem)
    with pytest.raises(StoreError, match="full"):
        store.add(Edition.ISO2, Role.MO, third.pem)
    store.add(Edition.ISO2, Role.MO, first.pem)
    assert len(store.read().installed) == 2


def crowded(directory: Path, count: int) -> Truststore:
    """A store into which somebody put that many files past ``add``."""
    store = filled(directory)
    (root,) = (directory / "iso2" / "mo").iterdir()
    for number in range(count):
        os.link(root, root.with_name(f"{number}.pem"))
    return store


@pytest.mark.parametrize("count", [59, 10_000])
def test_a_crowded_store_is_refused_by_count(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A-OCPP-04: not one file of it is opened."""
    store = crowded(tmp_path, count)
    opened: list[Path] = []
    monkeypatch.setattr("certs.truststore.read_file", lambda path, **how: opened.append(path))
    roots = store.read()
    assert opened == []
    assert roots.installed == ()
    (problem,) = roots.problems
    assert "holds 61 roots, and at most 60 are allowed" in str(problem) or "holds more than 1000 files" in str(problem)
    with pytest.raises(StoreError):
        store.add(Edition.ISO2, Role.V2G, LAB.other_secc.root.pem)


def test_a_full_store_is_used_and_can_be_emptied(tmp_path: Path) -> None:
    store = crowded(tmp_path, 58)
    assert len(store.read().installed) == 60
    store = crowded(tmp_path / "more", 59)
    store.remove(Edition.ISO2, Role.V2G, certificate(LAB.secc.root).fingerprint)
    assert len(store.read().installed) == 60


def test_junk_spoils_nothing_and_is_reported(tmp_path: Path) -> None:
    store = filled(tmp_path)
    place = tmp_path / "iso2" / "mo"
    (place / "junk.pem").write_bytes(b"junk")
    (place / "sub.pem").write_bytes(LAB.contract.sub1.pem)
    (place / "v2g.pem").write_bytes(LAB.secc.root.pem)
    (place / "README").write_bytes(b"text")
    (place / "directory.pem").mkdir()
    (place / ".half-written.pem.0011.tmp").write_bytes(b"-----BEG")
    (place / "dangling.pem").symlink_to(tmp_path / "nowhere")
    roots = store.read()
    assert len(roots.installed) == 2
    reported = {problem.path.name for problem in roots.problems}
    assert reported == {"junk.pem", "sub.pem", "v2g.pem", "README", "directory.pem", "dangling.pem"}


def test_a_root_put_there_by_hand_is_found_and_removed(tmp_path: Path) -> None:
    place = tmp_path / "iso2" / "mo"
    place.mkdir(parents=True)
    (place / "our operator.pem").write_bytes(LAB.contract.root.pem)
    store = Truststore(tmp_path)
    (root,) = store.read().installed
    store.remove(Edition.ISO2, Role.MO, root.certificate.fingerprint.upper())
    assert store.read().installed == ()


def test_removing_asks_for_edition_and_role(tmp_path: Path) -> None:
    store = filled(tmp_path)
    fingerprint = store.read().anchors(Edition.ISO2).mo[0].fingerprint
    for edition, role in ((Edition.ISO20, Role.MO), (Edition.ISO2, Role.V2G)):
        with pytest.raises(StoreError, match="holds no root"):
            store.remove(edition, role, fingerprint)
    assert len(store.read().installed) == 2


def test_the_listing_tells_an_auditor_everything(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (tmp_path / "iso2" / "mo" / "junk.pem").write_bytes(b"junk")
    listing = store.listing()
    root = store.read().anchors(Edition.ISO2).mo[0]
    for text in (
        "2 roots, 1 problems",
        "iso2 mo: 1",
        "iso20 v2g: 0",
        "CN=Lab MO Root CA",
        "DC MO; secp256r1",
        f"serial {root.serial_number:x}",
        "valid 2026-11-19 12:00 to 2036-11-17 12:00 UTC",
        f"SHA-256 {root.fingerprint}",
        "PROBLEM",
        "junk.pem",
    ):
        assert text in listing


def test_a_hostile_name_breaks_no_line_of_the_listing(tmp_path: Path) -> None:
    store = Truststore(tmp_path)
    store.add(Edition.ISO2, Role.MO, MINT.issue("Root\niso2 v2g: 99\x1b[2J", "MO", ca=True).pem)
    assert "\niso2 v2g: 99" not in store.listing()
    assert "\x1b" not in store.listing()


def test_after_a_power_cut_the_store_is_as_before_or_after(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    new = LAB.provisioning.root

    def prepare() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        filled(directory)

    def installed() -> list[bytes]:
        roots = Truststore(directory).read()
        assert roots.problems == ()
        return sorted(root.certificate.der for root in roots.installed)

    before = sorted([LAB.secc.root.der, LAB.contract.root.der])
    after = sorted([*before, new.der])
    seen = [
        installed() for _ in each_power_cut(lambda: Truststore(directory).add(Edition.ISO2, Role.OEM, new.pem), prepare)
    ]
    assert before in seen
    assert after in seen
    assert all(state in (before, after) for state in seen)
    assert installed() == after

    fingerprint = Truststore(directory).read().anchors(Edition.ISO2).mo[0].fingerprint
    removed = sorted([LAB.secc.root.der])
    for _ in each_power_cut(lambda: Truststore(directory).remove(Edition.ISO2, Role.MO, fingerprint), prepare):
        assert installed() in (before, removed)
    assert installed() == removed


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose certificates are parsed and checked."""
    names: list[str] = []
    check = truststore.root_certificate

    def noted(data: bytes, edition: Edition, role: Role, path: Path) -> Certificate:
        names.append(path.name)
        return check(data, edition, role, path)

    monkeypatch.setattr(truststore, "root_certificate", noted)
    return names


def test_a_root_that_has_not_changed_is_not_checked_again(
    tmp_path: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    place = tmp_path / "iso2" / "mo"
    (place / "junk.pem").write_bytes(b"junk")
    settle(monkeypatch)

    def read(*changed: str) -> Roots:
        checked.clear()
        roots = store.read()
        assert sorted(checked) == sorted(["junk.pem", *changed]), "what is not good is looked at each time"
        return roots

    (mo,) = (path for path in place.iterdir() if path.name != "junk.pem")
    (v2g,) = (tmp_path / "iso2" / "v2g").iterdir()
    before = read(mo.name, v2g.name)
    after = read()
    assert after.installed == before.installed
    assert [str(problem) for problem in after.problems] == [str(problem) for problem in before.problems]
    # Every change counts, also one that leaves size and time of writing as they were.
    status = mo.stat()
    mo.write_bytes(LAB.provisioning.root.pem[: status.st_size].ljust(status.st_size, b"\n"))
    os.utime(mo, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert mo.name in {problem.path.name for problem in read(mo.name).problems}
    mo.write_bytes(LAB.contract.root.pem)
    assert len(read(mo.name).installed) == 2
    other = place / "other.pem"
    mo.rename(other)
    assert [root.path for root in read("other.pem").installed] == [v2g, other], "a name is part of it"
    # Who may change it is looked at each time, and so is the way to it.
    other.chmod(0o666)
    assert [root.path for root in read().installed] == [v2g]
    other.chmod(0o644)
    assert len(read("other.pem").installed) == 2
    place.chmod(0o777)
    checked.clear()
    assert [root.path for root in store.read().installed] == [v2g]
    assert checked == []
    place.chmod(0o755)
    other.unlink()
    assert [root.path for root in read().installed] == [v2g]


def test_a_known_root_that_others_may_write_is_refused_though_its_stamp_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems keep no time of change for permissions."""
    store = filled(tmp_path)
    settle(monkeypatch)
    monkeypatch.setattr(truststore, "stamp_of", lambda status: (status.st_ino, 0))
    assert len(store.read().installed) == 2
    (mo,) = (tmp_path / "iso2" / "mo").iterdir()
    mo.chmod(0o666)
    roots = store.read()
    assert [root.role for root in roots.installed] == [Role.V2G]
    assert "can be changed by others" in str(roots.problems)


@pytest.mark.parametrize("tick", [1, SETTLED_NS])
def test_a_root_that_is_replaced_within_the_tick_of_a_clock_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tick: int
) -> None:
    """Both files have the same size, the same times and, as it happens, the same inode."""
    store = Truststore(tmp_path)
    names = [f"Root {n}" for n in range(8)]
    pems = [MINT.issue(name, "MO", ca=True).pem.rstrip().ljust(1100, b"\n") for name in names]
    file = tmp_path / "iso2" / "mo" / "root.pem"
    file.parent.mkdir(parents=True)

    def coarse(status: os.stat_result) -> Stamp:
        return status.st_ino, status.st_size, status.st_ctime_ns - status.st_ctime_ns % tick

    monkeypatch.setattr(truststore, "stamp_of", coarse)
    found = []
    for pem in pems:
        file.write_bytes(pem)
        (root,) = store.read().installed
        found += root.certificate.common_names
    assert found == names


def test_what_a_link_leads_to_is_read_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path)
    (mo,) = (tmp_path / "iso2" / "mo").iterdir()
    (tmp_path / "target").write_bytes(mo.read_bytes())
    mo.unlink()
    mo.symlink_to(tmp_path / "target")
    settle(monkeypatch)
    assert len(store.read().installed) == 2
    (tmp_path / "target").write_bytes(b"junk")
    assert len(store.read().installed) == 1


def test_more_roots_where_more_are_allowed(tmp_path: Path) -> None:
    crowded(tmp_path, 1100)
    assert len(Truststore(tmp_path, max_roots=1102).read().installed) == 1102

"""The backend that needs no network, on real files and on a disk whose plug is pulled."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from certs.contract import Contract, verify_contract_chain
from certs.files import synchronise
from secc.conversation import Wall
from secc.errors import ConfigError, UplinkError
from secc.session.durable import Disk, StorageFailed
from secc.session.effects import Decision, Ground, Verdict
from secc.session.identification import AuthorizeToken
from secc.uplink import standalone
from secc.uplink.book import MAX_FAILED, REMEMBERED, FailedContracts
from secc.uplink.port import Backend, Identity, SessionEnded, SessionStarted
from secc.uplink.standalone import OFFLINE, Eim, Rules, Standalone
from tests.lab_proof import lab_contract, lab_proved, taken_as_proved
from tests.lab_trust import AT, LAB, anchors
from tests.platter import Platter, PowerCut, every_power_cut
from tests.settle import settle
from tools.pki.lab import EMAID as ALICE

CARD = AuthorizeToken("rfid", "04A2B3C4")
TRUSTING = replace(OFFLINE, offline_tx_for_unknown_id_enabled=True)
CONTRACT, PROVED = lab_contract(), lab_proved()
UNANCHORED = verify_contract_chain(
    LAB.contract.ders, anchors(mo_roots=(LAB.provisioning.root,)), AT, central_validation=True
)


def wall() -> Wall:
    return Wall(AT, trusted=True)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def asked(
    rules: Rules, question: Contract | AuthorizeToken, *, before: Callable[[Standalone], Awaitable[None]] | None = None
) -> Decision:
    async def ask() -> Verdict:
        backend = Standalone(rules, wall)
        await backend.open()
        if before is not None:
            await before(backend)
        if isinstance(question, AuthorizeToken):
            return await backend.authorize_token(question, outlet="1", decide=5.0)
        return await backend.authorize_contract(question, outlet="1", decide=5.0)

    return asyncio.run(ask()).decision


def test_it_is_a_backend(tmp_path: Path) -> None:
    backend: Backend = Standalone(Rules(tmp_path), wall)
    assert not backend.online and backend.status().state == "offline"
    asyncio.run(backend.open())
    assert backend.status().state == "ready" and backend.status().problems == ()


def test_as_it_comes_nobody_charges(tmp_path: Path) -> None:
    assert asked(Rules(tmp_path), CONTRACT) is Decision.REJECTED
    assert asked(Rules(tmp_path), CARD) is Decision.REJECTED


def test_a_listed_contract_charges(tmp_path: Path) -> None:
    allow = write(tmp_path / "allow", f"emaid {ALICE}")
    assert asked(Rules(tmp_path, allowlist=allow), CONTRACT) is Decision.ACCEPTED
    assert asked(Rules(tmp_path, allowlist=allow), UNANCHORED) is Decision.NO_TRUST_ANCHOR
    assert (
        asked(Rules(tmp_path, allowlist=write(tmp_path / "b", "emaid DE8AACA2B3C4D6")), CONTRACT) is Decision.REJECTED
    )
    no_pnc = replace(OFFLINE, pnc_enabled=False)
    assert asked(Rules(tmp_path, allowlist=allow, policy=no_pnc), CONTRACT) is Decision.REJECTED


def test_a_listed_contract_under_another_root_than_the_list_names_does_not_charge(tmp_path: Path) -> None:
    """A-PKI-08: an installed MO root issues a contract of another provider."""
    mine, other = (hashlib.sha256(line.root.der).hexdigest() for line in (LAB.contract, LAB.provisioning))
    bound = write(tmp_path / "bound", f"emaid {ALICE} root={mine}")
    assert asked(Rules(tmp_path, allowlist=bound), CONTRACT) is Decision.ACCEPTED
    foreign = write(tmp_path / "foreign", f"emaid DE8AA* root={other}")
    assert asked(Rules(tmp_path, allowlist=foreign), CONTRACT) is Decision.REJECTED
    assert asked(Rules(tmp_path, allowlist=bound), UNANCHORED) is Decision.NO_TRUST_ANCHOR


def test_a_denied_contract_does_not(tmp_path: Path) -> None:
    allow, deny = write(tmp_path / "allow", f"emaid {ALICE}"), write(tmp_path / "deny", "emaid DE8AA*")
    assert asked(Rules(tmp_path, policy=TRUSTING, allowlist=allow, denylist=deny), CONTRACT) is Decision.REJECTED


def test_no_denial_ends_by_a_clock_that_nothing_confirms(tmp_path: Path) -> None:
    allow, deny = write(tmp_path / "allow", "rfid 04A2B3C4"), write(tmp_path / "deny", "rfid 04A2B3C4 until=2026-11-01")

    async def ask(trusted: bool) -> Decision:
        rules = Rules(tmp_path, allowlist=allow, denylist=deny)
        backend = Standalone(rules, lambda: Wall(AT, trusted=trusted))
        await backend.open()
        return (await backend.authorize_token(CARD, outlet="1", decide=5.0)).decision

    assert asyncio.run(ask(True)) is Decision.ACCEPTED
    assert asyncio.run(ask(False)) is Decision.REJECTED


def test_an_unknown_contract_charges_where_that_is_allowed(tmp_path: Path) -> None:
    assert asked(Rules(tmp_path, policy=TRUSTING), CONTRACT) is Decision.ACCEPTED
    assert asked(Rules(tmp_path, policy=TRUSTING), UNANCHORED) is Decision.NO_TRUST_ANCHOR
    assert asked(Rules(tmp_path, policy=TRUSTING), CARD) is Decision.REJECTED, "that is about contracts only"


REVOKED = Verdict(Decision.CERTIFICATE_REVOKED, "", Ground.BACKEND)


@pytest.mark.parametrize(
    ("verdict", "then"),
    [
        (REVOKED, Decision.REJECTED),
        (Verdict(Decision.CONTRACT_CANCELLED, "", Ground.BACKEND), Decision.REJECTED),
        (Verdict(Decision.REJECTED, "NoCredit", Ground.BACKEND), Decision.REJECTED),
        (Verdict(Decision.REJECTED, "ConcurrentTx", Ground.CIRCUMSTANCES), Decision.ACCEPTED),
        (Verdict(Decision.REJECTED, "on no list", Ground.UNLISTED), Decision.ACCEPTED),
        (Verdict(Decision.REJECTED, "PnCEnabled is false", Ground.SETTING), Decision.ACCEPTED),
        (Verdict(Decision.REJECTED), Decision.ACCEPTED),
        (Verdict(Decision.CHAIN_INVALID, "", Ground.CHAIN), Decision.ACCEPTED),
    ],
    ids=lambda value: f"{value.ground.value} {value.detail}" if isinstance(value, Verdict) else value.value,
)
def test_what_the_backend_said_of_a_contract_is_remembered_over_a_restart_and_nothing_else(
    tmp_path: Path, verdict: Verdict, then: Decision
) -> None:
    rules = Rules(tmp_path / "state", policy=TRUSTING)
    assert asked(rules, CONTRACT, before=lambda backend: backend.contract_decided(PROVED, verdict)) is then
    assert asked(rules, CONTRACT) is then
    listed = replace(rules, allowlist=write(tmp_path / "allow", f"emaid {ALICE}"))
    assert asked(listed, CONTRACT) is Decision.ACCEPTED, "the operator's list goes before the memory"


def test_an_acceptance_erases_what_is_remembered(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "state", policy=TRUSTING)
    assert asked(rules, CONTRACT, before=lambda backend: backend.contract_decided(PROVED, REVOKED)) is Decision.REJECTED
    yes = Verdict(Decision.ACCEPTED, "by the local list or cache", Ground.ALLOWLIST)
    assert asked(rules, CONTRACT, before=lambda backend: backend.contract_decided(PROVED, yes)) is Decision.ACCEPTED
    assert asked(rules, CONTRACT) is Decision.ACCEPTED, "on the disk as well"


def test_what_was_denied_may_charge_when_the_operator_takes_the_line_back(tmp_path: Path) -> None:
    deny = write(tmp_path / "deny", f"emaid {ALICE}")
    rules = Rules(tmp_path / "state", policy=TRUSTING, denylist=deny)

    async def live() -> list[Decision]:
        backend = Standalone(rules, wall)
        await backend.open()
        found = []
        for text in (f"emaid {ALICE}", "# nobody"):
            write(deny, text)
            await backend.reload()
            verdict = await backend.authorize_contract(CONTRACT, outlet="1", decide=5.0)
            await backend.contract_decided(PROVED, verdict)
            found.append(verdict.decision)
        return found

    assert asyncio.run(live()) == [Decision.REJECTED, Decision.ACCEPTED]


@pytest.mark.case("A-PKI-08", "A-PNC-17")
def test_a_contract_of_the_same_name_under_another_root_is_another_contract(tmp_path: Path) -> None:
    """The holder of any installed root can issue, and prove, a contract of any name; that must not lock the customer out."""
    rules = Rules(tmp_path / "state", policy=TRUSTING)
    mine = taken_as_proved(UNANCHORED)
    assert asked(rules, CONTRACT, before=lambda backend: backend.contract_decided(mine, REVOKED)) is Decision.ACCEPTED


def test_a_memory_of_a_version_that_did_not_say_why_is_forgotten(tmp_path: Path) -> None:
    until = (AT + timedelta(days=90)).isoformat()
    old = {"failed": [["0123", "rejected", until]]}
    (tmp_path / "failed-contracts.json").write_text(json.dumps(old))
    failed = FailedContracts(tmp_path / "failed-contracts.json", Disk())
    assert (len(failed), failed.problem) == (0, "")


def test_no_file_names_anybody(tmp_path: Path) -> None:
    async def live() -> None:
        backend = Standalone(Rules(tmp_path, policy=TRUSTING, sessions=tmp_path / "sessions"), wall)
        await backend.open()
        await backend.contract_decided(PROVED, REVOKED)
        await backend.session_started(started())
        await backend.session_ended(SessionEnded("s1", "1", "completed.terminate", wall(), 1500.0, b"signed"))

    asyncio.run(live())
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["failed-contracts.json", "pseudonyms.key", "sessions"]
    contract = {LAB.contract.leaf.der, LAB.contract.leaf.der.hex().encode(), ALICE.encode(), b"CA2B3C4D5", b"A2B3C4D"}
    for file in tmp_path.iterdir():
        octets = file.read_bytes()
        assert not any(part in octets for part in contract), file
        assert file.stat().st_mode & 0o077 == 0
    row = json.loads((tmp_path / "sessions").read_text().splitlines()[0])
    assert row["masked"] == "DE-8AA-*******D5" and len(row["pseudonym"]) == 32
    assert row["at"] == "2026-11-20T12:00:00.000+00:00" and row["watt_hours"] == 1000.0
    assert "A2B3C4" not in repr(Identity("emaid", ALICE)) + repr(CARD)


def started(session: str = "s1", outlet: str = "1") -> SessionStarted:
    return SessionStarted(session, outlet, "DE*PNX*E1", Identity("emaid", ALICE), wall(), 1000.0, "meter-1")


@pytest.mark.parametrize(
    ("eim", "card", "wanted"),
    [
        (Eim.LIST, "04A2B3C4", Decision.ACCEPTED),
        (Eim.LIST, "04A2B3C5", Decision.REJECTED),
        (Eim.LIST, "DEAD0001", Decision.REJECTED),
        (Eim.ANY, "04A2B3C5", Decision.ACCEPTED),
        (Eim.ANY, "DEAD0001", Decision.REJECTED),
        (Eim.FREE, "DEAD0001", Decision.ACCEPTED),
    ],
)
def test_cards(tmp_path: Path, eim: Eim, card: str, wanted: Decision) -> None:
    allow, deny = (
        write(tmp_path / "allow", "rfid 04:A2:B3:C4", "rfid DEAD0001"),
        write(tmp_path / "deny", "rfid DEAD0001"),
    )
    rules = Rules(tmp_path, eim=eim, allowlist=allow, denylist=deny)
    assert asked(rules, AuthorizeToken("rfid", card)) is wanted


def test_an_emaid_on_a_card_is_no_contract(tmp_path: Path) -> None:
    allow = write(tmp_path / "allow", f"emaid {ALICE}")
    for kind in ("emaid", "EMAID"):
        assert asked(Rules(tmp_path, eim=Eim.ANY, allowlist=allow), AuthorizeToken(kind, ALICE)) is Decision.REJECTED


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("badge", "DEAD0001"),
        ("Central", "DEAD0001"),
        ("", "DEAD0001"),
        ("rfid", ""),
        ("rfid", " :-"),
        ("rfid", "A" * 65),
    ],
)
def test_a_card_that_the_denylist_could_not_name_lets_nobody_charge(tmp_path: Path, kind: str, value: str) -> None:
    """Where any card may charge, a denied one must not get by under another word for its kind."""
    rules = Rules(tmp_path, eim=Eim.ANY, denylist=write(tmp_path / "deny", "rfid DEAD0001"))
    assert asked(rules, AuthorizeToken(kind, value)) is Decision.REJECTED


def test_lists_are_read_again_when_they_change(tmp_path: Path) -> None:
    allow = write(tmp_path / "allow", f"emaid {ALICE}")

    async def live() -> list[Decision]:
        backend = Standalone(Rules(tmp_path, allowlist=allow), wall)
        await backend.open()

        async def decision(wrong: str = "") -> Decision:
            if wrong:
                with pytest.raises(ConfigError, match=wrong):
                    await backend.reload()
            else:
                await backend.reload()
            return (await backend.authorize_contract(CONTRACT, outlet="1", decide=5.0)).decision

        found = [await decision()]
        write(allow, "# nobody")
        found.append(await decision())
        write(allow, "# nobody", f"emaid {ALICE}")
        found.append(await decision())
        write(allow, "what is this")
        found.append(await decision(":1: list: "))
        assert backend.status().state == "degraded" and ":1: list: " in backend.status().problems[0]
        with pytest.raises(ConfigError, match=":1: list: "):
            await backend.reload()
        allow.unlink()
        found.append(await decision("does not exist"))
        write(allow, "# nobody again")
        found.append(await decision())
        assert backend.status().state == "ready"
        return found

    yes, no = Decision.ACCEPTED, Decision.REJECTED
    assert asyncio.run(live()) == [yes, no, yes, yes, yes, no], "a broken or missing list changes nothing"


def test_a_wrong_list_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"deny:2: list: "):
        asyncio.run(Standalone(Rules(tmp_path, denylist=write(tmp_path / "deny", "", "x")), wall).open())


class Noting(Disk):
    """Tells what is read, and takes its time when asked to."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.let_go = threading.Event()
        self.let_go.set()

    def read(self, path: Path) -> bytes | None:
        self.touched.append(f"read {path.name}")
        self.let_go.wait(5.0)
        return super().read(path)

    def write(self, path: Path, octets: bytes) -> None:
        self.let_go.wait(5.0)
        super().write(path, octets)


def test_a_damaged_key_of_pseudonyms_is_kept_and_told(tmp_path: Path) -> None:
    key = tmp_path / "pseudonyms.key"

    async def opened() -> tuple[str, ...]:
        backend = Standalone(Rules(tmp_path), wall)
        await backend.open()
        return backend.status().problems

    assert asyncio.run(opened()) == ()
    whole = key.read_bytes()
    key.write_bytes(whole[:31])
    (problem,) = asyncio.run(opened())
    assert "pseudonyms.key was damaged" in problem
    assert (tmp_path / "pseudonyms.key.broken").read_bytes() == whole[:31]
    assert len(key.read_bytes()) == 32
    assert asyncio.run(opened()) == ()


def test_a_list_that_stays_wrong_costs_no_memory(tmp_path: Path) -> None:
    """The error that was kept grew by a traceback with every look, once a minute and as often as somebody asks."""
    allow = write(tmp_path / "allow", f"emaid {ALICE}")

    async def live() -> set[int]:
        backend = Standalone(Rules(tmp_path, allowlist=allow), wall)
        await backend.open()
        write(allow, "what is this")
        lengths = []
        for _ in range(6):
            with pytest.raises(ConfigError) as caught:
                await backend.reload()
            lengths.append(len(caught.traceback))
        return set(lengths[1:])

    assert len(asyncio.run(live())) == 1


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "I/O error")])
def test_a_list_that_could_not_be_read_for_a_moment_is_read_with_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    settle(monkeypatch)
    deny = write(tmp_path / "deny", "")

    class Failing(Disk):
        fails = False

        def read(self, path: Path) -> bytes | None:
            with self._failing(path):
                if self.fails and path == deny:
                    raise error
            return super().read(path)

    disk = Failing()

    async def live() -> None:
        backend = Standalone(Rules(tmp_path, denylist=deny), wall, disk)
        await backend.open()
        write(deny, "rfid DEAD0001")
        disk.fails = True
        for _ in range(2):
            with pytest.raises((ConfigError, UplinkError)):
                await backend.reload()
        disk.fails = False
        await backend.reload()
        assert backend.status().problems == ()
        verdict = await backend.authorize_token(AuthorizeToken("rfid", "DEAD0001"), outlet="1", decide=1.0)
        assert verdict.decision is Decision.REJECTED
        assert verdict.ground is not Ground.UNLISTED

    asyncio.run(live())


def test_a_disk_that_hangs_is_told_and_books_no_further_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that never comes back fails with no error."""
    now = [100.0]
    monkeypatch.setattr(standalone, "time", SimpleNamespace(monotonic=lambda: now[0]))
    began, let_go = threading.Event(), threading.Event()

    class Hanging(Disk):
        def sync(self, path: Path) -> None:
            began.set()
            let_go.wait(60.0)
            synchronise(path)

    report = SessionStarted("s1", "1", "DE*PNX*E1", Identity("free"), wall())
    backend = Standalone(Rules(tmp_path, sessions=tmp_path / "book"), wall, Disk())

    async def live() -> None:
        await backend.open()
        assert backend._stores is not None
        assert backend._stores.book is not None
        monkeypatch.setattr(Disk, "sync", Hanging.sync)
        writing = asyncio.create_task(backend.session_started(report))
        await asyncio.to_thread(began.wait, 60.0)
        now[0] += standalone.HANGS_SECONDS - 0.1
        assert (backend.unbooked, backend.status().state) == ("", "ready")
        now[0] += 0.2
        assert (backend.unbooked, backend.status().problems) == (standalone.HANGS, (standalone.HANGS,))
        let_go.set()
        await writing
        assert (backend.unbooked, backend.status().state) == ("", "ready")

    asyncio.run(live())


def test_lists_that_have_not_changed_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    disk = Noting()
    allow, deny = write(tmp_path / "allow", f"emaid {ALICE}"), write(tmp_path / "deny", "rfid DEAD0001")

    async def live() -> None:
        backend = Standalone(Rules(tmp_path, allowlist=allow, denylist=deny), wall, disk)
        await backend.open()
        disk.touched.clear()
        await backend.reload()
        assert disk.touched == []
        # Its content is the same, but who may write it has changed: that counts as much (A-PKI-07).
        allow.chmod(0o666)
        with pytest.raises(ConfigError, match="can be changed by others"):
            await backend.reload()
        allow.chmod(0o644)
        await backend.reload()
        tmp_path.chmod(0o777)
        with pytest.raises(ConfigError, match="above it can be changed by others"):
            await backend.reload()

    asyncio.run(live())


def test_no_list_is_looked_at_while_a_car_waits(tmp_path: Path) -> None:
    """It is judged by the lists in memory, also while new ones are being read: a long list takes its time."""
    disk = Noting()
    allow = write(tmp_path / "allow", f"emaid {ALICE}", "rfid 04A2B3C4")

    async def live() -> None:
        backend = Standalone(Rules(tmp_path, allowlist=allow), wall, disk)
        await backend.open()
        write(allow, "# nobody")
        disk.touched.clear()
        for _ in range(2):
            verdict = await backend.authorize_contract(CONTRACT, outlet="1", decide=5.0)
            card = await backend.authorize_token(CARD, outlet="1", decide=5.0)
            assert (verdict.decision, card.decision) == (Decision.ACCEPTED, Decision.ACCEPTED)
            assert [what for what in disk.touched if "allow" in what] in (
                [],
                ["read allow"],
            )
            if disk.let_go.is_set():
                disk.let_go.clear()
                reading = asyncio.create_task(backend.reload())
                while "read allow" not in disk.touched:
                    await asyncio.sleep(0)
        disk.let_go.set()
        await reading
        verdict = await backend.authorize_contract(CONTRACT, outlet="1", decide=5.0)
        assert verdict.decision is Decision.REJECTED

    asyncio.run(live())


def test_no_answer_in_time_is_no_yes(tmp_path: Path) -> None:
    disk = Noting()

    async def live() -> Verdict:
        backend = Standalone(Rules(tmp_path, allowlist=write(tmp_path / "allow", f"emaid {ALICE}")), wall, disk)
        await backend.open()
        disk.let_go.clear()
        storing = asyncio.create_task(backend.contract_decided(PROVED, REVOKED))
        while not backend._lock.locked():
            await asyncio.sleep(0)
        verdict = await backend.authorize_contract(CONTRACT, outlet="1", decide=0.01)
        disk.let_go.set()
        await storing
        return verdict

    assert asyncio.run(live()).decision is Decision.NO_ANSWER


def test_a_disk_that_fails_is_an_uplink_error(tmp_path: Path) -> None:
    class Full(Disk):
        def write(self, path: Path, octets: bytes) -> None:
            raise StorageFailed(path, "No space left on device")

    with pytest.raises(UplinkError, match="No space left"):
        asyncio.run(Standalone(Rules(tmp_path), wall, Full()).open())
    with pytest.raises(UplinkError, match="not open"):
        asyncio.run(Standalone(Rules(tmp_path), wall).session_started(started()))


def test_a_book_that_cannot_be_written_is_a_problem_and_not_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A-RES-06: the status must not say "ready" while nothing is booked."""
    path = tmp_path / "sessions"

    async def live() -> None:
        path.mkdir()  # stands in the way; a read-only disk would do the same, but not to root
        backend = Standalone(Rules(tmp_path, sessions=path), wall)
        await backend.open()
        assert "charging sessions cannot be booked" in backend.unbooked
        assert (backend.status().state, backend.status().problems) == ("degraded", (backend.unbooked,))
        with pytest.raises(UplinkError):
            await backend.session_started(started())
        await backend.catch_up()
        assert backend.unbooked.endswith("Is a directory; 1 lines wait for the disk")
        path.rmdir()
        await backend.catch_up()
        assert backend.unbooked == "" and backend.status().state == "ready"
        assert json.loads(path.read_text())["session"] == "s1"
        path.unlink()
        path.mkdir()
        with pytest.raises(UplinkError):
            await backend.session_ended(SessionEnded("s1", "1", "completed.full", wall(), 2000.0))
        assert backend.unbooked, "at once, not at the next look"
        await backend.close()
        assert "1 lines of charging sessions could not be stored and are lost" in caplog.text

    asyncio.run(live())


def test_who_keeps_no_book_has_no_trouble_with_it(tmp_path: Path) -> None:
    async def live() -> str:
        backend = Standalone(Rules(tmp_path), wall)
        await backend.open()
        await backend.catch_up()
        return backend.unbooked

    assert asyncio.run(live()) == ""


def test_events_end_with_close(tmp_path: Path) -> None:
    async def live() -> list[object]:
        backend = Standalone(Rules(tmp_path), wall)
        await backend.open()
        async with asyncio.timeout(5.0):
            async with asyncio.TaskGroup() as group:
                heard = group.create_task(_all(backend))
                group.create_task(backend.close())
        return heard.result()

    assert asyncio.run(live()) == []


async def _all(backend: Standalone) -> list[object]:
    return [event async for event in backend.events()]


def test_a_broken_memory_is_set_aside_and_said(tmp_path: Path) -> None:
    for number, junk in enumerate(
        (b"", b"{", b"[]", b'{"failed": 7}', b'{"failed": [["a", "x", "y"]]}', b"[" * 100_000)
    ):
        state = tmp_path / str(number)
        state.mkdir()
        (state / "failed-contracts.json").write_bytes(junk)
        backend = Standalone(Rules(state), wall)
        asyncio.run(backend.open())
        assert backend.status().state == "degraded" and "forgotten" in backend.status().problems[0]
        assert (state / "failed-contracts.json.broken").read_bytes() == junk


def test_the_memory_ends_and_is_bounded(tmp_path: Path) -> None:
    failed = FailedContracts(tmp_path / "failed", Disk())
    failed.remember("first", Decision.REJECTED, wall())
    later = Wall(AT + REMEMBERED, trusted=True)
    assert failed.entry("first", Wall(AT + REMEMBERED - timedelta(seconds=1), trusted=True)) is not None
    assert failed.entry("first", later) is None
    assert failed.entry("first", replace(later, trusted=False)) is not None, "who has no calendar forgets nothing"

    class Quick(Disk):
        def sync(self, path: Path) -> None:
            return

    many = FailedContracts(tmp_path / "many", Quick())
    many._until = {str(n): (Decision.REJECTED, later.time) for n in range(MAX_FAILED)}
    many.remember("0", Decision.REJECTED, wall())
    many.remember("one more", Decision.REJECTED, wall())
    assert len(many) == MAX_FAILED and len(FailedContracts(tmp_path / "many", Disk())) == MAX_FAILED
    assert many.entry("0", wall()) is not None and many.entry("1", wall()) is None


def test_what_was_promised_is_there_after_any_power_cut() -> None:
    state = Path("/state")
    rules = Rules(state, policy=TRUSTING, sessions=state / "sessions", sessions_octets=100_000)

    async def live(disk: Platter, promised: list[str]) -> None:
        backend = Standalone(rules, wall, disk)
        await backend.open()
        await backend.session_started(started("s1"))
        promised.append("started s1")
        await backend.contract_decided(PROVED, REVOKED)
        promised.append("failed")
        await backend.session_ended(SessionEnded("s1", "1", "completed.terminate", wall(), 2000.0))
        promised.append("ended s1")
        await backend.session_started(started("s2"))
        promised.append("started s2")

    async def find(disk: Platter) -> tuple[list[dict[str, object]], Decision]:
        backend = Standalone(rules, wall, disk)
        await backend.open()
        rows = [json.loads(line) for line in (disk.read(state / "sessions") or b"").splitlines()]
        return rows, (await backend.authorize_contract(CONTRACT, outlet="1", decide=5.0)).decision

    dry = Platter()
    asyncio.run(live(dry, []))
    for plug, loss in every_power_cut(dry.steps):
        if plug % 2 and loss in ("names", "half the data"):
            continue  # every cut with the three plain losses, every other one with the two odd ones
        disk, promised = Platter(plug=plug), list[str]()
        with suppress(PowerCut):
            asyncio.run(live(disk, promised))
        rows, decision = asyncio.run(find(disk.after_power_cut(loss)))
        said = [f"{row['what']} {row['session']}" for row in rows]
        where = (plug, loss, promised, said)
        assert [line for line in promised if line != "failed"] == [line for line in said if line in promised], where
        if "failed" in promised:
            assert decision is Decision.REJECTED, where
        begun, ended = ([str(row["session"]) for row in rows if row["what"] == what] for what in ("started", "ended"))
        assert sorted(begun) == sorted(ended), f"every session has its end, if need be by the next boot: {where}"
        lost = [row for row in rows if row.get("reason") == "severed.power-lost"]
        assert all("watt_hours" not in row for row in lost)
    assert "started s2" in said and lost, "the last round had everything"


def test_a_session_that_power_cut_is_closed_once(tmp_path: Path) -> None:
    rules = Rules(tmp_path, sessions=tmp_path / "sessions")

    async def boot(*sessions: str) -> None:
        backend = Standalone(rules, wall)
        await backend.open()
        for session in sessions:
            await backend.session_started(started(session))

    asyncio.run(boot("s1", "s2"))
    with (tmp_path / "sessions").open("ab") as file:
        file.write(b'nonsense\n[1]\n{"what": "started"}\n{"what": "ended", "session"')
    asyncio.run(boot("s3"))
    asyncio.run(boot())
    asyncio.run(boot())
    lines = (tmp_path / "sessions").read_bytes().splitlines()
    lost = [json.loads(line)["session"] for line in lines if b"power-lost" in line]
    assert lost == ["s1", "s2", "s3"]

"""Metering receipts on the disk: once, durably, before the answer, and with what it takes to verify them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secc.conversation import Wall
from secc.errors import SignatureRejected, UplinkError
from secc.iso2.messages import SCHEMA, MessageHeader, MeterInfo, MeteringReceiptReq, V2G_Message
from secc.session.signature import P256_SHA256, sign
from secc.uplink.port import Identity, MeteringReceipt, SessionEnded, SessionStarted
from secc.uplink.standalone import Rules, Standalone
from tests.lab_trust import LAB
from tests.platter import Platter, PowerCut, every_power_cut

NOON = Wall(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), trusted=True)
KEY: Any = LAB.contract.leaf.key


def signed(reading: int = 1500) -> bytes:
    """A car's message, as it comes."""
    body = MeteringReceiptReq(
        id="id1", session_id=bytes(8), meter_info=MeterInfo(meter_id="METER-1", meter_reading=reading)
    )
    header = MessageHeader(session_id=bytes(8), signature=sign(body, KEY, SCHEMA, P256_SHA256))
    return SCHEMA.encode(V2G_Message(header=header, body=body))


MESSAGE = signed()


def receipt(number: int = 1, **more: Any) -> MeteringReceipt:
    return replace(MeteringReceipt("s1", "left", number, NOON, "METER-1", 1500, 1, MESSAGE), **more)


def wall() -> Wall:
    return NOON


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_receipt_is_a_line_with_all_that_was_signed(tmp_path: Path) -> None:
    path = tmp_path / "below" / "receipts.jsonl"

    async def main() -> None:
        backend = Standalone(Rules(tmp_path, receipts=path), wall)
        await backend.open()
        assert backend.takes_receipts
        await backend.metering_receipt(receipt(signed=b"meter" * 100))
        await backend.metering_receipt(receipt(2, watt_hours=None))

    asyncio.run(main())
    first, second = lines(path)
    assert first == {
        "session": "s1",
        "receipt": 1,
        "outlet": "left",
        "at": "2026-11-20T12:00:00.000+00:00",
        "clock_trusted": True,
        "meter_id": "METER-1",
        "watt_hours": 1500,
        "schedule": 1,
        "signed": (b"meter" * 100).hex(),
        "message": base64.b64encode(MESSAGE).decode(),
    }
    assert second.keys() == first.keys() - {"watt_hours", "signed"}
    assert path.stat().st_mode & 0o077 == 0, "the signature is personal"
    assert "MESSAGE" not in repr(receipt())


def snippet() -> str:
    """What docs/receipts.md says of a line."""
    (found,) = re.findall(r"```python\n(.*?)```", Path("docs/receipts.md").read_text(), re.DOTALL)
    return str(found)


@pytest.mark.parametrize("flaw", ["", "reading", "message"])
def test_whoever_has_the_certificate_can_verify_a_line_as_the_page_says(flaw: str, tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"

    async def main() -> None:
        backend = Standalone(Rules(tmp_path, receipts=path), wall)
        await backend.open()
        await backend.metering_receipt(receipt())

    asyncio.run(main())
    (line,) = lines(path)
    if flaw == "reading":
        line["watt_hours"] += 1
    if flaw == "message":
        message = SCHEMA.decode(MESSAGE)
        other: Any = SCHEMA.decode(signed(1501)).body
        line["message"] = base64.b64encode(SCHEMA.encode(replace(message, body=other))).decode()
    names = {"line": line, "certificate": LAB.contract.ders[0]}
    if flaw:
        with pytest.raises(AssertionError if flaw == "reading" else SignatureRejected):
            exec(snippet(), names)
    else:
        exec(snippet(), names)


def test_without_a_file_none_is_taken(tmp_path: Path) -> None:
    async def main() -> None:
        backend = Standalone(Rules(tmp_path), wall)
        assert not backend.takes_receipts
        await backend.open()
        assert not backend.takes_receipts
        assert backend.unbooked == ""
        with pytest.raises(UplinkError, match="no file"):
            await backend.metering_receipt(receipt())

    asyncio.run(main())


def test_a_file_that_cannot_be_written_is_told_and_takes_none_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"

    async def main() -> None:
        backend = Standalone(Rules(tmp_path, receipts=path), wall)
        await backend.open()
        path.mkdir()
        with pytest.raises(UplinkError):
            await backend.metering_receipt(receipt())
        assert not backend.takes_receipts
        assert backend.unbooked.startswith("metering receipts cannot be stored: ")
        assert backend.status().state == "degraded"
        assert backend.status().problems == (backend.unbooked,)
        await backend.catch_up()
        assert not backend.takes_receipts
        path.rmdir()
        await backend.catch_up()
        assert (backend.takes_receipts, backend.unbooked) == (True, "")
        await backend.metering_receipt(receipt(2))

    asyncio.run(main())
    assert [line["receipt"] for line in lines(path)] == [2], "the first one was refused, and is not there"


def test_a_file_that_cannot_be_written_at_the_start_is_found_then(tmp_path: Path) -> None:
    (tmp_path / "receipts.jsonl").mkdir()

    async def main() -> None:
        backend = Standalone(Rules(tmp_path, receipts=tmp_path / "receipts.jsonl"), wall)
        await backend.open()
        assert not backend.takes_receipts

    asyncio.run(main())


def test_after_any_power_cut_each_accepted_receipt_is_there_once() -> None:
    state = Path("/state")
    rules = Rules(state, sessions=state / "sessions", receipts=state / "receipts", receipts_octets=7_000)

    async def live(disk: Platter, accepted: list[int]) -> None:
        backend = Standalone(rules, wall, disk)
        await backend.open()
        await backend.session_started(SessionStarted("s1", "left", "DE*PNX*E1", Identity("emaid", "DE8AA"), NOON))
        for number in range(1, 5):
            await backend.metering_receipt(receipt(number))
            accepted.append(number)
        await backend.session_ended(SessionEnded("s1", "left", "completed.terminated", NOON, 1500.0))

    async def again(disk: Platter) -> None:
        backend = Standalone(rules, wall, disk)
        await backend.open()
        await backend.metering_receipt(receipt(9, session="s2"))

    dry = Platter()
    asyncio.run(live(dry, []))
    cuts = 0
    for plug, loss in every_power_cut(dry.steps):
        disk, accepted = Platter(plug=plug), list[int]()
        with suppress(PowerCut):
            asyncio.run(live(disk, accepted))
        after = disk.after_power_cut(loss)
        asyncio.run(again(after))
        octets = (after.read(state / "receipts.1") or b"") + (after.read(state / "receipts") or b"")
        rows = [json.loads(line) for line in octets.splitlines()]
        found = [row["receipt"] for row in rows if row["session"] == "s1"]
        where = (plug, loss, accepted, found)
        assert found in (accepted, [*accepted, len(accepted) + 1]), where
        assert rows[-1]["receipt"] == 9, where
        sessions = [json.loads(line)["what"] for line in (after.read(state / "sessions") or b"").splitlines()]
        assert sorted(sessions) in ([], ["ended", "started"]), where
        cuts += 1
    assert cuts > 100
    assert found == [1, 2, 3, 4]

"""The file of metering receipts, a JSON line each.

Apart from the file of charging sessions, so that a car with many receipts displaces no session.
A receipt is personal: its signature is made with the key of a contract.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
from datetime import UTC
from pathlib import Path

from secc.session.durable import Disk, Journal, StorageFailed
from secc.uplink.port import MeteringReceipt

log = logging.getLogger(__name__)


class ReceiptBook:
    """Receipts in the order in which they came. Blocking; for one thread at a time.

    A receipt that was stored is there once. One that a power cut met is there once, or not at all:
    its car had no answer yet.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.problem = ""
        """Why the next receipt could not be stored; empty if it could."""

    @classmethod
    def open(cls, path: Path, octets: int, disk: Disk) -> ReceiptBook:
        """Returns the book in this file, of at most so many octets; the disk may not take it."""
        receipts = cls(Journal(path, octets, disk))
        with contextlib.suppress(StorageFailed):  # ``catch_up`` finds the same
            disk.make_directory(path.parent)
        receipts.catch_up()
        if receipts.problem:
            log.error("%s", receipts.problem)
        return receipts

    def book(self, report: MeteringReceipt) -> None:
        """Store a receipt; it is on the disk when this returns. Raises :class:`StorageFailed`, and
        then it is not there.
        """
        row = {
            "session": report.session,
            "receipt": report.number,
            "outlet": report.outlet,
            "at": report.at.time.astimezone(UTC).isoformat(timespec="milliseconds"),
            "clock_trusted": report.at.trusted,
            "meter_id": report.meter_id,
            "watt_hours": report.watt_hours,
            "schedule": report.schedule,
            "signed": report.signed.hex() if report.signed is not None else None,
            "message": base64.b64encode(report.octets).decode(),
        }
        try:
            self._journal.append(json.dumps({key: value for key, value in row.items() if value is not None}).encode())
        except StorageFailed as error:
            self._failed(error)
            raise

    def catch_up(self) -> None:
        """Check that the next receipt could be stored, and note in ``problem`` if not."""
        try:
            self._journal.require_room()
        except StorageFailed as error:
            self._failed(error)
        else:
            self.problem = ""

    def _failed(self, error: StorageFailed) -> None:
        self.problem = f"metering receipts cannot be stored: {error}"

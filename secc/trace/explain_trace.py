"""The record of a session from its trace, for ``secc explain`` on a trace file."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from secc.trace.explain import CertificateSeen, Message, RecordBroken, SessionRecord, TlsSeen, built
from secc.trace.recorder import TAIL

TLS_NOTE: Final = "tls "
CERTIFICATE_NOTE: Final = "certificate "
"""Beginning of a trace's notes with a ``TlsSeen`` or a ``CertificateSeen`` as JSON."""


def tls_note(seen: TlsSeen) -> str:
    """Returns the note with how far TLS came."""
    return TLS_NOTE + json.dumps(asdict(seen))


def certificate_note(seen: CertificateSeen) -> str:
    """Returns the note with the check of one of the car's certificates."""
    return CERTIFICATE_NOTE + json.dumps(asdict(seen))


def record_of_trace(lines: Iterable[str], trace: str = "") -> SessionRecord:
    """Returns the record of a trace's session, as far as the trace has it. ``trace``: the file's
    path. Raises only RecordBroken.
    """
    story = _Story()
    try:
        for line in lines:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise RecordBroken("this is not a trace: one of its lines is not a JSON object")
            story.hear(entry)
        return story.record(trace)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise RecordBroken(f"this is not a trace: {str(error)[:200]}") from None


class _Story:
    """The facts of the lines so far."""

    def __init__(self) -> None:
        self._head: Mapping[str, Any] | None = None
        self._ended: Mapping[str, Any] | None = None
        self._messages: deque[Message] = deque(maxlen=TAIL)
        self._levels: Mapping[str, Any] = {}
        self._found: dict[str, Any] = {}
        self._shown = ""
        """The masked contract whose chain the car has sent."""
        self._quirks: dict[str, None] = {}
        self._certificates: dict[str, CertificateSeen] = {}
        self._at_rest: float | None = None
        self._switched_on = False

    def hear(self, entry: Mapping[str, Any]) -> None:
        match entry.get("kind"):
            case "trace" if self._head is None:
                self._head = entry
            case "received" | "sent" as direction:
                self._messages.append(_message(entry, direction))
            case "levels":
                self._look(entry["value"])
            case "effect" if entry["value"].get("type") == "Reach":
                self._reach(dict(entry["value"]["facts"]))
            case "effect" if entry["value"].get("type") in ("Identify", "IdentifyAgain"):
                # The identity counts only once the car has proved the contract.
                self._found["identity"] = self._shown
            case "note":
                self._note(str(entry["text"]))
            case "wall":
                self._found["clock_trusted"] = bool(entry["trusted"])
            case "ended":
                self._ended = entry

    def record(self, trace: str) -> SessionRecord:
        if self._head is None:
            raise RecordBroken("this is not a trace: its first line is not the header of one")
        if self._ended is None:
            raise RecordBroken("the trace does not have the end of its session")
        kind, _, name = str(self._ended["code"]).partition(".")
        began = datetime.fromisoformat(self._head["time"])
        seconds = float(self._ended["t"])
        metered = self._switched_on and self._at_rest is not None
        return SessionRecord(
            outlet=str(self._head["outlet"]),
            kind=kind,
            name=name,
            clause=str(self._ended["clause"]),
            detail=str(self._ended["detail"]),
            flaw=str(self._ended.get("flaw", "")),
            session=str(self._head["session"]),
            began=began.isoformat(),
            ended=(began + timedelta(seconds=seconds)).isoformat(),
            seconds=round(seconds, 3),
            messages=tuple(self._messages),
            certificates=tuple(self._certificates.values()),
            pilot=str(self._levels.get("pilot", "?")),
            contactor=str(self._levels.get("contactor", "unknown")),
            volts=self._measured("volts"),
            amperes=self._measured("amperes"),
            watt_hours=self._levels["watt_hours"] - self._at_rest if metered else None,
            quirks=tuple(self._quirks),
            trace=trace,
            **self._found,
        )

    def _measured(self, what: str) -> float | None:
        return round(float(self._levels[what]), 1) if isinstance(self._levels.get("measured_at"), float) else None

    def _look(self, levels: Mapping[str, Any]) -> None:
        self._levels = levels
        if levels["contactor"] == "closed":
            self._switched_on = True
        elif not self._switched_on and isinstance(levels["metered_at"], float):
            self._at_rest = float(levels["watt_hours"])

    def _reach(self, facts: Mapping[str, Any]) -> None:
        if "payment" in facts:
            self._found["payment"] = str(facts["payment"])
        self._shown = str(facts.get("contract", self._shown))

    def _note(self, text: str) -> None:
        if text.startswith("protocol "):
            self._found["protocol"] = text.removeprefix("protocol ")
        elif text.startswith(TLS_NOTE):
            self._found["tls"] = built(TlsSeen, json.loads(text.removeprefix(TLS_NOTE)))
        elif text.startswith(CERTIFICATE_NOTE):
            seen = built(CertificateSeen, json.loads(text.removeprefix(CERTIFICATE_NOTE)))
            self._certificates[seen.role] = seen
        elif text.startswith("tolerated "):
            self._quirks[text.removeprefix("tolerated ").partition(":")[0]] = None


def _message(entry: Mapping[str, Any], direction: str) -> Message:
    message = entry.get("message")
    if not isinstance(message, dict) or not message:
        return Message(round(float(entry["t"]), 3), direction, "a message that the trace does not show")
    name, body = next(iter(message.items()))
    code = body.get("ResponseCode", "") if isinstance(body, dict) else ""
    return Message(round(float(entry["t"]), 3), direction, name[:1].upper() + name[1:], str(code))

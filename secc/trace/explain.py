"""``secc explain``: what happened in a session, at which message, why, and what to do.

The station stores a :class:`SessionRecord` of each session, as a small JSON file without personal
data; :func:`explain` makes text of it. Neither knows a protocol.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from frozen import dataclass
from secc.conversation import Reason
from secc.errors import SeccError
from secc.session.durable import Disk
from secc.session.log import SHORT_ID, escaped
from secc.trace.reasons import meaning

Record = TypeVar("Record")

VERSION = 1
PILOT_AND_DUTY = "pilot and duty (IEC 61851)"
"""The name for charging without a protocol."""
WIDTH = 88
LARGEST = 256 * 1024
"""Most octets of a record that is read; they have some thousand."""


class RecordBroken(SeccError):
    """A file is not a record of a session, or of another version of this program."""


_VERDICTS = {
    "completed": "ended in order",
    "refused": "was refused",
    "timer": "timed out",
    "severed": "was cut off",
    "tls": "was cut off by TLS",
    "emergency": "was stopped at once",
    "bug": "ended by a bug in this software",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One of the last messages; ``at`` in seconds since the connection began, ``code`` the response
    code.
    """

    at: float
    direction: str
    name: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """A certificate of the car: by hash and length, with its flaw."""

    role: str
    """``contract``, ``sub-CA 1``, ``vehicle``..."""
    fingerprint: str
    flaw: str = ""
    """``certs.errors.Flaw``; empty if it was good."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The offer of the car's ClientHello, in words; long lists are cut."""

    versions: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    """The roots that it names: ``cert-sha1:2fd4e1…``."""
    status: tuple[str, ...] = ()
    """``status_request``, ``status_request_v2``: how it asked for the status of the station's
    certificates.
    """


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """Result of the TLS handshake, or how far it came."""

    version: str
    """Empty if the handshake was not completed."""
    suite: str = ""
    chain: str = ""
    """The chain that the station presented; empty if none."""
    root: str = ""
    """The root of that chain, in the form of the car's ``roots``."""
    named_by_car: bool | None = None
    """Whether the car had named that root (trusted_ca_keys); None: it named none."""
    stapled: bool = False
    flaw: str = ""
    """A ``tls.`` name of the table of reasons; empty if TLS did not fail."""
    messages: tuple[str, ...] = ()
    """The handshake: ``> Certificate`` is the station's, ``< ClientKeyExchange`` the car's, ``<
    alert unknown_ca`` an alert.
    """
    offered: Offered | None = None
    """None: no ClientHello could be read."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session of one outlet. ``kind`` to ``flaw`` are the :class:`~secc.conversation.Reason`;
    units are in the names.

    Until the session ends ``ended`` is empty and the reason ``severed.power-lost``, which stays if
    the station crashes.
    """

    outlet: str
    kind: str
    name: str
    clause: str = ""
    detail: str = ""
    flaw: str = ""
    """The cause, by its name in the table of reasons: ``certificate.bad-signature``,
    ``signature.digest``, ``tls.unknown-ca``.
    """
    session: str = ""
    """Its id, as in log, trace and session book."""
    began: str = ""
    """ISO 8601, UTC."""
    ended: str = ""
    clock_trusted: bool = True
    seconds: float = 0.0
    protocol: str = ""
    """Empty if none was agreed."""
    payment: str = ""
    identity: str = ""
    """Masked."""
    waiting_for: tuple[str, ...] = ()
    """What the station waited for when the session ended."""
    messages: tuple[Message, ...] = ()
    """The last messages, oldest first."""
    tls: TlsSeen | None = None
    certificates: tuple[CertificateSeen, ...] = ()
    pilot: str = "?"
    contactor: str = "unknown"
    volts: float | None = None
    amperes: float | None = None
    watt_hours: float | None = None
    """Delivered in this session."""
    quirks: tuple[str, ...] = ()
    """Field quirks that were tolerated."""
    faults: tuple[str, ...] = ()
    """Hardware faults that were active at the end."""
    trace: str = ""
    """The trace's file, if there is one."""
    version: int = VERSION

    @property
    def reason(self) -> Reason:
        return Reason(self.kind, self.name, self.clause, self.detail, self.flaw)  # type: ignore[arg-type]  # a file may have any kind

    def to_json(self) -> str:
        """One line."""
        return json.dumps(_values(self), default=_values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SessionRecord:
        """Raises only :class:`RecordBroken`."""
        try:
            tree = json.loads(text)
            if not isinstance(tree, dict) or tree.get("version") != VERSION:
                raise RecordBroken("this is not a record of a session, or one of another version")
            return built(cls, tree)
        except (ValueError, TypeError, RecursionError) as error:
            raise RecordBroken(f"this is not a record of a session: {str(error)[:200]}") from None


def _values(part: Any) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def read_record(path: Path, disk: Disk | None = None) -> SessionRecord:
    """Read a record. Raises :class:`RecordBroken` and StorageFailed."""
    octets = (disk or Disk()).read(path)
    if octets is None:
        raise RecordBroken(f"{path}: no session has ended here yet")
    if len(octets) > LARGEST:
        raise RecordBroken(f"{path}: larger than any record")
    return SessionRecord.from_json(octets.decode("utf-8", "replace"))


def begun(session: str, outlet: str, protocol: str, began: datetime, *, clock_trusted: bool) -> SessionRecord:
    """Returns the record of a session that has not ended yet."""
    moment = began.isoformat(timespec="milliseconds")
    return SessionRecord(
        outlet, "severed", "power-lost", session=session, began=moment, protocol=protocol, clock_trusted=clock_trusted
    )


def explain(record: SessionRecord) -> str:
    """Returns the text that ``secc explain`` prints."""
    found = meaning(record.reason.code)
    if record.began and not record.ended:
        text = f"Outlet {record.outlet}: session {record.session} began at {_time(record.began)}, and the record does not have its end"
        return f"{escaped(text)}\n\nIt is still running, or: {found.meaning} {found.support}\n"
    parts = [
        _title(record),
        "",
        *_wrapped("What", found.meaning),
        *_wrapped("Because", _because(record)),
        *_wrapped("Where", _where(record)),
        *_wrapped("Driver sees", found.driver),
        # The cause has the more precise advice.
        *_wrapped("To do", meaning(record.flaw).support if record.flaw else found.support),
        "",
        *_facts(record),
    ]
    if record.messages:
        parts += ["", "Last messages", *map(_message, record.messages)]
    if record.trace:
        parts += ["", f"Trace: {record.trace}"]
    return "\n".join(escaped(part) for part in parts) + "\n"


def _title(record: SessionRecord) -> str:
    when = f" at {_time(record.ended)}" if record.ended else ""
    doubt = "" if record.clock_trusted else " (the clock was not confirmed)"
    verdict = _VERDICTS.get(record.kind, "ended")
    if not record.protocol and not record.messages and not record.reason.well:
        return (
            f"Outlet {record.outlet}: no session began{when}{doubt}, after {record.seconds:.1f} s: {record.reason.code}"
        )
    return f"Outlet {record.outlet}: the session {verdict}{when}{doubt}, after {record.seconds:.1f} s: {record.reason.code}"


def _because(record: SessionRecord) -> str:
    clause = f" {record.clause}" if record.clause and record.clause not in record.detail else ""
    return f"{record.detail}{clause}".strip()


def summary(record: SessionRecord) -> str:
    """Returns the line of ``secc explain --list``."""
    when = _time(record.ended) if record.ended else f"{_time(record.began)}, no end yet"
    energy = f", {record.watt_hours / 1000:.3f} kWh" if record.watt_hours is not None else ""
    flaw = f" ({record.flaw})" if record.flaw and record.flaw != record.reason.code else ""
    code = f"{record.reason.code}{flaw}" if record.ended else "-"
    return escaped(
        f"{when}  {record.session[:SHORT_ID]}  outlet {record.outlet}  {code}  {record.seconds:.1f} s{energy}"
    )


def _where(record: SessionRecord) -> str:
    """Returns at which message it ended, and whose turn it was."""
    if record.protocol == PILOT_AND_DUTY:
        return ""
    if not record.messages:
        return "Before the first message."
    last = record.messages[-1]
    awaited = " or ".join(record.waiting_for)
    if last.direction == "received":
        return f"After the car's {last.name}, whose answer is not in the record."
    asked = next((m.name for m in reversed(record.messages) if m.direction == "received"), "")
    code = f" ({last.code})" if last.code else ""
    if record.kind == "refused" and asked:
        return f"At the car's {asked}, which was answered by {last.name}{code}."
    text = f"After our {last.name}{code}{f', the answer to {asked}' if asked else ''}."
    return f"{text} The station waited for {awaited}." if awaited and not record.reason.well else text


def _facts(record: SessionRecord) -> Iterator[str]:
    if record.session:
        yield from _wrapped("Session", record.session)
    yield from _wrapped("Protocol", record.protocol or "none was agreed")
    if record.protocol != PILOT_AND_DUTY:
        yield from _wrapped("Transport", _transport(record.tls) if record.tls is not None else "plain TCP")
    if record.tls is not None and not (record.tls.version and record.messages):
        yield from _tls_facts(record.tls)
    if record.flaw and not record.flaw.startswith(("tls.", "certificate.")):
        yield from _wrapped("Flaw", f"{record.flaw}: {meaning(record.flaw).meaning}")
    if record.payment or record.identity:
        yield from _wrapped("Identified", " as ".join(filter(None, (record.payment, record.identity))))
    for seen in record.certificates:
        flaw = f": {seen.flaw}. {meaning(f'certificate.{seen.flaw}').meaning}" if seen.flaw else ": good"
        yield from _wrapped("Certificate", f"{seen.role} {seen.fingerprint[:23]}{flaw}")
    yield from _wrapped("At the end", _measured(record))
    if record.watt_hours is not None:
        yield from _wrapped("Delivered", f"{record.watt_hours / 1000:.3f} kWh")
    if record.faults:
        yield from _wrapped("Faults", ", ".join(record.faults))
    if record.quirks:
        yield from _wrapped("Tolerated", ", ".join(record.quirks))


def _transport(tls: TlsSeen) -> str:
    agreed = f"{tls.version} {tls.suite}".strip() or "TLS was not set up"
    if not tls.chain:
        return f"{agreed}; the station showed no certificate chain" if not tls.version else agreed
    named = {True: "which the car had named", False: "which the car had NOT named", None: "the car named none"}[
        tls.named_by_car
    ]
    root = f" below {tls.root}" if tls.root else ""
    return f"{agreed}, the station's chain {tls.chain}{root} ({named}), {'stapled' if tls.stapled else 'no staple'}"


def _tls_facts(tls: TlsSeen) -> Iterator[str]:
    """Yields details of TLS, for a session that did not begin."""
    if tls.messages:
        yield from _wrapped("Handshake", ", ".join(tls.messages))
    if tls.offered is None:
        return
    for label, words, none in (
        ("Car offers", tls.offered.versions, ""),
        ("Suites", tls.offered.suites, "none"),
        ("Groups", tls.offered.groups, "not said"),
        ("Signatures", tls.offered.signature_algorithms, "not said"),
        ("Car trusts", tls.offered.roots, "not said"),
        ("Car asks for", tls.offered.status, "no status of the station's certificates"),
    ):
        yield from _wrapped(label, ", ".join(words) or none)


def _measured(record: SessionRecord) -> str:
    pilot = "pilot not known" if record.pilot == "?" else f"pilot {record.pilot}"
    text = f"{pilot}, contactor {record.contactor}"
    if record.volts is not None and record.amperes is not None:
        text += f", {record.volts:.1f} V, {record.amperes:.1f} A"
    return text


def _message(message: Message) -> str:
    arrow = "car ->" if message.direction == "received" else "    <-"
    return f"  {message.at:9.3f} s  {arrow} {message.name}{f'  {message.code}' if message.code else ''}"


def _wrapped(label: str, text: str) -> Iterator[str]:
    """Yields ``Label        text``, wrapped at spaces, the text in one column."""
    line = ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > WIDTH:
            yield f"{label:<13}{line}"
            label, line = "", word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield f"{label:<13}{line}"


def _time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    except ValueError:
        return text


def built(cls: type[Record], tree: Any) -> Record:
    """Returns one of the dataclasses above from its JSON. Raises TypeError for another form."""
    if not isinstance(tree, dict):
        raise TypeError("an entry is not a table")
    hints = get_type_hints(cls)
    if unknown := sorted(tree.keys() - hints.keys()):
        raise TypeError(f"{unknown[0]} is not known")
    return cls(**{key: _value(value, hints[key], key) for key, value in tree.items()})


def _value(value: Any, hint: Any, key: str) -> Any:
    """Returns ``value`` if it has the declared type of its field."""
    if get_origin(hint) is UnionType:
        kinds = get_args(hint)
        return None if value is None and NoneType in kinds else _value(value, kinds[0], key)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(entry, get_args(hint)[0], key) for entry in value)
    if is_dataclass(hint) and isinstance(hint, type):
        return built(hint, value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise TypeError(f"{key} is larger than any number here") from None
    if get_origin(hint) is not tuple and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise TypeError(f"{key} is not {getattr(hint, '__name__', hint)}")

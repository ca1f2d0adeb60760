"""A recorded session as exchanges: a request of the car, and the answer of the recorded station."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from secc.errors import DecodeError, SeccError

from ..recording import SCHEMAS, Recorded

STEP_SECONDS: Final = 0.1
"""From a request to the next one where the recording lacks times or messages. Our choice."""

Read = Callable[[int, bytes], tuple[Any, Any]]
"""Decodes a message by payload type and octets: body and header. Raises DecodeError."""


class NotReplayable(SeccError):
    """The recording holds too little, or is of a protocol that has no reader here."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """``name``: the type of the request, ``asked`` its body; ``body`` and ``header`` those of the
    answer. None for what is missing, or cannot be read.

    ``wait``: seconds since the request before; ``gap``: messages that the recording lacks between
    it and this one.
    """

    request: Recorded
    name: str
    asked: Any = None
    answer: Recorded | None = None
    body: Any = None
    header: Any = None
    wait: float = 0.0
    gap: int = 0

    @property
    def ongoing(self) -> bool:
        """Whether the recorded station asked the car to ask again."""
        return asks_again(self.body)

    @property
    def code(self) -> str:
        """The recorded ResponseCode; empty without an answer."""
        return str(getattr(self.body, "response_code", ""))

    @property
    def well(self) -> bool:
        """Whether the recorded station said OK, or its answer is missing."""
        return not self.code or self.code.startswith("OK")


def asks_again(answer: Any) -> bool:
    """Whether a station that answers this is not ready: the car is to ask again."""
    return str(getattr(answer, "evse_processing", None) or "").startswith("Ongoing")


def exchanges(records: Iterable[Recorded], readers: Mapping[str, Read]) -> list[Exchange]:
    """Returns the exchanges of one session; an answer without a request is left out. Raises
    NotReplayable for a schema without a reader, and for a session without a request.
    """
    found: list[Exchange] = []
    expected, gap = 0, 0
    for record in records:
        if record.schema not in readers:
            raise NotReplayable(f"{SCHEMAS[record.schema]} has no reader here")
        gap, expected = gap + record.index - expected, record.index + 1
        body, header = _read(readers[record.schema], record)
        if not record.ev:
            if found and found[-1].answer is None and not gap:
                found[-1] = replace(found[-1], answer=record, body=body, header=header)
            continue
        name = f"{len(record.octets)} octets" if body is None else type(body).__name__
        found.append(Exchange(record, name, body, wait=_wait(found, record, gap), gap=gap))
        gap = 0
    if not found:
        raise NotReplayable("the session has no request of a car")
    return found


def _wait(before: list[Exchange], request: Recorded, gap: int) -> float:
    if not before:
        return 0.0
    then = before[-1].request.t
    if gap or then is None or request.t is None:
        return STEP_SECONDS
    return max(0.0, request.t - then)


def _read(read: Read, record: Recorded) -> tuple[Any, Any]:
    try:
        return read(record.payload_type, record.octets)
    except DecodeError:
        return None, None

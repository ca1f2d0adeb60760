"""Frames at the decoder, as a station reads them: framer, codec of the protocol, signed elements, and what was read written again.

A frame may be read or refused by a DecodeError or FramingError; anything else is a finding, and so is a step above :data:`LONGEST_SECONDS`.
The run follows the coverage of the readers: a frame that was refused at a place where none was refused before, or read as a message of a new
shape, is kept and mutated further.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from secc.errors import DecodeError, EncodeError, FramingError
from secc.exi import Schema
from secc.link.v2gtp import Framer, PayloadType, frame
from secc.session.negotiation import open_negotiation
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import Transport
from tests.exi_vectors import SCHEMAS
from tests.fuzz.frames import ISO2, Dialect, corpus, encoded, mutated, other_field

LONGEST_SECONDS: Final = 0.1
"""Of processor time, for one frame. (A-EXI-03)"""
FLAT: Final = 6 * 1024 * 1024
"""Octets: more than all frames that are kept. One octet that is left for each frame would be more in a long run. (A-EXI-04)"""
KEPT: Final = 4000
TWICE: Final = 8
"""Every so many frames one that was read on the event loop is read in all passes as well, and one without a signature like one that has it."""
STREAM: Final = PayloadType.EXI


@dataclasses.dataclass
class Found:
    """What a run has seen."""

    seed: int
    frames: int = 0
    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    places: int = 0
    """Places of the readers at which a frame was refused, and shapes of messages that were read."""
    longest: tuple[float, str] = (0.0, "")
    """Seconds, and the frame."""
    wrong: list[str] = dataclasses.field(default_factory=list)
    memory: list[int] = dataclasses.field(default_factory=list)
    """Octets of the process after each twentieth of the run."""
    seconds: float = 0.0

    def __str__(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        lines = [
            f"{self.frames} frames (seed {self.seed}) in {self.seconds:.0f} s of processor time: {told}",
            f"{self.places} places and shapes, the longest frame {1000 * self.longest[0]:.2f} ms: {self.longest[1][:80]}",
            f"memory, KiB: {', '.join(str(one // 1024) for one in self.memory)}",
            *self.wrong,
        ]
        return "\n".join(lines)


class Decoders:
    """The station's readers, and the outcome of a frame in a word."""

    def __init__(self, dialect: Dialect = ISO2) -> None:
        surroundings = Surroundings(0.0, bytes, lambda: NotImplemented)
        self.schema: Schema[Any] = dialect.messages.SCHEMA
        self.session = dialect.protocol.load().open(Offer(), surroundings)
        self.negotiation = open_negotiation((dialect.protocol,), surroundings, transport=Transport.PLAIN)
        self.outcome = ""
        self.reads = 0

    def read(self, schema: str, octets: bytes) -> Any:
        """Returns what was read. Raises DecodeError and FramingError, and whatever is a finding."""
        self.outcome = "refused"
        self.reads += 1
        if schema.startswith("fragment:"):
            element = self.schema.fragment_decode(octets)
            self.outcome = "fragments read"
            return element[1]
        # In two pieces, as TCP may bring them.
        framer = Framer()
        whole = frame(STREAM, octets or b"\x00")
        frames = framer.feed(whole[:9]) + framer.feed(whole[9:])
        dialogue = self.negotiation if schema == "sap" else self.session
        received = dialogue.decode_at_once(STREAM, frames[0].payload)
        if received is None or self.reads % TWICE == 0:
            quick, received = received, dialogue.decode(STREAM, frames[0].payload)
            assert quick in (None, received), "two ways to read that differ"
        self.outcome = "read"
        if schema != "sap" and (received.header.signature is not None or self.reads % TWICE == 0):
            for span in self.schema.spans(octets):
                try:
                    self.schema.splice(span)
                except DecodeError:
                    self.outcome = "read, with an element that is never signed"
        return received

    def write(self, schema: str, received: Any) -> None:
        """Write what was read again: the octets must mean the same, if an encoder writes them at all."""
        if schema.startswith("fragment:"):
            return
        dialogue = self.negotiation if schema == "sap" else self.session
        message = received.message
        if received.header is not None:
            wrapped = dialogue.wrap(message)
            message = dataclasses.replace(wrapped, header=received.header)
        try:
            octets = dialogue.schemas[STREAM].encode(message)
        except EncodeError:
            self.outcome = "read, beyond what an encoder writes"
            return
        assert dialogue.schemas[STREAM].decode(octets) == message, "written again it means something else"


def run(
    frames: int,
    seed: int,
    *,
    dialect: Dialect = ISO2,
    seconds: float | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Found:
    """Read so many mutated frames, or for so many seconds on the wall; the same seed makes the same frames. Returns what was seen."""
    chance = random.Random(seed)
    found, decoders, seen = Found(seed), Decoders(dialect), set[object]()
    rows = corpus(seed, dialect)
    first = len(rows)
    by_schema = {name: [octets for one, octets in rows if one == name] for name, _ in rows}
    for row in rows:
        _one(decoders, found, seen, *row)
    until = None if seconds is None else time.monotonic() + seconds
    gc.collect()
    gc.freeze()
    began, step = time.process_time(), max(1, frames // 20)
    for number in range(frames):
        # Half of them are neighbours of good messages: most of what is kept is refused early.
        schema, octets = rows[chance.randrange(first if chance.random() < 0.5 else len(rows))]
        changed = _changed(chance, schema, octets, by_schema[schema])
        if _one(decoders, found, seen, schema, changed):
            if len(rows) < KEPT:
                rows.append((schema, changed))
            else:
                rows[chance.randrange(first, KEPT)] = (schema, changed)
        if number % step == step - 1:
            found.memory.append(resident())
            told(f"{number + 1} frames, {len(seen)} places and shapes, {resident() // 1024} KiB")
        if len(found.wrong) > 20 or (until is not None and number % 1024 == 0 and time.monotonic() > until):
            break
    gc.unfreeze()
    found.places, found.seconds = len(seen), time.process_time() - began
    found.wrong += growth(found.memory)
    return found


def growth(memory: list[int]) -> list[str]:
    """Returns what is wrong about the memory after each twentieth of a run, if anything is. After a quarter what is kept and cached is full."""
    if len(memory) < 20 or memory[-1] - memory[4] <= FLAT:
        return []
    return [f"memory grows from {memory[4]} to {memory[-1]} octets"]


def _changed(chance: random.Random, schema: str, octets: bytes, others: list[bytes]) -> bytes:
    if schema in SCHEMAS and chance.random() < 0.15:
        try:
            message = SCHEMAS[schema].decode(octets)
        except DecodeError:
            return mutated(chance, octets, others)
        for _ in range(chance.choice((1, 1, 2, 3))):
            message = other_field(chance, message)
        for _, written in encoded(schema, message):
            return written
    return mutated(chance, octets, others)


def _one(decoders: Decoders, found: Found, seen: set[object], schema: str, octets: bytes) -> bool:
    """Read one frame. Returns whether something about it is new."""
    found.frames += 1
    began = time.perf_counter()
    place: object
    try:
        received = decoders.read(schema, octets)
        taken = time.perf_counter() - began
        decoders.write(schema, received)
        place = shape(received) if found.frames % 8 == 0 else None
    except (DecodeError, FramingError) as error:
        taken = time.perf_counter() - began
        place = _innermost(error)
    except Exception as error:
        taken, place = time.perf_counter() - began, None
        found.wrong.append(f"{type(error).__name__}: {error}: {schema} {octets.hex()}")
    found.outcomes[decoders.outcome] += 1
    if taken > LONGEST_SECONDS:
        # Asking for processor time costs more than reading a frame, and another process may have had the processor.
        taken = _again(decoders, schema, octets)
        if taken > LONGEST_SECONDS:
            found.wrong.append(f"{taken:.3f} s: {schema} {octets.hex()}")
    if taken > found.longest[0]:
        found.longest = (taken, f"{schema} {octets.hex()}")
    if place is None or place in seen:
        return False
    seen.add(place)
    return True


def _again(decoders: Decoders, schema: str, octets: bytes) -> float:
    """Returns the seconds of processor time that reading takes."""
    began = time.thread_time()
    with contextlib.suppress(DecodeError, FramingError, AssertionError):
        decoders.read(schema, octets)
    return time.thread_time() - began


def _innermost(error: BaseException) -> tuple[str, int]:
    """Returns the function and the line at which a frame was refused."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def shape(value: Any) -> object:
    """Returns what of a message is there, without its values."""
    if dataclasses.is_dataclass(value):
        return type(value).__name__, *(shape(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, tuple):
        return (min(len(value), 3), *(shape(one) for one in value[:2]))
    return value is None


def resident() -> int:
    """Octets of this process that are in memory."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

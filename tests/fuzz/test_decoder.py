"""A fixed number of frames of the fuzzing run, and its own judgements on readers that are broken on purpose. ``make fuzz`` runs ten million."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from secc.errors import DecodeError
from secc.iso2.messages import SCHEMA
from tests.fuzz import decoder, frames

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 10_000


@pytest.mark.case("A-EXI-03", "A-EXI-04")
def test_frames_are_read_or_refused_and_leave_nothing() -> None:
    found = decoder.run(FRAMES, 15118)
    assert found.wrong == []
    assert found.frames > FRAMES
    assert found.outcomes["read"] > FRAMES // 5
    assert found.outcomes["refused"] > FRAMES // 5
    assert found.outcomes["fragments read"] > 0
    assert found.places > 300


def test_the_same_seed_makes_the_same_frames() -> None:
    first, second = decoder.run(300, 7), decoder.run(300, 7)
    assert (first.outcomes, first.places) == (second.outcomes, second.places)
    assert decoder.run(300, 8).outcomes != first.outcomes


def test_a_reader_that_raises_anything_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = decoder.Decoders.read

    def broken(decoders: decoder.Decoders, schema: str, octets: bytes) -> object:
        if octets[-1:] == b"\x00":
            raise OverflowError("a bug")
        return read(decoders, schema, octets)

    monkeypatch.setattr(decoder.Decoders, "read", broken)
    found = decoder.run(500, 1)
    assert found.wrong
    assert all(one.startswith("OverflowError: a bug: ") and one.endswith("00") for one in found.wrong)


def test_a_reader_that_takes_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "LONGEST_SECONDS", 0.0)
    assert decoder.run(1, 1).wrong[0].partition(" s: ")[0] >= "0.000"


def test_memory_that_grows_is_found() -> None:
    flat = [50_000_000] * 20
    assert decoder.growth(flat) == []
    assert decoder.growth([one + number * 500_000 for number, one in enumerate(flat)]) != []


def test_messages_in_which_an_empty_value_is_the_end_of_its_element_are_made() -> None:
    """As EXIficient writes them: the second pass of the readers reads them, the first one does not."""
    found = 0
    for schema, octets in frames.corpus(1):
        if schema != "iso15118-2" or len(octets) > 60:
            continue
        for changed in frames.empty_as_end(octets):
            try:
                found += SCHEMA.decode(changed) == SCHEMA.decode(octets)
            except DecodeError:
                continue
    assert found > 5


@pytest.mark.slow
def test_most_branches_of_the_generated_code_are_taken() -> None:
    """In a process of its own: only what is compiled there is measured."""
    command = [sys.executable, "-m", "tests.fuzz", "branches", "--count", "2000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert " branches of " in done.stdout

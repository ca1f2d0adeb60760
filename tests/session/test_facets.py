"""Facets of received messages: the first field that breaks one is named, by its path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import pytest

from secc.exi.declarations import Binary, Occurs, Text, Whole
from secc.session.facets import Facets


@dataclass(frozen=True)
class Entry:
    start: Annotated[int, Whole(0, 100)]
    label: Annotated[str, Text(4, 1)] | None = None


@dataclass(frozen=True)
class Other:
    octets: Annotated[bytes, Binary(3)]


@dataclass(frozen=True)
class Request:
    entries: Annotated[tuple[Entry, ...], Occurs(1, 2)]
    numbers: Annotated[tuple[Annotated[int, Whole(None, 9)], ...], Occurs(0, 3)] = ()
    choice: Entry | Other | None = None
    name: Annotated[str, Text(2)] = ""
    remark: str = ""


GOOD = Request(entries=(Entry(0),))


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (GOOD, None),
        (replace(GOOD, remark="x" * 1000), None),
        (replace(GOOD, entries=()), "entries"),
        (replace(GOOD, entries=(Entry(0),) * 3), "entries"),
        (replace(GOOD, entries=(Entry(0), Entry(101))), "entries.start"),
        (replace(GOOD, entries=(Entry(0, ""),)), "entries.label"),
        (replace(GOOD, entries=(Entry(0, "12345"),)), "entries.label"),
        (replace(GOOD, numbers=(1, 2, 10)), "numbers"),
        (replace(GOOD, choice=Entry(-1)), "choice.start"),
        (replace(GOOD, choice=Other(b"1234")), "choice.octets"),
        (replace(GOOD, choice=Other(b"123")), None),
        (replace(GOOD, name="abc"), "name"),
    ],
)
def test_the_first_field_that_breaks_a_facet_is_named(request_: Request, path: str | None) -> None:
    assert Facets().broken(request_) == path


def test_a_free_field_may_hold_anything() -> None:
    facets = Facets(free={("Request", "name"), ("Entry", "start")})
    assert facets.broken(replace(GOOD, name="abc", entries=(Entry(-5),))) is None
    assert facets.broken(replace(GOOD, choice=Entry(0, ""))) == "choice.label"


def test_declarations_can_be_read_ahead_of_time() -> None:
    facets = Facets()
    facets.warm(Request)
    assert {cls.__name__ for cls in facets._compiled} == {"Request", "Entry", "Other"}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (GOOD, None),
        (replace(GOOD, entries=()), "FAILED_Entries"),
        (replace(GOOD, entries=(Entry(101),)), "FAILED_Start"),
        (replace(GOOD, entries=(Entry(0, ""),)), "FAILED_Entries"),
        (replace(GOOD, name="abc"), "FAILED"),
    ],
)
def test_the_code_is_that_of_the_longest_path(request_: Request, code: str | None) -> None:
    codes = {"Request.entries": "FAILED_Entries", "Request.entries.start": "FAILED_Start", "Other.name": "FAILED_Other"}
    refusal = Facets(codes=codes).refusal(request_)
    assert (None if refusal is None else refusal.code) == code

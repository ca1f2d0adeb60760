"""Options of an address and keys of a table: read alike, and each complaint names what is wrong and what it may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.address import Address, Values, load, options, rooted
from hal.errors import HalRejected

NAMES = ("count", "share", "on", "name", "way", "part")


def table(**values: Any) -> Values:
    return Values("part.", values, NAMES)


def written(query: str) -> Values:
    return Address(f"kind:place?{query}", NAMES)


@pytest.mark.parametrize(
    "values",
    [table(count=3, share=0.5, on=True, name="x", way="up"), written("count=0x3&share=5e-1&on=1&name=x&way=up")],
)
def test_a_table_and_an_address_say_the_same(values: Values) -> None:
    assert values.integer("count", 1, 5) == 3
    assert values.number("share", 0.0, 1.0) == 0.5
    assert values.flag("on") is True
    assert values.text("name") == "x"
    assert values.choice("way", ("up", "down"), "down") == "up"
    assert "count" in values and "part" not in values


@pytest.mark.parametrize("values", [table(), Address("kind:place", NAMES)])
def test_what_is_not_said_is_as_usual(values: Values) -> None:
    assert (values.integer("count", 1, 5, 2), values.number("share", 0.0, 1.0, 1), values.flag("on")) == (2, 1.0, False)
    assert (values.text("name", ""), values.choice("way", ("up",), ""), values.flag("on", True)) == ("", "", True)
    assert values.number("share", 0.0, math.inf, math.inf) == math.inf
    for needed in (
        lambda: values.integer("count", 1, 5),
        lambda: values.number("share", 0, 1),
        lambda: values.text("name"),
    ):
        with pytest.raises(HalRejected):
            needed()


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (lambda: table(count="3").integer("count", 1, 5), "part.count: has to be a whole number from 1 to 5, not '3'"),
        (lambda: table(count=True).integer("count", 0, 5), "part.count: has to be a whole number"),
        (lambda: table(count=6).integer("count", 1, 5), "part.count: has to be a whole number from 1 to 5, not 6"),
        (lambda: written("count=three").integer("count", 1, 5), "kind:place: count: has to be a whole number"),
        (lambda: table(share=math.nan).number("share", 0, 1), "part.share: has to be a number from 0 to 1, not nan"),
        (lambda: written("share=inf").number("share", 0, 1), "kind:place: share: has to be a number from 0 to 1"),
        (lambda: table(on=1).flag("on"), "part.on: has to be true or false, not 1"),
        (lambda: written("on=yes").flag("on"), "kind:place: on: has to be one of 0, 1, not 'yes'"),
        (lambda: table(name="").text("name"), "part.name: has to be a text in quotes"),
        (lambda: table(name=7).text("name", ""), "part.name: has to be a text in quotes, not 7"),
        (
            lambda: table(way="left").choice("way", ("up", "down"), "up"),
            "part.way: has to be one of up, down, not 'left'",
        ),
        (lambda: table(colour=1), "part.colour: unknown; there are: count, share"),
        (lambda: written("colour=1"), "kind:place: colour: unknown; there are: count, share"),
        (lambda: table(part=[]).table("part", ("x",)), "part.part has to be a table"),
        (lambda: table().table("part", ("x",)), "[part.part] is missing"),
        (lambda: Address("kind:", NAMES), "'kind:' is not an address; it reads KIND:PLACE?option=value"),
        (lambda: options("sim: ", "a=1&a=2"), "sim: a is given twice"),
        (lambda: options("sim: ", "a="), "sim: a needs a value"),
        (lambda: options("sim: ", "a"), "sim: options have the form name=value&name=value, not 'a'"),
    ],
)
def test_what_is_wrong_is_named_with_what_it_may_be(read: Callable[[], object], complaint: str) -> None:
    with pytest.raises(HalRejected) as rejected:
        read()
    assert complaint in str(rejected.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_rejected(text: str) -> None:
    for where in (text, f"kind:place?{text}", f"kind:place?count={text}"):
        try:
            Address(where, NAMES).integer("count", 0, 9, 0)
        except HalRejected:
            continue


def test_files_are_relative_to_the_file_that_names_them(tmp_path: Any) -> None:
    assert rooted("linux:board.toml", tmp_path) == f"linux:{tmp_path}/board.toml"
    assert rooted("linux:/etc/board.toml", tmp_path) == "linux:/etc/board.toml"
    assert rooted("sim:?car=plugged", tmp_path) == "sim:?car=plugged"
    for content in (b"\xff", b"a = "):
        (tmp_path / "board.toml").write_bytes(content)
        with pytest.raises(HalRejected, match=r"board\.toml"):
            load(tmp_path / "board.toml")

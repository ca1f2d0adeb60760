"""Line numbers for keys, in texts that are as nasty as TOML allows."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.config.lines import KeyPath, line_of

FILE = """\
# comment = 1
[trust] # [outlet]
truststore = "a # b"
text = \"\"\"
keystore = 'not here'
[[outlet]]
\"\"\"
literal = '''
[lab]
strict = 1'''
ending = \"\"\"quotes\"\"\"\"\"
keystore = 'k'
escaped = "\\"]\\\\"

[[outlet]]
interface = "eth0"
list = [ # one
  "a",
  [1, 2], # ]
  { x = 1, "y z" = [ 3 ] },
]
[outlet.dc]
maximum_volts = 1
[ outlet . "a\\u0063" ]
volts = 1_000.5e3

[[outlet]]
interface = "eth1"
dc.maximum_volts = 2
when = 2020-01-01 10:00:00
[[outlet.tariff]]
price = 1
[[outlet.tariff]]
price = 2
nested = [
  [
    { text = \"\"\"
nested = "\"\"\" },
    1
  ],
  2,
]
last = 1
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("trust",), 2),
        (("trust", "truststore"), 3),
        (("trust", "text"), 4),
        (("trust", "literal"), 8),
        (("trust", "ending"), 11),
        (("trust", "keystore"), 12),
        (("trust", "escaped"), 13),
        (("outlet", 0), 15),
        (("outlet", 0, "interface"), 16),
        (("outlet", 0, "list"), 17),
        (("outlet", 0, "list", 0), 18),
        (("outlet", 0, "list", 1), 19),
        (("outlet", 0, "list", 2, "x"), 20),
        (("outlet", 0, "list", 2, "y z", 0), 20),
        (("outlet", 0, "dc", "maximum_volts"), 23),
        (("outlet", 0, "ac"), 24),
        (("outlet", 0, "ac", "volts"), 25),
        (("outlet", 1), 27),
        (("outlet", 1, "dc", "maximum_volts"), 29),
        (("outlet", 1, "when"), 30),
        (("outlet", 1, "tariff", 0, "price"), 32),
        (("outlet", 1, "tariff", 1, "price"), 34),
        (("outlet", 1, "tariff", 1, "nested", 0, 0, "text"), 37),
        (("outlet", 1, "tariff", 1, "nested", 0, 1), 39),
        (("outlet", 1, "tariff", 1, "nested", 1), 41),
        (("outlet", 1, "tariff", 1, "last"), 43),
    ],
)
def test_a_key_is_found_on_its_line(path: KeyPath, line: int) -> None:
    tomllib.loads(FILE)
    assert line_of(FILE, path) == line


def test_a_missing_key_has_the_line_of_its_table() -> None:
    assert line_of(FILE, ("outlet", 1, "evse_id")) == 27
    assert line_of(FILE, ("uplink", "eim")) is None


def test_windows_line_ends_count_once() -> None:
    assert line_of("a = 1\r\n\r\n[b]\r\nc = 2\r\n", ("b", "c")) == 4


keys = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
scalars = st.one_of(
    st.integers(-(2**60), 2**60), st.booleans(), st.text(st.sampled_from("a\"'\\\n#[]{}=,.\t é"), max_size=12)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


def written(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return (
            '"' + "".join(f"\\U{ord(c):08X}" if c in '"\\' or ord(c) < 32 or ord(c) == 127 else c for c in value) + '"'
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return "{" + ", ".join(f"{written(k)} = {written(v)}" for k, v in value.items()) + "}"


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(keys, values), max_size=6, unique_by=lambda pair: pair[0]))
def test_every_key_that_tomllib_reads_has_its_line(pairs: list[tuple[str, Any]]) -> None:
    text = "".join(f"\n# {'[x]'}\n{written(key)} = {written(value)}\n" for key, value in pairs)
    assert tomllib.loads(text) == dict(pairs)
    assert [line_of(text, (key,)) for key, _ in pairs] == [3 * n + 3 for n in range(len(pairs))]


def test_a_text_that_is_contrived_costs_a_line_and_not_the_day() -> None:
    """Every beginning of it leaves more open than is closed behind it."""
    text = "a = [[[[[\n" + "1,\n" * 300 + "]]]]]\nb = 1\n"
    assert line_of(text, ("b",)) is None
    assert line_of(text.replace("[[[[[", "[[[").replace("]]]]]", "]]]"), ("b",)) == 303

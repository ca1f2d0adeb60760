"""What the machine's packet filter says about a car's packets: the rules that name them, and those
that drop by default. Read only.

The rules are not followed: whether one lets a packet in may depend on its order, on sets and on
marks, which a person has to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from frozen import dataclass

_CATCH_ALL: Final = re.compile(r"(counter( packets \d+ bytes \d+)? |log( \S+)* )*(drop|reject)\b")
"""An nft rule without a condition that drops or rejects."""
_NUMBERS: Final = re.compile(r"(\d+)[-:]?(\d+)?")


class RulesUnreadable(Exception):
    """The text is not a rule set as nft or ip6tables-save print it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The input rules for IPv6 of one packet filter: ``defaults`` drop what no other rule lets in,
    ``rules`` are all others.
    """

    defaults: tuple[str, ...]
    rules: tuple[str, ...]

    def naming(self, *words: str, low: int = 0, high: int = -1) -> list[str]:
        """Returns the rules with one of these words, or with a port of ``low`` to ``high``. A rule
        with a named set may hold any port.
        """
        return [rule for rule in self.rules if _names(rule, words) or (low <= high and _has_port(rule, low, high))]


def lets_in(rule: str, interface: str) -> bool:
    """Returns whether a rule plainly accepts a packet on this interface: without a set, and not for
    another interface only.
    """
    accepts = _names(rule.lower(), ("accept",)) and "@" not in rule and "!" not in rule
    return accepts and (_names(rule, (interface,)) or not _names(rule, ("iif", "iifname", "-i")))


def _names(rule: str, words: tuple[str, ...]) -> bool:
    found = re.findall(r"([\w.-]+)([*+]?)", rule)
    return any(word.startswith(one) if wild else word == one for one, wild in found for word in words)


def _has_port(rule: str, low: int, high: int) -> bool:
    ports = rule.partition(" # ")[0].partition("dport")[2]
    if not ports:
        return False
    spans = ((int(first), int(last or first)) for first, last in _NUMBERS.findall(ports))
    return "@" in ports or any(first <= high and last >= low for first, last in spans)


def read_filter(command: str, text: str) -> Filter:
    """Returns the rules in the output of ``nft -a list ruleset`` or ``ip6tables-save``. Raises
    RulesUnreadable.
    """
    if text.strip() and not re.search(r"^(table |\*filter)", text, re.MULTILINE):
        raise RulesUnreadable(f"{command}: {text.strip().splitlines()[0][:80]}")
    try:
        found = list(_nft(text) if command == "nft" else _ip6tables(text))
    except IndexError:
        raise RulesUnreadable(f"{command}: a rule or a chain without a name") from None
    return Filter(*(tuple(rule for rule, default in found if default is wanted) for wanted in (True, False)))


def _nft(text: str) -> Iterator[tuple[str, bool]]:
    """Yields each rule of the chains for packets to the station, and whether it drops by default."""
    table, chain, looked_at, base = "", "", False, False
    for line in map(str.strip, text.splitlines()):
        words = line.split()
        if words[:1] == ["table"]:
            table, chain = " ".join(words[1:3]), ""
        elif words[:1] == ["chain"]:
            chain, looked_at, base = words[1], table.startswith(("inet ", "ip6 ")), False
        elif line.startswith("}"):
            chain = ""
        elif chain and words[:1] == ["type"]:
            base = looked_at = looked_at and "hook input" in line
            if base and "policy drop" in line:
                yield f"policy of nft {table} {chain}: drop", True
        elif chain and line and looked_at:
            yield f"nft {table} {chain}: {line}", base and _CATCH_ALL.match(line) is not None


def _ip6tables(text: str) -> Iterator[tuple[str, bool]]:
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and line.startswith(":INPUT DROP"):
            yield "policy of ip6tables INPUT: DROP", True
        elif table == "filter" and line.startswith("-A ") and line.split()[1] not in ("FORWARD", "OUTPUT"):
            yield f"ip6tables {line}", re.match(r"-A INPUT -j (DROP|REJECT)\b", line) is not None

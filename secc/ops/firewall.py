"""What the machine's packet filter would do with what a car sends: nftables and ip6tables rules, read and followed, never changed.

A rule may match on things that are not known here (a rate, a mark, an extension). Both ways are followed then, and the judgement says so:
``DROPPED`` and ``PASSES`` are certain, ``UNSURE`` names the rule that a person has to look at.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, IPv6Network
from typing import Any, Final

ACCEPT: Final = "accept"
DROP: Final = "drop"
THROUGH: Final = "through"
"""Nothing decided: the next rule, the calling chain, or the policy does."""

LINK_LOCAL: Final = IPv6Network("fe80::/64")

DEEPEST: Final = 16
"""Jumps that are followed; the kernel has a limit of the same kind."""


class Outcome(Enum):
    PASSES = "passes"
    DROPPED = "dropped"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a packet; ``rule`` is the text of what drops it, or might."""

    outcome: Outcome
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of its kind from a car, which has a link-local address. ``protocol`` as in /etc/protocols; ``port`` 0 for none."""

    interface: str
    protocol: str
    port: int
    destination: IPv6Address


class RulesUnreadable(Exception):
    """The text is no rule set as nft or ip6tables-save print it."""


Ends = dict[str, str]
"""Each way in which a chain or rule may end, with the text of the rule that does it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """``matches`` None: it depends on what is not known. ``ends``: verdict, or ``jump NAME``, ``goto NAME``."""

    matches: bool | None
    ends: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Chain:
    rules: tuple[_Rule, ...]
    policy: str = ""
    """Of a base chain of the input hook; empty for one that is only jumped to."""


def judge_nft(text: str, packet: Packet) -> Judgement:
    """By the rules that ``nft -j list ruleset`` prints. RulesUnreadable."""
    try:
        return _judge(_nft_tables(json.loads(text)["nftables"], packet))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise RulesUnreadable(f"nftables: {type(error).__name__}: {error}") from error


def judge_ip6tables(text: str, packet: Packet) -> Judgement:
    """By the rules that ``ip6tables-save`` prints. RulesUnreadable."""
    try:
        return _judge([_ip6tables_filter(text, packet)])
    except (ValueError, IndexError, KeyError, StopIteration) as error:
        raise RulesUnreadable(f"ip6tables: {type(error).__name__}: {error}") from error


# --- Following rules ---


def _judge(tables: Iterable[Mapping[str, _Chain]]) -> Judgement:
    """Every base chain has to let the packet pass."""
    unsure = Judgement(Outcome.PASSES)
    for table in tables:
        for name, chain in table.items():
            if not chain.policy:
                continue
            ends = _ends(table, chain, 0)
            if THROUGH in ends:
                ends.pop(THROUGH)
                ends.setdefault(chain.policy, f"policy of chain {name}: {chain.policy}")
            if ACCEPT not in ends:
                return Judgement(Outcome.DROPPED, ends[DROP])
            if DROP in ends:
                unsure = Judgement(Outcome.UNSURE, ends[DROP])
    return unsure


def _ends(table: Mapping[str, _Chain], chain: _Chain, depth: int) -> Ends:
    found: Ends = {}
    for rule in chain.rules:
        if rule.matches is False:
            continue
        here, leaves = _rule_ends(table, rule, depth)
        passed_on = here.pop(THROUGH, None) is not None
        for end, text in here.items():
            found.setdefault(end, text)
        if rule.matches and leaves and passed_on:
            break
        if rule.matches and not passed_on:
            return found
    found[THROUGH] = ""
    return found


def _rule_ends(table: Mapping[str, _Chain], rule: _Rule, depth: int) -> tuple[Ends, bool]:
    """How it may end, and whether what comes after it in its chain is left out (``goto``, ``return``)."""
    ends: Ends = {}
    leaves = False
    for end in rule.ends:
        verb, _, target = end.partition(" ")
        if verb in ("jump", "goto"):
            if depth >= DEEPEST or target not in table:
                ends |= {ACCEPT: rule.text, DROP: rule.text}
                continue
            ends |= {end: text or rule.text for end, text in _ends(table, table[target], depth + 1).items()}
            leaves |= verb == "goto"
        elif verb == "return":
            ends[THROUGH] = rule.text
            leaves = True
        else:
            ends[end] = rule.text
    return ends, leaves


def _all(matches: Iterable[bool | None]) -> bool | None:
    """Whether all of them hold; None: not known."""
    found = list(matches)
    return False if False in found else None if None in found else True


# --- nftables ---

_VERDICTS: Final = {"accept": ACCEPT, "drop": DROP, "reject": DROP, "return": "return", "queue": DROP}
_HARMLESS: Final = ("counter", "log", "comment", "meter", "mangle", "notrack", "ct helper")


def _nft_tables(entries: list[dict[str, Any]], packet: Packet) -> list[dict[str, _Chain]]:
    sets = {(e["set"]["family"], e["set"]["table"], e["set"]["name"]): e["set"] for e in entries if "set" in e}
    rules: dict[tuple[str, str, str], list[_Rule]] = {}
    tables: dict[tuple[str, str], dict[str, _Chain]] = {}
    for entry in entries:
        if "rule" in entry and entry["rule"]["family"] in ("inet", "ip6"):
            rule = entry["rule"]
            known = {name: one for (family, table, name), one in sets.items() if (family, table) == _home(rule)}
            rules.setdefault((*_home(rule), rule["chain"]), []).append(_nft_rule(rule, packet, known))
    for entry in entries:
        if "chain" in entry and entry["chain"]["family"] in ("inet", "ip6"):
            chain = entry["chain"]
            base = chain.get("hook") == "input" and chain.get("type") == "filter"
            own = tuple(rules.get((*_home(chain), chain["name"]), ()))
            policy = str(chain.get("policy", ACCEPT)) if base else ""
            tables.setdefault(_home(chain), {})[chain["name"]] = _Chain(own, policy)
    return list(tables.values())


def _home(entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry["family"], entry["table"]


def _nft_rule(rule: Mapping[str, Any], packet: Packet, sets: Mapping[str, Any]) -> _Rule:
    matches: list[bool | None] = []
    ends: list[str] = []
    for expression in rule["expr"]:
        ((kind, value),) = expression.items()
        if kind == "match":
            matches.append(_nft_match(value, packet, sets))
        elif kind in _VERDICTS:
            ends.append(_VERDICTS[kind])
        elif kind in ("jump", "goto"):
            ends.append(f"{kind} {value['target']}")
        elif kind == "xt" and isinstance(value, dict) and value.get("type") == "target":
            ends += [DROP] if value.get("name") == "REJECT" else [THROUGH]
        elif kind == "vmap":
            # Which entry it is, is not looked up: any of them may be, or none.
            ends += [_verdict(verdict) for _, verdict in _elements(value["data"], sets)] + [THROUGH]
            matches.append(None)
        elif kind not in _HARMLESS:
            matches.append(None)
    text = f"nft {rule['family']} {rule['table']} {rule['chain']} handle {rule.get('handle', '?')}"
    return _Rule(_all(matches), tuple(ends) or (THROUGH,), text)


def _verdict(verdict: Mapping[str, Any]) -> str:
    ((kind, value),) = verdict.items()
    return _VERDICTS[kind] if kind in _VERDICTS else f"{kind} {value['target']}"


def _nft_match(match: Mapping[str, Any], packet: Packet, sets: Mapping[str, Any]) -> bool | None:
    left, negated = match["left"], match["op"] == "!="
    if match["op"] not in ("==", "!=", "in") or not isinstance(left, dict):
        return None
    holds = _nft_holds(left, match["right"], packet, sets)
    return None if holds is None else holds != negated


def _nft_holds(left: Mapping[str, Any], right: Any, packet: Packet, sets: Mapping[str, Any]) -> bool | None:
    key = left.get("meta", left.get("ct", {})).get("key")
    field = (left.get("payload", {}).get("protocol"), left.get("payload", {}).get("field"))
    if "ct" in left:
        return "new" in _elements(right, sets) if key == "state" else None
    if key in ("iif", "iifname"):
        return any(_named(str(name), packet.interface, "*") for name in _elements(right, sets))
    if key == "nfproto":
        return "ipv6" in _elements(right, sets)
    if key == "l4proto" or field == ("ip6", "nexthdr"):
        return packet.protocol in _elements(right, sets)
    if field in (("udp", "dport"), ("tcp", "dport"), ("th", "dport")):
        if packet.port == 0 or field[0] not in ("th", packet.protocol):
            return False
        return any(_port_in(one, packet.port) for one in _elements(right, sets))
    if field == ("ip6", "daddr"):
        return any(_address_in(one, packet.destination) for one in _elements(right, sets))
    if field == ("ip6", "saddr"):
        return _from_car(_network(one) for one in _elements(right, sets))
    if field[0] in ("udp", "tcp", "icmpv6", "icmp", "ip") and field[0] != packet.protocol.replace(
        "ipv6-icmp", "icmpv6"
    ):
        return False
    return None


def _elements(right: Any, sets: Mapping[str, Any]) -> list[Any]:
    if isinstance(right, str) and right.startswith("@"):
        right = {"set": sets[right[1:]].get("elem", [])}
    found = (
        right["set"] if isinstance(right, dict) and "set" in right else right if isinstance(right, list) else [right]
    )
    return [one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one for one in found]


def _port_in(one: Any, port: int) -> bool:
    if isinstance(one, dict):
        low, high = one["range"]
        return int(low) <= port <= int(high)
    return int(one) == port


def _network(one: Any) -> IPv6Network | None:
    if isinstance(one, dict):
        return IPv6Network(f"{one['prefix']['addr']}/{one['prefix']['len']}", strict=False) if "prefix" in one else None
    return IPv6Network(one)


def _from_car(networks: Iterable[IPv6Network | None]) -> bool | None:
    """Whether a car's address is in one of them: that it is link-local is all that is known of it."""
    found = list(networks)
    if any(one is not None and LINK_LOCAL.subnet_of(one) for one in found):
        return True
    return None if any(one is None or one.overlaps(LINK_LOCAL) for one in found) else False


def _address_in(one: Any, address: IPv6Address) -> bool:
    if isinstance(one, dict) and "prefix" in one:
        return address in IPv6Network(f"{one['prefix']['addr']}/{one['prefix']['len']}", strict=False)
    if isinstance(one, dict):
        low, high = one["range"]
        return IPv6Address(low) <= address <= IPv6Address(high)
    return IPv6Address(one) == address


# --- ip6tables ---


def _ip6tables_filter(text: str, packet: Packet) -> dict[str, _Chain]:
    policies: dict[str, str] = {}
    rules: dict[str, list[_Rule]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and line.startswith(":"):
            name, policy, *_ = line[1:].split()
            policies[name] = {"ACCEPT": ACCEPT, "DROP": DROP}.get(policy, "") if name == "INPUT" else ""
        elif table == "filter" and line.startswith("-A "):
            words = shlex.split(line)
            rules.setdefault(words[1], []).append(_ip6tables_rule(words[2:], packet, line))
    return {name: _Chain(tuple(rules.get(name, ())), policy) for name, policy in policies.items()}


def _ip6tables_rule(words: list[str], packet: Packet, text: str) -> _Rule:
    matches: list[bool | None] = []
    end = THROUGH
    negated = False
    rest = iter(words)
    for word in rest:
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            end = _target(next(rest), jump="jump" if word == "-j" else "goto")
            break  # what follows belongs to the target
        if word == "-m":
            next(rest)
            continue
        holds = _ip6tables_holds(word, rest, packet)
        matches.append(None if holds is None else holds != negated)
        negated = False
    return _Rule(_all(matches), (end,), f"ip6tables {text}")


def _target(name: str, *, jump: str) -> str:
    built_in = {"ACCEPT": ACCEPT, "DROP": DROP, "REJECT": DROP, "RETURN": "return", "LOG": THROUGH, "NFLOG": THROUGH}
    return built_in.get(name, f"{jump} {name}")


def _ip6tables_holds(option: str, rest: Any, packet: Packet) -> bool | None:
    if not option.startswith("-"):
        return None  # a further word of an option that is not known
    match option:
        case "-i":
            return _named(next(rest), packet.interface, "+")
        case "-p":
            return next(rest) in (packet.protocol, "all")
        case "--dport" | "--dports":
            return any(_service_in(one, packet.port) for one in next(rest).split(","))
        case "-d":
            return packet.destination in IPv6Network(next(rest), strict=False)
        case "-s":
            return _from_car([IPv6Network(next(rest), strict=False)])
        case "--state" | "--ctstate":
            return "NEW" in next(rest).split(",")
    return None


def _service_in(text: str, port: int) -> bool:
    low, colon, high = text.partition(":")
    return int(low or 0) <= port <= int(high or 65535) if colon else int(text) == port


def _named(pattern: str, interface: str, wildcard: str) -> bool:
    return interface.startswith(pattern[:-1]) if pattern.endswith(wildcard) else interface == pattern

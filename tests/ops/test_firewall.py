"""Packet filters as nft and ip6tables print them, and what they do with what a car sends. The texts are those of nftables 1.0.6, iptables 1.8.9."""

from __future__ import annotations

import json
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.ops.firewall import Judgement, Outcome, Packet, RulesUnreadable, judge_ip6tables, judge_nft

SDP = Packet("eth1", "udp", 15118, IPv6Address("ff02::1"))
TCP = Packet("eth1", "tcp", 50000, IPv6Address("fe80::2"))
NEIGHBOUR = Packet("eth1", "ipv6-icmp", 0, IPv6Address("ff02::1:ff00:2"))


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


IFNAME = {"meta": {"key": "iifname"}}
L4 = {"meta": {"key": "l4proto"}}
UDP_PORT = {"payload": {"protocol": "udp", "field": "dport"}}
TCP_PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
DADDR = {"payload": {"protocol": "ip6", "field": "daddr"}}
SADDR = {"payload": {"protocol": "ip6", "field": "saddr"}}
STATE = {"ct": {"key": "state"}}
ACCEPT, DROP = {"accept": None}, {"drop": None}
REJECT = {"reject": {"type": "icmpx", "expr": "port-unreachable"}}
LIMIT = {"limit": {"rate": 10, "burst": 5, "per": "second"}}
COUNTER = {"counter": {"packets": 0, "bytes": 0}}


def nft(*rules: list[dict[str, Any]], policy: str = "accept", family: str = "inet", **chains: list[Any]) -> str:
    def rule(chain: str, handle: int, expr: list[Any]) -> dict[str, Any]:
        return {"rule": {"family": family, "table": "filter", "chain": chain, "handle": handle, "expr": expr}}

    base = {"type": "filter", "hook": "input", "prio": 0, "policy": policy}
    entries: list[dict[str, Any]] = [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": family, "name": "filter", "handle": 1}},
        {"set": {"family": family, "name": "ports", "table": "filter", "type": "inet_service", "elem": [22, 15118]}},
        {"chain": {"family": family, "table": "filter", "name": "input", "handle": 1, **base}},
        *({"chain": {"family": family, "table": "filter", "name": name, "handle": 2}} for name in chains),
        *(rule("input", number, expr) for number, expr in enumerate(rules, 4)),
        *(rule(name, number, expr) for name, those in chains.items() for number, expr in enumerate(those, 40)),
    ]
    return json.dumps({"nftables": entries})


PASSES, DROPPED, UNSURE = Outcome.PASSES, Outcome.DROPPED, Outcome.UNSURE


@pytest.mark.parametrize(
    ("rules", "packet", "outcome"),
    [
        (nft(), SDP, PASSES),
        (nft(policy="drop"), SDP, DROPPED),
        (nft([match(UDP_PORT, 15118), DROP]), SDP, DROPPED),
        (nft([match(UDP_PORT, 15118), DROP]), TCP, PASSES),
        (nft([match(UDP_PORT, 15118), REJECT], family="ip6"), SDP, DROPPED),
        (nft([match(UDP_PORT, 15118), DROP], family="ip"), SDP, PASSES),
        (nft([match(UDP_PORT, "@ports"), ACCEPT], policy="drop"), SDP, PASSES),
        (nft([match(UDP_PORT, {"set": [22, {"range": [80, 90]}]}), ACCEPT], policy="drop"), SDP, DROPPED),
        (nft([match(IFNAME, "eth9"), match(UDP_PORT, 15118), DROP]), SDP, PASSES),
        (nft([match(IFNAME, {"set": ["eth1", "eth2"]}), COUNTER, DROP]), SDP, DROPPED),
        (nft([match(IFNAME, "eth*"), ACCEPT], policy="drop"), TCP, PASSES),
        (nft([match(IFNAME, "eth1", "!="), DROP]), SDP, PASSES),
        (nft([match(DADDR, "ff02::1"), DROP]), SDP, DROPPED),
        (nft([match(DADDR, {"prefix": {"addr": "ff00::", "len": 8}}), DROP]), SDP, DROPPED),
        (nft([match(DADDR, {"prefix": {"addr": "ff00::", "len": 8}}), DROP]), TCP, PASSES),
        (nft([match(SADDR, {"prefix": {"addr": "fe80::", "len": 10}}), ACCEPT], policy="drop"), SDP, PASSES),
        (nft([match(SADDR, {"prefix": {"addr": "2001:db8::", "len": 32}}), DROP]), SDP, PASSES),
        (nft([match(SADDR, "fe80::7"), DROP]), SDP, UNSURE),
        (nft([match(STATE, ["established", "related"], "in"), ACCEPT], policy="drop"), SDP, DROPPED),
        (nft([match(STATE, ["new"], "in"), DROP]), SDP, DROPPED),
        (nft([{"vmap": {"key": STATE, "data": {"set": [["invalid", DROP]]}}}]), SDP, UNSURE),
        (nft([LIMIT, ACCEPT], policy="drop"), SDP, UNSURE),
        (nft([LIMIT, ACCEPT], [match(UDP_PORT, 15118), ACCEPT], policy="drop"), SDP, PASSES),
        (nft([match(L4, "ipv6-icmp"), ACCEPT], policy="drop"), NEIGHBOUR, PASSES),
        (nft([match(L4, {"set": ["tcp", "udp"]}), ACCEPT], policy="drop"), NEIGHBOUR, DROPPED),
        (nft([match(TCP_PORT, {"range": [49152, 65535]}), ACCEPT], policy="drop"), TCP, PASSES),
        (nft([{"jump": {"target": "own"}}], [DROP], own=[[match(UDP_PORT, 15118), ACCEPT]]), SDP, PASSES),
        (nft([{"jump": {"target": "own"}}], [DROP], own=[[match(UDP_PORT, 15118), ACCEPT]]), TCP, DROPPED),
        (nft([{"jump": {"target": "own"}}], own=[[{"return": None}], [DROP]]), SDP, PASSES),
        (nft([{"goto": {"target": "own"}}], [DROP], own=[[COUNTER]]), SDP, PASSES),
        (nft([{"jump": {"target": "own"}}], own=[[{"jump": {"target": "own"}}]]), SDP, UNSURE),
        (
            nft([{"xt": {"type": "match", "name": "multiport"}}, {"xt": {"type": "target", "name": "REJECT"}}]),
            SDP,
            UNSURE,
        ),
    ],
)
def test_nftables(rules: str, packet: Packet, outcome: Outcome) -> None:
    assert judge_nft(rules, packet).outcome is outcome


def test_the_rule_that_drops_is_named() -> None:
    assert judge_nft(nft([DROP]), SDP) == Judgement(DROPPED, "nft inet filter input handle 4")
    assert judge_nft(nft(policy="drop"), SDP).rule == "policy of chain input: drop"
    assert judge_ip6tables(saved("-A INPUT -j DROP"), SDP).rule == "ip6tables -A INPUT -j DROP"


def saved(*rules: str, policy: str = "ACCEPT") -> str:
    head = ["# Generated", "*raw", ":PREROUTING DROP [0:0]", "COMMIT"]
    chains = [f":INPUT {policy} [0:0]", ":FORWARD DROP [0:0]", ":own - [0:0]"]
    return "\n".join([*head, "*filter", *chains, *rules, "COMMIT"])


@pytest.mark.parametrize(
    ("rules", "packet", "outcome"),
    [
        (saved(), SDP, PASSES),
        (saved(policy="DROP"), SDP, DROPPED),
        (saved("-A INPUT -i eth1 -p udp -m udp --dport 15118 -j DROP"), SDP, DROPPED),
        (saved("-A INPUT -i eth1 -p udp -m udp --dport 15118 -j DROP"), TCP, PASSES),
        (saved("-A INPUT ! -i lo -p udp -m udp --dport 15118 -j DROP"), SDP, DROPPED),
        (saved("-A INPUT -p tcp -m multiport --dports 100:200,49152:65535 -j ACCEPT", policy="DROP"), TCP, PASSES),
        (saved("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", policy="DROP"), SDP, DROPPED),
        (saved("-A INPUT -s fe80::/10 -j ACCEPT", policy="DROP"), SDP, PASSES),
        (saved("-A INPUT -d ff02::1/128 -j REJECT --reject-with icmp6-port-unreachable"), SDP, DROPPED),
        (saved("-A INPUT -p ipv6-icmp -j ACCEPT", policy="DROP"), NEIGHBOUR, PASSES),
        (saved("-A INPUT -i eth+ -j own", "-A own -j ACCEPT", policy="DROP"), SDP, PASSES),
        (saved("-A INPUT -g own", "-A INPUT -j DROP", "-A own -j RETURN"), SDP, PASSES),
        (saved("-A INPUT -m limit --limit 5/sec -j ACCEPT", policy="DROP"), SDP, UNSURE),
        (saved("-A INPUT -j LOG --log-prefix 'a b'"), SDP, PASSES),
        (saved("-A INPUT -m string --string x --algo bm -j DROP"), SDP, UNSURE),
    ],
)
def test_ip6tables(rules: str, packet: Packet, outcome: Outcome) -> None:
    assert judge_ip6tables(rules, packet).outcome is outcome


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"nftables": 1}', '{"nftables": [{"rule": {"family": "inet"}}]}', "[" * 5000]
)
def test_what_is_no_rule_set_says_so(text: str) -> None:
    with pytest.raises(RulesUnreadable):
        judge_nft(text, SDP)


@settings(max_examples=100)
@given(st.text(alphabet="-A INPUTjpd:*filter\n!\"' 15118DROP", max_size=200))
def test_any_text_is_judged_or_unreadable(text: str) -> None:
    try:
        judge_ip6tables("*filter\n:INPUT ACCEPT [0:0]\n" + text, SDP)
    except RulesUnreadable:
        return

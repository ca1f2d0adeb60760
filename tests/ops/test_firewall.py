"""Packet filters as nft and ip6tables print them, and which of their rules concern cars. The texts are those of nftables 1.0.6, iptables 1.8.9."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.ops.firewall import Filter, RulesUnreadable, lets_in, read_filter

SDP = 15118


def nft(
    *rules: str, policy: str = "accept", family: str = "inet", hook: str = "input", own: tuple[str, ...] = ()
) -> str:
    lines = [
        f"table {family} filter {{ # handle 1",
        "\tset ports { # handle 2",
        "\t\ttype inet_service",
        "\t\telements = { 22, 15118 }",
        "\t}",
        "",
        "\tchain input { # handle 3",
        f"\t\ttype filter hook {hook} priority filter; policy {policy};",
        *(f"\t\t{rule} # handle {number}" for number, rule in enumerate(rules, 4)),
        "\t}",
        "\tchain own { # handle 90",
        *(f"\t\t{rule} # handle {number}" for number, rule in enumerate(own, 91)),
        "\t}",
        "}",
    ]
    return "\n".join(lines)


def saved(*rules: str, policy: str = "ACCEPT") -> str:
    head = ["# Generated", "*raw", ":PREROUTING DROP [0:0]", "-A PREROUTING -p udp --dport 15118 -j DROP", "COMMIT"]
    chains = [f":INPUT {policy} [0:0]", ":FORWARD DROP [0:0]", ":own - [0:0]"]
    return "\n".join([*head, "*filter", *chains, *rules, "COMMIT"])


def filter_of(text: str) -> Filter:
    return read_filter("nft" if "table " in text else "ip6tables-save", text)


@pytest.mark.parametrize(
    ("text", "default"),
    [
        (nft(), None),
        (nft(policy="drop"), "policy of nft inet filter input: drop"),
        (nft(policy="drop", family="ip6"), "policy of nft ip6 filter input: drop"),
        (nft(policy="drop", family="ip"), None),
        (nft(policy="drop", hook="output"), None),
        (nft("tcp dport 22 accept", "drop"), "nft inet filter input: drop # handle 5"),
        (nft("counter packets 3 bytes 9 drop"), "nft inet filter input: counter packets 3 bytes 9 drop # handle 4"),
        (
            nft("reject with icmpx port-unreachable"),
            "nft inet filter input: reject with icmpx port-unreachable # handle 4",
        ),
        (nft("ct state invalid drop"), None),
        (nft("jump own", own=("drop",)), None),
        (saved(), None),
        (saved(policy="DROP"), "policy of ip6tables INPUT: DROP"),
        (saved("-A INPUT -j DROP"), "ip6tables -A INPUT -j DROP"),
        (
            saved("-A INPUT -j REJECT --reject-with icmp6-port-unreachable"),
            "ip6tables -A INPUT -j REJECT --reject-with icmp6-port-unreachable",
        ),
        (saved("-A INPUT -p udp -j DROP"), None),
        (saved("-A own -j DROP"), None),
    ],
)
def test_what_drops_by_default_is_named(text: str, default: str | None) -> None:
    assert filter_of(text).defaults == (() if default is None else (default,))


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("udp dport 15118 drop", True),
        ("udp dport 15119 drop", False),
        ("udp dport { 22, 15000-15200 } accept", True),
        ("udp dport { 22, 80-90 } accept", False),
        ("udp dport @ports accept", True),
        ("counter packets 15118 bytes 15118 accept", False),
        ("udp sport 15118 accept", False),
        ("-A INPUT -p udp -m udp --dport 15118 -j DROP", True),
        ("-A INPUT -p udp -m multiport --dports 100:200,15000:16000 -j ACCEPT", True),
        ("-A INPUT -p udp -m multiport --dports 100:200 -j ACCEPT", False),
        ("-A FORWARD -p udp -m udp --dport 15118 -j DROP", False),
        ("-A own -p udp -m udp --dport 15118 -j DROP", True),
    ],
)
def test_a_rule_with_the_port_is_named(rule: str, named: bool) -> None:
    found = filter_of(saved(rule) if rule.startswith("-A") else nft(rule)).naming(low=SDP, high=SDP)
    assert [rule in one for one in found] == [True] * named


def test_rules_of_a_chain_that_is_jumped_to_count_and_those_of_other_hooks_do_not() -> None:
    assert filter_of(nft("jump own", own=("udp dport 15118 drop",))).naming(low=SDP, high=SDP)
    assert not filter_of(nft("udp dport 15118 drop", hook="output")).naming(low=SDP, high=SDP)
    assert not filter_of(nft("udp dport 15118 drop", family="ip")).naming(low=SDP, high=SDP)


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ('iifname "eth1" accept', True),
        ('iifname "eth*" accept', True),
        ('iifname "eth11" accept', False),
        ("-A INPUT -i eth+ -j own", True),
        ("-A INPUT -i wlan+ -j own", False),
        ("ip6 saddr fe80::/10 accept", True),
    ],
)
def test_a_rule_with_the_interface_or_an_address_of_cars_is_named(rule: str, named: bool) -> None:
    found = filter_of(saved(rule) if rule.startswith("-A") else nft(rule)).naming("eth1", "fe80")
    assert bool(found) is named


@pytest.mark.parametrize(
    ("rule", "plain"),
    [
        ('iifname "eth1" udp dport 15118 accept', True),
        ("udp dport 15118 accept", True),
        ('iifname "eth9" udp dport 15118 accept', False),
        ("udp dport 15118 drop", False),
        ("udp dport @ports accept", False),
        ('iifname != "eth1" udp dport 15118 accept', False),
        ("-A INPUT -i eth1 -p udp -m udp --dport 15118 -j ACCEPT", True),
        ("-A INPUT -i eth2 -p udp -m udp --dport 15118 -j ACCEPT", False),
        ("-A INPUT -p udp -m udp --dport 15118 -j own", False),
    ],
)
def test_whether_a_rule_plainly_lets_cars_in(rule: str, plain: bool) -> None:
    assert lets_in(rule, "eth1") is plain


def test_no_rules_are_no_filter() -> None:
    assert read_filter("nft", "") == read_filter("ip6tables-save", "\n") == Filter((), ())


@pytest.mark.parametrize("text", ["what is this", "{}", "nftables: [1]"])
def test_what_is_no_rule_set_says_so(text: str) -> None:
    with pytest.raises(RulesUnreadable):
        read_filter("nft", text)


@settings(max_examples=100)
@given(st.text(alphabet="-A INPUTjpd:*filter\n!\"' 15118DROP{}table chainhook#@", max_size=200), st.booleans())
def test_any_text_is_read_or_unreadable(text: str, nft: bool) -> None:
    try:
        read_filter("nft" if nft else "ip6tables-save", text).naming("eth1", low=SDP, high=SDP)
    except RulesUnreadable:
        return

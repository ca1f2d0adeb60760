"""Every code that a session can end with has a meaning, a view for the driver, and something to do."""

from __future__ import annotations

import ast
import inspect
import typing
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secc.protocols  # noqa: F401  # what protocols add
from certs.errors import Flaw
from secc.conversation import Emergency, Reason, Severed
from secc.link.tls.errors import TlsFlaw
from secc.session import events
from secc.session import supported_app_protocol as sap
from secc.session.signature import Flaw as Signature
from secc.trace.reasons import _TABLE, BEHIND, KINDS, MEANINGS, meaning
from secc.uplink.book import POWER_LOST
from tests.reasons_in_code import ROOT, attributes, calls, literal, results, sources, timers

SHARED = {entry.code for entry in _TABLE}
PROTOCOLS = ("secc/din", "secc/iso2")
"""Their own tests look at their timers."""


def test_every_refusal_of_the_first_exchange_has_its_entry() -> None:
    refused = {f"refused.{code}" for code in sap.ResponseCode if code.upper().startswith("FAILED")}
    assert refused == {"refused.Failed_NoNegotiation"} <= MEANINGS.keys()


def test_every_interruption_has_its_entry() -> None:
    kinds = [kind for kind in vars(events).values() if inspect.isclass(kind) and kind.__module__ == events.__name__]
    codes = [f"severed.{kind.reason}" for kind in kinds if issubclass(kind, Severed)]
    codes += [f"emergency.{kind.reason}" for kind in kinds if issubclass(kind, Emergency)]
    assert len(codes) >= 8
    assert [code for code in [*codes, POWER_LOST] if code not in MEANINGS] == []


# Timers that end no session, with what becomes of them instead.
INSIDE = {
    "endless": "never passes",
    "answer to the request that comes after the end": "the reason stands already",
}
NO_SESSIONS = {
    "secc/energy": "the power path answers a question, or raises a fault; its waits tell whether they were in time",
    "secc/outlet": "the plug-in goes on with its next attempt; its waits tell whether they were in time",
    "secc/link/slac": "an attempt at matching fails, and the log names the timer",
}


def test_every_timer_that_ends_a_session_has_its_entry() -> None:
    elsewhere = (*NO_SESSIONS, *PROTOCOLS)
    ending = {f"timer.{name.replace(' ', '-')}" for name in timers(without=elsewhere) - INSIDE.keys()}
    assert ending == {code for code in SHARED if code.startswith("timer.")}
    assert meaning("timer.TLS handshake") == MEANINGS["timer.TLS-handshake"], "spaces are no part of a code"


def test_what_is_said_to_end_no_session_exists() -> None:
    assert timers(without=tuple(NO_SESSIONS)) >= INSIDE.keys()
    files = {file for file, _ in calls("Timeout")}
    assert all(any(file.startswith(place) for file in files) for place in NO_SESSIONS)


def test_every_refusal_in_the_code_has_its_entry() -> None:
    missing = []
    for file, call in calls("Refusal"):
        code = call.args[0]
        if isinstance(code, ast.Attribute) and isinstance(code.value, ast.Name) and code.value.id == "ResponseCode":
            # Each protocol has an enumeration of its own.
            enumeration = import_module(file.removesuffix(".py").replace("/", ".")).ResponseCode
            if f"refused.{enumeration[code.attr]}" not in MEANINGS:
                missing.append(f"{file}:{call.lineno}: {code.attr}")
        elif literal(code) is not None:
            assert file.startswith(tuple(NO_SESSIONS)), "it would be said to a car"
        else:
            # A code that comes out of a table or from elsewhere is a member of the enumeration all the same.
            assert isinstance(code, (ast.Name, ast.Attribute, ast.Subscript)), f"{file}:{call.lineno}"
    assert missing == []


def test_every_end_in_order_has_its_entry() -> None:
    places = [path for path in sources() if not path.is_relative_to(ROOT / "secc" / "energy")]
    ends = {f"completed.{end}" for path in places for end in results(path)}
    assert "completed.unplugged" in ends
    made = (call.args for _, call in calls("Reason") if literal(call.args[0]) == "completed")
    ends |= {f"completed.{literal(name)}" for _, name in made if literal(name) is not None}
    assert {code for code in MEANINGS if code.startswith("completed.")} == ends


def test_every_reason_that_is_made_outside_of_the_core_has_its_entry() -> None:
    made = set()
    for file, call in calls("Reason"):
        if file.startswith(("secc/conversation", "secc/trace/explain")):
            continue
        kind, name = literal(call.args[0]), call.args[1]
        if isinstance(name, ast.Attribute) and name.attr == "reason":
            assert kind == "severed", "the reasons of the interruptions are looked at above"
        elif literal(name) is not None:
            made.add(f"{kind}.{literal(name)}")
        elif kind == "tls":
            assert file == "secc/session/events.py", "whatever flaw it is, it has its entry"
        else:
            assert kind == "timer" and file == "secc/session/events.py", f"{file}:{call.lineno}"
    assert [code for code in made if code not in MEANINGS] == []


def test_every_flaw_has_its_entry() -> None:
    assert [flaw for flaw in Flaw if meaning(f"certificate.{flaw.value}").meaning != flaw.meaning] == []
    signed = {value for name, value in vars(Signature).items() if name.isupper()}
    assert {f"signature.{flaw}" for flaw in signed} == {code for code in MEANINGS if code.startswith("signature.")}


def test_every_way_in_which_tls_fails_has_its_entry_and_is_raised() -> None:
    assert {f"tls.{flaw}" for flaw in TlsFlaw} == {code for code in MEANINGS if code.startswith("tls.")}
    assert attributes("TlsFlaw") == {flaw.name for flaw in TlsFlaw}


def test_flaws_end_no_session() -> None:
    kinds = typing.get_args(typing.get_type_hints(Reason)["kind"])
    assert KINDS.keys() == {*kinds, *BEHIND}
    assert not set(kinds) & set(BEHIND)


def test_what_is_not_in_the_table_falls_to_its_kind() -> None:
    for kind in typing.get_args(typing.get_type_hints(Reason)["kind"]):
        found = meaning(Reason(kind, "never-heard-of").code)
        assert found.code == f"{kind}.never-heard-of" and found.meaning == KINDS[kind].meaning
    assert meaning("bug.ZeroDivisionError").meaning == KINDS["bug"].meaning


@given(st.text(max_size=20))
def test_any_text_has_a_meaning(code: str) -> None:
    assert meaning(code).support


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_an_entry_is_whole(code: str) -> None:
    entry = MEANINGS[code]
    assert entry.code == code and " " not in code and code.partition(".")[0] in KINDS
    for text in (entry.meaning, entry.driver, entry.support):
        assert text.endswith((".", "?", "]")) and "|" not in text and "\n" not in text

"""Every code that a session can end with has a meaning, a view for the driver, and something to do."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs import Flaw
from secc.conversation import Emergency, Reason, Severed
from secc.iso2.messages.enumerations import ResponseCode
from secc.link.tls.errors import TlsFlaw
from secc.session import events
from secc.session import supported_app_protocol as sap
from secc.session.signature import Flaw as Signature
from secc.trace.reasons import BEHIND, KINDS, MEANINGS, meaning
from secc.uplink.book import POWER_LOST

ROOT = Path(__file__).resolve().parents[2]


# Response codes with which this station refuses nothing.
NEVER = {"FAILED_MeteringSignatureNotValid": "no receipt is asked for"}


def test_every_refusal_has_its_entry_and_no_other() -> None:
    codes = [*ResponseCode, *sap.ResponseCode]
    refused = {f"refused.{code}" for code in codes if code.upper().startswith("FAILED") and code not in NEVER}
    assert len(refused) == 22
    assert refused == {code for code in MEANINGS if code.startswith("refused.")}


def test_every_code_of_a_refusal_is_named_in_the_code() -> None:
    """The page says what really ends sessions: a code that no line of the product makes has no place on it."""
    named: set[str] = set()
    for path in sorted((ROOT / "secc").rglob("*.py")):
        if path.name != "enumerations.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ResponseCode":
                    named.add(node.attr)
    refused = [member for member in ResponseCode if member.name.startswith("FAILED")]
    assert {str(member) for member in refused if member.name not in named} == NEVER.keys()


def test_every_interruption_has_its_entry() -> None:
    kinds = [kind for kind in vars(events).values() if inspect.isclass(kind) and kind.__module__ == events.__name__]
    codes = [f"severed.{kind.reason}" for kind in kinds if issubclass(kind, Severed)]
    codes += [f"emergency.{kind.reason}" for kind in kinds if issubclass(kind, Emergency)]
    assert len(codes) >= 8
    assert [code for code in [*codes, POWER_LOST] if code not in MEANINGS] == []


# Timers that end no session, with what becomes of them instead.
INSIDE = {
    "V2G_SECC_Msg_Performance_Time_PaymentDetailsRes": "refused: the chain was not validated in time",
    "V2G_SECC_Msg_Performance_Time_PowerDeliveryRes": "refused: no report in time",
    "V2G_SECC_Msg_Performance_Time_SessionStopRes": "the session ends all the same, in order",
    "T_SECC_CPState_Detection": "refused: the pilot is not where the request says",
    "look at the control pilot": "paces",
    "pace of polling": "paces",
    "power path in PowerDelivery": "the power path answers in time",
    "endless": "never passes",
    "answer to the request that comes after the end": "the reason stands already",
}
NO_SESSIONS = {
    "secc/energy": "the power path answers a question, or raises a fault; its waits tell whether they were in time",
    "secc/outlet": "the plug-in goes on with its next attempt; its waits tell whether they were in time",
    "secc/link/slac": "an attempt at matching fails, and the log names the timer",
}


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of ``name`` in the product, with the file that it stands in."""
    for path in sorted((ROOT / "secc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield str(path.relative_to(ROOT)), node


def literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def timers() -> set[str]:
    found = set()
    for file, call in calls("Timeout"):
        name = literal(call.args[0])
        if not file.startswith(tuple(NO_SESSIONS)):
            assert name is not None, (
                f"{file}:{call.lineno}: the name of a timer that may end a session is written where it is made"
            )
            found.add(name)
    return found


def test_every_timer_that_ends_a_session_has_its_entry() -> None:
    ending = {f"timer.{name.replace(' ', '-')}" for name in timers() - INSIDE.keys()}
    assert ending == {code for code in MEANINGS if code.startswith("timer.")}
    assert meaning("timer.TLS handshake") == MEANINGS["timer.TLS-handshake"], "spaces are no part of a code"


def test_what_is_said_to_end_no_session_exists() -> None:
    assert timers() >= INSIDE.keys()
    files = {file for file, _ in calls("Timeout")}
    assert all(any(file.startswith(place) for file in files) for place in NO_SESSIONS)


def test_every_refusal_in_the_code_has_its_entry() -> None:
    missing = []
    for file, call in calls("Refusal"):
        code = call.args[0]
        if isinstance(code, ast.Attribute) and isinstance(code.value, ast.Name) and code.value.id == "ResponseCode":
            enumeration = sap.ResponseCode if file.startswith("secc/session") else ResponseCode
            if f"refused.{enumeration[code.attr]}" not in MEANINGS:
                missing.append(f"{file}:{call.lineno}: {code.attr}")
        elif literal(code) is not None:
            assert file.startswith(tuple(NO_SESSIONS)), "it would be said to a car"
        else:
            # A code that comes out of a table or from elsewhere is a member of the enumeration all the same.
            assert isinstance(code, (ast.Name, ast.Attribute, ast.Subscript)), f"{file}:{call.lineno}"
    assert missing == []


def results(path: Path) -> Iterator[str]:
    """What conversations of this module that end with a text may end with."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        node.target.id: literal(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.returns is not None:
            if ast.unparse(function.returns) != "Conversation[str]":
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and isinstance(node.value, ast.Constant):
                    yield str(node.value.value)
                elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
                    yield names.get(node.value.id) or f"{path.name}:{node.lineno}"


def test_every_end_in_order_has_its_entry() -> None:
    places = [path for path in (ROOT / "secc").rglob("*.py") if not path.is_relative_to(ROOT / "secc" / "energy")]
    ends = {f"completed.{end}" for path in places for end in results(path)}
    assert ends == {"completed.terminated", "completed.stopped-early", "completed.unplugged"}
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
            assert kind == "timer" and file == "secc/station/serving/connection.py", f"{file}:{call.lineno}"
    assert [code for code in made if code not in MEANINGS] == []


def test_every_flaw_has_its_entry() -> None:
    assert [flaw for flaw in Flaw if meaning(f"certificate.{flaw.value}").meaning != flaw.meaning] == []
    signed = {value for name, value in vars(Signature).items() if name.isupper()}
    assert {f"signature.{flaw}" for flaw in signed} == {code for code in MEANINGS if code.startswith("signature.")}


def test_every_way_in_which_tls_fails_has_its_entry_and_is_raised() -> None:
    assert {f"tls.{flaw}" for flaw in TlsFlaw} == {code for code in MEANINGS if code.startswith("tls.")}
    named: set[str] = set()
    for path in sorted((ROOT / "secc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "TlsFlaw":
                named.add(node.attr)
    assert named == {flaw.name for flaw in TlsFlaw}


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

"""Every code with which a session of DIN SPEC 70121 can end has its meaning, and no other has."""

from __future__ import annotations

import ast

from secc.din.messages import ResponseCode
from secc.din.reasons import REASONS
from secc.trace.reasons import MEANINGS
from secc.trace.reasons_sessions import SESSIONS
from tests.reasons_in_code import nodes, results, sources, timers

# Timers that end no session, with what becomes of them instead.
INSIDE = {
    "T_SECC_CPState_Detection": "refused: the pilot is not where the request says",
    "look at pilot and current": "paces",
    "pace of polling": "paces",
    "power path": "the power path answers, and the session does not wait for it",
    "power path in PowerDelivery": "refused: power is not on, or not off",
    "power path in SessionStop": "the session ends all the same, in order",
}
SHARED = {"V2G_SECC_Sequence_Timeout": "the first exchange has the same"}


def mine(kind: str) -> set[str]:
    return {entry.code for entry in (*REASONS, *SESSIONS) if entry.code.startswith(f"{kind}.")}


def refused() -> set[str]:
    """The codes that the product's folder names, beside the declaration of all."""
    found = set()
    for path in sources("secc/din"):
        if path.parent.name == "messages":
            continue
        for node in nodes(path, "ResponseCode."):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ResponseCode":
                found.add(ResponseCode[node.attr])
    return {f"refused.{code}" for code in found if code.startswith("FAILED")}


def test_every_refusal_has_its_entry_and_no_other() -> None:
    assert refused() == mine("refused")


def test_every_timer_that_ends_a_session_has_its_entry() -> None:
    ending = timers("secc/din") - INSIDE.keys() - SHARED.keys()
    assert {f"timer.{name.replace(' ', '-')}" for name in ending} == mine("timer")
    assert timers("secc/din") >= INSIDE.keys() | SHARED.keys()


def test_every_end_in_order_has_its_entry() -> None:
    ends = {f"completed.{end}" for path in sources("secc/din") for end in results(path)}
    assert ends == {"completed.terminated", *mine("completed")} <= MEANINGS.keys()

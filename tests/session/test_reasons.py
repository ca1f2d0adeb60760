"""Every code that a session can end with has a meaning, a view for the driver, and something to do."""

from __future__ import annotations

import inspect
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs import Flaw
from secc.conversation import Emergency, Reason, Severed, Timeout
from secc.iso2 import timing
from secc.iso2.messages.enumerations import ResponseCode
from secc.link import connection, tls_errors
from secc.session import events, negotiation
from secc.session import supported_app_protocol as sap
from secc.session.reasons import KINDS, MEANINGS, meaning
from secc.uplink.records import POWER_LOST


def test_every_refusal_has_its_entry() -> None:
    codes = [*ResponseCode, *sap.ResponseCode]
    refused = [f"refused.{code}" for code in codes if code.upper().startswith("FAILED")]
    assert len(refused) == 23
    assert [code for code in refused if code not in MEANINGS] == []


def test_every_interruption_has_its_entry() -> None:
    kinds = [kind for kind in vars(events).values() if inspect.isclass(kind) and kind.__module__ == events.__name__]
    codes = [f"severed.{kind.reason}" for kind in kinds if issubclass(kind, Severed)]
    codes += [f"emergency.{kind.reason}" for kind in kinds if issubclass(kind, Emergency)]
    assert len(codes) >= 8
    assert [code for code in [*codes, POWER_LOST] if code not in MEANINGS] == []


def test_every_timer_that_ends_a_session_has_its_entry() -> None:
    timers = [
        value
        for module in (timing, negotiation, connection)
        for value in vars(module).values()
        if isinstance(value, Timeout)
        # Those that only pace a conversation never end one.
        and value not in (timing.CP_STATE_LOOK, timing.PACE, timing.FAREWELL, timing.NOTIFICATION_MAX_DELAY)
    ]
    assert len(timers) >= 10
    codes = [f"timer.{timer.name.replace(' ', '-')}" for timer in timers]
    assert [code for code in codes if code not in MEANINGS] == []
    assert meaning("timer.TLS handshake") == MEANINGS["timer.TLS-handshake"], "spaces are no part of a code"


def test_every_flaw_has_its_entry() -> None:
    assert [flaw for flaw in Flaw if meaning(f"certificate.{flaw.value}").meaning != flaw.meaning] == []
    errors = [kind for kind in vars(tls_errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    assert {"HelloRejected", "HandshakeFailed", "TlsRequired", "PlainRequired"} <= {kind.__name__ for kind in errors}
    assert {"tls.hello-rejected", "tls.handshake-failed", "tls.required", "tls.plain-required"} <= MEANINGS.keys()


def test_what_is_not_in_the_table_falls_to_its_kind() -> None:
    kinds = typing.get_args(inspect.signature(Reason).parameters["kind"].annotation) or (
        "completed",
        "refused",
        "timer",
        "severed",
        "emergency",
        "bug",
    )
    for kind in kinds:
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

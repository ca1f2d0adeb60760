"""Every code with which a session of ISO 15118-2 can end has its meaning, and no other has."""

from __future__ import annotations

from secc.iso2.messages.enumerations import ResponseCode
from secc.iso2.reasons import REASONS
from secc.trace.reasons import MEANINGS
from secc.trace.reasons_sessions import SESSIONS
from tests.reasons_in_code import attributes, results, sources, timers

# Timers that end no session, with what becomes of them instead.
INSIDE = {
    "V2G_SECC_Msg_Performance_Time_PaymentDetailsRes": "refused: the chain was not validated in time",
    "V2G_SECC_Msg_Performance_Time_PowerDeliveryRes": "refused: no report in time",
    "V2G_SECC_Msg_Performance_Time_SessionStopRes": "the session ends all the same, in order",
    "metering receipt": "refused: the metering receipt could not be stored: not in time",
    "provisioning service": "refused: the provisioning service did not answer in time",
    "charging schedules of the backend": "the station offers one schedule, up to its limit",
    "charging schedules at once": "the car hears Ongoing",
    "T_SECC_CPState_Detection": "refused: the pilot is not where the request says",
    "look at the control pilot": "paces",
    "pace of polling": "paces",
    "power path in PowerDelivery": "the power path answers in time",
}
SHARED = {"V2G_SECC_Sequence_Timeout": "the first exchange has the same"}


def mine(kind: str) -> set[str]:
    return {entry.code for entry in (*REASONS, *SESSIONS) if entry.code.startswith(f"{kind}.")}


def test_every_refusal_has_its_entry_and_no_other() -> None:
    refused = {f"refused.{code}" for code in ResponseCode if code.startswith("FAILED")}
    assert len(refused) == 22
    assert refused == mine("refused")


def test_every_code_of_a_refusal_is_named_in_the_code() -> None:
    """The page says what really ends sessions: a code that no line of the product makes has no place on it."""
    named = attributes("ResponseCode")
    refused = [member for member in ResponseCode if member.name.startswith("FAILED")]
    assert [str(member) for member in refused if member.name not in named] == []


def test_every_timer_that_ends_a_session_has_its_entry() -> None:
    ending = timers("secc/iso2") - INSIDE.keys() - SHARED.keys()
    assert {f"timer.{name.replace(' ', '-')}" for name in ending} == mine("timer")
    assert timers("secc/iso2") >= INSIDE.keys() | SHARED.keys()


def test_every_end_in_order_has_its_entry() -> None:
    ends = {f"completed.{end}" for path in sources("secc/iso2") for end in results(path)}
    assert ends == {"completed.terminated", "completed.pause", "completed.stopped-early"}
    # A car that charges by pilot and duty ends in order, too.
    assert mine("completed") == {"completed.pause", "completed.stopped-early"}


def test_the_entries_are_in_the_register() -> None:
    assert {entry.code for entry in REASONS} <= MEANINGS.keys()
    assert all(entry.code.startswith(("refused.", "timer.", "completed.")) for entry in REASONS)

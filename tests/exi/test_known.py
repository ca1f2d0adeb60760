"""Values that are kept from one message to the next: read like any other, and never more than so many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import DecodeError
from secc.exi import known
from secc.exi.schema import Schema
from secc.iso2.messages import (
    SCHEMA,
    CurrentDemandReq,
    DC_EVErrorCode,
    DC_EVStatus,
    MessageHeader,
    PhysicalValue,
    PreChargeReq,
    UnitSymbol,
    V2G_Message,
)


def message(volts: int, amperes: int = 100) -> V2G_Message:
    status = DC_EVStatus(ev_ready=True, ev_error_code=DC_EVErrorCode.NO_ERROR, ev_ress_soc=50)
    body = CurrentDemandReq(
        dc_ev_status=status,
        ev_target_current=PhysicalValue(multiplier=0, unit=UnitSymbol.A, value=amperes),
        charging_complete=False,
        ev_target_voltage=PhysicalValue(multiplier=-1, unit=UnitSymbol.V, value=volts),
    )
    return V2G_Message(header=MessageHeader(session_id=bytes(8)), body=body)


@pytest.fixture
def fresh() -> Schema[V2G_Message]:
    return again()


def again() -> Schema[V2G_Message]:
    """The schema of ISO 15118-2, to which nothing is known."""
    return Schema("again", roots=SCHEMA.roots, globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)


def body(read: V2G_Message) -> CurrentDemandReq:
    assert isinstance(read.body, CurrentDemandReq)
    return read.body


@pytest.mark.parametrize("value", [0, 1, 127, 128, 3999, 16383, -1, -128, -129, -16384])
def test_a_value_is_made_once(fresh: Schema[V2G_Message], value: int) -> None:
    octets = SCHEMA.encode(message(value))
    first, second = fresh.decode(octets), fresh.decode(octets)
    assert first == second == message(value)
    assert body(first).ev_target_voltage is body(second).ev_target_voltage


def test_messages_of_all_types_know_the_same_values(fresh: Schema[V2G_Message]) -> None:
    """Also one whose reader is compiled when values are known already."""
    first = body(fresh.decode(SCHEMA.encode(message(4000)))).ev_target_voltage
    status = DC_EVStatus(ev_ready=True, ev_error_code=DC_EVErrorCode.NO_ERROR, ev_ress_soc=50)
    other = PreChargeReq(dc_ev_status=status, ev_target_voltage=first, ev_target_current=first)
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=other))
    read = fresh.decode(octets).body
    assert isinstance(read, PreChargeReq)
    assert read == other
    assert read.ev_target_voltage is first


@pytest.mark.parametrize("value", [16384, 32767, -16385, -32768])
def test_a_number_of_three_octets_is_read_each_time(fresh: Schema[V2G_Message], value: int) -> None:
    octets = SCHEMA.encode(message(value))
    assert fresh.decode(octets) == fresh.decode(octets) == message(value)
    assert body(fresh.decode(octets)).ev_target_voltage is not body(fresh.decode(octets)).ev_target_voltage


def test_so_many_are_kept_and_no_more(fresh: Schema[V2G_Message]) -> None:
    for value in range(200, 200 + 3 * known.MOST):
        assert body(fresh.decode(SCHEMA.encode(message(value)))).ev_target_voltage.value == value
    stores = [kept for name, kept in fresh._first.globals.items() if name.startswith(("short_", "long_"))]
    assert 0 < max(len(kept) for kept in stores) <= known.MOST


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=4), st.data())
def test_what_is_known_changes_no_reading(values: list[int], data: st.DataObject) -> None:
    """Sound and flawed streams, read by a schema that has met their parts before and by one that has not."""
    experienced = again()
    for value in values:
        experienced.decode(SCHEMA.encode(message(value, values[0])))
    octets = bytearray(SCHEMA.encode(message(data.draw(st.sampled_from(values)), values[0])))
    for _ in range(data.draw(st.integers(0, 2))):
        octets[data.draw(st.integers(8, len(octets) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = bytes(octets[: data.draw(st.sampled_from([len(octets), len(octets) - 1, len(octets) - 4]))])
    assert outcome(experienced, cut) == outcome(again(), cut)


def outcome(schema: Schema[V2G_Message], octets: bytes) -> V2G_Message | str:
    try:
        return schema.decode(octets)
    except DecodeError as error:
        return str(error)

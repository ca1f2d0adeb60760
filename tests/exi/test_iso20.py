"""What ISO 15118-20 needs of the codec and ISO 15118-2 does not: choices that may be absent, choices among other elements,
heads of an abstract type, two messages of one type.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from typing import Annotated, Any, ClassVar, get_args

import pytest
from hypothesis import HealthCheck, given, settings

from frozen import dataclass
from secc.errors import DecodeError, EncodeError
from secc.exi import Schema
from secc.exi.declarations import Choice
from secc.exi.grammar import complex_type, element_name
from secc.exi.tree import from_tree, to_tree
from tests import exi_iso20 as iso20
from tests.exi_iso20 import SCHEMAS
from tests.exi_iso20_types import (
    MessageHeader,
    PowerSchedule,
    PowerScheduleEntry,
    PowerScheduleEntryList,
    PriceLevelSchedule,
    PriceLevelScheduleEntry,
    PriceLevelScheduleEntryList,
    Processing,
    RationalNumber,
    ResponseCode,
)
from tests.exi_strategies import elements
from tests.exi_vectors import Vector, name_of, vectors

VECTORS = [row for row in vectors("iso15118-20", names=SCHEMAS) if row["schema"] in SCHEMAS]
COMMON, DC, ACDP = (SCHEMAS[f"iso15118-20:{name}"] for name in ("common", "dc", "acdp"))
HEADER = MessageHeader(session_id=bytes(8), time_stamp=0)
ONE = RationalNumber(exponent=0, value=1)
POWER = PowerSchedule(
    time_anchor=0,
    power_schedule_entries=PowerScheduleEntryList(power_schedule_entry=(PowerScheduleEntry(duration=1, power=ONE),)),
)
LEVELS = PriceLevelSchedule(
    time_anchor=0,
    price_schedule_id=1,
    number_of_price_levels=1,
    price_level_schedule_entries=PriceLevelScheduleEntryList(
        price_level_schedule_entry=(PriceLevelScheduleEntry(duration=1, price_level=0),)
    ),
)


def dynamic(**content: Any) -> iso20.ScheduleExchangeRes:
    return iso20.ScheduleExchangeRes(
        header=HEADER,
        response_code=ResponseCode.OK,
        evse_processing=Processing.FINISHED,
        dynamic=iso20.Dynamic_SEResControlMode(**content),
    )


def scheduled(*schedules: iso20.ChargingSchedule) -> iso20.ScheduleExchangeRes:
    tuples = tuple(iso20.ScheduleTuple(schedule_tuple_id=1, charging_schedule=schedule) for schedule in schedules)
    return iso20.ScheduleExchangeRes(
        header=HEADER,
        response_code=ResponseCode.OK,
        evse_processing=Processing.FINISHED,
        scheduled=iso20.Scheduled_SEResControlMode(schedule_tuple=tuples),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_what_foreign_codecs_write(vector: Vector) -> None:
    schema, octets = SCHEMAS[vector["schema"]], bytes.fromhex(vector["exi"])
    message = schema.decode(octets)
    assert to_tree(message) == vector["message"]
    assert from_tree(schema, vector["message"]) == message
    assert schema.encode(message) == octets


def test_the_vectors_hold_every_form_of_a_choice_that_may_be_absent() -> None:
    found = set()
    for vector in VECTORS:
        message: Any = SCHEMAS[vector["schema"]].decode(bytes.fromhex(vector["exi"]))
        if not isinstance(message, iso20.ScheduleExchangeRes):
            continue
        modes: list[Any] = [message.dynamic] if message.dynamic else []
        modes += [tuple_.charging_schedule for tuple_ in message.scheduled.schedule_tuple] if message.scheduled else []
        found |= {
            (type(mode), mode.absolute_price_schedule is not None, mode.price_level_schedule is not None)
            for mode in modes
        }
    assert found == {
        (kind, *branches)
        for kind in (iso20.Dynamic_SEResControlMode, iso20.ChargingSchedule)
        for branches in ((False, False), (True, False), (False, True))
    }


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        # Both branches, and the end: the escape is the fourth code.
        (iso20.ChargingSchedule, [1, 2, 1]),
        # {DepartureTime, MinimumSOC, TargetSOC, two branches, end}, and one less from state to state.
        (iso20.Dynamic_SEResControlMode, [3, 3, 3, 2, 1]),
        # The choice has to come, behind GoToPause, which need not.
        (iso20.ScheduleExchangeRes, [1, 1, 1, 2, 2, 1]),
        (iso20.EVPowerProfile, [1, 2, 1, 1]),
        (iso20.SignedMeteringData, [1, 1, 1, 2, 2, 1]),
        # Four members and the head that is never sent.
        (iso20.DC_ChargeLoopReq, [1, 2, 1, 1, 3, 1]),
        (iso20.DC_ChargeParameterDiscoveryReq, [1, 2, 1]),
    ],
)
def test_widths_of_states(cls: type, expected: list[int]) -> None:
    kind = complex_type(cls)
    assert [kind.width(state) for state in range(len(kind.parts) + 1)] == expected


@pytest.mark.parametrize(
    "cls", [cls for schema in SCHEMAS.values() for cls in schema.roots], ids=lambda cls: cls.__name__
)
def test_messages_round_trip(cls: type) -> None:
    schema: Any = next(schema for schema in SCHEMAS.values() if cls in schema.roots)

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )
    @given(elements(cls))
    def round_trip(message: Any) -> None:
        assert schema.decode(schema.encode(message)) == message
        assert from_tree(schema, to_tree(message)) == message

    round_trip()


@pytest.mark.parametrize("vector", VECTORS[::3], ids=name_of)
def test_flipped_bits_and_cut_ends_raise_nothing_else(vector: Vector) -> None:
    schema, octets = SCHEMAS[vector["schema"]], bytes.fromhex(vector["exi"])
    chance = random.Random(vector["exi"])
    for _ in range(40):
        number = int.from_bytes(octets, "big")
        for _ in range(chance.randint(1, 3)):
            number ^= 1 << chance.randrange(8 * len(octets) - 8)
        for read in (schema.decode, schema.spans):
            with contextlib.suppress(DecodeError):
                read(number.to_bytes(len(octets), "big"))
    for length in range(0, len(octets), max(1, len(octets) // 20)):
        with contextlib.suppress(DecodeError):
            schema.decode(octets[:length])


def changed(schema: Any, one: Any, other: Any, bits: str) -> bytes:
    """The octets of ``one`` with other bits from where those of ``other`` begin to differ: there stands the event code of what differs."""
    streams = [schema.encode(message) for message in (one, other)]
    texts = ["".join(f"{octet:08b}" for octet in stream) for stream in streams]
    at = next(at for at, (ours, theirs) in enumerate(zip(*texts, strict=False)) if ours != theirs)
    text = texts[0][:at] + bits + texts[0][at + len(bits) :]
    return int(text, 2).to_bytes(len(streams[0]), "big")


# Choices


SCHEDULE = iso20.ChargingSchedule(power_schedule=POWER)
PRICED = iso20.ChargingSchedule(power_schedule=POWER, price_level_schedule=LEVELS)


@pytest.mark.parametrize(
    "message",
    [
        dynamic(),
        dynamic(price_level_schedule=LEVELS),
        dynamic(target_soc=80),
        dynamic(departure_time=1, target_soc=80, price_level_schedule=LEVELS),
        scheduled(SCHEDULE, PRICED, SCHEDULE),
        scheduled(PRICED),
    ],
)
def test_a_choice_that_may_be_absent_has_one_branch_or_none(message: Any) -> None:
    assert COMMON.decode(COMMON.encode(message)) == message


def test_two_branches_are_refused() -> None:
    absolute = next(
        message.dynamic.absolute_price_schedule
        for message in (COMMON.decode(bytes.fromhex(v["exi"])) for v in VECTORS if "ScheduleExchangeRes" in v["name"])
        if isinstance(message, iso20.ScheduleExchangeRes)
        and message.dynamic
        and message.dynamic.absolute_price_schedule
    )
    with pytest.raises(EncodeError, match="Dynamic_SEResControlMode: at most one branch"):
        COMMON.encode(dynamic(absolute_price_schedule=absolute, price_level_schedule=LEVELS))
    with pytest.raises(EncodeError, match="ScheduleExchangeRes: exactly one branch"):
        COMMON.encode(replace(scheduled(SCHEDULE), dynamic=iso20.Dynamic_SEResControlMode()))


def test_a_choice_that_must_be_there_is_missed() -> None:
    with pytest.raises(EncodeError, match="ScheduleExchangeRes: exactly one branch"):
        COMMON.encode(replace(dynamic(), dynamic=None))
    # {GoToPause, Dynamic, Scheduled}: no code says that nothing follows.
    one, other = dynamic(), scheduled(SCHEDULE)
    assert COMMON.decode(changed(COMMON, one, other, "01")) == one
    with pytest.raises(DecodeError):
        COMMON.decode(changed(COMMON, one, other, "11"))
    # Behind GoToPause {Dynamic, Scheduled}; the codes are two bits still, for the escape.
    one, other = replace(one, go_to_pause=True), replace(other, go_to_pause=True)
    assert COMMON.decode(changed(COMMON, other, one, "1")) == other
    for bits in ("10", "11"):
        with pytest.raises(DecodeError):
            COMMON.decode(changed(COMMON, replace(one, go_to_pause=None), one, "00" + "1" + bits))


def test_no_other_code_is_a_branch() -> None:
    """{Absolute, PriceLevel, end}: the fourth code is the escape."""
    with_prices, without = scheduled(PRICED), scheduled(SCHEDULE)
    assert COMMON.decode(changed(COMMON, with_prices, without, "01")) == with_prices
    with pytest.raises(DecodeError):
        COMMON.decode(changed(COMMON, with_prices, without, "11"))


def test_branches_agree_whether_the_choice_may_be_absent() -> None:
    with pytest.raises(TypeError, match=r"Undecided\.two: may the choice be absent\? Its branches disagree"):
        complex_type(Undecided)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    one: Annotated[bool | None, Choice(0)] = None
    two: Annotated[bool | None, Choice()] = None


# Substitution groups


@pytest.mark.parametrize("code", ["010", "101", "110", "111"])
def test_an_abstract_head_is_never_read(code: str) -> None:
    """{BPT_Dynamic, BPT_Scheduled, the head, Dynamic, Scheduled}, and the escape."""
    modes = (
        iso20.BPT_Scheduled_DC_CLReqControlMode(ev_target_current=ONE, ev_target_voltage=ONE),
        iso20.Scheduled_DC_CLReqControlMode(ev_target_current=ONE, ev_target_voltage=ONE),
    )
    one, other = (
        iso20.DC_ChargeLoopReq(header=HEADER, meter_info_requested=False, ev_present_voltage=ONE, control_mode=mode)
        for mode in modes
    )
    assert DC.decode(changed(DC, one, other, "001")) == one
    with pytest.raises(DecodeError):
        DC.decode(changed(DC, one, other, code))


def test_a_member_is_told_by_its_own_class() -> None:
    """A member that extends another one is not taken for it."""
    values = {
        field: ONE for field in iso20.BPT_DC_CPDReqEnergyTransferMode.__dataclass_fields__ if field != "target_soc"
    }
    both = iso20.BPT_DC_CPDReqEnergyTransferMode(**values)
    charge = iso20.DC_CPDReqEnergyTransferMode(**{name: ONE for name in values if "discharge" not in name})
    for mode in (both, charge):
        message = iso20.DC_ChargeParameterDiscoveryReq(header=HEADER, energy_transfer_mode=mode)
        assert DC.decode(DC.encode(message)) == message
    with pytest.raises(EncodeError):
        DC.encode(iso20.DC_ChargeParameterDiscoveryReq(header=HEADER, energy_transfer_mode=ONE))  # type: ignore[arg-type]  # on purpose


# Two messages of one type


def test_messages_of_one_type_stay_apart() -> None:
    status = iso20.ElectricalChargingDeviceStatus.STATE_B
    connect = iso20.ACDP_ConnectReq(header=HEADER, ev_electrical_charging_device_status=status)
    disconnect = iso20.ACDP_DisconnectReq(header=HEADER, ev_electrical_charging_device_status=status)
    octets = [ACDP.encode(message) for message in (connect, disconnect)]
    # Root codes 0 and 2 of six bits.
    assert [stream[1] >> 2 for stream in octets] == [0, 2]
    assert int.from_bytes(octets[0], "big") ^ int.from_bytes(octets[1], "big") == 2 << 8 * len(octets[0]) - 14
    assert [type(ACDP.decode(stream)) for stream in octets] == [iso20.ACDP_ConnectReq, iso20.ACDP_DisconnectReq]
    assert connect != disconnect


def test_an_element_name_is_not_inherited() -> None:
    """A class that extends another one, or only adds a name, stands for an element of its own."""
    assert element_name(Extending) == "Extending"
    assert element_name(Renamed) == "renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    element: ClassVar[str] = "renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extending(Renamed):
    pass


# What is compiled ahead of time


def test_messages_are_compiled_one_by_one(compiled: list[str]) -> None:
    """Each is a root: none brings the others with it, and with a control mode come all that may stand there."""
    schema = Schema("again", roots=DC.roots, globals_=DC.globals, vocabulary=DC.vocabulary)
    schema.warm(reads=(iso20.DC_ChargeLoopReq,))
    assert "read_DC_ChargeParameterDiscoveryReq" not in compiled
    modes = {f"read_{cls.__name__}" for cls in get_args(iso20.ControlMode)}
    assert modes < set(compiled)
    compiled.clear()
    for vector in VECTORS:
        if vector["name"].startswith("DC_ChargeLoopReq"):
            schema.decode(bytes.fromhex(vector["exi"]))
    assert not compiled


# What it may cost


def test_items_in_branches_count() -> None:
    """Tuples of schedules, and entries of power and prices in each: three, and two in each of them."""
    octets = COMMON.encode(scheduled(PRICED, PRICED, PRICED))
    assert COMMON.decode(octets, items=9)
    with pytest.raises(DecodeError, match="too many items"):
        COMMON.decode(octets, items=8)

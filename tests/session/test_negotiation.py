"""SupportedAppProtocol: who chooses what, and by which number."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.conversation import End, Received, Send, Wall
from secc.session.effects import Remark
from secc.session.negotiation import PAYLOAD_LIMIT, PAYLOAD_TYPE, SEQUENCE, choose, open_negotiation
from secc.session.offer import Surroundings
from secc.session.protocol import Transport, V2gProtocol
from secc.session.supported_app_protocol import (
    SCHEMA,
    AppProtocol,
    ResponseCode,
    SupportedAppProtocolReq,
    SupportedAppProtocolRes,
)
from tests.dialogue import Spoken, sent

PLAIN, TLS, MUTUAL = Transport.PLAIN, Transport.TLS, Transport.MUTUAL_TLS13


def wall() -> Wall:
    return Wall(datetime(2026, 11, 20, tzinfo=UTC), trusted=True)


def spoken(name: str, namespace: str, major: int = 2, *, on: Iterable[Transport] = Transport) -> V2gProtocol:
    def never(*_: Any) -> Any:
        raise AssertionError("negotiation loads nothing")

    return V2gProtocol(name, name, namespace, major, 0, personal=frozenset(), load=never, transports=frozenset(on))


ISO2 = spoken("-2", "urn:iso:15118:2:2013:MsgDef")
DIN = spoken("DIN", "urn:din:70121:2012:MsgDef", on=[PLAIN])
ISO20_DC = spoken("-20 DC", "urn:iso:std:iso:15118:-20:DC", 1, on=[MUTUAL])
ALL = (ISO2, DIN, ISO20_DC)


def entry(namespace: str, priority: int, schema_id: int, *, major: int = 2, minor: int = 0) -> AppProtocol:
    return AppProtocol(
        protocol_namespace=namespace,
        version_number_major=major,
        version_number_minor=minor,
        schema_id=schema_id,
        priority=priority,
    )


def iso2(priority: int, schema_id: int, **version: int) -> AppProtocol:
    return entry(ISO2.namespace, priority, schema_id, **version)


def din(priority: int, schema_id: int) -> AppProtocol:
    return entry(DIN.namespace, priority, schema_id)


def iso20(priority: int, schema_id: int, energy: str = "DC") -> AppProtocol:
    return entry(f"urn:iso:std:iso:15118:-20:{energy}", priority, schema_id, major=1)


def vendor(priority: int, schema_id: int) -> AppProtocol:
    return entry("urn:tesla:din:2018:MsgDef", priority, schema_id)


def offered(*entries: AppProtocol) -> SupportedAppProtocolReq:
    return SupportedAppProtocolReq(app_protocol=entries)


CASES = {
    "SAP-01": (offered(din(1, 1), iso2(2, 2)), PLAIN, DIN, 1),
    "SAP-02": (offered(vendor(3, 9), din(2, 8), iso2(1, 7)), PLAIN, ISO2, 7),
    "SAP-03": (offered(*(vendor(i, i) for i in range(1, 20)), iso2(20, 20)), PLAIN, ISO2, 20),
    "SAP-04a": (offered(iso2(1, 200)), PLAIN, ISO2, 200),
    "SAP-04b": (offered(iso2(2, 7), vendor(1, 200)), PLAIN, ISO2, 7),
    "SAP-05": (offered(vendor(1, 1), iso2(2, 2)), PLAIN, ISO2, 2),
    "SAP-06": (offered(iso2(1, 1, major=1)), PLAIN, None, None),
    "SAP-07": (offered(iso2(1, 5), din(1, 6)), PLAIN, ISO2, 5),
    "SAP-08": (offered(iso2(0, 5), iso2(21, 6), din(20, 7)), PLAIN, DIN, 7),
    "SAP-09": (offered(iso20(1, 1), iso20(2, 2, "AC"), iso2(3, 3)), PLAIN, ISO2, 3),
    "SAP-10": (offered(iso20(1, 1)), PLAIN, None, None),
    "SAP-11": (offered(iso20(1, 1), iso2(2, 2)), TLS, ISO2, 2),
    "SAP-12": (offered(iso20(1, 1), iso2(2, 2)), MUTUAL, ISO20_DC, 1),
    "SAP-13": (offered(iso2(1, 1), iso20(2, 2)), MUTUAL, ISO2, 1),
    "SAP-14": (offered(iso20(1, 1, "AC"), iso20(2, 2, "DC")), MUTUAL, ISO20_DC, 2),
    "Q-29a": (offered(iso2(1, 0)), PLAIN, ISO2, 0),
    "Q-29b": (offered(din(1, 0)), PLAIN, DIN, 0),
    "DIN over TLS": (offered(din(1, 1), iso2(2, 2)), TLS, ISO2, 2),
    "DIN over TLS alone": (offered(din(1, 1)), TLS, None, None),
    "DIN over mutual TLS": (offered(din(1, 1), iso20(2, 2), iso2(3, 3)), MUTUAL, ISO20_DC, 2),
    "DIN over mutual TLS alone": (offered(din(1, 1)), MUTUAL, None, None),
    "DIN behind a maker's": (offered(vendor(1, 9), din(2, 3), iso2(3, 4)), PLAIN, DIN, 3),
    "DIN of another major": (offered(entry(DIN.namespace, 1, 1, major=1), iso2(2, 2)), PLAIN, ISO2, 2),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if " " in name else pytest.mark.case(name.rstrip("ab")), id=name) for name in CASES],
)
def test_the_cars_ranking_wins_among_what_we_speak_here(name: str) -> None:
    request, transport, protocol, schema_id = CASES[name]
    chosen = choose(request, ALL, transport=transport)
    if protocol is None:
        assert chosen is None
    else:
        assert chosen is not None
        assert chosen.protocol is protocol
        assert chosen.response.schema_id == schema_id
        assert chosen.response.response_code is ResponseCode.OK_SUCCESSFUL_NEGOTIATION


def test_only_priorities_outside_the_range_are_ranked_last_and_still_chosen() -> None:
    chosen = choose(offered(iso2(0, 5)), ALL, transport=PLAIN)
    assert chosen is not None
    assert chosen.entry.schema_id == 5


@pytest.mark.parametrize("protocol", [ISO2, DIN], ids=["iso2", "din"])
def test_another_minor_version_is_told(protocol: V2gProtocol) -> None:
    chosen = choose(offered(entry(protocol.namespace, 1, 3, minor=1)), ALL, transport=PLAIN)
    assert chosen is not None
    assert chosen.protocol is protocol
    assert chosen.response.schema_id == 3
    assert chosen.response.response_code is ResponseCode.OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION


@given(
    st.lists(
        st.builds(
            entry,
            st.sampled_from([ISO2.namespace, DIN.namespace, ISO20_DC.namespace, "urn:other"]),
            st.integers(1, 20),
            st.integers(0, 255),
            major=st.integers(0, 3),
            minor=st.integers(0, 3),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(Transport),
)
@settings(max_examples=100, deadline=None)
def test_what_is_chosen_was_offered_and_nothing_better_was(entries: list[AppProtocol], transport: Transport) -> None:
    chosen = choose(offered(*entries), ALL, transport=transport)
    fit = [
        e
        for e in entries
        for p in ALL
        if (p.namespace, p.major) == (e.protocol_namespace, e.version_number_major) and transport in p.transports
    ]
    if chosen is None:
        assert not fit
    else:
        assert chosen.entry in fit
        assert chosen.entry.priority == min(e.priority for e in fit)
        assert transport in chosen.protocol.transports


# --- as the first exchange of a connection -----------------------------------------------------------------------------------


def open_line(*, transport: Transport = PLAIN) -> tuple[Any, Spoken]:
    surroundings = Surroundings(now=100.0, entropy=bytes, wall=wall, tickets=itertools.count(1))
    negotiation = open_negotiation(ALL, surroundings, transport=transport)
    return negotiation, Spoken(negotiation.session)


def over_octets(negotiation: Any, line: Spoken, request: SupportedAppProtocolReq) -> list[SupportedAppProtocolRes]:
    effects = line.hear(negotiation.decode(PAYLOAD_TYPE, SCHEMA.encode(request)))
    answers = [negotiation.encode(effect) for effect in effects if isinstance(effect, Send)]
    return [SCHEMA.decode(octets) for payload_type, octets in answers if payload_type == PAYLOAD_TYPE]  # type: ignore[misc]


@pytest.mark.parametrize("transport", Transport)
def test_the_protocol_agreed_on_is_the_result(transport: Transport) -> None:
    negotiation, line = open_line(transport=transport)
    assert over_octets(negotiation, line, offered(iso2(1, 10), din(2, 20))) == [
        SupportedAppProtocolRes(response_code=ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=10)
    ]
    assert line.ended is not None
    assert line.ended.well
    assert negotiation.session.result is ISO2


@pytest.mark.case("I2-SAP-02")
def test_nothing_in_common_is_said_without_a_schema_id_and_ends_the_connection() -> None:
    negotiation, line = open_line()
    assert over_octets(negotiation, line, offered(vendor(1, 1))) == [
        SupportedAppProtocolRes(response_code=ResponseCode.FAILED_NO_NEGOTIATION)
    ]
    assert line.code == "refused.Failed_NoNegotiation"
    assert negotiation.session.result is None
    assert line.all(End)


@pytest.mark.case("I2-SAP-03")
def test_a_car_that_connects_and_says_nothing_is_left_after_the_sequence_timeout() -> None:
    _, line = open_line()
    line.wait(SEQUENCE.seconds - 0.1)
    assert line.ended is None
    line.wait(0.2)
    assert line.code == "timer.V2G_SECC_Sequence_Timeout"
    assert sent(effect for _, effect in line.said) == []


def test_what_is_no_request_gets_no_answer() -> None:
    negotiation, line = open_line()
    response = SCHEMA.encode(SupportedAppProtocolRes(response_code=ResponseCode.FAILED_NO_NEGOTIATION))
    effects = line.hear(negotiation.decode(PAYLOAD_TYPE, response))
    assert sent(effects) == []
    assert line.code == "refused.Failed_NoNegotiation"


@pytest.mark.case("A-EXI-11", "Q-70")
def test_the_longest_list_is_within_the_limits_in_whatever_way_it_is_written() -> None:
    longest = AppProtocol(
        protocol_namespace="u" * 100,
        version_number_major=2**32 - 1,
        version_number_minor=2**32 - 1,
        schema_id=1,
        priority=1,
    )
    full = SupportedAppProtocolReq(app_protocol=(longest,) * 20)
    octets = SCHEMA.encode(full)
    negotiation = open_negotiation(ALL, Surroundings(now=0.0, entropy=bytes, wall=wall), transport=PLAIN)
    assert len(octets) < 0.75 * negotiation.payload_limit == 0.75 * PAYLOAD_LIMIT
    assert negotiation.decode(PAYLOAD_TYPE, octets).message == full
    # As cbexigen ends a full list: with the code that says that one more could follow. Only the last pass is content with that.
    number = int.from_bytes(octets, "big")
    bits = f"{number:0{8 * len(octets)}b}"
    one = SCHEMA.encode(SupportedAppProtocolReq(app_protocol=(longest,)))
    single = f"{int.from_bytes(one, 'big'):0{8 * len(one)}b}"
    start, item = single[:11], single[11 : single.rindex("1") - 1]
    wide = start + item + ("00" + item) * 19 + "01"
    assert bits.startswith(wide[:-2])
    wide += "0" * (-len(wide) % 8)
    assert negotiation.decode(PAYLOAD_TYPE, int(wide, 2).to_bytes(len(wide) // 8, "big")).message == full


@pytest.mark.case("Q-28")
@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (offered(entry("urn:tesla:din:2018:MsgDef", 1, 0), iso2(2, 1)), ["Q-28"]),
        (offered(iso2(2, 1), entry("urn:maker", 1, 2)), ["Q-28"]),
        (offered(entry("urn:maker", 2, 0), iso2(1, 1)), []),
        (offered(iso20(1, 1), iso2(2, 2)), []),
        (offered(din(1, 0)), []),
    ],
)
def test_a_makers_protocol_that_is_preferred_is_passed_over_and_said(
    request_: SupportedAppProtocolReq, said: list[str]
) -> None:
    surroundings = Surroundings(now=100.0, entropy=lambda count: b"\7" * count, wall=wall)
    dialogue = open_negotiation((ISO2, DIN), surroundings, transport=PLAIN)
    car = Spoken(dialogue.session)
    car.hear(dialogue.decode(PAYLOAD_TYPE, SCHEMA.encode(request_)))
    assert [remark.code for remark in car.all(Remark)] == said
    assert dialogue.session.result in (ISO2, DIN)


@pytest.mark.case("Q-28")
def test_what_is_said_of_a_makers_protocol_is_short_and_of_one_line() -> None:
    surroundings = Surroundings(now=100.0, entropy=lambda count: b"\7" * count, wall=wall)
    dialogue = open_negotiation((ISO2,), surroundings, transport=PLAIN)
    car = Spoken(dialogue.session)
    request = offered(entry("urn:x\n\x1b[2J" + "x" * 3000, 1, 0), iso2(2, 1))
    car.hear(Received(PAYLOAD_TYPE, request, None, b""))
    (remark,) = car.all(Remark)
    assert remark.text.isprintable()
    assert len(remark.text) < 200

"""What a message may cost to read, from any sender. (A-EXI-11)"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from secc.errors import DecodeError
from secc.exi import Schema, bits
from secc.exi import schema as schema_module
from secc.exi.budget import AT_ONCE, Budget
from secc.exi.schema import SMALL
from secc.exi.xmldsig import (
    REFERENCES,
    TRANSFORMS,
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
    SignedInfo,
    Transform,
    Transforms,
)
from secc.iso2 import messages as iso2
from secc.iso2.dialogue import ITEMS
from secc.iso2.messages import SCHEMA, MessageHeader, V2G_Message

WAY = Transforms(transform=(Transform(algorithm=""),))


def signed(references: int = 1, transforms: int = 1, body: iso2.Body | None = None) -> bytes:
    """A message whose header has a signature of nothing but empty parts: the cheapest way to many items."""
    reference = Reference(
        transforms=Transforms(transform=WAY.transform * transforms) if transforms else None,
        digest_method=DigestMethod(algorithm=""),
        digest_value=b"",
    )
    signature = Signature(
        signed_info=SignedInfo(
            canonicalization_method=CanonicalizationMethod(algorithm=""),
            signature_method=SignatureMethod(algorithm=""),
            reference=(reference,) * references,
        ),
        signature_value=SignatureValue(value=b""),
    )
    header = MessageHeader(session_id=bytes(8), signature=signature)
    return SCHEMA.encode(V2G_Message(header=header, body=body or iso2.AuthorizationReq()))


def profile(entries: int) -> iso2.PowerDeliveryReq:
    value = iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.W, value=1)
    entry = iso2.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=value)
    return iso2.PowerDeliveryReq(
        charge_progress=iso2.ChargeProgress.START,
        sa_schedule_tuple_id=1,
        charging_profile=iso2.ChargingProfile(profile_entry=(entry,) * entries),
    )


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Budget]]:
    """Every budget that the codec makes."""
    made: list[Budget] = []

    class Kept(Budget):
        def __init__(self, *arguments: int, **how: bool) -> None:
            super().__init__(*arguments, **how)
            made.append(self)

    monkeypatch.setattr(schema_module, "Budget", Kept)
    yield made


@pytest.mark.case("A-EXI-11")
@pytest.mark.parametrize(
    ("octets", "most"),
    [(signed(12_000, 0), REFERENCES), (signed(1, 12_000), 1 + TRANSFORMS)],
    ids=["References", "Transforms"],
)
def test_a_list_without_an_end_in_the_schema_is_read_until_it_makes_no_sense(
    octets: bytes, most: int, budgets: list[Budget]
) -> None:
    """Without a budget each takes 0.2 s in three passes, before the signature is looked at."""
    for cut in (octets, octets[:-10]):
        budgets.clear()
        with pytest.raises(DecodeError, match="more than"):
            SCHEMA.decode(cut, items=100_000)
        assert [100_000 - budget.items for budget in budgets] == [2 * most], (
            "the first attempt, and the pass that says why"
        )


def test_as_many_references_as_v2g_has_are_read() -> None:
    octets = signed(REFERENCES, TRANSFORMS)
    assert SCHEMA.encode(SCHEMA.decode(octets, items=ITEMS)) == octets


@pytest.mark.case("A-EXI-11")
def test_all_passes_over_a_message_share_one_budget(budgets: list[Budget]) -> None:
    """A profile that is cut short is a message for no pass; each would read all of it."""
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=profile(24)))
    assert SCHEMA.decode(octets, items=24) is not None
    budgets.clear()
    with pytest.raises(DecodeError, match="too many items"):
        SCHEMA.decode(octets[:-1], items=40)
    (budget,) = budgets
    assert budget.items == -1
    with pytest.raises(DecodeError, match="truncated"):
        SCHEMA.decode(octets[:-1], items=1000)


@pytest.mark.case("A-EXI-11")
def test_nested_lists_count_together() -> None:
    crowd = signed(REFERENCES, TRANSFORMS, profile(24))
    with pytest.raises(DecodeError, match="too many items"):
        SCHEMA.decode(crowd, items=REFERENCES + REFERENCES * TRANSFORMS + 23)
    assert SCHEMA.decode(crowd, items=REFERENCES + REFERENCES * TRANSFORMS + 24) is not None


@pytest.mark.case("A-EXI-11")
def test_characters_that_are_read_one_by_one_cost_something() -> None:
    request = iso2.ServiceDiscoveryReq(service_scope="é" * 64)
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=request))
    assert SCHEMA.decode(octets, items=4) is not None
    with pytest.raises(DecodeError):
        SCHEMA.decode(octets, items=3)
    # The same message in ASCII is free.
    plain = iso2.ServiceDiscoveryReq(service_scope="e" * 64)
    assert SCHEMA.decode(SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=plain)), items=0)


@pytest.mark.case("A-EXI-11")
def test_a_code_point_has_an_end() -> None:
    """Without one, reading a code point of n octets takes n shifts of a number that grows with each."""
    stream = int.from_bytes(b"\xff" * 6000, "big")
    with pytest.raises(DecodeError, match="code point"):
        bits.read_text(stream, 8 * 6000, 2 + 2000, Budget())


# What may be read in passing, on the event loop


def test_what_is_small_is_read_at_once() -> None:
    for octets in (
        signed(1, 1),
        SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=profile(AT_ONCE))),
    ):
        message = SCHEMA.decode(octets)
        assert SCHEMA.decode_at_once(octets) == message


@pytest.mark.case("A-EXI-11")
def test_what_may_take_long_is_not_read_at_once(budgets: list[Budget]) -> None:
    many = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=profile(AT_ONCE + 1)))
    SCHEMA.decode(many)
    flawed, long = many[:-1], signed(1, 1) + bytes(SMALL)
    for octets in (many, flawed, long, signed(12_000, 0), b"", b"\x80", b"\x80\xff\xff\xff"):
        budgets.clear()
        assert SCHEMA.decode_at_once(octets) is None
        assert [AT_ONCE - budget.items for budget in budgets] <= [AT_ONCE + 1]
    # An end that leaves octets over may be another way to write: more than one pass has to look.
    assert SCHEMA.decode_at_once(signed(1, 1) + b"\0") is None


@pytest.mark.case("A-EXI-11")
def test_nothing_is_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling a reader takes a hundred times as long as running it."""
    schema = Schema("again", roots=(V2G_Message,), globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=profile(1)))
    with monkeypatch.context() as patch:
        patch.setattr("secc.exi.source.Namespace.compile", lambda *_: pytest.fail("compiled in passing"))
        assert schema.decode_at_once(octets) is None
    message = schema.decode(octets)
    assert schema.decode_at_once(octets) == message

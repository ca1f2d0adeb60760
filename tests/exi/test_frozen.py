"""The light dataclass behaves like the heavy one."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from secc.exi.frozen import dataclass
from secc.iso2.messages import ChargeService, PhysicalValue, ServiceCategory, SupportedEnergyTransferMode, UnitSymbol

VALUE = PhysicalValue(multiplier=0, unit=UnitSymbol.A, value=3)


def test_it_is_a_frozen_value() -> None:
    assert PhysicalValue(multiplier=0, unit=UnitSymbol.A, value=3) == VALUE
    assert hash(PhysicalValue(multiplier=0, unit=UnitSymbol.A, value=3)) == hash(VALUE)
    assert dataclasses.replace(VALUE, value=4) != VALUE
    assert VALUE.__eq__((0, UnitSymbol.A, 3)) is NotImplemented
    assert repr(VALUE) == "PhysicalValue(multiplier=0, unit=<UnitSymbol.A: 'A'>, value=3)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        VALUE.value = 4  # type: ignore[misc]  # on purpose
    with pytest.raises(dataclasses.FrozenInstanceError):
        del VALUE.value
    assert not hasattr(VALUE, "__dict__")


def test_it_is_copied_and_pickled() -> None:
    assert copy.copy(VALUE) == copy.deepcopy(VALUE) == pickle.loads(pickle.dumps(VALUE)) == VALUE
    assert dataclasses.asdict(VALUE) == {"multiplier": 0, "unit": UnitSymbol.A, "value": 3}


def test_arguments_are_checked_and_defaults_kept() -> None:
    with pytest.raises(TypeError, match="value"):
        PhysicalValue(multiplier=0, unit=UnitSymbol.A)  # type: ignore[call-arg]  # on purpose
    with pytest.raises(TypeError, match="volts"):
        PhysicalValue(multiplier=0, unit=UnitSymbol.A, value=3, volts=3)  # type: ignore[call-arg]  # on purpose
    service = ChargeService(
        service_id=1,
        service_category=ServiceCategory.EV_CHARGING,
        free_service=True,
        supported_energy_transfer_mode=SupportedEnergyTransferMode(energy_transfer_mode=()),
    )
    assert service.service_name is None
    assert service.service_id == 1


def test_fields_may_stand_by_position() -> None:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2

    assert (Point(1).x, Point(1).y, Point(1, 3).y) == (1, 2, 3)
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]  # on purpose


def test_what_is_not_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match="frozen"):

        @dataclass(frozen=False, slots=True)
        class Loose:
            x: int


def test_what_a_class_keeps_to_itself_stays_there() -> None:
    @dataclass(frozen=True, slots=True)
    class Secret:
        name: str
        key: bytes = dataclasses.field(repr=False)

    @dataclass(frozen=True, slots=True)
    class Masked:
        value: str

        def __repr__(self) -> str:
            return "Masked(***)"

    assert "name='a'" in repr(Secret("a", b"b"))
    assert "key" not in repr(Secret("a", b"b"))
    assert Secret("a", b"b") != Secret("a", b"c")
    assert repr(Masked("a")) == "Masked(***)"
    assert Masked("a") == Masked("a")


def test_what_it_cannot_do_it_refuses() -> None:
    with pytest.raises(TypeError, match="standard library"):

        @dataclass(frozen=True, slots=True)
        class Made:
            values: list[int] = dataclasses.field(default_factory=list)

    with pytest.raises(TypeError, match="standard library"):

        @dataclass(frozen=True, slots=True)
        class Checked:
            value: int

            def __post_init__(self) -> None:
                raise AssertionError

"""The light dataclass behaves like the heavy one."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import ClassVar, Generic, TypeVar

import pytest

from frozen import FIELDS, _make_init, dataclass
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


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Base:
    fixed: ClassVar[int] = 7
    x: int
    seen: float = dataclasses.field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Derived(Base, Generic[T]):
    of: T | None = None
    named: int = dataclasses.field(default=3, kw_only=True)


@dataclass(frozen=True, slots=True)
class Empty:
    pass


def test_a_class_may_extend_another() -> None:
    value: Derived[str] = Derived(1, of="a")
    assert (value.x, value.seen, value.of, value.named, value.fixed) == (1, 0.0, "a", 3, 7)
    assert [field.name for field in dataclasses.fields(value)] == ["x", "seen", "of", "named"]
    assert Derived.__match_args__ == ("x", "seen", "of")
    assert Derived.__slots__ == ("of", "named")
    assert value == Derived(1, 5.0, "a")
    assert hash(value) == hash(Derived(1, 5.0, "a"))
    assert value != Derived(1, of="b")
    assert dataclasses.is_dataclass(Derived)
    with pytest.raises(TypeError):
        Derived(1, 0.0, "a", 4)  # type: ignore[misc]  # on purpose
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())


def test_a_value_equals_itself_whatever_it_holds() -> None:
    value = Base(float("nan"))  # type: ignore[arg-type]  # what would not equal itself
    assert value == value
    assert value == dataclasses.replace(value)


def test_it_agrees_with_the_standard_library() -> None:
    """The same declaration, made by both."""
    for cls in (Base, Derived, Empty, PhysicalValue, ChargeService):
        of_ours = {field.name: field for field in dataclasses.fields(cls)}
        assert list(inspect.signature(_make_init(cls)).parameters)[1:] == list(of_ours)
        for name, field in of_ours.items():
            own = getattr(cls, FIELDS)[name]
            assert (own.default, own.kw_only, own.compared) == (field.default, field.kw_only, field.compare)


def test_a_default_that_can_change_is_refused() -> None:
    with pytest.raises(ValueError, match="shared"):

        @dataclass(frozen=True, slots=True)
        class Shared:
            values: list[int] = []  # noqa: RUF012  # on purpose


def test_it_does_not_mix_with_the_standard_library_s() -> None:
    @dataclasses.dataclass(frozen=True)
    class Heavy:
        x: int

    with pytest.raises(TypeError, match="standard library"):

        @dataclass(frozen=True, slots=True)
        class Light(Heavy):
            y: int

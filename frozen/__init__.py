"""``dataclass`` for values: the same declarations and the same behaviour as the standard library's, a twentieth of the time at import.

The standard library compiles six methods for every frozen dataclass as it is defined, half a millisecond a class. A station defines
some hundreds, and it is to listen in a quarter of a second. Here ``__init__`` is made at the first instance, from code that was compiled
at installation (:mod:`frozen.code`), and the other methods are shared. To the type checker this *is* ``dataclasses.dataclass``; at run
time ``dataclasses.fields``, ``replace`` and ``asdict`` work as ever: the standard library reads the declaration when they ask.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, get_origin

from frozen import code

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Class decorator; ``frozen`` and ``slots`` are spelled out for the reader and must be True."""
        if not (frozen and slots):
            raise TypeError("values are frozen and have slots")
        return lambda cls: _made(cls, kw_only)


__all__ = ["dataclass", "make_all"]


def make_all() -> Iterator[None]:
    """Make ``__init__`` of every class that is there, a class a step, so that no first instance has to."""
    waiting: list[Any] = [object]
    while waiting:
        cls = waiting.pop()
        waiting += type.__subclasses__(cls)
        if FIELDS in cls.__dict__ and cls.__dict__["__init__"] is _init:
            cls.__init__ = _make_init(cls)
            yield
        elif FIELDS in cls.__dict__ and code.gathered is not None:
            _make_init(cls)


FIELDS: Final = "__frozen_fields__"


class _Field(NamedTuple):
    """A field as its class declares it; without a default it has MISSING."""

    default: Any
    kw_only: bool
    compared: bool


def _made(cls: type, kw_only: bool) -> type:
    """The class with slots, and with the methods of a value."""
    body = dict(cls.__dict__)
    hints = [name for name, hint in body.get("__annotations__", {}).items() if _is_field(hint)]
    given = {name: body.pop(name) for name in hints if name in body}
    fields: dict[str, _Field] = {}
    slotted: set[str] = set()
    for base in reversed(cls.__mro__[1:]):
        if FIELDS not in base.__dict__ and "__dataclass_fields__" in base.__dict__:
            raise TypeError(f"{cls.__name__}: {base.__name__} is a dataclass of the standard library")
        fields |= base.__dict__.get(FIELDS, {})
        slotted.update(base.__dict__.get("__slots__", ()))
    for name in hints:
        fields[name] = _field(cls, given.get(name, dataclasses.MISSING), kw_only)
    if hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__}: values are taken as they come here; this needs the standard library's")
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    # What a class says of itself (a ``__repr__`` that keeps a secret) stands.
    compared = [name for name, field in fields.items() if field.compared]
    body = (
        _METHODS
        | body
        | {
            "__slots__": tuple(name for name in hints if name not in slotted),
            "__match_args__": tuple(name for name, field in fields.items() if not field.kw_only),
            "__dataclass_params__": _PARAMS,
            "__dataclass_fields__": _Declared(given, kw_only),
            FIELDS: fields,
            # Of one name it would be the value itself, which need not equal itself as it does in a tuple.
            "__compared__": attrgetter(*compared, *compared[-1:]) if compared else type,
        }
    )
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def _is_field(hint: object) -> bool:
    if isinstance(hint, str):
        return not hint.removeprefix("typing.").startswith("ClassVar")
    return hint is not ClassVar and get_origin(hint) is not ClassVar


def _field(cls: type, given: Any, kw_only: bool) -> _Field:
    if not isinstance(given, dataclasses.Field):
        if given is not dataclasses.MISSING and type(given).__hash__ is None:
            raise ValueError(f"{cls.__name__}: a default that can change, {given!r}, would be shared")
        return _Field(given, kw_only, True)
    if given.default_factory is not dataclasses.MISSING or not given.init:
        raise TypeError(f"{cls.__name__}: values are taken as they come here; this needs the standard library's")
    own = given.kw_only is True or (given.kw_only is dataclasses.MISSING and kw_only)
    return _Field(given.default, own, given.compare)


class _Declared:
    """``__dataclass_fields__`` of a class, worked out by the standard library when somebody asks for it."""

    def __init__(self, given: Mapping[str, Any], kw_only: bool) -> None:
        self._given = given
        self._kw_only = kw_only

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, owner: type | None = None) -> dict[str, Any]:
        cls = self._owner
        told = ("__annotations__", "__module__", "__orig_bases__")
        body = {name: cls.__dict__[name] for name in told if name in cls.__dict__}
        twin: Any = type(cls.__name__, cls.__bases__, {**self._given, **body, "__doc__": cls.__name__})
        found: dict[str, Any] = dataclasses.dataclass(
            init=False, repr=False, eq=False, match_args=False, kw_only=self._kw_only
        )(twin).__dataclass_fields__
        setattr(cls, "__dataclass_fields__", found)  # noqa: B010  # it takes its own place
        return found


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    owner = next(base for base in type(self).__mro__ if FIELDS in base.__dict__)
    init = _make_init(owner)
    setattr(owner, "__init__", init)  # noqa: B010  # mypy calls the plain assignment unsound; replacing itself is the point
    init(self, *args, **kwargs)


def _make_init(cls: Any) -> Callable[..., None]:
    """``__init__`` of a frozen class: each value goes through its slot's descriptor, past ``__setattr__``."""
    namespace: dict[str, Any] = {}
    parameters: dict[bool, list[str]] = {False: ["self"], True: ["*"]}
    body = []
    for name, field in cls.__dict__[FIELDS].items():
        namespace[f"set_{name}"] = getattr(cls, name).__set__
        if field.default is dataclasses.MISSING:
            parameters[field.kw_only].append(name)
        else:
            namespace[f"default_{name}"] = field.default
            parameters[field.kw_only].append(f"{name}=default_{name}")
        body.append(f" set_{name}(self, {name})")
    named = parameters[False] + (parameters[True] if len(parameters[True]) > 1 else [])
    source = f"def __init__({', '.join(named)}):\n" + ("\n".join(body) or " pass")
    exec(code.compiled(source, "<init>"), namespace)  # noqa: S102  # source is ours, from field names
    init: FunctionType = namespace["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _repr(self: Any) -> str:
    parts = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(parts)})"


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return self.__compared__(self) == self.__compared__(other)


def _hash(self: Any) -> int:
    return hash((type(self), self.__compared__(self)))


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _reduce(self: Any) -> tuple[Any, ...]:
    return _restore, (type(self), {name: getattr(self, name) for name in getattr(self, FIELDS)})


def _restore(cls: type, values: Mapping[str, Any]) -> Any:
    """Pickling and copying: an instance from its values."""
    return cls(**values)


_METHODS: Final[dict[str, Any]] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": _reduce,
}


@dataclasses.dataclass(init=False, repr=False, eq=False)
class _Any:
    """What the standard library is told of a value's class, should one of its own extend it."""


_PARAMS: Final = getattr(_Any, "__dataclass_params__")  # noqa: B009  # mypy does not know it

"""``dataclass`` for wire types, events and effects: the same behaviour, a tenth of the time at
import.

The standard library compiles six methods for every frozen dataclass as it is defined, half a
millisecond a class; the wire types of one protocol are more than a hundred, the events and effects
of a station another; it is to listen in well under a second on a small board. Here ``__init__`` is
compiled at the first instance and the other methods are shared. To the type checker this *is*
``dataclasses.dataclass``; at run time ``dataclasses.fields``, ``replace`` and ``asdict`` work as
ever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Class decorator; ``frozen`` and ``slots`` are spelled out for the reader and must be
        True.
        """
        if not (frozen and slots):
            raise TypeError("wire types are frozen and have slots")

        def decorate(cls: type) -> type:
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            if hasattr(cls, "__post_init__") or any(
                field.default_factory is not dataclasses.MISSING for field in dataclasses.fields(made)
            ):
                raise TypeError(
                    f"{cls.__name__}: values are taken as they come here; this needs the standard library's"
                )
            for name, method in SHARED.items():
                # Keep the methods of the class itself (a ``__repr__`` that hides a secret).
                if name not in cls.__dict__:
                    setattr(made, name, method)
            return made

        return decorate


__all__ = ["dataclass"]


def _values(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, field.name) for field in dataclasses.fields(record))


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    cls = type(self)
    owner = next(base for base in cls.__mro__ if "__dataclass_fields__" in base.__dict__)
    init = _compile_init(owner)
    setattr(owner, "__init__", init)  # noqa: B010  # mypy calls the plain assignment unsound; replacing itself is the point
    init(self, *args, **kwargs)


def _compile_init(cls: Any) -> Callable[..., None]:
    """Returns ``__init__`` of a frozen class: it sets each value by its slot's descriptor, without
    ``__setattr__``.
    """
    namespace: dict[str, Any] = {}
    parameters = ["self"]
    body = []
    keywords = False
    for field in dataclasses.fields(cls):
        if field.kw_only and not keywords:
            parameters.append("*")
            keywords = True
        namespace[f"set_{field.name}"] = getattr(cls, field.name).__set__
        if field.default is dataclasses.MISSING:
            parameters.append(field.name)
        else:
            namespace[f"default_{field.name}"] = field.default
            parameters.append(f"{field.name}=default_{field.name}")
        body.append(f" set_{field.name}(self, {field.name})")
    source = f"def __init__({', '.join(parameters)}):\n" + ("\n".join(body) or " pass")
    exec(compile(source, f"<init of {cls.__name__}>", "exec"), namespace)  # noqa: S102  # source is ours, from field names
    init: Callable[..., None] = namespace["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _repr(self: Any) -> str:
    parts = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(parts)})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _reduce(self: Any) -> tuple[Any, ...]:
    return _restore, (type(self), _values(self))


def _restore(cls: type, values: tuple[Any, ...]) -> Any:
    """Make an instance from its values, for pickling and copying."""
    return cls(**{field.name: value for field, value in zip(dataclasses.fields(cls), values, strict=True)})


SHARED: dict[str, Callable[..., Any]] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": _reduce,
}

"""Objects that readers fill field by field, and then turn into instances of a frozen class."""

from __future__ import annotations

_DRAFTS: dict[type, type] = {}


def draft_of(cls: type) -> type:
    """Returns the draft of a class, the same at each call."""
    return _DRAFTS.get(cls) or _DRAFTS.setdefault(cls, draft(cls))


def draft(cls: type) -> type:
    """Returns a class of the same layout as ``cls`` whose instances can be filled field by field."""
    body = {"__slots__": cls.__dict__["__slots__"], "__init__": object.__init__, "__setattr__": object.__setattr__}
    return type(cls.__name__, cls.__bases__, body)

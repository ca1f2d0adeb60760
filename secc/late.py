"""Imports modules late: modules that others import, but rarely use."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Late(ModuleType):
    """Stands in ``sys.modules`` for a module, and imports it when an attribute of it is first read."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        # Another thread may be importing it at this moment; then this waits.
        return getattr(importlib.import_module(self.__name__), name)


def late(*names: str) -> None:
    """Import these modules when an attribute of them is first read, unless they are imported
    already.
    """
    for name in names:
        sys.modules.setdefault(name, _Late(name))

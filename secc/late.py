"""Modules that others import and rarely use: imported when something of them is first wanted."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Late(ModuleType):
    """Stands in ``sys.modules`` for a module, and imports it at the first look at anything that is in it."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        # Also where another thread is importing it at this moment: then this waits.
        return getattr(importlib.import_module(self.__name__), name)


def late(*names: str) -> None:
    """Import these modules late, unless they are imported already. Who uses them gets what is in them, a moment later the first time."""
    for name in names:
        sys.modules.setdefault(name, _Late(name))

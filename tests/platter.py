"""A disk that forgets what was not synchronised when the power goes, and a plug that can be pulled at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from secc.session.durable import Disk

Loss = Literal["nothing", "everything unsynced", "data", "half the data", "names"]
LOSSES: tuple[Loss, ...] = ("nothing", "everything unsynced", "data", "half the data", "names")


class PowerCut(BaseException):
    """Nothing runs after this."""


@dataclass
class Inode:
    data: bytes = b""
    durable: bytes = b""


@dataclass
class Platter(Disk):
    """Files in memory. ``names`` are as programs see them, ``durable_names`` as the platter has them. ``plug`` counts down the steps."""

    names: dict[Path, Inode] = field(default_factory=dict)
    durable_names: dict[Path, Inode] = field(default_factory=dict)
    plug: int | None = None
    steps: int = 0

    def guard(self, path: Path) -> None:
        """Everything in memory is ours."""

    def part(self, path: Path, begin: int, end: int) -> bytes | None:
        inode = self.names.get(path)
        return inode.data[begin:end] if inode else None

    def size(self, path: Path) -> int | None:
        inode = self.names.get(path)
        return len(inode.data) if inode else None

    def stamp(self, path: Path) -> tuple[int, ...] | None:
        inode = self.names.get(path)
        return (id(inode), hash(inode.data)) if inode else None

    def write(self, path: Path, octets: bytes) -> None:
        inode = self.names.setdefault(path, Inode())
        inode.data = b""
        self._put(path, octets, 0)

    def append(self, path: Path, octets: bytes) -> None:
        self._put(path, octets, 0)

    def _put(self, path: Path, octets: bytes, how: int) -> None:
        inode = self.names.setdefault(path, Inode())
        half = len(octets) // 2
        inode.data += octets[:half]
        self._step()
        inode.data += octets[half:]
        self._step()

    def truncate(self, path: Path, size: int) -> None:
        self.names[path].data = self.names[path].data[:size]
        self._step()

    def sync(self, path: Path) -> None:
        self._step()
        if path in self.names:
            self.names[path].durable = self.names[path].data
        else:
            inside = {name: inode for name, inode in self.names.items() if name.parent == path}
            others = {name: inode for name, inode in self.durable_names.items() if name.parent != path}
            self.durable_names = others | inside
        self._step()

    def replace(self, old: Path, new: Path) -> None:
        self._step()
        self.names[new] = self.names.pop(old)
        self._step()

    def remove(self, path: Path) -> None:
        self.names.pop(path, None)
        self._step()

    def require_room(self, path: Path, octets: int) -> None:
        return

    def make_directory(self, path: Path) -> None:
        return

    def after_power_cut(self, loss: Loss) -> Platter:
        """What the next boot finds."""
        names = self.durable_names if loss in ("everything unsynced", "names") else self.names
        found = {}
        for name, inode in names.items():
            data = inode.data
            if loss in ("everything unsynced", "data"):
                data = inode.durable
            elif loss == "half the data":
                data = (
                    data[: (len(inode.durable) + len(data) + 1) // 2]
                    if data.startswith(inode.durable)
                    else inode.durable
                )
            found[name] = Inode(data, data)
        return Platter(dict(found), dict(found))

    def _step(self) -> None:
        self.steps += 1
        if self.plug is not None and self.steps > self.plug:
            raise PowerCut


def every_power_cut(steps: int) -> Iterator[tuple[int, Loss]]:
    """Every step at which the plug can be pulled, with every kind of loss."""
    for plug in range(steps + 1):
        for loss in LOSSES:
            yield plug, loss

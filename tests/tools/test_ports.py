"""How many commands a power port gets at the end of a session: told at the port itself."""

from __future__ import annotations

import asyncio

import pytest

from tools.bench.ports import ENDS, Tap, commands, measure
from tools.bench.stations import BenchFailed, Ground
from tools.evcc.behaviour import Current

COMMANDS = {
    "DC, orderly stop": ("off", "set_contactor(False)"),
    "AC, orderly stop": ("allow(False)",),
    "DC, unplugged while charging": ("off", "set_contactor(False)"),
}
"""As it is. Whoever commands less says it here and in docs/performance.md."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ports") / "ground", warm=False)


@pytest.mark.parametrize(("what", "current", "unplugged"), ENDS, ids=[end[0] for end in ENDS])
def test_end_of_a_session_commands_what_it_commanded_before(
    ground: Ground, what: str, current: Current, unplugged: bool
) -> None:
    assert commands(ground, current, unplugged=unplugged) == COMMANDS[what]


def test_bench_shows_every_end(ground: Ground) -> None:
    shown = {figure.what: figure.value for figure in measure(ground, quick=True).figures}
    assert shown == {what: f"{len(names)}: {', '.join(names)}" for what, names in COMMANDS.items()}


class Port:
    """A port that does nothing."""

    async def set_target(self, volts: float) -> None: ...

    async def off(self) -> None: ...

    async def set_contactor(self, closed: bool) -> None: ...


def test_commands_count_from_the_last_one_that_asks_for_power() -> None:
    port = Port()
    tap = Tap(port)

    async def use() -> None:
        await port.off()
        await port.set_target(400.0)
        await port.set_contactor(True)
        await port.off()
        await port.set_contactor(False)

    with pytest.raises(BenchFailed, match="not asked for power"):
        _ = tap.last
    asyncio.run(use())
    assert tap.commands == ["off", "set_target", "set_contactor(True)", "off", "set_contactor(False)"]
    assert tap.last == ("off", "set_contactor(False)")

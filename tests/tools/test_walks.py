"""How many calls an answer takes: counted the same each time, and not more than yesterday."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from secc.session.log import set_up_log
from secc.station.serving.connection import V2gConnection
from tools.bench import walks as walks_module
from tools.bench.stations import ROOT, Ground
from tools.bench.walks import LOOPS, Counting, Walk, Walks, count, measure

DEMAND = Walk(134, 38)
AUTHORIZATION = Walk(471, 63)
"""Upper bounds. Whoever gets below them lowers them here and in docs/performance.md."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("walks") / "ground", warm=False)


@pytest.fixture(scope="module")
def walks(ground: Ground) -> Walks:
    return count(ground)


def authorization(walks: Walks) -> Walk:
    assert walks.authorization is not None
    return walks.authorization


def test_a_current_demand_request_takes_no_more_calls_and_files_than_before(walks: Walks) -> None:
    assert len(walks.demands) == LOOPS
    assert walks.demand.calls <= DEMAND.calls, walks.demand.by_file
    assert walks.demand.files <= DEMAND.files, walks.demand.by_file


def test_an_authorization_takes_no_more_calls_and_files_than_before(walks: Walks) -> None:
    assert authorization(walks).calls <= AUTHORIZATION.calls, authorization(walks).by_file
    assert authorization(walks).files <= AUTHORIZATION.files, authorization(walks).by_file


def test_every_count_finds_the_same_wherever_the_log_goes(ground: Ground, walks: Walks) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_log("debug", lambda octets: None)
    try:
        again = count(ground)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert again.demands == walks.demands
    assert again.authorization == walks.authorization


def test_station_is_counted_and_the_car_and_the_simulator_are_not(walks: Walks) -> None:
    for walk in (walks.demand, authorization(walks)):
        files = [file for file, _ in walk.by_file]
        assert {"secc/station/serving/connection.py", "secc/conversation/session.py"} <= set(files)
        assert all(file.startswith(("secc/", "hal/", "certs/")) for file in files)
        assert not any(file.startswith(("hal/sim/", "hal/boards/")) for file in files)
    # The books decide about the contract in a task of their own.
    assert "secc/uplink/standalone.py" in dict(authorization(walks).by_file)


def longer(place: str, name: str = "detour") -> Callable[..., Any]:
    """``V2gConnection._settle`` with one call more, of a function in that file."""
    source = f"def {name}(go, *arguments):\n    return go(*arguments)\n"
    if name == "<lambda>":
        source = "detour = lambda go, *arguments: go(*arguments)\n"
    found: dict[str, Any] = {}
    exec(compile(source, str(ROOT / place), "exec"), found)  # a function that says that it is in that file
    detour, settle = found["detour"], V2gConnection._settle

    def settled(connection: V2gConnection) -> None:
        detour(settle, connection)

    return settled


@pytest.mark.parametrize(
    ("place", "name", "calls", "files"),
    [
        ("secc/extra.py", "detour", 1, 1),
        ("secc/station/serving/connection.py", "detour", 1, 0),
        ("secc/extra.py", "<lambda>", 0, 0),
        ("hal/sim/extra.py", "detour", 0, 0),
        ("tests/extra.py", "detour", 0, 0),
    ],
)
def test_one_call_more_is_seen(
    ground: Ground,
    walks: Walks,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    name: str,
    calls: int,
    files: int,
) -> None:
    monkeypatch.setattr(V2gConnection, "_settle", longer(place, name))
    found = count(ground).demand
    assert (found.calls, found.files) == (walks.demand.calls + calls, walks.demand.files + files)


def test_bench_shows_both_walks(ground: Ground, walks: Walks) -> None:
    shown = [figure.value for figure in measure(ground, quick=True).figures]
    assert shown == [f"{one.calls} calls, {one.files} files" for one in (walks.demand, authorization(walks))]


def test_page_says_what_is_held_here() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    for walk in (DEMAND, AUTHORIZATION):
        assert f"| {walk.calls} | {walk.files} |" in page


SECTION = re.compile(r"^## Follow one CurrentDemandReq$(.*?)^## ", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| `([\w/]+\.py)` \| `([\w.<>]+)` \|", re.MULTILINE)


def test_page_for_developers_follows_the_calls_in_their_order(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[list[tuple[str, str]]] = []

    class Following(Counting):
        def begin(self) -> None:
            followed.append([])
            super().begin()

        def _note(self, frame: FrameType, event: str, argument: Any) -> None:
            before = len(self._found)
            super()._note(frame, event, argument)
            if len(self._found) > before:
                followed[-1].append((self._found[-1], frame.f_code.co_qualname))

    section = SECTION.search((ROOT / "docs" / "development.md").read_text(encoding="utf-8"))
    assert section is not None
    rows = ROW.findall(section[1])
    assert len(rows) > 30
    monkeypatch.setattr(walks_module, "Counting", Following)
    count(ground)
    # Behind the walk to the authorization: the first request with a target. The last ones change nothing at the supply.
    calls = iter(followed[1])
    missed = next((row for row in rows if row not in calls), None)
    assert missed is None, "not called, or not behind the row before"

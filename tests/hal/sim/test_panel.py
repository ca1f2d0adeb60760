"""The panel: every verb does what it says, and nothing that is written on the socket breaks it."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import HalLost, HalRejected
from hal.open import open_sim
from hal.sim.clock import ScaledClock
from hal.sim.options import parse
from hal.sim.panel import VERBS, Hand, Panel
from hal.sim.world import World
from tests.virtual_clock import VirtualClock

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def world() -> World:
    return World(ScaledClock(VirtualClock(), 1.0))


def test_verbs_move_the_world() -> None:
    it = world()
    panel = Panel(it)
    for request in (
        {"do": "plug_in"},
        {"do": "s2"},
        {"do": "relay"},
        {"do": "draw_ac", "amperes": 10, "phases": 1},
        {"do": "battery", "soc": 0.9},
        {"do": "emergency_stop"},
        {"do": "door"},
        {"do": "inject", "name": "weld"},
        {"do": "token", "kind": "ISO14443", "value": "04AABB"},
        {"do": "stop"},
    ):
        assert panel.act(request) == {"ok": True}
    state = panel.act({"do": "state"})["state"]
    wanted = {
        "plugged": True,
        "s2_closed": True,
        "relay_closed": True,
        "soc": 0.9,
        "emergency_stopped": True,
        "door_open": True,
    }
    assert wanted.items() <= state.items()
    assert state["faults"] == ["weld"]
    assert json.loads(json.dumps(state)) == state
    for request in (
        {"do": "heal", "name": "weld"},
        {"do": "s2", "closed": False},
        {"do": "door", "open": False},
        {"do": "unplug"},
    ):
        assert panel.act(request) == {"ok": True}
    state = panel.act({"do": "state"})["state"]
    assert (state["plugged"], state["faults"], state["door_open"]) == (False, [], False)


@pytest.mark.parametrize(
    "request_",
    [
        None,
        [],
        {},
        {"do": 5},
        {"do": "fly"},
        {"do": "follow", "message": "CableCheckReq"},
        {"do": "s2"},
        {"do": "inject"},
        {"do": "inject", "name": "rust"},
        {"do": "draw_ac"},
        {"do": "draw_ac", "amperes": float("nan")},
        {"do": "draw_ac", "amperes": True},
        {"do": "token", "kind": "a\nb", "value": "x"},
        {"do": "emergency_stop", "pressed": "yes"},
    ],
)
def test_what_is_not_possible_is_answered_with_an_error(request_: Any) -> None:
    answer = Panel(world()).act(request_)
    assert answer["error"] == "HalRejected"
    assert answer["text"]


@given(
    st.one_of(
        JSON, st.dictionaries(st.sampled_from(["do", "name", "closed", "amperes", "soc", "kind", "value"]), JSON)
    ),
    st.sampled_from(sorted(VERBS)),
)
def test_any_request_is_answered(request_: Any, verb: str) -> None:
    panel = Panel(world())
    assert {"ok", "error"} & panel.act(request_).keys()
    if isinstance(request_, dict):
        assert {"ok", "error"} & panel.act({**request_, "do": verb}).keys()


def test_a_hand_reaches_in_through_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "world.sock"

    async def main() -> None:
        hand = Hand(path)
        with pytest.raises(HalLost):
            await hand.state()
        board = await open_sim(parse(f"?control={path}&follower=follow"))
        assert path.stat().st_mode & 0o777 == 0o600
        await asyncio.gather(*(hand.act("plug_in") for _ in range(5)))
        with pytest.raises(HalRejected, match="rust"):
            await hand.act("inject", name="rust")
        await hand.act("follow", message="PreChargeReq", volts=300.0)
        assert (await hand.state())["plugged"]
        hand.close()
        assert (await hand.state())["plugged"]
        await board.close()
        assert not path.exists()
        with pytest.raises(HalLost):
            await hand.state()

    asyncio.run(main())


@pytest.mark.parametrize("line", [b"no json\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b'{"do": null}\n', b"\n"])
def test_rubbish_on_the_socket_is_answered_and_the_next_is_served(tmp_path: Path, line: bytes) -> None:
    async def main() -> None:
        panel = Panel(world())
        await panel.serve(tmp_path / "w")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "w")
        writer.write(line + b'{"do": "plug_in"}\n')
        assert "error" in json.loads(await asyncio.wait_for(reader.readline(), 5.0))
        assert json.loads(await asyncio.wait_for(reader.readline(), 5.0)) == {"ok": True}
        writer.write(b"x" * 200_000)  # a line without end: closed, and no harm done
        assert await asyncio.wait_for(reader.read(), 5.0) == b""
        writer.close()
        panel.close()
        assert not (tmp_path / "w").exists()

    asyncio.run(main())


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")

    async def main() -> None:
        with pytest.raises(HalLost, match="precious"):
            await Panel(world()).serve(precious)

    asyncio.run(main())
    assert precious.read_text() == "keep"


def test_whoever_sees_the_socket_can_connect_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets its name when it listens: a car that waits for the name is not turned away."""
    path, rename = tmp_path / "w", Path.rename

    def look(unready: Path, ready: Path) -> Path:
        with socket.socket(socket.AF_UNIX) as early:
            early.connect(str(unready))
        return rename(unready, ready)

    async def main() -> None:
        panel = Panel(world())
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", look)
            await panel.serve(path)
        hand = Hand(path)
        assert not (await hand.state())["plugged"]
        hand.close()
        panel.close()

    asyncio.run(main())


def test_a_file_beside_it_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "w.new"
    precious.write_text("keep")

    async def main() -> None:
        with pytest.raises(HalLost):
            await Panel(world()).serve(tmp_path / "w")

    asyncio.run(main())
    assert precious.read_text() == "keep"

"""The control socket: answers, refusals, a stream of events, leftovers of a power cut."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.ops.control import ControlError, ask, listen
from secc.station.control import BURST, CLIENTS, LINE_OCTETS, REQUESTS_A_SECOND, ControlServer
from tests.station_scene import configured, station


def commands() -> dict[str, Any]:
    def limit(request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"watts": float(request["watts"])}

    def refuse(request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ControlError("no car is plugged in")

    return {"limit": limit, "stop": refuse}


def serve(tmp_path: Path, client: Any) -> Any:
    """Run ``client(path, server)`` on a thread against a server."""

    async def main() -> Any:
        server = ControlServer(tmp_path / "control.sock", commands())
        await server.open()
        try:
            return await asyncio.to_thread(client, server.path, server)
        finally:
            await server.close()

    return asyncio.run(main())


def test_a_command_is_done_and_answered(tmp_path: Path) -> None:
    answer = serve(tmp_path, lambda path, _: ask(path, {"do": "limit", "watts": 4200}))
    assert answer == {"ok": True, "watts": 4200.0}
    assert not (tmp_path / "control.sock").exists()


def test_a_refusal_comes_as_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no car is plugged in"):
        serve(tmp_path, lambda path, _: ask(path, {"do": "stop"}))


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"not json\n",
        b"[]\n",
        b'{"do": 1}\n',
        b'{"do": "limit"}\n',
        b'{"do": "limit", "watts": "x"}\n',
        b'{"do": "nothing"}\n',
        b"[" * 5000 + b"\n",
        b"\xff\xfe\n",
        b"x" * 100_000 + b"\n",
    ],
)
def test_nonsense_gets_an_error_and_the_server_stays(tmp_path: Path, line: bytes) -> None:
    def client(path: Path, _: ControlServer) -> Any:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5.0)
            sock.connect(str(path))
            sock.sendall(line)
            answer = json.loads(sock.makefile("rb").readline())
        return answer, ask(path, {"do": "limit", "watts": 1})

    answer, after = serve(tmp_path, client)
    assert answer["ok"] is False
    assert answer["error"]
    assert after["ok"] is True


def test_events_are_streamed_until_the_server_closes(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        server = ControlServer(tmp_path / "control.sock", commands())
        await server.open()
        heard = asyncio.create_task(asyncio.to_thread(lambda: list(listen(server.path, {"do": "events"}, seconds=5.0))))
        while not server._readers:
            await asyncio.sleep(0.01)
        server.publish({"event": "plugged in"})
        server.publish({"event": "unplugged"})
        await server.close()
        return await heard

    assert asyncio.run(main()) == [{"event": "plugged in"}, {"event": "unplugged"}]


def test_the_socket_is_for_owner_and_group_only(tmp_path: Path) -> None:
    mode = serve(tmp_path, lambda path, _: stat.S_IMODE(path.stat().st_mode))
    assert mode == 0o660


def test_a_socket_left_by_a_power_cut_is_replaced_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert serve(tmp_path, lambda path, _: ask(path, {"do": "limit", "watts": 1}))["ok"] is True

    async def second() -> None:
        first = ControlServer(path, commands())
        await first.open()
        try:
            with pytest.raises(ControlError, match="already running"):
                await ControlServer(path, commands()).open()
        finally:
            await first.close()

    asyncio.run(second())


def test_a_file_that_is_not_a_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(ControlError, match="not a socket"):
        asyncio.run(ControlServer(path, commands()).open())
    assert path.read_text() == "precious"


def test_asking_where_no_station_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no station is running"):
        ask(tmp_path / "none.sock", {"do": "state"})


class Counted:
    """A request that says whether the event loop had a turn since the last one."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.crowded = 0
        self._turned = True

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        self.crowded += not self._turned
        self._turned = False
        self.at.append(loop.time())
        loop.call_soon(setattr, self, "_turned", True)
        return {}


@pytest.mark.case("A-RES-07")
@pytest.mark.parametrize("clients", [1, 10])
def test_lines_in_one_write_are_done_one_a_turn_and_at_the_pace_of_their_user(tmp_path: Path, clients: int) -> None:
    """4 000 lines in one write held the loop, which feeds the heartbeat of every outlet, for 8 s."""
    lines, counted = 4000 // clients, Counted()

    async def hog(path: Path) -> int:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "count"}\n' * lines)
        writer.write_eof()
        answers = (await reader.read()).splitlines()
        writer.close()
        return sum(json.loads(answer)["ok"] for answer in answers)

    async def main() -> None:
        server = ControlServer(tmp_path / "control.sock", {"count": counted})
        await server.open()
        try:
            assert await asyncio.gather(*(hog(server.path) for _ in range(clients))) == [lines] * clients
        finally:
            await server.close()

    run_virtual(main())
    assert counted.crowded == 0
    assert counted.at[-1] - counted.at[0] == pytest.approx((lines * clients - BURST) / REQUESTS_A_SECOND, abs=0.2)


@pytest.mark.case("A-RES-07")
def test_dialling_anew_brings_no_new_budget(tmp_path: Path) -> None:
    async def main() -> float:
        server = ControlServer(tmp_path / "control.sock", {"count": Counted()})
        await server.open()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for _ in range(BURST + 20):
                reader, writer = await asyncio.open_unix_connection(server.path)
                writer.write(b'{"do": "count"}\n')
                assert json.loads(await reader.readline())["ok"]
                writer.close()
        finally:
            await server.close()
        return loop.time() - began

    assert run_virtual(main()) == pytest.approx(20 / REQUESTS_A_SECOND, abs=0.2)


@pytest.mark.case("A-RES-07")
def test_a_line_is_short(tmp_path: Path) -> None:
    def client(path: Path, _: ControlServer) -> Any:
        with pytest.raises(ControlError, match=f"at most {LINE_OCTETS} octets"):
            ask(path, {"do": "limit", "watts": "9" * LINE_OCTETS})
        return ask(path, {"do": "limit", "watts": "9" * 300})

    assert LINE_OCTETS <= 4096
    assert serve(tmp_path, client)["ok"] is True


@pytest.mark.case("A-RES-07")
def test_the_state_is_asked_for_without_reading_the_configuration_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 20 outlets nine tenths of the 25 ms that an answer took went into looking for dangerous settings, which do not change."""

    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:

            def looked(config: object) -> Any:
                raise AssertionError("the configuration was searched for an answer")

            monkeypatch.setattr("secc.station.station.dangers", looked)
            assert scene.station.state()["dangers"]

    run_virtual(main())


@pytest.mark.case("A-RES-07")
def test_who_holds_every_place_holds_those_of_one_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen connections of one user that said nothing kept root's stop out."""
    user = 1000
    monkeypatch.setattr("secc.station.control._user", lambda writer: user)

    async def main() -> None:
        nonlocal user
        server = ControlServer(tmp_path / "control.sock", {"count": Counted()})
        await server.open()
        try:
            held = [await asyncio.open_unix_connection(server.path) for _ in range(CLIENTS)]
            await asyncio.sleep(0.1)
            answers = []
            for who in (1000, 0):
                user = who
                reader, writer = await asyncio.open_unix_connection(server.path)
                writer.write(b'{"do": "count"}\n')
                answers.append(json.loads(await reader.readline()))
                writer.close()
            assert [answer["ok"] for answer in answers] == [False, True]
            for _, writer in held:
                writer.close()
        finally:
            await server.close()

    run_virtual(main())

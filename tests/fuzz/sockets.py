"""A station whose sockets are abused: connections that break off, and datagrams in a flood. Octets and sockets are real, time is virtual."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from unittest import mock

from hal.sim.clock import run_virtual
from secc.config import Eim, Timing, Tls, TraceMode
from secc.link import sdp
from secc.link.v2gtp import PayloadType, frame
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq
from tests.fuzz.frames import mutated as changed
from tests.station_scene import BOTH, Scene, configured, station

OBJECTS: Final = 1500
"""Caches fill, strings are interned: hundreds. A leak of one connection would be hundreds of objects for each."""
SEND_BATCH: Final = 100
"""Datagrams a millisecond: a hundred thousand a second. The kernel's buffer of 208 KiB holds 277 small ones and drops what comes on top unseen."""
PACED: Final = 300
"""Datagrams that come as slowly as they are read. In a flood all but a few are dropped by their source, whatever is in them."""
OFFERED = AppProtocol(
    protocol_namespace="urn:iso:15118:2:2013:MsgDef",
    version_number_major=2,
    version_number_minor=0,
    schema_id=1,
    priority=1,
)
GREETING = frame(PayloadType.EXI, SAP.encode(SupportedAppProtocolReq(app_protocol=(OFFERED,))))
SESSION_SETUP = frame(PayloadType.EXI, bytes.fromhex("8098000000000000000011d0018040c0101400"))
CLIENT_HELLO = bytes.fromhex(
    "16030100610100005d0303" + "00" * 32 + "000004c023c02b01000030000a00040002001700"
    "0b00020100000d000400020403000500050100000000" + "00" * 12
)


def mutated(chance: random.Random, octets: bytes) -> bytes:
    """As it is, or changed."""
    return octets if chance.random() < 0.25 else changed(chance, octets, (octets, GREETING, SESSION_SETUP))


def a_car(chance: random.Random) -> list[bytes]:
    """What a car like that would send, piece by piece."""
    match chance.randrange(6):
        case 0:
            return []
        case 1:
            return [chance.randbytes(chance.randrange(1, 2000))]
        case 2:
            return [mutated(chance, GREETING)]
        case 3:
            return [GREETING, mutated(chance, SESSION_SETUP)]
        case 4:
            return [GREETING, frame(PayloadType.EXI, b"\x80" + chance.randbytes(chance.randrange(60)))]
        case _:
            return [mutated(chance, CLIENT_HELLO)]


async def abort_one(scene: Scene, chance: random.Random) -> None:
    await scene.until(lambda: scene.outlet().sockets.port, 200.0, "the window")
    try:
        reader, writer = await asyncio.open_connection("::1", scene.outlet().sockets.port)
    except OSError:
        return
    for piece in a_car(chance):
        writer.write(piece)
        await asyncio.sleep(chance.choice((0.0, 0.01, 1.0)))
    if chance.random() < 0.5 and not writer.transport.is_closing():  # else the station was the first to hang up
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
    await asyncio.sleep(0.05)
    del reader


def resources() -> tuple[int, int, int]:
    """Returns descriptors, tasks, objects."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), len(gc.get_objects())


@contextmanager
def complaints() -> Iterator[list[str]]:
    """What is logged as an error meanwhile, or with an exception."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info or record.levelno >= logging.ERROR:
                error = record.exc_info[1] if record.exc_info else None
                found.append(f"{record.getMessage()} {error!r}" if error is not None else record.getMessage())

    handler = Kept()
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)


def aborts(
    directory: Path, *, count: int, seed: int, tls: bool, told: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Break off so many connections. Returns what is wrong: complaints of the station, and what was left behind."""
    chance = random.Random(seed)
    wanted = Tls.OFFERED if tls else Tls.OFF
    config = configured(directory, tls=wanted, payments=BOTH if tls else BOTH[1:], eim=Eim.FREE, trace=TraceMode.OFF)

    async def main() -> list[str]:
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            seen = []
            for part in range(3):
                for _ in range(count // 3):
                    await abort_one(scene, chance)
                    if scene.outlet().plug.plugin.state.over:  # type: ignore[union-attr]  # there is one
                        scene.world().unplug()
                        await asyncio.sleep(1.0)
                        scene.world().plug_in()
                scene.world().unplug()
                await asyncio.sleep(30.0)
                scene.published.clear()
                seen.append(resources())
                told(
                    f"{(part + 1) * (count // 3)} connections broken off, TLS {wanted}: descriptors, tasks, objects {seen[-1]}"
                )
                scene.world().plug_in()
            wrong = list(logged)
            fds, tasks, objects = zip(*seen, strict=True)
            if max(fds) > fds[0] + 1 or max(tasks) > tasks[0] or objects[2] - objects[1] >= OBJECTS:
                wrong.append(f"left behind after each third: descriptors {fds}, tasks {tasks}, objects {objects}")
            await scene.charges()
            return wrong

    with complaints() as logged:
        return run_virtual(main())


def datagrams(directory: Path, *, count: int, seed: int, told: Callable[[str], None] = lambda line: None) -> list[str]:
    """Send so many datagrams to the SDP port: the first as slowly as all of them are read, the others as fast as they go. Returns what is wrong.

    A valid request behind them is answered. (A-NET-02)
    """
    chance = random.Random(seed)
    request = sdp.build_request(sdp.Security.NONE)
    floods = [mutated(chance, request) or b"\x00" for _ in range(1000)] + [request] * 1000

    async def main() -> list[str]:
        # The window stays open while the slow ones come.
        config = configured(directory, timing=Timing(setup_seconds=120.0))
        wrong = list[str]()
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            target = ("::1", config.outlets[0].sdp_port, 0, 0)
            answered = handled = 0
            with (
                socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as flood,
                socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as car,
            ):
                flood.setblocking(False)
                car.setblocking(False)
                for octets in floods[:PACED]:
                    flood.sendto(octets, target)
                    await asyncio.sleep(1.0 / sdp.REQUESTS_PER_SECOND)
                    answered += _answers(flood)
                if seen["parse_request"] != PACED or not 0 < answered < PACED:
                    wrong.append(f"{seen['parse_request']} of {PACED} slow datagrams read, {answered} answered")
                answered = seen["admit"] = 0
                began, beats = time.process_time(), asyncio.get_running_loop().time()
                for number in range(0, count, SEND_BATCH):
                    for place in range(number, min(count, number + SEND_BATCH)):
                        try:
                            flood.sendto(floods[place % len(floods)], target)
                            handled += 1
                        except BlockingIOError:
                            break
                    await asyncio.sleep(0.001)
                    answered += _answers(flood)
                virtual = asyncio.get_running_loop().time() - beats
                taken = time.process_time() - began
                if seen["admit"] != handled:
                    wrong.append(f"{seen['admit']} of {handled} datagrams reached the station")
                # The bucket of this address is empty; it fills again, and a valid request is answered.
                await asyncio.sleep(2.0)
                car.sendto(request, target)
                await asyncio.sleep(0.1)
                try:
                    if len(car.recv(64)) != 28:
                        wrong.append("a wrong answer after the flood")
                except BlockingIOError:
                    wrong.append("no answer after the flood")
            most = sdp.REQUEST_BURST + sdp.REQUESTS_PER_SECOND * virtual + 1
            told(
                f"{handled} datagrams in {virtual:.1f} s of station time, {1e6 * taken / handled:.0f} us each with the sender, {answered} answered"
            )
            if answered > most:
                wrong.append(f"{answered} answers where {most:.0f} are allowed")
            wrong += logged
            await scene.charges()
        return wrong

    seen = Counter[str]()
    with complaints() as logged, counted(seen, sdp, "parse_request"), counted(seen, sdp.RateLimit, "admit"):
        return run_virtual(main())


def counted(seen: Counter[str], owner: Any, name: str) -> AbstractContextManager[Any]:
    """Count the calls of a function meanwhile."""
    function = getattr(owner, name)

    def counting(*arguments: Any) -> Any:
        seen[name] += 1
        return function(*arguments)

    return mock.patch.object(owner, name, counting)


def _answers(sock: socket.socket) -> int:
    """Returns how many SDP responses have come."""
    count = 0
    with suppress(BlockingIOError):
        for _ in range(64):
            count += len(sock.recv(64)) == 28
    return count

"""The modem driver against modems of every make, in virtual time: a wire with a scripted modem at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hal.errors import HalError, HalLost, HalTimeout, HalUnsupported
from hal.linux import mme
from hal.linux.errors import InterfaceDown, NoModem
from hal.linux.modem import WAITING_FRAMES, LinuxModem
from hal.ports import PlcModem
from hal.readings import ModemInfo
from hal.sim.clock import run_virtual

HOST = bytes.fromhex("025ecc000001")
MODEM = bytes.fromhex("00b052bb0001")
NID, NMK = bytes(range(1, 8)), bytes(range(16))
QCA = bytes.fromhex("00b052")
LUMISSIL = bytes.fromhex("0016e8") + bytes(19)


class Line:
    """A wire whose modem answers what its script has an answer to, a millisecond later."""

    interface = "eth1"
    mac = HOST

    def __init__(self, *answers: Callable[[mme.Frame], bytes | None]) -> None:
        self.on_frame: Callable[[float, bytes], None] = lambda at, frame: None
        self.on_lost: Callable[[HalLost], None] = lambda error: None
        self.answers = list(answers)
        self.sent: list[mme.Frame] = []
        self.raw: list[bytes] = []
        self.keys: list[bytes] = []
        self.link = True
        self.error: HalError | None = None
        self.closed = False
        self.delay = 0.001

    def send(self, frame: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.raw.append(frame)
        parsed = mme.parse(frame)
        assert parsed is not None
        self.sent.append(parsed)
        if parsed.destination != mme.LOCAL:
            return
        for each in self.answers:
            answer = each(parsed)
            if answer is not None:
                self.arrive(answer)

    def arrive(self, frame: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self.delay, lambda: self.on_frame(loop.time(), frame))

    def close(self) -> None:
        self.closed = True

    # What modems answer

    def takes_key(self, result: int = 1, nonce_in: int = 1) -> Callable[[mme.Frame], bytes | None]:
        def answer(frame: mme.Frame) -> bytes | None:
            if frame.mmtype != 0x6008:
                return None
            self.keys.append(frame.body[22:38])
            nonces = [bytes(4), bytes(4)]
            nonces[nonce_in] = frame.body[1:5]
            return mme.build(MODEM, 0x6009, bytes([result]) + b"".join(nonces) + bytes(5), destination=HOST)

        return answer

    def qualcomm(self, frame: mme.Frame) -> bytes | None:
        if frame.body[:3] != QCA or frame.mmv != 0:
            return None
        text = b"MAC-QCA7005-1.1.0.730-04-20140815-CS"
        body = {
            0xA000: bytes((0, 0x22, len(text))) + text,
            0xA0B8: bytes((0, self.link)),
            0xA01C: b"\0",
        }.get(frame.mmtype)
        return None if body is None else mme.build(MODEM, frame.mmtype + 1, QCA + body, mmv=0, destination=HOST)

    def lumissil(self, mmv: int) -> Callable[[mme.Frame], bytes | None]:
        def answer(frame: mme.Frame) -> bytes | None:
            if frame.mmv != mmv or frame.body[:3] != LUMISSIL[:3]:
                return None
            body = {0xAC6C: bytes((1, 0, 9, 0, 7, 0, 5, 0, 0, 0)), 0xAC9C: bytes([self.link])}.get(frame.mmtype)
            return (
                None if body is None else mme.build(MODEM, frame.mmtype + 1, LUMISSIL + body, mmv=mmv, destination=HOST)
            )

        return answer

    def discovers(self, frame: mme.Frame) -> bytes | None:
        if frame.mmtype != 0x0014:
            return None
        station = bytes.fromhex("00b052aa0001") + bytes((5, self.link, 1, 0, 40, 50))
        return mme.build(MODEM, 0x0015, b"\x01" + station + b"\0", destination=HOST)

    def counts(self, frame: mme.Frame) -> bytes | None:
        if frame.mmtype != 0x6048:
            return None
        return mme.build(MODEM, 0x6049, bytes([self.link]) + bytes(8), destination=HOST)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def asked(line: Line) -> list[int]:
    return [frame.mmtype for frame in line.sent]


def test_a_qualcomm_modem_is_recognised_and_driven() -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key(), line.qualcomm]
        modem = LinuxModem(line)
        port: PlcModem = modem
        assert (port.interface, port.mac) == ("eth1", HOST)
        assert await port.info() == ModemInfo("Qualcomm QCA7005", "MAC-QCA7005-1.1.0.730-04-20140815-CS")
        await port.set_key(NID, NMK)
        assert line.keys == [NMK]
        assert modem.address == MODEM
        assert await port.link_up() is True
        line.link = False
        assert await port.link_up() is False
        assert asked(line) == [0xA000, 0x6008, 0xA0B8, 0xA0B8]
        await port.reset()
        with pytest.raises(HalTimeout):
            await port.link_up()
        await asyncio.sleep(11.0)
        assert await port.link_up() is False

    run(test)


@pytest.mark.parametrize("mmv", [0, 1])
def test_a_lumissil_modem_is_recognised_and_driven(mmv: int) -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key(), line.lumissil(mmv)]
        modem = LinuxModem(line)
        began = asyncio.get_running_loop().time()
        assert await modem.info() == ModemInfo("Lumissil CG5317", "1.9.7.5")
        assert asyncio.get_running_loop().time() - began < 0.3
        await modem.set_key(NID, NMK)
        assert await modem.link_up() is True
        line.link = False
        assert await modem.link_up() is False
        await modem.reset()
        assert asked(line)[-1] == 0xAC70

    run(test)


@pytest.mark.parametrize("way", ["discovers", "counts"])
def test_a_modem_of_no_known_make_works_without(way: str) -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key(), getattr(line, way)]
        modem = LinuxModem(line)
        assert await modem.info() == ModemInfo("unknown", "")
        await modem.set_key(NID, NMK)
        assert await modem.link_up() is True
        line.link = False
        before = len(line.sent)
        assert await modem.link_up() is False
        assert len(line.sent) == before + 1, "it knows by now what to ask"
        with pytest.raises(HalUnsupported):
            await modem.reset()

    run(test)


def test_a_modem_that_only_takes_keys_cannot_tell_its_link_and_is_not_asked_all_the_time() -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key()]
        modem = LinuxModem(line)
        await modem.set_key(NID, NMK)
        assert await modem.link_up() is None
        before = len(line.sent)
        for _ in range(20):
            assert await modem.link_up() is None
        assert len(line.sent) == before
        await asyncio.sleep(6.0)
        line.answers.append(line.qualcomm)
        assert await modem.link_up() is True

    run(test)


def test_a_qualcomm_modem_with_old_firmware_is_asked_as_any_other() -> None:
    async def test() -> None:
        line = Line()

        def without_link_status(frame: mme.Frame) -> bytes | None:
            return None if frame.mmtype == 0xA0B8 else line.qualcomm(frame)

        line.answers = [line.takes_key(), without_link_status, line.discovers]
        modem = LinuxModem(line)
        assert await modem.link_up() is True

    run(test)


@pytest.mark.parametrize("result", [0, 1, 7])
@pytest.mark.parametrize("nonce_in", [0, 1])
def test_any_confirmation_is_one_whatever_its_result(result: int, nonce_in: int) -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key(result, nonce_in)]
        modem = LinuxModem(line)
        await modem.set_key(NID, NMK)
        assert len(line.keys) == 1

    run(test)


def test_without_a_modem_every_question_says_so_within_a_second() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        for question in ("info", "set_key"):
            line = Line()
            modem = LinuxModem(line)
            began = loop.time()
            with pytest.raises(NoModem) as caught:
                await (modem.info() if question == "info" else modem.set_key(NID, NMK))
            assert loop.time() - began <= 1.0
            assert "eth1" in str(caught.value)
            assert caught.value.retryable
            assert NMK.hex() not in str(caught.value)

    run(test)


def test_a_lost_confirmation_costs_one_repeat() -> None:
    async def test() -> None:
        line = Line()
        taking, lost = line.takes_key(), [1]
        line.answers = [lambda frame: None if lost and lost.pop() else taking(frame)]
        modem = LinuxModem(line)
        await modem.set_key(NID, NMK)
        assert asked(line) == [0x6008, 0x6008]
        assert line.sent[0].body[1:5] != line.sent[1].body[1:5]

    run(test)


def test_somebody_elses_confirmation_is_none_of_ours() -> None:
    async def test() -> None:
        line = Line()
        rogue = bytes.fromhex("02bad0000001")
        line.answers = [
            lambda frame: mme.build(rogue, 0x6009, bytes([1]) + b"guess" + bytes(8), destination=HOST),
            lambda frame: mme.build(
                MODEM, 0x6009, bytes([1]) + frame.body[1:5] * 2 + bytes(5), destination=mme.BROADCAST
            ),
        ]
        modem = LinuxModem(line)
        with pytest.raises(NoModem):
            await modem.set_key(NID, NMK)
        assert modem.address is None

    run(test)


def test_a_modem_that_falls_silent_is_an_error_and_not_a_lost_link() -> None:
    async def test() -> None:
        for kind in ("qualcomm", "discovers"):
            line = Line()
            line.answers = [getattr(line, kind)]
            modem = LinuxModem(line)
            assert await modem.link_up() is True
            line.answers.clear()
            began = asyncio.get_running_loop().time()
            with pytest.raises(NoModem):
                await modem.link_up()
            assert asyncio.get_running_loop().time() - began <= 1.0

    run(test)


def test_frames_go_to_every_reader_but_for_answers_to_us() -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key(), line.qualcomm]
        modem = LinuxModem(line)
        one, two = modem.frames(), modem.frames()
        await modem.info()
        sound = mme.BROADCAST + MODEM + b"\x88\xe1\x01\x76\x60\x00\x00" + bytes(52)
        line.arrive(sound)
        line.arrive(b"too short")
        for reader in (one, two):
            at, frame = await anext(reader)
            assert frame == sound
            assert at == asyncio.get_running_loop().time()
        await modem.send(sound[:30])
        assert len(line.raw[-1]) == 60
        await modem.close()
        assert line.closed
        with pytest.raises(StopAsyncIteration):
            await anext(one)

    run(test)


def test_a_reader_that_is_too_slow_loses_the_oldest_frames_and_no_memory() -> None:
    async def test() -> None:
        line = Line()
        modem = LinuxModem(line)
        reader = modem.frames()
        for number in range(WAITING_FRAMES * 2):
            line.on_frame(0.0, HOST + MODEM + b"\x88\xe1\x01\x64\x60" + number.to_bytes(4, "big"))
        first = await anext(reader)
        assert int.from_bytes(first[1][17:21], "big") == WAITING_FRAMES

    run(test)


def test_a_lost_interface_reaches_the_reader_and_frames_may_follow() -> None:
    async def test() -> None:
        line = Line()
        modem = LinuxModem(line)
        reader = modem.frames()
        line.on_lost(InterfaceDown("down"))
        with pytest.raises(InterfaceDown):
            await anext(reader)
        line.arrive(HOST + MODEM + b"\x88\xe1\x01\x64\x60" + bytes(43))
        assert (await anext(reader))[1][:6] == HOST
        line.error = InterfaceDown("still down")
        for question in (modem.link_up(), modem.set_key(NID, NMK), modem.send(bytes(60)), modem.info()):
            with pytest.raises(InterfaceDown):
                await question

    run(test)


def test_questions_wait_for_each_other() -> None:
    async def test() -> None:
        line = Line()
        line.answers = [line.takes_key(), line.qualcomm]
        modem = LinuxModem(line)
        results = await asyncio.gather(modem.info(), modem.set_key(NID, NMK), modem.link_up(), modem.link_up())
        assert list(results[2:]) == [True, True]

    run(test)

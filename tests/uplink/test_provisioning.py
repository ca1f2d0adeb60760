"""The provisioning service behind a local socket: good, silent, slow, and hostile."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.errors import UplinkError
from secc.session.effects import PROVISIONED_OCTETS, NoContract, Provisioning, ProvisioningRefused
from secc.uplink import provisioning
from secc.uplink.standalone import Rules, Standalone
from tests.ops.test_places import nobody
from tests.uplink.test_standalone import wall

REQUEST = bytes(range(256)) * 14
INSTALL = Provisioning.INSTALLATION


@pytest.fixture
def socket() -> Iterator[Path]:
    """Short: the name of a local socket has 107 octets at most."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "cps.sock"


def exchanged(
    socket: Path, said: bytes | None, *, closes: bool = True, seconds: float = 5.0
) -> tuple[bytes, bytes | ProvisioningRefused | str]:
    """What a service hears, and what the station has of its answer, or of the error."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        heard.append(line + await reader.readexactly(int(line.split()[-1])))
        if said is not None:
            writer.write(said)
        if closes:
            writer.close()

    async def main() -> bytes | ProvisioningRefused | str:
        async with await asyncio.start_unix_server(serve, socket):
            try:
                return await provisioning.provision(socket, INSTALL, REQUEST, seconds)
            except UplinkError as error:
                return str(error)

    found = asyncio.run(main())
    return heard[0], found


def test_the_request_goes_as_it_came_and_the_answer_comes_as_it_was_sent(socket: Path) -> None:
    answer = bytes(reversed(REQUEST))
    heard, found = exchanged(socket, b"exi %d\n" % len(answer) + answer)
    assert heard == b"secc-provisioning 1 installation 3584\n" + REQUEST
    assert found == answer


@pytest.mark.parametrize("why", NoContract)
def test_a_service_may_refuse(socket: Path, why: NoContract) -> None:
    _, found = exchanged(socket, f"refused {why.value}\n".encode())
    assert isinstance(found, ProvisioningRefused)
    assert found.why is why


@pytest.mark.case("A-PNC-09")
def test_of_a_mebibyte_no_more_is_read_than_shows_that_it_is_too_long(socket: Path) -> None:
    _, found = exchanged(socket, b"exi 1048576\n" + bytes(1 << 20))
    assert isinstance(found, bytes)
    assert len(found) == PROVISIONED_OCTETS + 1


def test_what_follows_an_answer_is_not_read(socket: Path) -> None:
    assert exchanged(socket, b"exi 3\nabcexi 3\ndef")[1] == b"abc"


@pytest.mark.case("A-PNC-09")
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\n",
        b"exi\n",
        b"exi -1\n",
        b"exi 4 4\nabcd",
        b"exi 10\nabc",
        "exi ²\n".encode(),
        b"refused\n",
        b"refused because\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"\xff\xfe\n",
        bytes(1 << 20),
    ],
)
def test_a_malformed_answer_is_an_error(socket: Path, said: bytes) -> None:
    assert isinstance(exchanged(socket, said)[1], str)


def test_a_silent_service_is_given_up_in_time(socket: Path) -> None:
    _, found = exchanged(socket, None, closes=False, seconds=0.05)
    assert found == "the provisioning service did not answer in 0.1 s"


def test_a_service_whose_place_others_can_take_is_not_used(socket: Path, tmp_path: Path) -> None:
    """The request holds certificates of the car, so another user must not be the one who listens."""
    backend = Standalone(Rules(tmp_path / "1", provisioning=socket), wall)

    async def main() -> None:
        heard: list[object] = []
        async with await asyncio.start_unix_server(lambda *streams: heard.append(streams), socket):
            await backend.open()
            assert backend.provisions
            assert backend.status().problems == ()
            socket.parent.chmod(0o777)
            assert not backend.provisions
            assert [problem for problem in backend.status().problems if "can be changed by others" in problem]
            with pytest.raises(UplinkError, match="can be changed by others"):
                await backend.provision_contract(INSTALL, REQUEST, outlet="1", seconds=1.0)
            assert heard == []
        await backend.close()

    asyncio.run(main())


def test_a_service_behind_a_directory_that_the_station_may_not_enter(socket: Path, tmp_path: Path) -> None:
    """Cars charge, and the operator hears why they cannot get a contract."""
    backend = Standalone(Rules(tmp_path, provisioning=socket), wall)
    asyncio.run(backend.open())
    socket.parent.chmod(0o600)
    with nobody():
        assert not backend.provisions
        assert backend.status().problems == (f"the provisioning service: {socket}: Permission denied",)
    socket.parent.chmod(0o700)


def test_without_a_service_nothing_is_offered_and_asking_is_an_error(socket: Path, tmp_path: Path) -> None:
    async def main() -> None:
        for number, configured in zip(itertools.count(), (None, socket), strict=False):
            backend = Standalone(Rules(tmp_path / f"{number}", provisioning=configured), wall)
            assert not backend.provisions
            with pytest.raises(UplinkError):
                await backend.provision_contract(INSTALL, REQUEST, outlet="1", seconds=1.0)
        async with await asyncio.start_unix_server(lambda reader, writer: None, socket):
            assert backend.provisions

    asyncio.run(main())

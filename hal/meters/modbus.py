"""A Modbus line, RTU or TCP, that several devices may share. One request at a time, each bounded in
time, with typed errors.

pymodbus does framing and transport. This module adds: a request ends after one second in any case,
and a late answer is never taken for the answer to the next request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from frozen import dataclass
from hal.address import Address
from hal.drivers_kit import Poller, Tell, within
from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.faults import ActiveFaults, Trouble
from hal.readings import Severity

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

    Client = AsyncModbusSerialClient | AsyncModbusTcpClient

COMMAND_SECONDS = 1.0
"""The bound of the ports, with the wait for the line and one repetition in it."""

REQUEST_SECONDS = 0.4
"""How long one answer may take: the longest here are 160 octets, 0.2 s at 9600 baud."""

QUIET_SECONDS = 0.5
"""RTU answers have no number. After a request without an answer the next one waits this long, with
the line closed, so that a late answer is not taken for the next one's.
"""

INSTALL = "which the extra 'modbus' brings: pip install 'pymodbus>=3.10' pyserial"

LINE_OPTIONS = frozenset({"baud", "parity", "stop_bits"})
_GATEWAY_SILENT = 0x0B
_BUSY = 0x06
_READ_HOLDING, _READ_INPUT, _WRITE = 3, 4, 16


@dataclass(frozen=True, slots=True)
class Tcp:
    """Modbus TCP."""

    host: str
    port: int = 502

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"


@dataclass(frozen=True, slots=True)
class Rtu:
    """Modbus RTU on a serial device. ``parity`` is N, E or O."""

    device: str
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"{self.device} at {self.baud} 8{self.parity}{self.stop_bits}"


def line(address: Address, default: Rtu) -> Tcp | Rtu:
    """Returns the line of ``KIND:tcp:HOST[:PORT]`` or ``KIND:rtu:DEVICE?baud=&parity=&stop_bits=``.
    Raises HalRejected for any other address.

    ``default``: the device's serial settings by factory.
    """
    way, _, place = address.place.partition(":")
    if way == "tcp" and place:
        if any(name in address for name in LINE_OPTIONS):
            raise HalRejected(f"{address}: {', '.join(sorted(LINE_OPTIONS))} are options of a serial line")
        return _tcp(address, place)
    if way == "rtu" and place:
        parity = address.choice("parity", "NEOneo", default.parity).upper()
        # Slower lines cannot answer within the bound of a command.
        baud = address.integer("baud", 9600, 921_600, default.baud)
        return Rtu(place, baud, parity, address.integer("stop_bits", 1, 2, default.stop_bits))
    raise HalRejected(f"{address}: a Modbus device is at tcp:HOST:PORT or rtu:DEVICE")


def _tcp(address: Address, place: str) -> Tcp:
    host, port = place, "502"
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif ":" in place:
        host, _, port = place.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise HalRejected(f"{address}: {place!r} is not HOST:PORT")
    return Tcp(host, int(port))


class ModbusLine:
    """One line. Connects on demand, and again after every failure. For the event loop's thread."""

    def __init__(self, where: Tcp | Rtu) -> None:
        self.where = where
        self._client: Client | None = None
        self._lock = asyncio.Lock()
        self._quiet_until = 0.0

    def check(self) -> None:
        """Raises HalUnsupported if the libraries for this line are not installed."""
        try:
            import pymodbus.client  # noqa: F401  checks that it is installed

            if isinstance(self.where, Rtu):
                import serial  # noqa: F401
        except ImportError as error:
            raise HalUnsupported(f"Modbus needs {error.name or 'pymodbus'}, {INSTALL}") from error

    async def read_input(self, unit: int, address: int, count: int) -> tuple[int, ...]:
        """Read input registers (function 4). Raises HalTimeout, HalLost, or HalRejected if the
        device refuses.
        """
        return await self._registers(unit, address, count, _READ_INPUT, "read_input_registers")

    async def read_holding(self, unit: int, address: int, count: int) -> tuple[int, ...]:
        """Read holding registers (function 3). Raises as :meth:`read_input` does."""
        return await self._registers(unit, address, count, _READ_HOLDING, "read_holding_registers")

    async def write(self, unit: int, address: int, values: Sequence[int]) -> None:
        """Write holding registers (function 16). Raises as :meth:`read_input` does."""
        what = f"writing register {address} of unit {unit}"
        await self._ask(what, _WRITE, lambda c: c.write_registers(address, list(values), device_id=unit))

    def close(self) -> None:
        """Release the line; the next request opens it again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _registers(self, unit: int, address: int, count: int, function: int, method: str) -> tuple[int, ...]:
        what = f"register {address} of unit {unit}"
        answer = await self._ask(what, function, lambda c: getattr(c, method)(address, count=count, device_id=unit))
        if len(answer.registers) != count:
            raise HalRejected(f"{self.where}: {what}: {len(answer.registers)} registers instead of {count}")
        return tuple(answer.registers)

    async def _ask(self, what: str, function: int, call: Callable[[Client], Awaitable[ModbusPDU]]) -> ModbusPDU:
        async with within(COMMAND_SECONDS, f"{self.where}: {what}: no answer in {COMMAND_SECONDS:g} s"), self._lock:
            await asyncio.sleep(max(0.0, self._quiet_until - asyncio.get_running_loop().time()))
            try:
                return await self._attempt(what, function, call)
            except HalTimeout:
                # A long line loses one frame in some thousands, so one loss is not a fault of the
                # device. A pause is not needed: a late answer would be to the same request.
                return await self._attempt(what, function, call)

    async def _attempt(self, what: str, function: int, call: Callable[[Client], Awaitable[ModbusPDU]]) -> ModbusPDU:
        client = await self._connected()
        settled = False
        try:
            answer = await call(client)
            settled = True
        except Exception as error:  # pymodbus does not document all errors of a request
            raise self._named(error, what) from error
        finally:
            if not settled:
                self.close()
                if isinstance(self.where, Rtu):
                    self._quiet_until = asyncio.get_running_loop().time() + QUIET_SECONDS
        if answer.isError():
            code = answer.exception_code
            refusal = HalTimeout if code in (_GATEWAY_SILENT, _BUSY) else HalRejected
            raise refusal(f"{self.where}: {what}: Modbus exception {code}")
        if answer.function_code != function:
            self.close()
            raise HalTimeout(f"{self.where}: {what}: this answers another request")
        return answer

    def _named(self, error: Exception, what: str) -> HalError:
        from pymodbus.exceptions import ConnectionException

        if isinstance(error, (ConnectionException, OSError)):
            return HalLost(f"{self.where}: {what}: {error}")
        return HalTimeout(f"{self.where}: {what}: no answer")

    async def _connected(self) -> Client:
        if self._client is not None and self._client.connected:
            return self._client
        self.close()
        client = self._new_client()
        try:
            connected = await client.connect()
            # pymodbus sets a serial port up in the loop's next round, and must not find it closed.
            await asyncio.sleep(0)
        except Exception as error:  # termios and the resolver raise other errors
            client.close()
            raise HalLost(f"{self.where}: {error}") from error
        except BaseException:
            client.close()
            raise
        if not connected:
            client.close()
            raise HalLost(f"{self.where}: cannot be opened, or does not accept a connection")
        self._client = client
        return client

    def _new_client(self) -> Client:
        self.check()
        from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

        # The station logs errors itself, with the device's name; the library would log every failed
        # request.
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        # Repetition and reconnection are done here: the library's would exceed the time limit.
        bounds: dict[str, Any] = {"timeout": REQUEST_SECONDS, "retries": 0, "reconnect_delay": 0}
        if isinstance(self.where, Tcp):
            return AsyncModbusTcpClient(self.where.host, port=self.where.port, **bounds)
        baud, parity, stop_bits = self.where.baud, self.where.parity, self.where.stop_bits
        return AsyncModbusSerialClient(self.where.device, baudrate=baud, parity=parity, stopbits=stop_bits, **bounds)


class Lines:
    """The lines of one board: devices at the same place share a line. Raises HalRejected if their
    settings differ.
    """

    def __init__(self) -> None:
        self._lines: dict[str, ModbusLine] = {}

    def at(self, where: Tcp | Rtu) -> ModbusLine:
        place = where.device if isinstance(where, Rtu) else str(where)
        found = self._lines.setdefault(place, ModbusLine(where))
        if found.where != where:
            raise HalRejected(f"one line has two settings: {found.where} and {where}")
        return found


class ModbusPart:
    """A device on a line as a part of a board: polled periodically. The fault ``LOST`` is active
    while it does not answer.
    """

    LOST: ClassVar[str]

    def __init__(self, line: ModbusLine, unit: int, *, period: float, patience: float) -> None:
        self.faults = ActiveFaults()
        self._line = line
        self._unit = unit
        self._poller = Poller(
            self._poll, period=period, patience=patience, lost=self._lost, found=lambda: self.faults.end(self.LOST)
        )

    async def open(self, tell: Tell) -> None:
        """Begin to poll. A device that does not answer is a fault until it does."""
        self._line.check()
        self.faults.tell = tell
        await self._poller.start()

    async def close(self) -> None:
        await self._poller.stop()
        self._line.close()

    async def _poll(self) -> None:
        """Ask the device. Raises HalError without a good answer."""
        raise NotImplementedError

    def _lost(self, error: HalError) -> None:
        self.faults.begin(Trouble(self.LOST, Severity.STOP, str(error)))

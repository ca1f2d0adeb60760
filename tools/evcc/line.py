"""The car's TCP connection, with or without TLS 1.2 on it: octets in, V2GTP frames out."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, Self

from secc.errors import SeccError
from secc.link.tls.chain import Handshaken
from secc.link.tls.connection import TlsConnection, connect
from secc.link.tls.context import ClientContext
from secc.link.tls.errors import TlsError
from secc.link.v2gtp import Frame, Framer

READ: Final = 65_536
SECONDS: Final = 5.0


class LineLost(SeccError):
    """The station cannot be reached, or the TLS handshake failed."""


class Reader(Protocol):
    """The methods of :class:`asyncio.StreamReader` that a line needs."""

    async def read(self, n: int) -> bytes: ...


class Writer(Protocol):
    """The methods of :class:`asyncio.StreamWriter` that a line needs."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


class Line:
    """An open connection to the station."""

    def __init__(self, reader: Reader, writer: Writer, tls: TlsConnection | None) -> None:
        self._reader, self._writer, self._tls = reader, writer, tls
        self._framer = Framer()
        self._early: list[bytes] = []

    @property
    def info(self) -> Handshaken | None:
        """Result of the handshake; None on plain TCP."""
        return self._tls.info if self._tls is not None else None

    @classmethod
    async def open(cls, host: str, port: int, scope: int, context: ClientContext | None) -> Self:
        """Connect, and complete the handshake if a context is given. Raises LineLost."""
        try:
            reader, writer = await asyncio.wait_for(cls.connect(host, port, scope), SECONDS)
        except (OSError, TimeoutError) as error:
            raise LineLost(f"[{host}]:{port}: {error}") from error
        line = cls(reader, writer, connect(context) if context is not None else None)
        if line._tls is not None:
            try:
                await asyncio.wait_for(line._shake_hands(line._tls), SECONDS)
            except (OSError, TimeoutError, TlsError) as error:
                if isinstance(error, TlsError):
                    writer.write(error.answer)
                await line.close()
                raise LineLost(f"TLS with [{host}]:{port}: {error}") from error
        return line

    @staticmethod
    async def connect(host: str, port: int, scope: int) -> tuple[Reader, Writer]:
        """Returns a TCP connection. Raises OSError."""
        return await asyncio.open_connection(f"{host}%{scope}" if scope else host, port)

    async def _shake_hands(self, tls: TlsConnection) -> None:
        while True:
            self._writer.write(tls.drain())
            if tls.established:
                return
            octets = await self._reader.read(READ)
            if not octets:
                raise LineLost("the station closed the connection during the handshake")
            self._early += tls.receive(octets)

    async def send(self, octets: bytes, name: str = "") -> None:
        """Send octets, the message of this name. Raises OSError or LineLost if the connection is
        gone.
        """
        if self._tls is None:
            self._writer.write(octets)
        else:
            try:
                self._tls.send(octets)
            except TlsError as error:
                raise LineLost(str(error)) from error
            self._writer.write(self._tls.drain())
        await self._writer.drain()

    async def frames(self) -> list[Frame] | None:
        """Returns the next frames; None at the end of the stream. Raises OSError, or FramingError
        for other octets than V2GTP.
        """
        while True:
            pieces, self._early = self._early, []
            if not pieces:
                octets = await self._reader.read(READ)
                if not octets:
                    return None
                pieces = [octets] if self._tls is None else self._tls.receive(octets)
                if self._tls is not None:
                    self._writer.write(self._tls.drain())
            frames = [frame for piece in pieces for frame in self._framer.feed(piece)]
            if frames:
                return frames
            if self._tls is not None and self._tls.peer_closed:
                return None

    async def close(self) -> None:
        """End the connection; may be repeated."""
        try:
            if self._tls is not None:
                self._writer.write(self._tls.close())
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), SECONDS)
        except (OSError, TimeoutError):
            return

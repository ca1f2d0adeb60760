"""A provisioning service behind a local socket, for a station without a backend on a network.

One connection a request, in octets::

    > secc-provisioning 1 installation 3517\n      and so many octets: the request as it came
    < exi 4021\n                                  and so many octets: the answer
    < refused no-certificate-available\n          or why there is none (``NoContract``)

The service is not trusted with what a car gets: its answer is bounded here, and checked by the
session. It is trusted with what a car sends, so only root and the station's user may decide who
listens there. What follows an answer is not read. Nothing is stored.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from certs.guard import exposed
from secc.errors import UplinkError
from secc.session.effects import PROVISIONED_OCTETS, NoContract, Provisioning, ProvisioningRefused

GREETING: Final = "secc-provisioning 1"
LINE_OCTETS: Final = 100


def problem_of(socket: Path) -> str:
    """Returns why no service can be asked at ``socket``; empty if one can."""
    problem = exposed(socket.parent) or _unheard(socket)
    return f"the provisioning service: {problem}" if problem else ""


def _unheard(socket: Path) -> str:
    try:
        return "" if socket.is_socket() else f"{socket}: no service listens there"
    except OSError as error:
        # Such as a directory that this user may not enter.
        return f"{socket}: {error.strerror}"


async def provision(socket: Path, kind: Provisioning, request: bytes, seconds: float) -> bytes | ProvisioningRefused:
    """Returns the answer of the service at ``socket``. Raises UplinkError without one in time, and
    where another user could listen in its place.
    """
    if problem := problem_of(socket):
        raise UplinkError(problem)
    try:
        async with asyncio.timeout(seconds):
            return await _exchanged(socket, kind, request)
    except TimeoutError:
        raise UplinkError(f"the provisioning service did not answer in {seconds:.1f} s") from None
    except (OSError, asyncio.IncompleteReadError) as error:
        raise UplinkError(f"the provisioning service: {type(error).__name__}") from None


async def _exchanged(socket: Path, kind: Provisioning, request: bytes) -> bytes | ProvisioningRefused:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=LINE_OCTETS)
    try:
        writer.write(f"{GREETING} {kind.value} {len(request)}\n".encode() + request)
        await writer.drain()
        try:
            line = (await reader.readuntil(b"\n")).decode("ascii").split()
        except (asyncio.LimitOverrunError, UnicodeDecodeError):
            line = []
        match line:
            case ["exi", length] if length.isdecimal():
                # One octet more than allowed is enough to refuse an answer that is too long.
                return await reader.readexactly(min(int(length), PROVISIONED_OCTETS + 1))
            case ["refused", why] if why in set(NoContract):
                return ProvisioningRefused(NoContract(why), "told by the provisioning service")
            case _:
                raise UplinkError("the provisioning service: a malformed answer")
    finally:
        writer.transport.abort()

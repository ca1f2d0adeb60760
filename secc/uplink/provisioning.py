"""A provisioning service behind a local socket, for a station without a backend on a network.

One connection a request, in octets::

    > secc-provisioning 1 installation 3517\n      and so many octets: the request as it came
    < exi 4021\n                                  and so many octets: the answer
    < refused no-certificate-available\n          or why there is none (``NoContract``)

The service is not trusted: its answer is bounded here, and checked by the session before a car
gets it. What follows an answer is not read. Nothing is stored.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from secc.errors import UplinkError
from secc.session.effects import PROVISIONED_OCTETS, NoContract, Provisioning, ProvisioningRefused

GREETING: Final = "secc-provisioning 1"
LINE_OCTETS: Final = 100


async def provision(socket: Path, kind: Provisioning, request: bytes, seconds: float) -> bytes | ProvisioningRefused:
    """Returns the answer of the service at ``socket``. Raises UplinkError without one in time."""
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

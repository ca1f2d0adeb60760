"""Modules that are imported late: not before they are wanted, and then whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import sys
from secc.late import late
late("ssl", "asyncio.sslproto")
import asyncio, secc.cli, secc.config, secc.station.station
assert "_ssl" not in sys.modules, "something at the start wants ssl"
"""

USES = {
    "a server over TLS": """
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = await asyncio.start_server(lambda reader, writer: None, "::1", 0, ssl=context)
    server.close()
import ssl
asyncio.run(main())
""",
    "a client over TLS": """
async def main():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "::1", 0)
    try:
        await asyncio.open_connection("::1", server.sockets[0].getsockname()[1], ssl=True, server_hostname="x")
    except OSError:
        pass
    server.close()
asyncio.run(main())
assert sys.modules["asyncio.sslproto"].SSLProtocol
""",
    "its names": "from ssl import SSLContext, SSLError\nimport ssl\nassert ssl.SSLContext is SSLContext",
    "many threads at once": """
import threading, ssl
seen = []
threads = [threading.Thread(target=lambda: seen.append(ssl.SSLContext)) for _ in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(seen) == 20 and len(set(seen)) == 1
""",
    "another's server": "import pymodbus.server",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_who_wants_it_gets_it(use: str) -> None:
    done = subprocess.run([sys.executable, "-c", START + use], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["--version", "version", "help", "--help", "status", "explain"])
def test_what_needs_no_station_imports_none(command: str) -> None:
    code = f"""
import sys
from secc.cli import main
try:
    main([{command!r}])
except SystemExit:
    pass
rooms = {{name.partition(".")[0] for name in sys.modules}}
assert not [name for name in sys.modules if name.startswith(("secc.station", "secc.config"))]
assert {command!r} in ("status", "explain") or not rooms & {{"cryptography", "hal", "certs"}} and "asyncio" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_station_does_not_import_what_only_tools_need() -> None:
    code = START + "assert not [name for name in sys.modules if name.startswith('asn1crypto')]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

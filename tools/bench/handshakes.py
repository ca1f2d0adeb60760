"""``python -m tools.bench.handshakes PORT PKI SECONDS``: one TLS handshake after the other with one outlet, each given up when it is complete.

Prints, as JSON, how long each took and how many were refused (an outlet takes one car at a time).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from secc.errors import SeccError
from tools.evcc.trust import Trust

from .line import TimedLine, ask


async def shake(port: int, pki: Path, seconds: float) -> dict[str, object]:
    context = Trust.load(pki).context()
    until = time.monotonic() + seconds
    took: list[float] = []
    refused = 0
    while time.monotonic() < until:
        try:
            found, scope, _ = await asyncio.to_thread(ask, "lo", port, tls=True)
            begin = time.perf_counter()
            line = await TimedLine.open(str(found.address), found.port, scope, context)
            took.append(time.perf_counter() - begin)
            await line.close()
        except (OSError, SeccError, TimeoutError):
            refused += 1
            await asyncio.sleep(0.02)
    return {"took": took, "refused": refused}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(shake(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))))

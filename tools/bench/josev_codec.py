"""Times the EXI codec of the PyPI package ``iso15118``; runs with that package's own interpreter, and needs nothing of ours.

Reads requests as JSON lines from stdin, ``{"octets": hex, "namespace": ..., "calls": n}``, and answers each with the mean microseconds of so many
calls, ``{"objects": [decode, encode]}``: octets to its message objects and back, which is what its station does with every message; null where its
models refuse the message. ``same``: whether its codec writes the octets that it has read.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    logging.disable(logging.CRITICAL)
    exi = _codec()
    print(json.dumps({"version": exi.exi_codec.get_version()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        octets, namespace, calls = bytes.fromhex(asked["octets"]), asked["namespace"], asked["calls"]
        try:
            print(json.dumps(_measured(exi, octets, namespace, calls)), flush=True)
        except Exception as error:  # noqa: BLE001  # its codec raises whatever it likes; the bench is to hear it, not to die of it
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}), flush=True)


def _codec() -> Any:
    from iso15118.shared import exi_codec, exificient_exi_codec, settings

    # None of it has type hints where this file is checked.
    package: Any = (exi_codec, exificient_exi_codec, settings)
    package[2].load_shared_settings()
    exi = package[0].EXI()
    exi.set_exi_codec(package[1].ExificientEXICodec())
    return exi


def _measured(exi: Any, octets: bytes, namespace: str, calls: int) -> dict[str, Any]:
    codec = exi.exi_codec
    found: dict[str, Any] = {"same": bytes(codec.encode(codec.decode(octets, namespace), namespace)) == octets}
    try:
        message = exi.from_exi(octets, namespace)
        both = (lambda: exi.from_exi(octets, namespace)), (lambda: exi.to_exi(message, namespace))
        found["objects"] = [mean(call, calls) for call in both]
    except Exception:  # noqa: BLE001  # its models refuse some messages that its codec reads
        found["objects"] = None
    return found


def mean(call: Callable[[], Any], calls: int) -> float:
    """Microseconds a call, over so many. Both codecs are measured by this."""
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


if __name__ == "__main__":
    main()

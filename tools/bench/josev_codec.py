"""Times the EXI codec of the PyPI package ``iso15118``: a script for that package's own interpreter.

Reads JSON lines from stdin, ``{"octets": hex, "namespace": ..., "calls": n}``, and answers each with
``{"objects": [decode, encode], "same": ...}``: mean microseconds from octets to message objects and
back, as Josev's station does it; null if its models refuse the message. ``same``: its codec writes
the octets that it has read.
"""

from __future__ import annotations

import json
import logging
import sys
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
        except Exception as error:  # noqa: BLE001  # its codec raises exceptions of many types, and the bench reports them
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
    from reference import mean  # type: ignore[import-not-found]  # in the directory of this script

    codec = exi.exi_codec
    found: dict[str, Any] = {"same": bytes(codec.encode(codec.decode(octets, namespace), namespace)) == octets}
    try:
        message = exi.from_exi(octets, namespace)
        both = (lambda: exi.from_exi(octets, namespace)), (lambda: exi.to_exi(message, namespace))
        found["objects"] = [mean(call, calls) for call in both]
    except Exception:  # noqa: BLE001  # its models refuse some messages that its codec reads
        found["objects"] = None
    return found


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes `tests/vectors/sales-tariffs-josev.json`: ChargeParameterDiscoveryRes with three tariffs, signed and encoded by the PyPI package `iso15118`.

None of its octets are ours: EXIficient, the package's codec, writes the fragments and the message, and the package signs them, with a key that is
made for the file. Run it with the interpreter of the bench's environment (`~/.cache/josev-interop/venv/bin/python`); it needs Java.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
ISO2 = "urn:iso:15118:2:2013:MsgDef"


def watts(value: int, multiplier: int = 0) -> dict[str, Any]:
    return {"Multiplier": multiplier, "Unit": "W", "Value": value}


def interval(start: int, duration: int | None = None) -> dict[str, int]:
    return {"start": start} | ({} if duration is None else {"duration": duration})


def tariff(number: int, *entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "Id": f"id{number}",
        "SalesTariffID": number,
        "SalesTariffDescription": f"tariff {number}",
        "NumEPriceLevels": len({entry["EPriceLevel"] for entry in entries}),
        "SalesTariffEntry": list(entries),
    }


def entry(level: int, start: int, duration: int) -> dict[str, Any]:
    # The package cannot write a ConsumptionCost.
    return {"EPriceLevel": level, "RelativeTimeInterval": interval(start, duration)}


TARIFFS = (
    tariff(10, entry(1, 0, 3600), entry(2, 3600, 82_800)),
    tariff(20, entry(2, 0, 7200), entry(1, 7200, 79_200)),
    tariff(30, *(entry(1 + hour % 3, hour * 7200, 7200) for hour in range(12))),
)
POWER = (
    (1, ((0, None, 11_040, 0), (3600, 82_800, 22_080, 0))),
    (2, ((0, 86_400, 7_360, 0),)),
    (255, tuple((at * 3600, None if at < 11 else 46_800, 1_000 * (at + 1), 0) for at in range(12))),
)


def main() -> None:
    from iso15118.shared import exi_codec, exificient_exi_codec, security, settings
    from iso15118.shared.messages.iso15118_2.datatypes import SalesTariff

    settings.load_shared_settings()
    exi = exi_codec.EXI()
    codec = exificient_exi_codec.ExificientEXICodec()
    exi.set_exi_codec(codec)
    fragments = []
    for one in TARIFFS:
        fragments.append((one["Id"], bytes(exi.to_exi(SalesTariff.parse_obj(one), ISO2))))
    key = ec.generate_private_key(ec.SECP256R1())
    signature = security.create_signature(fragments, key)
    tuples = [
        {
            "SAScheduleTupleID": id,
            "PMaxSchedule": {
                "PMaxScheduleEntry": [
                    {"RelativeTimeInterval": interval(start, duration), "PMax": watts(value, multiplier)}
                    for start, duration, value, multiplier in entries
                ]
            },
            "SalesTariff": one,
        }
        for (id, entries), one in zip(POWER, TARIFFS, strict=True)
    ]
    status = {"NotificationMaxDelay": 0, "EVSENotification": "None", "RCD": False}
    body = {
        "ChargeParameterDiscoveryRes": {
            "ResponseCode": "OK",
            "EVSEProcessing": "Finished",
            "SAScheduleList": {"SAScheduleTuple": tuples},
            "AC_EVSEChargeParameter": {
                "AC_EVSEStatus": status,
                "EVSENominalVoltage": {"Multiplier": 0, "Unit": "V", "Value": 230},
                "EVSEMaxCurrent": {"Multiplier": 0, "Unit": "A", "Value": 32},
            },
        }
    }
    from iso15118.shared.messages.iso15118_2.body import Body, ChargeParameterDiscoveryRes
    from iso15118.shared.messages.iso15118_2.header import MessageHeader
    from iso15118.shared.messages.iso15118_2.msgdef import V2GMessage

    message = V2GMessage(
        header=MessageHeader(session_id="0102030405060708", signature=signature),
        body=Body(
            ChargeParameterDiscoveryRes=ChargeParameterDiscoveryRes.parse_obj(body["ChargeParameterDiscoveryRes"])
        ),
    )
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    found = {
        "source": f"iso15118 {_version()} of PyPI, EXIficient",
        "public_key": public.hex(),
        "message": bytes(exi.to_exi(message, ISO2)).hex(),
        "tariffs": {id: octets.hex() for id, octets in fragments},
    }
    (VECTORS / "sales-tariffs-josev.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    codec.gateway.shutdown()


def _version() -> str:
    from importlib.metadata import version

    return version("iso15118")


if __name__ == "__main__":
    main()

"""Schedules with tariffs for tests and benches, signed with the keys of a lab PKI.

    python -m tools.tariffs --pki DIR --out DIR

writes ``schedules.toml`` and the signed tariffs beside it, for a station whose ``uplink.schedules``
is that file (docs/schedules.md). A mobility operator in the field signs with the key of the
sub-CA that issues its contracts. [V2G2-905]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from secc.iso2.messages import SCHEMA, RelativeTimeInterval, SalesTariff, SalesTariffEntry
from secc.session.signature import P256_SHA256, sign_elements

HOUR: Final = 3600
DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Example:
    """A schedule for a bench: starts in seconds, with the watts and with the price level from then
    on.
    """

    id: int
    description: str
    power: tuple[tuple[int, int], ...]
    prices: tuple[tuple[int, int], ...]


EXAMPLES: Final = (
    Example(1, "at once", ((0, 150_000), (HOUR, 22_000)), ((0, 3), (2 * HOUR, 2))),
    Example(2, "cheap", ((0, 11_000), (2 * HOUR, 50_000)), ((0, 2), (2 * HOUR, 1))),
    Example(3, "even", ((0, 22_000),), ((0, 2),)),
)


def element(example: Example) -> SalesTariff:
    """Returns the tariff of a schedule, over a day."""
    starts = [start for start, _ in example.prices]
    ends = [*starts[1:], DAY]
    return SalesTariff(
        id=f"tariff{example.id}",
        sales_tariff_id=example.id,
        sales_tariff_description=example.description,
        num_e_price_levels=max(level for _, level in example.prices),
        sales_tariff_entry=tuple(
            SalesTariffEntry(time_interval=RelativeTimeInterval(start=start, duration=end - start), e_price_level=level)
            for (start, level), end in zip(example.prices, ends, strict=True)
        ),
    )


def signed(tariffs: Sequence[SalesTariff], key: ec.EllipticCurvePrivateKey) -> tuple[list[bytes], bytes]:
    """Returns the octets of each tariff, and of the one signature over all of them."""
    signature = sign_elements({"SalesTariff": tuple(tariffs)}, key, SCHEMA, P256_SHA256)
    return [SCHEMA.fragment(tariff) for tariff in tariffs], SCHEMA.fragment(signature, "Signature")


def write(directory: Path, key: ec.EllipticCurvePrivateKey, examples: Sequence[Example] = EXAMPLES) -> Path:
    """Write the schedules below ``directory``. Returns the file for ``uplink.schedules``."""
    elements, signature = signed([element(example) for example in examples], key)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "signature.exi").write_bytes(signature)
    lines = ['signature = "signature.exi"']
    for example, octets in zip(examples, elements, strict=True):
        (directory / f"tariff-{example.id}.exi").write_bytes(octets)
        entries = ", ".join(f"{{ start = {start}, level = {level} }}" for start, level in example.prices)
        lines += [
            "",
            "[[schedule]]",
            f"id = {example.id}",
            f"power = {[list(pair) for pair in example.power]}",
            f'signed_tariff = "tariff-{example.id}.exi"',
            "[schedule.tariff]",
            f"id = {example.id}",
            f'description = "{example.description}"',
            f"levels = {max(level for _, level in example.prices)}",
            f"entries = [{entries}]",
        ]
    path = directory / "schedules.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def operator_key(directory: Path) -> ec.EllipticCurvePrivateKey:
    """Returns the key of the sub-CA that issues the contracts of a lab PKI, or of the PKI that the
    foreign car's package makes. Raises OSError or ValueError.
    """
    keys = directory / "private_keys"
    password = None
    path = directory / "authorities" / "mo_sub2.key"
    if keys.exists():
        # One password for all keys of that PKI.
        password, path = (keys / "cpsLeafPassword.txt").read_bytes().strip(), keys / "moSubCA2.key"
    key = load_pem_private_key(path.read_bytes(), password)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not an elliptic-curve key")
    return key


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 for a PKI that cannot be read and a directory that cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m tools.tariffs", description="Schedules with tariffs for a bench.")
    parser.add_argument("--pki", type=Path, required=True, help="directory of a lab PKI, as tools.pki writes it")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    options = parser.parse_args(argv)
    try:
        print(write(options.out, operator_key(options.pki)))
    except (OSError, ValueError) as error:
        print(f"tariffs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

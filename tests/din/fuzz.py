"""``make fuzz-din``: the mutated frames of ``make fuzz``, in the messages of DIN SPEC 70121."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Final

from secc.din import messages, protocol
from tests.fuzz import decoder
from tests.fuzz.frames import Dialect
from tests.pair import Pair
from tests.ways import DC_EIM
from tools.evcc.behaviour import Behaviour


def _sessions() -> Iterator[Pair]:
    yield DC_EIM.pair(Behaviour(protocols=("din",), loops=3))


DIN: Final = Dialect("din", protocol(), messages, _sessions)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz-din", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="frames; 1 000 000 by default")
    parser.add_argument("--seconds", type=float, help="of the clock on the wall, after which the run ends")
    parser.add_argument("--seed", type=int, default=15118)
    asked = parser.parse_args()
    found = decoder.run(
        asked.count, asked.seed, dialect=DIN, seconds=asked.seconds, told=lambda line: print(line, flush=True)
    )
    print(found)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""status_request_v2 over a long time: `make staples`, a few minutes. The same runs with smaller numbers are in tests/link/tls/test_status_v2.py."""

from __future__ import annotations

import pytest

from secc.link.tls.errors import TlsFlaw
from tests.link.tls.status_runs import broken_hellos, handshakes, listed

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800), listed]


def test_twenty_thousand_handshakes_leave_memory_where_it_was() -> None:
    grown = handshakes(20_000, warm=500)
    print(f"20000 handshakes: resident memory has grown by {grown} octets")
    assert grown < 600_000


def test_a_hundred_thousand_broken_hellos() -> None:
    ended = broken_hellos(100_000, seed=2)
    print(f"100000 broken hellos, seed 2: {dict(ended.most_common())}")
    assert ended["answered with a status"] > 10_000
    assert TlsFlaw.STATION_FAILED.value not in ended

"""Files that were written so long ago that their stamps tell every further change."""

from __future__ import annotations

import time

import pytest

from certs import files, truststore


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at from now on was written ten seconds before."""
    for module in (files, truststore):
        monkeypatch.setattr(module, "now_ns", lambda: time.time_ns() + 10_000_000_000)

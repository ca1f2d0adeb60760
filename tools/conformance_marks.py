"""The pytest plugin of the conformance run (``-p tools.conformance_marks``), for each worker.

It selects the tests whose ``case`` marks name a row, and adds the rows to the reports of a test. A
name that is in no other list counts as a row, so that the run finds the unknown ones.
"""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest

ELSEWHERE = re.compile(r"(A-[A-Z0-9]+-\d+|Q-\d+|SL-[A-Z]+-\d+|D\d+)")
"""Names of other lists: attacks (docs/attacks.md), quirks (docs/quirks.md), rows of SLAC, decisions
(docs/decisions/iso2.md).
"""
PROPERTY = "conformance rows"


def rows_of(item: pytest.Item) -> list[str]:
    """Returns the rows that this test proves."""
    named = [str(name) for mark in item.iter_markers("case") for name in mark.args]
    return sorted({name for name in named if not ELSEWHERE.fullmatch(name)})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if rows_of(item)]
    config.hook.pytest_deselected(items=[item for item in items if not rows_of(item)])
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.user_properties.append((PROPERTY, rows_of(item)))
    return report

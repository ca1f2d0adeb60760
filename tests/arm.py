"""Runs the suites that Arm has to pass, on the interpreter that this is: `python3 -m tests.arm [pytest arguments]`, called by tools/arm.sh.

An emulated processor is some ten times slower than a real one, so hypothesis tries few examples and knows no deadline here.
"""

from __future__ import annotations

import os
import platform
import ssl
import struct
import sys

import cryptography
import pytest

SUITES = (
    "tests/conversation",
    "tests/exi",
    "tests/link",
    "tests/tools/test_slac_bench.py",
    "tests/hal",
    "--ignore=tests/hal/sim",
)
"""Without the simulation: it runs on no board, and some of its tests judge tenths of a second by the wall."""
EXAMPLES = int(os.environ.get("ARM_EXAMPLES", "10"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring every property down to EXAMPLES, also where its own decorator says more; a profile could not."""
    # Not earlier, or pytest would warn that it cannot rewrite what is imported already.
    from hypothesis import HealthCheck, settings

    for item in items:
        test = getattr(item, "obj", None)
        declared = getattr(test, "_hypothesis_internal_use_settings", None)
        if test is not None and isinstance(declared, settings):
            test._hypothesis_internal_use_settings = settings(
                declared,
                max_examples=min(declared.max_examples, EXAMPLES),
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )


def main(arguments: list[str]) -> int:
    """Say what this machine is, then run pytest; its exit status."""
    os.environ["SECC_EMULATED"] = "1"
    print(
        f"{platform.machine()}, {8 * struct.calcsize('P')} bits, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, "
        f"cryptography {cryptography.__version__}, pytest {pytest.__version__}",
        flush=True,
    )
    return pytest.main(["-x", "-rs", "-p", "tests.arm", "--durations=8", *(arguments or SUITES)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

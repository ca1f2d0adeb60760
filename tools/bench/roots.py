"""What many installed roots cost: to load them, to load them again, and to validate a contract chain below one of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import Edition
from certs.chain import verify_chain
from certs.profile import CONTRACT_2, Role
from certs.truststore import Truststore
from tools.pki.mint import Mint

from .figures import Section
from .stations import BenchFailed, Ground

COUNTS = (10, 100, 1000, 10_000)
SETTLED_SECONDS = 3.0
"""A file that has just been written may be written again without a new time on it, so it is read again."""
VALIDATIONS = 20


def cpu(work: Callable[[], object]) -> float:
    """Milliseconds of this thread's processor time."""
    began = time.thread_time()
    work()
    return 1000.0 * (time.thread_time() - began)


def measure(ground: Ground, *, quick: bool) -> Section:
    """In this process: the store as the station reads it, and the validation of a contract as it makes it."""
    section = Section("roots", "Installed roots: processor time", ground.factor)
    counts = COUNTS[:2] if quick else COUNTS
    store = ground.directory / "roots"
    place = store / Edition.ISO2.value / Role.MO.value
    place.mkdir(parents=True)
    installed = next((ground.pki / "station" / "truststore" / Edition.ISO2.value / Role.MO.value).glob("*.pem"))
    (place / installed.name).write_bytes(installed.read_bytes())
    chain = [
        one.public_bytes(Encoding.DER)
        for one in x509.load_pem_x509_certificates((ground.pki / "car" / "contract_chain.pem").read_bytes())
    ]
    mint, now = Mint(datetime.now(UTC).replace(microsecond=0)), datetime.now(UTC)
    # One key: it is the number of names and files that counts.
    key, made = mint.key(), 1
    for count in counts:
        while made < count:
            root = mint.issue(f"Lab MO Root CA {made}", "MO", ca=True, days=3650, key=key)
            (place / f"{made:05}.pem").write_bytes(root.pem)
            made += 1
        time.sleep(SETTLED_SECONDS)
        reader = Truststore(store, max_roots=count)
        load = cpu(reader.read)
        again = cpu(reader.read)
        roots = reader.read()
        if roots.problems or len(roots.installed) != count:
            raise BenchFailed(f"{len(roots.installed)} of {count} roots: {roots.problems[:1]}")
        anchors = roots.anchors(Edition.ISO2)
        validate = statistics.median(
            cpu(partial(verify_chain, chain, CONTRACT_2, anchors, now)) for _ in range(VALIDATIONS)
        )
        section.facts[str(count)] = {"load": load, "again": again, "validate": validate}
        section.add(f"{count} roots", f"load {load:.0f} ms, again {again:.1f} ms, a contract chain {validate:.2f} ms")
    return section

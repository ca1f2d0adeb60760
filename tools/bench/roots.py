"""Cost of many installed roots: to read them, to read them again, and to validate a contract chain below one."""

from __future__ import annotations

import statistics
import time
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
from .proc import cpu_of
from .stations import BenchFailed, Ground

COUNTS = (10, 100, 1000, 10_000)
SETTLED_SECONDS = 3.0
"""The store reads a file of the last seconds again: it may be written again without another time stamp."""
VALIDATIONS = 20


def measure(ground: Ground, *, quick: bool) -> Section:
    """Measure in this process what the station does: read the store, validate a contract."""
    section = Section("roots", "Installed roots: processor time", ground.factor)
    store = ground.directory / "roots"
    place = store / Edition.ISO2.value / Role.MO.value
    place.mkdir(parents=True)
    installed = next((ground.pki / "station" / "truststore" / Edition.ISO2.value / Role.MO.value).glob("*.pem"))
    (place / installed.name).write_bytes(installed.read_bytes())
    pem = (ground.pki / "car" / "contract_chain.pem").read_bytes()
    chain = [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem)]
    mint, now = Mint(datetime.now(UTC).replace(microsecond=0)), datetime.now(UTC)
    # All roots share a key: the number of names and files is what costs.
    key, made = mint.key(), 1
    for count in COUNTS[:2] if quick else COUNTS:
        while made < count:
            root = mint.issue(f"Lab MO Root CA {made}", "MO", ca=True, days=3650, key=key)
            (place / f"{made:05}.pem").write_bytes(root.pem)
            made += 1
        time.sleep(SETTLED_SECONDS)
        reader = Truststore(store, max_roots=count)
        load, again = cpu_of(reader.read), cpu_of(reader.read)
        roots = reader.read()
        if roots.problems or len(roots.installed) != count:
            raise BenchFailed(f"{len(roots.installed)} of {count} roots: {roots.problems[:1]}")
        one = partial(verify_chain, chain, CONTRACT_2, roots.anchors(Edition.ISO2), now)
        validate = statistics.median(cpu_of(one) for _ in range(VALIDATIONS))
        section.facts[str(count)] = {"load": load, "again": again, "validate": validate}
        section.add(f"{count} roots", f"load {load:.0f} ms, again {again:.1f} ms, a contract chain {validate:.2f} ms")
    return section

"""``python -m tools.bench.slow_key CONFIG``: ``secc run`` with private keys that take 300 ms for a signature, as
those in a TPM do.

The keys of the keystore are behind a callable that sleeps before it signs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certs.keystore import SeccChain
from secc.config import load
from secc.link.tls.key import DelegatedKey
from secc.station import station
from secc.station.shared import trust

SIGN_SECONDS = 0.3


def slow(chain: SeccChain) -> DelegatedKey:
    """Returns the chain's key behind a slow callable."""
    pem = chain.key.pkcs8_pem()
    assert pem is not None
    key = load_pem_private_key(pem, None)
    assert isinstance(key, EllipticCurvePrivateKey)

    def sign(digest: bytes) -> bytes:
        time.sleep(SIGN_SECONDS)
        return key.sign(digest, ECDSA(Prehashed(SHA256())))

    return DelegatedKey(sign)


if __name__ == "__main__":
    # The station has no setting for such keys; this function alone makes a key for libssl.
    trust._key = slow  # type: ignore[assignment]  # a DelegatedKey instead of a PemKey
    sys.exit(station.run(load(Path(sys.argv[1]), {})))

"""``python -m tools.bench.slow_key CONFIG``: the station of ``secc run``, with private keys that take 300 ms for a signature, as a TPM does.

The keys are the ones of the keystore, behind a callable that sleeps before it signs: the way in which a key in a chip is reached.
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
    """The chain's key, slow to sign."""
    pem = chain.key.pkcs8_pem()
    assert pem is not None
    key = load_pem_private_key(pem, None)
    assert isinstance(key, EllipticCurvePrivateKey)

    def sign(digest: bytes) -> bytes:
        time.sleep(SIGN_SECONDS)
        return key.sign(digest, ECDSA(Prehashed(SHA256())))

    return DelegatedKey(sign)


def main() -> int:
    # The station has no setting for such keys yet; this is the one place where it makes a key for libssl.
    trust._key = slow  # type: ignore[assignment]  # a DelegatedKey where the station knows only PemKey
    return station.run(load(Path(sys.argv[1]), {}))


if __name__ == "__main__":
    sys.exit(main())

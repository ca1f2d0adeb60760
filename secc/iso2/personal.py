"""Elements with personal data: logs and traces show their hash and length only."""

from __future__ import annotations

from typing import Final

PERSONAL: Final = frozenset(
    {
        "EVCCID",
        "eMAID",
        "Certificate",
        "OEMProvisioningCert",
        "ContractSignatureEncryptedPrivateKey",
        "DHpublickey",
        "SignatureValue",
        "DigestValue",
    }
)
"""They name a car or a contract, are a key, or are made with one. The digest of an eMAID identifies
the eMAID.
"""

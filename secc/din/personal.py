"""Elements with personal data: logs and traces show their hash and length only."""

from __future__ import annotations

from typing import Final

PERSONAL: Final = frozenset(
    {
        "EVCCID",
        "ContractID",
        "Certificate",
        "OEMProvisioningCert",
        "ContractSignatureEncryptedPrivateKey",
        "DHParams",
        "SignatureValue",
        "DigestValue",
    }
)
"""They name a car or a contract, are a key, or are made with one. A station that takes no contract
hides them too: a car may send one.
"""

"""Which elements of a message are about a person: logs and traces show them by hash and length."""

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
"""Elements that name a car or a contract, are a key, or are made with one. A digest of an eMAID is as good as the eMAID."""

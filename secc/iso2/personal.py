"""What of a message is about a person, and how logs and traces show it: by hash and length."""

from __future__ import annotations

import hashlib
from typing import Any, Final

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


def personal(tree: Any) -> Any:
    """The tree of a decoded message (``secc.exi.tree``) with every personal value in it as ``{"sha256": first 16 hex, "length": n}``."""
    return _redact(tree, hidden=False)


def _redact(tree: Any, *, hidden: bool) -> Any:
    match tree:
        case {"$hex": str(text)}:
            return _hashed(bytes.fromhex(text)) if hidden else tree
        case dict():
            # An Id says nothing of anybody; it is needed to follow a signature.
            return {
                key: _redact(value, hidden=(hidden or key in PERSONAL) and key != "@Id") for key, value in tree.items()
            }
        case list():
            return [_redact(item, hidden=hidden) for item in tree]
        case str() if hidden:
            return _hashed(tree.encode())
    return tree


def _hashed(octets: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(octets).hexdigest()[:16], "length": len(octets)}

"""Trust: whose certificate this is, whether it holds, and where ours and the installed roots lie.

Knows no protocol and no event loop. Everything that is wrong with octets from outside is a :class:`TrustError`.
"""

from certs.certificates import Certificate, Edition, PublicKey, parse_certificate
from certs.chain import Anchors, VerifiedChain, verify_chain
from certs.contract import EXPIRES_SOON, Contract, verify_contract_chain
from certs.emaid import EMAID, EmaidMalformed
from certs.errors import ChainRejected, Flaw, OcspRejected, Outcome, StoreError, TrustError
from certs.keys import FileKey, PrivateKey, open_private_key
from certs.keystore import Keystore, KeystoreContents, SeccChain
from certs.profile import (
    CONTRACT_2,
    CONTRACT_20,
    CPS_2,
    OEM_PROVISIONING_2,
    SECC_2,
    SECC_20,
    VEHICLE_20,
    Profile,
    Role,
)
from certs.revocation import (
    CertificateHashData,
    OcspStatus,
    StapleCache,
    Status,
    certificate_hash_data,
    ocsp_request,
    verify_ocsp_response,
)
from certs.revoked import RevokedCertificates, read_revoked
from certs.truststore import InstalledRoot, Roots, Truststore

__all__ = [
    "CONTRACT_2",
    "CONTRACT_20",
    "CPS_2",
    "EMAID",
    "EXPIRES_SOON",
    "OEM_PROVISIONING_2",
    "SECC_2",
    "SECC_20",
    "VEHICLE_20",
    "Anchors",
    "Certificate",
    "CertificateHashData",
    "ChainRejected",
    "Contract",
    "Edition",
    "EmaidMalformed",
    "FileKey",
    "Flaw",
    "InstalledRoot",
    "Keystore",
    "KeystoreContents",
    "OcspRejected",
    "OcspStatus",
    "Outcome",
    "PrivateKey",
    "Profile",
    "PublicKey",
    "RevokedCertificates",
    "Role",
    "Roots",
    "SeccChain",
    "StapleCache",
    "Status",
    "StoreError",
    "TrustError",
    "Truststore",
    "VerifiedChain",
    "certificate_hash_data",
    "ocsp_request",
    "open_private_key",
    "parse_certificate",
    "read_revoked",
    "verify_chain",
    "verify_contract_chain",
    "verify_ocsp_response",
]

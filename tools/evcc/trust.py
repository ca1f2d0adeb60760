"""The car's trust: its own V2G roots only. Checks the station's chain, and the OCSP response
stapled to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.certificates import Certificate, Edition, parse_certificate
from certs.chain import Anchors, VerifiedChain, verify_chain
from certs.errors import ChainRejected, Outcome, TrustError
from certs.profile import SECC_2
from certs.revocation import Status, verify_ocsp_response
from secc.link.tls.chain import Handshaken, root_named
from secc.link.tls.context import ClientContext, Keylog
from secc.link.tls.errors import Alert

_ALERTS = {
    Outcome.EXPIRED: Alert.CERTIFICATE_EXPIRED,
    Outcome.NOT_YET_VALID: Alert.CERTIFICATE_EXPIRED,
    Outcome.NO_ROOT: Alert.UNKNOWN_CA,
}


class StationUntrusted(TrustError):
    """The station's chain or staple is not valid; the text says why."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Trust:
    """The car's V2G roots, and their judgment on the last station. ``context`` makes TLS
    connections that use them.
    """

    roots: tuple[Certificate, ...]
    clock: Callable[[], datetime] = _utc_now
    verified: VerifiedChain | None = None
    refused: ChainRejected | None = field(default=None, repr=False)

    @classmethod
    def load(cls, directory: Path) -> Trust:
        """Load ``v2g_root.pem``, as ``tools.pki`` writes it. Raises OSError, ValueError or
        TrustError.
        """
        found = x509.load_pem_x509_certificates((directory / "v2g_root.pem").read_bytes())
        roots = (parse_certificate(one.public_bytes(Encoding.DER), Edition.ISO2, "root") for one in found)
        return cls(tuple(roots))

    def context(self, keylog: Keylog | None = None, *, status_request: bool = True) -> ClientContext:
        """Returns a TLS context that names the car's roots (trusted_ca_keys) and asks for a staple."""
        named = [root_named(root.der) for root in self.roots]
        return ClientContext(self.judge, named, status_request, keylog=keylog)

    def judge(self, presented: tuple[bytes, ...]) -> Alert | None:
        """Returns the alert for an invalid chain; None for a valid one."""
        try:
            self.verified = verify_chain(presented, SECC_2, Anchors(v2g=self.roots), self.clock())
        except ChainRejected as refused:
            self.refused = refused
            return _ALERTS.get(refused.flaw.outcome, Alert.BAD_CERTIFICATE)
        return None

    def check_staple(self, info: Handshaken) -> str:
        """Check the leaf's staple, which a station must have if asked. [V2G2-873] Returns its
        status.
        """
        chain = self.verified
        if chain is None:
            raise StationUntrusted("no chain has been verified")
        if info.staple is None:
            raise StationUntrusted("the station stapled no OCSP response")
        issuer = chain.sub_cas[0] if chain.sub_cas else chain.anchor
        if issuer is None:
            raise StationUntrusted("the chain is below no root of this car")
        at = self.clock()
        said = verify_ocsp_response(info.staple, chain.leaf, issuer, at)
        if said.status is not Status.GOOD:
            raise StationUntrusted(f"OCSP says that the station's certificate is {said.status}")
        if not said.is_fresh(at):
            raise StationUntrusted(f"the OCSP response is of {said.this_update:%Y-%m-%d %H:%M} UTC")
        return said.status.value

    def describe(self) -> str:
        """Returns the chain from the leaf upwards, by its common names."""
        chain = self.verified
        if chain is None:
            return ""
        certificates = [chain.leaf, *chain.sub_cas, *([chain.anchor] if chain.anchor is not None else [])]
        return " < ".join((certificate.common_names or ("?",))[0] for certificate in certificates)

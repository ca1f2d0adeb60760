"""The authorities, stations and contracts of a bench, in the profile of ISO 15118-2."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .mint import CONTRACT_USAGE, TLS_USAGE, Issued, Mint, key_usage

EMAID = "DE8AACA2B3C4D5L"
PCID = "WLBV1CLE5AB12CD34X"


@dataclass(frozen=True, slots=True)
class Line:
    """A root, two sub-CAs below it, and a leaf."""

    root: Issued
    sub1: Issued
    sub2: Issued
    leaf: Issued

    @property
    def chain(self) -> tuple[Issued, Issued, Issued]:
        """The certificates that are sent: leaf, sub-CA 2, sub-CA 1."""
        return self.leaf, self.sub2, self.sub1

    @property
    def ders(self) -> list[bytes]:
        return [issued.der for issued in self.chain]

    @property
    def pem(self) -> bytes:
        return b"".join(issued.pem for issued in self.chain)


@dataclass(frozen=True, slots=True)
class LabPki:
    """The certificates of one bench: a station below two V2G roots, a car with a contract, a provisioning service."""

    mint: Mint
    secc: Line
    other_secc: Line
    """The same station below another V2G root, for cars that trust only that root."""
    contract: Line
    provisioning: Line
    """The car's OEM provisioning certificate."""
    cps: Line
    """The certificate provisioning service, below the first V2G root."""
    emaid: str = EMAID
    """The EMAID of the car's contract."""

    def ocsp_responses(self, line: Line) -> list[bytes]:
        """Returns DER in the order of the chain, each signed by a responder of that certificate's issuer."""
        signers = ((issued, issued.issuer) for issued in line.chain if issued.issuer is not None)
        return [self.mint.ocsp_response(issued, self.mint.ocsp_signer(issuer)) for issued, issuer in signers]


def build_lab_pki(at: datetime, seed: int | None = None, *, emaid: str = EMAID) -> LabPki:
    """Make a whole bench in memory, valid around ``at``; the car's contract is ``emaid``."""
    mint = Mint(at.replace(microsecond=0), seed)
    secc = _line(mint, "V2G", "CPO", "V2G", "DE8AASLABSECC00000000000000000000000001", "CPO", days=60)
    other = _line(mint, "Other V2G", "Other CPO", "V2G", "DE8AASLABSECC00000000000000000000000001", "CPO", days=60)
    contract = _line(mint, "MO", "MO", "MO", emaid, "MO", days=730)
    provisioning = _line(mint, "OEM", "OEM", "OEM", PCID, "OEM", days=4 * 365)
    cps = _line(mint, "V2G", "CPS", "CPS", "Lab CPS", "CPS", days=90, root=secc.root)
    return LabPki(mint, secc, other, contract, provisioning, cps, emaid)


_LEAF_USAGE = {"CPO": TLS_USAGE, "MO": CONTRACT_USAGE, "OEM": TLS_USAGE, "CPS": key_usage("digital_signature")}


def _line(
    mint: Mint,
    root_name: str,
    sub_name: str,
    domain: str,
    leaf_name: str,
    leaf_domain: str,
    *,
    days: int,
    root: Issued | None = None,
) -> Line:
    root = root or mint.issue(f"Lab {root_name} Root CA", domain, ca=True, days=10 * 365)
    sub1 = mint.issue(f"Lab {sub_name} Sub-CA 1", domain, root, ca=True, path_length=1, days=4 * 365)
    sub2 = mint.issue(f"Lab {sub_name} Sub-CA 2", domain, sub1, ca=True, path_length=0, days=4 * 365)
    leaf = mint.issue(leaf_name, leaf_domain, sub2, usage=_LEAF_USAGE[leaf_domain], days=days)
    return Line(root, sub1, sub2, leaf)

"""One lab PKI for all tests of trust, made once, and what a station of that lab has installed."""

from __future__ import annotations

from datetime import UTC, datetime

from certs.certificates import Certificate, Edition, parse_certificate
from certs.chain import Anchors
from tools.pki.lab import LabPki, build_lab_pki
from tools.pki.mint import Issued

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LAB = build_lab_pki(AT, seed=1)


def certificate(issued: Issued, edition: Edition = Edition.ISO2) -> Certificate:
    return parse_certificate(issued.der, edition, "test")


def anchors(lab: LabPki = LAB, mo_roots: tuple[Issued, ...] = ()) -> Anchors:
    """What the lab's station trusts; ``mo_roots`` in place of the lab's own MO root."""
    return Anchors(
        v2g=(certificate(lab.secc.root), certificate(lab.other_secc.root)),
        mo=tuple(certificate(root) for root in mo_roots or (lab.contract.root,)),
        oem=(certificate(lab.provisioning.root),),
    )

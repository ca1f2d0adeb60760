"""Parts of flawed chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from certs.errors import Flaw

from ..lab import LabPki, Line
from ..mint import CONTRACT_USAGE, Issued


@dataclass(frozen=True, slots=True)
class FlawedContract:
    """A car's certificates (DER, leaf first), the leaf's key, and the flaw that the station has to find."""

    chain: tuple[bytes, ...]
    key_pem: bytes
    flaw: Flaw
    claimed: str = ""
    """The EMAID in PaymentDetailsReq; empty: the one of the certificate."""
    mo_roots: tuple[Issued, ...] = ()


def ordered(
    lab: LabPki, flaw: Flaw, *, root: Any = None, sub1: Any = None, sub2: Any = None, leaf: Any = None
) -> FlawedContract:
    """Make a chain below the lab's MO root, or below a root of its own if ``root`` is given. Each argument overrides
    arguments of :meth:`Mint.issue`.
    """
    mint = lab.mint
    top = lab.contract.root if root is None else mint.issue("Lab MO Root CA", "MO", ca=True, days=3650, **root)
    wanted: dict[str, Any] = {"domain_component": "MO", "ca": True}
    first = mint.issue("Lab MO Sub-CA 1", issuer=top, **{**wanted, "path_length": 1, **(sub1 or {})})
    second = mint.issue("Lab MO Sub-CA 2", issuer=first, **{**wanted, "path_length": 0, **(sub2 or {})})
    order: dict[str, Any] = {"common_name": lab.emaid, "domain_component": "MO", "usage": CONTRACT_USAGE}
    last = mint.issue(issuer=second, **(order | (leaf or {})))
    return sent(Line(top, first, second, last), flaw, mo_roots=() if root is None else (top,))


def neighbour(emaid: str) -> str:
    """Returns the EMAID with another last character, without a check digit."""
    return emaid[:13] + ("6" if emaid[13] != "6" else "7")


def sent(line: Line, flaw: Flaw, *, mo_roots: tuple[Issued, ...] = ()) -> FlawedContract:
    return FlawedContract(tuple(line.ders), line.leaf.key_pem, flaw, mo_roots=mo_roots)


def unknown_extension() -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)]


def of_country(lab: LabPki, common_name: str, code: str) -> x509.Name:
    """Returns the subject of a mobility operator's certificate in this country."""
    attributes = (attribute for attribute in lab.mint.name(common_name, "MO") if attribute.oid != NameOID.COUNTRY_NAME)
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COUNTRY_NAME, code)])


def names_of_another_company() -> x509.NameConstraints:
    """Returns constraints that permit only subjects below O=Another Company; those of the lab are not."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Another Company")])
    return x509.NameConstraints(permitted_subtrees=[x509.DirectoryName(name)], excluded_subtrees=None)


def edited_leaf(lab: LabPki, edit: Callable[[asn1_x509.TbsCertificate], None], flaw: Flaw) -> FlawedContract:
    line = lab.contract
    leaf = lab.mint.resign(line.leaf.der, line.sub2.key, edit)
    return FlawedContract((leaf, line.sub2.der, line.sub1.der), line.leaf.key_pem, flaw)


def padding_to(octets: int) -> Sequence[tuple[x509.ExtensionType, bool]]:
    """Returns an unknown extension that makes a leaf of the lab at least ``octets`` long."""
    filling = b"\x04\x82" + bytes(octets - 400)
    return [(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), filling), False)]

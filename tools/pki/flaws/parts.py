"""What flawed chains are made from."""

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
    """What a car would send: certificates leaf first, the EMAID it claims, the leaf's key; and the flaw to be found."""

    chain: tuple[bytes, ...]
    key_pem: bytes
    flaw: Flaw
    claimed: str = ""
    """Empty: the one in the certificate."""
    mo_roots: tuple[Issued, ...] = ()


def ordered(
    lab: LabPki,
    flaw: Flaw,
    *,
    root: Any = None,
    sub1: Any = None,
    sub2: Any = None,
    leaf: Any = None,
) -> FlawedContract:
    """A fresh line below the lab's MO root (or, with ``root``, one of its own), with what is given ordered differently."""
    mint = lab.mint
    top = lab.contract.root if root is None else mint.issue("Lab MO Root CA", "MO", ca=True, days=3650, **root)
    wanted: dict[str, Any] = {"domain_component": "MO", "ca": True}
    first = mint.issue("Lab MO Sub-CA 1", issuer=top, **{**wanted, "path_length": 1, **(sub1 or {})})
    second = mint.issue("Lab MO Sub-CA 2", issuer=first, **{**wanted, "path_length": 0, **(sub2 or {})})
    order: dict[str, Any] = {
        "common_name": lab.emaid,
        "domain_component": "MO",
        "usage": CONTRACT_USAGE,
        **(leaf or {}),
    }
    last = mint.issue(issuer=second, **order)
    return sent(Line(top, first, second, last), flaw, mo_roots=() if root is None else (top,))


def neighbour(emaid: str) -> str:
    """The contract beside this one, without a check digit."""
    return emaid[:13] + ("6" if emaid[13] != "6" else "7")


def sent(line: Line, flaw: Flaw, *, mo_roots: tuple[Issued, ...] = ()) -> FlawedContract:
    return FlawedContract(tuple(line.ders), line.leaf.key_pem, flaw, mo_roots=mo_roots)


def unknown_extension() -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)]


def names_of_another_company() -> x509.NameConstraints:
    """Permits only subjects below O=Another Company, which the lab's are not."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Another Company")])
    return x509.NameConstraints(permitted_subtrees=[x509.DirectoryName(name)], excluded_subtrees=None)


def edited_leaf(lab: LabPki, edit: Callable[[asn1_x509.TbsCertificate], None], flaw: Flaw) -> FlawedContract:
    line = lab.contract
    leaf = lab.mint.resign(line.leaf.der, line.sub2.key, edit)
    return FlawedContract((leaf, line.sub2.der, line.sub1.der), line.leaf.key_pem, flaw)


def padding_to(octets: int) -> Sequence[tuple[x509.ExtensionType, bool]]:
    """A harmless extension that makes a leaf of the lab's contract line at least ``octets`` long."""
    return [
        (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x04\x82" + bytes(octets - 400)), False)
    ]

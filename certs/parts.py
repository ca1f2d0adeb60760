"""Parts of a certificate that ``cryptography`` does not provide: the exact octets that are hashed,
and Names.

A parser for the DER in certificates: definite lengths, tags of one octet.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509

_VERSION = 0xA0
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be"}
"""Encodings of the string types in Names by tag: UTF8, Printable, IA5, Teletex, BMP."""


class Parts(NamedTuple):
    """DER of a certificate's parts. ``key_bits``: the content of the subjectPublicKey BIT STRING
    (for P-256 the 65 octets 04 X Y).
    """

    issuer: bytes
    subject: bytes
    key: bytes
    """subjectPublicKeyInfo."""
    key_bits: bytes


def parts_of(certificate: bytes) -> Parts:
    """Parse a certificate. Raises ValueError unless it has the structure of one."""
    (whole,) = _elements(certificate)
    signed, *_ = _elements(_content(whole))
    fields = _elements(_content(signed))
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 6:
        raise ValueError(f"a certificate of {len(fields)} parts")
    _, _, issuer, _, subject, key, *_ = fields
    _, bits = _elements(_content(key))
    # A BIT STRING begins with the number of its unused bits.
    return Parts(issuer, subject, key, _content(bits)[1:])


def name_text(name: bytes) -> str:
    """Returns a Name in the form of RFC 4514, ``CN=V2G Root,O=Example``. Raises ValueError."""
    (whole,) = _elements(name)
    return x509.Name(
        x509.RelativeDistinguishedName(map(_attribute, _elements(_content(group))))
        for group in _elements(_content(whole))
    ).rfc4514_string()


def _attribute(octets: bytes) -> x509.NameAttribute[str]:
    identifier, value = _elements(_content(octets))
    text = _content(value).decode(_TEXTS.get(value[0], "ascii"))
    return x509.NameAttribute(x509.ObjectIdentifier(_dotted(_content(identifier))), text)


def _dotted(octets: bytes) -> str:
    numbers, number = [], 0
    for octet in octets:
        number = number << 7 | octet & 127
        if octet < 128:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:]))) if numbers else ""


def _elements(octets: bytes) -> list[bytes]:
    """Returns the consecutive elements, each with its tag and length."""
    found, at = [], 0
    while at < len(octets):
        start, (content, end) = at, _bounds(octets, at)
        if end > len(octets) or content > end:
            raise ValueError("truncated")
        found.append(octets[start:end])
        at = end
    return found


def _content(element: bytes) -> bytes:
    return element[_bounds(element, 0)[0] :]


def _bounds(octets: bytes, at: int) -> tuple[int, int]:
    """Returns where the content of the element at ``at`` begins and ends."""
    head = octets[at : at + 2]
    if len(head) < 2 or head[0] & 31 == 31 or head[1] == 128:
        raise ValueError("truncated, or no DER")
    content, length = at + 2, head[1]
    if length > 128:
        content += length - 128
        length = int.from_bytes(octets[at + 2 : content], "big")
    return content, content + length

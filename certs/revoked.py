"""Revoked certificates in a text file by hash data, for a station whose backend does not check
revocation.

One certificate in each line, with the fields of OCPP's OCSPRequestDataType: hash algorithm, hash of
the issuer's name, hash of the issuer's key, serial number.

    # comments and empty lines are ignored
    sha256 ISSUER_NAME_HASH ISSUER_KEY_HASH SERIAL_NUMBER        # all in hex

``openssl ocsp -sha256 -issuer sub_ca.pem -cert revoked.pem -reqout /dev/null -req_text`` prints
them. All chains below a revoked sub-CA are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from certs.errors import StoreError
from certs.files import LONGEST_LINE, paced, read_file
from certs.guard import require_guarded
from certs.revocation import CertificateHashData
from frozen import dataclass

MAX_OCTETS = 8 * 1024 * 1024
MAX_ENTRIES = 50_000

_LINE = re.compile(rb"(\S+)\s+([0-9A-Fa-f]{64})\s+([0-9A-Fa-f]{64})\s+([0-9A-Fa-f]{1,40})")


@dataclass(frozen=True, slots=True)
class RevokedCertificates:
    """The certificates in the file. ``data in revoked`` checks one."""

    _entries: frozenset[bytes] = frozenset()

    def __contains__(self, data: CertificateHashData) -> bool:
        return _entry(data.issuer_name_hash, data.issuer_key_hash, data.serial_number) in self._entries

    def __len__(self) -> int:
        return len(self._entries)


def read_revoked(path: Path) -> RevokedCertificates:
    """Returns the certificates in the file. Raises :class:`StoreError` with the line of the first
    error; the file is then not used at all.
    """
    require_guarded(path)
    octets = read_file(path, largest=MAX_OCTETS)
    return RevokedCertificates(frozenset(_entries(paced(BytesIO(octets)), path)))


def _entries(lines: Iterable[bytes], path: Path) -> Iterable[bytes]:
    count = 0
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise StoreError(path, f"line {number}: is longer than {LONGEST_LINE} octets")
        text = line.partition(b"#")[0].removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip()
        if not text:
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            raise StoreError(
                path, f"line {number}: not 'sha256', two hashes of 64 hex digits and a serial number in hex"
            )
        if found[1].lower() != b"sha256":
            raise StoreError(path, f"line {number}: the hash algorithm is not sha256")
        count += 1
        if count > MAX_ENTRIES:
            raise StoreError(path, f"line {number}: more than {MAX_ENTRIES} certificates")
        yield _entry(found[2].decode(), found[3].decode(), found[4].decode())


def _entry(name_hash: str, key_hash: str, serial_number: str) -> bytes:
    return bytes.fromhex(name_hash) + bytes.fromhex(key_hash) + int(serial_number, 16).to_bytes(20)

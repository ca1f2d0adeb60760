"""Management messages between a host and its own HomePlug modem: octets to values, and back. No
sockets.

Requests go to an address that every modem accepts as its own; answers come from the modem's real
one. HomePlug's messages have MMV 1 and two octets of fragmentation; vendors' messages have MMV 0,
no fragmentation, and the vendor's OUI. Messages between car and station are not parsed here.
"""

from __future__ import annotations

import struct
from dataclasses import field
from typing import Final

from frozen import dataclass

ETHERTYPE: Final = 0x88E1
LOCAL: Final = bytes.fromhex("00b052000001")
"""Address of the local modem, besides its own."""
BROADCAST: Final = b"\xff" * 6
MINIMUM_OCTETS: Final = 60
SHORTEST_OCTETS: Final = 17
"""Addresses, EtherType, MMV and MMTYPE: the least that a management frame has."""

HOMEPLUG: Final = 1
VENDOR: Final = 0

CM_SET_KEY_REQ: Final = 0x6008
CM_SET_KEY_CNF: Final = 0x6009
CM_NW_STATS_REQ: Final = 0x6048
CM_NW_STATS_CNF: Final = 0x6049
CC_DISCOVER_LIST_REQ: Final = 0x0014
CC_DISCOVER_LIST_CNF: Final = 0x0015

_HEADER: Final = struct.Struct("!6s6sH")
_STATION_OCTETS: Final = 12


@dataclass(frozen=True, slots=True)
class Frame:
    """One management frame; ``body`` begins after the fragmentation octets; a vendor's body begins
    with the OUI.
    """

    destination: bytes
    source: bytes
    mmv: int
    mmtype: int
    body: bytes = field(repr=False)


def parse(octets: bytes) -> Frame | None:
    """Returns the frame; None for octets that are not a management frame."""
    if len(octets) < SHORTEST_OCTETS:
        return None
    destination, source, ethertype = _HEADER.unpack_from(octets)
    if ethertype != ETHERTYPE:
        return None
    mmv = octets[14]
    return Frame(destination, source, mmv, octets[15] | octets[16] << 8, octets[17 if mmv == VENDOR else 19 :])


def build(source: bytes, mmtype: int, body: bytes = b"", *, mmv: int = HOMEPLUG, destination: bytes = LOCAL) -> bytes:
    """Returns a whole frame, padded to 60 octets."""
    head = _HEADER.pack(destination, source, ETHERTYPE) + struct.pack("<BH", mmv, mmtype)
    return (head + (b"" if mmv == VENDOR else b"\0\0") + body).ljust(MINIMUM_OCTETS, b"\0")


def set_key(source: bytes, nid: bytes, nmk: bytes, nonce: bytes) -> bytes:
    """CM_SET_KEY.REQ: KeyType NMK, the protocol of the higher layers (PID 4), NewEKS 1."""
    body = struct.pack("<B4s4sBHBB7sB16s", 1, nonce, bytes(4), 4, 0, 0, 0, nid, 1, nmk)
    return build(source, CM_SET_KEY_REQ, body)


def confirms_key(frame: Frame, nonce: bytes, modem: bytes | None) -> bool:
    """Whether this is the CM_SET_KEY.CNF to our request.

    The result code is ignored: HomePlug AV 1.0 has 1 for success, 1.1 has 0, and both are in the
    field. The answer to the station has its nonce (in one of two places: modems differ), or comes
    from the known modem.
    """
    if frame.mmtype != CM_SET_KEY_CNF or frame.mmv != HOMEPLUG or len(frame.body) < 9:
        return False
    return nonce in (frame.body[1:5], frame.body[5:9]) or (modem is not None and frame.source == modem)


def discovered(frame: Frame) -> bool | None:
    """CC_DISCOVER_LIST.CNF: whether another station of this network was heard. None for another or
    a truncated message.
    """
    if frame.mmtype != CC_DISCOVER_LIST_CNF or frame.mmv != HOMEPLUG or not frame.body:
        return None
    count = frame.body[0]
    if len(frame.body) < 1 + count * _STATION_OCTETS:
        return None
    # MAC 6, TEI 1, SameNetwork 1, and four more that are not used.
    return any(frame.body[1 + number * _STATION_OCTETS + 7] == 1 for number in range(count))


def associated(frame: Frame) -> bool | None:
    """CM_NW_STATS.CNF: whether another station is in this network. None for another message."""
    if frame.mmtype != CM_NW_STATS_CNF or frame.mmv != HOMEPLUG or not frame.body:
        return None
    return frame.body[0] > 0


def printable(octets: bytes, limit: int = 64) -> str:
    """Returns a modem's text for the log: ASCII up to the first zero, other characters as dots."""
    text = octets.split(b"\0", 1)[0][:limit]
    return "".join(chr(octet) if 32 <= octet < 127 else "." for octet in text)

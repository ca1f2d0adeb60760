"""The neighbour entry of a car, held while it is connected: a device on the line that claims the car's
address does not get the station's answers. (A-NET-05)

An entry that is permanent is not changed by neighbour advertisements. Setting one takes CAP_NET_ADMIN.
Linux, rtnetlink(7); a single entry can be asked for since Linux 5.0.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv6Address
from typing import Final

_RTM_NEWNEIGH, _RTM_DELNEIGH, _RTM_GETNEIGH = 28, 29, 30
_REQUEST, _ACK, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_NLMSG_ERROR: Final = 2
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_NONE, _NUD_PERMANENT = 0x0, 0x80
_HEADER, _NEIGHBOUR, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxxxiHBB"), struct.Struct("=HH")


def mac_of(index: int, address: IPv6Address) -> bytes | None:
    """Returns the MAC address that the kernel has for a neighbour on this interface; None if it has
    none. Raises OSError.
    """
    answer = _ask(_RTM_GETNEIGH, _REQUEST, index, _NUD_NONE, ((_NDA_DST, address.packed),))
    return None if answer is None else _attributes(answer[_NEIGHBOUR.size :]).get(_NDA_LLADDR)


def hold(index: int, address: IPv6Address, matched: bytes | None = None) -> bytes | None:
    """Make the entry that the kernel has permanent, unless it has another MAC address than the
    ``matched`` car. Returns the address that the kernel has; None if there is no entry.

    Raises OSError: PermissionError without CAP_NET_ADMIN.
    """
    mac = mac_of(index, address)
    if mac is not None and matched in (None, mac):
        attributes = ((_NDA_DST, address.packed), (_NDA_LLADDR, mac))
        _ask(_RTM_NEWNEIGH, _REQUEST | _ACK | _REPLACE | _CREATE, index, _NUD_PERMANENT, attributes)
    return mac


def release(index: int, address: IPv6Address) -> None:
    """Drop the entry. Raises OSError, unless there is none."""
    try:
        _ask(_RTM_DELNEIGH, _REQUEST | _ACK, index, _NUD_NONE, ((_NDA_DST, address.packed),))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise


def _ask(kind: int, flags: int, index: int, state: int, attributes: tuple[tuple[int, bytes], ...]) -> bytes | None:
    """Returns the kernel's message after its header; None if it says that there is no such entry, or
    acknowledges. Raises OSError.
    """
    body = _NEIGHBOUR.pack(socket.AF_INET6, index, state, 0, 0)
    for name, value in attributes:
        body += (_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), name) + value).ljust(
            _ATTRIBUTE.size + len(value) + 3 & ~3, b"\0"
        )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(1.0)
        sock.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)
        answer = sock.recv(8192)
    if _HEADER.unpack_from(answer)[1] != _NLMSG_ERROR:
        return answer[_HEADER.size :]
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if code and not (kind == _RTM_GETNEIGH and -code == errno.ENOENT):
        raise OSError(-code, errno.errorcode.get(-code, str(code)))
    return None


def _attributes(octets: bytes) -> dict[int, bytes]:
    found = {}
    while len(octets) >= _ATTRIBUTE.size:
        length, name = _ATTRIBUTE.unpack_from(octets)
        if length < _ATTRIBUTE.size:
            break
        found[name] = octets[_ATTRIBUTE.size : length]
        octets = octets[length + 3 & ~3 :]
    return found

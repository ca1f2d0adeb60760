"""The interface towards the car: its IPv6 address, and sockets that hear nothing from any other interface."""

from __future__ import annotations

import errno
import secrets
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from secc.errors import SeccError
from secc.link import sdp

DYNAMIC_PORTS = range(49152, 65536)
"""Where the TCP port of the station has to lie. [V2G2-160 ff., IANA dynamic range]"""

_TENTATIVE = 0x40
_LINK_SCOPE = 0x20
_HOST_SCOPE = 0x10


class InterfaceUnusable(SeccError):
    """The interface is missing, is down, or has no IPv6 address to serve a car on (yet)."""


@dataclass(frozen=True, slots=True)
class Place:
    """An interface with the address that cars on it can reach."""

    interface: str
    index: int
    address: IPv6Address

    @property
    def loopback(self) -> bool:
        return self.address.is_loopback

    def sockaddr(self, port: int) -> tuple[str, int, int, int]:
        scope = 0 if self.loopback else self.index
        return (str(self.address), port, 0, scope)


def locate(interface: str) -> Place:
    """The link-local address of the interface, ``::1`` for the loopback. InterfaceUnusable says what is missing."""
    try:
        index = socket.if_nametoindex(interface)
    except OSError:
        raise InterfaceUnusable(f"there is no interface {interface}") from None
    try:
        table = Path("/proc/net/if_inet6").read_text()
    except OSError:
        raise InterfaceUnusable("IPv6 is switched off on this machine") from None
    tentative = False
    for line in table.splitlines():
        octets, _, _, scope, flags, name = line.split()
        if name != interface or int(scope, 16) not in (_LINK_SCOPE, _HOST_SCOPE):
            continue
        if int(flags, 16) & _TENTATIVE:
            tentative = True
            continue
        return Place(interface, index, IPv6Address(bytes.fromhex(octets)))
    if tentative:
        raise InterfaceUnusable(f"the IPv6 address of {interface} is still tentative")
    raise InterfaceUnusable(f"{interface} has no IPv6 link-local address: is it up, and is IPv6 switched on there?")


def _tie(sock: socket.socket, interface: str) -> None:
    """Hear nothing that came in by another interface, whatever its addresses say."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except PermissionError:
        raise InterfaceUnusable(
            f"may not bind to {interface}: the kernel is older than 5.7, which asks for CAP_NET_RAW"
        ) from None


def sdp_socket(place: Place, port: int = sdp.PORT) -> socket.socket:
    """UDP, joined to ff02::1 on this interface only; also hears unicast requests. [V2G2-139]"""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Every outlet has a socket of its own on the same port; each is tied to another interface.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _tie(sock, place.interface)
        sock.bind(("::", port))
        if not place.loopback:
            group = socket.inet_pton(socket.AF_INET6, sdp.GROUP) + struct.pack("@I", place.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError as error:
        sock.close()
        raise InterfaceUnusable(f"UDP port {port} on {place.interface}: {error.strerror or error}") from error
    except InterfaceUnusable:
        sock.close()
        raise
    return sock


def tcp_socket(place: Place, port: int = 0) -> socket.socket:
    """A listening socket on the car's interface; port 0 takes a random one of the dynamic range."""
    last: OSError | None = None
    for candidate in [port] if port else [secrets.choice(DYNAMIC_PORTS) for _ in range(32)]:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _tie(sock, place.interface)
            sock.bind(place.sockaddr(candidate))
            sock.listen(4)
        except OSError as error:
            sock.close()
            last = error
            if error.errno != errno.EADDRINUSE:
                break
        except InterfaceUnusable:
            sock.close()
            raise
        else:
            return sock
    raise InterfaceUnusable(f"no TCP port on {place.interface}: {last.strerror if last else 'none free'}") from last

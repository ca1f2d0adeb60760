"""The network interface towards the car: its IPv6 address, and sockets that hear no other
interface.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv6Address
from pathlib import Path

from frozen import dataclass
from secc.errors import SeccError
from secc.link import sdp

DYNAMIC_PORTS = range(49152, 65536)
"""Range of the station's TCP port. [V2G2-160 ff., IANA dynamic range]"""

RECV_FRAGMENT_SIZE = 77
"""``IPV6_RECVFRAGSIZE`` (linux/in6.h, since 4.14): an ancillary message with a datagram that came in fragments."""

_ADDRESSES = Path("/proc/net/if_inet6")
_TENTATIVE = 0x40
_LINK_SCOPE = 0x20
_HOST_SCOPE = 0x10


class InterfaceUnusable(SeccError):
    """The interface is missing, is down, or has no IPv6 address (yet) that a car can reach."""


class PortTaken(SeccError):
    """Another program has the port on this interface, most likely a second station."""


@dataclass(frozen=True, slots=True)
class Place:
    """An interface and its address that cars can reach."""

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
    """Returns the interface with its link-local address, ``::1`` for the loopback. Raises InterfaceUnusable."""
    try:
        index = socket.if_nametoindex(interface)
    except OSError:
        raise InterfaceUnusable(f"there is no interface {interface}") from None
    try:
        table = _ADDRESSES.read_bytes()
    except OSError:
        raise InterfaceUnusable("IPv6 is switched off on this machine") from None
    return _place(interface, index, table)


@lru_cache(maxsize=64)
def _place(interface: str, index: int, table: bytes) -> Place:
    """Find it in the kernel's ``table``. Cached: each outlet looks every second, and the table
    hardly ever changes.
    """
    tentative = False
    for line in table.decode().splitlines():
        octets, _, _, scope, flags, name = line.split()
        if name == interface and int(scope, 16) in (_LINK_SCOPE, _HOST_SCOPE):
            if not int(flags, 16) & _TENTATIVE:
                return Place(interface, index, IPv6Address(bytes.fromhex(octets)))
            tentative = True
    if tentative:
        raise InterfaceUnusable(f"the IPv6 address of {interface} is still tentative")
    raise InterfaceUnusable(f"{interface} has no IPv6 link-local address: is it up, and is IPv6 switched on there?")


@contextmanager
def _tied(place: Place, kind: socket.SocketKind) -> Iterator[socket.socket]:
    """A socket that hears no other interface, whatever its addresses say; closed after an error."""
    sock = socket.socket(socket.AF_INET6, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, place.interface.encode() + b"\0")
        except PermissionError:
            why = "a kernel before 5.7 asks for CAP_NET_RAW"
            raise InterfaceUnusable(f"may not bind to {place.interface}: {why}") from None
        yield sock
    except BaseException:
        sock.close()
        raise


def sdp_socket(place: Place, port: int = sdp.PORT) -> socket.socket:
    """Returns a UDP socket, joined to ff02::1 on this interface only; it also hears unicast requests. [V2G2-139]

    Raises PortTaken, InterfaceUnusable. The port is not shared (no SO_REUSEADDR): each of two programs would believe that it
    serves the cars of this interface. Outlets may have the same port, each on its own interface.
    """
    group = socket.inet_pton(socket.AF_INET6, sdp.GROUP) + struct.pack("@I", place.index)
    try:
        with _tied(place, socket.SOCK_DGRAM) as sock:
            sock.bind(("::", port))
            sock.setsockopt(socket.IPPROTO_IPV6, RECV_FRAGMENT_SIZE, 1)
            if not place.loopback:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
            return sock
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"UDP port {port} on {place.interface} is taken") from error
        raise InterfaceUnusable(f"UDP port {port} on {place.interface}: {error.strerror or error}") from error


def tcp_socket(place: Place, port: int = 0) -> socket.socket:
    """Returns a listening socket on the car's interface; port 0: a random one of the dynamic range."""
    last: OSError | None = None
    for candidate in [port] if port else [secrets.choice(DYNAMIC_PORTS) for _ in range(32)]:
        try:
            with _tied(place, socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(place.sockaddr(candidate))
                sock.listen(4)
                return sock
        except OSError as error:
            last = error
            if error.errno != errno.EADDRINUSE:
                break
    raise InterfaceUnusable(f"no TCP port on {place.interface}: {last.strerror if last else 'none free'}") from last


def holder(port: int) -> str:
    """Returns who else has this UDP port, in words. Blocks: it searches /proc. A process that it
    may not look into is named by its user.
    """
    users: dict[str, str] = {}
    for line in Path("/proc/net/udp6").read_text().splitlines()[1:]:
        _, local, _, _, _, _, _, user, _, inode, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port:
            users[f"socket:[{inode}]"] = user
    names, unseen = [], []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = _command(process)
            found = [users.pop(link) for one in (process / "fd").iterdir() if (link := str(one.readlink())) in users]
        except PermissionError:
            if _user(process) in users.values():
                unseen.append(name)
            continue
        except OSError:
            continue
        if found and process.name != str(os.getpid()):
            names.append(name)
    if users:
        # Only root may look at a station's descriptors; the table still names the user of a socket.
        owners = f"user {', '.join(sorted(set(users.values())))}"
        names.append(" or ".join(unseen) or f"a process of {owners} (as root, `ss -6ulpn sport = {port}` names it)")
    return " and ".join(names) or "a program that cannot be seen from here"


def _command(process: Path) -> str:
    """Returns number and command of a process."""
    words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return f"process {process.name} ({words[:100]})"


def _user(process: Path) -> str:
    """Returns the number of a process's user; empty after its end. The owner of its directory is
    root if it is not dumpable, so do not ask that.
    """
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split()[1] for line in lines if line.startswith("Uid:")), "")

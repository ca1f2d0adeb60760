"""A device on the car's line that makes its own Ethernet frames: ``python -m tests.live.rogue WHAT INTERFACE ...``, in the car's namespace."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

ROGUE = bytes.fromhex("026666666666")
UDP, FRAGMENT, ICMPV6 = 17, 44, 58
SDP_PORT = 15118
ASK = bytes.fromhex("01fe9000000000021000")


def checksum(source: IPv6Address, target: IPv6Address, kind: int, octets: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(octets) + 1) // 2}H", octets + b"\0" * (len(octets) % 2)))
    total += sum(struct.unpack("!16H", source.packed + target.packed)) + len(octets) + kind
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source: IPv6Address, target: IPv6Address, kind: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), kind, 255) + source.packed + target.packed + payload


def advertisement(car: IPv6Address, station: IPv6Address) -> bytes:
    """A neighbour advertisement, solicited and overriding: the car's address is at the rogue's MAC."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + car.packed + b"\x02\x01" + ROGUE
    found = checksum(car, station, ICMPV6, body)
    return packet(car, station, ICMPV6, body[:2] + struct.pack("!H", found) + body[4:])


def request(car: IPv6Address, station: IPv6Address, port: int, cut: str) -> Iterator[bytes]:
    """An SDP request: ``whole``, in two ``fragments``, or in two that ``overlap``."""
    datagram = struct.pack("!HHHH", port, SDP_PORT, 8 + len(ASK), 0) + ASK
    datagram = datagram[:6] + struct.pack("!H", checksum(car, station, UDP, datagram)) + datagram[8:]
    if cut == "whole":
        yield packet(car, station, UDP, datagram)
        return
    # Offsets count eight octets. The second part begins behind the first, or within it.
    at = 8 if cut == "overlap" else 16
    for offset, part, more in ((0, datagram[:16], 1), (at, datagram[at:], 0)):
        header = struct.pack("!BBHI", UDP, 0, offset | more, 4711 + at)
        yield packet(car, station, FRAGMENT, header + part)


def main(what: str, interface: str, station: str, *more: str) -> None:
    index = socket.if_nametoindex(interface)
    lines = Path("/proc/net/if_inet6").read_text().splitlines()
    car = next(IPv6Address(bytes.fromhex(line.split()[0])) for line in lines if line.split()[-1] == interface)
    mac = bytes.fromhex(Path(f"/sys/class/net/{interface}/address").read_text().strip().replace(":", ""))
    target = IPv6Address(station)
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        raw.bind((interface, 0))
        to = bytes.fromhex(more[0].replace(":", ""))
        if what == "advertise":
            raw.send(to + ROGUE + b"\x86\xdd" + advertisement(car, target))
            return
        udp = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        udp.bind(("::", 0, 0, index))
        udp.settimeout(1.0)
        for one in request(car, target, udp.getsockname()[1], what):
            raw.send(to + mac + b"\x86\xdd" + one)
        try:
            print(udp.recv(100).hex())
        except TimeoutError:
            print("nothing")


if __name__ == "__main__":
    main(*sys.argv[1:])

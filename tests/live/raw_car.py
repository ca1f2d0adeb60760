"""A car with an IPv6 stack of its own, as far as SDP and the first segment of TCP: ``python -m tests.live.raw_car HABIT INTERFACE STATION``.

The kernel's IPv6 has to be off on the interface. It prints what it saw, in order.
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from secc.link import sdp
from tests.live.rogue import ICMPV6, UDP, checksum, packet

TCP = 6
MAC = bytes.fromhex("02ca00000001")
CAR = IPv6Address("fe80::ca:1")
ALL_NODES = IPv6Address("ff02::1")
SOLICITATION, ADVERTISEMENT = 135, 136
IPV6 = b"\x86\xdd"
PORT = 50_000
SYN, SYN_ACK = 0x02, 0x12
SECONDS = 5.0


@dataclass(frozen=True)
class Habit:
    """How a car deals with neighbour discovery."""

    answers: bool
    """It answers the station's solicitation."""
    before: bool = False
    """It solicits the station before it asks by SDP."""
    after: bool = False
    """It solicits the station after the SDP answer."""


HABITS = {
    "neither": Habit(answers=False),
    "never-solicits": Habit(answers=True),
    "solicits-late": Habit(answers=True, after=True),
    "solicits-early-and-never-answers": Habit(answers=False, before=True),
}


class RawCar:
    def __init__(self, interface: str, station: IPv6Address) -> None:
        self.station = station
        self.there = b""
        """The station's MAC address, as the car has learnt it."""
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
        self.raw.bind((interface, 0x86DD))

    def send(self, to: bytes, source: IPv6Address, target: IPv6Address, kind: int, body: bytes, at: int) -> None:
        """``at``: where the checksum of the body stands."""
        summed = body[:at] + struct.pack("!H", checksum(source, target, kind, body)) + body[at + 2 :]
        self.raw.send(to + MAC + IPV6 + packet(source, target, kind, summed))

    def solicit(self) -> None:
        group = IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + self.station.packed[13:])
        body = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + self.station.packed + b"\x01\x01" + MAC
        self.send(b"\x33\x33" + group.packed[12:], CAR, group, ICMPV6, body, 2)

    def advertise(self, to: bytes) -> None:
        body = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, 0x60000000) + CAR.packed + b"\x02\x01" + MAC
        self.send(to, CAR, self.station, ICMPV6, body, 2)

    def discover(self) -> None:
        request = sdp.build_request(sdp.Security.NONE)
        body = struct.pack("!HHHH", PORT, sdp.PORT, 8 + len(request), 0) + request
        self.send(b"\x33\x33\x00\x00\x00\x01", CAR, ALL_NODES, UDP, body, 6)

    def connect(self, port: int) -> None:
        body = struct.pack("!HHIIBBHHH", PORT, port, 1, 0, 5 << 4, SYN, 0xFFFF, 0, 0)
        self.send(self.there, CAR, self.station, TCP, body, 16)

    def until(self, habit: Habit, seen: Callable[[bytes, int, bytes], bool], again: Callable[[], None]) -> bool:
        """Ask, and handle frames until one is what was waited for."""
        end = time.monotonic() + SECONDS
        for _ in itertools.count():
            again()
            once = min(end, time.monotonic() + 0.5)
            while (left := once - time.monotonic()) > 0.0:
                self.raw.settimeout(left)
                try:
                    frame = self.raw.recv(2048)
                except TimeoutError:
                    break
                source, kind, body = frame[6:12], frame[20], frame[54:]
                target = IPv6Address(frame[38:54])
                solicited = kind == ICMPV6 and body[0] == SOLICITATION and body[8:24] == CAR.packed
                if solicited and habit.answers and source != MAC:
                    self.advertise(source)
                elif target == CAR and seen(source, kind, body):
                    return True
            if time.monotonic() >= end:
                return False
        raise AssertionError


def main(name: str, interface: str, station: str) -> None:
    habit, car = HABITS[name], RawCar(interface, IPv6Address(station))
    found: list[sdp.Response] = []

    def advertised(source: bytes, kind: int, body: bytes) -> bool:
        if kind == ICMPV6 and body[0] == ADVERTISEMENT and body[8:24] == car.station.packed:
            car.there = source
            return True
        return False

    def discovered(source: bytes, kind: int, body: bytes) -> bool:
        if kind == UDP and int.from_bytes(body[:2]) == sdp.PORT:
            found.append(sdp.parse_response(body[8:]))
            car.there = car.there or source
            return True
        return False

    def accepted(source: bytes, kind: int, body: bytes) -> bool:
        return kind == TCP and body[13] & SYN_ACK == SYN_ACK

    if habit.before:
        print("advertised" if car.until(habit, advertised, car.solicit) else "no advertisement")
    print("discovered" if car.until(habit, discovered, car.discover) else "no answer")
    if habit.after:
        print("advertised" if car.until(habit, advertised, car.solicit) else "no advertisement")
    if found:
        print("accepted" if car.until(habit, accepted, lambda: car.connect(found[0].port)) else "no connection")


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Two Green PHY modems and the line between them, on two veth interfaces. Standard library only.

EV host <-> veth <-> [this process] <-> veth <-> EVSE host

* forwards frames of EtherType 0x88E1 (and everything else, with --gate only while both ends hold the same key)
* answers, for each end, what its host says to its own modem: key, version, restart, link, operating attributes
* gives the EVSE's host a CM_ATTEN_PROFILE.IND for every CM_MNBC_SOUND.IND of the EV's
* writes every frame, with time and direction, as a line of JSON

A control socket (--control PATH, unix datagrams) takes ``noise on``, ``noise off``, ``evse dead``, ``evse alive``.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import struct
import sys
import time
from typing import Any

HOMEPLUG = 0x88E1
ETH_P_ALL = 3
OUTGOING = 4
SOL_PACKET, PACKET_VNET_HDR = 263, 15
LOCAL = bytes.fromhex("00b052000001")
BROADCAST = b"\xff" * 6
QUALCOMM = bytes.fromhex("00b052")
LUMISSIL = bytes.fromhex("0016e8")
NAMES = {
    0x0014: "CC_DISCOVER_LIST",
    0x6008: "CM_SET_KEY",
    0x600C: "CM_GET_KEY",
    0x601C: "CM_AMP_MAP",
    0x6048: "CM_NW_STATS",
    0x6064: "CM_SLAC_PARM",
    0x6068: "CM_START_ATTEN_CHAR",
    0x606C: "CM_ATTEN_CHAR",
    0x6074: "CM_MNBC_SOUND",
    0x6078: "CM_VALIDATE",
    0x607C: "CM_SLAC_MATCH",
    0x6084: "CM_ATTEN_PROFILE",
    0xA000: "VS_SW_VER",
    0xA01C: "VS_RS_DEV",
    0xA038: "VS_NW_INFO",
    0xA068: "VS_OP_ATTR",
    0xA0B8: "LINK_STATUS",
    0xAC6C: "NSCM_GET_VERSION",
    0xAC70: "NSCM_RESET_DEVICE",
    0xAC9C: "NSCM_GET_D_LINK_STATUS",
}
SOUND, PROFILE, MATCH_CNF, ATTEN_RSP = 0x6076, 0x6086, 0x607D, 0x606F


def name(mmtype: int) -> str:
    return f"{NAMES.get(mmtype & ~3, hex(mmtype & ~3))}.{('REQ', 'CNF', 'IND', 'RSP')[mmtype & 3]}"


def build(destination: bytes, source: bytes, mmv: int, mmtype: int, body: bytes) -> bytes:
    head = destination + source + struct.pack("!H", HOMEPLUG) + bytes([mmv]) + struct.pack("<H", mmtype)
    return (head + (b"\0\0" if mmv else b"") + body).ljust(60, b"\0")


class Port:
    """One modem, with the socket to its host."""

    def __init__(self, label: str, interface: str, mac: bytes, vendor: str, result: int) -> None:
        self.label, self.mac, self.vendor, self.result = label, mac, vendor, result
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        # Hosts leave checksums and segmentation to an interface that has no hardware to do them; with this header the next host is told.
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.bind((interface, ETH_P_ALL))
        self.nid = self.nmk = b""
        self.alive = True

    def send(self, frame: bytes, offload: bytes = bytes(10)) -> None:
        self.socket.send(offload + frame)

    def joined(self, other: Port) -> bool:
        return bool(self.nmk) and self.nmk == other.nmk


class Emulator:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        vendor = options.vendor
        self.ev = Port("ev", options.ev_interface, bytes.fromhex("00b052aa0001"), "qualcomm", options.ev_result)
        self.evse = Port("evse", options.evse_interface, bytes.fromhex("00b052bb0001"), vendor, options.result)
        self.evse.alive = not options.dead
        self.noise = False
        self.lose = {SOUND: options.drop_sounds, MATCH_CNF: options.drop_match, ATTEN_RSP: options.drop_rsp}
        self.log = open(options.log, "w", buffering=1)  # noqa: SIM115  # open as long as the process lives
        self.began = time.monotonic()
        self.control: socket.socket | None = None
        if options.control:
            self.control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.control.bind(options.control)

    def record(self, direction: str, frame: bytes, note: str = "") -> None:
        (mmtype,) = struct.unpack_from("<H", frame, 15)
        at = round(time.monotonic() - self.began, 4)
        row = {"t": at, "direction": direction, "name": name(mmtype), "frame_hex": frame.hex(), "note": note}
        self.log.write(json.dumps(row) + "\n")

    def reply(self, port: Port, frame: bytes, note: str = "modem") -> None:
        port.send(frame)
        self.record(f"{port.label}_modem->{port.label}_host", frame, note)

    def answer(self, port: Port, other: Port, frame: bytes) -> bool:
        """What a host said to its own modem; True when that is the end of it."""
        host = frame[6:12]
        (mmtype,) = struct.unpack_from("<H", frame, 15)
        if mmtype == 0x6008:
            port.nid, port.nmk = frame[33:40], frame[41:57]
            body = bytes([port.result]) + frame[20:24] + bytes(4) + b"\x04\0\0\0\0"
            self.reply(port, build(host, port.mac, 1, 0x6009, body))
            return True
        if mmtype == 0x600C:
            for modem in (port, other) if port.joined(other) else (port,):
                body = b"\0\x01" + frame[28:32] + b"\x11\x22\x33\x44" + modem.nid.ljust(7, b"\0") + b"\x01\x04\0\0\0"
                self.reply(port, build(host, modem.mac, 1, 0x600D, body + modem.nmk.ljust(16, b"\0")))
            return True
        if mmtype == 0x0014:
            station = other.mac + bytes([2, port.joined(other), 1, 0, 30, 40])
            if port.vendor != "mute":
                self.reply(port, build(host, port.mac, 1, 0x0015, b"\x01" + station + b"\0"))
            return True
        if mmtype & 0xE000 == 0xA000:
            answer = self.vendor_answer(port, other, mmtype, frame)
            if answer is None:
                self.record(f"{port.label}_host->{port.label}_modem", frame, "unanswered")
            else:
                self.reply(port, build(host, port.mac, 0, mmtype + 1, answer))
            return True
        return bool(mmtype == 0x6048)

    def vendor_answer(self, port: Port, other: Port, mmtype: int, frame: bytes) -> bytes | None:
        up = bytes([port.joined(other)])
        if port.vendor == "qualcomm" and frame[17:20] == QUALCOMM:
            version = b"MAC-QCA7005-1.1.0.730-04-20140815-CS"
            bodies = {
                0xA000: b"\0\x22" + bytes([len(version)]) + version.ljust(64, b"\0"),
                0xA01C: b"\0",
                0xA0B8: b"\0" + up,
            }
            return QUALCOMM + bodies[mmtype] if mmtype in bodies else None
        if port.vendor == "lumissil" and frame[17:20] == LUMISSIL:
            bodies = {0xAC6C: struct.pack("<5H", 1, 9, 7, 5, 0), 0xAC9C: up}
            return LUMISSIL + bytes(19) + bodies[mmtype] if mmtype in bodies else None
        return None

    def homeplug(self, port: Port, other: Port, frame: bytes) -> None:
        (mmtype,) = struct.unpack_from("<H", frame, 15)
        if not port.alive:
            self.record("lost", frame, "the modem is dead")
            return
        if frame[:6] in (LOCAL, port.mac) or (frame[:6] == BROADCAST and mmtype in (0x6008, 0x600C, 0xA000)):
            self.record(f"{port.label}_host->{port.label}_modem", frame)
            if self.answer(port, other, frame):
                return
        if self.noise or not other.alive:
            self.record("lost", frame, "noise" if self.noise else "the other modem is dead")
            return
        if self.lose.get(mmtype, 0) > 0:
            self.lose[mmtype] -= 1
            self.record("lost", frame, "dropped on the line")
            return
        self.record(f"{port.label}->{other.label}", frame)
        other.send(frame)
        if mmtype == SOUND and port is self.ev and not self.options.no_profile:
            groups = bytes((self.options.atten + (i * 7) % 5 - 2) & 0xFF for i in range(self.options.groups))
            body = frame[6:12] + bytes([self.options.groups, 0]) + groups
            self.reply(self.evse, build(BROADCAST, self.evse.mac, 1, PROFILE, body), "profile")

    def run(self) -> None:
        ends: dict[Any, tuple[Port, Port]] = {
            self.ev.socket: (self.ev, self.evse),
            self.evse.socket: (self.evse, self.ev),
        }
        listening = [*ends, *([self.control] if self.control else [])]
        print("ready", flush=True)
        while True:
            for ready in select.select(listening, [], [])[0]:
                if self.control is not None and ready is self.control:
                    self.obey(ready.recv(100).decode())
                    continue
                port, other = ends[ready]
                octets, address = ready.recvfrom(70_000)
                offload, frame = octets[:10], octets[10:]
                if address[2] == OUTGOING or len(frame) < 17:
                    continue
                if frame[12:14] == b"\x88\xe1":
                    self.homeplug(port, other, frame)
                elif not self.noise and (not self.options.gate or port.joined(other)):
                    other.send(frame, offload)

    def obey(self, command: str) -> None:
        match command.split():
            case ["noise", state]:
                self.noise = state == "on"
            case ["evse", state]:
                self.evse.alive = state == "alive"
            case _:
                print(f"what is {command!r}?", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("ev_interface")
    parser.add_argument("evse_interface")
    parser.add_argument("log")
    parser.add_argument(
        "--result", type=int, default=1, help="CM_SET_KEY.CNF of the EVSE's modem: QCA says 1, the standard 0"
    )
    parser.add_argument(
        "--ev-result", type=int, default=1, help="the same for the EV's modem; pev takes 0 for a failure"
    )
    parser.add_argument("--atten", type=int, default=28, help="dB")
    parser.add_argument(
        "--groups", type=int, default=58, help="0: profiles without figures, as a QCA7420 adapter sends them"
    )
    parser.add_argument("--no-profile", action="store_true", help="an EVSE's modem that never reports a profile")
    parser.add_argument("--drop-sounds", type=int, default=0, help="lose the first N sounds")
    parser.add_argument("--drop-match", type=int, default=0, help="lose the first N CM_SLAC_MATCH.CNF")
    parser.add_argument("--drop-rsp", type=int, default=0, help="lose the first N CM_ATTEN_CHAR.RSP")
    parser.add_argument("--gate", action="store_true", help="let IP through only while both ends hold the same key")
    parser.add_argument("--vendor", choices=("qualcomm", "lumissil", "neutral", "mute"), default="qualcomm")
    parser.add_argument("--dead", action="store_true", help="the EVSE's modem answers nothing")
    parser.add_argument("--control", default="", help="path of a unix datagram socket")
    Emulator(parser.parse_args()).run()


if __name__ == "__main__":
    main()

"""``secc doctor``: tries out the machine, the network and the hardware of a station, after the
checks of ``secc check``.

It opens what it tests and closes it again. It leaves the hardware of a running station alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from hal.errors import HalError
from hal.linux.errors import NoPermission
from hal.linux.modem import open_modem
from hal.open import open_hal, recognise
from hal.ports import Board, PlcModem
from secc.config import Config, OutletSettings
from secc.config.choices import Modem
from secc.link import sdp
from secc.link.tls.errors import TlsUnavailable
from secc.link.tls.libssl import system_libssl
from secc.ops import installed
from secc.ops.check import report
from secc.ops.finding import Finding, bad, note, skipped
from secc.ops.firewall import Filter, RulesUnreadable, lets_in, read_filter
from secc.ops.hardening import hardened
from secc.ops.network import InterfaceUnusable, Place, locate
from secc.ops.places import is_running, nearest
from secc.ops.unit import Unit

BOARD_SECONDS = 10.0
"""Limit for a board or modem that hangs; drivers promise to open in 5 s."""
COMMAND_SECONDS = 5.0
SPARE_BYTES = 50_000_000
"""For state, a log and an update that is being unpacked, besides the limits of traces and sessions.
"""
LEAST_BYTES = 5_000_000
SHOWN = 3
"""Rules of a packet filter shown for each need of a car."""
MODEM_REMEDY = "is the modem powered, and on this interface? `secc slac-bench` shows what goes over the line"

_SIOCGIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8913, 0x1, 0x40  # linux/sockios.h, net/if.h

Text = tuple[str, str]
"""A command's name and its output."""


def table(wires: Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]) -> Iterator[str]:
    """Yields the wiring of an outlet as lines: each type, who performs or answers it or is told of
    it, and which conversations hear it.
    """
    rows = [("what is said", "performed, answered, told", "heard by")]
    rows += [(name, ", ".join(performers), ", ".join(heard)) for name, performers, heard in wires]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for first, second, third in rows:
        yield f"{first:{widths[0]}}  {second:{widths[1]}}  {third}".rstrip()


def examine(config: Config, unit: Unit | None = None, filters: tuple[Text, ...] | None = None) -> Iterator[Finding]:
    """Yields all findings about this configuration on this machine as they are made. Blocks."""
    yield from report(config, unit)
    yield from installed.findings()
    yield _libssl()
    yield from _storage(config)
    filters = tuple(packet_filters()) if filters is None else filters
    yield _raw_sockets(config)
    for outlet in config.outlets:
        yield from _network(outlet, filters)
    yield from asyncio.run(_hardware(config, is_running(config)))


# --- The machine ---


def _libssl() -> Finding:
    try:
        return Finding("libssl", system_libssl().version_text)
    except TlsUnavailable as error:
        return bad("libssl", f"{error}: install libssl3 (Debian) or openssl 3 (Yocto)")


def _storage(config: Config) -> Iterator[Finding]:
    wanted = {config.station.state_directory: SPARE_BYTES}
    traces = config.trace_directory
    wanted[traces] = wanted.get(traces, 0) + int(config.trace.cap_megabytes * 1e6)
    uplink = config.uplink
    for path, megabytes in (
        (uplink.sessions, uplink.sessions_megabytes),
        (uplink.receipts, uplink.receipts_megabytes),
    ):
        if path is not None:
            wanted[path.parent] = wanted.get(path.parent, 0) + int(megabytes * 1e6)
    for directory, needed in wanted.items():
        yield _directory(directory, needed)


def _directory(directory: Path, needed: int) -> Finding:
    """Whether a directory can be written and has room, by writing a file. A missing one is judged
    by the place where it would be made.
    """
    there = nearest(directory)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(there).free
    except OSError as error:
        remedy = f"give it to the user that the station runs as: chown USER {there}"
        return bad("disk", f"{directory} cannot be written: {error.strerror or error}; {remedy}")
    room = f"{directory}{'' if there == directory else ' (to be made)'} can be written, {free / 1e6:.0f} MB free"
    if free < LEAST_BYTES:
        return bad("disk", f"{room}: full; make room")
    if free < needed:
        remedy = "lower trace.cap_megabytes, uplink.sessions_megabytes or uplink.receipts_megabytes"
        return note("disk", f"{room}, but {needed / 1e6:.0f} MB may be needed: {remedy}")
    return Finding("disk", room)


# --- The network ---


def _network(outlet: OutletSettings, filters: tuple[Text, ...]) -> Iterator[Finding]:
    subject = f"outlet {outlet.name}"
    if _has_carrier(outlet.interface) is False:
        yield bad(subject, f"{outlet.interface} has no carrier: is the modem powered, and its cable in?")
    try:
        place = locate(outlet.interface)
    except InterfaceUnusable as error:
        # The check has reported this already; without an address there is nothing to filter.
        yield skipped(subject, f"firewall not checked: {error}")
        return
    if not place.loopback:
        yield from hardened(subject, place.interface)
    yield from _firewall(subject, outlet, place, filters)


def _raw_sockets(config: Config) -> Finding:
    if all(outlet.modem is not Modem.PACKET for outlet in config.outlets):
        return skipped("raw sockets", "not needed: no outlet has modem = 'packet'")
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return bad("raw sockets", f"may not be opened ({error.strerror}): AmbientCapabilities=CAP_NET_RAW in the unit")
    return Finding("raw sockets", "may be opened (CAP_NET_RAW)")


def _has_carrier(interface: str) -> bool | None:
    """Returns whether the line has a carrier; None for an interface that is down or missing, which
    the check reports.
    """
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16sH14x", interface.encode(), 0))
        except OSError:
            return None
    flags: int = struct.unpack_from("16sH", answer)[1]
    return bool(flags & _IFF_RUNNING) if flags & _IFF_UP else None


def packet_filters() -> Iterator[Text]:
    """Yields the output of the machine's packet filters, if this user may read them.

    Today's ip6tables writes into nftables, so it is asked only if nft says nothing.
    """
    understood = False
    for command in (("nft", "-a", "list", "ruleset"), ("ip6tables-legacy-save",), ("ip6tables-save",)):
        path = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None or (command[0] == "ip6tables-save" and understood):
            continue
        try:
            done = subprocess.run(  # noqa: S603  # a fixed command of the system, without anything from outside
                (path, *command[1:]), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if done.returncode == 0:
            understood |= command[0] == "nft"
            yield command[0], done.stdout


def _firewall(subject: str, outlet: OutletSettings, place: Place, filters: tuple[Text, ...]) -> Iterator[Finding]:
    if place.loopback:
        return
    if not filters:
        why = "nothing is known" if os.geteuid() == 0 else "look as root"
        yield skipped(subject, f"firewall: neither nft nor ip6tables-save shows its rules: {why}")
    for command, text in filters:
        try:
            yield from _filtered(subject, outlet, command, read_filter(command, text))
        except RulesUnreadable as error:
            yield skipped(subject, f"firewall: {error}: check it by hand")


def _filtered(subject: str, outlet: OutletSettings, command: str, rules: Filter) -> Iterator[Finding]:
    """Names the rules of a packet filter that may block cars. It does not follow them."""
    low, high = (outlet.port, outlet.port) if outlet.port else (49152, 65535)
    needed = {
        f"SDP requests (UDP {outlet.sdp_port}, {sdp.GROUP})": rules.naming(low=outlet.sdp_port, high=outlet.sdp_port),
        "connections (TCP 49152 to 65535)": rules.naming(low=low, high=high),
        "neighbour solicitations (ICMPv6)": rules.naming("icmpv6", "ipv6-icmp"),
    }
    passing = []
    default = f"; what no rule decides falls to: {rules.defaults[0]}" if rules.defaults else ""
    for what, named in needed.items():
        shown = named or (rules.naming(outlet.interface, "fe80", "ff02") if default else [])
        if all(lets_in(rule, outlet.interface) for rule in named) if named else not default:
            passing.append(what.partition(" (")[0])
        elif shown:
            yield note(subject, f"firewall: {what}: look at {' | '.join(shown[:SHOWN])}{default}")
        else:
            yield bad(subject, f"firewall: {what} are dropped by: {rules.defaults[0]}; no rule lets them in")
    if passing:
        yield Finding(subject, f"firewall: {', '.join(passing)} pass ({command})")


# --- The hardware ---


async def _hardware(config: Config, running: bool) -> list[Finding]:
    return [finding for outlet in config.outlets async for finding in _parts(f"outlet {outlet.name}", outlet, running)]


async def _parts(subject: str, outlet: OutletSettings, running: bool) -> AsyncIterator[Finding]:
    if running:
        yield skipped(subject, "the running station has the hardware")
        return
    if outlet.modem is Modem.PACKET:
        yield await _packet_modem(subject, outlet.interface)
        yield _offset(subject, outlet.attenuation_offset)
    try:
        recognise(outlet.hal)
    except HalError:
        return  # the check has reported it
    try:
        board = await asyncio.wait_for(open_hal(outlet.hal, name=outlet.name), BOARD_SECONDS)
    except (HalError, TimeoutError) as error:
        yield bad(subject, f"board: {str(error) or f'{outlet.hal} does not open within {BOARD_SECONDS:g} s'}")
        return
    # Open, look, close: the board starts and ends in its safe state.
    try:
        for finding in _answers(subject, board):
            yield finding
        if outlet.modem is Modem.NONE:
            yield skipped(subject, "modem: not used (modem = 'none')")
        elif outlet.modem is Modem.BOARD and board.plc is None:
            yield skipped(subject, "modem: the board brings none, so cars are not matched")
        elif outlet.modem is Modem.BOARD and board.plc is not None:
            yield await _modem(subject, board.plc)
            yield _offset(subject, outlet.attenuation_offset)
    finally:
        await board.close()


def _answers(subject: str, board: Board) -> Iterator[Finding]:
    pilot = board.pilot.reading
    text = f"board: answers, pilot {pilot.state.value}"
    if board.dc is not None:
        can = board.dc.capabilities
        text += f", DC {can.min_volts:g} to {can.max_volts:g} V, {can.max_amperes:g} A, {can.max_watts / 1000:g} kW"
    if board.ac is not None:
        ac = board.ac.capabilities
        text += f", AC {ac.phases} phases of {ac.volts:g} V, {ac.min_amperes:g} to {ac.max_amperes:g} A"
    yield Finding(subject, text)
    if not board.capabilities.opens_itself:
        text = "does not open its contactors by itself: for a bench, or with an interlock in hardware"
        yield note(subject, f"board: {text}")
    for fault in board.faults.active:
        yield bad(subject, f"board: fault {fault.code}: {fault.text}")
    if board.inputs.reading.emergency_stopped:
        yield bad(subject, "board: the emergency stop is pressed")


async def _packet_modem(subject: str, interface: str) -> Finding:
    try:
        modem = await asyncio.wait_for(open_modem(interface), BOARD_SECONDS)
    except NoPermission as error:
        return bad(subject, f"modem: {error}")
    except (HalError, TimeoutError) as error:
        return bad(subject, f"modem: {error or 'no answer'}; {MODEM_REMEDY}")
    try:
        return await _modem(subject, modem)
    finally:
        await modem.close()


async def _modem(subject: str, modem: PlcModem) -> Finding:
    try:
        info = await asyncio.wait_for(modem.info(), BOARD_SECONDS)
    except (HalError, TimeoutError) as error:
        return bad(subject, f"modem: {error or 'no answer'}; {MODEM_REMEDY}")
    if info.vendor == "unknown":
        return note(subject, f"modem: on {modem.interface}, of an unknown make")
    return Finding(subject, f"modem: {info.vendor} on {modem.interface}, firmware {info.version}")


def _offset(subject: str, offset: int) -> Finding:
    """Chargers in the field subtract 3 to 10 dB; an outlet that subtracts nothing seems farther
    away than a neighbour.
    """
    if offset:
        return Finding(subject, f"modem: attenuation_offset is {offset} dB")
    text = "attenuation_offset is not set: a neighbour that is calibrated may get this outlet's cars"
    return note(subject, f"modem: {text} (docs/board.md, 11)")

"""The directories, sockets and devices of a station, checked by ``secc check`` with the rights of
the user that runs it.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from hal.errors import HalError
from hal.open import recognise
from secc.config import Config, Modem, OutletSettings, TraceMode
from secc.link import sdp
from secc.ops.finding import Finding, bad, note, skipped
from secc.ops.network import InterfaceUnusable, PortTaken, holder, locate, sdp_socket, tcp_socket
from secc.ops.unit import Unit

ANSWER_SECONDS = 5.0
RAW = "CAP_NET_RAW"


def places(config: Config, unit: Unit | None) -> Iterator[Finding]:
    """Yields what has to be there, or free, before the station starts."""
    yield _user(unit)
    for setting, directory in _directories(config, unit):
        yield _directory(setting, directory, unit)
    yield from _control(config)
    packet = any(outlet.modem is Modem.PACKET for outlet in config.outlets)
    if packet and unit is not None and RAW not in unit.capabilities:
        text = f"modem = 'packet' needs {RAW}, which {unit.path} does not give: AmbientCapabilities={RAW}"
        yield bad("raw sockets", text)
    for outlet in config.outlets:
        yield from _devices(outlet)


def ports(config: Config, *, running: bool) -> Iterator[Finding]:
    """Yields whether the ports for cars are free. A running station keeps them."""
    for outlet in config.outlets:
        yield from _ports(f"outlet {outlet.name}", outlet, running)


def is_running(config: Config) -> bool:
    """Returns whether a process listens on the control socket, even if this user may not connect to
    it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_SECONDS)
        try:
            sock.connect(str(config.control_socket))
        except PermissionError:
            return True
        except OSError:
            return False
    return True


def nearest(directory: Path) -> Path:
    """Returns this directory, or the nearest one above it that exists as far as this user can see."""
    return next((one for one in (directory, *directory.parents) if _exists(one)), directory)


def _user(unit: Unit | None) -> Finding:
    name = _name(os.geteuid())
    looked = f"checked with the rights of {name}"
    if unit is not None:
        return Finding("user", f"{looked}; {unit.path} runs it as {unit.user}", remark=name != unit.user)
    if os.geteuid() == 0:
        return note("user", "root may access everything: use --as-user to check with the rights of another user")
    return Finding("user", looked)


def _directories(config: Config, unit: Unit | None) -> Iterator[tuple[str, Path]]:
    yield "state directory", config.station.state_directory
    yield "control socket", config.control_socket.parent
    if config.trace.mode is not TraceMode.OFF:
        yield "traces", config.trace_directory
    if unit is not None:  # without a unit the check of the books covers them
        for subject, path in (("sessions", config.uplink.sessions), ("receipts", config.uplink.receipts)):
            if path is not None:
                yield subject, path.parent
    if config.lab.danger_keylog is not None:
        yield "key log", config.lab.danger_keylog.parent


def _directory(subject: str, directory: Path, unit: Unit | None) -> Finding:
    directory = directory.absolute()
    if unit is not None:
        if below := _below(directory, unit.private):
            why = f"{unit.path} keeps what is below {below} from the station; take another directory"
            return bad(subject, f"{directory}: {why}")
        if unit.writable is not None and _below(directory, unit.writable) is None:
            return bad(subject, f"{directory} is read-only for the station: ReadWritePaths={directory} in {unit.path}")
    there = nearest(directory)
    made = unit.made if unit is not None else ()
    if there != directory and _below(directory, made) is not None and not _exists(made[0]):
        return Finding(subject, f"{directory} is made at the start")
    try:
        if not stat.S_ISDIR(there.stat().st_mode):
            return bad(subject, f"{there} is not a directory")
    except OSError as error:
        return bad(subject, f"{directory}: {error.strerror}")
    done = "written" if there == directory else "made"
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        who = _name(os.geteuid())
        return bad(subject, f"{directory} cannot be {done} by {who}: install -d -o {who} -m 0750 {directory}")
    return Finding(subject, f"{directory} can be {done}")


def _control(config: Config) -> Iterator[Finding]:
    path = config.control_socket
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            yield bad("control socket", f"{path} exists and is not a socket")
    except OSError:
        return


def _devices(outlet: OutletSettings) -> Iterator[Finding]:
    try:
        devices = recognise(outlet.hal).devices
    except HalError:
        return  # the check reports a wrong address elsewhere
    for device in map(Path, devices):
        subject = f"outlet {outlet.name}"
        if not _exists(device):
            yield bad(subject, f"there is no device {device}")
        elif not os.access(device, os.R_OK | os.W_OK, effective_ids=True):
            who, group = _name(os.geteuid()), _group_of(device)
            yield bad(subject, f"{who} may not open {device}; it belongs to the group {group} (docs/boards.md)")


def _ports(subject: str, outlet: OutletSettings, running: bool) -> Iterator[Finding]:
    named = f"UDP port {outlet.sdp_port} on {outlet.interface}"
    if running:
        yield skipped(subject, f"{named}: the running station has it")
        return
    try:
        place = locate(outlet.interface)
    except InterfaceUnusable:
        return  # the check has reported it
    try:
        sdp_socket(place, outlet.sdp_port).close()
        if outlet.port:
            tcp_socket(place, outlet.port).close()
    except PortTaken as error:
        yield bad(subject, f"{error} by {holder(outlet.sdp_port)}")
    except InterfaceUnusable as error:
        yield bad(subject, str(error))
    else:
        group = "" if place.loopback else f", {sdp.GROUP} can be joined"
        yield Finding(subject, f"{named} is free{group}" + (f", TCP port {outlet.port} too" if outlet.port else ""))


def _below(path: Path, directories: tuple[Path, ...]) -> Path | None:
    return next((one for one in directories if path.is_relative_to(one)), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _group_of(path: Path) -> str:
    try:
        return path.group()
    except (KeyError, OSError):
        return "of an unknown user"

"""What the demo needs before it begins: IPv6 on the loopback, a free port, the lab PKI, the station's configuration."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from certs.errors import StoreError
from secc.ops.calendar import FILE, reset_seen
from tools.pki.layout import make_lab_pki


class DemoFailed(Exception):
    """Something that the demo shows did not happen; the text is the one line that says what."""


def tell(who: str, text: str) -> None:
    """One milestone."""
    print(f"{who:8} {text}", flush=True)


# --- what has to be there -------------------------------------------------------------------------------------------------


def has_ipv6_loopback() -> bool:
    """Whether ``::1`` can be bound to."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def raise_loopback() -> None:
    """Bring ``lo`` up in a fresh network namespace, and IPv6 on it."""
    up = struct.pack("16sh", b"lo", 0x1 | 0x8 | 0x40)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, up)
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv6/conf/lo/disable_ipv6").write_text("0")


def enter_namespace(argv: Sequence[str]) -> None:
    """Start again in a user and network namespace of our own, where IPv6 may be switched on. Returns only where that cannot be tried."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return
    tell("demo", "IPv6 is switched off on this machine: trying in a network namespace of its own")
    command = [
        unshare,
        "--user",
        "--map-root-user",
        "--net",
        sys.executable,
        "-m",
        "tools.demo",
        "--in-namespace",
        *argv,
    ]
    os.execv(unshare, command)  # noqa: S606  # no shell is wanted


def free_sdp_port() -> int:
    """15118, or where somebody else has it a free one."""
    for port in (15118, 0):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("::", port))
            except OSError:
                continue
            found: int = sock.getsockname()[1]
            return found
    raise DemoFailed("no UDP port is free on ::")


def prepare_pki(directory: Path) -> None:
    """The lab PKI, made where it is missing or where something in it ends within the day."""
    if not _is_fresh(directory):
        tell("demo", f"making a lab PKI in {directory}")
        if directory.exists():
            shutil.rmtree(directory)
        make_lab_pki(directory)


def _is_fresh(directory: Path) -> bool:
    # Staples live for a week; a PKI made days ago would be refused by the car for its OCSP responses.
    needed = (
        directory / "car" / "contract_chain.pem",
        directory / "car" / "v2g_root.pem",
        directory / "station" / "staples",
    )
    if not all(path.exists() for path in needed):
        return False
    try:
        leaf = x509.load_pem_x509_certificate(needed[0].read_bytes())
    except ValueError:
        return False
    now = datetime.now(UTC)
    made = datetime.fromtimestamp(needed[1].stat().st_mtime, UTC)
    return leaf.not_valid_after_utc > now + timedelta(days=1) and timedelta(0) <= now - made < timedelta(days=1)


CONFIGURATION = """# Written by the demo. docs/configuration.md has every setting.
[station]
name = "demo"
state_directory = "{state}"
control_socket = "{control}"

[[outlet]]
interface = "lo"
hal = "sim:?connector={mode}&modem=1&speed={speed:g}&control={panel}"
evse_id = "DE*PNX*E12345*1"
transfers = [{transfers}]
payments = [{payments}]
tls = "{tls}"
sdp_port = {sdp_port}

[trust]
truststore = "{pki}/station/truststore"
keystore = "{pki}/station/keystore"
ocsp_cache = "{pki}/station/staples"
clock = "rtc"

[uplink]
eim = "{eim}"
allowlist = "{allowlist}"

[trace]
mode = "always"
directory = "{traces}"

[lab]
# The certificates are synthetic, and whoever reads along wants to see them.
danger_trace_personal = true
"""


@dataclass(slots=True)
class Place:
    """Where the files of one run are. Sockets lie in a short directory, because their paths may have only about 100 octets."""

    directory: Path
    sockets: Path
    sdp_port: int

    @property
    def panel(self) -> Path:
        return self.sockets / "world.sock"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def traces(self) -> Path:
        return self.directory / "traces"

    def write_configuration(self, options: argparse.Namespace) -> Path:
        """The station's TOML file."""
        pnc = options.payment == "pnc"
        allowlist = self.directory / "allowlist.txt"
        emaid = (self.pki / "car" / "emaid.txt").read_text().strip()
        allowlist.write_text(f"emaid {emaid}\n")
        allowlist.chmod(0o644)
        text = CONFIGURATION.format(
            state=self.directory / "state",
            control=self.sockets / "control.sock",
            mode=options.mode,
            speed=options.speed,
            panel=self.panel,
            transfers='"dc"' if options.mode == "dc" else '"ac-three-phase"',
            payments='"contract", "external"' if pnc else '"external"',
            tls="off" if options.no_tls else "required" if pnc else "offered",
            sdp_port=self.sdp_port,
            pki=self.pki,
            eim="list" if pnc else "free",
            allowlist=allowlist,
            traces=self.traces,
        )
        path = self.directory / "station.toml"
        path.write_text(text)
        path.chmod(0o644)
        self._take_the_clock_at_its_word(self.directory / "state")
        return path

    def _take_the_clock_at_its_word(self, state: Path) -> None:
        """What ``secc clock reset`` does on a new board whose clock is right: the station has seen what this machine says."""
        state.mkdir(exist_ok=True)
        try:
            reset_seen(state / FILE)
        except (StoreError, ValueError) as error:
            raise DemoFailed(f"the clock of this machine: {error}") from error

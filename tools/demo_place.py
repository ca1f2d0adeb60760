"""Preparations of the demo: IPv6 on the loopback, a free port, the lab PKI, the station's
configuration.
"""

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
    """A step of the demo did not happen; the text is one line that says which."""


def tell(who: str, text: str) -> None:
    """Print one milestone."""
    print(f"{who:8} {text}", flush=True)


# --- what has to be there -------------------------------------------------------------------------------------------------


def has_ipv6_loopback() -> bool:
    """Whether ``::1`` can be bound."""
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
    """Start again in a new user and network namespace, where IPv6 may be available. Returns only if
    that is not possible.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return
    tell("demo", "IPv6 is switched off on this machine: trying in a network namespace of its own")
    options = ("--user", "--map-root-user", "--net")
    command = [unshare, *options, sys.executable, "-m", "tools.demo", "--in-namespace", *argv]
    os.execv(unshare, command)  # noqa: S606  # no shell is wanted


def free_sdp_port() -> int:
    """Returns 15118, or another free port if it is taken. Raises OSError without a free port."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("::", 15118))
        except OSError:
            sock.bind(("::", 0))
        found: int = sock.getsockname()[1]
        return found


def prepare_pki(directory: Path) -> None:
    """Make the lab PKI if it is missing or a part of it ends within a day."""
    if not _is_fresh(directory):
        tell("demo", f"making a lab PKI in {directory}")
        if directory.exists():
            shutil.rmtree(directory)
        make_lab_pki(directory)


def _is_fresh(directory: Path) -> bool:
    # Staples live for a week; the car would refuse an older PKI for its OCSP responses.
    try:
        leaf = x509.load_pem_x509_certificate((directory / "car" / "contract_chain.pem").read_bytes())
        made = datetime.fromtimestamp((directory / "car" / "v2g_root.pem").stat().st_mtime, UTC)
    except (OSError, ValueError):
        return False
    if not (directory / "station" / "staples").exists():
        return False
    now = datetime.now(UTC)
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
# The certificates are synthetic, so the trace may show them.
danger_trace_personal = true
"""


@dataclass(slots=True)
class Place:
    """The files of one run. Sockets are in a directory with a short path, because their paths may
    have about 100 octets only.
    """

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
        """Write the station's TOML file."""
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
        """Do what ``secc clock reset`` does on a new board with a correct clock: store this
        machine's time.
        """
        state.mkdir(exist_ok=True)
        try:
            reset_seen(state / FILE)
        except (StoreError, ValueError) as error:
            raise DemoFailed(f"the clock of this machine: {error}") from error

"""What the kernel believes that comes from the car's side of the network: redirects, router
advertisements, packets that are to be forwarded. (A-NET-05, A-NET-10)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from secc.ops.finding import Finding, note, skipped

SETTINGS: Final = {
    "accept_redirects": "a device on the line can send the car's packets elsewhere",
    "accept_ra": "a car can make itself the default router of this machine",
    "forwarding": "a car reaches the networks behind this machine",
}
"""Settings of an interface that have to be 0, and what happens otherwise."""
PLACE: Final = Path("/proc/sys/net/ipv6/conf")


def hardened(subject: str, interface: str, place: Path = PLACE) -> Iterator[Finding]:
    """Yields what in the kernel's settings for the car's interface lets a device on it change routes."""
    try:
        found = {name: (place / interface / name).read_text().strip() for name in SETTINGS}
    except OSError as error:
        yield skipped(subject, f"kernel settings of {interface} not checked: {error.strerror or error}")
        return
    for name, value in found.items():
        if value != "0":
            remedy = f"sysctl net.ipv6.conf.{interface}.{name}=0 (docs/board.md, 2)"
            yield note(subject, f"{name} of {interface} is {value}: {SETTINGS[name]}; {remedy}")
    if set(found.values()) == {"0"}:
        yield Finding(subject, f"{interface} takes no redirects and no routes from cars")

"""``secc run`` from the start of the process to its first SDP answer, and what it holds in memory from then on."""

from __future__ import annotations

import statistics
import time

from .answers import LOOP
from .car import Order
from .cars import Cars
from .figures import Section, spread
from .proc import cores
from .stations import Ground, Station, running

WALL_SECONDS, CPU_SECONDS = 0.6, 0.4
RESIDENT_MIB = 50.0
FLAT_MIB = 1.0
"""Growth over the second half of the messages that still counts as none: an arena of the allocator."""


def starts(ground: Ground, *, quick: bool) -> Section:
    """Wall clock and CPU until SDP is answered; a car is plugged in already, since without one nothing is answered."""
    section = Section("start", "`secc run` until it answers SDP")
    configuration, places = ground.configure(1, plugged=True)
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(2 if quick else 5):
        began = time.monotonic()
        station = Station(configuration)
        try:
            station.wait(places[0].sdp_port)
            wall.append(time.monotonic() - began)
            cpu.append(station.tree.cpu().seconds)
        finally:
            station.stop()
    section.facts = {"wall": wall, "cpu": cpu}
    for what, samples, goal in (("wall clock", wall, WALL_SECONDS), ("CPU", cpu, CPU_SECONDS)):
        middle = statistics.median(samples)
        section.add(
            what,
            f"{spread(samples, 2)} s",
            goal=f"under {goal:g} s",
            met=middle < goal,
            note=f"{len(samples)} starts",
        )
    return section


def memory(ground: Ground, *, quick: bool) -> Section:
    """Resident memory of a station with one outlet: idle, in a session, and over many messages."""
    section = Section("memory", "Resident memory, one outlet, traces on")
    exchanges = 1000 if quick else 5000
    configuration, places = ground.configure(1)
    own, other = cores()
    with running(configuration, core=own) as station:
        station.wait_for(places[0].panel)
        time.sleep(1.0)
        idle = station.tree.resident()
        order = Order(
            places[0].sdp_port, str(places[0].panel), str(ground.pki / "car"), loops=exchanges, loop_seconds=0.0
        )
        cars = Cars([order], core=other, limit=120.0)
        cars.charging()
        samples: list[tuple[float, float]] = []
        # Until the car has unplugged: its process has ended.
        while cars.running:
            samples.append((time.time(), station.tree.resident()))
            time.sleep(0.05)
        trips = cars.done()
        station.charged_by_contract(1)
        time.sleep(1.0)
        after = station.tree.resident()
    sent = [one.sent for one in trips.cars[0] if one.name == LOOP]
    middle, end = sent[len(sent) // 2], sent[-1]
    first = samples[0][1]
    half = max(mib for at, mib in samples if at <= middle)
    full = max(mib for at, mib in samples if at <= end)
    most = max(mib for _, mib in samples)
    section.facts = {"idle": idle, "charging": first, "half": half, "full": full, "most": most, "after": after}
    section.add("idle", f"{idle:.1f} MiB", goal=f"at most {RESIDENT_MIB:g} MiB", met=idle <= RESIDENT_MIB)
    section.add("charging begins", f"{first:.1f} MiB", goal=f"at most {RESIDENT_MIB:g} MiB", met=first <= RESIDENT_MIB)
    section.add(f"after {exchanges} messages", f"{half:.1f} MiB")
    section.add(
        f"after {2 * exchanges} messages",
        f"{full:.1f} MiB",
        goal=f"at most {RESIDENT_MIB:g} MiB, flat",
        met=full <= RESIDENT_MIB and full - half <= FLAT_MIB,
        note=f"{1e3 * (end - sent[0]) / len(sent):.2f} ms an exchange, back to back",
    )
    section.add(
        "when the session is over and its trace written", f"{after:.1f} MiB", note=f"at most {most:.1f} on the way"
    )
    return section

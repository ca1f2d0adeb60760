"""Whole sessions on a virtual clock, in which the line between a good car and the station does what it likes: bits, fields, order, timing, pauses.

Car, session, power path, interlock and physics are the real ones (``tests/pair.py``, ``tests/world_outlet.py``). What is judged is the simulated
world's contactor, supply and meter.
"""

from __future__ import annotations

import dataclasses
import gc
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from secc.conversation import Event, Received
from secc.iso2.messages import SCHEMA, AuthorizationReq, MessageHeader, MeteringReceiptReq
from secc.session.effects import Decision, KeepForResume, Verdict
from secc.session.events import (
    ConnectionClosed,
    EimDecided,
    EmergencyStopped,
    Fault,
    LimitChanged,
    LinkLost,
    RenegotiationRequested,
    StopRequested,
)
from secc.session.offer import Offer, Payment
from tests.fuzz.decoder import LONGEST_SECONDS, growth, resident
from tests.fuzz.line import BadLine, read
from tests.lab_trust import LAB
from tests.pair import WIRE_SECONDS, Pair
from tests.ways import AC_OFFER, ANCHORS, BOTH, DC_OFFER, EVERY_KIND, WALLET, Way
from tests.world_outlet import DC_LIMITS, WorldOutlet
from tools.evcc.behaviour import Behaviour, Current, Remembered
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.wallet import Wallet

SECONDS: Final = 400.0
"""Of simulated time: longer than any session here may take."""
Clock = Callable[[], float]
AFTER_SECONDS: Final = 1.0
"""Behind the end of a session everything is off and stays off."""
EVENTS: Final[tuple[Event, ...]] = (
    StopRequested("driver"),
    StopRequested("backend"),
    RenegotiationRequested(),
    EmergencyStopped(),
    Fault("over_temperature"),
    LinkLost(),
    ConnectionClosed(),
    LimitChanged(0.0),
    LimitChanged(4200.0),
    LimitChanged(None),
)


@cache
def thief() -> Wallet:
    """The chain of a customer, and a key that is not the customer's."""
    key = LAB.provisioning.leaf.key
    assert isinstance(key, EllipticCurvePrivateKey)
    return replace(WALLET, key=key)


class Watched(WorldOutlet):
    """The world, and whether anybody has agreed to power."""

    def __init__(self, *, dc: bool) -> None:
        self.agreed = False
        self.wrong: list[str] = []
        super().__init__(dc=dc)
        self.bench.watch = self._watch

    def _watch(self) -> None:
        if not self.agreed and not self.wrong:
            truth = self.world.truth()
            if truth["contactor_closed"] or truth["supply_on"] or truth["metered_watt_hours"] > 0.0:
                self.wrong.append("power without consent")


class Meddled(Pair):
    """A pair whose line changes a few of the car's messages."""

    def __init__(
        self,
        chance: random.Random,
        behaviour: Behaviour,
        offer: Offer,
        outlet: Watched,
        wallet: Wallet | None,
        clock: Clock,
    ) -> None:
        super().__init__(behaviour, offer, wallet=wallet, outlet=outlet, seed=chance.randrange(2**32))
        self.watched = outlet
        self.honest = wallet is WALLET
        self.accepted = outlet.verdict.decision is Decision.ACCEPTED
        self.bad = BadLine(chance, dc=offer.is_dc, contract=wallet is not None)
        self.proofs: list[Any] = []
        self.longest = 0.0
        self.clock = clock

    def transmit(self, segment: bytes) -> None:
        message = read(segment)
        if self.honest and message is not None and isinstance(message.body, AuthorizationReq | MeteringReceiptReq):
            self.proofs.append((message.body, _said(message.header)))
        for later, octets in self.bad.carry(segment):
            if octets is None:
                self._later(WIRE_SECONDS + later, lambda: self._station_hears(ConnectionClosed()))
            elif octets:
                self._later(WIRE_SECONDS + later, partial(self._station_reads, octets))

    def _station_hears(self, event: Event) -> None:
        match event:
            case EimDecided(accepted=True):
                self.watched.agreed = True
            case Received(message=AuthorizationReq() as request, header=header) if self.accepted:
                # A contract is consent if just what its car has signed arrives.
                self.watched.agreed |= (request, _said(header)) in self.proofs
        super()._station_hears(event)

    def _station_reads(self, octets: bytes) -> None:
        began = self.clock()
        super()._station_reads(octets)
        self.longest = max(self.longest, self.clock() - began)


def _said(header: MessageHeader) -> Any:
    signature = header.signature
    return None if signature is None else (signature.signed_info, signature.signature_value.value)


# --- many sessions ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Found:
    """What a run has seen."""

    seed: int
    sessions: int = 0
    ends: Counter[str] = dataclasses.field(default_factory=Counter)
    requests: Counter[str] = dataclasses.field(default_factory=Counter)
    charged: int = 0
    receipts: int = 0
    longest: float = 0.0
    wrong: list[str] = dataclasses.field(default_factory=list)
    memory: list[int] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.sessions} sessions (seed {self.seed}) in {self.seconds:.0f} s of processor time",
            f"{self.charged} of them with energy, {self.receipts} receipts",
            f"the longest step of a station {1000 * self.longest:.1f} ms; memory, KiB: {', '.join(str(one // 1024) for one in self.memory)}",
            "ends: " + ", ".join(f"{count} {code}" for code, count in self.ends.most_common(40)),
            *self.wrong,
        ]
        return "\n".join(lines)


def run(
    sessions: int, seed: int, *, seconds: float | None = None, told: Callable[[str], None] = lambda line: None
) -> Found:
    """Run so many sessions, or for so many seconds on the wall. Each has a seed of its own, which a finding names. Returns what was seen."""
    found, until = Found(seed), None if seconds is None else time.monotonic() + seconds
    one(found, seed)
    found = Found(seed)
    gc.collect()
    gc.freeze()
    began, step = time.process_time(), max(1, sessions // 20)
    while found.sessions < sessions and len(found.wrong) <= 20 and (until is None or time.monotonic() < until):
        before = found.sessions
        try:
            one(found, seed + before)
        except Exception as error:
            # In a station it would end the session as a bug, safely; here nothing catches it.
            found.sessions += 1
            found.wrong.append(f"seed {seed + before}: {type(error).__name__}: {error}")
        if found.sessions // step != before // step:
            gc.collect()
            found.memory.append(resident())
            told(f"{found.sessions} sessions, {found.charged} with energy, {resident() // 1024} KiB")
    gc.unfreeze()
    found.seconds = time.process_time() - began
    found.wrong += growth(found.memory)
    return found


def one(found: Found, seed: int, clock: Clock = time.perf_counter) -> None:
    """Run one session of this seed, and the one that joins it after a pause. ``clock`` says how long a step takes."""
    chance = random.Random(seed)
    way = chance.choice(EVERY_KIND)
    contract = way.payment is Paid.CONTRACT
    wallet = None if not contract else WALLET if chance.random() < 0.6 else thief()
    behaviour = Behaviour(
        current=way.current,
        payment=way.payment,
        loops=chance.choice((1, 2, 5)),
        renegotiate_after=chance.choice((None, None, 2)),
        keep_relays=chance.random() < 0.5,
        ask_detail=chance.random() < 0.3,
        pauses=int(chance.random() < 0.3),
        patience=chance.choice((1.0,) * 19 + (40.0,)),
        departure_seconds=chance.choice((None, 7200.0)),
        ignore_receipts=chance.random() < 0.2,
    )
    receipts = chance.choice((None, 0.0, 0.3))
    decision = chance.choice((Decision.ACCEPTED,) * 4 + (Decision.NOT_ALLOWED_HERE, Decision.CERTIFICATE_REVOKED))
    kept: KeepForResume | None = None
    card = False
    remembered: Remembered | None = None
    for _ in range(2):
        # Shown before the connection, or while the car asks, or refused, or never.
        card = card or chance.random() < (0.1 if contract else 0.5)
        outlet = Watched(dc=way.current is Current.DC)
        outlet.anchors, outlet.verdict, outlet.agreed = ANCHORS, Verdict(decision), card
        pair = Meddled(
            chance, replace(behaviour, remembered=remembered), _offer(way, kept, card, receipts), outlet, wallet, clock
        )
        _script(chance, pair, (None, None, None, None, True, False) if contract else (None, True, True, False))
        line = pair.run(SECONDS)
        if pair.longest > LONGEST_SECONDS and clock is not time.thread_time:
            # Another process may have had the processor.
            one(found, seed, time.thread_time)
            return
        _judge(found, seed, pair)
        keeps = [effect for effect in line.wishes if isinstance(effect, KeepForResume)]
        if not keeps:
            return
        kept, remembered = keeps[-1], line.remembered


def _offer(way: Way, kept: KeepForResume | None, card: bool, receipts: float | None) -> Offer:
    base = DC_OFFER if way.current is Current.DC else AC_OFFER
    return replace(
        base,
        free=False,
        tls=way.tls,
        dc=DC_LIMITS if base.dc is not None else None,
        payments=BOTH if way.tls else (Payment.EXTERNAL,),
        eim_seconds=3.0,
        eim_authorized=card,
        receipt_seconds=receipts,
        paused=None if kept is None else kept.value,
    )


def _script(chance: random.Random, pair: Meddled, cards: tuple[bool | None, ...]) -> None:
    """Let people and the grid take part. ``cards``: whether one that is shown is accepted."""
    accepted = chance.choice(cards)
    if accepted is not None:
        pair.at(chance.choice((0.03, 0.3, 2.0)), EimDecided(accepted, "rfid"))
    if chance.random() < 0.3:
        pair.at(chance.uniform(0.0, 8.0), chance.choice(EVENTS))
    if chance.random() < 0.05:
        pair.do_at(chance.uniform(0.0, 8.0), lambda: pair.watched.world.unplug(force=True))


def _judge(found: Found, seed: int, pair: Meddled) -> None:
    line, outlet = pair.line, pair.watched
    found.sessions += 1
    found.longest = max(found.longest, pair.longest)
    found.charged += outlet.watt_hours > 0.0
    found.requests.update(name for name in line.said if name.endswith("Req"))
    wrong = list(outlet.wrong)
    for receipt in outlet.receipts:
        booked = SCHEMA.decode(receipt.check().octets)
        found.receipts += 1
        if (booked.body, _said(booked.header)) not in pair.proofs:
            wrong.append("a receipt that the car has not signed")
    if line.station is None:
        wrong.append("the station's session never ends")
    else:
        found.ends[line.station.code] += 1
        if line.station.kind == "bug":
            wrong.append(str(line.station))
    if pair.longest > LONGEST_SECONDS:
        wrong.append(f"a step of {pair.longest:.3f} s")
    outlet.advance(pair.now + AFTER_SECONDS)
    metered = outlet.watt_hours
    outlet.advance(pair.now + 2 * AFTER_SECONDS)
    if not outlet.bench.dead or outlet.watt_hours != metered:
        wrong.append(f"power after the end: {outlet.world.truth()}")
    found.wrong += [f"seed {seed}: {pair.bad}: {line.station}: {one}" for one in wrong]

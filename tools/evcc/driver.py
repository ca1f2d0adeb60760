"""The car on real sockets: discovery, connection, trust, one session, and its actions at the
outlet.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from secc.conversation import Effect, End, Event, Reason, Send
from secc.errors import DecodeError, FramingError
from secc.link import sdp
from secc.session.events import ConnectionClosed, StopRequested, StreamBroken

from .battery import Battery
from .behaviour import Behaviour, Remembered
from .dialogue import Dialogue, drive_in
from .discovery import discover
from .hands import Hands
from .line import Line, LineLost
from .matching import DUTY_SECONDS, DUTY_STEP_SECONDS, NotMatched, be_matched
from .resuming import RESUME_FLAWS, Return, asleep
from .trust import StationUntrusted, Trust
from .vocabulary import Announce, RememberSession
from .wallet import Wallet

L = TypeVar("L", bound=Line)

LOOP: Final = ("CurrentDemandRes", "ChargingStatusRes")
"""The answers of the charging loop."""

Tell = Callable[[str, str, Mapping[str, Any]], None]
"""Takes a milestone: its stable name, one line of text, facts as JSON values."""


@dataclass(frozen=True, slots=True)
class Trip:
    """Where the car connects, and its PKI."""

    interface: str = "lo"
    sdp_port: int = sdp.PORT
    trust: Trust | None = None
    """None: the car does not use TLS."""
    wallet: Wallet | None = None
    keylog: Path | None = None
    kill_after: int | None = None
    """The process kills itself after this many answers of the charging loop."""
    staple_needed: bool = True
    sleep_seconds: float | None = None
    """After a pause the car wakes the station when so many seconds have passed; None: it waits to be
    woken.
    """
    other_wallet: Wallet | None = None
    resume_flaw: str | None = None
    """What the car does wrong after a pause, from ``tools.evcc.resuming``; ``other_wallet`` is for
    ``other-contract``.
    """


class Stopped(Exception):
    """The trip ended before a session began; ``code`` is the exit code of the program."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class _Run:
    """One session under way."""

    dialogue: Dialogue
    line: Line
    hands: Hands
    tell: Tell
    trip: Trip
    inbox: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    answers: int = 0
    remembered: Remembered | None = None
    ended: Reason | None = None


async def travel(
    trip: Trip,
    behaviour: Behaviour,
    hands: Hands,
    tell: Tell,
    *,
    battery: Battery | None = None,
    connect: Callable[[Trip, Tell], Awaitable[Line]] = lambda trip, tell: connect(trip, tell, Line),
    stopped: Callable[[], Awaitable[object]] | None = None,
) -> Reason:
    """Plug in, find the station, connect, charge, leave. Returns the reason of the session's end.
    Raises Stopped if no session began.

    ``connect`` replaces :func:`connect`. When ``stopped`` returns, the driver stops the car.
    """
    await hands.plug_in()
    tell("plugged-in", "plugged in", {})
    modem = await hands.modem()
    if modem is not None:
        await _await_duty(hands)
        await be_matched(modem, tell)
    while True:
        run = await _session(trip, behaviour, hands, tell, battery, connect, stopped)
        assert run.ended is not None
        if run.remembered is None:
            return run.ended
        await asleep(hands, trip.sleep_seconds)
        tell("awake", "the car wakes up", {})
        battery = run.dialogue.battery
        back = Return(
            replace(behaviour, pauses=behaviour.pauses - 1, remembered=run.remembered),
            trip.trust,
            trip.wallet,
            trip.other_wallet,
        )
        if trip.resume_flaw is not None:
            back = RESUME_FLAWS[trip.resume_flaw](back)
        behaviour, trip = back.behaviour, replace(trip, trust=back.trust, wallet=back.wallet)


async def _session(
    trip: Trip,
    behaviour: Behaviour,
    hands: Hands,
    tell: Tell,
    battery: Battery | None,
    connect: Callable[[Trip, Tell], Awaitable[Line]],
    stopped: Callable[[], Awaitable[object]] | None,
) -> _Run:
    line = await connect(trip, tell)
    dialogue = drive_in(behaviour, battery=battery, wallet=trip.wallet, now=asyncio.get_running_loop().time())
    run = _Run(dialogue, line, hands, tell, trip)
    await hands.feel(dialogue.battery)
    tasks = [asyncio.create_task(_read(run))]
    if stopped is not None:
        tasks.append(asyncio.create_task(_stop(run, stopped)))
    try:
        await _talk(run)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await line.close()
    assert run.ended is not None
    return run


async def _await_duty(hands: Hands) -> None:
    """Wait for 5 % on the pilot."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DUTY_SECONDS
    while (duty := await hands.duty()) is not None and not 0.03 <= duty <= 0.07:
        if loop.time() >= end:
            raise NotMatched(f"the station did not put 5 % on the pilot in {DUTY_SECONDS:.0f} s")
        await asyncio.sleep(DUTY_STEP_SECONDS)


async def connect(trip: Trip, tell: Tell, line_type: type[L]) -> L:
    """Find the station by SDP, connect, and check its staple. Raises Stopped for a station that this car
    does not trust, NotDiscovered, LineLost, OSError.
    """
    wanted = sdp.Security.NONE if trip.trust is None else sdp.Security.TLS
    found, scope = await discover(trip.interface, wanted, port=trip.sdp_port)
    where = f"[{found.address}]:{found.port}"
    tell("discovered", f"station found by SDP at {where}, {found.security.name}", {"port": found.port})
    if found.security is not wanted:
        raise Stopped(4, f"the station offers {found.security.name}, this car wants {wanted.name}")
    context = None
    if trip.trust is not None:
        context = trip.trust.context(_keylog(trip.keylog))
    try:
        line = await line_type.open(str(found.address), found.port, scope, context)
    except LineLost as error:
        if trip.trust is not None and trip.trust.refused is not None:
            raise Stopped(4, f"the station's chain is not valid: {trip.trust.refused}") from error
        raise
    info = line.info
    if trip.trust is not None and info is not None:
        try:
            staple = trip.trust.check_staple(info) if trip.staple_needed else "not asked"
        except StationUntrusted as error:
            await line.close()
            raise Stopped(4, str(error)) from error
        chain = trip.trust.describe()
        text = f"{info.version} {info.suite}, chain {chain}, OCSP {staple}"
        tell("tls", text, {"version": info.version, "suite": info.suite, "chain": chain, "ocsp": staple})
    else:
        tell("connected", f"TCP connection to {where}, no TLS", {})
    return line


def _keylog(path: Path | None) -> Callable[[str], None] | None:
    if path is None:
        return None

    def write(line: str) -> None:
        # These lines decrypt the session: only the owner may read the file.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "a") as file:
            file.write(line + "\n")

    return write


async def _read(run: _Run) -> None:
    try:
        while (frames := await run.line.frames()) is not None:
            for frame in frames:
                # The agreed protocol decides how octets are decoded, so decode them in order.
                run.inbox.put_nowait(_Octets(int(frame.payload_type), frame.payload))
    except (OSError, FramingError) as error:
        run.inbox.put_nowait(StreamBroken("v2gtp", str(error)))
        return
    run.inbox.put_nowait(ConnectionClosed())


async def _stop(run: _Run, stopped: Callable[[], Awaitable[object]]) -> None:
    await stopped()
    run.inbox.put_nowait(StopRequested("driver"))


@dataclass(frozen=True, slots=True)
class _Octets(Event):
    payload_type: int
    octets: bytes


async def _talk(run: _Run) -> None:
    loop = asyncio.get_running_loop()
    session = run.dialogue.session
    await _perform(run, session.begin(loop.time()))
    while run.ended is None:
        deadline = session.deadline
        try:
            async with asyncio.timeout_at(None if deadline is None else deadline.at):
                event = await run.inbox.get()
        except TimeoutError:
            await _perform(run, session.expire(loop.time()))
            continue
        if isinstance(event, _Octets):
            try:
                event = run.dialogue.decode(event.payload_type, event.octets)
            except DecodeError as error:
                event = StreamBroken("exi", str(error))
            else:
                _count(run, event.message)
        await run.hands.feel(run.dialogue.battery)
        await _perform(run, session.receive(event, loop.time()))


def _count(run: _Run, message: object) -> None:
    if type(message).__name__ in LOOP:
        run.answers += 1
        if run.trip.kill_after is not None and run.answers >= run.trip.kill_after:
            run.tell("killed", "the car's process is killed in the middle of charging", {})
            os.kill(os.getpid(), signal.SIGKILL)


async def _perform(run: _Run, effects: tuple[Effect, ...]) -> None:
    for effect in effects:
        run.dialogue.note(effect)
        match effect:
            case Send(message=message):
                try:
                    await run.line.send(run.dialogue.encode(effect), named(message))
                except (OSError, LineLost):
                    run.inbox.put_nowait(ConnectionClosed())
            case Announce(name=name, text=text, facts=facts):
                run.tell(name, text, facts)
            case End(reason=reason):
                run.ended = reason
            case RememberSession(remembered=remembered):
                run.remembered = remembered
            case _:
                await run.hands.perform(effect)


def named(message: object) -> str:
    """Returns the name of a message, such as ``PowerDeliveryReq(Start)``, in the words of ISO 15118-2."""
    body = getattr(message, "body", message)
    name = type(body).__name__
    if (progress := getattr(body, "charge_progress", None)) is not None:
        return f"{name}({progress.value})"
    ready = getattr(body, "ready_to_charge_state", None)
    return name if ready is None else f"{name}({'Start' if ready else 'Stop'})"
